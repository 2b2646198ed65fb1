"""Baselines: what a policy has to beat, as scorers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from agent.evidence import FEATURES, EvidenceModel
from agent.state import Event
from eval.metrics import Scorer

EASE_LIMIT = 20_000
"""Items up to which EASE's square matrix (3 GB there) is made."""

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


class Ease:
    """Linear item-item autoencoder in closed form (Steck, 2019, "Embarrassingly Shallow Autoencoders")."""

    def __init__(self, ratings: pd.DataFrame, n_items: int, penalty: float = 500.0) -> None:
        if n_items > EASE_LIMIT:
            raise ValueError(f"{n_items} items: EASE inverts a square of them; use it up to {EASE_LIMIT:,} items")
        rows = pd.factorize(ratings["user"])[0]
        shape = (int(rows.max()) + 1, n_items)
        seen = sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, ratings["item"])), shape=shape)
        gram = (seen.T @ seen).toarray().astype(np.float64)
        gram[np.diag_indices(n_items)] += penalty
        inverse = np.linalg.inv(gram)
        self.weights = -inverse / np.diag(inverse)
        np.fill_diagonal(self.weights, 0.0)

    def scores(self, histories: Histories) -> np.ndarray:
        """Scores of all items, (B, n_items)."""
        seen = np.zeros((len(histories), len(self.weights)))
        for row, history in enumerate(histories):
            seen[row, [event.item for event in history]] = 1.0
        result: np.ndarray = seen @ self.weights
        return result


def retriever(model: EvidenceModel) -> Scorer:
    """The sequence retriever alone."""
    return whole_catalogue(lambda histories: model.retriever.scores([[e.item for e in own] for own in histories]))


def evidence(model: EvidenceModel, feature: str) -> Scorer:
    """One number of the evidence alone.

    Raises:
        ValueError: the feature is unknown.
    """
    if feature not in FEATURES:
        raise ValueError(f"unknown feature {feature!r}: use one of {', '.join(FEATURES)}")
    place = FEATURES.index(feature)
    return whole_catalogue(lambda histories: model.features(histories)[:, :, place])
