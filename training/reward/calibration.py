"""Reward calibration: from a reward model's logits to probabilities that are true on users it was not trained on.

Beside it the figures that say how true they are, and how well scores tell liked items from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

Kind = Literal["temperature", "platt", "isotonic"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone map from logits to probabilities.

    ``temperature`` and ``platt``: ``sigmoid(slope * logit + intercept)`` (Guo et al., 2017; Platt, 1999); the former
    without intercept. ``isotonic``: linear between the ``knots`` (logit, probability) (Zadrozny and Elkan, 2002).
    """

    kind: Kind = "temperature"
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    @classmethod
    def fit(cls, kind: Kind, logits: np.ndarray, likes: np.ndarray) -> Calibration:
        """Fit one kind on ``logits`` and ``likes`` (n,).

        Raises:
            ValueError: the kind is unknown, or all ``likes`` are the same.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown calibration {kind!r}: use one of {', '.join(KINDS)}")
        if likes.all() or not likes.any():
            raise ValueError(f"all {len(likes)} rows have the same answer: calibration needs some of both")
        if kind == "isotonic":
            edge = 1.0 / (len(likes) + 2)  # never quite 0 or 1, or the log-loss of one surprise has no bound
            fitted = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(logits, likes)
            return cls(
                kind, knots=tuple(zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True))
            )
        model = LogisticRegression(C=1e6, fit_intercept=kind == "platt").fit(logits[:, None], likes)
        return cls(kind, float(model.coef_[0, 0]), float(model.intercept_[0]) if kind == "platt" else 0.0)

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of ``logits``, in their shape, float64."""
        if self.kind == "isotonic":
            x, y = np.array(self.knots).T
            return np.asarray(np.interp(logits, x, y))
        return np.asarray(expit(self.slope * np.asarray(logits, np.float64) + self.intercept))


def out_of_fold(kind: Kind, logits: np.ndarray, likes: np.ndarray, users: Sequence[str]) -> np.ndarray:
    """Probabilities (n,) of each row by a calibration fitted on other users (five groups, fewer for fewer users).

    Raises:
        ValueError: there is one user only.
    """
    folds = min(_FOLDS, len(set(users)))
    if folds < 2:
        raise ValueError(f"calibration is checked on other users, and there are only {folds}: give at least two")
    probabilities = np.empty(len(likes))
    for fit, held in GroupKFold(folds).split(logits, likes, np.asarray(users)):
        probabilities[held] = Calibration.fit(kind, logits[fit], likes[fit])(logits[held])
    return probabilities


def choose_calibration(
    logits: np.ndarray, likes: np.ndarray, users: Sequence[str]
) -> tuple[Calibration, dict[Kind, float]]:
    """The kind with the lowest out-of-fold log-loss, fitted on all rows; and the log-loss of each kind."""
    tried = {kind: float(log_loss(likes, out_of_fold(kind, logits, likes, users))) for kind in KINDS}
    return Calibration.fit(min(KINDS, key=tried.__getitem__), logits, likes), tried


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
