"""Similar users: what people who had and graded the same items made of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from agent.features.factorization import history_matrix
from agent.records.state import POSITIVE, Event

MOST = 3000
"""Users that are kept, drawn at random where there are more: a square of them is solved."""

BIAS_PRIOR = 5.0
"""Ratings at the mean that are added to those of an item, and of a user."""

COMMON_PRIOR = 25.0
"""Common items by which a similarity is discounted: ``n / (n + COMMON_PRIOR)``."""

SHARPNESS = 1.5
"""Power of a similarity: the nearest users count most."""

RIDGE = 500.0
"""Penalty of the regression on what was watched; chosen, as the numbers above, on slates of users' past."""


@dataclass(frozen=True)
class SimilarUsers:
    """U training users over the catalogue.

    ``mean`` of all grades, ``bias`` (n_items,) of items in grades; ``residual`` (U, n_items) sparse: grades less mean,
    item and user bias; ``inverse`` (U, U) float32: of the regularised Gram matrix of the regression on what was had,
    whose coefficients are its product with the residuals.
    """

    mean: float
    bias: np.ndarray
    residual: sparse.csr_matrix
    inverse: np.ndarray

    @classmethod
    def fit(cls, ratings: sparse.csr_matrix, seed: int = 0) -> SimilarUsers:
        """Fit on ``ratings`` (users, n_items), explicit entries in grades; there may be none."""
        matrix = sparse.csr_matrix(ratings, dtype=np.float64)
        if matrix.nnz == 0:
            nobody = sparse.csr_matrix((0, matrix.shape[1]), dtype=np.float64)
            return cls(POSITIVE, np.zeros(matrix.shape[1]), nobody, np.zeros((0, 0), dtype=np.float32))
        mean = float(matrix.data.mean())
        count = np.bincount(matrix.indices, minlength=matrix.shape[1])
        above = np.bincount(matrix.indices, weights=matrix.data - mean, minlength=matrix.shape[1])
        bias = above / (count + BIAS_PRIOR)
        if matrix.shape[0] > MOST:
            kept = np.sort(np.random.default_rng(seed).choice(matrix.shape[0], MOST, replace=False))
            matrix = sparse.csr_matrix(matrix[kept])
        residual = _residual(matrix, mean, bias)
        watched = _watched(residual)
        # Ridge regression of the residuals on watching (implicit feedback: Koren, 2008, doi:10.1145/1401890.1401944)
        # in its dual form, which solves a square of users instead of items.
        gram = (watched @ watched.T).toarray()
        gram[np.diag_indices(len(gram))] += RIDGE
        return cls(mean, bias, residual, np.linalg.inv(gram).astype(np.float32))

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """For every item what similar raters gave it and what having had the history tells, both in grades.

        The first is the item's bias plus the mean residual of users, weighted by the cosine of the residuals of common
        items (discounted where those are few); the second the regression's prediction. Events without a rating must
        have been given one before.

        Returns:
            (len(histories), n_items, 2) float64; with ``candidates`` (len(histories), C) of those.
        """
        if not len(self.inverse):
            chosen = np.broadcast_to(np.arange(len(self.bias)), (len(histories), len(self.bias)))
            shape = (chosen if candidates is None else candidates).shape
            return np.zeros((*shape, 2))
        own = _residual(history_matrix(histories, len(self.bias)), self.mean, self.bias)
        seen = _watched(own)
        common = (seen @ self._watched.T).toarray()
        product = (own @ self.residual.T).toarray()
        own_norm = np.sqrt((own.multiply(own) @ self._watched.T).toarray())
        other_norm = np.sqrt((seen @ self._squared.T).toarray())
        cosine = np.divide(product, own_norm * other_norm, out=np.zeros_like(product), where=product > 0)
        weight = (cosine * common / (common + COMMON_PRIOR)) ** SHARPNESS
        near = (weight @ self.residual) / (weight @ self._watched + 0.5)
        effect = (common @ self.inverse) @ self.residual
        both = np.stack([self.bias + near, effect], axis=-1)
        return both if candidates is None else np.take_along_axis(both, candidates[:, :, None], axis=1)

    @cached_property
    def _watched(self) -> sparse.csr_matrix:
        return _watched(self.residual)

    @cached_property
    def _squared(self) -> sparse.csr_matrix:
        return sparse.csr_matrix(self.residual.multiply(self.residual))

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, for storing."""
        parts = {name: getattr(self.residual, name) for name in ("data", "indices", "indptr")}
        return {"mean": np.array([self.mean]), "bias": self.bias, "inverse": self.inverse, **parts}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> SimilarUsers:
        """The inverse of :meth:`arrays`."""
        residual = sparse.csr_matrix(
            (arrays["data"], arrays["indices"], arrays["indptr"]), shape=(len(arrays["inverse"]), len(arrays["bias"]))
        )
        return cls(float(arrays["mean"][0]), arrays["bias"], residual, arrays["inverse"])


def _residual(matrix: sparse.csr_matrix, mean: float, bias: np.ndarray) -> sparse.csr_matrix:
    """Stars less the mean, the item's bias and the user's own (shrunk) mean of what is left."""
    count = np.diff(matrix.indptr)
    left = matrix.data - mean - bias[matrix.indices]
    row = np.repeat(np.arange(len(count)), count)
    user = np.bincount(row, weights=left, minlength=len(count)) / (count + BIAS_PRIOR)
    return sparse.csr_matrix((left - user[row], matrix.indices, matrix.indptr), shape=matrix.shape)


def _watched(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
