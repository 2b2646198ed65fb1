"""Population: simulated people whose taste is fitted on held-out users, and who differ from the data a policy knows.

A person is a mixture of two held-out users. The chance that they take up an item that they look at is

    sigmoid(base + quality + taste + fashion + own)

of the item's mean among held-out users, of both users' taste (a low-rank factorisation of what their grades differ from
that mean), of what is in fashion in the round, and of a number that nobody knows. All but the last move from round to
round: ``drift`` is a random walk of what each category is worth, ``fashion`` makes one category dear from a round on,
``season`` has people wish for another category each round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from agent.catalogue.catalogue import Catalogue
from agent.recommender import Recommender
from agent.records.answer import Answer
from agent.records.conversation import Conversation
from agent.records.state import POSITIVE, Event
from eval.conversation.simulated_user import Persona, SimulatedUser

FACTORS = 12
SHRUNK = 5.0
"""Grades at the mean that are added to each item's, so that rarely graded items are not far from it."""

BASE = -1.1
QUALITY = 0.9
TASTE = 0.9
OWN = 0.7
"""Weights of the parts, each of unit spread over the graded items."""

TURNED_DOWN = -2.5
"""Items of a lower sum are disliked."""


@dataclass(frozen=True, slots=True)
class PopulationSettings:
    """How people differ from the data, and how they behave.

    ``drift``: spread of a category's step from round to round; ``fashion``: what the category in fashion gains, from
    round ``fashion_from`` on; ``season``: share of wishes for the category of the season. ``position``: the chance that
    place k (from 0) is looked at is ``(k + 1) ** -position``. ``boredom``: the chance that an item like those already
    taken is passed over. ``leave``: the chance of leaving after a slate with nothing; half of it after one with
    something. ``past``: share of people who bring what they know; ``limit``: slates at most.

    Raises:
        ValueError: a value is out of range.
    """

    drift: float = 0.1
    fashion: float = 1.0
    fashion_from: int = 3
    season: float = 0.2
    position: float = 0.5
    boredom: float = 0.3
    leave: float = 0.4
    past: float = 0.1
    limit: int = 4

    def __post_init__(self) -> None:
        for name in ("season", "boredom", "leave", "past"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: give a share from 0 to 1")
        if min(self.drift, self.fashion, self.position) < 0 or self.limit < 1:
            raise ValueError("drift, fashion and position are 0 or more, limit is 1 or more")


@dataclass(frozen=True, slots=True)
class Visitor:
    """One person of a round: ``likes`` and ``turned_down`` (n_items,) bool; ``events`` is what they bring."""

    id: str
    persona: Persona
    likes: np.ndarray
    turned_down: np.ndarray
    events: tuple[Event, ...]


class Population:
    """The people of every round, from the ratings of held-out users alone."""

    def __init__(
        self, ratings: pd.DataFrame, catalogue: Catalogue, settings: PopulationSettings | None = None, seed: int = 0
    ) -> None:
        """Fit.

        Args:
            ratings: of the held-out users; their ``item`` is the catalogue index.
            catalogue: the items.
            settings: how they differ and behave.
            seed: of everything that is drawn.

        Raises:
            ValueError: fewer than two held-out users.
        """
        self.settings = settings or PopulationSettings()
        self.catalogue, self.seed = catalogue, seed
        users, names = pd.factorize(ratings["user"].astype(str))
        if len(names) < 2:
            raise ValueError(f"{len(names)} held-out users: a population needs at least two")
        items, stars = ratings["item"].to_numpy(np.int64), ratings["rating"].to_numpy(np.float64)
        count = np.bincount(items, minlength=len(catalogue))
        quality = (np.bincount(items, stars - stars.mean(), len(catalogue))) / (count + SHRUNK)
        left = stars - stars.mean() - quality[items]
        left -= (np.bincount(users, left) / np.bincount(users))[users]
        factors = min(FACTORS, len(names) - 1, len(catalogue) - 1)
        u, s, vt = svds(csr_matrix((left, (users, items)), (len(names), len(catalogue))), k=factors, random_state=seed)
        graded = count > 0
        taste = (u * s) @ vt
        self._taste = taste / max(float(taste[:, graded].std()), 1e-9)
        self._quality = quality / max(float(quality[graded].std()), 1e-9)
        # What nobody among them knows is seldom what they are looking for.
        self._known = np.where(graded, 0.0, -1.5)
        self._events = [
            tuple(Event(int(item), float(grade)) for item, grade in zip(own["item"], own["rating"], strict=True))
            for _, own in ratings.sort_values("timestamp").groupby(users)
        ]
        self._names = [str(name) for name in names]
        belongs = catalogue.category_matrix.astype(np.float64)
        self._belongs = belongs / np.maximum(belongs.sum(axis=1, keepdims=True), 1.0)
        # Categories by how much there is of them: the fashion is one of the middle, which the past says little of.
        self._by_size = np.argsort(-belongs.sum(axis=0), kind="stable")

    def worth(self, round: int) -> np.ndarray:
        """What each item gains by drift and fashion in a round (from 0), (n_items,)."""
        s, categories = self.settings, self._belongs.shape[1]
        walk = np.random.default_rng([self.seed, 1]).normal(0.0, s.drift, (round + 1, categories))
        walk[0] = 0.0
        gained = walk.sum(axis=0)
        if categories and round >= s.fashion_from:
            gained[self._by_size[categories // 3]] += s.fashion
        return np.asarray(self._belongs @ gained)

    def visitor(self, round: int, number: int) -> Visitor:
        """The ``number``-th person of a round: the same in every run of one seed, whoever recommends."""
        rng = np.random.default_rng([self.seed, 2, round, number])
        one, other = rng.integers(len(self._names), size=2)
        share = rng.uniform(0.5, 1.0)
        taste = share * self._taste[one] + (1 - share) * self._taste[other]
        known = rng.random() < 0.8
        events = self._events[one][-40:] if known else ()
        logits = BASE + QUALITY * self._quality + TASTE * taste + self._known + self.worth(round)
        logits = logits + rng.normal(0.0, OWN, len(logits))
        likes = rng.random(len(logits)) < 1.0 / (1.0 + np.exp(-logits))
        brought = events if rng.random() < self.settings.past else ()
        id = f"simulated-{self.seed}-{round}-{number}"
        return Visitor(id, self._persona(round, events, likes, logits, rng), likes, logits < TURNED_DOWN, brought)

    def _persona(
        self, round: int, events: Sequence[Event], likes: np.ndarray, logits: np.ndarray, rng: np.random.Generator
    ) -> Persona:
        """Who talks: what they tell of, and what they wish for: the category of something that they would take."""
        catalogue = self.catalogue
        able = np.flatnonzero(likes & (self._belongs.sum(axis=1) > 0))
        able = able if len(able) else np.flatnonzero(self._belongs.sum(axis=1) > 0)
        chance = np.exp(logits[able] - logits[able].max())
        target = catalogue[int(rng.choice(able, p=chance / chance.sum()))]
        category = target.categories[int(rng.integers(len(target.categories)))]
        if rng.random() < self.settings.season:
            category = catalogue.category_names[self._by_size[(round + 1) % min(6, len(self._by_size))]]
        years = None
        if target.year is not None and rng.random() < 0.25:
            years = (target.year // 10 * 10, target.year // 10 * 10 + 9)
        past = {event.item: event.rating or 3.0 for event in events}
        return Persona("", past, frozenset(), frozenset(), category, years)


@dataclass(frozen=True, slots=True)
class Visit:
    """What became of one conversation: slates and items shown, items taken up."""

    slates: int
    items: int
    taken: int


def visit(recommender: Recommender, visitor: Visitor, settings: PopulationSettings, seed: Sequence[int]) -> Visit:
    """One conversation of one person through the public interface, pressing buttons on cards as people do.

    Whoever recommends, the same person opens with the same words; all that they do is in the recommender's log.
    """
    rng = np.random.default_rng(seed)
    user = SimulatedUser(visitor.persona, recommender.catalogue, rng)
    conversation = Conversation(visitor.id)
    answer = recommender.reply(conversation, user.opening(), past=visitor.events)
    slates = items = 0
    taken: list[int] = []
    while True:
        slates += bool(answer.items)
        items += len(answer.items)
        found = _look(recommender, conversation, answer, visitor, settings, taken, rng)
        leaving = settings.leave * (0.5 if found else 1.0)
        if slates >= settings.limit or conversation.turn >= 2 * settings.limit or rng.random() < leaving:
            return Visit(slates, items, len(taken))
        if rng.random() < 0.03:
            answer = recommender.reply(conversation, "undo", past=visitor.events)
        else:
            answer = recommender.reply(conversation, user.next_message(answer), past=visitor.events)


def _look(
    recommender: Recommender,
    conversation: Conversation,
    answer: Answer,
    visitor: Visitor,
    settings: PopulationSettings,
    taken: list[int],
    rng: np.random.Generator,
) -> bool:
    """Look down a slate and press what is felt; whether anything was taken up."""
    catalogue = recommender.catalogue
    found = False
    for place, shown in enumerate(answer.items):
        item = catalogue.index(shown.item_id)
        if rng.random() >= (place + 1) ** -settings.position:
            continue
        alike = any(set(shown.categories) == set(catalogue[own].categories) for own in taken)
        if item in visitor.persona.past:
            if rng.random() < 0.3:
                recommender.react(conversation, shown.item_id, "seen")
        elif visitor.likes[item] and not (alike and rng.random() < settings.boredom):
            kind = str(rng.choice(["liked", "clicked", "rated"], p=[0.5, 0.3, 0.2]))
            recommender.react(conversation, shown.item_id, kind, POSITIVE + 0.5 if kind == "rated" else None)
            taken.append(item)
            found = True
        elif visitor.turned_down[item] and rng.random() < 0.3:
            recommender.react(conversation, shown.item_id, "disliked")
    return found
