"""Choice: from a state to the films that are shown, each with its chance and its reason."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.explanation.attribution import attribute, gather, reason
from agent.policy.distribution import Policy, Ranking
from agent.records.answer import Recommendation
from agent.records.constraints import Constraints
from agent.records.state import State

if TYPE_CHECKING:
    from prompts import Template

CANDIDATES = 100
"""The slate is chosen among so many items: those the policy finds most probable of all that the constraints allow."""

EXPLORATION = 0.25
"""Factor on the temperature when slates are drawn: low enough to show good films, high enough to learn from."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, the distribution that it was drawn from, and how many seconds each step took.

    ``full`` is the policy's distribution over all that was allowed.
    """

    items: tuple[Recommendation, ...]
    ranking: Ranking
    full: Ranking
    seconds: dict[str, float]


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
    asked: Constraints | None = None,
) -> Choice:
    """Choose ``k`` films for a state among those that its constraints allow and that are not in ``left_out``.

    With ``rng`` the slate is drawn (Plackett-Luce), else the most probable items are taken. Fewer than ``k`` come back
    where fewer are allowed. ``explanation`` is the edited template that words the reasons, if one serves;
    ``asked`` is what the person asked for, where ``state`` holds relaxed constraints.
    """
    start = time.perf_counter()
    allowed = np.flatnonzero(catalogue.mask(state.constraints, left_out=left_out))
    full = policy.rank(state, allowed)
    ranking = shortlist(full)
    shown_by = ranking if rng is None else replace(ranking, temperature=policy.temperature * EXPLORATION)
    slate = shown_by.slate(k, rng)
    ranked = time.perf_counter()
    attribution = attribute(policy, state, ranking, slate.items)
    probability = dict(zip(ranking.candidates.tolist(), ranking.probabilities.tolist(), strict=True))
    wish = state if asked is None else replace(state, **asked.parts())
    items = []
    for place, (index, propensity) in enumerate(zip(slate.items, slate.propensities, strict=True)):
        item = catalogue[index]
        facts = gather(wish, item, catalogue, attribution)
        items.append(
            Recommendation(
                item_id=item.item_id,
                title=item.title,
                year=item.year,
                categories=item.categories,
                score=probability[index],
                propensity=propensity,
                reason=reason(item, facts, catalogue, explanation, place),
                evidence=facts,
            )
        )
    explained = time.perf_counter()
    return Choice(tuple(items), shown_by, full, {"ranking": ranked - start, "explanation": explained - ranked})
