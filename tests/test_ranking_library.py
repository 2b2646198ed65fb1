"""Baselines of the ranking table: library recommenders tuned without the test, and the LM that is not tuned."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import FEATURES, EvidenceModel
from agent.policy.loading import BEFORE_PPO
from agent.recommender import Recommender
from agent.records.state import Event, State
from eval.protocols import leave_one_out, rated_slates
from eval.ranking import lenskit_baselines as lenskit
from eval.ranking import methods
from eval.ranking.cache import RankingCache
from eval.ranking.lenskit_baselines import Tuning, tune
from eval.ranking.list_metrics import accuracy
from eval.ranking.lists import rank_all
from eval.ranking.methods import NO_LIBRARY, Fitted
from eval.ranking.run import PolicySource, RankingRun
from training import splits


@pytest.fixture(scope="module")
def small(dataset: Dataset) -> pd.DataFrame:
    """The ratings of 80 users."""
    ratings = indexed_ratings(dataset)
    return ratings[ratings["user"].isin(ratings["user"].unique()[:80])].reset_index(drop=True)


@pytest.fixture
def cache(tmp_path: Path) -> RankingCache:
    own = RankingCache()
    own.folder = tmp_path
    return own


def test_every_peer_scores_what_it_is_asked(small: pd.DataFrame) -> None:
    pytest.importorskip("lenskit")
    from eval.ranking.lenskit_baselines import BASELINES, FittedBaseline

    held = splits.leave_one_out(small)
    asked = {
        False: leave_one_out.cases(held, 1682),
        True: rated_slates.cases(splits.rated_slates(splits.past_and_future(small))),
    }
    for baseline in BASELINES:
        settings = dict(baseline.models[0]) | ({"epochs": 1} if baseline.name == "BPR" else {})
        cases = asked[baseline.stars].take(range(6))
        lists = rank_all(cases, {"all": FittedBaseline(baseline, settings, held.train).scorer(baseline.recent[-1])})[
            "all"
        ]
        assert np.isfinite(lists["score"]).all(), baseline.name
        assert lists.groupby("case")["score"].nunique().min() > 1, baseline.name


def test_one_product_of_matrices_is_what_the_library_answers(small: pd.DataFrame) -> None:
    pytest.importorskip("lenskit")
    from eval.ranking.lenskit_baselines import BASELINES, FittedBaseline

    held = splits.leave_one_out(small)
    cases = leave_one_out.cases(held, 1682).take(range(5))
    baseline = next(baseline for baseline in BASELINES if baseline.name == "EASE")
    fitted = FittedBaseline(baseline, baseline.models[1], held.train)
    shown = [state.history[-20:] for state in cases.states]
    for own, other in zip(fitted._linear(cases, shown), fitted._one_by_one(cases, shown), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)


def test_tuning_finds_the_best_on_validation_and_remembers_it(small: pd.DataFrame, cache: RankingCache) -> None:
    pytest.importorskip("lenskit")
    from eval.ranking.lenskit_baselines import BASELINES, FittedBaseline

    held = splits.leave_one_out(small)
    valid = leave_one_out.cases(held, 1682, "valid")
    known = next(baseline for baseline in BASELINES if baseline.name == "ItemKNN")
    baseline = dataclasses.replace(known, models=({"max_nbrs": 1}, {"max_nbrs": 50}), recent=(None, 10))
    said: list[str] = []
    tuning = Tuning(held.train, valid, "ndcg@10")
    chosen = tune(baseline, tuning, cache, lambda what, done, of: said.append(what))
    values = {
        (settings["max_nbrs"], recent): float(
            accuracy(
                rank_all(valid, {"x": FittedBaseline(baseline, settings, held.train).scorer(recent)})["x"], len(valid)
            )["ndcg@10"].mean()
        )
        for settings in baseline.models
        for recent in baseline.recent
    }
    assert chosen.value == pytest.approx(max(values.values()))
    assert values[chosen.settings["max_nbrs"], chosen.recent] == pytest.approx(chosen.value)
    assert "the best of 4 trials by ndcg@10" in chosen.about and "on 80 validation users" in chosen.about
    assert said and tune(baseline, tuning, cache, lambda *step: pytest.fail("tuned again")) == chosen


def test_tuning_never_sees_the_test(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lenskit")
    ratings = indexed_ratings(dataset)
    seen: list[Tuning] = []

    def watch(baseline: object, tuning: Tuning, *rest: object) -> None:
        seen.append(tuning)
        raise InterruptedError

    monkeypatch.setattr(methods, "tune", watch)
    for tables, name in ((leave_one_out.tables, "ItemKNN"), (rated_slates.tables, "ItemKNN on stars")):
        with pytest.raises(InterruptedError):
            tables(dataset, RankingRun(compare=(f"{name} (LensKit)", "popularity"), cache=RankingCache(fresh=True)))
    last, slates = seen
    held = splits.leave_one_out(ratings)
    assert last.past.equals(held.train)
    second_to_last = dict(zip(held.valid["user"], held.valid["item"], strict=True))
    assert len(last.cases) == 300 and last.cases.population == 943
    assert [int(own[0]) for own in last.cases.relevant] == [second_to_last[user] for user in last.cases.users]
    cut = splits.past_and_future(ratings)
    later = set(zip(cut.future["user"], cut.future["item"], strict=True))
    asked = {(u, int(i)) for u, own in zip(slates.cases.users, slates.cases.candidates, strict=True) for i in own}
    assert len(asked) > 5000 and not asked & later
    assert not set(zip(slates.past["user"], slates.past["item"], strict=True)) & (later | asked)


def test_without_the_extra_the_rows_are_left_out(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = Fitted(dataset, indexed_ratings(dataset), RankingRun())
    monkeypatch.setattr(lenskit, "available", lambda: False)
    assert methods.library(fitted, lambda: pytest.fail("tuned"), stars=False) == ([], [NO_LIBRARY])


class _Flat:
    """Evidence that says nothing."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    def features(self, histories: list[tuple[Event, ...]], candidates: np.ndarray | None = None) -> np.ndarray:
        return np.zeros((len(histories), self.n_items, len(FEATURES)), dtype=np.float32)


