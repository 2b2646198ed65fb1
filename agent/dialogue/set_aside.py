"""Set aside: what a slate leaves out although the conditions allow it, where enough else is left.

The least liked where a wish selects few; what is near to an example to avoid; what everybody knows where somebody wants
to be surprised. All of it counts as left out, so that what is logged is what was chosen from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

from agent.catalogue.columns import NamesColumn
from agent.domains.domain import POPULARITY, RATING
from agent.records.answer import Answer
from agent.records.conditions import wanted
from agent.records.state import State
from agent.text import flat

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.policy.distribution import Policy

Mask = npt.NDArray[np.bool_]

SMOOTHING = 3.0
"""A mean grade counts as if so many more people had given the mean of all grades.

On MovieLens latest-small, means of one half of the people so smoothed predict those of the other half best: RMSE .391
weighted by ratings and .669 by items, against .477 and .843 without and .394 and .678 with 5."""

LEAST_LIKED = 1 / 3
"""This share of the items, those with the lowest smoothed means, is set aside; and those whose mean is more that of all
than their own, since fewer people than ``SMOOTHING`` gave it (what nobody graded yet is new, and stays)."""

NEAREST = 0.5
"""This share of what is allowed, the nearest to an example to avoid, is set aside."""

KNOWN, WELL_LIKED = 0.95, 0.9
"""A surprise is not among the best known twentieth, and in the best liked tenth of the others ..."""

SOME = 10
"""... of those that at least so many people know."""


def smoothed_means(catalogue: Catalogue) -> npt.NDArray[np.float64]:
    """Mean grades, smoothed, (n_items,); the mean of all grades where an item has none; NaN where nothing is graded."""
    counts, means = catalogue.rating_count, catalogue.mean_rating
    known = np.isfinite(means)
    sums = np.where(known, means, 0.0) * counts
    total = counts[known].sum()
    overall = sums.sum() / total if total else np.nan
    return np.asarray((sums + SMOOTHING * overall) / (np.where(known, counts, 0) + SMOOTHING))


def least_liked(state: State, allowed: Mask, count: int, catalogue: Catalogue) -> frozenset[int]:
    """What is liked least, where a wish selects items, or nothing else is known of somebody than what they said.

    A wish that says how liked items should be decides that; one for the little known is for the best liked of them.
    """
    asked = {own.facet for own in state.conditions}
    selects = state.conditions or state.hints or state.like or state.spoken is not None
    if not (catalogue.rated and selects) or RATING in asked:
        return frozenset()
    means = smoothed_means(catalogue)
    unliked = means < np.quantile(means, 1.0 - LEAST_LIKED if POPULARITY in asked else LEAST_LIKED)
    unsure = (catalogue.rating_count > 0) & (catalogue.rating_count < SMOOTHING)
    if POPULARITY in asked:
        return _enough(allowed & unliked, allowed, count)
    return _enough(allowed & (unliked | unsure), allowed, count) or _enough(allowed & unliked, allowed, count)


def near_avoided(
    avoided: Iterable[int], liked: Iterable[int], allowed: Mask, count: int, policy: Policy, catalogue: Catalogue
) -> frozenset[int]:
    """What is nearer to an example to avoid than most that is allowed, and not nearer to something liked."""
    chosen = allowed.copy()
    liking = [likeness(item, policy, catalogue) for item in liked]
    near_liked = np.max(liking, axis=0) if liking else np.full(len(catalogue), -1.0)
    for item in avoided:
        near = likeness(item, policy, catalogue)
        if not chosen.any():
            break
        bound = np.quantile(near[chosen], 1.0 - NEAREST)
        chosen &= ~((near > bound) & (near >= near_liked))
        chosen[int(np.argmax(np.where(allowed, near, -1.0)))] = False
    return _enough(allowed & ~chosen, allowed, count)


def likeness(item: int, policy: Policy, catalogue: Catalogue) -> npt.NDArray[np.float64]:
    """How near all items are to one, (n_items,) from 0 to 4: by their kinds, other names, texts and titles, alike."""
    kinds, others = (
        [_cosine(own, item) for own in _names(catalogue) if own.facet.primary is primary and own.matrix[item].nnz]
        for primary in (True, False)
    )
    near = np.sum([np.mean(own, axis=0) for own in (kinds, others) if own] or [np.zeros(len(catalogue))], axis=0)
    if policy.semantic is not None:
        near = near + np.clip(policy.semantic.items @ policy.semantic.items[item], 0.0, None)
    series = [_series(title) for title in catalogue.flat_titles]
    same = np.array([own == series[item] for own in series])
    near = np.asarray(near + same, dtype=np.float64)
    near[item] = 0.0
    return near


def _names(catalogue: Catalogue) -> list[NamesColumn]:
    columns = (catalogue.column(name) for name in catalogue.facets)
    return [own for own in columns if isinstance(own, NamesColumn) and len(own.values)]


def _cosine(column: NamesColumn, item: int) -> npt.NDArray[np.float64]:
    """How near all items are to one by the names of a facet, each weighed by how few items have it."""
    rare = np.log(column.matrix.shape[0] / np.maximum(column.counts, 1)) + 1e-6
    matrix = sparse.csr_matrix(column.matrix @ sparse.diags(rare))
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1))).ravel()
    own = np.asarray((matrix @ matrix[item].T).todense()).ravel()
    scale = lengths * lengths[item]
    return np.asarray(np.divide(own, scale, out=np.zeros(len(own)), where=scale > 0))


def _series(flat_title: str) -> str:
    return re.split(r":| \d+$| [ivx]+$| part ", flat_title)[0].strip()


def surprises(request: str, catalogue: Catalogue) -> bool:
    """Whether a wish is to be surprised."""
    said = flat(request)
    return any(re.search(rf"\b(?:{expression})\b", said) for expression in catalogue.domain.surprise)


def kinds_of(answer: Answer | None) -> frozenset[str]:
    """The kinds that most items of a slate are of."""
    items = () if answer is None else answer.items
    kinds = [kind for item in items for kind in item.categories]
    return frozenset(kind for kind in kinds if 2 * kinds.count(kind) > len(items))


def unsurprising(
    state: State, allowed: Mask, kinds: Iterable[str], count: int, catalogue: Catalogue
) -> tuple[frozenset[int], frozenset[str]]:
    """What is well known, or not well liked, or of the ``kinds`` of before unless they are asked for.

    Returns:
        The items, and those of the kinds that are left out.
    """
    counts = catalogue.rating_count
    dull = counts > np.quantile(counts, KNOWN)
    if catalogue.rated:
        means = smoothed_means(catalogue)
        fair = ~dull & (counts >= SOME)
        dull |= ~fair | (means < np.quantile(means[fair], WELL_LIKED) if fair.any() else False)
    primary = catalogue.primary
    asked = {name for own in wanted(state.conditions, primary.facet.name) for name in own} if primary else set()
    other = frozenset(kinds) - asked
    same = primary.having(other) if primary is not None else np.zeros(len(catalogue), dtype=np.bool_)
    both = _enough(allowed & (dull | same), allowed, count)
    return (both, other) if both else (_enough(allowed & dull, allowed, count), frozenset())


def _enough(items: Mask, allowed: Mask, count: int) -> frozenset[int]:
    """The items, unless fewer than ``count`` others are allowed."""
    return frozenset(np.flatnonzero(items).tolist()) if (allowed & ~items).sum() >= count else frozenset()
