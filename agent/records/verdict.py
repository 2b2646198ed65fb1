"""Verdict: what a person's reactions to one shown item come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.records.impression import Outcome
from agent.records.state import POSITIVE

_STARS = {"liked": 5.0, "more": 5.0, "disliked": 1.0, "less": 1.0}
"""How an attitude reads in stars (the same as in a history)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``clicked`` is the click of the rewards; ``stars`` the opinion (1 to 5; None: none was given)."""

    clicked: bool = False
    stars: float | None = None


def verdict(outcomes: Iterable[Outcome]) -> Verdict:
    """What reactions to one item come to, given in the order of recording.

    "removed" takes everything before it back. The last opinion (liked, disliked, more, less, rated) stands and decides:
    a click is an opinion of at least ``POSITIVE`` stars, where a like counts as 5 and a dislike as 1. Without an
    opinion, an opened card ("clicked") is a click; "seen" says nothing.
    """
    opened, stars = False, None
    for outcome in outcomes:
        if outcome.kind == "removed":
            opened, stars = False, None
        elif outcome.kind == "clicked":
            opened = True
        elif outcome.kind == "rated":
            stars = outcome.value
        else:
            stars = _STARS.get(outcome.kind, stars)
    return Verdict(opened if stars is None else stars >= POSITIVE, stars)
