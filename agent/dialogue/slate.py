"""Slate: from a state to the items that are shown, each with its chance, its strength and its reason."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.explanation.attribution import attribute, gather
from agent.explanation.reasons import reasons
from agent.policy.distribution import Policy, Ranking
from agent.records.answer import Recommendation
from agent.records.state import State

if TYPE_CHECKING:
    from prompts import Template

CANDIDATES = 100
"""The slate is chosen among so many items: those the policy finds most probable of all that the conditions allow."""

EXPLORATION = 0.05
"""Factor on the temperature when slates are drawn: only near-equals change places, so a list stays what it is."""

WEAK = 0.001
"""An item this far below the top of its slate (ratio of probabilities) is a poor fill, and is left out ..."""

LEAST_SHOWN = 3
"""... unless fewer than so many items would remain."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, the distribution that it was drawn from, and how many seconds each step took.

    ``full`` is the policy's distribution over all that was allowed; ``weak`` how many items were left out as a poor
    fill.
    """

    items: tuple[Recommendation, ...]
    ranking: Ranking
    full: Ranking
    seconds: dict[str, float]
    weak: int = 0


def shortlist(ranking: Ranking) -> Ranking:
    """The distribution over the ``CANDIDATES`` most probable items of one over all that are allowed."""
    best = np.sort(np.argsort(-ranking.logits, kind="stable")[:CANDIDATES])
    return Ranking(ranking.candidates[best], ranking.lm[best], ranking.evidence[best], ranking.temperature)


def choose(
    policy: Policy,
    catalogue: Catalogue,
    state: State,
    left_out: Iterable[int],
    k: int,
    rng: np.random.Generator | None = None,
    explanation: Template | None = None,
    exactly: bool = False,
    weak: float = WEAK,
    least: int = LEAST_SHOWN,
) -> Choice:
    """Choose ``k`` items for a state among those that its conditions allow and that are not in ``left_out``.

    With ``rng`` the slate is drawn (Plackett-Luce, at a low temperature), else the most probable items are taken.
    Fewer than ``k`` come back where fewer are allowed, or, unless ``exactly`` so many are wanted, fit: what is less
    than ``weak`` times as probable as the top does not, unless fewer than ``least`` would remain. ``explanation`` is
    the edited template that words the reasons, if one serves.
    """
    start = time.perf_counter()
    allowed = np.flatnonzero(catalogue.mask(state.conditions, left_out={*left_out, *state.excluded}))
    full = policy.rank(state, allowed)
    ranking = shortlist(full)
    shown_by = ranking if rng is None else replace(ranking, temperature=policy.temperature * EXPLORATION)
    slate = shown_by.slate(k, rng)
    probability = dict(zip(ranking.candidates.tolist(), ranking.probabilities.tolist(), strict=True))
    top = max((probability[index] for index in slate.items), default=1.0)
    places = list(zip(slate.items, slate.propensities, strict=True))
    kept = [own for own in places if probability[own[0]] >= weak * top]
    if exactly or len(kept) < least:
        kept = places
    ranked = time.perf_counter()
    attribution = attribute(policy, state, ranking, [index for index, _ in kept])
    facts = [gather(state, catalogue[index], catalogue, attribution) for index, _ in kept]
    sentences = reasons([catalogue[index] for index, _ in kept], facts, catalogue, explanation)
    items = []
    strength = 1.0
    for (index, propensity), own, sentence in zip(kept, facts, sentences, strict=True):
        item = catalogue[index]
        strength = min(strength, probability[index] / top)
        items.append(
            Recommendation(
                item_id=item.item_id,
                title=item.title,
                year=item.year,
                categories=item.categories,
                score=probability[index],
                propensity=propensity,
                reason=sentence,
                evidence=own,
                attributes=attributes(index, catalogue),
                raters=int(catalogue.rating_count[index]),
                strength=round(strength, 4),
            )
        )
    seconds = {"ranking": ranked - start, "explanation": time.perf_counter() - ranked}
    return Choice(tuple(items), shown_by, full, seconds, len(places) - len(kept))


def attributes(index: int, catalogue: Catalogue) -> dict[str, Any]:
    """What is known of an item, by facet, as plain data."""
    found = catalogue[index].attributes
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
