"""Matrix factorisation of explicit ratings, with users who come from outside.

Biased matrix factorisation (Koren, Bell and Volinsky, 2009), ``rating = mean + b_user + b_item + p_user . q_item``,
fitted by alternating least squares. A user is nothing but the ridge regression of their history on the item factors,
so anyone with a history gets predictions ("fold-in"), whether or not they were there when the factors were fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from scipy import sparse

from agent.records.state import POSITIVE, Event

_CHUNK = 4_000_000
"""Numbers held at once while normal equations are summed."""


@dataclass(frozen=True, slots=True)
class FactorizationConfig:
    """Size and ridge penalties; the defaults were chosen on slates cut from MovieLens-100K users' past.

    ``penalty`` acts on factors and ``bias_penalty`` on biases; both are multiplied by ``n ** scaling`` for
    an item or user with n ratings (0: plain ridge; 1: the weighted penalty of Zhou et al., 2008).
    """

    rank: int = 8
    penalty: float = 4.0
    bias_penalty: float = 2.0
    scaling: float = 0.25
    rounds: int = 12


@dataclass(frozen=True)
class RatingFactors:
    """Fitted item side of the factorisation: ``bias`` (n_items,) and ``factors`` (n_items, rank), in grades."""

    mean: float
    bias: np.ndarray
    factors: np.ndarray
    config: FactorizationConfig

    @classmethod
    def fit(cls, ratings: sparse.csr_matrix, seed: int = 0, config: FactorizationConfig | None = None) -> RatingFactors:
        """Factorise ``ratings`` (users, items), explicit entries in grades.

        Where there are none everything is predicted to be positive, no item more than another.
        """
        config = config or FactorizationConfig()
        n_users, n_items = ratings.shape
        if ratings.nnz == 0:
            return cls(POSITIVE, np.zeros(n_items), np.zeros((n_items, config.rank)), config)
        mean = float(ratings.data.mean())
        rng = np.random.default_rng(seed)
        by_user = sparse.csr_matrix(ratings, dtype=np.float64)
        by_item = by_user.T.tocsr()
        items = np.concatenate([np.zeros((n_items, 1)), rng.normal(0.0, 0.1, (n_items, config.rank))], axis=1)
        users = np.zeros((n_users, config.rank + 1))
        # Biases alone first: the random factors would otherwise soak up what biases explain.
        for own, other, matrix in ((items, users, by_item), (users, items, by_user)) * 2:
            own[:, :1] = _regress(matrix, other[:, :0], other[:, 0], mean, config)
        for _ in range(config.rounds):
            users = _regress(by_user, items[:, 1:], items[:, 0], mean, config)
            items = _regress(by_item, users[:, 1:], users[:, 0], mean, config)
        return cls(mean, items[:, 0].copy(), items[:, 1:].copy(), config)

    def fold_in(self, histories: Sequence[Sequence[Event]]) -> np.ndarray:
        """Bias and vector of each user, (len(histories), 1 + rank); zeros for a user without ratings."""
        matrix = history_matrix(histories, len(self.bias))
        return _regress(matrix, self.factors, self.bias, self.mean, self.config)

    def predict(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """Predicted grades of every item, (len(histories), n_items) float64, not clipped to the scale.

        With ``candidates`` (len(histories), C) of those: the same shape.
        """
        users = self.fold_in(histories)
        prediction: np.ndarray
        if candidates is None:
            prediction = self.mean + self.bias + users[:, :1] + users[:, 1:] @ self.factors.T
        else:
            own = np.einsum("bcr,br->bc", self.factors[candidates], users[:, 1:])
            prediction = self.mean + self.bias[candidates] + users[:, :1] + own
        return prediction

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, for storing."""
        settings = np.array(astuple(self.config), dtype=np.float64)
        return {"mean": np.array([self.mean]), "bias": self.bias, "factors": self.factors, "config": settings}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> RatingFactors:
        """The inverse of :meth:`arrays`."""
        rank, penalty, bias_penalty, scaling, rounds = arrays["config"].tolist()
        config = FactorizationConfig(int(rank), penalty, bias_penalty, scaling, int(rounds))
        return cls(float(arrays["mean"][0]), arrays["bias"], arrays["factors"], config)


def history_matrix(histories: Sequence[Sequence[Event]], n_items: int) -> sparse.csr_matrix:
    """The rated events as a sparse matrix (len(histories), n_items); of several ratings of an item the last counts."""
    rows, columns, values = [], [], []
    for row, history in enumerate(histories):
        rated = {event.item: event.rating for event in history if event.rating is not None}
        rows += [row] * len(rated)
        columns += list(rated)
        values += list(rated.values())
    return sparse.csr_matrix((np.array(values, dtype=np.float64), (rows, columns)), shape=(len(histories), n_items))


def _regress(
    matrix: sparse.csr_matrix, vectors: np.ndarray, offsets: np.ndarray, mean: float, config: FactorizationConfig
) -> np.ndarray:
    """Ridge regression of every row's ratings on ``[1, vectors]`` after ``mean + offsets``; (rows, 1 + rank)."""
    design = np.concatenate([np.ones((len(offsets), 1)), vectors], axis=1)
    width = design.shape[1]
    counts = np.diff(matrix.indptr)
    penalty = np.full(width, config.penalty)
    penalty[0] = config.bias_penalty
    out = np.zeros((matrix.shape[0], width))
    per_chunk = max(1, _CHUNK // (width * width))
    start = 0
    while start < len(counts):
        stop = int(np.searchsorted(matrix.indptr, matrix.indptr[start] + per_chunk, side="right")) - 1
        stop = min(max(stop, start + 1), len(counts))
        low, high = matrix.indptr[start], matrix.indptr[stop]
        x = design[matrix.indices[low:high]]
        y = matrix.data[low:high] - mean - offsets[matrix.indices[low:high]]
        filled = np.flatnonzero(counts[start:stop])
        if len(filled):
            first = matrix.indptr[start:stop][filled] - low
            gram = np.add.reduceat(x[:, :, None] * x[:, None, :], first, axis=0)
            moment = np.add.reduceat(x * y[:, None], first, axis=0)
            scale = counts[start:stop][filled] ** config.scaling
            gram[:, np.arange(width), np.arange(width)] += scale[:, None] * penalty
            out[start + filled] = np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
        start = stop
    return out
