"""Wishes in words: what a slate is made of, and what it leaves out, where no facet decides a wish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from agent.catalogue.word_index import ENOUGH, is_mood, naming, refuses, tells_story, told_by, told_of
from agent.dialogue.set_aside import least_liked
from agent.dialogue.slate import LEAST_SHOWN, Part
from agent.domains.domain import POPULARITY, RATING
from agent.records.conditions import Condition, Conditions
from agent.records.state import State

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.dialogue.state import DialogueState
    from agent.policy.distribution import Policy

NEAR = 8.0
"""A wish in words is met by items that are so many standard deviations nearer to its meaning than the mean."""

KNOWN_SHARE = 0.8
"""Where nothing at all is known of what is wanted, the least known items, up to this share, are left out."""


def well_liked(state: State, catalogue: Catalogue) -> Conditions:
    """The conditions of somebody of whom nothing is known: what many people had, and liked at least as much as most."""
    counts, means = catalogue.rating_count, catalogue.mean_rating
    least = int(np.quantile(counts, KNOWN_SHARE))
    found = [Condition(POPULARITY, "at_least", least, "prefer")]
    if catalogue.rated and (counts >= least).any():
        found.append(Condition(RATING, "at_least", float(np.nanmedian(means[counts >= least])), "prefer"))
    return (*state.conditions, *found)


def named(hint: str, allowed: np.ndarray, policy: Policy, catalogue: Catalogue) -> frozenset[int]:
    """The allowed items that name what a wish in words asks for, or that have tags of nearly that meaning."""
    semantic = policy.semantic
    silent = not told_by(hint, hint, catalogue) or tells_story(hint)
    if catalogue.domain.answers or refuses(hint) or silent or is_mood(hint, catalogue):
        return frozenset()
    told = told_of(hint, catalogue)
    near: list[int] = []
    if semantic is not None and (told or len(hint.split()) > 1):  # one word alone is near to its opposite as well
        near = np.flatnonzero(semantic.likeness(hint) >= NEAR).tolist()
    found = {*naming(hint, catalogue), *near}
    # A few that only sound or are called so do not stand for "warm and gentle": all is then ranked by what it means.
    return frozenset(item for item in found if allowed[item]) if told or len(found) >= ENOUGH else frozenset()


def refused_words(state: State, left_out: frozenset[int], catalogue: Catalogue) -> list[tuple[str, frozenset[int]]]:
    """What is not wanted in words that no facet decides, with the items that name it, where others remain."""
    found = []
    allowed = catalogue.mask(state.conditions, {*left_out, *state.excluded})
    for hint in state.hints:
        if not refuses(hint) or is_mood(hint, catalogue):
            continue
        items = naming(hint, catalogue)
        rest = allowed.copy()
        rest[list(items)] = False
        if items and rest.any():
            allowed = rest
            found.append((hint, items))
    return found


def parts(
    dialogue: DialogueState,
    state: State,
    allowed: np.ndarray,
    by_hint: Mapping[str, frozenset[int]],
    count: int,
    catalogue: Catalogue,
) -> tuple[Part, ...]:
    """What the slate is made of: so many of each kind that was counted; else first what names the wishes in words.

    What names them is shown alone, be it few, unless more were asked for or it is a single one beside other wishes.
    """
    if dialogue.shares:
        kinds = [(n, catalogue.meets(Condition(facet, "is", names))) for n, facet, names in dialogue.shares]
        return tuple(Part(n, frozenset(np.flatnonzero(allowed & mask).tolist())) for n, mask in kinds)
    if dialogue.tastes:
        return _for_each(dialogue, state, allowed, count, catalogue)
    if not by_hint:
        return ()
    most = frozenset.intersection(*by_hint.values()) or frozenset.union(*by_hint.values())
    named = np.zeros_like(allowed)
    named[list(most)] = True
    most -= least_liked(state, named, min(LEAST_SHOWN, count), catalogue)
    rest = frozenset(np.flatnonzero(allowed).tolist()) - least_liked(state, allowed, count, catalogue)
    if dialogue.count is not None and len(most) < dialogue.count:
        return Part(count, most), Part(count - len(most), rest)
    if len(most) == 1 and (dialogue.conditions or dialogue.like or len(by_hint) < len(state.hints)):
        return Part(1, most), Part(min(count, LEAST_SHOWN) - 1, rest)
    return (Part(count, most),)


def tastes(dialogue: DialogueState, catalogue: Catalogue) -> dict[str, np.ndarray]:
    """Who wants what: person -> the items that are to their taste, (n_items,) bool."""
    found: dict[str, np.ndarray] = {}
    for who, facet, names in dialogue.tastes:
        meets = catalogue.mask([Condition(facet, "is", (name,)) for name in names])
        found[who] = meets | found.get(who, np.zeros_like(meets))
    return found


def _for_each(
    dialogue: DialogueState, state: State, allowed: np.ndarray, count: int, catalogue: Catalogue
) -> tuple[Part, ...]:
    """What is to everybody's taste; where there is little of it, then as many for each person."""
    masks = list(tastes(dialogue, catalogue).values())
    allowed = allowed.copy()
    allowed[list(least_liked(state, allowed, count, catalogue))] = False
    for_all = allowed & np.logical_and.reduce(masks)
    whole = Part(count, frozenset(np.flatnonzero(for_all).tolist()))
    if len(whole.items) >= min(LEAST_SHOWN, count):
        return (whole,)
    left = count - len(whole.items)
    shares = [left // len(masks) + (place < left % len(masks)) for place in range(len(masks))]
    single = [frozenset(np.flatnonzero(allowed & mask & ~for_all).tolist()) for mask in masks]
    return whole, *(Part(share, items) for share, items in zip(shares, single, strict=True))
