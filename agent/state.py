"""User state: what the policy may know when it chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.constraints import Constraints

Goal = Literal["next", "like", "request"]
"""What the choice is judged by: what is watched next, what is liked, or what a request describes."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that the user did with one item.

    ``item`` is a catalogue index, ``rating`` is in stars (0.5 to 5; None: watched, not rated), ``timestamp`` in
    seconds since 1970 (None: unknown).
    """

    item: int
    rating: float | None = None
    timestamp: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a choice may depend on.

    ``history`` is ordered oldest first. ``request`` is the user's wish in their own words ("" for none).
    ``like`` / ``unlike`` hold catalogue indices of films that the request names as examples ("something like
    Alien", "less like this"). ``constraints`` filter the candidates before the policy sees them.
    """

    history: tuple[Event, ...] = ()
    request: str = ""
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()
    goal: Goal = "like"
    constraints: Constraints = Constraints()

    @property
    def seen(self) -> frozenset[int]:
        """Catalogue indices that must not be recommended again."""
        return frozenset(event.item for event in self.history) | frozenset(self.like) | frozenset(self.unlike)

    def without(self, position: int) -> State:
        """The same state with the history's event at ``position`` left out (for leave-one-out explanations)."""
        kept = self.history[:position] + self.history[position + 1 :]
        return State(kept, self.request, self.like, self.unlike, self.goal, self.constraints)
