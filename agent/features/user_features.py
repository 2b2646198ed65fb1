"""Taste: features that tell whether a user will like an item, all computed from the history alone.

Nothing here knows user ids: the item side is fitted on ratings, the user side is worked out from the history, so the
same code serves users of the data set, users left out of the fit (cross-fitting) and people in a chat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from agent.catalogue.catalogue import MOST_CATEGORIES
from agent.data.interactions import check_items, event_matrix, rating_matrix
from agent.features.factorization import RatingFactors, history_matrix
from agent.records.state import POSITIVE, Event

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

from agent.retrieval.item_neighbours import ItemNeighbours

RECENT = 10.0
"""Events after which an event's weight in the recent history has fallen to 1/e."""

TASTE_FEATURES = (
    "predicted_rating",
    "item_mean",
    "item_like_rate",
    "item_count",
    "user_mean",
    "user_like_rate",
    "user_count",
    "user_spread",
    "recent_mean",
    "category_affinity",
    "category_share",
    "liked_neighbours",
    "disliked_neighbours",
    "neighbour_residual",
    "rated_alike",
    "recent_neighbours",
    "year",
    "year_gap",
)


@dataclass(frozen=True)
class ItemInfo:
    """Items beside events: ``categories`` (n_items, n_categories) of 0 and 1, ``years`` (n_items,), NaN for unknown."""

    categories: np.ndarray
    years: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset) -> ItemInfo:
        """From a data set's items: the values of its primary category (the most frequent), and the years."""
        names = next((dataset.names(name) for name, facet in dataset.facets.items() if facet.primary), None)
        year = next((dataset.numbers(name) for name, facet in dataset.facets.items() if facet.kind == "year"), None)
        counts = Counter(value for own in names or () for value in set(own))
        kept = sorted(value for value, _ in sorted(counts.items(), key=lambda own: (-own[1], own[0]))[:MOST_CATEGORIES])
        place = {name: column for column, name in enumerate(kept)}
        flags = np.zeros((len(dataset.items), len(kept)), dtype=np.float32)
        for row, own in enumerate(names or ()):
            flags[row, [place[name] for name in own if name in place]] = 1.0
        return cls(flags, year if year is not None else np.full(len(dataset.items), np.nan))


