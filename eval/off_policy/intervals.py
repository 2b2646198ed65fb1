"""Intervals: bootstrap over whole clusters of rows, for estimates that are ratios of sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from eval.metrics import Interval
from eval.off_policy.estimators import Terms

Method = Literal["bca", "percentile"]
RESAMPLES = 2000


@dataclass(frozen=True)
class Resampling:
    """How often each of G clusters is drawn in each resample: ``counts`` (B, G) float64."""

    counts: np.ndarray
    clusters: np.ndarray  # (N,) of 0 .. G - 1

    @classmethod
    def draw(cls, clusters: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Resampling:
        """Whole clusters with replacement (Field and Welsh, 2007), the same draws for every estimate."""
        groups = int(clusters.max()) + 1
        rng = np.random.default_rng(seed)
        counts = np.empty((resamples, groups))
        for b in range(resamples):
            counts[b] = np.bincount(rng.integers(0, groups, groups), minlength=groups)
        return cls(counts, clusters)

    def interval(
        self, terms: Terms, less: Terms | None = None, method: Method = "bca", level: float = 0.95
    ) -> Interval:
        """The interval of an estimate, or of its difference to another on the same rows.

        ``bca`` is corrected for bias and skewness (Efron, 1987), the acceleration from leaving out each cluster. With
        ``deviations`` their spread makes a normal interval, because refits are too dear to count tails.
        """
        if terms.deviations is not None and (less is None or less.deviations is not None):
            own = terms.deviations if less is None or less.deviations is None else terms.deviations - less.deviations
            middle = terms.value - (0.0 if less is None else less.value)
            half = float(stats.norm.ppf((1 + level) / 2) * own.std(ddof=1))
            return Interval(middle, middle - half, middle + half)
        parts = [(terms, 1.0)] if less is None else [(terms, 1.0), (less, -1.0)]
        value = sum(sign * own.value for own, sign in parts)
        drawn = np.zeros(len(self.counts))
        left_out = np.zeros(self.counts.shape[1])
        for own, sign in parts:
            num, den = (self._by_cluster(values) for values in (own.num, own.den))
            drawn += sign * _ratio(self.counts @ num, self.counts @ den)
            left_out += sign * _ratio(num.sum(axis=0) - num, den.sum(axis=0) - den)
        low, high = np.quantile(drawn, quantiles(drawn, value, left_out, method, level))
        return Interval(float(value), float(low), float(high))

    def _by_cluster(self, values: np.ndarray) -> np.ndarray:
        result = np.zeros((self.counts.shape[1], values.shape[1]))
        np.add.at(result, self.clusters, values)
        return result


def quantiles(
    drawn: np.ndarray, value: float, left_out: np.ndarray, method: Method = "bca", level: float = 0.95
) -> Sequence[float]:
    """Which quantiles of the resampled estimates are the interval's ends.

    ``drawn``: (B,) resampled estimates; ``left_out``: (G,) the estimate without each cluster (the jackknife);
    ``method``: ``percentile``, or ``bca`` (Efron, 1987, equations 2.3 and 6.6).
    """
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    share = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    spread = left_out.mean() - left_out
    if method == "percentile" or not 0 < share < 1 or not (spread**2).sum() > 0:
        return [float(tail) for tail in tails]
    bias = stats.norm.ppf(share)
    acceleration = (spread**3).sum() / (6 * (spread**2).sum() ** 1.5)
    z = bias + stats.norm.ppf(tails)
    return [float(tail) for tail in stats.norm.cdf(bias + z / (1 - acceleration * z))]


def _ratio(num: np.ndarray, den: np.ndarray) -> np.ndarray:
    """Sum over the last axis of num / den, 0 where nothing was drawn that weighs."""
    result: np.ndarray = np.divide(num, den, out=np.zeros_like(num), where=den != 0).sum(axis=-1)
    return result
