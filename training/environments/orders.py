"""Orders: the action space of whole slates, which Gymnasium has none for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt


class Orders(gym.Space[npt.NDArray[np.int64]]):
    """Ordered choices of ``length`` different numbers below ``n``: int64 (length,).

    Raises:
        ValueError: ``length`` is not between 1 and ``n``.
    """

    def __init__(self, n: int, length: int, seed: int | np.random.Generator | None = None) -> None:
        if not 1 <= length <= n:
            raise ValueError(f"orders of {length} out of {n}: the length must be between 1 and {n}")
        self.n = n
        self.length = length
        super().__init__((length,), np.int64, seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Flattening an order would lose that its numbers differ."""
        return False

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> npt.NDArray[np.int64]:
        """A random order; with ``mask`` (n,) only numbers where it is true, with ``probability`` (n,) drawn by weight.

        Raises:
            ValueError: both are given, or fewer than ``length`` numbers may be drawn.
        """
        if mask is not None and probability is not None:
            raise ValueError("a mask and probabilities: give one of the two")
        weights = np.ones(self.n) if mask is None else np.asarray(mask, dtype=np.float64)
        if probability is not None:
            weights = np.asarray(probability, dtype=np.float64)
        if np.count_nonzero(weights) < self.length:
            raise ValueError(f"{np.count_nonzero(weights)} numbers may be drawn: an order needs {self.length}")
        drawn: npt.NDArray[np.int64] = self.np_random.choice(
            self.n, size=self.length, replace=False, p=weights / weights.sum()
        ).astype(np.int64)
        return drawn

    def contains(self, x: Any) -> bool:
        """Whether ``x`` is such an order."""
        order = np.asarray(x)
        return bool(
            order.shape == (self.length,)
            and np.issubdtype(order.dtype, np.integer)
            and ((order >= 0) & (order < self.n)).all()
            and len(np.unique(order)) == self.length
        )

    def to_jsonable(self, sample_n: Iterable[npt.NDArray[np.int64]]) -> list[list[int]]:
        """Samples as lists of numbers."""
        return [order.tolist() for order in sample_n]

    def from_jsonable(self, sample_n: Sequence[Sequence[int]]) -> list[npt.NDArray[np.int64]]:
        """The inverse of :meth:`to_jsonable`."""
        return [np.array(order, dtype=np.int64) for order in sample_n]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Orders) and (self.n, self.length) == (other.n, other.length)

    def __hash__(self) -> int:
        return hash((self.n, self.length))

    def __repr__(self) -> str:
        return f"Orders(n={self.n}, length={self.length})"