@dataclass(frozen=True)
class Taste:
    """The fitted item side. Arrays are (n_items,): ``mean`` grade, ``like_rate`` a share, ``count`` of events."""

    info: ItemInfo
    factors: RatingFactors
    mean: np.ndarray
    like_rate: np.ndarray
    count: np.ndarray
    watched_with: ItemNeighbours
    rated_with: ItemNeighbours

    @classmethod
    def fit(cls, ratings: pd.DataFrame, info: ItemInfo, seed: int = 0) -> Taste:
        """Fit on rows of (user, item as catalogue index, rating).

        Means and like-rates are smoothed with ten ratings at the overall figure.

        Raises:
            IndexError: an item is outside ``info``.
        """
        n_items = len(info.years)
        check_items([ratings["item"].unique().tolist()], n_items)
        matrix = rating_matrix(ratings, n_items)
        factors = RatingFactors.fit(matrix, seed=seed)
        item, grades = ratings["item"].to_numpy(np.int64), ratings["rating"].to_numpy(np.float64)
        count = np.bincount(item, minlength=n_items).astype(np.float64)
        # Events without a grade are positive where nothing is graded; beside grades they say nothing.
        known = np.isfinite(grades)
        if not known.any():
            grades, known = np.full(len(grades), POSITIVE), np.ones(len(grades), dtype=bool)
        item, grades = item[known], grades[known]
        graded = np.bincount(item, minlength=n_items).astype(np.float64)
        usual = float(grades.mean()) if len(grades) else POSITIVE
        likely = float((grades >= POSITIVE).mean()) if len(grades) else 1.0
        likes = np.bincount(item, weights=grades >= POSITIVE, minlength=n_items)
        total = np.bincount(item, weights=grades, minlength=n_items)
        watched = event_matrix(ratings, n_items)
        per_user = np.maximum(np.diff(matrix.indptr), 1)
        centred = matrix.copy()
        centred.data = matrix.data - np.repeat(
            np.asarray(matrix.sum(axis=1)).ravel() / per_user, np.diff(matrix.indptr)
        )
        centred.data -= (total / np.maximum(graded, 1))[matrix.indices] - usual
        return cls(
            info=info,
            factors=factors,
            mean=(total + 10 * usual) / (graded + 10),
            like_rate=(likes + 10 * likely) / (graded + 10),
            count=count,
            watched_with=ItemNeighbours.fit(watched),
            rated_with=ItemNeighbours.fit(centred, shrinkage=20.0),
        )

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """All of TASTE_FEATURES for every item, (len(histories), n_items, features) float32.

        With ``candidates`` (len(histories), C) catalogue indices of those alone, and no array is larger than they need.
        """
        n_items = len(self.mean)
        mean = self.factors.mean
        histories = [all_rated(history, mean) for history in histories]
        rated = history_matrix(histories, n_items)
        n_rated = np.diff(rated.indptr)
        # The user alone: shrunk towards the overall figures, so that an empty history is an average user.
        overall_like = float((self.like_rate * self.count).sum() / max(self.count.sum(), 1))
        user_mean = (np.asarray(rated.sum(axis=1)).ravel() + 3 * mean) / (n_rated + 3)
        likes = _with_data(rated, (rated.data >= POSITIVE).astype(np.float64))
        dislikes = _with_data(rated, (rated.data < POSITIVE - 0.5).astype(np.float64))
        like_rate = (np.asarray(likes.sum(axis=1)).ravel() + 3 * overall_like) / (n_rated + 3)
        row_mean = np.repeat(user_mean, n_rated)
        deviation = _with_data(rated, rated.data - row_mean)
        spread = np.sqrt((np.asarray(deviation.multiply(deviation).sum(axis=1)).ravel() + 3) / (n_rated + 3))
        recent, recent_mean = _recent(histories, n_items, user_mean)
        # The residual after user and item means: what is special about this user and this item.
        residual = _with_data(rated, rated.data - row_mean - (self.mean[rated.indices] - mean))
        ones = _with_data(rated, np.ones_like(rated.data))
        near, alike = self._near, self._alike
        categories = self.info.categories
        category_count = ones @ categories
        category_taste = (residual @ categories) / (category_count + 5)
        category_share = (likes @ categories + 1) / (np.asarray(likes.sum(axis=1)).reshape(-1, 1) + 5)
        per_item = np.maximum(categories.sum(axis=1), 1)
        years = self._filled_years
        liked_year = (likes @ years + 3 * years.mean()) / (np.asarray(likes.sum(axis=1)).ravel() + 3)

        def of_items(values: np.ndarray) -> np.ndarray:
            return values if candidates is None else values[candidates]

        def near_by(weights: sparse.csr_matrix, neighbours: sparse.csr_matrix) -> np.ndarray:
            return _at(sparse.csr_matrix(weights @ neighbours), candidates)

        def of_categories(affinity: np.ndarray) -> np.ndarray:
            shares = categories / per_item[:, None]
            if candidates is None:
                return np.asarray(affinity @ shares.T)
            return np.asarray(np.einsum("bck,bk->bc", shares[candidates], affinity))

        columns = {
            "predicted_rating": self.factors.predict(histories, candidates),
            "item_mean": of_items(self.mean),
            "item_like_rate": of_items(self.like_rate),
            "item_count": of_items(np.log1p(self.count)),
            "user_mean": user_mean[:, None],
            "user_like_rate": like_rate[:, None],
            "user_count": np.log1p(n_rated)[:, None],
            "user_spread": spread[:, None],
            "recent_mean": recent_mean[:, None],
            "category_affinity": of_categories(category_taste),
            "category_share": of_categories(category_share),
            "liked_neighbours": near_by(likes, near),
            "disliked_neighbours": near_by(dislikes, near),
            "neighbour_residual": near_by(residual, near) / (near_by(ones, near) + 1.0),
            "rated_alike": near_by(residual, alike) / (near_by(ones, alike) + 0.3),
            "recent_neighbours": near_by(recent, near),
            "year": of_items(years),
            "year_gap": of_items(years) - liked_year[:, None],
        }
        width = n_items if candidates is None else candidates.shape[1]
        out = np.empty((len(histories), width, len(TASTE_FEATURES)), dtype=np.float32)
        for place, name in enumerate(TASTE_FEATURES):
            out[:, :, place] = columns[name]
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, for storing."""
        named = {"categories": self.info.categories, "years": self.info.years, "mean": self.mean}
        named |= {"like_rate": self.like_rate, "count": self.count}
        named |= {f"factors.{name}": array for name, array in self.factors.arrays().items()}
        for name, own in (("watched_with", self.watched_with), ("rated_with", self.rated_with)):
            named |= {f"{name}.{part}": array for part, array in own.arrays().items()}
        return named

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Taste:
        """The inverse of :meth:`arrays`."""

        def under(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        return cls(
            info=ItemInfo(arrays["categories"], arrays["years"]),
            factors=RatingFactors.of(under("factors.")),
            mean=arrays["mean"],
            like_rate=arrays["like_rate"],
            count=arrays["count"],
            watched_with=ItemNeighbours.of(under("watched_with.")),
            rated_with=ItemNeighbours.of(under("rated_with.")),
        )

    @cached_property
    def _filled_years(self) -> np.ndarray:
        years = self.info.years
        usual = float(np.nanmean(years)) if np.isfinite(years).any() else 0.0
        return np.asarray(np.nan_to_num(years, nan=usual))

    @cached_property
    def _near(self) -> sparse.csr_matrix:
        return _symmetric(self.watched_with.similarity)

    @cached_property
    def _alike(self) -> sparse.csr_matrix:
        return _symmetric(self.rated_with.similarity)


def all_rated(history: Sequence[Event], mean: float) -> Sequence[Event]:
    """Give watched but unrated events the mean of the rated ones (``mean`` where there are none)."""
    stars = [event.rating for event in history if event.rating is not None]
    if len(stars) == len(history):
        return history
    usual = float(np.mean(stars)) if stars else mean
    return [event if event.rating is not None else replace(event, rating=usual) for event in history]


def _symmetric(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    return matrix.maximum(matrix.T).tocsr()


def _at(matrix: sparse.csr_matrix, candidates: np.ndarray | None) -> np.ndarray:
    """The rows of a sparse matrix at each row's candidates (B, C); whole without them."""
    if candidates is None:
        return np.asarray(matrix.toarray())
    out = np.empty(candidates.shape)
    whole = np.zeros(matrix.shape[1])
    for row, own in enumerate(candidates):
        places = slice(matrix.indptr[row], matrix.indptr[row + 1])
        whole[matrix.indices[places]] = matrix.data[places]
        out[row] = whole[own]
        whole[matrix.indices[places]] = 0.0
    return out


def _with_data(matrix: sparse.csr_matrix, data: np.ndarray) -> sparse.csr_matrix:
    """The same entries with other numbers."""
    return sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _recent(
    histories: Sequence[Sequence[Event]], n_items: int, user_mean: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Weights of the history that fade with every later event, and the mean of the ratings under those weights."""
    rows, items, weights = [], [], []
    recent_mean = user_mean.copy()
    for row, history in enumerate(histories):
        fade = np.exp(-np.arange(len(history))[::-1] / RECENT)
        rows += [row] * len(history)
        items += [event.item for event in history]
        weights += fade.tolist()
        rated = [
            (weight, event.rating) for weight, event in zip(fade, history, strict=True) if event.rating is not None
        ]
        if rated:
            own, stars = np.array(rated, dtype=np.float64).T
            recent_mean[row] = (own @ stars + 2 * user_mean[row]) / (own.sum() + 2)
    return sparse.csr_matrix((weights, (rows, items)), shape=(len(histories), n_items)), recent_mean
