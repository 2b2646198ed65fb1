"""User model: simulated people who look at a slate, click, rate, get bored and leave.

What can be learned from ratings is fitted on them: what a person thinks of an item, how sure that is, how stars are
given, which items draw them, and how alike the items are that people watch in a row. MovieLens shows nobody looking
past an item or leaving, so position bias, appetite, boredom and the hazard of leaving are settings, and figures from
simulated sessions compare policies under those settings; they are no forecast.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from agent.data.interactions import indexed_ratings, item_sequences, user_histories
from agent.features.factorization import RatingFactors
from agent.features.user_features import ItemInfo
from agent.records.state import POSITIVE, Event
from agent.retrieval.item_neighbours import ItemNeighbours
from training.ppo.rewards import ItemTraits
from training.splits import past_and_future

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

_PAIRS = 20_000
"""Neighbouring items from which the usual likeness is measured, at most."""


@dataclass(frozen=True, slots=True)
class UserSettings:
    """What ratings do not tell of people.

    The item at place k (from 0) is looked at with probability ``(k + 1) ** -position`` (the examination model with the
    exponent of Joachims et al., 2017, arXiv:1608.04468). One that is looked at is clicked with probability
    ``appetite`` times how much it draws the person (see :class:`training.environments.user_model.Attraction`) times the
    chance that it will be liked, as far as the person can tell beforehand: of the variance of the stars around their
    expectation they foresee the share ``foresight``. The wish for an item is multiplied by
    ``exp(-boredom * x)``, where x is how much more like the items just shown it is than items watched in a row usually
    are (0 to 1); what was shown b items ago counts ``fade ** b``. After a turn the person leaves with probability
    ``leave + rise * n`` after n unsatisfying turns in a row, at most 1.

    Raises:
        ValueError: a number is out of its range.
    """

    position: float = 1.0
    appetite: float = 0.9
    foresight: float = 0.5
    boredom: float = 3.0
    fade: float = 0.85
    leave: float = 0.03
    rise: float = 0.15

    def __post_init__(self) -> None:
        for name in ("appetite", "foresight", "fade", "leave", "rise"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} {getattr(self, name)} is out of range: give a share from 0 to 1")
        for name in ("position", "boredom"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} {getattr(self, name)} is out of range: give 0 or more")
        if self.fade == 1.0 or self.foresight == 1.0:
            raise ValueError("fade and foresight must be below 1: items are forgotten, and some surprise remains")


@dataclass(frozen=True)
class StarScale:
    """How opinions become stars: an ordered probit.

    An expectation m (stars) plus normal noise of standard deviation ``noise`` is given ``levels[j]`` stars where it
    lies between ``cuts[j - 1]`` and ``cuts[j]``; ``levels`` (L,) ascending, ``cuts`` (L - 1,).
    """

    levels: np.ndarray
    cuts: np.ndarray
    noise: float

    @classmethod
    def fit(cls, expected: np.ndarray, stars: np.ndarray) -> StarScale:
        """From expectations and the stars that followed, (rows,) each.

        The noise is that of the residuals; the cuts are where each number of stars is given as often as it was.
        """
        levels = np.unique(stars)
        noise = max(float(np.std(stars - expected)), 1e-3)
        span = (float(expected.min()) - 10 * noise, float(expected.max()) + 10 * noise)

        def cut(share: float) -> float:
            root: float = brentq(lambda c: float(norm.cdf((c - expected) / noise).mean()) - share, *span)
            return root

        return cls(levels, np.array([cut(float((stars <= level).mean())) for level in levels[:-1]]), noise)

    def stars(self, opinion: np.ndarray) -> np.ndarray:
        """The stars that opinions (expectation plus noise) become, the same shape."""
        given: np.ndarray = self.levels[np.searchsorted(self.cuts, opinion)]
        return given

    def like_probability(self, expected: np.ndarray, noise: float | None = None) -> np.ndarray:
        """The probability of positive feedback, the same shape; ``noise`` where part of it is known already."""
        first = int(np.searchsorted(self.levels, POSITIVE))
        if first in (0, len(self.levels)):
            return np.full(np.shape(expected), 1.0 if first == 0 else 0.0)
        spread = self.noise if noise is None else noise
        probability: np.ndarray = norm.sf((self.cuts[first - 1] - expected) / spread)
        return probability


@dataclass(frozen=True)
class Person:
    """One simulated user in one session: what they expect of every item and what they will think, (n_items,) each.

    ``appeal`` is the chance of a like as far as they can tell beforehand, ``stars`` what they would give afterwards.
    """

    name: str
    history: tuple[Event, ...]
    appeal: np.ndarray
    stars: np.ndarray


@dataclass(frozen=True)
class UserModel:
    """The fitted simulator of users.

    ``line`` (intercept, slope) turns predicted stars into expected ones; ``usual`` is the mean likeness (1 - distance)
    of items that people watch one after another; ``histories`` are the users that sessions begin with.
    """

    factors: RatingFactors
    line: tuple[float, float]
    scale: StarScale
    attraction: Attraction
    traits: ItemTraits
    usual: float
    histories: Mapping[str, tuple[Event, ...]]
    settings: UserSettings

    @classmethod
    def of(
        cls, dataset: Dataset, held_out: Collection[str] = (), settings: UserSettings | None = None, seed: int = 0
    ) -> UserModel:
        """Fit on the past (first 80 %) of the data set's users without those ``held_out``; nothing else is read.

        Raises:
            ValueError: an unknown user is held out, or nobody is left.
        """
        rows = indexed_ratings(dataset)
        unknown = sorted(set(held_out) - set(rows["user"]))
        if unknown:
            raise ValueError(f"held-out user {unknown[0]!r} is not in {dataset.name!r}: check the names")
        training = past_and_future(rows).past
        return cls.fit(training[~training["user"].isin(set(held_out))], ItemInfo.of(dataset).categories, settings, seed)

    @classmethod
    def fit(
        cls, ratings: pd.DataFrame, categories: np.ndarray, settings: UserSettings | None = None, seed: int = 0
    ) -> UserModel:
        """Fit on ratings with catalogue indices.

        The line, the noise and the stars are calibrated on the last fifth of each user's ratings, predicted by factors
        fitted on the others; then the factors are fitted on all.

        Raises:
            ValueError: too few ratings.
        """
        if ratings.empty:
            raise ValueError("no ratings to fit simulated users on: hold fewer users out")
        parts = past_and_future(ratings)
        if parts.future.empty or parts.past.empty:
            raise ValueError(f"{len(ratings)} ratings are too few to simulate users: give users with five or more")
        n_items = len(categories)
        earlier = user_histories(parts.past)
        later = parts.future[parts.future["user"].isin(earlier)]
        factors = _factors(parts.past, n_items, seed)
        places = {user: row for row, user in enumerate(earlier)}
        sides = factors.fold_in(list(earlier.values()))[later["user"].map(places).to_numpy()]
        targets = later["item"].to_numpy(np.int64)
        predicted = (
            factors.mean + factors.bias[targets] + sides[:, 0] + (sides[:, 1:] * factors.factors[targets]).sum(axis=1)
        )
        stars = later["rating"].to_numpy(np.float64)
        slope = float(np.cov(predicted, stars)[0, 1] / max(np.var(predicted, ddof=1), 1e-9))
        line = (float(stars.mean() - slope * predicted.mean()), slope)
        histories = user_histories(ratings)
        traits = ItemTraits.of(categories, ratings)
        return cls(
            _factors(ratings, n_items, seed),
            line,
            StarScale.fit(line[0] + line[1] * predicted, stars),
            Attraction.fit(parts.past, later, n_items, seed).refitted(ratings),
            traits,
            _usual_likeness(histories, traits, seed),
            histories,
            settings or UserSettings(),
        )

    @property
    def n_items(self) -> int:
        """The size of the catalogue."""
        return len(self.factors.bias)

    def expected(self, history: Sequence[Event]) -> np.ndarray:
        """Expected stars of every item before any noise, (n_items,)."""
        return np.asarray(self.line[0] + self.line[1] * self.factors.predict([history])[0])

    def person(self, name: str, rng: np.random.Generator) -> Person:
        """Draw one session's opinions of user ``name``; they stay the same for the whole session.

        Raises:
            KeyError: no such user was fitted on.
        """
        if name not in self.histories:
            raise KeyError(f"user {name!r} is none of the {len(self.histories)} that were fitted on")
        history = self.histories[name]
        expected = self.expected(history)
        known = self.settings.foresight
        foreseen = expected + rng.normal(0.0, self.scale.noise * np.sqrt(known), self.n_items)
        surprise = self.scale.noise * np.sqrt(1.0 - known)
        appeal = self.scale.like_probability(foreseen, surprise)
        return Person(name, history, appeal, self.scale.stars(foreseen + rng.normal(0.0, surprise, self.n_items)))

    def examination(self, places: int) -> np.ndarray:
        """The probability that each place of a slate is looked at, (places,)."""
        return np.asarray(np.arange(1, places + 1, dtype=np.float64) ** -self.settings.position)

    def interest(self, item: int, shown: Sequence[int]) -> float:
        """What boredom leaves of the wish for ``item`` after the items ``shown`` so far, oldest first; 0 to 1."""
        if not shown:
            return 1.0
        recent = np.array(shown[-50:], dtype=np.int64)
        weights = self.settings.fade ** np.arange(len(recent))[::-1] * (1.0 - self.settings.fade)
        excess = 1.0 - self.traits.distance(item, recent) - self.usual
        return float(np.exp(-self.settings.boredom * max(0.0, float(weights @ excess))))

    def leaving(self, unsatisfying: int) -> float:
        """The probability of leaving after so many unsatisfying turns in a row."""
        return min(1.0, self.settings.leave + self.settings.rise * unsatisfying)


def _factors(ratings: pd.DataFrame, n_items: int, seed: int) -> RatingFactors:
    users, names = pd.factorize(ratings["user"])
    entries = (ratings["rating"].to_numpy(np.float64), (users, ratings["item"].to_numpy(np.int64)))
    return RatingFactors.fit(sparse.csr_matrix(entries, shape=(len(names), n_items)), seed=seed)


def _usual_likeness(histories: Mapping[str, Sequence[Event]], traits: ItemTraits, seed: int) -> float:
    pairs = [np.stack([items[:-1], items[1:]], axis=1) for items in item_sequences(histories) if len(items) > 1]
    if not pairs:
        return 0.0
    every = np.concatenate(pairs)
    if len(every) > _PAIRS:
        every = every[np.random.default_rng(seed).choice(len(every), _PAIRS, replace=False)]
    return float(np.mean([1.0 - traits.distance(int(a), np.array([b]))[0] for a, b in every]))


AHEAD = 10
"""Items of each user's later ratings that count as watched next."""
_FADE = 0.9
_RECENT = 50


