"""Preferences: films that one user liked, against films that the same user did not like at about the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from agent.records.state import POSITIVE, Event

_DAY = 86_400.0


def preference_pairs(
    events: Sequence[Event], start: int, pairs: int, near: int, days: float, rng: np.random.Generator
) -> Iterator[tuple[int, Event, Event]]:
    """Pairs of a liked and another film from each run of ``near`` events, with the place where the state ends.

    Yields (place, liked, other): the state of both is ``events[:place]``, both were rated within the ``near`` events
    that follow and at most ``days`` days apart (where times are known), and at least one star lies between them. At
    most ``pairs`` a run, each film in at most one pair of it. Runs begin at ``start``.
    """
    for place in range(start, len(events), near):
        run = [event for event in events[place : place + near] if event.rating is not None]
        run = [run[k] for k in rng.permutation(len(run))]
        likes = [event for event in run if (event.rating or 0.0) >= POSITIVE]
        others = [event for event in run if (event.rating or 0.0) < POSITIVE]
        made = 0
        for liked in likes:
            other = next((event for event in others if _comparable(liked, event, days)), None)
            if other is None or made == pairs:
                continue
            others.remove(other)
            made += 1
            yield place, liked, other


def _comparable(liked: Event, other: Event, days: float) -> bool:
    if liked.rating is None or other.rating is None or liked.rating - other.rating < 1.0:
        return False
    known = liked.timestamp is not None and other.timestamp is not None
    return not known or abs((liked.timestamp or 0.0) - (other.timestamp or 0.0)) <= days * _DAY
