"""Figures of a reward model on rated pairs and slices of them, as statistics that can be bootstrapped over users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold

from agent.catalogue.catalogue import Catalogue
from eval.resampling import Statistic, UserBootstrap, ratio
from eval.reward.pairs import RatedPairs, ScoreError, Scores
from training.ppo.rewards import REWARDS, reward_table
from training.reward.calibration import auc_by_group, out_of_fold

BINS = 10
"""Bins of equal width of the calibration error and the reliability curve."""

AGREEMENTS = ("click", "rating")
"""The rewards that the order of the scores is compared with."""

_FOLDS = 5


def probabilities_of(scores: Scores, pairs: RatedPairs) -> tuple[np.ndarray, str]:
    """Probabilities of a like (R,), and whose they are: the model's ``own``, or ``fitted`` here.

    Scores on another scale go through Platt scaling that is fitted on other users (five groups).

    Raises:
        ScoreError: the model's probabilities are not in [0, 1].
    """
    own = scores.probabilities
    if own is None:
        spread = scores.values.std() or 1.0
        standard = (scores.values - scores.values.mean()) / spread
        return out_of_fold("platt", standard, pairs.likes, pairs.users.tolist()), "fitted"
    if not ((own >= 0) & (own <= 1)).all():
        worst = int(np.flatnonzero(~((own >= 0) & (own <= 1)))[0])
        raise ScoreError(f"{scores.model}: {own[worst]} is no probability (pair {worst + 1}): give scores in [0, 1]")
    return own, "own"


def predicted_stars(probabilities: np.ndarray, pairs: RatedPairs) -> np.ndarray:
    """Stars (R,) by an isotonic map from probabilities, fitted on other users (five groups)."""
    stars = np.empty(len(pairs))
    for fit, held in GroupKFold(_FOLDS).split(probabilities, pairs.stars, pairs.users):
        x, y = probabilities[fit], pairs.stars[fit]
        monotone = IsotonicRegression(out_of_bounds="clip").fit(x, y)
        stars[held] = monotone.predict(probabilities[held])
        if np.ptp(x) == 0:
            stars[held] = LinearRegression().fit(x[:, None], y).predict(probabilities[held][:, None])
    return stars


def statistics(
    scores: np.ndarray,
    probabilities: np.ndarray,
    stars: np.ndarray,
    pairs: RatedPairs,
    users: UserBootstrap,
    agreement: bool = True,
) -> Mapping[str, Statistic]:
    """The figures by name; each maps weights of users to values.

    ``auc`` over all pairs and ``auc_within_user`` (mean over users); ``pairwise_accuracy`` of pairs in a slate with
    different stars (ties count half); ``ece``, ``brier`` and ``log_loss`` of the probabilities; ``rating_rmse`` of the
    predicted ``stars``; ``click_agreement`` and ``rating_agreement``, Kendall's tau-b of scores and rewards within
    slates (mean; slates where all rewards are the same are left out), unless ``agreement`` is False: it takes long.
    """
    likes = pairs.likes
    ones = np.ones(len(pairs))
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    log_loss = -np.where(likes, np.log(clipped), np.log1p(-clipped))
    areas, names = auc_by_group(scores, likes, pairs.users.tolist())
    place = np.searchsorted(users.names, names)
    area, count = np.zeros(len(users.names)), np.zeros(len(users.names))
    area[place], count[place] = areas, 1.0
    right, compared = _ordered(scores, pairs)
    sums = users.by_user(ones, (probabilities - likes) ** 2, log_loss, (stars - pairs.stars) ** 2, right, compared)
    squared = ratio(sums[:, 3], sums[:, 0])
    found: dict[str, Statistic] = {
        "auc": auc_statistic(scores, likes, users),
        "auc_within_user": ratio(area, count),
        "pairwise_accuracy": ratio(sums[:, 4], sums[:, 5]),
        "ece": calibration_statistic(probabilities, likes, users),
        "brier": ratio(sums[:, 1], sums[:, 0]),
        "log_loss": ratio(sums[:, 2], sums[:, 0]),
        "rating_rmse": lambda weights: np.sqrt(squared(weights)),
    }
    for name in AGREEMENTS if agreement else ():
        found[f"{name}_agreement"] = ratio(*_agreement(scores, pairs, name, users).T)
    return found


def auc_statistic(scores: np.ndarray, likes: np.ndarray, users: UserBootstrap) -> Statistic:
    """The area under the ROC curve (Mann-Whitney form, ties half) when users count as often as they are drawn."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    place, liked = users.place[order], likes[order]

    def statistic(weights: np.ndarray) -> np.ndarray:
        out = np.empty(len(weights))
        for row, own in enumerate(weights):
            drawn = own[place]
            yes = np.add.reduceat(drawn * liked, starts)
            no = np.add.reduceat(drawn * ~liked, starts)
            below = np.cumsum(no) - no / 2
            with np.errstate(invalid="ignore"):
                out[row] = (yes @ below) / (yes.sum() * no.sum())
        return out

    return statistic


