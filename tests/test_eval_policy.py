"""The table of policies: figures that can be recomputed from the slates, and pairs on the same cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.data.interactions import indexed_ratings
from agent.features.model import FEATURES, EvidenceConfig, EvidenceModel
from agent.policy.distribution import Policy
from agent.records.state import POSITIVE
from agent.retrieval.sequence_model import RetrieverConfig
from eval.policy.table import RARE, PolicyTable, evaluate_policies, rare_items
from eval.ranking import lenskit_baselines as lenskit
from training.splits import past_and_future, rated_slates
from ui.cli.main import app

if TYPE_CHECKING:
    from agent.data.dataset import Dataset
    from agent.policy.loading import Foundation

QUICK = EvidenceConfig(
    retriever=RetrieverConfig(width=16, layers=1, heads=1, length=20, epochs=1), folds=2, cuts=(5, 0.8), trees=30
)


def weigher(weights: dict[str, float], foundation: Foundation) -> Policy:
    vector = np.array([weights.get(name, 0.0) for name in FEATURES])
    return Policy(foundation.features, {"like": vector, "next": vector})


@pytest.fixture(scope="module")
def few(dataset: Dataset) -> Dataset:
    ratings = indexed_ratings(dataset)
    return dataset.only(ratings[ratings["user"].isin(ratings["user"].unique()[:60])].reset_index(drop=True))


@pytest.fixture(scope="module")
def table(few: Dataset) -> Iterator[PolicyTable]:
    policies = {
        "sft": partial(weigher, {"popularity": 0.1}),
        "ppo": partial(weigher, {"like_rate": 2.0}),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvidenceModel, "cached", partial(EvidenceModel.cached, config=QUICK))
        patch.setattr(lenskit, "TRIALS", ({"embedding_size": 8, "regularization": 0.1},))
        yield evaluate_policies(few, policies)


def test_click_rates_are_those_of_the_first_picks(few: Dataset, table: PolicyTable) -> None:
    parts = past_and_future(indexed_ratings(few))
    slates = rated_slates(parts)
    count = np.bincount(parts.past["item"], minlength=len(few.items))
    clicks = []
    for slate in slates:
        best = np.flatnonzero(count[list(slate.items)] == count[list(slate.items)].max())
        clicks.append(np.mean([slate.ratings[k] >= POSITIVE for k in best]))
    assert table.row("popularity").figures["click_rate"].mean == pytest.approx(np.mean(clicks), abs=1e-12)
    blind = np.mean([np.mean([stars >= POSITIVE for stars in slate.ratings]) for slate in slates])
    assert table.row("random").figures["click_rate"].mean == pytest.approx(blind, abs=1e-12)


def test_pairs_are_differences_on_the_same_slates(table: PolicyTable) -> None:
    data = table.to_json()
    rates = {row["policy"]: row["click_rate"] for row in data["rows"]}
    pair = data["paired"]["ppo_minus_sft"]
    assert pair["mean"] == pytest.approx(rates["ppo"] - rates["sft"])
    assert pair["ci"][0] <= pair["mean"] <= pair["ci"][1]
    best = max((row for row in data["rows"] if row["kind"] == "baseline"), key=lambda row: row["click_rate"])
    assert data["paired"]["ppo_minus_best_baseline"]["of"] == ["ppo", best["policy"]]
    assert data["paired"]["ppo_minus_ppo_without_lm"]["mean"] == 0.0


def test_every_row_has_what_is_documented(table: PolicyTable) -> None:
    for row in table.to_json()["rows"]:
        assert {"policy", "kind", "click_rate", "ci", "mean_rating", "precision@5"} <= set(row)
        assert row["kind"] in ("baseline", "ours")
        assert 0 <= row["ci"][0] <= row["click_rate"] <= row["ci"][1] <= 1
        assert ("sampled_click_rate" in row) == (row["kind"] == "ours")


def test_rare_items_are_ranked_among_rare_items(few: Dataset) -> None:
    parts = past_and_future(indexed_ratings(few))
    count = np.bincount(parts.past["item"], minlength=len(few.items))
    seen: list[np.ndarray] = []

    def constant(histories: object, candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        seen.extend(candidates)
        return [np.zeros(len(own)) for own in candidates]

    (row,) = rare_items(parts, len(few.items), {"constant": constant})
    assert row["cases"] == len(seen) == parts.future["item"].isin(np.flatnonzero(count < RARE)).sum()
    assert all((count[own] < RARE).all() for own in seen)


def test_data_without_slates_is_refused(few: Dataset) -> None:
    ratings = indexed_ratings(few)
    with pytest.raises(ValueError, match="no slates of ten rated items"):
        evaluate_policies(few.only(ratings.groupby("user").head(20).reset_index(drop=True)), {})


@pytest.mark.skipif(not lenskit.available(), reason="needs the extra baselines: pip install -e .[baselines]")
def test_the_library_factorisation_beats_a_blind_pick(table: PolicyTable) -> None:
    row = table.row("matrix factorisation (LensKit)")
    assert row.figures["mean_rating"].mean > table.row("random").figures["mean_rating"].mean
    assert any("8 factors, penalty 0.1" in note for note in table.notes)


def test_a_template_of_another_role_is_refused() -> None:
    refused = CliRunner().invoke(app, ["eval", "policy", "--template", "reward-text"])
    assert refused.exit_code == 2 and "give a template of role 'state'" in refused.output
