"""LLaRA's protocol: the authors' rows fit the data, nothing held out is read, draws and figures are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.features.user_features import ItemInfo
from agent.records.state import Event
from agent.retrieval.sequence_model import RetrieverConfig
from eval.metrics import cluster_bootstrap
from eval.protocols import llara
from eval.protocols.llara_features import NAMES, ChoiceConfig, ChoiceEvidence, faded_matrix
from eval.protocols.llara_lm import LM_WEIGHTS, LlaraLmPlan, SequenceSettings, first_place, fit_llara_lm, stretches
from eval.protocols.llara_recipe import LlaraPlan, choice_weights, choices, drawn_candidates, fit_llara
from eval.protocols.llara_rows import FILES, LENGTH, ChoiceRow, LlaraSplit, RowsError, load_llara, rows_folder
from eval.ranking.cache import RankingCache
from eval.ranking.lists import dump, rank
from eval.ranking.run import RankingError, RankingRun

SMALL = ChoiceConfig(RetrieverConfig(width=8, epochs=1, length=10), retrievers=1, nearest=5)


@pytest.fixture(scope="session")
def published() -> Path:
    try:
        return rows_folder()
    except RowsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def split(dataset: Dataset, published: Path) -> LlaraSplit:
    return load_llara(dataset, published)


def made_up(users: int = 24, n_items: int = 40) -> tuple[dict[str, tuple[Event, ...]], ItemInfo]:
    """Users who walk through the catalogue in order, from somewhere: what comes next is plain."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, n_items - 16, users)
    histories = {
        f"u{k}": tuple(Event(int(start) + step, 4.0, float(k)) for step in range(int(rng.integers(13, 16))))
        for k, start in enumerate(starts)
    }
    return histories, ItemInfo(np.eye(n_items, 4, dtype=np.float32), np.linspace(1950.0, 1998.0, n_items))


def test_the_authors_rows_agree_with_the_data(split: LlaraSplit) -> None:
    assert (len(split.train), len(split.valid), len(split.test)) == (754, 94, 95)
    held = {row.user for row in (*split.valid, *split.test)}
    assert len(held) == 189 and not held & split.train.keys()
    assert {len(row.history) for row in (*split.valid, *split.test)} <= set(range(5, LENGTH + 1))
    for row in split.test:
        assert row.target not in {event.item for event in row.history}
    assert all(event.rating is not None and event.rating >= 3 for own in split.train.values() for event in own)


def test_nothing_of_a_held_out_user_is_fitted_on(dataset: Dataset, split: LlaraSplit) -> None:
    past = llara.past(split, indexed_ratings(dataset))
    assert set(past["user"]) == set(split.train)
    assert past["rating"].min() == 3.0
    assert len(past) == sum(len(own) for own in split.train.values())
    named = {choice.row.user for choice in choices(split.train, 4)}
    assert named == set(split.train)


def test_draws_are_seeded_blind_and_outside_the_history(split: LlaraSplit) -> None:
    cases = llara.cases(split.test, 1682, redraws=7)
    assert len(cases) == 7 * 95 and cases.users[0] == cases.users[6]
    for state, items, right in zip(cases.states, cases.candidates, cases.relevant, strict=True):
        assert len(items) == len(set(items.tolist())) == 20
        assert np.isin(right, items).all()
        assert not state.seen & set(items.tolist())
    again = llara.cases(split.test[3:5], 1682, redraws=7)
    assert all((a == b).all() for a, b in zip(again.candidates, cases.candidates[21:35], strict=True))
    other = llara.cases(split.test, 1682, redraws=7, seed=1)
    assert any((a != b).any() for a, b in zip(other.candidates, cases.candidates, strict=True))
    # Blind: the drawn items' mean place in the catalogue is that of all items, within four standard errors.
    drawn = np.concatenate([np.setdiff1d(a, r) for a, r in zip(cases.candidates, cases.relevant, strict=True)])
    assert abs(drawn.mean() - 840.5) < 4 * 1682 / np.sqrt(12 * len(drawn))


