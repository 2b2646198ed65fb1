"""Cards: the items of a slate, each with its reason, its evidence and the buttons that teach the agent, as HTML."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from html import escape

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.conditions import had_by, item_value, listed, plain_number
from agent.dialogue.questions import is_words
from agent.dialogue.state import DialogueState, Judgement
from agent.records.answer import Evidence, Recommendation
from ui.chat.images import filled, image_path, images_of

ACTIONS: tuple[tuple[str, str, str], ...] = (
    ("liked", "Like", "Liked"),
    ("disliked", "Dislike", "Disliked"),
    ("seen", "Seen", "Seen"),
    ("more", "More like this", "More like this"),
    ("less", "Less like this", "Less like this"),
    ("later", "Saved", "Saved"),
)
"""Kind of reaction, the button's label, and its label once pressed; "Seen" and "Saved" are the domain's words."""

HELPED = ("liked", "disliked", "later")
"""What can be said of an answer to a question."""

GRADES = (1, 2, 3, 4, 5)

FACTS_SHOWN = ("person", "duration", "money")
"""Kinds of facets that a card shows below its title where the domain does not say which; categories are chips."""

KINDS_SHOWN = 6
"""So many values of the primary category are chips on a card, first those that were asked for."""

PEOPLE = 3
"""So many names of one facet are on a card."""


def card_html(
    rank: int,
    item: Recommendation,
    state: DialogueState,
    catalogue: Catalogue,
    current: bool = True,
    saved: Collection[str] = (),
) -> str:
    """One card; all that comes from the data or the model is escaped.

    Those of the ``current`` slate have ids; ``saved`` are ids of the items that the person saved for later.
    """
    name = name_of(item.item_id, catalogue)
    label = f"Strength for you against the first of this list: {100 * item.strength:.0f} of 100."
    place = f' id="card-{rank - 1}"' if current else ""
    asked = {name for own in state.conditions for name in own.names}
    own_kinds = [kind for kind in item.categories if kind.casefold() != item.title.casefold()]
    shown = sorted(own_kinds, key=lambda kind: kind not in asked)[:KINDS_SHOWN]
    kinds = "".join(f'<li class="kind">{escape(kind)}</li>' for kind in shown)
    chips = f'<ul class="kinds" aria-label="Kinds">{kinds}</ul>' if kinds else ""
    return (
        f'<article class="card"{place} aria-label="{escape(name)}" data-item="{escape(item.item_id)}">'
        f"{_picture(item.item_id, name, catalogue)}"
        f'<header><span class="rank" aria-hidden="true">{rank}</span><h3>{escape(item.title)}'
        f"{f' <span class=year>{item.year}</span>' if item.year is not None else ''}</h3>"
        f'<span class="share" title="{label}"><span class="meter" role="img" aria-label="{label}">'
        f'<span style="width:{max(3.0, 100 * item.strength):.0f}%"></span></span></span></header>'
        f"{chips}{_facts_line(item, catalogue)}"
        f'<p class="reason">{escape(item.reason)}</p>'
        f"{evidence_html(item, catalogue)}{_buttons(item, name, state, catalogue, saved)}</article>"
    )


def name_of(item_id: str, catalogue: Catalogue) -> str:
    """What an item is called, with its year; the id itself where the catalogue has no such item."""
    return catalogue[catalogue.index(item_id)].name if item_id in catalogue else item_id


def _facts_line(item: Recommendation, catalogue: Catalogue) -> str:
    if item.item_id not in catalogue:
        return ""
    parts = [escape(own) for own in _facts(catalogue.index(item.item_id), catalogue)]
    text = " · ".join([*parts, *filter(None, [links_html(item.item_id, catalogue)])])
    return f'<p class="facts">{text}</p>' if text else ""


def links_html(item_id: str, catalogue: Catalogue) -> str:
    """Links to the item's pages elsewhere; empty where there are none."""
    if item_id not in catalogue:
        return ""
    return " · ".join(
        f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(site)}</a>'
        for site, address in _links(catalogue.index(item_id), catalogue)
    )


def _facts(index: int, catalogue: Catalogue) -> Iterator[str]:
    shown = catalogue.domain.card
    facets = catalogue.facets
    if shown is None:
        shown = tuple(name for name, facet in facets.items() if facet.kind in FACTS_SHOWN)
    for name in shown:
        value = catalogue[index].attributes.get(name)
        if value is None or name not in facets:
            continue
        facet = facets[name]
        if not isinstance(value, tuple):
            yield item_value(index, facet, catalogue)
        elif value := tuple(own for own in value if facet.tells(own)):
            label = facet.label if len(value[:PEOPLE]) == 1 else facet.plural
            yield f"{label.capitalize()}: {listed(list(value[:PEOPLE]), 'and')}"


