"""Attribution: what each part of a state does to the probability of the items shown, and the facts that follow.

A part counts as a reason only where leaving it out lowers the probability materially.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.catalogue.word_index import speaks_against, told_by
from agent.domains.domain import POPULARITY, RATING
from agent.records.answer import Evidence
from agent.records.state import POSITIVE
from agent.understanding.vocabulary import open_facets

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue, Item
    from agent.policy.distribution import Policy, Ranking
    from agent.records.state import State

MOST_HISTORY = 10
"""At most so many of the latest events are left out, one at a time, to find which carried a choice."""

READ_AGAIN = 4
"""So many of them, those that matter most to the evidence, are left out of what the LM reads as well."""

LEAST_WEIGHT = 0.05
"""A part of the state counts as evidence from this change of the log-probability on (5 %)."""

FITS = 1.5
"""A wish in words speaks for an item whose likeness to it is so many standard deviations above the mean."""

NAME_NEAR = 0.6
"""A name (a tag) from this cosine to a wish in words on says nearly the same."""

CITED = 3
"""At most so many history items are kept as evidence of one choice."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What each part of a state does to the log-probability of the items shown.

    ``history`` maps a position in the state's history to {item: change}, ``examples`` an item named as an example and
    ``hints`` a wish in words to the same.
    """

    history: dict[int, dict[int, float]]
    examples: dict[int, dict[int, float]]
    hints: dict[str, dict[int, float]]


def attribute(policy: Policy, state: State, full: Ranking, shown: Sequence[int]) -> Attribution:
    """Leave each history item, each example and each wish in words out, and score again in one batch.

    Args:
        policy: the policy that made ``full``.
        state: the state that it ranked.
        full: its distribution over the candidates.
        shown: the catalogue indices to explain; each must be a candidate.

    The change is ``log pi(item | state) - log pi(item | state without the part)`` over the same candidates: positive
    where the part spoke for the item (occlusion; Zeiler and Fergus, 2014).
    """
    if not shown:
        return Attribution({}, {}, {})
    positions = _telling(policy, state, full, shown)
    variants = [state.without(position) for position in positions]
    variants += [state.without_items({example}) for example in state.like]
    variants += [without_hint(state, hint) for hint in state.hints]
    if not variants:
        return Attribution({}, {}, {})
    place = {int(item): row for row, item in enumerate(full.candidates)}
    before = full.log_probabilities
    changes = []
    for ranking in policy.rank_many(variants, [full.candidates] * len(variants)):
        after = ranking.log_probabilities
        changes.append({item: float(before[place[item]] - after[place[item]]) for item in shown})
    first, second = len(positions), len(positions) + len(state.like)
    return Attribution(
        dict(zip(positions, changes[:first], strict=True)),
        dict(zip(state.like, changes[first:second], strict=True)),
        {hint: _fitting(policy, hint, own) for hint, own in zip(state.hints, changes[second:], strict=True)},
    )


def _fitting(policy: Policy, hint: str, changes: dict[int, float]) -> dict[int, float]:
    """The changes of items that fit a wish in words by their own texts and tags; of others it says nothing."""
    if policy.semantic is None:
        return changes
    fit = policy.semantic.scores([hint])
    return {item: change if fit[item] >= FITS else min(change, 0.0) for item, change in changes.items()}


def _telling(policy: Policy, state: State, full: Ranking, shown: Sequence[int]) -> list[int]:
    """The positions of the history that may carry a choice; of many, those that matter most without the LM."""
    positions = list(range(len(state.history)))[-MOST_HISTORY:]
    if len(positions) <= READ_AGAIN or policy.lm is None:
        return positions
    place = {int(item): row for row, item in enumerate(full.candidates)}
    rows = [place[item] for item in shown]
    variants = [state, *(state.without(position) for position in positions)]
    rankings = policy.without_lm().rank_many(variants, [full.candidates] * len(variants))
    before = rankings[0].log_probabilities[rows]
    change = [float((before - ranking.log_probabilities[rows]).max()) for ranking in rankings[1:]]
    order = sorted(range(len(positions)), key=lambda own: -change[own])[:READ_AGAIN]
    return sorted(positions[own] for own in order)


def without_hint(state: State, hint: str) -> State:
    """The state without one wish in words; with the last one all words go, since they hold it too."""
    hints = tuple(own for own in state.hints if own != hint)
    if hints:
        return replace(state, hints=hints)
    return replace(state.without_words(), hints=())


def gather(state: State, item: Item, catalogue: Catalogue, attribution: Attribution) -> tuple[Evidence, ...]:
    """The facts that speak for one item, strongest first; the catalogue's own facts have weight 0."""
    facts = [
        Evidence("like", round(change[item.index], 4), catalogue[example].item_id)
        for example, change in attribution.examples.items()
        if change[item.index] >= LEAST_WEIGHT
    ]
    carried = [
        Evidence("history", round(change[item.index], 4), catalogue[event.item].item_id, event.rating)
        for position, change in attribution.history.items()
        for event in (state.history[position],)
        if change[item.index] >= LEAST_WEIGHT and (event.rating is None or event.rating >= 3.0)
    ]
    carried.sort(key=lambda fact: -fact.weight)
    hints = [
        Evidence("hint", round(change[item.index], 4), value=hint)
        for hint, change in attribution.hints.items()
        if change[item.index] >= LEAST_WEIGHT
    ]
    told = sorted([*facts, *carried[:CITED], *hints], key=lambda fact: -fact.weight)
    return (*told, *_met(state, item, catalogue), *_known(item, catalogue))


