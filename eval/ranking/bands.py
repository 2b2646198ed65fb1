"""List bands: the figures again for people by the length of their history, and for items by their popularity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from eval.ranking.cases import Cases
from eval.ranking.list_metrics import ItemTraits, accuracy
from eval.ranking.lists import Lists

HISTORY_EDGES = (0, 10, 20, 50, 100, 200)
"""Events in the history from which a band begins."""

SHARES: Mapping[str, tuple[float, float]] = {"head": (0.0, 0.5), "middle": (0.5, 0.8), "tail": (0.8, 1.0)}
"""Items in the order of their ratings, most rated first: the head has the first half of all ratings, and so on."""


def history_bands(cases: Cases) -> Iterator[tuple[str, np.ndarray]]:
    """Each band that occurs in words, and which cases are in it, (cases,) bool."""
    length = np.array([len(state.history) for state in cases.states])
    for low, high in zip(HISTORY_EDGES, (*HISTORY_EDGES[1:], None), strict=True):
        inside = (length >= low) & (length < high if high is not None else True)
        if inside.any():
            yield (f"{low} or more" if high is None else f"{low} to {high - 1}"), inside


def item_band(traits: ItemTraits) -> np.ndarray:
    """The number of each item's band in SHARES, (n_items,). Items without ratings are in the tail."""
    order = np.argsort(-traits.count, kind="stable")
    before = np.concatenate([[0], np.cumsum(traits.count[order])[:-1]]) / max(1, traits.count.sum())
    band = np.empty(len(order), dtype=np.int64)
    band[order] = np.searchsorted([high for _, high in SHARES.values()][:-1], before, side="right")
    band[traits.count == 0] = len(SHARES) - 1
    return band


def banded(
    lists: Lists, cases: Cases, values: Mapping[str, np.ndarray], traits: ItemTraits
) -> Iterator[tuple[str, str, dict[str, np.ndarray]]]:
    """Slices as (``history`` or ``item popularity``, the band, metrics (cases,) with NaN outside of it).

    Args:
        lists: a policy's lists.
        cases: what they are of.
        values: the metrics to give by history, case by case.
        traits: of the items.

    By popularity, only the band's items count as relevant, and a case without one is left out. Metrics that are not
    made of relevance alone are left out there.
    """
    for name, inside in history_bands(cases):
        yield "history", name, {metric: np.where(inside, own, np.nan) for metric, own in values.items()}
    band = item_band(traits)[lists["item"].to_numpy()]
    for number, name in enumerate(SHARES):
        relevant = lists["relevant"].to_numpy(dtype=bool) & (band == number)
        found = accuracy(lists.assign(relevant=relevant), len(cases))
        kept = {metric: found[metric] for metric in values if metric in found and not metric.startswith("precision")}
        if relevant.any():
            yield "item popularity", name, kept
