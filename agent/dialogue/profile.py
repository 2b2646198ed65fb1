"""Profile: what the agent makes of a user's taste, against everybody's, and what they want right now."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.catalogue.conditions import noun_phrase
from agent.generation.realizer import Facts, percent
from agent.records.state import POSITIVE

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.records.state import State

LEAST_LIKED = 4
"""From so many liked items on shares are worth telling; of fewer the items themselves are named."""

LEAST_SCORE = 1.0
"""A category is told from this distance to everybody's share on, in standard errors of the user's own."""

MOST_CATEGORIES = 2
MOST_ITEMS = 3


@dataclass(frozen=True, slots=True)
class Leaning:
    """How much of what a user likes is of one category, against everybody: shares in [0, 1] and how far they differ.

    ``score`` is the difference in standard errors of a share of as many items as the user likes.
    """

    category: str
    own: float
    everybody: float
    score: float


def profile(state: State, catalogue: Catalogue) -> list[Facts]:
    """What to say of a taste: categories above and below everybody's, items that show it, decades, the wish."""
    liked = liked_items(state)
    sentences: list[Facts] = []
    if len(liked) >= LEAST_LIKED:
        found = leanings(liked, catalogue)
        above = [own for own in found if own.score >= LEAST_SCORE][:MOST_CATEGORIES]
        below = [own for own in reversed(found) if own.score <= -LEAST_SCORE and own.everybody >= 0.1][:1]
        sentences += [_share("taste_category", own) for own in above]
        titles = carrying(liked, [own.category for own in above], state, catalogue)
        sentences.append({"kind": "taste_items" if above else "taste_few", "titles": titles})
        sentences += [_share("taste_less", own) for own in below]
        times = decades(liked, catalogue)
        if times:
            sentences.append({"kind": "taste_times", "times": [f"the {decade}s" for decade in times]})
    elif rated := [item for item in liked if item not in state.like]:
        sentences.append({"kind": "taste_few", "titles": [catalogue[item].title for item in rated]})
    if named := [catalogue[item].title for item in state.like]:
        sentences.append({"kind": "taste_named", "titles": named})
    disliked = [event.item for event in state.history if event.rating is not None and event.rating < 3.0]
    if disliked:
        latest = list(dict.fromkeys(disliked))[-MOST_ITEMS:]
        sentences.append({"kind": "disliked_items", "titles": [catalogue[item].title for item in latest]})
    if not sentences:
        sentences.append({"kind": "taste_unknown"})
    if state.conditions:
        sentences.append({"kind": "taste_wish", "wish": noun_phrase(state.conditions, catalogue)})
    return sentences


def liked_items(state: State) -> list[int]:
    """Catalogue indices of what the user liked: graded positive, or named as an example; latest last."""
    rated = [event.item for event in state.history if event.rating is not None and event.rating >= POSITIVE]
    return list(dict.fromkeys([*rated, *state.like]))


def leanings(liked: Sequence[int], catalogue: Catalogue) -> list[Leaning]:
    """Each category's share among ``liked`` against its share among all likes, the strongest leaning first."""
    own = catalogue.category_matrix[list(liked)].mean(axis=0)
    likes = catalogue.like_count
    everybody = likes @ catalogue.category_matrix / max(1, likes.sum())
    found = []
    for column, category in enumerate(catalogue.category_names):
        base = float(everybody[column])
        error = math.sqrt(max(base * (1 - base), 1e-9) / len(liked))
        found.append(Leaning(category, float(own[column]), base, (float(own[column]) - base) / error))
    return sorted(found, key=lambda leaning: -leaning.score)


def carrying(liked: Sequence[int], categorys: Sequence[str], state: State, catalogue: Catalogue) -> list[str]:
    """Titles of liked items that are of most of ``categorys``, the best rated and latest first."""
    grades = {event.item: event.rating or 0.0 for event in state.history}

    def key(place: int) -> tuple[int, float, int]:
        item = liked[place]
        return -len(set(categorys) & set(catalogue[item].categories)), -grades.get(item, 5.0), -place

    order = sorted(range(len(liked)), key=key)
    return [catalogue[liked[place]].title for place in order[:MOST_ITEMS]]


def decades(liked: Sequence[int], catalogue: Catalogue) -> list[int]:
    """The one or two decades that hold more than half of what is liked, the fullest first; none where none do."""
    years = catalogue.years[np.array(liked, dtype=np.int64)]
    known = Counter(int(year) // 10 * 10 for year in years if year > 0)
    chosen, held = [], 0
    for decade, count in known.most_common(2):
        chosen.append(decade)
        held += count
        if held > len(liked) / 2:
            return chosen
    return []


def _share(kind: str, leaning: Leaning) -> Facts:
    return {
        "kind": kind,
        "value": leaning.category.lower(),
        "share": percent(leaning.own),
        "rest": percent(leaning.everybody),
    }
