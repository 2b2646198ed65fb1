"""Splits keep the future out of the past, metrics and intervals agree with their definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from agent.data.interactions import indexed_ratings, user_histories
from agent.records.state import State
from eval.metrics import cluster_bootstrap, run_scorer
from eval.protocols import leave_one_out, rated_slates
from eval.ranking import baselines
from eval.ranking.cases import Cases, CaseScorer, by_history
from eval.ranking.table import compare_scorers
from training import splits

if TYPE_CHECKING:
    from agent.data.dataset import Dataset


@pytest.fixture(scope="module")
def ratings(dataset: Dataset) -> pd.DataFrame:
    return indexed_ratings(dataset)


@pytest.fixture(scope="module")
def parts(ratings: pd.DataFrame) -> splits.PastAndFuture:
    return splits.past_and_future(ratings)


@pytest.fixture(scope="module")
def slates(parts: splits.PastAndFuture) -> list[splits.Slate]:
    return splits.rated_slates(parts)


def test_leave_one_out_holds_out_the_last_two(ratings: pd.DataFrame) -> None:
    held = splits.leave_one_out(ratings)
    whole = user_histories(ratings)
    assert len(held.train) + len(held.valid) + len(held.test) == len(ratings)
    past = user_histories(held.train)
    for (_, valid), (_, test) in zip(held.valid.iterrows(), held.test.iterrows(), strict=True):
        assert [*past[valid["user"]], whole[valid["user"]][-2], whole[test["user"]][-1]] == list(whole[test["user"]])
        assert (valid["item"], test["item"]) == (whole[test["user"]][-2].item, whole[test["user"]][-1].item)


def test_users_with_two_ratings_stay_in_train() -> None:
    frame = pd.DataFrame({"user": ["a"] * 2 + ["b"] * 3, "item": range(5), "rating": 4.0, "timestamp": [1, 2, 5, 4, 3]})
    held = splits.leave_one_out(frame)
    assert held.train["item"].tolist() == [0, 1, 4]
    assert held.valid["item"].tolist() == [3]
    assert held.test["item"].tolist() == [2]


def test_ties_in_time_keep_the_order_of_rows() -> None:
    frame = pd.DataFrame({"user": "a", "item": [5, 3, 9, 1], "rating": 4.0, "timestamp": [7, 7, 7, 2]})
    assert [event.item for event in user_histories(frame)["a"]] == [1, 5, 3, 9]


def test_the_past_is_the_first_four_fifths(ratings: pd.DataFrame, parts: splits.PastAndFuture) -> None:
    size = ratings.groupby("user").size()
    assert (parts.past.groupby("user").size() == np.floor(size * 0.8 + 1e-9)).all()
    last = parts.past.groupby("user")["timestamp"].max()
    assert (parts.future.groupby("user")["timestamp"].min() >= last).all()
    with pytest.raises(ValueError, match=r"share 1\.5 is out of range"):
        splits.past_and_future(ratings, 1.5)


def test_rated_slates_are_the_known_982(slates: Sequence[splits.Slate], parts: splits.PastAndFuture) -> None:
    assert (len(slates), len({slate.user for slate in slates})) == (982, 599)
    past = user_histories(parts.past)
    for slate in slates:
        assert 10 <= len(slate.items) == len(slate.ratings) <= 20
        assert slate.history == past[slate.user]
        assert not {event.item for event in slate.history} & set(slate.items)


def test_past_slates_never_touch_the_future(parts: splits.PastAndFuture) -> None:
    past = user_histories(parts.past)
    made = splits.past_slates(parts.past)
    assert len(made) > 1000
    for slate in made:
        start = len(slate.history)
        follow = past[slate.user][start : start + 20]
        assert slate.history == past[slate.user][:start]
        assert slate.items == tuple(event.item for event in follow)
    few = splits.past_slates(parts.past, per_user=1)
    assert len(few) == len({slate.user for slate in few}) == len({slate.user for slate in made})


def test_the_bootstrap_draws_users_not_rows() -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(100), 20).astype(str).tolist()
    effect = np.repeat(rng.normal(size=100), 20)
    clustered = cluster_bootstrap(effect, users)
    alone = cluster_bootstrap(effect, np.arange(2000).astype(str).tolist())
    expected = 2 * 1.96 * effect.std() / 10
    assert clustered.high - clustered.low == pytest.approx(expected, rel=0.1)
    assert alone.high - alone.low == pytest.approx(expected / math.sqrt(20), rel=0.1)
    assert clustered.mean == pytest.approx(effect.mean())
    assert clustered.low < clustered.mean < clustered.high
    assert clustered == cluster_bootstrap(effect, users)
    with pytest.raises(ValueError, match="2000 values with 3 clusters"):
        cluster_bootstrap(effect, ["a", "b", "c"])


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(60), 5).astype(str).tolist()
    covered = 0
    for _ in range(200):
        values = np.repeat(rng.normal(size=60), 5) + rng.normal(size=300)
        interval = cluster_bootstrap(values, users, resamples=400)
        covered += interval.low <= 0 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    items, right = tuple(np.arange(30) for _ in range(200)), tuple(np.array([0]) for _ in range(200))
    asked = Cases("x", "x", tuple(map(str, range(200))), (State(),) * 200, items, right)
    drawn = [rng.normal(size=30) for _ in range(200)]
    by_user = dict(zip(asked.users, drawn, strict=True))
    scorers: dict[str, CaseScorer] = {
        "a": lambda part: [by_user[user] for user in part.users],
        "b": lambda part: [by_user[user] + 0.3 * (np.arange(30) == 0) for user in part.users],
    }
    rows = compare_scorers(asked, scorers, "a")
    assert rows["a"].differences == {}
    own, less = rows["b"].figures["ndcg@10"], rows["b"].differences["ndcg@10"]
    assert less.mean == pytest.approx(own.mean - rows["a"].figures["ndcg@10"].mean)
    assert 0 < less.high - less.low < 0.6 * (own.high - own.low)
    with pytest.raises(KeyError, match="unknown reference 'c': use one of a, b"):
        compare_scorers(asked, scorers, "c")


def test_a_scorer_that_answers_wrongly_is_named() -> None:
    with pytest.raises(ValueError, match=r"case 0: \(2,\) scores for \(3,\) candidates"):
        run_scorer(lambda histories, candidates: [np.zeros(2)], [()], [np.arange(3)])


def test_leave_one_out_ranks_unseen_films_only() -> None:
    frame = pd.DataFrame(
        {"user": ["a"] * 4 + ["b"] * 4, "item": [0, 1, 2, 3, 4, 0, 1, 2], "rating": 4.0, "timestamp": [1, 2, 3, 4] * 2}
    )
    asked = leave_one_out.cases(splits.leave_one_out(frame), 6)
    assert [own.tolist() for own in asked.candidates] == [[3, 4, 5], [2, 3, 5]]
    assert [own.tolist() for own in asked.relevant] == [[3], [2]]
    assert [[event.item for event in state.history] for state in asked.states] == [[0, 1, 2], [4, 0, 1]]
    found = compare_scorers(asked, {"lowest": lambda part: [-own.astype(float) for own in part.candidates]})
    assert found["lowest"].figures["hr@10"].mean == 1.0
    assert found["lowest"].figures["mrr"].mean == 1.0


def test_baselines_reach_their_known_figures(
    ratings: pd.DataFrame, parts: splits.PastAndFuture, slates: list[splits.Slate]
) -> None:
    n_items = 1682
    scorers = {
        "popularity": baselines.popularity(parts.past, n_items),
        "item mean": baselines.item_mean(parts.past, n_items),
    }
    asked = rated_slates.cases(slates)
    bounds = {own.name: own.make() for own in rated_slates.bounds()}
    rows = {
        name: row.figures
        for name, row in compare_scorers(
            asked, {**{name: by_history(own) for name, own in scorers.items()}, **bounds}
        ).items()
    }
    # The last digits depend on the order of ratings of the same second.
    assert rows["popularity"]["click_rate"].mean == pytest.approx(0.5855, abs=0.005)
    assert rows["item mean"]["click_rate"].mean == pytest.approx(0.6874, abs=0.005)
    assert rows["oracle"]["click_rate"].mean == pytest.approx(0.9654, abs=0.005)
    assert rows["random"]["click_rate"].mean == pytest.approx(0.4715, abs=0.015)
    by_item = splits.leave_one_out(ratings.sort_values("item", kind="stable"))
    popular = by_history(baselines.popularity(by_item.train, n_items))
    row = compare_scorers(leave_one_out.cases(by_item, n_items), {"popularity": popular})["popularity"]
    assert row.figures["ndcg@10"].mean == pytest.approx(0.0255, abs=0.001)


@pytest.mark.slow
def test_the_like_probability_beats_every_simple_rule(
    dataset: Dataset, parts: splits.PastAndFuture, slates: list[splits.Slate]
) -> None:
    from agent.features.model import EvidenceConfig, EvidenceModel
    from agent.features.user_features import ItemInfo
    from agent.retrieval.sequence_model import RetrieverConfig

    # The like-probability does not read the retriever: one epoch of it is enough.
    config = EvidenceConfig(retriever=RetrieverConfig(epochs=1))
    model = EvidenceModel.fit(parts.past, ItemInfo.of(dataset), config=config)
    scorers = {name: baselines.evidence(model, name) for name in ("predicted_rating", "like_probability")}
    scorers["item mean"] = baselines.item_mean(parts.past, len(dataset.items))
    ranked = {name: by_history(own) for name, own in scorers.items()}
    rows = compare_scorers(rated_slates.cases(slates), ranked, reference="item mean")
    assert rows["predicted_rating"].figures["click_rate"].mean > 0.70
    assert rows["like_probability"].figures["click_rate"].mean > 0.73
    assert rows["like_probability"].differences["click_rate"].low > 0
