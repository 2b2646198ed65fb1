"""Explanation: evidence first, then the sentence, and a check of every fact that the sentence states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import prompts
from agent.domains.films.lexicon import genre_patterns
from agent.generation.phrases import a_film_of, is_open, number_words
from agent.generation.realizer import say
from agent.records.answer import Evidence
from agent.records.state import POSITIVE
from agent.text import flat
from prompts import PromptError
from prompts.escaping import neutralise

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue, Item
    from agent.policy.distribution import Policy, Ranking
    from agent.records.state import State
    from prompts import Template

MOST_HISTORY = 10
"""At most so many of the latest events are left out, one at a time, to find which carried a choice."""

LEAST_WEIGHT = 0.02
"""A history item counts as evidence from this change of the log-probability on (2 %)."""

CITED = 3
"""At most so many history items are kept as evidence of one choice."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What each part of a state does to the log-probability of the items shown.

    ``history`` maps a position in the state's history to {item: change}; ``examples`` maps a film named as an example
    to the same; ``request`` is {item: change} for the words of the request ({} where there are none).
    """

    history: dict[int, dict[int, float]]
    examples: dict[int, dict[int, float]]
    request: dict[int, float]


def attribute(policy: Policy, state: State, full: Ranking, shown: Sequence[int]) -> Attribution:
    """Leave each history item, each example and the request out, and score again in one batch.

    Args:
        policy: the policy that made ``full``.
        state: the state that it ranked.
        full: its distribution over the candidates.
        shown: the catalogue indices to explain; each must be a candidate.

    The change is ``log pi(item | state) - log pi(item | state without the part)`` over the same candidates: positive
    where the part spoke for the item (occlusion; Zeiler and Fergus, 2014).
    """
    positions = list(range(len(state.history)))[-MOST_HISTORY:]
    variants = [state.without(position) for position in positions]
    variants += [state.without_items({example}) for example in state.like]
    if state.request:
        variants.append(state.without_words())
    if not variants:
        return Attribution({}, {}, {})
    place = {int(item): row for row, item in enumerate(full.candidates)}
    before = full.log_probabilities
    changes = []
    for ranking in policy.rank_many(variants, [full.candidates] * len(variants)):
        after = ranking.log_probabilities
        changes.append({item: float(before[place[item]] - after[place[item]]) for item in shown})
    history = dict(zip(positions, changes, strict=False))
    examples = dict(zip(state.like, changes[len(positions) :], strict=False))
    return Attribution(history, examples, changes[-1] if state.request else {})


def gather(state: State, item: Item, catalogue: Catalogue, attribution: Attribution) -> tuple[Evidence, ...]:
    """The facts that speak for one item, strongest history first; the catalogue's own facts have weight 0."""
    facts = []
    carried = [
        Evidence("history", round(change[item.index], 4), catalogue[event.item].item_id, event.rating)
        for position, change in attribution.history.items()
        for event in (state.history[position],)
        if change[item.index] >= LEAST_WEIGHT and (event.rating or 3.0) >= 3.0
    ]
    carried.sort(key=lambda fact: -fact.weight)
    for example, change in attribution.examples.items():
        facts.append(Evidence("like", round(change[item.index], 4), catalogue[example].item_id))
    facts += carried[:CITED]
    wanted = state.constraints
    asked = [genre for group in wanted.genres for genre in item.categories if genre in group]
    facts += [Evidence("genre", 0.0, value=genre) for genre in dict.fromkeys(asked)]
    timed = wanted.year_min is not None or wanted.year_max is not None
    if timed and item.year is not None and (wanted.year_min or 0) <= item.year <= (wanted.year_max or item.year):
        facts.append(Evidence("year", 0.0, value=item.year))
    said = state.request and not is_open(state.request)
    if said and attribution.request.get(item.index, 0.0) >= LEAST_WEIGHT:
        facts.append(Evidence("match", round(attribution.request[item.index], 4), value=state.request))
    count = int(catalogue.rating_count[item.index])
    if count:
        facts.append(Evidence("rating", 0.0, value=round(float(catalogue.mean_rating[item.index]), 1)))
        facts.append(Evidence("viewers", 0.0, value=count))
    return tuple(facts)


