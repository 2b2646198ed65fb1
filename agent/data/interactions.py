"""Interactions: events with catalogue indices, and the histories they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from agent.records.state import Event

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

COLUMNS = ("user", "item", "rating", "timestamp")


def indexed_ratings(dataset: Dataset) -> pd.DataFrame:
    """The data set's ratings with ``item`` as catalogue index (int64), in the data set's order.

    Raises:
        ValueError: a rated item is not in the catalogue (the message names it).
    """
    index = pd.Series(np.arange(len(dataset.items)), index=dataset.items["item"].to_numpy())
    item = dataset.ratings["item"].map(index)
    if item.isna().any():
        missing = dataset.ratings["item"][item.isna()].iloc[0]
        raise ValueError(f"item {missing!r} is rated but not in the catalogue of {dataset.name!r}: add it to the items")
    return dataset.ratings[list(COLUMNS)].assign(item=item.astype(np.int64)).reset_index(drop=True)


def in_time_order(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings sorted by time within each user; users keep their order of first appearance.

    Ties in time, and rows without one, keep the order of the rows.
    """
    first = pd.Series(pd.factorize(ratings["user"])[0], index=ratings.index, name="first")
    order = np.lexsort((ratings["timestamp"].to_numpy(), first.to_numpy()))
    return ratings.iloc[order].reset_index(drop=True)


def user_histories(ratings: pd.DataFrame) -> dict[str, tuple[Event, ...]]:
    """Each user's events, oldest first, from ratings with catalogue indices; a missing grade or time is None."""
    ordered = in_time_order(ratings)
    grades, times = (ordered[own].astype(object).where(ordered[own].notna(), None) for own in ("rating", "timestamp"))
    events = [
        Event(item, grade, time)
        for item, grade, time in zip(ordered["item"].tolist(), grades.tolist(), times.tolist(), strict=True)
    ]
    histories: dict[str, tuple[Event, ...]] = {}
    start = 0
    for user, count in ordered.groupby("user", sort=False).size().items():
        histories[str(user)] = tuple(events[start : start + count])
        start += count
    return histories


def item_sequences(histories: Mapping[str, Sequence[Event]]) -> list[np.ndarray]:
    """Each user's catalogue indices (int64), oldest first, in the mapping's order."""
    return [np.fromiter((event.item for event in history), dtype=np.int64) for history in histories.values()]


def rating_matrix(ratings: pd.DataFrame, n_items: int) -> sparse.csr_matrix:
    """Grades by (user in order of first appearance, item as catalogue index), float64; events without one are left out.

    Of several grades by one user for one item the last counts.
    """
    graded = ratings[ratings["rating"].notna()]
    rows, users = pd.factorize(graded["user"])
    return _last(rows, graded["item"].to_numpy(np.int64), graded["rating"].to_numpy(np.float64), (len(users), n_items))


def event_matrix(ratings: pd.DataFrame, n_items: int) -> sparse.csr_matrix:
    """Ones where a user (in order of first appearance) had an item (as catalogue index), float64."""
    rows, users = pd.factorize(ratings["user"])
    matrix = _last(rows, ratings["item"].to_numpy(np.int64), np.ones(len(rows)), (len(users), n_items))
    return matrix


def _last(rows: np.ndarray, items: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """A sparse matrix in which the last of several values at one place counts."""
    place = rows.astype(np.int64) * shape[1] + items
    _, first = np.unique(place[::-1], return_index=True)
    kept = len(place) - 1 - first
    return sparse.csr_matrix((values[kept], (rows[kept], items[kept])), shape=shape, dtype=np.float64)


def check_items(histories: Sequence[Sequence[int]], n_items: int) -> None:
    """Raise an IndexError that names the first item outside a catalogue of ``n_items``."""
    for history in histories:
        for item in history:
            if not 0 <= item < n_items:
                raise IndexError(
                    f"item index {item} is outside the catalogue of {n_items}: map item ids to row numbers"
                )


def user_folds(users: Sequence[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """The users dealt into ``count`` groups whose sizes differ by one at most, each in the given order.

    Raises:
        ValueError: ``count`` is not between 2 and the number of users.
    """
    if not 2 <= count <= len(users):
        raise ValueError(f"{count} folds of {len(users)} users: give at least 2 and no more folds than users")
    fold = np.random.default_rng(seed).permutation(len(users)) % count
    return [tuple(user for user, own in zip(users, fold, strict=True) if own == k) for k in range(count)]
