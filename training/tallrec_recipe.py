"""Like or not from ten rated items, as the TALLRec protocol allows: few numbers, shrunk weights.

An item's statistics are by a fit that has not seen the user who is asked about. Where training windows are few, so is
everything: the penalty on the weights is chosen on the validation windows for every number of training rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from agent.interactions import rating_matrix, user_folds
from agent.similar_users import SimilarUsers
from agent.taste import TASTE_FEATURES, ItemInfo, Taste
from training.tallrec_rows import TallrecSplit, Window

Source = Literal["rows", "others"]
"""What item statistics are made of: the ratings that the training windows show, or also those of all the users who
have no window in the validation or test part."""

NAMES = (*TASTE_FEATURES, "similar_users", "watched_effect")
PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
"""Inverse penalties (scikit-learn's C) to choose among."""

_AT_ONCE = 200


@dataclass(frozen=True)
class TallrecScores:
    """Log-odds of a like for every validation and test window after training on ``rows`` windows."""

    source: Source
    rows: int
    penalty: float
    valid: np.ndarray
    test: np.ndarray


def window_features(fit_on: pd.DataFrame, windows: Sequence[Window], info: ItemInfo, seed: int = 0) -> np.ndarray:
    """NAMES of each window's target given its history, (len(windows), len(NAMES)) float64, by a fit on ``fit_on``."""
    taste = Taste.fit(fit_on, info, seed)
    users = SimilarUsers.fit(rating_matrix(fit_on, len(info.years)), seed)
    out = np.empty((len(windows), len(NAMES)))
    for start in range(0, len(windows), _AT_ONCE):
        part = windows[start : start + _AT_ONCE]
        histories, items = [window.history for window in part], [window.target.item for window in part]
        row = np.arange(len(part))
        out[start : start + len(part), : len(TASTE_FEATURES)] = taste.features(histories)[row, items]
        out[start : start + len(part), len(TASTE_FEATURES) :] = users.features(histories)[row, items]
    return out


def cross_features(
    ratings: pd.DataFrame, windows: Sequence[Window], info: ItemInfo, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """:func:`window_features` of training windows, each by a fit on ``ratings`` without its user.

    Raises:
        ValueError: the windows belong to a single user.
    """
    users = list(dict.fromkeys(window.user for window in windows))
    out = np.empty((len(windows), len(NAMES)))
    for unseen in user_folds(users, min(folds, len(users)), seed):
        names = set(unseen)
        rows = [k for k, window in enumerate(windows) if window.user in names]
        out[rows] = window_features(ratings[~ratings["user"].isin(names)], [windows[row] for row in rows], info, seed)
    return out


def fit_tallrec(
    split: TallrecSplit,
    info: ItemInfo,
    source: Source,
    known: tuple[np.ndarray, np.ndarray] | None = None,
    rows: int | None = None,
    names: Sequence[str] = NAMES,
    seed: int = 0,
) -> TallrecScores:
    """Train on ``rows`` windows (None: all) drawn by the seed, choose the penalty on validation, score both parts.

    Args:
        split: the protocol's parts.
        info: the items beside ratings.
        source: what item statistics are made of.
        known: the features of all training windows and of all held-out ones, where the source is ``others`` and they
            have been worked out (:func:`features_of_others`).
        rows: training windows.
        names: the features that are weighed.
        seed: of the draw and of the fits.
    """
    windows = split.train if rows is None else split.few(rows, seed)
    asked = (*split.valid, *split.test)
    if source == "rows":
        ratings = split.shown(windows)
        mine, theirs = cross_features(ratings, windows, info), window_features(ratings, asked, info)
    else:
        every, theirs = known or features_of_others(split, info)
        place = {window: row for row, window in enumerate(split.train)}
        mine = every[[place[window] for window in windows]]
    liked = np.array([window.liked for window in windows])
    wanted = np.array([window.liked for window in split.valid])
    columns = [NAMES.index(name) for name in names]
    mine, theirs = mine[:, columns], theirs[:, columns]
    best: tuple[float, float, np.ndarray] | None = None
    for penalty in PENALTIES:
        scores = _log_odds(mine, liked, theirs, penalty)
        area = float(roc_auc_score(wanted, scores[: len(split.valid)]))
        if best is None or area > best[0]:
            best = area, penalty, scores
    assert best is not None
    return TallrecScores(source, len(windows), best[1], best[2][: len(split.valid)], best[2][len(split.valid) :])


def features_of_others(split: TallrecSplit, info: ItemInfo) -> tuple[np.ndarray, np.ndarray]:
    """Features of all training and of all held-out windows by the background's ratings, for the source ``others``."""
    ratings = split.background()
    return cross_features(ratings, split.train, info), window_features(ratings, (*split.valid, *split.test), info)


def _log_odds(mine: np.ndarray, liked: np.ndarray, theirs: np.ndarray, penalty: float) -> np.ndarray:
    """Logistic regression on features standardised over the training windows."""
    if liked.all() or not liked.any():
        return np.zeros(len(theirs))
    centre, scale = mine.mean(axis=0), mine.std(axis=0)
    # What does not vary in training cannot be weighed.
    scale = np.where(scale > 1e-9, scale, np.inf)
    model = LogisticRegression(C=penalty, max_iter=1000).fit((mine - centre) / scale, liked)
    return np.asarray(model.decision_function((theirs - centre) / scale))