def test_a_blind_policy_is_right_once_in_twenty_and_the_error_is_over_users(split: LlaraSplit) -> None:
    cases = llara.cases(split.test, 1682, redraws=60)
    rng = np.random.default_rng(0)
    lists = dump(rank(cases, [rng.normal(size=20) for _ in range(len(cases))]), cases, "blind", np.arange(1682))
    hits = (lists[lists["relevant"]]["rank"] == 1).to_numpy(np.float64)
    assert abs(hits.mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(hits))
    # A policy that is always right for some users and never for the others: redraws do not make it surer.
    lucky = [
        np.isin(items, right) * (1.0 if int(user) % 2 else -1.0)
        for user, items, right in zip(cases.users, cases.candidates, cases.relevant, strict=True)
    ]
    lists = dump(rank(cases, lucky), cases, "lucky", np.arange(1682))
    hits = (lists[lists["relevant"]]["rank"] == 1).to_numpy(np.float64)
    interval = cluster_bootstrap(hits, list(cases.users))
    assert llara.standard_error(lists) == pytest.approx((interval.high - interval.low) / 3.92, rel=0.1)


def test_missing_and_malformed_rows_are_named(tmp_path: Path, dataset: Dataset, published: Path) -> None:
    with pytest.raises(RowsError, match=r"llara-ml100k-users\.json, .*--rows"):
        load_llara(dataset, tmp_path)
    with pytest.raises(RankingError, match="give their folder with --rows"):
        llara.tables(dataset, RankingRun(rows=tmp_path))
    for name in FILES.values():
        (tmp_path / name).write_bytes((published / name).read_bytes())
    path = tmp_path / FILES["test"]
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[2])
    lines[2] = json.dumps(row | {"target_rating": 1})
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RowsError, match=rf"test\.jsonl, line 3: .*user {row['user']} did not give item .* 1 stars"):
        load_llara(dataset, tmp_path)
    del row["history"]
    lines[2] = json.dumps(row)
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RowsError, match=r"test\.jsonl, line 3: KeyError\('history'\)"):
        load_llara(dataset, tmp_path)


def test_softmax_regression_finds_the_weights_that_chose() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 6, 3))
    true = np.array([1.5, -0.5, 0.0])
    picks = (features @ true + rng.gumbel(size=(4000, 6))).argmax(axis=1)
    rows = np.arange(4000)
    features[rows, 0], features[rows, picks] = features[rows, picks], features[rows, 0].copy()
    assert choice_weights(features, np.ones(4000), 0.0) == pytest.approx(true, abs=0.1)


def test_faded_rows_weigh_the_last_item_most() -> None:
    matrix = faded_matrix([[3, 1], [2]], 4, 2.0).toarray()
    assert matrix == pytest.approx(np.array([[0, 1, 0, np.exp(-0.5)], [0, 0, 1, 0]]))


def test_choices_hold_each_last_place_once() -> None:
    histories, _ = made_up()
    taken = choices(histories, 3)
    assert all(len(c.row.history) <= LENGTH and c.row.target not in {e.item for e in c.row.history} for c in taken)
    last = [choice.row.target for choice in taken if choice.last]
    assert last == [own[-1].item for own in histories.values()]
    row = ChoiceRow("u", (Event(1), Event(2)), 0)
    drawn = drawn_candidates(row, 6, 10, np.random.default_rng(0))
    assert drawn[0] == 0 and sorted(drawn.tolist()) == [0, 3, 4, 5]


def test_the_recipe_learns_a_plain_order_and_comes_back_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))
    histories, info = made_up()
    plan = LlaraPlan(SMALL, folds=3, per_user=3, negatives=15)
    told: list[str] = []
    first = fit_llara(histories, info, plan, lambda what, done, of: told.append(what))
    assert {"fold 1", "fold 3", "all users"} <= set(told)
    monkeypatch.setattr(ChoiceEvidence, "fit", None)
    again = fit_llara(histories, info, plan)
    asked = [own[:-1] for own in histories.values()]
    assert again.weights == pytest.approx(first.weights, abs=1e-4)
    assert again.evidence.features(asked) == pytest.approx(first.evidence.features(asked), abs=1e-4)
    logits = again.evidence.features(asked) @ again.weights
    for row, own in enumerate(histories.values()):
        logits[row, [event.item for event in own[:-1]]] = -np.inf
    ranks = [(scores > scores[own[-1].item]).sum() for scores, own in zip(logits, histories.values(), strict=True)]
    assert np.mean(np.array(ranks) < 3) > 0.6