def test_the_untuned_lm_says_something_and_with_random_weights_something_else(
    recommender: Recommender, dataset: Dataset
) -> None:
    from eval.ranking.baselines import untuned_policy

    catalogue, evidence = Catalogue(dataset), EvidenceModel.cached(dataset, progress=False)
    states = [State((Event(49, 5.0), Event(180, 5.0)), goal="next"), State((Event(70, 5.0),), goal="like")]
    found = {}
    for name, drawn in (("as it comes", False), ("random", True), ("random again", True)):
        policy = untuned_policy(catalogue, evidence, random_weights=drawn)
        policy.evidence = _Flat(len(catalogue))  # type: ignore[assignment]
        told, lm = policy.scores(states)
        assert not told.any() and lm.std() > 0
        found[name] = lm
    assert np.array_equal(found["random"], found["random again"])
    assert np.corrcoef(found["as it comes"][0], found["random"][0])[0, 1] < 0.9


def test_a_policys_digest_follows_adapter_and_template(recommender: Recommender, tmp_path: Path) -> None:
    source = PolicySource("sft", BEFORE_PPO)
    plain = methods.policy_digest(source, None)
    copy = tmp_path / "copy"
    shutil.copytree(BEFORE_PPO, copy)
    assert methods.policy_digest(PolicySource("other name", copy), None) == plain
    card = (copy / "policy.json").read_text("utf-8")
    (copy / "policy.json").write_text(card.replace('"temperature": ', '"temperature": 1'), "utf-8")
    assert methods.policy_digest(PolicySource("sft", copy), None) != plain
    template = tmp_path / "state.j2"
    template.write_text((prompts.FOLDER / "movies" / "state.j2").read_text("utf-8") + "Choose well.\n", "utf-8")
    other = PolicySource("sft", BEFORE_PPO, prompts.read(template))
    assert methods.policy_digest(other, None) != plain
