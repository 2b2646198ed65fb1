"""Latency: how long a turn takes, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.recommender import Recommender

WISHES = (
    "a tense thriller from the 90s",
    "something like Alien but funny",
    "no horror, please, and older than 1980",
    "gangsters and a heist",
    "a comedy for a rainy Sunday",
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of a kind of turn: median and 90th percentile over ``turns`` turns, and the median of each part."""

    about: str
    turns: int
    median: float
    p90: float
    parts: Mapping[str, float]


def measure(recommender: Recommender, turns: int = 20) -> list[Timing]:
    """Time turns without a history and with a user's whole past; the first turn of each kind is not counted."""
    users = recommender.users()
    kinds: list[tuple[str, Sequence[str | None]]] = [
        ("a new user", [None]),
        ("a user with a past", [users[i] for i in np.linspace(0, len(users) - 1, turns).astype(int)]),
    ]
    timings = []
    for about, people in kinds:
        answers = [
            recommender.recommend(user=people[turn % len(people)], ask=WISHES[turn % len(WISHES)])
            for turn in range(turns + 1)
        ][1:]
        total = [answer.latency_ms for answer in answers]
        parts = {part: float(np.median([a.timings_ms[part] for a in answers])) for part in answers[0].timings_ms}
        timings.append(Timing(about, turns, float(np.median(total)), float(np.quantile(total, 0.9)), parts))
    return timings
