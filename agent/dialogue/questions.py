"""Questions: what is answered in place, from the facets of the items, or by saying what the data lacks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agent.catalogue.conditions import (
    had_by,
    item_value,
    kind_of,
    kinds_phrase,
    listed,
    noun_phrase,
    phrase,
    plain_number,
    seeming,
    telling_kinds,
    value_name,
)
from agent.catalogue.word_index import is_mood, naming
from agent.domains.domain import POPULARITY, RATING, Facet, Question
from agent.explanation.attribution import attribute, carried_by_liking, gather
from agent.explanation.counterfactual import ORDINALS
from agent.generation.realizer import Facts
from agent.records.acts import Ask
from agent.records.answer import Answer, Evidence
from agent.records.conditions import Condition
from agent.records.state import POSITIVE
from prompts.sandbox import article

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.policy.distribution import Policy
    from agent.records.state import State

MOST_ITEMS = 5
"""At most so many items are spoken of in one answer."""

FEW_COMPARED = 2
"""So many items are compared one by one; of more, the best is told."""

TEXT = 400
"""So many characters of an item's text are told; an answer is told whole."""

TAGS = 3
"""So many tags are named."""

FEW_DETAILS = 2
"""Where fewer details than this are known of an item, its other categories are named as well."""

KINDS = 4
"""So many values of the primary facet are named in a sentence."""

PEOPLE = 4
"""So many names of one facet are named."""

FEW, MUCH = 5, 2
"""Mean grades are compared where so many people gave them; an item is much better known by so many times the people."""

EVEN, CLEAR = 0.1, 0.4
"""Two probabilities that are nearer than this come out even; from this distance on the choice is clear."""

LEAST_EFFECT = 0.1
"""A change of the log-probability from which on a fact is worth a sentence (a tenth)."""


_YEAR, _LENGTH, _PRICE = ("year",), ("duration",), ("money",)
SUPERLATIVES: Mapping[str, tuple[tuple[str, ...], bool]] = {
    **dict.fromkeys(("newest", "latest", "most recent"), (_YEAR, True)),
    "oldest": (_YEAR, False),
    "longest": (_LENGTH, True),
    "shortest": (_LENGTH, False),
    "cheapest": (_PRICE, False),
    **dict.fromkeys(("dearest", "most expensive"), (_PRICE, True)),
    **dict.fromkeys(("most popular", "best known"), ((POPULARITY,), True)),
    "least known": ((POPULARITY,), False),
    **dict.fromkeys(
        ("best rated", "highest rated", "best liked", "best rating", "highest rating", "best ratings", "best reviews"),
        ((RATING,), True),
    ),
}
"""Superlative -> the kinds or names of facets that decide it, and whether the largest value is meant."""

FEW_GRADES = 20
"""The best rated of a catalogue are those with so many grades."""


def facet_answer(name: str, items: Sequence[int], catalogue: Catalogue) -> list[Facts]:
    """What the data say of the items on a facet, or to a question of the domain (``questions`` in its file)."""
    question = catalogue.domain.questions.get(name)
    if question is not None and question.judge:
        return [facts for item in items[:2] for facts in judged(item, question, catalogue)]
    facet_name = question.facet if question is not None and question.facet else name
    facet = catalogue.facets.get(facet_name) or _text_facet(facet_name, catalogue)
    lacks = question.none if question is not None and question.none else None
    described_by = catalogue.domain.facets.get(facet_name)
    if facet is None and described_by is not None and described_by.kind == "text":
        return [facts for item in items[:2] for facts in about(item, catalogue)]
    if facet is None:
        label = catalogue.domain.facets[facet_name].label if facet_name in catalogue.domain.facets else facet_name
        return [{"kind": "missing", "missing": lacks or f"the data do not say anything of the {label}"}]
    if facet.kind == "text":
        return [facts for item in items[:2] for facts in about(item, catalogue)]
    found = [(item, is_words(item, facet, catalogue)) for item in items[:MOST_ITEMS]]
    known = [(item, words) for item, words in found if words]
    if not known:
        titles = listed([f"“{catalogue[item].title}”" for item in items[:MOST_ITEMS]], "or")
        return [{"kind": "missing", "missing": f"{lacks or f'the data do not say the {facet.label}'} ({titles})"}]
    if len(items) == 1:
        return [{"kind": "fact", "title": catalogue[known[0][0]].title, "value": known[0][1]}]
    return [{"kind": "facts", "values": [f"“{catalogue[item].title}” {words}" for item, words in known]}]


