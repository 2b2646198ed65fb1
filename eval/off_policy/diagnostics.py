"""Diagnostics: what a log can support, and when it cannot support a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.off_policy.estimators import Terms
from eval.off_policy.log import rounding
from eval.off_policy.samples import Samples, Unsupported


@dataclass(frozen=True, slots=True)
class Limits:
    """Where an estimate is refused.

    ``clusters`` and ``effective``: at least so many clusters, and rows by effective sample size. ``share``: of all
    weight, at most so much on one row. ``unsupported``: mass of the target on what the log can never show. ``lost``:
    weight that clipping or switching may cut away. ``approximate``: share of rows whose state was not in the log.
    ``significance``: below this p-value the mean weight is not 1, or the propensities are not those drawn with.
    """

    clusters: int = 20
    effective: float = 30.0
    share: float = 0.1
    unsupported: float = 0.01
    lost: float = 0.05
    approximate: float = 0.1
    significance: float = 1e-4


@dataclass(frozen=True, slots=True)
class Weights:
    """What the weights of one estimate say of the log; of several places the worst.

    ``effective``: ``(sum w)^2 / sum w^2`` (Kong, 1992). ``largest`` weight; ``share``: its share of all weight.
    ``mean`` is 1 where the propensities are right and everything is supported; ``p`` of a test that it is, by the
    spread between clusters, or by the least that the propensities make likely where that is more.
    """

    effective: float
    largest: float
    share: float
    mean: float
    p: float


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What holds for all estimates.

    ``rows`` that count, ``empty`` ones without an item (left out), ``clusters``; ``drawn``: share of the shown items
    whose logged propensity is below 1; ``unsupported``: mean mass of the target on what the log can never show;
    ``approximate``: rows whose state was not in the log. ``calibration``: p-value of the first items being as
    surprising as their propensities say, ``mean of log p(a) - sum_a p(a) log p(a) = 0``, by the spread that they
    would have (None: the log does not hold the probabilities of all candidates).
    """

    rows: int
    empty: int
    clusters: int
    drawn: float
    unsupported: float
    approximate: int
    calibration: float | None


def diagnose(samples: Samples, empty: int = 0) -> Diagnostics:
    """What holds for all estimates from these samples."""
    return Diagnostics(
        rows=len(samples.rewards),
        empty=empty,
        clusters=int(samples.clusters.max()) + 1,
        drawn=float((samples.logged < 1)[samples.shown].mean()),
        unsupported=float(_unsupported(samples).mean()),
        approximate=int((~samples.target.exact).sum()),
        calibration=_calibration(samples),
    )


def weigh(terms: Terms, clusters: np.ndarray, logged: np.ndarray) -> Weights | None:
    """What the weights say; None for an estimate without weights.

    Args:
        terms: the estimate, with weights (N, P).
        clusters: (N,) which rows are drawn together.
        logged: (N, K) the probability of each shown item given those above it.
    """
    if terms.weights is None:
        return None
    weights = terms.weights
    total = weights.sum(axis=0)
    square = (weights**2).sum(axis=0)
    effective = np.divide(total**2, square, out=np.zeros_like(total), where=square > 0)
    share = np.divide(weights.max(axis=0), total, out=np.ones_like(total), where=total > 0)
    # What is not seen of a slate that comes with chance p makes a weight w vary by (w - 1)^2 p / (1 - p) at least,
    # though all rows may show the same: 30 draws of an item of .97 say nothing of the others.
    chances = np.cumprod(logged, axis=1)[:, -weights.shape[1] :]
    unseen = np.divide(chances, 1 - chances, out=np.zeros_like(chances), where=chances < 1)
    least = np.sqrt(((weights - 1) ** 2 * unseen).sum(axis=0)) / len(weights)
    tests = [_mean_test(weights[:, place], clusters, least[place]) for place in range(weights.shape[1])]
    worst = min(range(len(tests)), key=lambda place: tests[place][1])
    mean, p = tests[worst]
    p = min(1.0, p * len(tests))  # Bonferroni
    return Weights(float(effective.min()), float(weights.max()), float(share.max()), mean, p)