def test_the_evidence_of_training_choices_has_not_seen_their_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))
    histories, info = made_up()
    fitted: list[set[str]] = []
    asked: list[set[tuple[Event, ...]]] = []
    fit, features = ChoiceEvidence.fit.__func__, ChoiceEvidence.features  # type: ignore[attr-defined]

    def watched_fit(cls: type[ChoiceEvidence], own: dict[str, tuple[Event, ...]], *rest: object) -> ChoiceEvidence:
        fitted.append(set(own))
        asked.append(set())
        result: ChoiceEvidence = fit(cls, own, *rest)
        return result

    def watched_features(self: ChoiceEvidence, own: list[tuple[Event, ...]]) -> np.ndarray:
        asked[-1].update(own)
        return features(self, own)

    monkeypatch.setattr(ChoiceEvidence, "fit", classmethod(watched_fit))
    monkeypatch.setattr(ChoiceEvidence, "features", watched_features)
    fit_llara(histories, info, LlaraPlan(SMALL, folds=3, per_user=3, negatives=15))
    owners = {choice.row.history: choice.row.user for choice in choices(histories, 3)}
    assert len(fitted) == 4 and fitted[-1] == set(histories)
    for seen, states in zip(fitted[:-1], asked[:-1], strict=True):
        users = {owners[state] for state in states}
        assert users and not users & seen


def test_the_lm_is_trained_beside_the_evidence_and_kept(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base = resolve_model()
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))
    histories, info = made_up()
    items = Catalogue(dataset).items[: len(info.years)]
    plan = LlaraPlan(SMALL, folds=2, per_user=2, negatives=15)
    small = LlaraLmPlan(SequenceSettings(layers=1, steps=3, batch=4), per_user=2)
    ranker = fit_llara(histories, info, plan)
    valid = [ChoiceRow(user, own[-6:-1], own[-1].item) for user, own in list(histories.items())[:6]]
    told: list[str] = []
    given = (histories, valid, info, items, ranker, base, plan, small)
    first = fit_llara_lm(*given, lambda what, done, of: told.append(what))
    assert told[-1] == "training the LM" and first.weight in LM_WEIGHTS
    monkeypatch.setattr("eval.protocols.llara_lm.train_sequence_lm", None)
    again = fit_llara_lm(*given)
    asked = [row.history for row in valid]
    assert again.scores(asked) == pytest.approx(first.scores(asked), abs=1e-4)
    assert again.scores(asked).shape == (6, 40)


def test_the_chance_of_the_first_place_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(0)
    row = ChoiceRow("u", (Event(3), Event(7)), 11)
    scores = rng.normal(size=60)
    scores[11] = 1.8
    others = np.setdiff1d(np.arange(60), [3, 7, 11])
    drawn = [scores[rng.choice(others, 19, replace=False)].max() < scores[11] for _ in range(4000)]
    assert first_place(scores[None], [row])[0] == pytest.approx(np.mean(drawn), abs=0.03)


def test_stretches_hold_the_last_items_and_are_no_longer_than_asked() -> None:
    events = tuple(Event(item) for item in range(30))
    own = stretches(events, 4, np.random.default_rng(0))
    assert own[-1] == tuple(range(19, 30)) and len(own) == 4
    assert all(len(stretch) == LENGTH + 1 for stretch in own)
    assert stretches(events[:5], 4, np.random.default_rng(0)) == [(0, 1, 2, 3, 4)]


@pytest.mark.slow
def test_the_table_beats_the_retriever(dataset: Dataset, split: LlaraSplit) -> None:
    kept: list[pd.DataFrame] = []
    run = RankingRun(library=False, cache=RankingCache(), keep=kept.append)
    (table,) = llara.tables(dataset, run)
    rows = {row.policy: row for row in table.rows}
    ours, retriever = rows["policy without the LM"], rows["retriever"]
    assert table.users == 95 and table.cases == 95 * llara.REDRAWS
    assert ours.figures["hr@1"].mean > retriever.figures["hr@1"].mean > rows["popularity"].figures["hr@1"].mean
    assert rows["policy"].totals["hr@1_se"] == pytest.approx(llara.standard_error(kept[-1]))
    assert len(NAMES) == 12
