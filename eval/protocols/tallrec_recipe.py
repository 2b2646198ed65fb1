"""Like or not from ten films liked or not, as the TALLRec protocol allows.

Trained on the drawn training windows alone (eleven likes or dislikes each): the evidence's item statistics, which have
not seen the user who is asked about, and the weights of its features. A window's ratings from the sixth on are examples
of their own: sixteen windows are about a hundred examples. The penalty on the weights is chosen on the validation
windows for every number of training rows. With ``others`` the item statistics are those of people without any window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from agent.data.interactions import user_folds
from agent.features.user_features import ItemInfo
from eval.protocols.tallrec_features import NAMES, WindowEvidence
from eval.protocols.tallrec_rows import TallrecSplit, Window

Source = Literal["rows", "others"]
"""What item statistics are made of: the ratings that the training windows show, or those of all the users who have no
window in any part."""

PENALTIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)
"""Inverse penalties (scikit-learn's C) to choose among."""

SHORTEST = 5
"""Ratings that come before the shortest example."""


@dataclass(frozen=True)
class TallrecScores:
    """Log-odds of a like for every validation and test window after training on ``rows`` windows.

    ``penalty`` was chosen on the validation windows.
    """

    rows: int
    penalty: float
    valid: np.ndarray
    test: np.ndarray


def examples(windows: Sequence[Window]) -> list[Window]:
    """The windows, and every rating that they show after SHORTEST others: each once, with the longest history shown."""
    found: dict[tuple[str, int], Window] = {}
    for window in windows:
        events = (*window.history, window.target)
        for size in range(SHORTEST, len(events)):
            own = Window(window.user, window.place - len(window.history) + size, events[:size], events[size])
            known = found.get((own.user, own.place))
            if known is None or len(known.history) < size:
                found[own.user, own.place] = own
    return list(found.values())


def folds_of(windows: Sequence[Window], folds: int = 5, seed: int = 0) -> list[np.ndarray]:
    """Rows of the windows in groups by user, at most ``folds`` of them.

    Raises:
        ValueError: the windows belong to a single user.
    """
    users = list(dict.fromkeys(window.user for window in windows))
    groups = [frozenset(own) for own in user_folds(users, min(folds, len(users)), seed)]
    return [np.flatnonzero([window.user in own for window in windows]) for own in groups]


def cross_features(ratings: pd.DataFrame, windows: Sequence[Window], info: ItemInfo, stars: bool = False) -> np.ndarray:
    """Features of training windows, each by a fit on ``ratings`` without its user; (len(windows), len(NAMES))."""
    out = np.empty((len(windows), len(NAMES)))
    for rows in folds_of(windows):
        own = [windows[row] for row in rows]
        known = ratings[~ratings["user"].isin({window.user for window in own})]
        out[rows] = WindowEvidence.fit(known, info, stars).features(own)
    return out


def fit_tallrec(
    split: TallrecSplit,
    info: ItemInfo,
    source: Source = "rows",
    others: WindowEvidence | None = None,
    rows: int | None = None,
    names: Sequence[str] = NAMES,
    stars: bool = False,
    seed: int = 0,
) -> TallrecScores:
    """Train on ``rows`` windows (None: all) drawn by the seed, choose on validation, score both parts.

    Args:
        split: the protocol's parts.
        info: the items beside ratings.
        source: what item statistics are made of.
        others: the fit on :meth:`TallrecSplit.background`, where the source is ``others`` and it has been made.
        rows: training windows.
        names: the features that are weighed.
        stars: whether the windows' stars are read, or only likes and dislikes as in the published prompts.
        seed: of the draw.
    """
    windows = split.train if rows is None else split.few(rows, seed)
    taught, asked = examples(windows), (*split.valid, *split.test)
    if source == "rows":
        ratings = split.shown(windows)
        mine = cross_features(ratings, taught, info, stars)
        theirs = WindowEvidence.fit(ratings, info, stars).features(asked)
    else:
        evidence = others or WindowEvidence.fit(split.background(), info, stars)
        mine, theirs = evidence.features(taught), evidence.features(asked)
    liked, wanted = (np.array([window.liked for window in part]) for part in (taught, split.valid))
    columns = [NAMES.index(name) for name in names]
    mine, theirs = mine[:, columns], theirs[:, columns]
    scores = {penalty: log_odds(mine, liked, theirs, penalty) for penalty in PENALTIES}
    areas = {penalty: roc_auc_score(wanted, own[: len(wanted)]) for penalty, own in scores.items()}
    best = max(areas, key=areas.__getitem__)
    valid, test = np.split(scores[best], [len(wanted)])
    return TallrecScores(len(windows), best, valid, test)


def log_odds(mine: np.ndarray, liked: np.ndarray, theirs: np.ndarray, penalty: float) -> np.ndarray:
    """Logistic regression on features standardised over the examples; zeros where these are all liked, or none is.

    Args:
        mine: (N, F) features of the examples.
        liked: (N,) whether they were liked.
        theirs: (M, F) features of what is asked about.
        penalty: scikit-learn's C.

    Returns:
        (M,) log-odds of a like.
    """
    if liked.all() or not liked.any():
        return np.zeros(len(theirs))
    centre, scale = mine.mean(axis=0), mine.std(axis=0)
    # What does not vary in training cannot be weighed.
    scale = np.where(scale > 1e-9, scale, np.inf)
    model = LogisticRegression(C=penalty, max_iter=1000).fit((mine - centre) / scale, liked)
    return np.asarray(model.decision_function((theirs - centre) / scale))
