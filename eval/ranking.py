"""Ranking report: the baselines and any policies under both ranking protocols, each fitted on that protocol's past."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from agent.evidence import EvidenceConfig, EvidenceModel
from agent.factorization import RatingFactors
from agent.interactions import indexed_ratings
from eval import baselines
from eval.metrics import Row, Scorer
from eval.protocols import leave_one_out, rated_slates
from training import splits

if TYPE_CHECKING:
    import pandas as pd

    from agent.dataset import Dataset

PolicyScorers = Callable[[EvidenceModel], Mapping[str, Scorer]]
"""Makes scorers by name from the evidence that was fitted on a protocol's past."""


@dataclass(frozen=True, slots=True)
class RankingReport:
    """Rows by protocol, and how many cases each had."""

    leave_one_out: list[Row]
    rated_slates: list[Row]
    users: int
    slates: int

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            "leave_one_out": {"users": self.users, "rows": [row.to_json() for row in self.leave_one_out]},
            "rated_slates": {"slates": self.slates, "rows": [row.to_json() for row in self.rated_slates]},
        }


def evaluate(
    dataset: Dataset,
    policies: PolicyScorers | None = None,
    reference: str | None = None,
    progress: bool = True,
    config: EvidenceConfig | None = None,
) -> RankingReport:
    """Leave-one-out and rated slates for popularity, item mean, EASE, retriever, evidence and ``policies``.

    Evidence is fitted on each protocol's past and kept in the user's cache. ``reference`` names the policy to which
    paired differences are given.
    """
    ratings, n_items = indexed_ratings(dataset), len(dataset.items)
    held = splits.leave_one_out(ratings)
    model = EvidenceModel.cached(dataset, held.train, progress=progress, config=config)
    scorers = _baselines(held.train, n_items) | {
        "retriever": baselines.retriever(model),
        "like_probability": baselines.evidence(model, "like_probability"),
    }
    if policies is not None:
        scorers |= policies(model)
    next_film = leave_one_out.evaluate(scorers, held, n_items, reference=reference)
    parts = splits.past_and_future(ratings)
    slates = splits.rated_slates(parts)
    model = EvidenceModel.cached(dataset, parts.past, progress=progress, config=config)
    scorers = _baselines(parts.past, n_items) | {
        "matrix factorisation": _factorization(parts.past, n_items),
        "retriever": baselines.retriever(model),
        "like_probability": baselines.evidence(model, "like_probability"),
    }
    if policies is not None:
        scorers |= policies(model)
    rated = rated_slates.evaluate(scorers, slates, reference=reference)
    return RankingReport(next_film, rated, len(held.test), len(slates))


def _baselines(ratings: pd.DataFrame, n_items: int) -> dict[str, Scorer]:
    scorers = {
        "popularity": baselines.popularity(ratings, n_items),
        "item mean": baselines.item_mean(ratings, n_items),
    }
    if n_items <= baselines.EASE_LIMIT:
        scorers["EASE"] = baselines.whole_catalogue(baselines.Ease(ratings, n_items).scores)
    return scorers


def _factorization(ratings: pd.DataFrame, n_items: int) -> Scorer:
    users, names = ratings["user"].factorize()
    entries = (ratings["rating"].to_numpy(np.float64), (users, ratings["item"].to_numpy()))
    factors = RatingFactors.fit(sparse.csr_matrix(entries, shape=(len(names), n_items)))
    return baselines.whole_catalogue(factors.predict)
