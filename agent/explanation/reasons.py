"""Reasons: the sentence on each card, from its facts, and a check of every fact that a sentence states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import prompts
from agent.catalogue.conditions import (
    had_by,
    item_value,
    kind_of,
    plain_number,
    seeming,
    telling_kinds,
    value_name,
)
from agent.catalogue.word_index import speaks_against, tells_story
from agent.explanation.attribution import carried_by_liking, tag_facets
from agent.records.answer import Evidence
from agent.text import flat
from agent.understanding.vocabulary import open_facets
from prompts import PromptError
from prompts.escaping import neutralise
from prompts.sandbox import article

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue, Item
    from prompts import Template

VARIANTS = 5
"""So many wordings the template has for each fact."""

DETAILS = 2
"""So many further facts of an item (people, length) are named on its card."""

PEOPLE = 2
"""So many names of one facet are named on a card."""

MANY, FEW = 20, 10
"""From so many people on their mean grade says how an item is liked; of fewer than these hardly anybody knows it."""

LOVED, POOR = 4.1, 3.0
"""Mean grades (1 to 5) from which an item is much liked, and below which it is not."""

WIDELY = 0.4
"""An item is widely known that so large a share knows of those who know the best known one."""

Phrases = Mapping[str, Sequence[str]]
"""Kind of fact -> wordings in another language, with ``{values}``, or ``{rating}`` and ``{count}``."""

ENGLISH: Phrases = {}
"""No phrases: the templates word in English."""


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
    phrases: Phrases = ENGLISH,
) -> list[str]:
    """One sentence or two for each item of a slate, no two in the same words.

    Where an ``edited`` template fails or the check finds a flaw, the product's wording is taken. ``phrases`` are those
    of another language.
    """
    found: list[str] = []
    shapes: set[str] = set()
    # Lists do not all begin in the same words; what all of a list meet is said above it.
    first = sum(item.index for item in items)
    met = [frozenset((fact.facet, fact.value) for fact in own if fact.kind == "condition") for own in facts]
    above: frozenset[object] = frozenset.intersection(*met) if len(met) > 1 else frozenset()
    for place, (item, own) in enumerate(zip(items, facts, strict=True), first):
        sentence = ""
        for variant in range(place, place + VARIANTS):
            sentence = reason(item, own, catalogue, edited, variant, phrases, above)
            if _shape(sentence, item) not in shapes:
                break
        shapes.add(_shape(sentence, item))
        found.append(sentence)
    return found


def reason(
    item: Item,
    facts: Sequence[Evidence],
    catalogue: Catalogue,
    edited: Template | None = None,
    variant: int = 0,
    phrases: Phrases = ENGLISH,
    above: Set[object] = frozenset(),
) -> str:
    """One or two sentences that state ``facts`` in the words of a template; ``variant`` chooses among wordings.

    ``above``: conditions (facet, value) that were said of the whole list.
    """
    inputs = inputs_of(item, facts, catalogue, above) | {"variant": variant}
    if phrases:
        return in_phrases(inputs, phrases)
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


def in_phrases(inputs: Mapping[str, Any], phrases: Phrases) -> str:
    """The facts of one item in the phrases of another language: what it goes with first, then what is known of it."""
    told = []
    for kind, values in (
        ("named", inputs["named"]),
        ("loved", inputs["loved"]),
        ("had", inputs["had"]),
        ("shared", inputs["shared_names"]),
        ("asked", inputs["asked_names"]),
        ("tagged", inputs["tagged"] or ([] if inputs["named"] or inputs["loved"] else inputs["known_for"])),
    ):
        if values and kind in phrases:
            quoted = kind not in ("shared", "asked")
            told.append((kind, ", ".join(f"“{own}”" if quoted else own for own in values)))
    said = [_phrase(phrases, kind, inputs["variant"], values=values) for kind, values in told[:2]]
    if inputs["rating"] and len(said) < 2 and "rating" in phrases:
        said.append(_phrase(phrases, "rating", inputs["variant"], rating=inputs["rating"], count=inputs["count"]))
    return " ".join(said)


def _phrase(phrases: Phrases, kind: str, variant: int, **values: object) -> str:
    wordings = phrases[kind]
    return wordings[variant % len(wordings)].format(**values)


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
    quotable |= {own for name in open_facets(catalogue) for own in _tuple(item.attributes.get(name))}
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


def inputs_of(
    item: Item, facts: Sequence[Evidence], catalogue: Catalogue, above: Set[object] = frozenset()
) -> dict[str, Any]:
    """The facts as the inputs of an explanation template, but for the conditions (facet, value) said ``above``."""

    def titles(chosen: Sequence[Evidence]) -> list[str]:
        return [catalogue[catalogue.index(str(fact.item_id))].title for fact in chosen]

    def number(kind: str) -> float | int:
        return next((fact.value for fact in facts if fact.kind == kind and isinstance(fact.value, float | int)), 0)

    liked, had = carried_by_liking(facts)
    if liked and had and had[0].weight > liked[0].weight:
        liked = []  # what carried it most was not liked: then that is what is said
    loved = {fact.item_id for fact in liked}
    named = [fact for fact in facts if fact.kind == "like" and fact.item_id not in loved]
    had = [] if liked or named else had[:1]
    met = [fact for fact in facts if fact.kind == "condition"]
    shared, shared_names, with_what = _in_common(item, [*named, *liked, *had], met, catalogue)
    if with_what is not None:
        named, liked, had = ([fact for fact in own if fact is with_what] for own in (named, liked, had))
    tagged = [fact for fact in facts if fact.kind == "attribute"]
    hints = [str(fact.value) for fact in facts if fact.kind == "hint" and not speaks_against(str(fact.value))]
    asked, asked_names, guessed = _met_words([own for own in met if (own.facet, own.value) not in above], catalogue)
    count, mean = int(number("raters")), float(number("rating"))
    domain, primary = catalogue.domain, catalogue.primary
    kinds = telling_kinds(item.index, catalogue)[:3]
    if kinds and primary is not None and primary.facet.predicted:
        guessed, kinds = [seeming(_and(kinds), primary.facet), *guessed], []
    kind = kind_of(item.index, catalogue) if kinds else domain.nouns.one
    return {
        "named": titles(named)[:2],
        "loved": titles(liked)[:2],
        "had": titles(had),
        "shared": shared,
        "shared_names": shared_names,
        "asked": asked,
        "asked_names": asked_names,
        "tagged": list(dict.fromkeys(str(fact.value) for fact in tagged))[:2],
        # Nothing sounds like a name that nobody knows.
        "match": [own for own in hints if not tells_story(own) and own == own.lower()][:1] if not tagged else [],
        "basis": _basis(item, catalogue),
        "named_in": [] if tagged else [own for own in hints if flat(own) in flat(item.title)][:1],
        "known_for": known_for(item, catalogue),
        "answers": domain.answers,
        "kinds": kinds,
        "details": [*list(_details(item, met, catalogue))[:DETAILS], *([f"that {_and(guessed)}"] if guessed else [])],
        "guessed": bool(guessed),
        "rating": plain_number(mean) if mean else "",
        "raters": had_by(count, catalogue).partition(" by ")[2] if count else "",
        "count": count,
        "standing": _standing(mean, count, catalogue),
        "one": " ".join([*_adjectives(met, catalogue), kind]),
        "past": domain.verbs.past,
    }


def _in_common(
    item: Item, cited: Sequence[Evidence], met: Sequence[Evidence], catalogue: Catalogue
) -> tuple[list[str], list[str], Evidence | None]:
    """What an item has in common with one of those that are cited for it, and that was not asked for anyhow.

    Returns:
        Words that follow "also" ("by Joel Coen", "a crime comedy"), the bare names, and the fact that is meant.
    """
    asked = {str(fact.value) for fact in met}
    others = [(fact, catalogue[catalogue.index(str(fact.item_id))]) for fact in cited]
    for fact, other in others:
        words, names = [], []
        for name, facet in catalogue.facets.items():
            mine, theirs = item.attributes.get(name), other.attributes.get(name)
            if facet.kind != "person" or not isinstance(mine, tuple) or not isinstance(theirs, tuple):
                continue
            both = [own for own in mine if own in theirs and own not in asked and own not in names][:PEOPLE]
            if both:
                words.append(facet.phrase.format(value=_and(both)))
                names += both
        if words:
            return words[:DETAILS], names[:PEOPLE], fact
    for fact, other in others:
        both = [own for own in item.categories if own in other.categories and own not in asked]
        primary = catalogue.primary
        if both and primary is not None and not primary.facet.predicted and primary.facet.phrase == "{value}":
            kind = kind_of(item.index, catalogue, both)
            if kind.strip() != catalogue.domain.nouns.one:
                return [f"{article(kind)} {kind}"], [], fact
    return [], [], None


def _basis(item: Item, catalogue: Catalogue) -> str:
    """What a wish in words was compared with."""
    known = [catalogue.primary.facet.plural] if catalogue.primary is not None and item.categories else []
    known += [catalogue.facets[name].plural for name in tag_facets(catalogue) if item.attributes.get(name)]
    known += [name for name in catalogue.texts if item.attributes.get(name)]
    return _and(known[:2]) or "title"


def known_for(item: Item, catalogue: Catalogue) -> list[str]:
    """What people call an item, in facets that they fill (tags): the names that tell most to others, at most two."""
    people = [facet for facet in catalogue.facets.values() if facet.kind == "person"]
    mine = {own.casefold() for facet in people for own in _tuple(item.attributes.get(facet.name))}
    found: list[tuple[int, str]] = []
    for name in tag_facets(catalogue):
        column = catalogue.names_column(name)
        for value in _tuple(item.attributes.get(name)):
            known = any(value.title() in catalogue.names_column(facet.name).place for facet in people)
            kinds = {flat(own) for own in item.categories}
            if known or value.casefold() in mine or flat(value) in kinds or not column.facet.tells(value):
                continue
            found.append((int(column.counts[column.place[value]]), value))
    often = [own for own in found if own[0] > 1] or found
    return [value for _, value in sorted(often, key=lambda own: (-own[0], own[1]))[:DETAILS]]


def _standing(mean: float, count: int, catalogue: Catalogue) -> str:
    """Where an item stands with others: loved, poor, known, few, or empty for the usual."""
    if mean and count >= MANY and mean >= LOVED:
        return "loved"
    if mean and mean < POOR:
        return "poor"
    if count >= WIDELY * float(catalogue.rating_count.max(initial=1)) and count >= MANY:
        return "known"
    return "few" if count < FEW else ""


def _tuple(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _adjectives(met: Sequence[Evidence], catalogue: Catalogue) -> list[str]:
    """The conditions that are met, of facets whose values stand before the noun."""
    known = [(catalogue.facets.get(fact.facet or ""), fact.value) for fact in met]
    return [str(value) for facet, value in known if facet and facet.adjective and not facet.predicted and value]


def _met_words(met: Sequence[Evidence], catalogue: Catalogue) -> tuple[list[str], list[str], list[str]]:
    """The conditions that are met and tell an item from others, in words that follow a noun; the names; what it seems.

    What sort of thing all of a slate are, and from when, is said above it.
    """
    values: dict[str, list[str | float]] = {}
    for fact in met:
        facet = catalogue.facets.get(fact.facet or "")
        if facet is not None and not facet.primary and fact.value is not None:
            values.setdefault(facet.name, []).append(fact.value if isinstance(fact.value, str) else float(fact.value))
    words, names, guessed = [], [], []
    for name, own in values.items():
        facet = catalogue.facets[name]
        if (facet.adjective and not facet.predicted) or facet.kind in ("year", "date", "number"):
            continue
        if facet.predicted:
            guessed.append(seeming(_and([str(value) for value in own]), facet))
        elif isinstance(own[0], str):
            named = _and([value_name(str(value), facet) for value in own])
            words.append(
                f"of the {facet.label} {named}" if facet.phrase == "{value}" else facet.phrase.format(value=named)
            )
            names += [str(value) for value in own]
        else:
            number = f"{'about ' if facet.approximate else ''}{plain_number(own[0], facet)}"
            words.append(f"{number} long" if facet.kind == "duration" else f"at {number}")
            names.append(number)
    return words, names, guessed


def _details(item: Item, met: Sequence[Evidence], catalogue: Catalogue) -> Iterator[str]:
    """Further facts of an item, in words that follow a noun: who made it, what it costs."""
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