def refusal(terms: Terms, weights: Weights | None, found: Diagnostics, limits: Limits) -> Unsupported | None:
    """Why the log cannot support this estimate; None where it can."""
    if found.clusters < limits.clusters:
        return Unsupported(f"only {found.clusters} clusters of rows: an interval needs at least {limits.clusters}")
    if found.approximate > limits.approximate * found.rows:
        return Unsupported(
            f"{found.approximate} of {found.rows} rows do not hold the state that they were chosen for: what the "
            "target would have done is not known"
        )
    if found.unsupported > limits.unsupported:
        greedy = " (nothing was drawn: log with exploration)" if found.drawn == 0 else ""
        return Unsupported(
            f"the target puts {found.unsupported:.1%} of its mass on what the log can never show{greedy}"
        )
    if found.calibration is not None and found.calibration < limits.significance:
        return Unsupported(
            "what was shown first is not what the logged propensities say that it should be "
            f"(p = {found.calibration:.1g}): the slates were drawn with others"
        )
    if weights is None:
        return None
    if weights.effective < limits.effective * (1 - 1e-9):
        return Unsupported(
            f"effective sample size {weights.effective:.1f} of {found.rows} rows, at least {limits.effective:g} are "
            "needed: the target is too far from what was logged"
        )
    if weights.share > limits.share:
        return Unsupported(f"one row carries {weights.share:.0%} of all weight, at most {limits.share:.0%} may be")
    if terms.kept < 1 - limits.lost:
        return Unsupported(f"{1 - terms.kept:.0%} of the weight was cut away, at most {limits.lost:.0%} may be")
    if terms.kept == 1 and weights.p < limits.significance:
        return Unsupported(
            f"the mean weight is {weights.mean:.3f} where it must be 1 (p = {weights.p:.1g}): the propensities are not "
            "those that the slates were drawn with, or the target does what was never tried"
        )
    return None


def _calibration(samples: Samples) -> float | None:
    if samples.logged_first is None:
        return None
    slack = rounding(samples.logged_first)
    # Of the candidates one came first: rounded or cut, their probabilities are those given that.
    first = samples.logged_first / np.maximum(samples.logged_first.sum(axis=1, keepdims=True), 1e-12)
    logarithm = np.log(first, out=np.zeros_like(first), where=first > 0)
    off = (logarithm - (first * logarithm).sum(axis=1, keepdims=True)) * (first > 0)
    total = float(np.take_along_axis(off, samples.slate[:, :1], axis=1).sum())
    variance, third = (float((first * off**power).sum()) for power in (2, 3))
    total = max(0.0, abs(total) - slack * float(np.abs(off).sum())) * np.sign(total)
    if variance < 1e-9 * len(first):
        return 1.0 if abs(total) < 1e-6 * len(first) else 0.0
    # The sum of draws that are rarely surprising is skewed: a gamma law of its first three moments.
    law = stats.pearson3(third / variance**1.5, scale=variance**0.5)
    return float(min(1.0, 2 * min(law.cdf(total), law.sf(total))))


def _mean_test(weights: np.ndarray, clusters: np.ndarray, least: float) -> tuple[float, float]:
    """The mean, and the p-value of its being 1 by a t-test with clustered errors of ``least`` at least."""
    mean = float(weights.mean())
    groups = int(clusters.max()) + 1
    error = float(np.sqrt((np.bincount(clusters, weights=weights - mean) ** 2).sum()) / len(weights))
    error = max(error, least)
    if error < 1e-12 or groups < 2:
        return mean, 1.0 if abs(mean - 1) < 1e-6 or groups < 2 else 0.0
    return mean, float(2 * stats.t.sf(abs(mean - 1) / error, groups - 1))


def _unsupported(samples: Samples) -> np.ndarray:
    """The target's mass on what the log can never show given the items above, mean over the places, (N,)."""
    target = samples.target
    impossible = target.outside.copy()
    if target.first is not None and samples.logged_first is not None:
        impossible += np.where(samples.logged_first > 0, 0.0, target.first).sum(axis=1)
    if target.order is None and target.first is not None:
        # Below the first place it is the share of what is left there.
        chosen = samples.at_slate(np.repeat(target.first[:, None, :], samples.rewards.shape[1], axis=1))
        above = np.cumsum(chosen, axis=1) - chosen
        by_place = np.minimum(1.0, impossible[:, None] / np.maximum(1.0 - above, 1e-9))
    else:
        by_place = np.repeat(impossible[:, None], samples.rewards.shape[1], axis=1)
    # An item that came for certain leaves nothing for the others.
    by_place = np.where(samples.logged >= 1, np.maximum(by_place, 1.0 - target.slate), by_place)
    result: np.ndarray = (by_place * samples.shown).sum(axis=1) / samples.shown.sum(axis=1)
    return result
