"""Simulated user: a person with the ratings of a held-out part of a user's life, who talks to the recommender.

The person tells of items from their past, wishes for one that they really liked later (its category, sometimes its
decade), looks at each slate and says what people say: takes an item that they liked later, tells which ones they have
seen or do not like, refuses others, criticises ("something newer"), asks for more, answers questions. Whatever was not
rated later is neither taken nor liked: success needs an item that this user really graded 4 or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.records.answer import Answer, Recommendation
from agent.records.state import POSITIVE, Event

DISLIKED = 2.5
"""The grade up to which an item was not liked."""

_OPENINGS = (
    "I loved {liked}. I'm looking for {wish}",
    "Hi! Can you recommend {wish}? I really liked {liked}",
    "{wish_big}, please. I like {liked}",
    "I'm in the mood for {wish}. {liked} was great",
)
_PLAIN = ("I'm looking for {wish}", "Can you recommend {wish}?", "{wish_big}, please")
_REFUSALS = ("Not {title}, something else please", "I don't want to {verb} {title}", "No, not {title}")
_MORE = ("Show me something else", "What else do you have?", "More like that, please", "Any other ideas?")


@dataclass(frozen=True, slots=True)
class Persona:
    """Who talks: what they tell of, what they would take, and what they wish for.

    ``past`` are the items that they know, with grades; ``wanted`` those that they liked later and ``unwanted`` those
    that they did not. ``category`` and ``years`` (first, last) are the conditions of the wish, each held by at
    least one wanted item.
    """

    user: str
    past: Mapping[int, float]
    wanted: frozenset[int]
    unwanted: frozenset[int]
    category: str
    years: tuple[int, int] | None

    def allows(self, item: Recommendation) -> bool:
        """Whether a recommended item meets the conditions that were said."""
        fits = self.category in item.categories
        if self.years is not None:
            fits &= item.year is not None and self.years[0] <= item.year <= self.years[1]
        return fits


def personas(
    pasts: Mapping[str, Sequence[Event]],
    futures: Mapping[str, Sequence[Event]],
    catalogue: Catalogue,
    count: int,
    seed: int = 0,
) -> list[Persona]:
    """``count`` people, drawn from the users with a later like (again and again with other wishes where there are few).

    Raises:
        ValueError: nobody liked an item later.
    """
    able = {
        user: liked
        for user, events in futures.items()
        if (liked := [e.item for e in events if (e.rating or 0.0) >= POSITIVE and catalogue[e.item].categories])
    }
    if not able:
        raise ValueError(f"nobody in {catalogue.name!r} liked an item later: simulated people need ratings with times")
    rng = np.random.default_rng(seed)
    names = list(able)
    people = []
    for number in range(count):
        if number % len(names) == 0:
            rng.shuffle(names)
        user = names[number % len(names)]
        target = catalogue[int(rng.choice(able[user]))]
        years = None
        if target.year is not None and rng.random() < 0.5:
            first = target.year // 10 * 10
            years = (first, first + 9)
        people.append(
            Persona(
                user,
                {event.item: event.rating or 3.0 for event in pasts.get(user, ())},
                frozenset(able[user]),
                frozenset(e.item for e in futures[user] if (e.rating or 5.0) <= DISLIKED),
                target.categories[int(rng.integers(len(target.categories)))],
                years,
            )
        )
    return people


@dataclass(slots=True)
class SimulatedUser:
    """One person in one conversation; ``told`` are the items that must not be recommended any more.

    ``accepted`` is the item that was taken, if one was.
    """

    persona: Persona
    catalogue: Catalogue
    rng: np.random.Generator
    told: set[int] = field(default_factory=set)
    accepted: int | None = None

    def opening(self) -> str:
        """The first message: the wish, mostly with an item or two that the person liked."""
        phrase = f"{self.persona.category.lower()} {self.catalogue.domain.nouns.casual}"
        wish = f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
        if self.persona.years is not None:
            wish += f" from the {self.persona.years[0]}s"
        liked = [item for item, grade in self.persona.past.items() if grade >= POSITIVE]
        words = {"wish": wish, "wish_big": wish[0].upper() + wish[1:]}
        number = min(int(self.rng.integers(0, 3)), len(liked))
        if number == 0:
            return self._one(_PLAIN).format(**words)
        chosen = [int(item) for item in self.rng.choice(liked, size=number, replace=False)]
        self.told.update(chosen)
        titles = " and ".join(self.catalogue[item].name for item in chosen)
        return self._one(_OPENINGS).format(liked=titles, **words)

    def reply(self, answer: Answer) -> str | None:
        """What the person says to an answer; None where they took an item (see ``accepted``)."""
        shown = [self.catalogue.index(own.item_id) for own in answer.items if own.item_id in self.catalogue]
        taken = next((item for item in shown if item in self.persona.wanted), None)
        if taken is not None:
            self.accepted = taken
            return None
        return self.next_message(answer)

    def next_message(self, answer: Answer) -> str:
        """What the person says to an answer of which they took nothing."""
        shown = [self.catalogue.index(own.item_id) for own in answer.items if own.item_id in self.catalogue]
        if answer.question is not None and answer.choices and self.rng.random() < 0.7:
            return self._answered(answer.choices)
        if not shown:
            return answer.choices[0] if answer.choices else self._one(_MORE)
        known = [item for item in shown if item in self.persona.past]
        bad = [item for item in shown if item in self.persona.unwanted]
        if known and self.rng.random() < 0.8:
            return self._tell(known[0], "I've already seen {title}")
        if bad:
            return self._tell(bad[0], "I don't like {title}")
        kind = self.rng.random()
        if kind < 0.4:
            return self._tell(shown[int(self.rng.integers(len(shown)))], self._one(_REFUSALS))
        if kind < 0.75:
            return self._one(_MORE)
        return self._one(self._critiques() or _MORE)

    def _answered(self, choices: Sequence[str]) -> str:
        """The quick reply that names what is wished for, else one that does not mind, else any."""
        wish = self.persona.category.casefold()
        decade = f"{self.persona.years[0]}" if self.persona.years is not None else "\0"
        for choice in choices:
            if wish in choice.casefold() or decade in choice:
                return choice
        return choices[-1]

    def _critiques(self) -> list[str]:
        """Comparatives of the domain on facets that the catalogue has: "Something better known"."""
        critiques = self.catalogue.domain.critiques
        return [
            f"Something {name.replace('_', ' ')}"
            for name, own in critiques.items()
            if own.facet in self.catalogue.facets
        ]

    def _tell(self, item: int, text: str) -> str:
        self.told.add(item)
        return text.format(title=self.catalogue[item].name, verb=self.catalogue.domain.verbs.base)

    def _one(self, texts: Sequence[str]) -> str:
        return texts[int(self.rng.integers(len(texts)))]