def calibration_statistic(probabilities: np.ndarray, likes: np.ndarray, users: UserBootstrap) -> Statistic:
    """The expected calibration error of :func:`training.reward.calibration.calibration_error`, by drawn users."""
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    gaps = users.by_user(*((bins == k) * (likes - probabilities) for k in range(BINS)))
    size = np.bincount(users.place, minlength=len(users.names)).astype(np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(weights @ gaps).sum(axis=1) / (weights @ size))

    return statistic


def _ordered(scores: np.ndarray, pairs: RatedPairs) -> tuple[np.ndarray, np.ndarray]:
    """For each pair, how many pairs of its slate with fewer stars stand below it, and how many there are."""
    right, compared = np.zeros(len(pairs)), np.zeros(len(pairs))
    for rows in pairs.rows_of_slates():
        stars, own = pairs.stars[rows], scores[rows]
        fewer = stars[:, None] > stars[None, :]
        below = (own[:, None] > own[None, :]) + 0.5 * (own[:, None] == own[None, :])
        right[rows], compared[rows] = (fewer * below).sum(axis=1), fewer.sum(axis=1)
    return right, compared


def _agreement(scores: np.ndarray, pairs: RatedPairs, reward: str, users: UserBootstrap) -> np.ndarray:
    """Sums by user of Kendall's tau-b over slates, and the number of those slates, (users, 2)."""
    table = reward_table(pairs.slates, REWARDS[reward])
    sums = np.zeros((len(users.names), 2))
    for rows in pairs.rows_of_slates():
        rewards = table[pairs.slate[rows[0]]][pairs.place[rows]]
        if np.ptp(rewards) > 0:
            # A model that gives the whole slate one score agrees with nothing: tau is not defined, 0 stands for it.
            tau = 0.0 if np.ptp(scores[rows]) == 0 else float(kendalltau(scores[rows], rewards).statistic)
            sums[users.place[rows[0]]] += (tau, 1.0)
    return sums


LEAST = 30
"""Pairs below which a slice gets no figures, only its size."""

_USERS = ((0, 60, "under 60 ratings"), (60, 120, "60 to 119"), (120, np.inf, "120 and over"))
_ITEMS = ((0, 5, "under 5 ratings"), (5, 50, "5 to 49"), (50, np.inf, "50 and over"))
_AGES = ((-np.inf, 1, "within a day"), (1, 30, "1 to 29 days"), (30, np.inf, "30 days and over"))


@dataclass(frozen=True)
class Slice:
    """Pairs that have something in common: ``rows`` (R,) bool."""

    kind: str
    name: str
    rows: np.ndarray


def slices(pairs: RatedPairs, catalogue: Catalogue) -> Iterator[Slice]:
    """Users by the length of their past, items by their ratings in it, its age at the time of the rating, categories.

    ``catalogue`` holds the statistics of the past alone. Slices without a pair are left out.
    """
    bands = (
        ("past of the user", pairs.history_length, _USERS),
        ("ratings of the item", catalogue.rating_count[pairs.items], _ITEMS),
        ("age of the past", pairs.history_age, _AGES),
    )
    for kind, values, limits in bands:
        for low, high, name in limits:
            rows = (values >= low) & (values < high)  # NaN is in none
            if rows.any():
                yield Slice(kind, name, rows)
    kind = "" if catalogue.primary is None else catalogue.primary.facet.name
    for column, category in enumerate(catalogue.category_names):
        rows = catalogue.category_matrix[pairs.items, column]
        if rows.any():
            yield Slice(kind, category, rows)
