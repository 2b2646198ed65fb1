"""Data sets too thin for a part are served without it, and it is said; no array grows with users or states by items."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.data.dataset import import_dataset
from agent.data.interactions import event_matrix, rating_matrix, user_histories
from agent.features.model import FEATURES, EvidenceConfig, EvidenceModel
from agent.features.user_features import ItemInfo
from agent.policy.distribution import Policy
from agent.policy.loading import Foundation
from agent.recommender import Recommender
from agent.records.state import Event
from agent.retrieval.sequence_model import RetrieverConfig, SequenceRetriever
from tests.own_cache import own_cache

QUICK = EvidenceConfig(retriever=RetrieverConfig(width=8, layers=1, heads=1, length=10, epochs=1), folds=2, trees=10)


def events(users: int, each: int, items: int, seed: int = 0) -> pd.DataFrame:
    """Random graded events, in the order of their times."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{user}", int(item), float(rng.integers(1, 6)), user * 1000 + place)
        for user in range(users)
        for place, item in enumerate(rng.choice(items, min(each, items), replace=False))
    ]
    return pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])


def info(items: int, categories: int = 3, years: bool = True) -> ItemInfo:
    flags = np.eye(max(categories, 1), dtype=np.float32)[np.arange(items) % max(categories, 1)][:, :categories]
    return ItemInfo(flags, np.linspace(1815, 2020, items) if years else np.full(items, np.nan))


def ungraded(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(rating=np.nan)


CASES: dict[str, tuple[pd.DataFrame, Callable[[pd.DataFrame], pd.DataFrame], str | None]] = {
    "one user": (events(1, 8, 10), lambda frame: frame, "without a classifier"),
    "one event per user": (events(30, 1, 10), lambda frame: frame, "popularity"),
    "one grade": (events(20, 6, 10), lambda frame: frame.assign(rating=4.0), "without a classifier"),
    "no grades": (events(20, 6, 10), ungraded, "every event counts as positive"),
    "some grades": (
        events(60, 8, 10),
        lambda frame: frame.assign(rating=frame["rating"].where(frame.index % 3 > 0)),
        None,
    ),
    "no times": (events(60, 8, 10), lambda frame: frame.assign(timestamp=np.nan), None),
    "no events": (events(1, 1, 10), lambda frame: frame.iloc[:0], "no events"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bare", [False, True])
def test_thin_data_rank_and_say_what_is_missing(name: str, bare: bool, tmp_path: Path) -> None:
    frame, change, note = CASES[name]
    model = EvidenceModel.fit(change(frame), info(10, 0 if bare else 3, not bare), config=QUICK)
    histories = [(), (Event(3),), (Event(3, 5.0), Event(4, 1.0), Event(5))]
    features = model.features(histories)
    assert features.shape == (3, 10, len(FEATURES)) and np.isfinite(features).all()
    if note is None:
        assert not model.notes
    else:
        assert any(note in own for own in model.notes)
    model.save(tmp_path)
    np.testing.assert_array_equal(EvidenceModel.load(tmp_path).features(histories), features)
    assert EvidenceModel.load(tmp_path).notes == model.notes


def test_without_grades_what_people_had_together_is_near() -> None:
    frame = pd.DataFrame(
        [(f"u{user}", item, np.nan, np.nan) for user in range(20) for item in ((0, 1, 2) if user % 2 else (5, 6, 7))],
        columns=["user", "item", "rating", "timestamp"],
    )
    model = EvidenceModel.fit(frame, info(10), config=QUICK)
    near = model.features([(Event(0),), (Event(5),)])[:, :, FEATURES.index("neighbours")]
    assert set(np.argsort(-near[0])[:2]) == {1, 2} and set(np.argsort(-near[1])[:2]) == {6, 7}
    shares = model.features([(Event(0),)])[0, :, FEATURES.index("category_share")]
    assert shares[3] > shares[4]


def test_a_missing_grade_is_none_and_a_repeated_event_counts_once() -> None:
    frame = pd.DataFrame(
        {"user": ["a", "a", "a"], "item": [1, 1, 2], "rating": [2.0, 5.0, np.nan], "timestamp": [1.0, 2.0, np.nan]}
    )
    assert user_histories(frame)["a"] == (Event(1, 2.0, 1.0), Event(1, 5.0, 2.0), Event(2))
    assert rating_matrix(frame, 3).toarray().tolist() == [[0, 5, 0]]
    assert event_matrix(frame, 3).toarray().tolist() == [[0, 1, 1]]


def test_features_of_candidates_take_memory_for_those_alone() -> None:
    items = 50_000
    model = EvidenceModel.fit(events(40, 12, items), info(items), config=QUICK)
    history = (Event(1, 5.0), Event(2, 2.0))
    chosen = np.random.default_rng(0).integers(0, items, size=(64, 100))
    tracemalloc.start()
    some = model.features([history] * 64, chosen)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert some.shape == (64, 100, len(FEATURES)) and peak < 64 * items * 8 * 8
    whole = model.features([history])[0]
    np.testing.assert_allclose(some[5], whole[chosen[5]], atol=1e-5)


def test_samples_with_their_chances_find_the_same_as_the_whole_softmax() -> None:
    """Popular items, which are in every batch, are not pushed down: the log-probabilities are about the same."""
    rng = np.random.default_rng(0)
    share = 1.0 / np.arange(1, 301)
    sequences = [rng.choice(300, 12, p=share / share.sum()) for _ in range(400)]
    config = RetrieverConfig(width=8, layers=1, heads=1, length=12, epochs=4, dropout=0.0, sampled=1000, negatives=60)
    whole = SequenceRetriever.fit(sequences, 300, config=config)
    sampled = SequenceRetriever.fit(sequences, 300, config=replace(config, sampled=10))
    one, other = (own.scores([[5, 6, 7]])[0] for own in (whole, sampled))
    assert np.corrcoef(one[:100], other[:100])[0, 1] > 0.9
    assert np.abs(one[:20].mean() - other[:20].mean()) < 0.7


def test_a_request_is_answered_where_some_events_have_no_grade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(own_cache(tmp_path / "cache")))
    (tmp_path / "items.csv").write_text("id,title,genre\n1,Toy Story,Comedy\n2,Sabrina,Comedy\n3,Heat,Crime\n")
    (tmp_path / "votes.csv").write_text("user,id,rating\n1,1,1\n1,2,0\n2,3,1\n2,1,-1\n")
    dataset = import_dataset([tmp_path / "items.csv", tmp_path / "votes.csv"], "votes")
    assert dataset.ratings["rating"].isna().any()
    found = Foundation.of(dataset)
    assert found.conversational is not None
    weights = {goal: np.ones(len(FEATURES), dtype=np.float32) for goal in ("next", "like", "request")}
    policy = Policy(found.features, weights, semantic=found.semantic, conversational=found.conversational)
    items = Recommender(found.catalogue, policy, {}).recommend(ask="a comedy", k=2).items
    assert {item.title for item in items} == {"Toy Story", "Sabrina"}
    assert all(np.isfinite(item.score) for item in items)