def borne_out_by(
    policy: Policy, hints: Sequence[str], items: Sequence[Item], catalogue: Catalogue
) -> dict[int, list[Evidence]]:
    """What is known of items that bears out wishes in words: names that hold their words, else names of near meaning.

    Returns:
        Catalogue index -> facts of kind ``attribute``; only items that have some are in it.
    """
    found: dict[int, list[Evidence]] = {}
    for hint in hints:
        if speaks_against(hint):
            continue
        near: list[tuple[Item, str, str]] = []
        for item in items:
            named = [(facet, value) for facet, value in _names(item, catalogue) if told_by(value, hint, catalogue)]
            if named:
                facet, value = min(named, key=lambda own: len(own[1]))
                found.setdefault(item.index, []).append(Evidence("attribute", 0.0, value=value, facet=facet))
            else:
                near += [(item, facet, value) for facet, value in _names(item, catalogue)]
        if not near or policy.semantic is None:
            continue
        values = sorted({value for _, _, value in near})
        cosine = policy.semantic.encode([hint, *values])
        likeness = dict(zip(values, (cosine[1:] @ cosine[0]).tolist(), strict=True))
        for item in items:
            own = [(likeness[value], facet, value) for other, facet, value in near if other is item]
            best = max(own, default=(0.0, "", ""))
            if best[0] >= NAME_NEAR:
                found.setdefault(item.index, []).append(Evidence("attribute", 0.0, value=best[2], facet=best[1]))
    return found


def tag_facets(catalogue: Catalogue) -> list[str]:
    """The facets that people fill with words of their own; names of series and the like are written with capitals."""
    columns = [catalogue.names_column(name) for name in sorted(open_facets(catalogue))]
    return [
        own.facet.name
        for own in columns
        if not (own.facet.primary or own.facet.predicted)
        and 2 * sum(value == value.lower() for value in own.values) > len(own.values)
    ]


def _names(item: Item, catalogue: Catalogue) -> list[tuple[str, str]]:
    """What people call an item, in facets that they fill (tags): facet and value."""
    filled = tag_facets(catalogue)
    return [
        (name, own)
        for name, value in item.attributes.items()
        if (facet := catalogue.facets.get(name)) is not None
        and facet.kind == "category"
        and not facet.predicted
        and isinstance(value, tuple)
        and name in filled
        for own in value
        if facet.tells(own)
    ]


def _met(state: State, item: Item, catalogue: Catalogue) -> list[Evidence]:
    """The conditions that the item meets, by its value."""
    found: dict[tuple[str, str | float | int], Evidence] = {}
    for condition in state.conditions:
        value = item.attributes.get(condition.facet)
        if condition.negative or value is None or condition.facet in (POPULARITY, RATING):
            continue
        if not bool(catalogue.meets(condition)[item.index]):
            continue
        values = [own for own in value if own in condition.names] if isinstance(value, tuple) else [value]
        guessed = catalogue.facets[condition.facet].predicted
        for own in values:
            fact = Evidence("condition", 0.0, value=own, facet=condition.facet, predicted=guessed)
            found.setdefault((condition.facet, own), fact)
    return list(found.values())


def _known(item: Item, catalogue: Catalogue) -> list[Evidence]:
    count = int(catalogue.rating_count[item.index])
    mean = float(catalogue.mean_rating[item.index])
    facts = []
    if count and mean == mean and catalogue.rated:
        facts.append(Evidence("rating", 0.0, value=round(mean, 1)))
    if count:
        facts.append(Evidence("raters", 0.0, value=count))
    return facts


def carried_by_liking(facts: Sequence[Evidence]) -> tuple[list[Evidence], list[Evidence]]:
    """The history items that carried a choice: those that were liked, and the others."""
    carried = [fact for fact in facts if fact.kind == "history"]
    liked = [fact for fact in carried if isinstance(fact.value, float | int) and fact.value >= POSITIVE]
    return liked, [fact for fact in carried if fact not in liked]
