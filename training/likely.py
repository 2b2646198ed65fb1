"""Likely: fits whether a person had an item from the words around it (:mod:`agent.understanding.likely`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from agent.understanding.likely import LikelyHad


@dataclass(frozen=True, slots=True)
class Told:
    """What one message told of one item, and whether the person had it."""

    clues: frozenset[str]
    had: bool


@dataclass(frozen=True, slots=True)
class LikelySettings:
    """Clues that fewer than ``least`` messages hold are left out; ``strength`` is the inverse penalty of squares."""

    least: int = 5
    strength: float = 0.3


def fit_likely(rows: Sequence[Told], about: str, settings: LikelySettings | None = None) -> LikelyHad:
    """Fit the regression.

    Raises:
        ValueError: the rows all say the same, or there are none.
    """
    settings = settings or LikelySettings()
    if len({row.had for row in rows}) < 2:
        raise ValueError(f"{len(rows)} messages that all say the same: give conversations with items had and not had")
    counted = Counter(clue for row in rows for clue in row.clues)
    place = {clue: column for column, clue in enumerate(sorted(c for c, n in counted.items() if n >= settings.least))}
    pairs = [(r, place[clue]) for r, row in enumerate(rows) for clue in sorted(row.clues) if clue in place]
    at, column = np.array(pairs, dtype=np.int32).T
    matrix = sparse.csr_matrix((np.ones(len(pairs)), (at, column)), shape=(len(rows), len(place)))
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    model = LogisticRegression(C=settings.strength, solver="liblinear", max_iter=300)
    model.fit(matrix, [row.had for row in rows])
    return LikelyHad(float(model.intercept_[0]), dict(zip(place, model.coef_[0].tolist(), strict=True)), about)
