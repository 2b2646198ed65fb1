"""Resampling: intervals of any statistic of rated pairs, from drawing whole users with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics import Interval

Statistic = Callable[[np.ndarray], np.ndarray]
"""Maps weights (B, users), how often each user was drawn, to B values; NaN where it is not defined."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference with its 95 % interval and the two-sided bootstrap p-value of no difference."""

    mean: float
    low: float
    high: float
    p: float


class UserBootstrap:
    """Draws of users (the cluster bootstrap of Field and Welsh, 2007), the same for every statistic asked.

    ``place`` (rows,) is the number of each row's user among ``names``.
    """

    def __init__(self, users: Sequence[str], resamples: int = 2000, seed: int = 0) -> None:
        """Draw.

        Raises:
            ValueError: there are no rows.
        """
        if not len(users):
            raise ValueError("there are no rows to draw from: give at least one")
        self.names, self.place = np.unique(np.asarray(users), return_inverse=True)
        count = len(self.names)
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
        self.weights: np.ndarray = drawn.astype(np.float64)

    def by_user(self, *columns: np.ndarray) -> np.ndarray:
        """Sums of each column (rows,) within each user, (users, columns)."""
        return np.stack([np.bincount(self.place, weights=c, minlength=len(self.names)) for c in columns], axis=1)

    def value(self, statistic: Statistic) -> float:
        """The statistic with every user once."""
        return float(statistic(np.ones((1, len(self.names))))[0])

    def interval(self, statistic: Statistic) -> Interval:
        """The statistic with its 95 % percentile interval (over the draws in which it is defined)."""
        low, high = _percentiles(statistic(self.weights))
        return Interval(self.value(statistic), low, high)

    def centred_interval(self, statistic: Statistic) -> Interval:
        """The same for a sum of absolute values, which is greater in draws than in the rows that they are drawn from.

        The draws are moved by their mean's distance from the statistic (Efron and Tibshirani, 1993, chapter 10) and do
        not go below 0; else the statistic could lie outside of its own interval.
        """
        value, draws = self.value(statistic), statistic(self.weights)
        low, high = _percentiles(np.maximum(draws - (np.nanmean(draws) - value), 0.0))
        return Interval(value, low, high)

    def difference(self, first: Statistic, second: Statistic) -> Difference:
        """``first - second`` on the same draws; p is twice the smaller share of draws on one side of zero."""
        draws = first(self.weights) - second(self.weights)
        known = draws[np.isfinite(draws)]
        low, high = _percentiles(draws)
        tail = min(np.mean(known <= 0), np.mean(known >= 0)) if len(known) else np.nan
        # With B draws nothing below 1 / (B + 1) can be told from zero.
        p = min(1.0, max(2 * tail, 1 / (len(draws) + 1)))
        return Difference(self.value(first) - self.value(second), low, high, float(p))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Statistic:
    """The statistic ``sum(numerator) / sum(denominator)`` of sums by user, each (users,)."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weights @ numerator) / (weights @ denominator))

    return statistic


def _percentiles(draws: np.ndarray) -> tuple[float, float]:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
