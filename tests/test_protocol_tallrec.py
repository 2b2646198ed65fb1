"""TALLRec's protocol: its windows, what may be read for them, and figures that come out of the dump again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from agent.data.dataset import Dataset
from agent.features.user_features import ItemInfo
from eval.protocols import tallrec, tallrec_recipe
from eval.protocols.tallrec_features import NAMES, WindowEvidence
from eval.protocols.tallrec_recipe import PENALTIES, cross_features, examples, fit_tallrec, log_odds
from eval.protocols.tallrec_rows import LENGTH, SIZES, TallrecSplit, Window, load_tallrec
from eval.ranking.cache import RankingCache
from eval.ranking.run import RankingError, RankingRun


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> TallrecSplit:
    return load_tallrec(dataset)


@pytest.fixture(scope="module")
def info(dataset: Dataset) -> ItemInfo:
    return ItemInfo.of(dataset)


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
    names = {window.user for window in split.train} - asked
    assert set(background["user"]) == everybody - asked - names
    assert set(shown["user"]) == names
    # All but what the first of them rated before the first window that is kept.
    assert 8855 - len(shown) == split.train[0].place - LENGTH
    few = split.few(16)
    assert len(split.shown(few)) <= 16 * (LENGTH + 1)


def test_a_training_windows_features_have_not_seen_its_user(
    split: TallrecSplit, info: ItemInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs: list[tuple[set[str], set[str]]] = []

    class Watched:
        def __init__(self, known: set[str]) -> None:
            self.known = known

        @classmethod
        def fit(cls, ratings: pd.DataFrame, info: ItemInfo, stars: bool = False) -> Watched:
            return cls(set(ratings["user"]))

        def features(self, windows: list[Window]) -> np.ndarray:
            pairs.append((self.known, {window.user for window in windows}))
            return np.zeros((len(windows), len(NAMES)))

    monkeypatch.setattr(tallrec_recipe, "WindowEvidence", Watched)
    cross_features(split.shown(split.train), split.train, info)
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
    evidence = WindowEvidence.fit(shown, info)
    assert np.array_equal(evidence.features(few), evidence.features(target))


def test_few_rows_are_drawn_by_the_seed(split: TallrecSplit) -> None:
    assert split.few(16) == split.few(16) != split.few(16, seed=1)
    with pytest.raises(ValueError, match="9000 training rows: give 2 to 8000"):
        split.few(9000)


def test_another_data_set_is_refused(dataset: Dataset) -> None:
    other = replace(dataset, name="other", users=None, fingerprint="x")
    with pytest.raises(RankingError, match="not of 'other'"):
        tallrec.tables(other, RankingRun())
    with pytest.raises(RankingError, match="no row 'magic' under tallrec"):
        tallrec.tables(dataset, RankingRun(compare=("magic", tallrec.TRIVIAL)))


def test_every_rating_shown_after_five_others_is_an_example_once(split: TallrecSplit) -> None:
    few = split.few(16)
    taught = examples(few)
    assert set(few) <= set(taught)
    assert len({(own.user, own.place) for own in taught}) == len(taught) > 5 * len(few)
    shown = split.ratings.set_index(["user", "item"])["rating"]
    for own in taught:
        assert 5 <= len(own.history) <= LENGTH
        assert own.target.item not in {event.item for event in own.history}
        assert shown[own.user, own.target.item] == own.target.rating
    # Of windows that follow one another all but the first few examples are those windows themselves.
    row = [window for window in split.train if window.user == split.train[0].user]
    assert len(examples(row)) == len(row) + 5


def test_the_penalty_is_chosen_on_validation(split: TallrecSplit, info: ItemInfo) -> None:
    fit = fit_tallrec(split, info, rows=64)
    drawn = split.few(64)
    ratings, taught = split.shown(drawn), examples(drawn)
    mine = cross_features(ratings, taught, info)
    theirs = WindowEvidence.fit(ratings, info).features(split.valid)
    liked, wanted = (np.array([window.liked for window in part]) for part in (taught, split.valid))
    areas = {c: roc_auc_score(wanted, log_odds(mine, liked, theirs, c)) for c in PENALTIES}
    assert fit.penalty == max(areas, key=areas.__getitem__)
    assert roc_auc_score(wanted, fit.valid) == pytest.approx(max(areas.values()), abs=1e-9)
    assert max(areas.values()) > 0.68
    assert len(fit.test) == 1000 and np.isfinite(fit.test).all()


def test_the_evidence_finds_effects_and_reads_stars_only_if_asked(split: TallrecSplit, info: ItemInfo) -> None:
    shown = split.shown(split.train)
    evidence = WindowEvidence.fit(shown, info)
    # An item that many like has more of an effect than one that many do not.
    often = evidence.count >= 20
    assert np.corrcoef(evidence.effect[often], evidence.like_rate[often])[0, 1] > 0.8
    flat = shown.assign(rating=np.where(shown["rating"] > 3, 5.0, 1.0))
    again = WindowEvidence.fit(flat, info)
    few = [
        replace(w, history=tuple(replace(e, rating=4.0 if (e.rating or 0) > 3 else 3.0) for e in w.history))
        for w in split.test[:30]
    ]
    assert again.features(few) == pytest.approx(evidence.features(split.test[:30]), abs=1e-12)
    starry = WindowEvidence.fit(shown, info, stars=True)
    assert 3 < starry.mean < 4 and starry.share == pytest.approx(evidence.mean)
    assert not np.allclose(starry.features(few), starry.features(split.test[:30]))


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
