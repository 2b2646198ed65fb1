"""Confidence sequences: intervals for the difference of two groups that hold at every look, however often one looks."""

from __future__ import annotations

import math

import numpy as np

from eval.metrics import Interval

LEVEL = 0.95
TUNED_FOR = 1000
"""The number of people at which the interval is narrowest, for its level."""


def confidence_sequence(
    challenger: np.ndarray, control: np.ndarray, weight: float, level: float = LEVEL, tuned_for: int = TUNED_FOR
) -> Interval:
    """The mean of ``challenger`` less that of ``control`` with an interval that is valid at all times at once.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024, Annals of Statistics,
    "Time-uniform central limit theory and asymptotic confidence sequences", theorem 2.2), of the influence function of
    the difference of means in a randomised experiment (their section 3): with n people and the variance s^2 of
    ``A / p (X - m1) - (1 - A) / (1 - p) (X - m0)``, the half-width is
    ``s sqrt(2 (n r^2 + 1) / (n^2 r^2) log(sqrt(n r^2 + 1) / a))``. It may be looked at after every person and the
    experiment stopped at any of these looks: the chance that it ever leaves out the true difference is ``a``.

    Args:
        challenger: one number a person, of at least two.
        control: the same of the other group.
        weight: the chance with which a person came to the challenger, in (0, 1).
        level: 1 - a.
        tuned_for: n at which the interval is narrowest, which sets r.

    Raises:
        ValueError: a group has fewer than two people.
    """
    if min(len(challenger), len(control)) < 2:
        raise ValueError(f"{len(challenger)} and {len(control)} people: a difference needs at least two of each")
    alpha = 1.0 - level
    n = len(challenger) + len(control)
    squares = ((challenger - challenger.mean()) ** 2).sum() / weight**2
    squares += ((control - control.mean()) ** 2).sum() / (1.0 - weight) ** 2
    spread = math.sqrt(squares / (n - 1))
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuned_for
    grown = n * rho2 + 1
    half = spread * math.sqrt(2 * grown / (n * n * rho2) * math.log(math.sqrt(grown) / alpha))
    mean = float(challenger.mean() - control.mean())
    return Interval(mean, mean - half, mean + half)
