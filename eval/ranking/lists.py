"""Ranked lists: what a policy put first for each case, as rows that all figures can be worked out from again."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from eval.ranking.cases import Cases, CaseScorer

DEPTH = 20
"""So many places are kept; besides, every relevant item is, wherever it stands."""

COLUMNS = ("case", "rank", "item", "score", "relevant", "rating")
Lists = pd.DataFrame
"""Rows of case (from 0), rank (from 1), item (catalogue index), score, relevant and rating (stars, NaN where unknown),
by case and rank. A case's relevant items are all there, so their number is known; the list is whole up to DEPTH."""


def rank(cases: Cases, scores: Sequence[np.ndarray], first: int = 0) -> Lists:
    """The lists that scores make of cases. Equal scores stand in the order of a hash of user and item.

    ``first``: the number of the first case.

    Raises:
        ValueError: another number of scores than candidates, or one that is not a number.
    """
    parts = []
    if len(scores) != len(cases):
        raise ValueError(f"{len(scores)} lists of scores for {len(cases)} cases: give one a case")
    for row, (own, items, right) in enumerate(zip(scores, cases.candidates, cases.relevant, strict=True)):
        own = np.asarray(own, dtype=np.float64)
        if own.shape != items.shape or np.isnan(own).any():
            raise ValueError(
                f"case {first + row}: {own.shape} scores for {items.shape} candidates, or NaN: fix the scorer"
            )
        order = np.lexsort((_shuffled(items, cases.users[row]), -own))
        relevant = np.isin(items, right)[order]
        kept = np.flatnonzero((np.arange(len(order)) < DEPTH) | relevant)
        chosen = order[kept]
        stars = np.full(len(kept), np.nan) if cases.ratings is None else cases.ratings[row][chosen]
        parts.append((np.full(len(kept), first + row), kept + 1, items[chosen], own[chosen], relevant[kept], stars))
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def rank_all(
    cases: Cases,
    scorers: Mapping[str, CaseScorer],
    report: Callable[[int], None] = lambda done: None,
    batch: int = 64,
) -> dict[str, Lists]:
    """The lists of several scorers, ``batch`` cases of all of them at a time; ``report`` is told the cases done.

    Raises:
        ValueError: there are no cases, or a scorer answered wrongly (the message names it).
    """
    if not len(cases):
        raise ValueError("no cases to rank")
    found: dict[str, list[Lists]] = {name: [] for name in scorers}
    for start in range(0, len(cases), batch):
        part = cases.take(range(start, min(start + batch, len(cases))))
        for name, scorer in scorers.items():
            scores = scorer(part)
            try:
                found[name].append(rank(part, scores, start))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        report(min(start + batch, len(cases)))
    return {name: pd.concat(own, ignore_index=True) for name, own in found.items()}


def dump(lists: Lists, cases: Cases, policy: str, item_ids: np.ndarray) -> pd.DataFrame:
    """The lists with names: protocol, set, policy, case, user, rank, item (its id), score, relevant, rating."""
    case = lists["case"].to_numpy()
    return pd.DataFrame(
        {
            "protocol": cases.protocol,
            "set": cases.about,
            "policy": policy,
            "case": case,
            "user": np.asarray(cases.users)[case],
            "rank": lists["rank"].to_numpy(),
            "item": np.asarray(item_ids)[lists["item"].to_numpy()],
            "score": lists["score"].to_numpy(),
            "relevant": lists["relevant"].to_numpy(),
            "rating": lists["rating"].to_numpy(),
        }
    )


def _shuffled(items: np.ndarray, user: str) -> np.ndarray:
    """A pseudo-random number an item, other for every user, the same on every machine (the mixer of SplitMix64)."""
    start = zlib.crc32(user.encode()) * 0x9E3779B97F4A7C15 % 2**64
    mixed = items.astype(np.uint64) + np.array([start], dtype=np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
