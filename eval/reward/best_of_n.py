"""Best of n: the reward that is really reached by following a reward model, and what the model believes it to be.

Taking the best of n random candidates is the plainest way to optimise against a reward model; the more candidates, the
harder (Gao et al., 2023, arXiv:2210.10760). The gap between belief and truth is the over-optimisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import comb

from eval.resampling import Statistic, UserBootstrap, ratio
from eval.reward.pairs import RatedPairs

SIZES = (1, 2, 3, 5, 10, 20)
"""The numbers of candidates; a slate that has fewer gives all it has."""


@dataclass(frozen=True)
class BestOfN:
    """Per slate (S,), the expected figures of the pick at one ``n``: chance of a click, stars, and belief."""

    n: int
    click: np.ndarray
    stars: np.ndarray
    belief: np.ndarray

    @property
    def kl(self) -> float:
        """``log n - (n - 1) / n``: at most so far is this choice from a random one (Beirami et al., 2024)."""
        return float(np.log(self.n) - (self.n - 1) / self.n)


def best_of_n(scores: np.ndarray, probabilities: np.ndarray, pairs: RatedPairs) -> list[BestOfN]:
    """The curve, exact: the expectation over all choices of n candidates without replacement; ties share evenly."""
    rows = pairs.rows_of_slates()
    out = []
    for n in SIZES:
        columns = np.empty((3, len(rows)))
        for k, own in enumerate(rows):
            chance = pick_chances(scores[own], n)
            columns[:, k] = (chance @ pairs.likes[own], chance @ pairs.stars[own], chance @ probabilities[own])
        out.append(BestOfN(n, *columns))
    return out


def pick_chances(scores: np.ndarray, n: int) -> np.ndarray:
    """How likely each of C candidates is the best of ``n`` drawn without replacement, (C,) float64, sums to 1.

    The one with ``b`` candidates below is the best of ``comb(b, n - 1)`` of the ``comb(C, n)`` draws; candidates with
    the same score share theirs.

    Raises:
        ValueError: ``n`` is below 1, or there are no candidates.
    """
    count = len(scores)
    if n < 1 or not count:
        raise ValueError(f"the best of {n} out of {count} candidates: give at least one of both")
    n = min(n, count)
    order = np.argsort(scores, kind="stable")
    chance = np.empty(count)
    chance[order] = comb(np.arange(count), n - 1) / comb(count, n)
    _, group = np.unique(scores, return_inverse=True)
    mean: np.ndarray = np.bincount(group, weights=chance) / np.bincount(group)
    return mean[group]


def curve_json(curve: list[BestOfN], pairs: RatedPairs, users: UserBootstrap) -> list[dict[str, Any]]:
    """The curve with intervals: ``n``, ``kl``, ``click_rate``, ``mean_rating``, ``belief``, ``gap`` and their ``ci``.

    ``gap`` is belief less click rate: above 0, the model promises more than it keeps.
    """
    rows = []
    for step in curve:
        row: dict[str, Any] = {"n": step.n, "kl": step.kl}
        ci = {}
        for name, statistic in step_statistics(step, pairs, users).items():
            interval = users.interval(statistic)
            row[name] = interval.mean
            ci[name] = [interval.low, interval.high]
        rows.append({**row, "ci": ci})
    return rows


def step_statistics(step: BestOfN, pairs: RatedPairs, users: UserBootstrap) -> dict[str, Statistic]:
    """The figures of one ``n`` as statistics."""
    first = np.array([own[0] for own in pairs.rows_of_slates()])
    owner = users.place[first]

    def mean(values: np.ndarray) -> Statistic:
        size = len(users.names)
        slates = np.bincount(owner, minlength=size).astype(np.float64)
        return ratio(np.bincount(owner, weights=values, minlength=size), slates)

    return {
        "click_rate": mean(step.click),
        "mean_rating": mean(step.stars),
        "belief": mean(step.belief),
        "gap": mean(step.belief - step.click),
    }
