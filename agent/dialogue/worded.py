"""Wishes in words: which items a slate begins with, and which it leaves out, where no facet decides a wish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from agent.catalogue.word_index import is_mood, naming, refuses
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
    if catalogue.domain.answers or refuses(hint) or is_mood(hint, catalogue):
        return frozenset()
    near = [] if semantic is None else np.flatnonzero(semantic.likeness(hint) >= NEAR).tolist()
    return frozenset(item for item in {*naming(hint, catalogue), *near} if allowed[item])


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
    allowed: np.ndarray,
    by_hint: Mapping[str, frozenset[int]],
    count: int,
    catalogue: Catalogue,
) -> tuple[Part, ...]:
    """What the slate is made of: so many of each kind that was counted; else first what names the wishes in words."""
    if dialogue.shares:
        kinds = [(n, catalogue.meets(Condition(facet, "is", names))) for n, facet, names in dialogue.shares]
        return tuple(Part(n, frozenset(np.flatnonzero(allowed & mask).tolist())) for n, mask in kinds)
    if not by_hint:
        return ()
    most = frozenset.intersection(*by_hint.values()) or frozenset.union(*by_hint.values())
    rest = frozenset(np.flatnonzero(allowed).tolist())
    # Beside one or two that name what is wanted, others are shown only where more is known of what they should be.
    fill = len(most) < LEAST_SHOWN and (dialogue.conditions or dialogue.like or len(by_hint) < len(dialogue.hints))
    return (Part(count, most), Part(count, rest)) if fill else (Part(count, most),)
