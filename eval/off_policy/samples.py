"""Samples: a log beside a target policy, as arrays that the estimators read.

N rows, K places of the longest slate, C candidates of the longest list. Shorter slates and lists are padded: there
the probabilities are 1 and 0, the rewards 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from eval.off_policy.log import LoggedSlate
from eval.off_policy.plackett_luce import conditionals, place_probabilities

Cluster = Literal["conversation", "user", "row"]
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Unsupported:
    """What stands where the log cannot support a number: why."""

    reason: str


@dataclass(frozen=True)
class TargetProbabilities:
    """What the target policy does at the rows of a log.

    ``slate`` (N, K): its probability of each shown item at its place given those above it (1 in the padding).
    ``first`` (N, C): of each logged candidate to come first, None where unknown; ``outside`` (N,): what is left for
    items that were no candidates. ``order`` (N, K): for a policy that draws nothing, the places in the candidates of
    what it shows (-1: none of the candidates). ``exact`` (N,): whether the row's state was in the log.
    """

    name: str
    slate: np.ndarray
    first: np.ndarray | None
    outside: np.ndarray
    order: np.ndarray | None
    exact: np.ndarray


@dataclass(frozen=True)
class Samples:
    """The arrays; ``clusters`` (N,) says which rows are drawn together, ``features`` are (N, C, F) or unknown."""

    rewards: np.ndarray  # (N, K)
    shown: np.ndarray  # (N, K) bool
    slate: np.ndarray  # (N, K) int64 places in the candidates, -1 in the padding
    logged: np.ndarray  # (N, K) propensities of the log, 1 in the padding
    logged_first: np.ndarray | None  # (N, C)
    items: np.ndarray  # (N, C) int64 names of the candidates, -1 in the padding
    clusters: np.ndarray
    features: np.ndarray | None
    target: TargetProbabilities

    @cached_property
    def ratios(self) -> np.ndarray:
        """Target over logged probability of each shown item given those above it, (N, K)."""
        result: np.ndarray = self.target.slate / self.logged
        return result

    @cached_property
    def prefix_weights(self) -> np.ndarray:
        """Product of the ratios down to each place, (N, K); the last column is the weight of the whole slate."""
        result: np.ndarray = np.cumprod(self.ratios, axis=1)
        return result

    @cached_property
    def target_places(self) -> np.ndarray | Unsupported:
        """The target's probability of each candidate at each place, (N, K, C)."""
        target = self.target
        if target.order is not None:
            places = np.arange(self.items.shape[1])
            return np.asarray((target.order[:, :, None] == places) * self.shown[:, :, None], dtype=np.float64)
        if target.first is None:
            return Unsupported(
                "the target's probabilities over the candidates are unknown (target_candidate_propensities)"
            )
        return self._places(target.first, target.slate, target.outside, "target")

    @cached_property
    def logged_places(self) -> np.ndarray | Unsupported:
        """The logged policy's probability of each candidate at each place, (N, K, C)."""
        if self.logged_first is None:
            return Unsupported("the log does not hold the probabilities over the candidates (candidate_propensities)")
        return self._places(self.logged_first, self.logged, np.zeros(len(self.items)), "logged policy")

    def _places(
        self, first: np.ndarray, slate: np.ndarray, outside: np.ndarray, whose: str
    ) -> np.ndarray | Unsupported:
        """Places from the probabilities of coming first, where those and the slate's agree with Plackett-Luce."""
        if self.rewards.shape[1] > 1:
            expected = conditionals(first, self.slate, outside)
            off = np.abs(expected - slate) > _ROUNDING
            if off.any():
                row, place = np.argwhere(off)[0]
                return Unsupported(
                    f"the {whose} does not draw its slates place by place from what is left: row {row + 1} gives "
                    f"{slate[row, place]:.4f} at place {place + 1} where {expected[row, place]:.4f} follows"
                )
        # Items outside the candidates race as one; the diagnostics refuse logs where they matter.
        result = place_probabilities(np.concatenate([first, outside[:, None]], axis=1), self.rewards.shape[1])
        return np.asarray(result[:, :, :-1] * self.shown[:, :, None])

    def at_slate(self, values: np.ndarray) -> np.ndarray:
        """Of values (N, K, C) those of the shown items, (N, K); 0 in the padding."""
        taken = np.take_along_axis(values, np.maximum(self.slate, 0)[:, :, None], axis=2)[:, :, 0]
        return np.where(self.shown, taken, 0.0)


def assemble(
    rows: Sequence[LoggedSlate], target: TargetProbabilities, cluster: Cluster, features: np.ndarray | None
) -> Samples:
    """Samples from a log's rows, none of them empty, and the target's probabilities at them."""
    k = max(len(row.slate) for row in rows)
    count = max(len(row.candidates) for row in rows)
    rewards = np.zeros((len(rows), k))
    logged = np.ones((len(rows), k))
    first = np.zeros((len(rows), count))
    names: dict[str, int] = {}
    items = np.full((len(rows), count), -1, dtype=np.int64)
    for n, row in enumerate(rows):
        rewards[n, : len(row.slate)] = row.rewards
        logged[n, : len(row.slate)] = row.propensities
        items[n, : len(row.candidates)] = [names.setdefault(item, len(names)) for item in row.candidates]
        if row.candidate_propensities is not None:
            first[n, : len(row.candidates)] = row.candidate_propensities
    slate = slate_places(rows)
    groups = {"conversation": [r.conversation for r in rows], "row": [r.id for r in rows]}
    groups["user"] = [r.conversation if r.user is None else r.user for r in rows]
    return Samples(
        rewards=rewards,
        shown=slate >= 0,
        slate=slate,
        logged=logged,
        logged_first=None if any(row.candidate_propensities is None for row in rows) else first,
        items=items,
        clusters=np.unique(groups[cluster], return_inverse=True)[1],
        features=features,
        target=target,
    )


def slate_places(rows: Sequence[LoggedSlate]) -> np.ndarray:
    """Where each slate's items stand among its candidates, (N, K) int64, -1 in the padding."""
    result = np.full((len(rows), max(len(row.slate) for row in rows)), -1, dtype=np.int64)
    for n, row in enumerate(rows):
        place = {item: c for c, item in enumerate(row.candidates)}
        result[n, : len(row.slate)] = [place[item] for item in row.slate]
    return result