@dataclass(frozen=True)
class Attraction:
    """The chance that an item is one that the person watches next rather than a random other one, even odds beforehand.

    ``sigmoid(weights . (1, log(1 + ratings of the item), likeness to the recent history))``; ``likeness`` is the
    co-occurrence ``near`` (n_items, n_items) with the items of the history, each event counting 0.9 times the next.
    """

    near: sparse.csr_matrix
    log_count: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, past: pd.DataFrame, later: pd.DataFrame, n_items: int, seed: int = 0) -> Attraction:
        """Learn the weights on the first items that users of ``past`` watched ``later`` and on as many random ones.

        Raises:
            ValueError: no user of ``past`` has later ratings.
        """
        untrained = cls._of(past, n_items, np.zeros(3))
        rng = np.random.default_rng(seed)
        histories, following = user_histories(past), user_histories(later)
        rows, labels = [], []
        for user, events in following.items():
            if user not in histories:
                continue
            features = untrained._features(histories[user])
            seen = {event.item for event in histories[user]}
            nexts = [event.item for event in events[:AHEAD]]
            others = [int(item) for item in rng.integers(n_items, size=4 * len(nexts)) if int(item) not in seen]
            others = others[: len(nexts)]
            rows += [features[nexts], features[others]]
            labels += [1] * len(nexts) + [0] * len(others)
        if len(set(labels)) < 2:
            raise ValueError("no user has ratings in both parts: attraction is learned from what was watched next")
        fitted = LogisticRegression(class_weight="balanced", max_iter=500).fit(np.concatenate(rows), labels)
        return replace(untrained, weights=np.concatenate([fitted.intercept_, fitted.coef_[0]]))

    def refitted(self, ratings: pd.DataFrame) -> Attraction:
        """The same weights on counts and co-occurrences of other ratings."""
        return self._of(ratings, len(self.log_count), self.weights)

    @classmethod
    def _of(cls, ratings: pd.DataFrame, n_items: int, weights: np.ndarray) -> Attraction:
        users, names = pd.factorize(ratings["user"])
        items = ratings["item"].to_numpy(np.int64)
        watched = sparse.csr_matrix((np.ones(len(items)), (users, items)), shape=(len(names), n_items))
        near = ItemNeighbours.fit(watched).similarity
        symmetric = sparse.csr_matrix(near.maximum(near.T))
        return cls(symmetric, np.log1p(np.bincount(items, minlength=n_items)), weights)

    def probabilities(self, history: Sequence[Event]) -> np.ndarray:
        """For every item, (n_items,) from 0 to 1."""
        logits = self.weights[0] + self._features(history) @ self.weights[1:]
        result: np.ndarray = 1.0 / (1.0 + np.exp(-logits))
        return result

    def _features(self, history: Sequence[Event]) -> np.ndarray:
        recent = [event.item for event in history[-_RECENT:]]
        likeness = np.zeros(len(self.log_count))
        if recent:
            likeness = np.asarray(self.near[recent].T @ _FADE ** np.arange(len(recent))[::-1]).ravel()
        return np.stack([self.log_count, likeness], axis=1)
