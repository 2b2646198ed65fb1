"""Metrics of ranked lists, and intervals that respect that one user's rows belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.records.state import Event

Scorer = Callable[[Sequence[Sequence[Event]], Sequence[np.ndarray]], Sequence[np.ndarray]]
"""Maps B histories and, for each, its candidates (catalogue indices) to as many scores per candidate, higher first."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """For tables: ``.0923 [.0789, .1061]``."""
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def cluster_bootstrap(values: np.ndarray, clusters: Sequence[str], resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean of ``values`` with a percentile interval from drawing whole clusters (users) with replacement.

    The cluster bootstrap of Field and Welsh (2007): rows of one user are not independent, users are.

    Raises:
        ValueError: there are no values, or not one cluster name for each.
    """
    return _interval(np.mean(values), _resampled(values, clusters, resamples, seed))


def cluster_difference(
    values: np.ndarray,
    clusters: Sequence[str],
    other: np.ndarray,
    other_clusters: Sequence[str],
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Mean of ``values`` less mean of ``other``, two groups that share no cluster, each drawn on its own.

    Raises:
        ValueError: a group has no values, or not one cluster name for each.
    """
    drawn = _resampled(values, clusters, resamples, seed) - _resampled(other, other_clusters, resamples, seed + 1)
    return _interval(np.mean(values) - np.mean(other), drawn)


def _resampled(values: np.ndarray, clusters: Sequence[str], resamples: int, seed: int) -> np.ndarray:
    """(resamples,) means of ``values`` when clusters are drawn with replacement."""
    if not len(values) or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values with {len(clusters)} clusters: give one cluster for each, at least one")
    names, group = np.unique(np.asarray(clusters), return_inverse=True)
    total = np.bincount(group, weights=values)
    size = np.bincount(group).astype(np.float64)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    means: np.ndarray = (drawn @ total) / (drawn @ size)
    return means


def _interval(mean: float | np.floating[Any], means: np.ndarray) -> Interval:
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(mean), float(low), float(high))


def run_scorer(
    scorer: Scorer, histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray], batch: int = 64
) -> list[np.ndarray]:
    """Scores of all cases, ``batch`` at a time.

    Raises:
        ValueError: the scorer gave another number of scores than candidates, or one that is not a number.
    """
    scores: list[np.ndarray] = []
    for start in range(0, len(histories), batch):
        part = slice(start, start + batch)
        scores += [np.asarray(own, dtype=np.float64) for own in scorer(histories[part], candidates[part])]
    for case, (own, wanted) in enumerate(zip(scores, candidates, strict=True)):
        if own.shape != wanted.shape or np.isnan(own).any():
            raise ValueError(f"case {case}: {own.shape} scores for {wanted.shape} candidates, or NaN: fix the scorer")
    return scores
