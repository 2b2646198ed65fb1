"""Splits: which ratings are the past, and what has to be foreseen.

All functions take ratings with catalogue indices (see :func:`agent.data.interactions.indexed_ratings`). Time order is
by timestamp within a user; ties keep the order of the rows, so a split is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agent.data.interactions import in_time_order, user_histories
from agent.records.state import Event

LEAST, MOST = 10, 20
"""Items of a slate."""


@dataclass(frozen=True, slots=True)
class Slate:
    """Items of known rating that a user met next: ``ratings[i]`` is what the user gave ``items[i]``, in stars.

    ``history`` is the user's past, oldest first; ``items`` are catalogue indices in the order they were rated.
    """

    user: str
    history: tuple[Event, ...]
    items: tuple[int, ...]
    ratings: tuple[float, ...]

    def clicks(self, threshold: float = 4.0) -> tuple[bool, ...]:
        """Which items count as clicked: rated at least ``threshold`` stars."""
        return tuple(rating >= threshold for rating in self.ratings)


@dataclass(frozen=True)
class LeaveOneOut:
    """``train`` holds all but each user's last two ratings, ``valid`` the second to last, ``test`` the last."""

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class PastAndFuture:
    """Each user's ratings cut at one point in time."""

    past: pd.DataFrame
    future: pd.DataFrame


def leave_one_out(ratings: pd.DataFrame) -> LeaveOneOut:
    """Hold out each user's last rating for testing and the one before for validation.

    Users with fewer than three ratings stay in ``train`` whole. Every user has at most one row in ``valid`` and in
    ``test``.
    """
    ordered = in_time_order(ratings)
    from_end = ordered.groupby("user", sort=False).cumcount(ascending=False).to_numpy()
    size = ordered.groupby("user", sort=False)["item"].transform("size").to_numpy()
    held = size >= 3
    test, valid = held & (from_end == 0), held & (from_end == 1)
    parts = (ordered[~(test | valid)], ordered[valid], ordered[test])
    train, valid_part, test_part = (part.reset_index(drop=True) for part in parts)
    return LeaveOneOut(train, valid_part, test_part)


def past_and_future(ratings: pd.DataFrame, share: float = 0.8) -> PastAndFuture:
    """Cut every user's ratings in time: the first ``floor(share * n)`` are the past.

    Raises:
        ValueError: ``share`` is not between 0 and 1.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"share {share} is out of range: give the part that is the past, between 0 and 1")
    ordered = in_time_order(ratings)
    place = ordered.groupby("user", sort=False).cumcount().to_numpy()
    size = ordered.groupby("user", sort=False)["item"].transform("size").to_numpy()
    # The small number keeps 0.8 * 5 at 4 whatever the rounding of the product.
    past = place < np.floor(size * share + 1e-9)
    return PastAndFuture(ordered[past].reset_index(drop=True), ordered[~past].reset_index(drop=True))


def held_out_users(users: Sequence[str], share: float = 0.1, seed: int = 0) -> frozenset[str]:
    """Users whom nothing is fitted on: ``share`` of them, at least one, drawn by the seed from their sorted names.

    Raises:
        ValueError: ``share`` is not between 0 and 1, or nobody would be left.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"share {share} is out of range: give the part that is held out, between 0 and 1")
    names = sorted(set(users))
    count = max(1, round(share * len(names)))
    if count >= len(names):
        raise ValueError(f"{count} of {len(names)} users held out: that leaves nobody to fit on")
    drawn = np.random.default_rng(seed).permutation(len(names))[:count]
    return frozenset(names[row] for row in drawn)


def rated_slates(parts: PastAndFuture) -> list[Slate]:
    """Cut each user's future, in time order, into slates of up to MOST items; a rest of fewer than LEAST is dropped.

    Every slate's history is the user's past (it does not grow from slate to slate). On MovieLens-100K with the
    default cut this gives 982 slates of 599 users.
    """
    past = user_histories(parts.past)
    future = user_histories(parts.future).items()
    return [slate for user, events in future for slate in _cut_slates(user, past.get(user, ()), events)]


def past_slates(past: pd.DataFrame, share: float = 0.6, per_user: int | None = None) -> list[Slate]:
    """Slates for training, cut from the users' past alone: after ``share`` of it, and then after each slate.

    Unlike :func:`rated_slates` the history grows: each slate's history is everything before it, so one user gives
    states of several lengths. ``per_user`` keeps that many slates of each user, spread evenly over time.

    Raises:
        ValueError: ``share`` is not between 0 and 1.
    """
    if not 0.0 <= share < 1.0:
        raise ValueError(f"share {share} is out of range: give the part before the first slate, from 0 to below 1")
    slates = []
    for user, events in user_histories(past).items():
        start = math.floor(len(events) * share + 1e-9)
        own = _cut_slates(user, events[:start], events[start:], grow=True)
        if per_user is not None and len(own) > per_user:
            kept = np.linspace(0, len(own) - 1, per_user).round().astype(int)
            own = [own[k] for k in kept]
        slates += own
    return slates


def held_out_targets(
    histories: Mapping[str, tuple[Event, ...]], held: pd.DataFrame
) -> tuple[list[tuple[Event, ...]], np.ndarray, list[str]]:
    """Pair each held-out row with its user's history.

    Returns histories, targets (catalogue indices, int64, same length) and the users.
    """
    users = [str(user) for user in held["user"]]
    return [histories.get(user, ()) for user in users], held["item"].to_numpy(np.int64), users


def _cut_slates(user: str, past: tuple[Event, ...], events: tuple[Event, ...], grow: bool = False) -> list[Slate]:
    """Slates of ``events``, in order; the history is ``past`` and, where it may ``grow``, all that came before."""
    slates = []
    for start in range(0, len(events), MOST):
        chunk = [event for event in events[start : start + MOST] if event.rating is not None]
        if len(chunk) >= LEAST:
            items, ratings = zip(*((event.item, float(event.rating or 0.0)) for event in chunk), strict=True)
            slates.append(Slate(user, past + events[:start] if grow else past, items, ratings))
    return slates
