"""Reasons: the sentence on each card, from its facts, and a check of every fact that a sentence states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import prompts
from agent.catalogue.conditions import had_by, item_value, phrase, plain_number, seeming, telling_kinds
from agent.catalogue.word_index import is_mood, naming, speaks_against
from agent.explanation.attribution import carried_by_liking
from agent.records.answer import Evidence
from agent.records.conditions import Condition
from agent.text import flat
from prompts import PromptError
from prompts.escaping import neutralise

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue, Item
    from prompts import Template

VARIANTS = 5
"""So many wordings the template has for each fact."""

DETAILS = 2
"""So many further facts of an item (people, length) are named on its card."""

PEOPLE = 2
"""So many names of one facet are named on a card."""


def say(template: Template, facts: Mapping[str, Any]) -> str:
    """One paragraph: the template filled with those of the facts that it declares.

    Raises:
        PromptError: the template fails.
    """
    given = {name: value for name, value in facts.items() if name in template.header.inputs}
    return " ".join(template.render(**given).messages[-1]["content"].split())


def reasons(
    items: Sequence[Item],
    facts: Sequence[Sequence[Evidence]],
    catalogue: Catalogue,
    edited: Template | None = None,
) -> list[str]:
    """One sentence or two for each item of a slate, no two in the same words.

    Where an ``edited`` template fails or the check finds a flaw, the product's wording is taken.
    """
    found: list[str] = []
    shapes: set[str] = set()
    for place, (item, own) in enumerate(zip(items, facts, strict=True)):
        sentence = ""
        for variant in range(place, place + VARIANTS):
            sentence = reason(item, own, catalogue, edited, variant)
            if _shape(sentence, item) not in shapes:
                break
        shapes.add(_shape(sentence, item))
        found.append(sentence)
    return found


def reason(
    item: Item, facts: Sequence[Evidence], catalogue: Catalogue, edited: Template | None = None, variant: int = 0
) -> str:
    """One or two sentences that state ``facts`` in the words of a template; ``variant`` chooses among wordings."""
    inputs = inputs_of(item, facts, catalogue) | {"variant": variant}
    for template in (edited, prompts.load("explanation")):
        if template is None:
            continue
        try:
            sentences = say(template, inputs)
        except PromptError:
            continue
        if sentences and not flaws(sentences, item, facts, catalogue):
            return sentences
    return plain_reason(item, catalogue)


def plain_reason(item: Item, catalogue: Catalogue) -> str:
    """What can be said of any item: its kinds and year."""
    kind = ", ".join(item.categories)
    if kind and item.year:
        return f"{kind}, {item.year}."
    return f"{kind}." if kind else f"From {item.year}." if item.year else f"One of my {catalogue.domain.nouns.many}."


def flaws(text: str, item: Item, facts: Sequence[Evidence], catalogue: Catalogue) -> list[str]:
    """Every statement of ``text`` that the evidence does not bear out; empty when it may be shown.

    Checked are quoted titles and words (“…”), capitalised words inside a sentence, numbers, and names of categories.
    """
    found = []
    quotable = {catalogue[catalogue.index(fact.item_id)].title for fact in facts if fact.item_id} | {item.title}
    quotable |= {str(fact.value) for fact in facts if isinstance(fact.value, str)}
    quotable |= {neutralise(words) for words in quotable}
    found += [f"quote “{quote}”" for quote in re.findall(r"“([^”]*)”", text) if quote not in quotable]
    rest = re.sub(r"“[^”]*”", "“”", text)
    told = " ".join(_told(item, facts, catalogue))
    numbers = set(re.findall(r"\d+(?:[.,]\d+)*", told))
    found += [f"number {own}" for own in re.findall(r"\d+(?:[.,]\d+)*", rest) if own not in numbers]
    stated, allowed = flat(rest), flat(told)
    for name in catalogue.category_names:
        pattern = re.compile(rf"(?<![\w-]){re.escape(flat(name))}s?(?![\w-])")
        if pattern.search(stated) and not pattern.search(allowed):
            found.append(f"category {name}")
    known = set(re.findall(r"\w+", allowed))
    for match in re.finditer(r"(?<=[\w,;“”] )[A-Z]\w+", rest):
        if flat(match.group()) not in known:
            found.append(f"name {match.group()}")
    return found


def inputs_of(item: Item, facts: Sequence[Evidence], catalogue: Catalogue) -> dict[str, Any]:
    """The facts as the inputs of an explanation template."""

    def titles(chosen: Sequence[Evidence]) -> list[str]:
        return [catalogue[catalogue.index(str(fact.item_id))].title for fact in chosen]

    def number(kind: str) -> float | int:
        return next((fact.value for fact in facts if fact.kind == kind and isinstance(fact.value, float | int)), 0)

    liked, had = carried_by_liking(facts)
    if liked and had and had[0].weight > liked[0].weight:
        liked = []  # what carried it most was not liked: then that is what is said
    met = [fact for fact in facts if fact.kind == "condition"]
    kinds = telling_kinds(item.index, catalogue)[:3]
    primary = catalogue.primary
    asked, guessed = _met_words(met, catalogue)
    if kinds and primary is not None and primary.facet.predicted:
        guessed, kinds = [seeming(_and(kinds), primary.facet), *guessed], []
    hints = [str(fact.value) for fact in facts if fact.kind == "hint"]
    count, mean = int(number("raters")), float(number("rating"))
    domain = catalogue.domain
    return {
        "named": titles([fact for fact in facts if fact.kind == "like"])[:2],
        "loved": titles(liked)[:2],
        "had": titles(had)[:1] if not liked else [],
        "asked": asked,
        "match": [hint for hint in hints if is_mood(hint, catalogue) and not speaks_against(hint)][:1],
        "named_in": [hint for hint in hints if not speaks_against(hint) and item.index in naming(hint, catalogue)][:1],
        "answers": catalogue.domain.answers,
        "kinds": kinds,
        "details": [*list(_details(item, met, catalogue))[:DETAILS], *([f"that {_and(guessed)}"] if guessed else [])],
        "rating": plain_number(mean) if mean else "",
        "raters": had_by(count, catalogue).partition(" by ")[2] if count else "",
        "one": " ".join([*_adjectives(met, catalogue), domain.nouns.one]),
        "past": domain.verbs.past,
    }


def _adjectives(met: Sequence[Evidence], catalogue: Catalogue) -> list[str]:
    """The conditions that are met, of facets whose values stand before the noun."""
    known = [(catalogue.facets.get(fact.facet or ""), fact.value) for fact in met]
    return [str(value) for facet, value in known if facet and facet.adjective and not facet.predicted and value]


def _met_words(met: Sequence[Evidence], catalogue: Catalogue) -> tuple[list[str], list[str]]:
    """The conditions that are met, in words that follow a noun, without what stands before it; and what it seems."""
    values: dict[str, list[str | float]] = {}
    for fact in met:
        facet = catalogue.facets.get(fact.facet or "")
        if facet is not None and not facet.primary and fact.value is not None:
            values.setdefault(facet.name, []).append(fact.value if isinstance(fact.value, str) else float(fact.value))
    words, guessed = [], []
    for name, own in values.items():
        facet = catalogue.facets[name]
        if facet.adjective and not facet.predicted:
            continue
        if facet.predicted:
            guessed.append(seeming(_and([str(value) for value in own]), facet))
        elif isinstance(own[0], str):
            named = _and([str(value) for value in own])
            words.append(
                f"of the {facet.label} {named}" if facet.phrase == "{value}" else facet.phrase.format(value=named)
            )
        else:
            words.append(phrase(Condition(name, "between", (own[0], own[0])), facet))
    return words, guessed


def _details(item: Item, met: Sequence[Evidence], catalogue: Catalogue) -> Iterator[str]:
    """Further facts of an item, in words that follow a noun: who made it, how long it is."""
    told = {fact.facet for fact in met}
    named = {str(fact.value) for fact in met}
    for name, facet in catalogue.facets.items():
        value = item.attributes.get(name)
        if value is None or name in told or facet.primary or facet.kind in ("text", "number"):
            continue
        if facet.kind == "person" and isinstance(value, tuple):
            if named & set(value[:PEOPLE]) or len(told) > DETAILS:
                continue  # who directed and wrote it is named once
            named |= set(value[:PEOPLE])
            yield facet.phrase.format(value=_and(value[:PEOPLE]))
        elif facet.kind == "money" and not isinstance(value, tuple):
            yield facet.phrase.format(value=item_value(item.index, facet, catalogue))


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def _told(item: Item, facts: Sequence[Evidence], catalogue: Catalogue) -> Iterator[str]:
    """All that may be said of the item without quotes."""
    yield item.name
    for name, facet in catalogue.facets.items():
        if facet.kind != "text":
            value = item.attributes.get(name)
            yield from map(str, value) if isinstance(value, tuple) else (item_value(item.index, facet, catalogue),)
    for fact in facts:
        if fact.value is not None and fact.kind != "hint":
            yield f"{fact.value:,}" if isinstance(fact.value, int) else str(fact.value)
            yield str(fact.value)
            if isinstance(fact.value, float):
                yield plain_number(fact.value)
    yield catalogue.domain.people.many


def _shape(sentence: str, item: Item) -> str:
    """A sentence without its numbers: two cards that differ in nothing else read alike."""
    return re.sub(r"\d+(?:[.,]\d+)*", "0", sentence.replace(item.title, ""))
