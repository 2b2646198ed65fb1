"""Rated pairs: the user-item pairs on which reward models are judged, and scores for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agent.records.state import POSITIVE, Event
from training.splits import Slate

SECONDS_PER_DAY = 86_400.0


class ScoreError(ValueError):
    """Scores cannot be used; the message names the row and the field, or the pair, and the fix."""


@dataclass(frozen=True)
class RatedPairs:
    """The pairs of slates, one row each: ``slate`` (R,) and ``place`` (R,) say where each pair comes from.

    ``times`` (R,) are the seconds at which the ratings were given (NaN: unknown).
    """

    slates: tuple[Slate, ...]
    slate: np.ndarray
    place: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, slates: Sequence[Slate], times: dict[tuple[str, int], float] | None = None) -> RatedPairs:
        """All pairs of ``slates``; ``times`` maps (user, catalogue index) to seconds."""
        known = times or {}
        rows = [(k, place) for k, slate in enumerate(slates) for place in range(len(slate.items))]
        index = np.array(rows, dtype=np.int64).reshape(-1, 2)
        when = [known.get((slates[k].user, slates[k].items[place]), np.nan) for k, place in rows]
        return cls(tuple(slates), index[:, 0], index[:, 1], np.array(when, dtype=np.float64))

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.slate)

    def only(self, chosen: np.ndarray) -> RatedPairs:
        """The pairs where ``chosen`` (R,) is True."""
        return replace(self, slate=self.slate[chosen], place=self.place[chosen], times=self.times[chosen])

    @cached_property
    def users(self) -> np.ndarray:
        """The user of each pair, (R,) of str."""
        return np.array([self.slates[k].user for k in self.slate.tolist()])

    @cached_property
    def items(self) -> np.ndarray:
        """The item of each pair as catalogue index, (R,) int64."""
        places = zip(self.slate.tolist(), self.place.tolist(), strict=True)
        return np.array([self.slates[k].items[place] for k, place in places], dtype=np.int64)

    @cached_property
    def stars(self) -> np.ndarray:
        """The rating of each pair, (R,) float64."""
        places = zip(self.slate.tolist(), self.place.tolist(), strict=True)
        return np.array([self.slates[k].ratings[place] for k, place in places], dtype=np.float64)

    @cached_property
    def likes(self) -> np.ndarray:
        """Which pairs got four stars or more, (R,) bool."""
        return np.asarray(self.stars >= POSITIVE)

    @cached_property
    def history_length(self) -> np.ndarray:
        """Events in the past of each pair's user, (R,) int64."""
        return np.asarray(np.array([len(slate.history) for slate in self.slates], dtype=np.int64)[self.slate])

    @cached_property
    def history_age(self) -> np.ndarray:
        """Days between the last event of the past and the rating, (R,) float64; NaN where a time is unknown."""
        last = [_time(slate.history[-1]) if slate.history else np.nan for slate in self.slates]
        return np.asarray((self.times - np.array(last)[self.slate]) / SECONDS_PER_DAY)

    def rows_of_slates(self) -> list[np.ndarray]:
        """The rows of each slate that has any, in order."""
        starts = np.flatnonzero(np.diff(self.slate)) + 1
        return np.split(np.arange(len(self)), starts)


def _time(event: Event) -> float:
    return np.nan if event.timestamp is None else event.timestamp


@dataclass(frozen=True)
class Scores:
    """What a model says of each of the pairs.

    ``values`` (R,) rank the pairs of a user, higher is better; NaN where the model says nothing. ``probabilities`` (R,)
    of a like, or None where the model gives none. ``notes`` say what a reader should know.
    """

    model: str
    values: np.ndarray
    probabilities: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """How many pairs have no score."""
        return int(np.isnan(self.values).sum())

    def only(self, chosen: np.ndarray) -> Scores:
        """The scores where ``chosen`` (R,) is True."""
        own = None if self.probabilities is None else self.probabilities[chosen]
        return replace(self, values=self.values[chosen], probabilities=own)