def is_words(item: int, facet: Facet, catalogue: Catalogue) -> str:
    """What an item is on a facet, as the rest of a sentence: "is by Ridley Scott", "takes 117 minutes"."""
    value = catalogue[item].attributes.get(facet.name)
    if facet.name == POPULARITY:
        return f"was {had_by(int(catalogue.rating_count[item]), catalogue)}"
    if facet.name == RATING:
        mean = float(catalogue.mean_rating[item])
        count = int(catalogue.rating_count[item])
        if math.isnan(mean) or not catalogue.rated:
            return "is not rated yet"
        return f"is rated {plain_number(round(mean, 1))} of 5 on average, {had_by(count, catalogue).partition(' ')[2]}"
    if value is None:
        return ""
    if isinstance(value, tuple):
        value = tuple(own for own in value if facet.tells(own))[:PEOPLE]
        if not value:
            return ""
        words = listed([value_name(own, facet) for own in value])
        if facet.predicted:
            return seeming(words, facet)
    else:
        words = item_value(item, facet, catalogue)
    if facet.kind == "duration":
        return f"is {words} long"
    if facet.primary and isinstance(value, tuple) and facet.phrase == "{value}":
        kinds = kinds_phrase(value, facet, catalogue.domain.nouns.one)
        return f"is {article(kinds)} {kinds}"
    if facet.primary:
        return f"is {words}"
    if facet.phrase == "{value}":
        return f"has the {facet.label} {words}"
    placed = facet.phrase.format(value=words)
    return f"has {words}" if placed.startswith("with ") else f"is {placed}"


def judged(item: int, question: Question, catalogue: Catalogue) -> list[Facts]:
    """Whether an item is scary, violent, ...: by those of its values that say so, and which facets were looked at."""
    known = {name: names for name, names in question.judge.items() if name in catalogue.facets}
    facets = [catalogue.facets[name] for name in known]
    title = catalogue[item].title
    having = [name for name in known if catalogue[item].attributes.get(name)]
    if not having:
        return [{"kind": "judged_unknown", "title": title}]
    signs = []
    for name, names in known.items():
        own = catalogue[item].attributes.get(name, ())
        values = own if isinstance(own, tuple) else (str(own),)
        folded = {value.casefold() for value in names}
        signs += [value_name(value, catalogue.facets[name]) for value in values if value.casefold() in folded]
    label = listed([facet.plural or f"{facet.label}s" for facet in facets], "and")
    if signs:
        guessed = all(catalogue.facets[name].predicted for name in having)
        value = f"{'sounds' if guessed else 'is'} {listed(signs[:3])}"
        return [{"kind": "judged_yes", "title": title, "value": value, "label": label}]
    return [{"kind": "judged_no", "title": title, "value": kind_words(item, catalogue), "label": label}]


def kind_words(item: int, catalogue: Catalogue) -> str:
    """What sort of thing an item is: "is a crime and fantasy novel"."""
    noun = catalogue.domain.nouns.one
    words = kind_of(item, catalogue, most=KINDS) if telling_kinds(item, catalogue) else noun
    return f"is {article(words)} {words}"


def about(item: int, catalogue: Catalogue) -> list[Facts]:
    """What an item is about: its joined text where there is one, else what the other facets tell."""
    for texts in catalogue.texts.values():
        if texts[item]:
            most = None if catalogue.domain.answers else TEXT
            return [{"kind": "about", "title": catalogue[item].title, "value": _sentence(texts[item], most)}]
    known = catalogue.domain.facets
    text = next((facet for facet in known.values() if facet.kind == "text"), None)
    question = next((own for own in catalogue.domain.questions.values() if text and own.facet == text.name), None)
    lacks = (question.none if question else None) or "the data hold no description"
    return [{"kind": "missing", "missing": lacks}, *tags(item, catalogue), *described(item, catalogue)]


