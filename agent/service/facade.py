"""Facade: the one place where the service touches the recommender."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.catalogue.catalogue import Catalogue
from agent.recommender import Recommender
from agent.records.answer import Answer
from agent.records.conditions import Condition
from agent.records.conversation import Conversation, Given, Press, Pressed
from agent.records.state import Event
from agent.service.schemas import EvidenceOut, Recommended

ANYTHING = "What would you recommend?"
"""Said where a request has no words."""


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

    def begin(
        self,
        conversation_id: str | None = None,
        user: str | None = None,
        history: Sequence[Event] = (),
        conditions: Sequence[Condition] = (),
    ) -> Conversation:
        """A conversation in which nothing was said yet.

        Args:
            conversation_id: its id (None: a new one).
            user: a user of the data set whose past counts.
            history: more of their past, oldest first.
            conditions: what the items must meet.
        """
        conversation = Conversation(user=user) if conversation_id is None else Conversation(conversation_id, user)
        self.remember(conversation, history)
        if conditions:
            conversation.events.append(Given(tuple(conditions)))
        return conversation

    def remember(self, conversation: Conversation, history: Iterable[Event]) -> None:
        """Take what the person did elsewhere into a conversation."""
        for event in history:
            item_id = self.catalogue[event.item].item_id
            kind: Press = "seen" if event.rating is None else "rated"
            conversation.events.append(Pressed(item_id, kind, event.rating))

    def reply(self, conversation: Conversation, message: str, k: int, record: bool) -> Answer:
        """Answer a message; with ``record`` the slate is logged."""
        recommender = self.recommender if record else self._unlogged
        return recommender.reply(conversation, message or ANYTHING, k)

    def complete(self, messages: Sequence[tuple[str, str]], k: int) -> Answer:
        """The answer to a conversation that was held elsewhere, as (role, text); nothing is logged."""
        return self._unlogged.recommend(messages=[{"role": role, "content": text} for role, text in messages], k=k)

    def explain(self, conversation: Conversation, item_id: str, shown: bool, k: int) -> Explained:
        """Why an item is, or is not, in the slate that stands; the conversation is left as it is."""
        name = self.catalogue[self.catalogue.index(item_id)].name
        asked = f"Why “{name}”?" if shown else f"Why not “{name}”?"
        answer = self._unlogged.reply(copy.deepcopy(conversation), asked, k)
        return Explained(answer.reply, answer.choices[0] if answer.choices and not shown else None)

    def react(self, conversation: Conversation, item_id: str, kind: str, value: float | None) -> None:
        """Take what the person did with an item into a conversation; nothing is logged."""
        self._unlogged.react(conversation, item_id, kind, value)

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
                propensity=item.propensity,
                reason=item.reason,
                evidence=[
                    EvidenceOut(kind=fact.kind, weight=fact.weight, item_id=fact.item_id, value=fact.value)
                    for fact in item.evidence
                ],
            )
            for item in answer.items
        ]

    def conditions(self, answer: Answer) -> list[dict[str, Any]]:
        """The conditions that hold after an answer."""
        return list(answer.conditions)

    def unmet(self, answer: Answer) -> list[str]:
        """Wishes that an answer could not meet."""
        return list(answer.unmet)


def attributes_of(catalogue: Catalogue, index: int) -> dict[str, Any]:
    """What a catalogue knows of an item, as plain data."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in catalogue[index].attributes.items()
    }
