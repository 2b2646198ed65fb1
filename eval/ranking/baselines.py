"""Baselines: what a policy has to beat, as scorers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from agent.features.model import FEATURES, EvidenceModel
from agent.policy.distribution import EvidenceSource
from agent.records.state import Event
from eval.metrics import Scorer

Histories = Sequence[Sequence[Event]]


def whole_catalogue(score: Callable[[Histories], np.ndarray]) -> Scorer:
    """A scorer from a function that gives scores of all items, (B, n_items)."""

    def scorer(histories: Histories, candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [own[items] for own, items in zip(score(histories), candidates, strict=True)]

    return scorer


def item_scores(scores: np.ndarray) -> Scorer:
    """A scorer that knows only the item: ``scores`` (n_items,)."""
    return lambda histories, candidates: [scores[items] for items in candidates]


def popularity(ratings: pd.DataFrame, n_items: int) -> Scorer:
    """How many people rated the item."""
    return item_scores(np.bincount(ratings["item"], minlength=n_items).astype(np.float64))


def item_mean(ratings: pd.DataFrame, n_items: int, prior: float = 10.0) -> Scorer:
    """The item's mean stars, with ``prior`` ratings at the overall mean added."""
    count = np.bincount(ratings["item"], minlength=n_items)
    total = np.bincount(ratings["item"], weights=ratings["rating"], minlength=n_items)
    mean = float(ratings["rating"].mean())
    return item_scores((total + prior * mean) / (count + prior))


def retriever(model: EvidenceModel) -> Scorer:
    """The sequence retriever alone."""
    return whole_catalogue(lambda histories: model.retriever.scores([[e.item for e in own] for own in histories]))


def evidence(model: EvidenceSource, feature: str) -> Scorer:
    """One number of the evidence alone.

    Raises:
        ValueError: the feature is unknown.
    """
    if feature not in FEATURES:
        raise ValueError(f"unknown feature {feature!r}: use one of {', '.join(FEATURES)}")
    place = FEATURES.index(feature)
    return whole_catalogue(lambda histories: model.features(histories)[:, :, place])
