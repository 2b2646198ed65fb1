"""Cases: what is ranked for whom, and what would have been right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agent.records.state import State
from eval.metrics import Scorer, run_scorer


@dataclass(frozen=True)
class Cases:
    """Rankings to make, all by the same rules.

    Attributes:
        protocol: the protocol's name.
        about: which set of the protocol's, in words.
        users: whom each case belongs to; a user may have several.
        states: what a policy may know of each case.
        candidates: catalogue indices to rank, one array a case.
        relevant: those of them that would have been right, one array a case; may be empty.
        ratings: stars of the candidates where they are known, one array a case.
        population: how many users there were before any were sampled.
    """

    protocol: str
    about: str
    users: tuple[str, ...]
    states: tuple[State, ...]
    candidates: tuple[np.ndarray, ...]
    relevant: tuple[np.ndarray, ...]
    ratings: tuple[np.ndarray, ...] | None = None
    population: int = 0

    def __len__(self) -> int:
        """The number of cases."""
        return len(self.users)

    def take(self, rows: Sequence[int]) -> Cases:
        """Some of the cases, in the order given."""

        def some(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[row] for row in rows)

        return replace(
            self,
            users=some(self.users),
            states=some(self.states),
            candidates=some(self.candidates),
            relevant=some(self.relevant),
            ratings=None if self.ratings is None else some(self.ratings),
        )

    def of_some_users(self, most: int | None, seed: int = 0) -> Cases:
        """The cases of at most so many users, see :func:`some_users`."""
        names = set(self.users)
        kept = some_users(names, most, seed)
        some = self.take([row for row, user in enumerate(self.users) if user in kept])
        return replace(some, population=max(self.population, len(names)))


def some_users(names: Iterable[str], most: int | None, seed: int = 0) -> frozenset[str]:
    """At most so many of the users: those with the smallest hash of seed and name, the same on any machine.

    Raises:
        ValueError: ``most`` is not positive.
    """
    if most is not None and most < 1:
        raise ValueError(f"{most} users: ask for at least 1")
    every = frozenset(names)
    if most is None or len(every) <= most:
        return every
    return frozenset(sorted(every, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())[:most])


CaseScorer = Callable[[Cases], Sequence[np.ndarray]]
"""Scores of each case's candidates, higher first; -inf for an item that is not to be recommended at all."""


def by_history(scorer: Scorer) -> CaseScorer:
    """A scorer that reads the history alone."""
    return lambda cases: run_scorer(scorer, [state.history for state in cases.states], cases.candidates)
