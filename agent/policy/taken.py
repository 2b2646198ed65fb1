"""Taken: how often the people of a chat took up each item that was shown, against what its places led to expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.policy.item_embeddings import item_keys

TAKEN = ("taken", "taken_category")
"""Logarithm of how much oftener an item was taken up than expected, and the mean of that over its categories."""

ITEM_PRIOR = 3.0
"""Expected takings that are added on both sides of an item's ratio: what was rarely shown stays near 1 ..."""

CATEGORY_PRIOR = 10.0
"""... and on both sides of a category's."""


@dataclass(frozen=True)
class Taken:
    """``taken`` counts by item key how often it was taken up; ``expected`` adds up the mean share at its places.

    An item at the top is taken up more often wherever it stands there: dividing by what is expected there leaves the
    item's own part (the position-based model of Craswell et al., 2008).
    """

    taken: Mapping[str, float] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)

    def plus(self, more: Taken, kept: float = 1.0) -> Taken:
        """With more counts; those there were count ``kept`` times, so that old ones fade."""
        return Taken(_sum(self.taken, more.taken, kept), _sum(self.expected, more.expected, kept))

    def columns(self, catalogue: Catalogue) -> np.ndarray:
        """TAKEN of every item, (2, n_items) float32; zeros where nothing was shown."""
        keys = item_keys(catalogue.items)
        taken, expected = (np.array([own.get(key, 0.0) for key in keys]) for own in (self.taken, self.expected))
        own = np.log((taken + ITEM_PRIOR) / (expected + ITEM_PRIOR))
        belongs = catalogue.category_matrix.astype(np.float64)
        by_category = np.log((taken @ belongs + CATEGORY_PRIOR) / (expected @ belongs + CATEGORY_PRIOR))
        category = belongs @ by_category / np.maximum(belongs.sum(axis=1), 1.0)
        return np.stack([own, category]).astype(np.float32)


def _sum(own: Mapping[str, float], more: Mapping[str, float], kept: float) -> dict[str, float]:
    return {key: round(kept * own.get(key, 0.0) + more.get(key, 0.0), 4) for key in sorted({*own, *more})}
