"""Window evidence: what ten films liked or not say of the next one, from few ratings of other people.

Only likes and dislikes are read, as in the published prompts, unless ``stars`` are asked for; then effects and
residuals are of stars. All of it is linear smoothing: an item's effect is drawn towards what its genres, year and
popularity predict, a user's towards none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from agent.features.user_features import ItemInfo
from eval.protocols.tallrec_rows import ABOVE, LENGTH, Window

NAMES = (
    "user_likes",
    "recent_likes",
    "last_likes",
    "user_effect",
    "recent_effect",
    "item_effect",
    "item_prior",
    "item_like_rate",
    "item_count",
    "genre_taste",
    "rated_alike",
    "watched_alike",
    "year",
    "year_taste",
    "history_length",
)
"""The share of likes in the history, in its fading end, in its last three; the user's mean residual over the effects of
the items, and that of the fading end; the item's effect, what genres, year and popularity say of it, its smoothed
share of likes, the logarithm of its raters; the residuals of history items of like genres, of items liked by the same
people, of items watched by the same people; the year, the residuals of items of about that year; the logarithm of the
history's length."""

_USER_PRIOR = 2.0
_ITEM_PRIOR = 4.0
_TRAIT_PENALTY = 20.0
_COMMON_PRIOR = 15.0
_HISTORY_PRIOR = 3.0
_RATE_PRIOR = 10.0
_FADE = 3.0
_YEARS_ALIKE = 8.0
_YEAR_CENTRES = np.arange(1930, 2000, 8)
_YEAR_WIDTH = 6.0
_ROUNDS = 8


