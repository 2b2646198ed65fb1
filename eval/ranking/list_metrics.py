"""List metrics: figures of ranked lists, case by case and over all of them.

Relevance is yes or no. With R relevant items of which hits(k) stand among the first k of a list of n items:

- ``precision@k`` = hits(k) / min(k, n); ``recall@k`` = hits(k) / R; ``f1@k`` their harmonic mean; ``hr@k`` = 1 where
  hits(k) > 0;
- ``ndcg@k``: gains 1 / log2(rank + 1), over those of the best order (Järvelin and Kekäläinen, 2002);
- ``mrr`` = 1 / rank of the first relevant item, in the whole ranking; ``mrr@k``: 0 where that is below place k;
- ``map@k``: the precision at each relevant item among the first k, summed, over min(R, k, n) (Manning et al., 2008,
  chapter 8, cut at k);
- ``novelty@k``: mean of -log2(share of users who rated the item) (Vargas and Castells, 2011); an item that nobody
  rated counts as rated once;
- ``diversity@k``: mean over pairs of 1 - cosine of their categories (Smyth and McClave, 2001; Ziegler et al., 2005);
- ``popularity@k``: mean number of ratings of the items (average recommendation popularity: Abdollahpouri et al., 2019);
- ``coverage@k``: share of the catalogue that anybody is recommended; ``gini@k``: how unequally often items are
  recommended, 0 = all alike, towards 1 = always the same few.

All but precision are undefined (NaN) for a case in which nothing is relevant. LensKit's figures are the same, except
that its recall divides by min(R, k).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eval.ranking.cases import Cases
from eval.ranking.lists import DEPTH, Lists

CUTOFFS = (1, 5, 10, 20)


@dataclass(frozen=True)
class ItemTraits:
    """What of the items the figures beyond accuracy need.

    ``count`` (n_items,) is the number of ratings in the past of ``users`` people; ``categories`` (n_items, categories)
    bool.
    """

    count: np.ndarray
    users: int
    categories: np.ndarray

    @classmethod
    def of(cls, past: pd.DataFrame, categories: np.ndarray) -> ItemTraits:
        """From ratings with catalogue indices and the catalogue's category matrix."""
        return cls(np.bincount(past["item"], minlength=len(categories)), int(past["user"].nunique()), categories)


def accuracy(lists: Lists, n_cases: int) -> dict[str, np.ndarray]:
    """Each metric at each of CUTOFFS, and ``mrr``, case by case: (n_cases,) each."""
    case, place = lists["case"].to_numpy(), lists["rank"].to_numpy().astype(np.float64)
    right = lists["relevant"].to_numpy(dtype=bool)
    length = np.bincount(case[place <= DEPTH], minlength=n_cases)
    own, ranks = case[right], place[right]
    count = np.bincount(own, minlength=n_cases).astype(np.float64)
    # Which of its case's relevant items each one is, from 1: rows are by case and rank.
    number = np.arange(len(own)) - np.searchsorted(own, own) + 1
    known = np.where(count > 0, 1.0, np.nan)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, DEPTH + 2)))])
    best = np.full(n_cases, np.inf)
    np.minimum.at(best, own, ranks)
    metrics: dict[str, np.ndarray] = {"mrr": known / best}
    for k in CUTOFFS:
        among = ranks <= k
        hits = np.bincount(own[among], minlength=n_cases)
        reach = np.minimum(length, k)
        gained = np.bincount(own[among], weights=1.0 / np.log2(ranks[among] + 1.0), minlength=n_cases)
        summed = np.bincount(own[among], weights=number[among] / ranks[among], minlength=n_cases)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = hits / reach, hits / count
            metrics[f"precision@{k}"] = precision
            metrics[f"recall@{k}"] = recall
            metrics[f"f1@{k}"] = np.where(hits > 0, 2 * precision * recall / (precision + recall), 0.0 * known)
            metrics[f"hr@{k}"] = (hits > 0) * known
            metrics[f"ndcg@{k}"] = gained / ideal[np.minimum(count, k).astype(np.int64)]
            metrics[f"mrr@{k}"] = np.where(best <= k, 1.0 / best, 0.0) * known
            metrics[f"map@{k}"] = summed / np.minimum(count, reach)
    return metrics


def beyond_accuracy(lists: Lists, n_cases: int, traits: ItemTraits, k: int = 10) -> dict[str, np.ndarray]:
    """Novelty, popularity and, where items have categories and the list two items, diversity at k: (n_cases,) each."""
    top = lists[lists["rank"] <= k]
    case, item = top["case"].to_numpy(), top["item"].to_numpy()
    length = np.bincount(case, minlength=n_cases)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(case, weights=values, minlength=n_cases) / length)

    surprise = -np.log2(np.maximum(traits.count, 1) / traits.users)
    figures = {f"novelty@{k}": mean(surprise[item]), f"popularity@{k}": mean(traits.count[item].astype(np.float64))}
    if traits.categories.any():
        norm = np.sqrt(traits.categories.sum(axis=1))
        unit = traits.categories / np.maximum(norm, 1.0)[:, None]
        total = np.zeros((n_cases, unit.shape[1]))
        np.add.at(total, case, unit[item])
        itself = np.bincount(case, weights=(norm[item] > 0).astype(np.float64), minlength=n_cases)
        pairs = length * (length - 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            # The sum of all cosines is the squared length of the summed unit vectors.
            likeness = ((total**2).sum(axis=1) - itself) / pairs
        figures[f"diversity@{k}"] = np.where(pairs > 0, 1.0 - likeness, np.nan)
    return figures


def spread(lists: Lists, n_items: int, k: int = 10) -> dict[str, float]:
    """Coverage and Gini coefficient of the recommended items over the whole catalogue; they belong to no case."""
    shown = np.bincount(lists["item"][lists["rank"] <= k], minlength=n_items)
    ordered = np.sort(shown)
    weight = 2.0 * np.arange(1, n_items + 1) - n_items - 1
    gini = float((weight * ordered).sum() / (n_items * ordered.sum()))
    return {f"coverage@{k}": float((shown > 0).mean()), f"gini@{k}": gini}


def first_choice(lists: Lists, n_cases: int) -> dict[str, np.ndarray]:
    """``click_rate`` and ``stars`` of the highest score, the mean over those that share it: (n_cases,) each.

    For lists that hold all candidates, with ratings.
    """
    case, score = lists["case"].to_numpy(), lists["score"].to_numpy()
    highest = np.full(n_cases, -np.inf)
    np.maximum.at(highest, case, score)
    top = lists[score == highest[case]]
    count = np.bincount(top["case"], minlength=n_cases)
    relevant, stars = top["relevant"].to_numpy(np.float64), top["rating"].to_numpy()
    return {
        "click_rate": np.bincount(top["case"], weights=relevant, minlength=n_cases) / count,
        "stars": np.bincount(top["case"], weights=stars, minlength=n_cases) / count,
    }


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