def reason(
    item: Item,
    facts: Sequence[Evidence],
    catalogue: Catalogue,
    edited: Template | None = None,
    variant: int = 0,
) -> str:
    """One or two sentences that state ``facts``, in the words of an ``edited`` template or of the product's own.

    Where a template fails or the check finds a flaw, the next plainer wording is taken. ``variant`` counts the
    reasons beside each other from 0, so that they need not all read alike.
    """
    inputs = _facts(item, facts, catalogue) | {"variant": variant}
    for template in (edited, prompts.load("explanation")):
        if template is None:
            continue
        try:
            sentences = say(template, inputs)
        except PromptError:
            continue
        if sentences and not flaws(sentences, item, facts, catalogue):
            return sentences
    return plain_reason(item)


def plain_reason(item: Item) -> str:
    """What can be said of any item: its genres and year."""
    kind = ", ".join(item.categories)
    if kind and item.year:
        return f"{kind}, {item.year}."
    return f"{kind}." if kind else f"From {item.year}." if item.year else "In the catalogue."


def flaws(text: str, item: Item, facts: Sequence[Evidence], catalogue: Catalogue) -> list[str]:
    """Every statement of ``text`` that the evidence does not bear out; empty when it may be shown.

    Checked are quoted titles (“…”), unquoted capitalised words inside a sentence, numbers and years, and genre words.
    """
    found = []
    titles = {catalogue[catalogue.index(fact.item_id)].title for fact in facts if fact.item_id} | {item.title}
    titles |= {neutralise(title) for title in titles}
    quoted = re.findall(r"“([^”]*)”", text)
    words = {str(fact.value) for fact in facts if fact.kind == "match"}
    found += [f"title “{title}”" for title in quoted if title not in titles and title not in words]
    rest = re.sub(r"“[^”]*”", "“”", text)
    numbers = {number_words(fact.value) for fact in facts if isinstance(fact.value, int | float)}
    numbers |= {str(item.year)} if item.year else set()
    found += [f"number {number}" for number in re.findall(r"\d+(?:\.\d+)?", rest) if number not in numbers]
    plain = flat(rest)
    patterns = genre_patterns(catalogue.category_names)
    stated = {genre for pattern, genres, _ in patterns if pattern.search(plain) for genre in genres}
    allowed = set(item.categories) | {str(fact.value) for fact in facts if fact.kind == "genre"}
    found += [f"genre {genre}" for genre in sorted(stated - allowed)]
    category_names = {part for genre in catalogue.category_names for part in re.findall(r"\w+", genre)}
    for match in re.finditer(r"(?<=[\w,;“”] )[A-Z]\w+", rest):
        if match.group() not in category_names:
            found.append(f"name {match.group()}")
    return found


def _facts(item: Item, facts: Sequence[Evidence], catalogue: Catalogue) -> dict[str, Any]:
    """The facts as the inputs of an explanation template."""

    def titles(chosen: Sequence[Evidence]) -> list[str]:
        return [catalogue[catalogue.index(str(fact.item_id))].title for fact in chosen]

    def value(kind: str) -> str | float | int | None:
        return next((fact.value for fact in facts if fact.kind == kind), None)

    carried = [fact for fact in facts if fact.kind == "history"]
    loved = [fact for fact in carried if isinstance(fact.value, float | int) and fact.value >= POSITIVE]
    if loved and loved[0] is not max(carried, key=lambda fact: fact.weight):
        loved = []  # what carried it most was watched, not liked: then that is what is said
    stars, viewers, year = value("rating"), value("viewers"), value("year")
    return {
        "named": titles([fact for fact in facts if fact.kind == "like"]),
        "loved": titles(loved),
        "watched": titles([fact for fact in carried if fact not in loved]) if not loved else [],
        "asked": [a_film_of(str(fact.value)) for fact in facts if fact.kind == "genre"],
        "year": int(year) if isinstance(year, float | int) else 0,
        "match": value("match") is not None,
        "kinds": [a_film_of(genre) for genre in item.categories],
        "stars": number_words(stars) if isinstance(stars, float | int) else "",
        "viewers": viewers if isinstance(viewers, int) else 0,
    }