def described(item: int, catalogue: Catalogue) -> list[Facts]:
    """Kinds, year, people and length of an item."""
    words = kind_words(item, catalogue)
    told, last = 0, ""
    for facet in catalogue.facets.values():
        if facet.primary or facet.kind not in ("year", "person", "duration", "money"):
            continue
        value = catalogue[item].attributes.get(facet.name)
        if value is None:
            continue
        told += 1
        if isinstance(value, tuple):
            words += f" {facet.phrase.format(value=listed(list(value[:2])))}"
        elif facet.kind == "duration":
            last = f", {item_value(item, facet, catalogue)} long"
        else:
            words += f" {facet.phrase.format(value=item_value(item, facet, catalogue))}"
    for facet in catalogue.facets.values():
        value = catalogue[item].attributes.get(facet.name)
        if told < FEW_DETAILS and facet.kind == "category" and not facet.primary and isinstance(value, tuple) and value:
            words += f" {phrase(Condition(facet.name, 'is', value[:1]), facet)}"
            told += 1
    return [{"kind": "described", "title": catalogue[item].title, "value": words + last}]


def opinion(item: int, catalogue: Catalogue) -> list[Facts]:
    """The mean rating of an item, and by how many."""
    mean = float(catalogue.mean_rating[item])
    if math.isnan(mean) or not catalogue.rated:
        return []
    people = had_by(int(catalogue.rating_count[item]), catalogue).partition(" ")[2]
    return [{"kind": "opinion", "value": f"rated {plain_number(round(mean, 1))} of 5 on average {people}"}]


def tags(item: int, catalogue: Catalogue) -> list[Facts]:
    """The tags that fewest other items have; nothing where it has none."""
    name = "tag"
    if name not in catalogue.facets:
        return []
    column = catalogue.names_column(name)
    own = catalogue[item].attributes.get(name, ())
    telling = [value for value in (own if isinstance(own, tuple) else ()) if column.facet.tells(value)]
    rare = sorted(telling, key=lambda value: int(column.counts[column.place[value]]))
    return [{"kind": "tags", "titles": list(rare[:TAGS])}] if rare else []


def yours(item: int, state: State) -> list[Facts]:
    """What the person's past says of an item; nothing where they have not met."""
    event = next((event for event in reversed(state.history) if event.item == item), None)
    if event is None:
        return []
    if event.rating is None:
        return [{"kind": "yours", "attitude": "had"}]
    return [{"kind": "yours", "attitude": "liked" if event.rating >= POSITIVE else "disliked"}]


def compare(items: Sequence[int], state: State, policy: Policy, catalogue: Catalogue) -> list[Facts]:
    """Two items: each by itself, then which fits this person better and why; of more, the one to start with.

    The probabilities are the policy's over these items alone: what it would pick if nothing else could be shown.

    Raises:
        ValueError: fewer than two different items.
    """
    chosen = list(dict.fromkeys(items))
    if len(chosen) < 2:
        raise ValueError(f"{len(chosen)} items to compare: give at least 2")
    sentences: list[Facts] = []
    for item in chosen if len(chosen) <= FEW_COMPARED else ():
        sentences += [*described(item, catalogue), *opinion(item, catalogue)]
    ranking = policy.rank(state, np.array(sorted(chosen)))
    order = np.argsort(-ranking.logits, kind="stable")
    best, second = (int(ranking.candidates[row]) for row in order[:2])
    chances = ranking.probabilities[order[:2]]
    gap = float(chances[0] - chances[1])
    titles = {"title": catalogue[best].title, "other": catalogue[second].title}
    if gap < EVEN and len(chosen) <= FEW_COMPARED:
        return [*sentences, {"kind": "equal", **titles}]
    value = better_by(best, second, catalogue)
    better: Facts = {"kind": "better", **titles, "share": "clear" if gap >= CLEAR else "", "value": value}
    sentences.append(better)
    if len(chosen) > FEW_COMPARED:
        sentences += [*described(best, catalogue), *opinion(best, catalogue)]
    facts = gather(state, catalogue[best], catalogue, attribute(policy, state, ranking, [best]))
    liked, _ = carried_by_liking(facts)
    named = [fact for fact in facts if fact.kind == "like"]
    because = [catalogue.index(str(fact.item_id)) for fact in liked or named]
    titled = [catalogue[item].title for item in because if item not in chosen]
    if titled:
        attitude = "liked" if liked else "named"
        told = {"title": catalogue[best].title, "because": titled[:2], "attitude": attitude}
        sentences.append({"kind": "carries", **told})
    elif not value and len(chosen) <= FEW_COMPARED:  # nothing that can be named tells them apart
        sentences[sentences.index(better)] = {"kind": "equal", **titles}
    return sentences


