"""Conversation: one person's chat as plain data, as it is shown, stored and reloaded."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from agent.records.answer import Answer
from agent.records.constraints import Constraints

Attitude = Literal["liked", "disliked", "seen", "rated", "more", "less"]


@dataclass(slots=True)
class Belief:
    """What the agent believes about the user and one item: attitude, and stars where given (1 to 5)."""

    item_id: str
    attitude: Attitude
    rating: float | None = None
    source: Literal["message", "card", "panel"] = "message"
    turn: int = 0


@dataclass(slots=True)
class Message:
    """One message: the user's text, or the agent's answer (``content`` is then its reply)."""

    role: Literal["user", "assistant"]
    content: str
    answer: Answer | None = None


@dataclass(slots=True)
class Conversation:
    """One chat. ``user`` is the id of a user of the data set whose past is shown to the policy, if one was picked.

    ``spoken`` are the item ids of the films that the user's latest message about single films named, and ``heard`` is
    the intent of the latest message: what "it" and "I meant the other one" stand for. ``named`` maps the item ids of
    the films that either side named as a matter of taste to their weights, in the order of the latest mention; ``said``
    holds the latest messages of that kind.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    user: str | None = None
    messages: list[Message] = field(default_factory=list)
    beliefs: list[Belief] = field(default_factory=list)
    constraints: Constraints = field(default_factory=Constraints)
    request: str = ""
    shown: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    heard: str = ""
    named: dict[str, float] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def turn(self) -> int:
        """How many messages the user has sent."""
        return sum(message.role == "user" for message in self.messages)

    @property
    def slate(self) -> Answer | None:
        """The answer whose films stand: the latest that has some, unless a later one found none or began anew."""
        for message in reversed(self.messages):
            answer = message.answer
            if answer is not None and (answer.items or answer.about in ("recommend", "reset")):
                return answer if answer.items else None
        return None

    @property
    def title(self) -> str:
        """A short name for lists: the first thing the user said."""
        first = next((m.content for m in self.messages if m.role == "user"), "New chat")
        return first if len(first) <= 48 else first[:47].rstrip() + "…"

    def to_json(self) -> dict[str, Any]:
        """Plain data for the store."""
        data = asdict(self)
        data["constraints"] = self.constraints.to_json()
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Conversation:
        """The inverse of :meth:`to_json`."""
        messages = [
            Message(m["role"], m["content"], Answer.from_json(m["answer"]) if m["answer"] else None)
            for m in data["messages"]
        ]
        beliefs = [Belief(**b) for b in data["beliefs"]]
        return cls(
            data["id"],
            data["user"],
            messages,
            beliefs,
            Constraints.from_json(data["constraints"]),
            data["request"],
            list(data["shown"]),
            list(data.get("spoken", ())),
            str(data.get("heard", "")),
            dict(data.get("named", {})),
            list(data.get("said", ())),
        )