def _links(index: int, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Name of a site, and the item's address there."""
    for site, form in catalogue.domain.links.items():
        address = filled(form, index, catalogue)
        if address is not None:
            yield site, address


def _picture(item_id: str, name: str, catalogue: Catalogue) -> str:
    path = image_path(item_id, catalogue)
    if path is None:
        return ""
    return f'<img class="picture" src="{escape(path)}" alt="{escape(name)}" width="72" height="108" loading="lazy">'


def _buttons(
    item: Recommendation, name: str, state: DialogueState, catalogue: Catalogue, saved: Collection[str]
) -> str:
    index = catalogue.index(item.item_id) if item.item_id in catalogue else -1
    own = state.judgements.get(index, Judgement())
    pressed = {
        "liked": own.opinion == "liked" and own.rating is None,
        "disliked": own.opinion == "disliked" and own.rating is None,
        "seen": own.seen and own.rating is None,
        "more": index in state.like,
        "less": index in state.unlike,
        "later": item.item_id in saved,
    }
    domain = catalogue.domain
    named = {"seen": domain.verbs.done.capitalize(), "later": domain.later.capitalize(), **domain.buttons}
    html: list[str] = []
    for kind, label, after in ACTIONS:
        if domain.answers and kind not in HELPED:
            continue
        on = pressed[kind]
        label, after = (named[kind], named[kind]) if kind in named else (label, after)
        html.append(
            f'<button type="button" class="act act-{kind}{" pressed" if on else ""}" data-action="react" '
            f'data-value="{escape(item.item_id)} {kind}" aria-pressed="{"true" if on else "false"}" '
            f'tabindex="{-1 if html else 0}" '
            f'aria-label="{escape(f"{label}: {name}")}">{escape(f"{after} ✓" if on else label)}</button>'
        )
    label = escape(f"What you think of {name}")
    bar = f'<div role="toolbar" aria-label="{label}">{"".join(html)}</div>'
    if domain.answers:
        return f'<div class="card-actions">{bar}</div>'
    rated = None if own.rating is None else round(own.rating)
    options = "".join(
        f'<option value="{escape(item.item_id)} rated {grade}"{" selected" if grade == rated else ""}>'
        f"{'★' * grade}</option>"
        for grade in GRADES
    )
    rate = (
        f'<select class="rate" data-action="react" aria-label="{escape(f"Rate {name}, 1 to 5")}">'
        f'<option value="">Rate</option>{options}</select>'
    )
    return f'<div class="card-actions">{bar}{rate}</div>'


def evidence_html(item: Recommendation, catalogue: Catalogue) -> str:
    """The expander with one line and one bar for each fact, strongest first."""
    evidence = item.evidence
    if not evidence:
        return ""
    largest = max((abs(fact.weight) for fact in evidence), default=0.0)
    rows = []
    for fact in sorted(evidence, key=lambda fact: -abs(fact.weight)):
        says = effect(fact.weight)
        bar = ""
        if says and largest > 0:
            side = "for" if fact.weight > 0 else "against"
            width = max(3.0, 100 * abs(fact.weight) / largest)
            bar = (
                f'<span class="bar {side}" aria-hidden="true"><span style="width:{width:.0f}%"></span></span>'
                f'<span class="effect">{escape(says)}</span>'
            )
        rows.append(f'<li><span class="fact">{escape(sentence(fact, item, catalogue))}</span>{bar}</li>')
    label = escape(f"Evidence for {item.title}")
    return (
        f'<details class="evidence"><summary aria-label="{label}">Evidence</summary><ul>{"".join(rows)}</ul></details>'
    )


def sentence(fact: Evidence, item: Recommendation, catalogue: Catalogue) -> str:
    """One fact as a sentence; the kinds are those of :class:`agent.records.answer.Evidence`."""
    name = name_of(fact.item_id, catalogue) if fact.item_id is not None else ""
    domain = catalogue.domain
    match fact.kind:
        case "history":
            grade = f", {plain_number(float(fact.value))} of 5" if isinstance(fact.value, int | float) else ""
            return f"Among what you {domain.verbs.past}: {name}{grade}."
        case "like":
            return f"You named {name} as an example."
        case "hint":
            return f"It is near to your words “{fact.value}”."
        case "attribute" if fact.facet is not None and fact.facet in catalogue.facets:
            return f"It is {catalogue.facets[fact.facet].phrase.format(value=f'“{fact.value}”')}."
        case "condition":
            facet = catalogue.facets.get(fact.facet or "")
            known = facet is not None and item.item_id in catalogue
            words = is_words(catalogue.index(item.item_id), facet, catalogue) if known and facet is not None else ""
            return f"As you asked, it {words}." if words else f"As you asked: {fact.value}."
        case "rating":
            return f"{domain.people.many.capitalize()} give it {float(fact.value or 0):.1f} of 5 on average."
        case "raters":
            return f"It was {had_by(int(float(fact.value or 0)), catalogue)}."
        case kind:
            return f"{kind}: {fact.value}" if fact.value is not None else kind


def effect(weight: float) -> str:
    """What leaving the fact out does to the choice; ``weight`` is a change of log-probability."""
    if not math.isfinite(weight) or abs(weight) < 0.005:
        return ""
    factor = math.exp(min(abs(weight), 6.9))
    amount = f"{factor:.0f}×" if factor >= 10 else f"{factor:.1f}×" if factor >= 1.1 else f"{factor:.2f}×"
    return f"{amount} {'likelier' if weight > 0 else 'less likely'}"


def slate_html(
    items: Sequence[Recommendation],
    state: DialogueState,
    catalogue: Catalogue,
    current: bool,
    saved: Collection[str] = (),
) -> str:
    """The cards of one slate; ``current`` marks the one that stands."""
    if not items:
        return ""
    cards = "".join(card_html(place, item, state, catalogue, current, saved) for place, item in enumerate(items, 1))
    many = catalogue.domain.nouns.many.capitalize()
    label = f"{many} that I recommend" if current else f"{many} that I recommended before"
    mark = ' id="cards" class="cards current"' if current else ' class="cards"'
    images = images_of(catalogue)
    credit = f'<p class="credit">{escape(images.credit)}</p>' if current and images is not None else ""
    return f'<section{mark} aria-label="{escape(label)}">{cards}{credit}</section>'
