"""User state: what the policy may know when it chooses."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from typing import Literal

from agent.records.conditions import Conditions

POSITIVE = 4.0
"""The grade from which feedback is positive, in every data set: its card maps its own values there."""

Goal = Literal["next", "like", "request"]
"""What the choice is judged by: what comes next, what is liked, or what a request describes."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that the user did with one item.

    ``item`` is a catalogue index, ``rating`` a grade from 0.5 to 5, positive from :data:`POSITIVE` on (None: had it,
    said nothing), ``timestamp`` in seconds since 1970 (None: unknown).
    """

    item: int
    rating: float | None = None
    timestamp: float | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a conversation tells where there is no past.

    ``named`` holds (catalogue index, weight) of the items that either side named, in the order of the latest mention;
    the weight is less than 0 for one that was refused. ``said`` is the end of what was said, ``last`` the last message
    in it.
    """

    named: tuple[tuple[int, float], ...] = ()
    said: str = ""
    last: str = ""

    def __bool__(self) -> bool:
        return bool(self.named or self.said)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a choice may depend on.

    ``history`` is ordered oldest first. ``request`` is the user's wish in their own words ("" for none).
    ``like`` / ``unlike`` hold catalogue indices of items that the request names as examples ("something like
    Alien", "less like this"). ``conditions`` filter the candidates before the policy sees them, and ``excluded`` holds
    catalogue indices that were refused; ``hints`` are wishes in words that no facet decides. ``spoken`` is there where
    all that is known was said in a conversation.
    """

    history: tuple[Event, ...] = ()
    request: str = ""
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()
    goal: Goal = "like"
    conditions: Conditions = ()
    hints: tuple[str, ...] = ()
    excluded: frozenset[int] = frozenset()
    spoken: Spoken | None = None

    @property
    def seen(self) -> frozenset[int]:
        """Catalogue indices that must not be recommended again."""
        return frozenset(event.item for event in self.history) | frozenset(self.like) | frozenset(self.unlike)

    def without(self, position: int) -> State:
        """The same state with the history's event at ``position`` left out (for leave-one-out explanations)."""
        kept = self.history[:position] + self.history[position + 1 :]
        return replace(self, history=kept, spoken=self._unnamed({self.history[position].item}))

    def without_items(self, items: Set[int]) -> State:
        """The same state with nothing told of these catalogue indices, but for what was refused."""
        return replace(
            self,
            history=tuple(event for event in self.history if event.item not in items),
            like=tuple(item for item in self.like if item not in items),
            spoken=self._unnamed(items),
        )

    def without_words(self) -> State:
        """The same state with no wish in words."""
        spoken = replace(self.spoken, said="", last="") if self.spoken is not None else None
        return replace(self, request="", spoken=spoken)

    def _unnamed(self, items: Set[int]) -> Spoken | None:
        if self.spoken is None:
            return None
        return replace(self.spoken, named=tuple(own for own in self.spoken.named if own[0] not in items))