def better_by(item: int, other: int, catalogue: Catalogue) -> str:
    """By what others prefer an item to another one, as a clause; empty where they do not, or too few say so."""
    counts = [int(catalogue.rating_count[own]) for own in (item, other)]
    means = [round(float(catalogue.mean_rating[own]), 1) for own in (item, other)]
    if catalogue.rated and min(counts) >= FEW and means[0] > means[1]:
        return f"people rate it higher, {plain_number(means[0])} against {plain_number(means[1])}"
    if counts[0] >= MUCH * max(counts[1], 1):
        people = catalogue.domain.people.many
        return f"many more {people} know it, {counts[0]:,} against {counts[1]:,}"
    return ""


def why(place: int, slate: Answer, catalogue: Catalogue) -> list[Facts]:
    """What to say of the item at ``place`` (from 0) of a slate: its rank, what carried it, how it meets the wish.

    Raises:
        IndexError: the slate has no such place.
    """
    item = slate.items[place]
    index = catalogue.index(item.item_id)
    share = f"{100 * item.strength:.0f}%" if place and item.strength < 0.995 else ""
    sentences: list[Facts] = [{"kind": "place", "title": item.title, "ordinal": ORDINALS[place], "share": share}]
    weighty = [
        fact
        for fact in item.evidence
        if abs(fact.weight) >= LEAST_EFFECT
        and (fact.kind != "hint" or is_mood(str(fact.value), catalogue) or index in naming(str(fact.value), catalogue))
    ]
    sentences += [_weight(fact, catalogue) for fact in weighty[:3]]
    met = {fact.facet for fact in item.evidence if fact.kind == "condition"}
    words = [is_words(index, catalogue.facets[name], catalogue) for name in catalogue.facets if name in met]
    if words:
        sentences.append({"kind": "met", "value": listed(words)})
    return [*sentences, *opinion(index, catalogue)]


def extreme(word: str, items: Sequence[int] | None, catalogue: Catalogue) -> list[Facts]:
    """The items that are the most of something, by a superlative: of ``items``, or of the catalogue (None)."""
    kinds, largest = SUPERLATIVES[word]
    name = next((own for own, facet in catalogue.facets.items() if facet.kind in kinds or own in kinds), None)
    if name is None:
        domain = catalogue.domain
        known = next((own for own in domain.facets.values() if own.kind in kinds), None)
        question = next((own for own in domain.questions.values() if known and own.facet == known.name), None)
        lacks = (question.none if question else None) or f"the data do not say which is the {word}"
        return [{"kind": "missing", "missing": lacks}]
    column = catalogue.number_column(name)
    rows = np.arange(len(catalogue)) if items is None else np.array(list(items))
    rows = rows[column.known[rows]]
    if name == RATING and (items is None or (catalogue.rating_count[rows] >= FEW_GRADES).any()):
        rows = rows[catalogue.rating_count[rows] >= FEW_GRADES]
    if not len(rows):
        return [{"kind": "missing", "missing": f"the data do not say which is the {word}"}]
    keys = column.numbers[rows] * (-1 if largest else 1)
    order = rows[np.lexsort((-catalogue.rating_count[rows], keys))]
    best = [int(row) for row in order[:3] if column.numbers[row] == column.numbers[order[0]]]
    titles = [
        catalogue[row].title for row in (best if items is not None or name == catalogue.year_facet else order[:3])
    ]
    value = is_words(int(order[0]), catalogue.facets[name], catalogue)
    return [{"kind": "extreme", "said": word, "titles": titles[:3], "value": value, "items": best[:1]}]