@dataclass(frozen=True)
class WindowEvidence:
    """Fitted on likes or on ``stars``. Arrays are (n_items,) or (n_items, n_items).

    ``mean`` is the overall share of likes (mean of the stars), ``share`` that share, ``effect`` an item's difference
    from the mean at the same user, ``prior`` what its traits say of that, ``like_rate`` its smoothed share, ``count``
    its raters; ``alike`` the shrunk correlation of two items' residuals, ``common`` the cosine of their raters,
    ``genres`` that of their genres; ``years`` are all known.
    """

    stars: bool
    share: float
    mean: float
    effect: np.ndarray
    prior: np.ndarray
    like_rate: np.ndarray
    count: np.ndarray
    alike: np.ndarray
    common: np.ndarray
    genres: np.ndarray
    years: np.ndarray

    @classmethod
    def fit(cls, ratings: pd.DataFrame, info: ItemInfo, stars: bool = False) -> WindowEvidence:
        """Fit on rows of user, item as catalogue index and rating, of which only likes are read, or ``stars``.

        User effects, item effects and the regression of the latter on the items' traits are fitted in turn
        (backfitting: Hastie and Tibshirani, 1986), each with its ridge penalty.

        Raises:
            ValueError: there is no rating.
        """
        if ratings.empty:
            raise ValueError("no ratings to fit the evidence on: give at least one window of another user")
        n_items = len(info.years)
        user = np.unique(ratings["user"].to_numpy(), return_inverse=True)[1]
        item = ratings["item"].to_numpy(np.int64)
        liked = (ratings["rating"].to_numpy() > ABOVE).astype(np.float64)
        value = ratings["rating"].to_numpy(np.float64) if stars else liked
        n_users, mean, of_all = int(user.max()) + 1, float(value.mean()), float(liked.mean())
        of_user, count = np.bincount(user, minlength=n_users), np.bincount(item, minlength=n_items)
        years = np.where(np.isfinite(info.years), info.years, np.nanmean(info.years))
        traits = _traits(info.categories, years, count)
        share = count / (count + _ITEM_PRIOR)
        gram = traits.T @ (traits * share[:, None]) + _TRAIT_PENALTY * np.eye(traits.shape[1])
        effect, prior, user_effect = np.zeros(n_items), np.zeros(n_items), np.zeros(n_users)
        for _ in range(_ROUNDS):
            left = np.bincount(user, value - mean - effect[item], minlength=n_users)
            user_effect = left / (of_user + _USER_PRIOR)
            left = np.bincount(item, value - mean - user_effect[user], minlength=n_items)
            prior = traits @ np.linalg.solve(gram, traits.T @ (share * left / np.maximum(count, 1)))
            effect = (left + _ITEM_PRIOR * prior) / (count + _ITEM_PRIOR)
        residual = value - mean - user_effect[user] - effect[item]
        table = sparse.csr_matrix((residual, (user, item)), shape=(n_users, n_items))
        seen = sparse.csr_matrix((np.ones(len(item)), (user, item)), shape=(n_users, n_items))
        together = (seen.T @ seen).toarray()
        likes = np.bincount(item, liked, minlength=n_items)
        return cls(
            stars,
            of_all,
            mean,
            effect,
            prior,
            (likes + _RATE_PRIOR * of_all) / (count + _RATE_PRIOR),
            count,
            (table.T @ table).toarray() / np.maximum(residual.var() * (together + _COMMON_PRIOR), 1e-9),
            together / np.sqrt(np.outer(count + 5.0, count + 5.0)),
            _cosine(info.categories),
            years,
        )

    def features(self, windows: Sequence[Window]) -> np.ndarray:
        """NAMES of each window's target, (len(windows), len(NAMES)) float64. The target's rating is not read."""
        shown = np.zeros((len(windows), LENGTH), dtype=bool)
        items: np.ndarray = np.zeros((len(windows), LENGTH), dtype=np.int64)
        given = np.zeros((len(windows), LENGTH))
        for row, window in enumerate(windows):
            start = LENGTH - len(window.history)
            shown[row, start:] = True
            items[row, start:] = [event.item for event in window.history]
            given[row, start:] = [event.rating or 0.0 for event in window.history]
        target = np.array([window.target.item for window in windows])
        size = shown.sum(axis=1)
        likes = (given > ABOVE).astype(np.float64)
        fade = shown * np.exp(-np.arange(LENGTH)[::-1] / _FADE)
        over = shown * ((given if self.stars else likes) - self.mean - self.effect[items])
        user = over.sum(axis=1) / (size + _HISTORY_PRIOR)
        left = over - shown * user[:, None]
        pairs = (items, target[:, None])

        def of_near(weight: np.ndarray, prior: float) -> np.ndarray:
            """The history's residuals, weighted by each item's nearness to the target."""
            near = shown * weight
            return np.asarray((near * left).sum(axis=1) / (np.abs(near).sum(axis=1) + prior))

        columns = (
            (likes.sum(axis=1) + _HISTORY_PRIOR * self.share) / (size + _HISTORY_PRIOR),
            (likes * fade).sum(axis=1) / fade.sum(axis=1),
            likes[:, -3:].mean(axis=1),
            user,
            (over * fade).sum(axis=1) / (fade.sum(axis=1) + 1.0),
            self.effect[target],
            self.prior[target],
            self.like_rate[target],
            np.log1p(self.count[target]),
            of_near(self.genres[pairs], 2.0),
            of_near(self.alike[pairs], 0.2),
            of_near(self.common[pairs], 0.5),
            (self.years[target] - 1980.0) / 10.0,
            of_near(np.exp(-np.abs(self.years[items] - self.years[target][:, None]) / _YEARS_ALIKE), 2.0),
            np.log(size),
        )
        return np.stack(columns, axis=1)


def _traits(genres: np.ndarray, years: np.ndarray, count: np.ndarray) -> np.ndarray:
    """What an item's effect is regressed on, standardised: genres, bumps over the year, popularity."""
    bumps = np.exp(-0.5 * ((years[:, None] - _YEAR_CENTRES) / _YEAR_WIDTH) ** 2)
    traits = np.concatenate([genres, bumps, np.log1p(count)[:, None]], axis=1).astype(np.float64)
    return np.asarray((traits - traits.mean(axis=0)) / np.maximum(traits.std(axis=0), 1e-6))


def _cosine(genres: np.ndarray) -> np.ndarray:
    unit = genres / np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1.0))
    return np.asarray(unit @ unit.T, dtype=np.float64)
