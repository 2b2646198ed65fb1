"""Slate: from a state to the items that are shown, each with its chance, its strength and its reason."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.explanation.attribution import attribute, borne_out_by, gather
from agent.explanation.reasons import ENGLISH, Phrases, reasons
from agent.policy.distribution import Policy, Ranking
from agent.records.answer import Recommendation
from agent.records.conditions import Conditions
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
    fill; ``drawn`` whether the slate was drawn.
    """

    items: tuple[Recommendation, ...]
    ranking: Ranking
    full: Ranking
    seconds: dict[str, float]
    weak: int = 0
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a slate: at most ``count`` of these ``items`` (catalogue indices), before what follows it."""

    count: int
    items: Set[int]


def _only(ranking: Ranking, places: np.ndarray) -> Ranking:
    return Ranking(ranking.candidates[places], ranking.lm[places], ranking.evidence[places], ranking.temperature)


def shortlist(ranking: Ranking, parts: Sequence[Part] = ()) -> Ranking:
    """The distribution over the ``CANDIDATES`` most probable items of one over all, and the first ones of each part."""
    order = np.argsort(-ranking.logits, kind="stable")
    best = set(order[:CANDIDATES].tolist())
    for part in parts:
        best |= set(order[np.isin(ranking.candidates[order], list(part.items))][: part.count].tolist())
    return _only(ranking, np.sort(list(best)))


def one_edition(ranking: Ranking, works: np.ndarray) -> Ranking:
    """The ranking with one item a work, the most probable one; ``works`` is (n_items,), the work of each item."""
    order = np.argsort(-ranking.logits, kind="stable")
    _, first = np.unique(works[ranking.candidates[order]], return_index=True)
    return ranking if len(first) == len(order) else _only(ranking, np.sort(order[first]))


def _parted(ranking: Ranking, parts: Sequence[Part], k: int) -> list[int]:
    """The most probable items of each part, one part after the other, at most ``k``."""
    chosen: list[int] = []
    order = ranking.candidates[np.argsort(-ranking.logits, kind="stable")].tolist()
    for part in parts:
        chosen += [item for item in order if item in part.items and item not in chosen][: part.count]
    return chosen[:k]


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
    parts: Sequence[Part] = (),
    phrases: Phrases = ENGLISH,
    asked: Conditions | None = None,
) -> Choice:
    """Choose ``k`` items for a state among those that its conditions allow and that are not in ``left_out``.

    With ``rng`` the slate is drawn (Plackett-Luce, at a low temperature), else the most probable items are taken.
    Fewer than ``k`` come back where fewer are allowed, or, unless ``exactly`` so many are wanted, fit: what is less
    than ``weak`` times as probable as the top does not, unless fewer than ``least`` would remain. ``explanation`` is
    the edited template that words the reasons, if one serves, ``phrases`` those of another language, and ``asked`` the
    conditions that they may name (None: those of the state). With ``parts`` nothing is drawn: the slate is made of the
    most probable items of each. Of the editions of one work only the most probable one is a candidate.
    """
    start = time.perf_counter()
    allowed = np.flatnonzero(catalogue.mask(state.conditions, left_out={*left_out, *state.excluded}))
    full = one_edition(policy.rank(state, allowed), catalogue.works)
    ranking = shortlist(full, parts)
    drawn = rng is not None and not parts
    shown_by = replace(ranking, temperature=policy.temperature * EXPLORATION) if drawn else ranking
    probability = dict(zip(ranking.candidates.tolist(), ranking.probabilities.tolist(), strict=True))
    if parts:
        places = [(item, probability[item]) for item in _parted(ranking, parts, k)]
    else:
        slate = shown_by.slate(k, rng)
        places = list(zip(slate.items, slate.propensities, strict=True))
    top = probability[places[0][0]] if places else 1.0
    kept = [own for own in places if probability[own[0]] >= weak * top]
    if exactly or parts or len(kept) < least:
        kept = places
    ranked = time.perf_counter()
    attribution = attribute(policy, state, ranking, [index for index, _ in kept])
    shown = [catalogue[index] for index, _ in kept]
    told = borne_out_by(policy, state.hints, shown, catalogue)
    told_state = state if asked is None else replace(state, conditions=asked)
    facts = [(*gather(told_state, own, catalogue, attribution), *told.get(own.index, ())) for own in shown]
    sentences = reasons(shown, facts, catalogue, explanation, phrases)
    items = []
    strength = 1.0
    for (index, propensity), own, sentence in zip(kept, facts, sentences, strict=True):
        item = catalogue[index]
        strength = min(strength, probability[index] / top)  # the first one's share, falling down the list
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
    return Choice(tuple(items), shown_by, full, seconds, len(places) - len(kept), drawn)


def attributes(index: int, catalogue: Catalogue) -> dict[str, Any]:
    """What is known of an item, by facet, as plain data."""
    found = catalogue[index].attributes
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
