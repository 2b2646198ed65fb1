"""Dialogue: what a conversation's own words and titles tell of each item, beside the user's past.

In conversations people name a few items, and what they want next is near to those: watched or liked by the same
people, of the same categories, of a text that means the like. These numbers per item, and how well known it is, are the
features of a :class:`agent.policy.conversational_ranker.ConversationalRanker`, whose few weights are fitted
(:mod:`training.conversational_ranker.recipe`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from agent.catalogue.catalogue import NO_YEAR, Catalogue, Item
from agent.records.conditions import Conditions
from agent.records.state import POSITIVE

RECENT_YEARS = 3.0
"""Years before the last rating in which a rating counts as recent."""

PRIORS = (
    "count",
    "recent",
    "likes",
    "casual",
    "mean",
    "like_rate",
    "after_1980",
    "after_2000",
    "after_2010",
    "after_2015",
)
"""Logarithms of an item's number of ratings, of recent ones, of likes, of ratings by people who rated little; its mean
stars; the logarithm of the share of its raters who liked it; how many decades (half of that from 2010 on) it came out
after a year. Mean and share are drawn to those of all ratings, as by ten more of them."""

FEW = 10.0
"""Raters by which each item's vector is lengthened before two are compared, so that items with a handful of raters in
common are not taken for the same (shrinkage: Bell and Koren, 2007)."""

SIMILARITIES = ("watched", "liked", "categories", "text", "year", "people")
"""How alike an item and a named one are: by who watched both, who liked both, categories, their texts, the years they
came out, and the people of both."""

READINGS = ("sum", "max", "mean", "last")
"""How the similarities to several named items become one number; ``sum`` grows with the root of their number."""

FEATURES = (
    *PRIORS,
    *(f"{similarity}_{reading}" for similarity in SIMILARITIES for reading in READINGS),
    "watched_log",
    "liked_log",
    "named_few",
    "recent_few",
    "asked_category",
    "unwanted_category",
    "met",
    "met_people",
    "said",
    "said_last",
)
"""Then: logarithms of the sums of the first two similarities; ``count`` and ``recent`` again, divided by the root of
one more than the number of named items; whether the item has the categories that are asked for, or unwanted ones; the
share of all conditions that it meets, and of those on people; how near its text is to what was said, and to the last
message."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation, as far as it tells which items fit.

    ``named`` are catalogue indices in the order they were named, by either side, each once; ``weights`` say how much
    each counts (less than 0: it was refused). ``said`` and ``last`` are unit vectors of what was said and of the last
    message, (width,).
    """

    named: tuple[int, ...]
    weights: tuple[float, ...]
    said: np.ndarray
    last: np.ndarray
    categories: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    conditions: Conditions = ()


@dataclass(frozen=True, slots=True)
class Rated:
    """Ratings as arrays of one length: user numbers from 0, catalogue indices, stars, seconds since 1970."""

    users: np.ndarray
    items: np.ndarray
    stars: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, ratings: pd.DataFrame) -> Rated:
        """From ratings with catalogue indices (:func:`agent.data.interactions.indexed_ratings`)."""
        users, _ = pd.factorize(ratings["user"])
        return cls(
            users.astype(np.int64),
            ratings["item"].to_numpy(np.int64),
            ratings["rating"].to_numpy(np.float64),
            ratings["timestamp"].to_numpy(np.float64),
        )

    def only(self, rows: np.ndarray) -> Rated:
        """The ratings where ``rows`` is true."""
        return Rated(self.users[rows], self.items[rows], self.stars[rows], self.times[rows])


class ConversationFeatures:
    """Features of a catalogue's items for conversations, from ratings and the items' texts."""

    def __init__(self, catalogue: Catalogue, rated: Rated, texts: np.ndarray) -> None:
        """Fit.

        Args:
            catalogue: the items.
            rated: whose ratings count (a part of all, where others are to be predicted).
            texts: (n_items, width) unit vectors of the items' texts.
        """
        self.n_items = len(catalogue)
        self._catalogue = catalogue
        self._of_people = frozenset(own.name for own in catalogue.facets.values() if own.kind == "person")
        self._people = _people(catalogue, sorted(self._of_people))
        self._texts, self._centre = centred(texts)
        self._categories = catalogue.category_matrix.astype(np.float32)
        self._category_place = {name: column for column, name in enumerate(catalogue.category_names)}
        known = catalogue.years[catalogue.years != NO_YEAR]
        usual = float(np.median(known)) if len(known) else 2000.0
        self._years = np.where(catalogue.years == NO_YEAR, usual, catalogue.years).astype(np.float32)
        self.recent = self._recent(rated)
        self._watched = _unit_columns(rated, self.n_items)
        self._liked = _unit_columns(rated.only(rated.stars >= POSITIVE), self.n_items)
        self._priors = self._prior_columns(rated)

    def features(self, dialogue: Dialogue) -> np.ndarray:
        """FEATURES of every item, (F, n_items) float32."""
        columns = [*self._priors]
        alike = self._alike(dialogue)
        columns += alike
        columns += [np.log1p(20.0 * np.maximum(alike[place * len(READINGS)], 0.0)) for place in (0, 1)]
        few = np.float32(1.0 / np.sqrt(1.0 + len(dialogue.named)))
        columns += [few * self._priors[0], few * self._priors[1]]
        people = tuple(own for own in dialogue.conditions if own.facet in self._of_people)
        columns += [self._has(dialogue.categories), self._has(dialogue.unwanted)]
        columns += [self._met(dialogue.conditions), self._met(people)]
        columns += [self._texts @ (vector - self._centre) for vector in (dialogue.said, dialogue.last)]
        return np.stack(columns).astype(np.float32)

    def _recent(self, rated: Rated) -> np.ndarray:
        if not len(rated.times):
            return np.zeros(self.n_items)
        late = rated.times >= rated.times.max() - RECENT_YEARS * 365.25 * 86400
        return np.bincount(rated.items[late], minlength=self.n_items).astype(np.float64)

    def _prior_columns(self, rated: Rated) -> list[np.ndarray]:
        count = np.bincount(rated.items, minlength=self.n_items)
        likes = np.bincount(rated.items[rated.stars >= POSITIVE], minlength=self.n_items)
        per_user = np.bincount(rated.users)
        casual = np.bincount(rated.items, weights=100.0 / np.maximum(per_user[rated.users], 20), minlength=self.n_items)
        overall = float(rated.stars.mean()) if len(rated.stars) else 3.5
        share = float(likes.sum()) / len(rated.stars) if len(rated.stars) else 0.5
        like_rate = np.log((likes + FEW * max(share, 0.01)) / (count + FEW))
        mean = (np.bincount(rated.items, weights=rated.stars, minlength=self.n_items) + FEW * overall) / (count + FEW)
        spans = ((1980, 20.0), (2000, 10.0), (2010, 5.0), (2015, 3.0))
        decades = [np.maximum(0.0, (self._years - first) / width) for first, width in spans]
        logs = [np.log1p(own) for own in (count, self.recent, likes, casual)]
        return [own.astype(np.float32) for own in (*logs, mean, like_rate, *decades)]

    def _alike(self, dialogue: Dialogue) -> list[np.ndarray]:
        """Each similarity in each reading, (n_items,) float32."""
        if not dialogue.named:
            return [np.zeros(self.n_items, dtype=np.float32)] * (len(SIMILARITIES) * len(READINGS))
        named = list(dialogue.named)
        weights = np.array(dialogue.weights, dtype=np.float32)
        total = float(np.abs(weights).sum()) or 1.0
        norm = np.sqrt(np.maximum(self._categories.sum(axis=1), 1.0))
        shared = (self._categories @ self._categories[named].T) / (norm[:, None] * norm[named])
        years = np.exp(-np.abs(self._years[:, None] - self._years[named]) / 6.0)
        texts = self._texts @ self._texts[named].T
        columns = []
        watched, liked = (np.asarray((own.T @ own[:, named]).todense()) for own in (self._watched, self._liked))
        people = np.asarray((self._people @ self._people[named].T).todense())
        for alike in (watched, liked, shared, texts, years, people):
            weighed = alike @ weights
            columns += [weighed / np.sqrt(total + 1.0), alike.max(axis=1), weighed / total, alike[:, -1]]
        return [column.astype(np.float32) for column in columns]

    def _has(self, categories: Sequence[str]) -> np.ndarray:
        places = [self._category_place[category] for category in categories if category in self._category_place]
        return np.asarray(self._categories[:, places].sum(axis=1) / np.sqrt(max(len(places), 1)), dtype=np.float32)

    def _met(self, conditions: Conditions) -> np.ndarray:
        met = np.zeros(self.n_items, dtype=np.float32)
        for condition in conditions:
            met += self._catalogue.meets(condition)
        return met / np.float32(max(1, len(conditions)))


def _people(catalogue: Catalogue, facets: Sequence[str]) -> sparse.csr_matrix:
    """(n_items, people in their parts): the fewer items a person has, the more they weigh; rows of length 1."""
    names = [[f"{name}: {value}" for name in facets for value in _values(item, name)] for item in catalogue.items]
    place: dict[str, int] = {}
    columns = np.array([place.setdefault(name, len(place)) for own in names for name in own], dtype=np.int64)
    rows = np.repeat(np.arange(len(names)), [len(own) for own in names])
    rarity = np.log(len(names) / np.maximum(np.bincount(columns, minlength=len(place)), 1))
    matrix = sparse.csr_matrix((rarity[columns], (rows, columns)), (len(names), len(place)), dtype=np.float32)
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)) @ matrix)


def _values(item: Item, facet: str) -> tuple[str, ...]:
    values = item.attributes.get(facet, ())
    return values if isinstance(values, tuple) else ()


def centred(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors less their mean at unit length, (n, width), and that mean (width,)."""
    mean = texts.mean(axis=0) if len(texts) else np.zeros(texts.shape[1])
    moved = texts - mean
    return moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), mean


def _unit_columns(rated: Rated, n_items: int) -> sparse.csc_matrix:
    """(users, n_items): ones, users who rated much count less, columns of length 1 but for the ``FEW``."""
    users = int(rated.users.max(initial=-1)) + 1
    per_user = np.bincount(rated.users, minlength=users)
    values = 1.0 / np.log(10.0 + per_user[rated.users])
    matrix = sparse.csc_matrix((values, (rated.users, rated.items)), shape=(users, n_items), dtype=np.float32)
    squares = np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel()
    usual = float(squares.sum()) / max(len(values), 1)
    norm = np.sqrt(squares + FEW * usual) * (squares > 0)
    return sparse.csc_matrix(matrix @ sparse.diags(np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)))
