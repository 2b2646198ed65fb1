"""TALLRec's protocol: its windows, what may be read for them, and figures that come out of the dump again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from agent.dataset import Dataset
from agent.taste import ItemInfo
from eval.protocols import tallrec
from eval.ranking_cache import RankingCache
from eval.ranking_run import RankingError, RankingRun
from training import tallrec_recipe
from training.tallrec_recipe import NAMES, cross_features, fit_tallrec, window_features
from training.tallrec_rows import LENGTH, SIZES, TallrecSplit, Window, load_tallrec


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> TallrecSplit:
    return load_tallrec(dataset)


@pytest.fixture(scope="module")
def info(dataset: Dataset) -> ItemInfo:
    return ItemInfo.of(dataset.items)


def share(windows: tuple[Window, ...]) -> np.ndarray:
    """The likes among each window's ten."""
    return np.array([np.mean([(event.rating or 0) > 3 for event in window.history]) for window in windows])


def test_the_windows_are_the_published_ones(split: TallrecSplit) -> None:
    assert (len(split.train), len(split.valid), len(split.test)) == SIZES
    assert len({window.user for window in split.test}) == 16
    for window in (*split.train[:50], *split.test):
        times = [event.timestamp or 0 for event in (*window.history, window.target)]
        assert len(window.history) == LENGTH and times == sorted(times)
    # Measured before with the authors' own preprocessing.
    liked = [window.liked for window in split.test]
    assert roc_auc_score(liked, share(split.test)) == pytest.approx(0.726, abs=0.0005)


def test_nothing_of_those_who_are_asked_about_is_known(split: TallrecSplit) -> None:
    asked = {window.user for window in (*split.valid, *split.test)}
    assert split.held_out == asked
    # One user's windows lie on both sides of the first cut: they are trained on, but no statistic knows them.
    assert {window.user for window in split.train} & asked == {"910"}
    shown, background = split.shown(split.train), split.background()
    for known in (shown, background):
        assert not set(known["user"]) & asked
        assert not known.duplicated(["user", "item"]).any()
    everybody = set(split.ratings["user"])
    assert set(background["user"]) == everybody - asked
    names = {window.user for window in split.train} - asked
    assert set(shown["user"]) == names
    # All but what the first of them rated before the first window that is kept.
    assert 8855 - len(shown) == split.train[0].place - LENGTH
    few = split.few(16)
    assert len(split.shown(few)) <= 16 * (LENGTH + 1)


def test_a_training_windows_features_have_not_seen_its_user(
    split: TallrecSplit, info: ItemInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs: list[tuple[set[str], set[str]]] = []

    def watched(fit_on: pd.DataFrame, windows: list[Window], *rest: object) -> np.ndarray:
        pairs.append((set(fit_on["user"]), {window.user for window in windows}))
        return np.zeros((len(windows), len(NAMES)))

    monkeypatch.setattr(tallrec_recipe, "window_features", watched)
    cross_features(split.background(), split.train, info)
    assert len(pairs) == 5
    assert set().union(*(own for _, own in pairs)) == {window.user for window in split.train}
    assert all(not known & own for known, own in pairs)


def test_what_the_held_out_rated_changes_no_feature(split: TallrecSplit, info: ItemInfo) -> None:
    changed = split.ratings.copy()
    asked = changed["user"].isin(split.held_out)
    changed.loc[asked, "rating"] = 6.0 - changed.loc[asked, "rating"]
    other = TallrecSplit(split.train, split.valid, split.test, changed)
    pd.testing.assert_frame_equal(split.background(), other.background())
    few = split.test[:20]
    shown = split.shown(split.few(64))
    target = [Window(w.user, w.place, w.history, type(w.target)(w.target.item, 1.0)) for w in few]
    assert np.array_equal(window_features(shown, few, info), window_features(shown, target, info))


def test_few_rows_are_drawn_by_the_seed(split: TallrecSplit) -> None:
    assert split.few(16) == split.few(16) != split.few(16, seed=1)
    with pytest.raises(ValueError, match="9000 training rows: give 2 to 8000"):
        split.few(9000)


def test_another_data_set_is_refused(dataset: Dataset) -> None:
    other = Dataset("other", dataset.ratings, dataset.items, None, None, "x")
    with pytest.raises(RankingError, match="not of 'other'"):
        tallrec.tables(other, RankingRun())
    with pytest.raises(RankingError, match="no row 'magic' under tallrec"):
        tallrec.tables(dataset, RankingRun(compare=("magic", tallrec.TRIVIAL)))


def test_more_rows_help_and_the_penalty_is_chosen_on_validation(split: TallrecSplit, info: ItemInfo) -> None:
    scores = fit_tallrec(split, info, "rows", rows=256)
    liked = [window.liked for window in split.valid]
    again = [
        roc_auc_score(liked, tallrec_recipe._log_odds(*parts, penalty)[: len(split.valid)])
        for parts in [_parts(split, info, 256)]
        for penalty in tallrec_recipe.PENALTIES
    ]
    assert tallrec_recipe.PENALTIES[int(np.argmax(again))] == scores.penalty
    assert roc_auc_score(liked, scores.valid) == pytest.approx(max(again), abs=1e-9)
    assert roc_auc_score(liked, scores.valid) > 0.65


def _parts(split: TallrecSplit, info: ItemInfo, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    windows = split.few(rows)
    shown = split.shown(windows)
    theirs = window_features(shown, (*split.valid, *split.test), info)
    return cross_features(shown, windows, info), np.array([window.liked for window in windows]), theirs


def test_the_figures_come_out_of_the_dump_again(dataset: Dataset, split: TallrecSplit) -> None:
    rng = np.random.default_rng(0)
    draws = [share(split.test) + rng.normal(0, 0.3, len(split.test)) for _ in range(2)]
    scores = {"ours": draws, "plain": [share(split.test)]}
    rows = tallrec.figures(scores, split.test, "plain", {"ours": "ours", "plain": "baseline"})
    frame = [tallrec.dump(own, split.test, "ours", dataset) for own in draws]
    again = np.mean([roc_auc_score(own["relevant"], own["score"]) for own in frame])
    assert rows[0].figures["auc"].mean == pytest.approx(again, abs=1e-12)
    assert rows[0].differences["auc"].mean == pytest.approx(again - rows[1].figures["auc"].mean, abs=1e-12)
    assert rows[0].figures["auc"].low < again < rows[0].figures["auc"].high
    assert list(frame[0].columns[:7]) == ["protocol", "set", "policy", "case", "user", "rank", "item"]


@pytest.mark.slow
def test_the_table_has_the_trivial_row_and_ours_above_it(dataset: Dataset) -> None:
    (table,) = tallrec.tables(dataset, RankingRun(cache=RankingCache()))
    figures = {row.policy: row.figures["auc"].mean for row in table.rows}
    assert figures["likes in the history"] == pytest.approx(0.72, abs=0.015)
    assert figures["policy without the LM, all rows"] > figures[tallrec.TRIVIAL]
    assert figures["policy without the LM, all rows + others"] > figures["policy without the LM, all rows"]