def which(ask: Ask, catalogue: Catalogue) -> list[Facts]:
    """Which of several items have what is asked for: the most of something, or certain values."""
    if ask.facet is not None and ask.facet in SUPERLATIVES:
        return extreme(ask.facet, ask.items, catalogue)
    judge = catalogue.domain.questions[ask.facet].judge if ask.facet else {}
    if judge:
        having = [catalogue.items_by(facet).get(value, ()) for facet, values in judge.items() for value in values]
        fitting = [item for item in ask.items if any(item in own for own in having)]
        unknown: list[int] = []
        words = []
        if len(fitting) == len(ask.items) > 1:
            return [{"kind": "missing", "missing": "all of them are, by the data; it does not say which one the most"}]
    else:
        meets = [catalogue.meets(own) for own in ask.conditions]
        fitting = [item for item in ask.items if all(bool(own[item]) for own in meets)]
        facets = {own.facet for own in ask.conditions} - {POPULARITY, RATING}
        unknown = [i for i in ask.items if i not in fitting and not facets <= set(catalogue[i].attributes)]
        words = [noun_phrase(ask.conditions, catalogue)]
    if len(ask.items) == 1 and ask.conditions and not unknown:
        facet = catalogue.facets[ask.conditions[0].facet]
        title, value = catalogue[ask.items[0]].title, is_words(ask.items[0], facet, catalogue)
        told: Facts = {"kind": "fits_yes" if fitting else "fits_no", "title": title, "value": value}
        return [told] if fitting else [told, *_otherwise(ask.items[0], ask.conditions[0], catalogue)]
    return [
        {
            "kind": "which_fit",
            "titles": [catalogue[item].title for item in fitting],
            "values": words,
            "unseen": [catalogue[item].title for item in unknown],
        }
    ]


def _otherwise(item: int, condition: Condition, catalogue: Catalogue) -> list[Facts]:
    """What somebody is to an item who is not what was asked: its writer, but not its director."""
    found: list[Facts] = []
    for name, facet in catalogue.facets.items():
        own = catalogue[item].attributes.get(name)
        if (
            facet.kind == "person"
            and name != condition.facet
            and isinstance(own, tuple)
            and set(condition.names) & set(own)
        ):
            found.append({"kind": "fact", "title": catalogue[item].title, "value": is_words(item, facet, catalogue)})
    return found


def newest(catalogue: Catalogue, oldest: bool = False) -> list[Facts]:
    """The newest or oldest items; by numbers alone where no year is known."""
    year = catalogue.oldest_year if oldest else catalogue.newest_year
    if year is None:
        return [{"kind": "missing", "missing": "the data do not say when anything is from"}]
    rows = np.flatnonzero(catalogue.years == year)
    best = rows[np.argsort(-catalogue.rating_count[rows], kind="stable")][:3]
    titles = [catalogue[int(row)].title for row in best]
    return [{"kind": "oldest" if oldest else "newest", "titles": titles, "most": str(year), "least": str(year)}]


def size(catalogue: Catalogue) -> Facts:
    """How many items there are, and from when."""
    return {
        "kind": "total",
        "total": f"{len(catalogue):,}",
        "least": str(catalogue.oldest_year or ""),
        "most": str(catalogue.newest_year or ""),
    }


def abilities(catalogue: Catalogue) -> Facts:
    """What can be asked for."""
    labels = [facet.label for facet in catalogue.facets.values() if facet.kind != "text" and facet.name != POPULARITY]
    return {"kind": "agent", "options": labels[:6]}


def _text_facet(name: str, catalogue: Catalogue) -> Facet | None:
    return catalogue.domain.facets.get(name) if name in catalogue.texts else None


def _sentence(text: str, most: int | None) -> str:
    text = " ".join(text.split())
    if most is not None and len(text) > most:
        text = text[:most].rsplit(" ", 1)[0] + "…"
    return text if text[-1:] in ".!?…" else f"{text}."


def _weight(fact: Evidence, catalogue: Catalogue) -> Facts:
    title = catalogue[catalogue.index(fact.item_id)].title if fact.item_id else str(fact.value)
    liked = isinstance(fact.value, int | float) and fact.value >= POSITIVE
    attitude = {"like": "named", "hint": "hint"}.get(fact.kind, "liked" if liked else "had")
    times = math.exp(min(abs(fact.weight), 6.9))
    factor = f"{times:.0f}" if times >= 10 else f"{times:.1f}" if times >= 1.1 else f"{times:.2f}"
    return {"kind": "weight", "attitude": attitude, "because": [title], "factor": factor, "less": fact.weight < 0}
