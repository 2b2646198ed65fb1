"""Facade: the one place where the service touches the recommender."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.lookup import press_of
from agent.recommender import Recommender
from agent.records.acts import Ask, Want
from agent.records.answer import Answer
from agent.records.conditions import Condition
from agent.records.conversation import Conversation, Given, Pressed
from agent.records.state import Event
from agent.service.schemas import EvidenceOut, Recommended


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation in words, and a message that would change the slate (None: there is none)."""

    text: str
    change: str | None


class Facade:
    """What the service needs of a recommender. Threads share it."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self._unlogged = copy.copy(recommender)
        self._unlogged.log = None
        self._users = frozenset(recommender.users())

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.recommender.catalogue

    @property
    def policy(self) -> str:
        """The version of the policy that serves."""
        return self.recommender.policy.version

    def knows(self, person: str) -> bool:
        """Whether the data set has a past of this person."""
        return person in self._users

    def past(self, person: str) -> tuple[Event, ...]:
        """The past that the data set has of a person, oldest first; empty where it has none."""
        return self.recommender.history(person) if person in self._users else ()

    def begin(self, conditions: Sequence[Condition] = ()) -> Conversation:
        """A conversation in which nothing was said yet; ``conditions`` are what the items must meet."""
        return Conversation(events=[Given(tuple(conditions))] if conditions else [])

    def reply(self, conversation: Conversation, message: str, k: int, past: Sequence[Event], record: bool) -> Answer:
        """Answer a message; with ``record`` the slate is logged. ``past`` is all that is known of the person before."""
        recommender = self.recommender if record else self._unlogged
        return recommender.reply(conversation, message, k, past)

    def slate(self, conversation: Conversation, wish: str, k: int, past: Sequence[Event], record: bool) -> Answer:
        """A slate for a wish, whatever its words are: those that cannot be read rank by semantic similarity."""
        recommender = self.recommender if record else self._unlogged
        if not wish.strip():
            return recommender.act(conversation, Want(), k, past)
        answer = recommender.reply(conversation, wish, k, past)
        if answer.slate_changed:
            return answer
        return recommender.act(conversation, Want(hints=(wish,), request=wish), k, past)

    def complete(self, messages: Sequence[tuple[str, str]], k: int) -> Answer:
        """The answer to a conversation that was held elsewhere, as (role, text); nothing is logged."""
        *before, (_, message) = messages
        conversation = self._unlogged.continued([{"role": role, "content": text} for role, text in before])
        return self._unlogged.reply(conversation, message, k)

    def explain(
        self, conversation: Conversation, item_id: str, shown: bool, k: int, past: Sequence[Event]
    ) -> Explained:
        """Why an item is, or is not, in the slate that stands; the conversation is left as it is."""
        asked = Ask("why" if shown else "why_not", (self.catalogue.index(item_id),))
        answer = self._unlogged.act(copy.deepcopy(conversation), asked, k, past)
        return Explained(answer.reply, answer.choices[0] if answer.choices and not shown else None)

    def react(self, conversation: Conversation, item_id: str, kind: str, value: float | None) -> None:
        """Take what the person did with an item into a conversation; nothing is logged."""
        conversation.events.append(Pressed(item_id, press_of(kind), value, conversation.turn))

    def similar(self, item_id: str, k: int) -> Answer:
        """Items for somebody of whom only this is known: that they like the item."""
        return self._unlogged.recommend(likes=[item_id], k=k)

    def recommended(self, answer: Answer) -> list[Recommended]:
        """The slate of an answer, with what the catalogue knows of the items."""
        return [
            Recommended(
                item_id=item.item_id,
                title=item.title,
                attributes=item.attributes,
                raters=item.raters,
                score=item.score,
                strength=item.strength,
                propensity=item.propensity,
                reason=item.reason,
                evidence=[EvidenceOut(**asdict(fact)) for fact in item.evidence],
            )
            for item in answer.items
        ]


def attributes_of(catalogue: Catalogue, index: int) -> dict[str, Any]:
    """What a catalogue knows of an item, as plain data."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in catalogue[index].attributes.items()
    }
