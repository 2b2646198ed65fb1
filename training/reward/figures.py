"""Reward figures: how well scores tell liked items from others, and how true probabilities are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata


class ReliabilityBin(NamedTuple):
    """One bin of a reliability curve: the mean prediction, the share of likes, and how many pairs lie in it."""

    predicted: float
    observed: float
    pairs: int


def auc_by_group(scores: np.ndarray, likes: np.ndarray, groups: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The area under the ROC curve within each group (user) that has likes and others, and those groups' names.

    Their mean is the GAUC of Zhou et al. (2018, arXiv:1706.06978) with equal weights.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=len(names)))[:-1]
    areas, kept = [], []
    for name, rows in zip(names, np.split(order, ends), strict=True):
        own = likes[rows]
        if own.any() and not own.all():
            liked, count = int(own.sum()), len(rows)
            # The Mann-Whitney form; sklearn's roc_auc_score gives the same, twenty times as slowly on so few rows.
            areas.append((rankdata(scores[rows])[own].sum() - liked * (liked + 1) / 2) / (liked * (count - liked)))
            kept.append(str(name))
    return np.array(areas), kept


def reliability(probabilities: np.ndarray, likes: np.ndarray, bins: int = 10) -> list[ReliabilityBin]:
    """The reliability curve over ``bins`` equal widths of 0 to 1; empty bins are left out."""
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return [
        ReliabilityBin(float(probabilities[own].mean()), float(likes[own].mean()), int(own.sum()))
        for own in (place == k for k in range(bins))
        if own.any()
    ]


def calibration_error(probabilities: np.ndarray, likes: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: ``sum_b n_b / n |observed_b - predicted_b|`` (Naeini et al., 2015)."""
    curve = reliability(probabilities, likes, bins)
    return sum(b.pairs * abs(b.observed - b.predicted) for b in curve) / len(likes)
