"""Slices: the same figures for parts of the rated pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agent.catalogue.catalogue import Catalogue
from eval.reward.pairs import RatedPairs

LEAST = 30
"""Pairs below which a slice gets no figures, only its size."""

_USERS = ((0, 60, "under 60 ratings"), (60, 120, "60 to 119"), (120, np.inf, "120 and over"))
_ITEMS = ((0, 5, "under 5 ratings"), (5, 50, "5 to 49"), (50, np.inf, "50 and over"))
_AGES = ((-np.inf, 1, "within a day"), (1, 30, "1 to 29 days"), (30, np.inf, "30 days and over"))


@dataclass(frozen=True)
class Slice:
    """Pairs that have something in common: ``rows`` (R,) bool."""

    kind: str
    name: str
    rows: np.ndarray


def slices(pairs: RatedPairs, catalogue: Catalogue) -> Iterator[Slice]:
    """Users by the length of their past, items by their ratings in it, its age at the time of the rating, genres.

    ``catalogue`` holds the statistics of the past alone. Slices without a pair are left out.
    """
    bands = (
        ("past of the user", pairs.history_length, _USERS),
        ("ratings of the item", catalogue.rating_count[pairs.items], _ITEMS),
        ("age of the past", pairs.history_age, _AGES),
    )
    for kind, values, limits in bands:
        for low, high, name in limits:
            rows = (values >= low) & (values < high)  # NaN is in none
            if rows.any():
                yield Slice(kind, name, rows)
    for column, genre in enumerate(catalogue.category_names):
        rows = catalogue.category_matrix[pairs.items, column]
        if rows.any():
            yield Slice("genre", genre, rows)
