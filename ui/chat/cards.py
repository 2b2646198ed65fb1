"""Cards: the films of the latest answer, each with its reason, its evidence and the buttons that teach the agent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from agent.records.answer import Answer, Evidence, Recommendation
from agent.records.conversation import Belief
from ui.chat.words import NameOf, effect, percent, sentence, stars

SLOTS = 5
"""How many films an answer in the chat has, and how many cards are built."""

ACTIONS: tuple[tuple[str, str, str], ...] = (
    ("liked", "Like", "Liked"),
    ("disliked", "Dislike", "Disliked"),
    ("seen", "Seen it", "Seen"),
    ("more", "More like this", "More like this"),
    ("less", "Less like this", "Less like this"),
)
"""Kind of reaction, the button's label, and its label once pressed."""


@dataclass(frozen=True, slots=True)
class Card:
    """The components of one card, in their order on the page."""

    box: gr.Column
    html: gr.HTML
    buttons: dict[str, gr.Button]
    stars: tuple[gr.Button, ...]

    @property
    def controls(self) -> list[gr.Button]:
        """The buttons and the stars."""
        return [*self.buttons.values(), *self.stars]


def build_card(place: int) -> Card:
    """One hidden card; ``place`` counts from 0."""
    with gr.Column(visible=False, elem_classes=["card"], elem_id=f"card-{place}") as box:
        html = gr.HTML("", elem_classes=["card-text"])
        with gr.Row(elem_classes=["card-actions"]):
            buttons = {
                kind: gr.Button(label, size="sm", min_width=0, elem_classes=["act", f"act-{kind}"])
                for kind, label, _ in ACTIONS
            }
            # Buttons and not radios: Gradio gives every radio of the page that has the same value the same name, so the
            # browser would take "4 stars" off one card when another card gets them.
            with gr.Row(elem_classes=["stars"]):
                rating = tuple(gr.Button(stars(n), size="sm", min_width=0, elem_classes=["star"]) for n in range(1, 6))
    return Card(box, html, buttons, rating)


def control_updates(card: Card, item_id: str, beliefs: Iterable[Belief]) -> dict[Any, Any]:
    """The pressed state of a card's buttons and stars, as the beliefs about its film have it."""
    own = [belief for belief in beliefs if belief.item_id == item_id]
    attitudes = {belief.attitude for belief in own}
    updates: dict[Any, Any] = {}
    for kind, label, done in ACTIONS:
        on = kind in attitudes
        classes = ["act", f"act-{kind}", *(["pressed"] if on else [])]
        updates[card.buttons[kind]] = gr.update(value=f"{done} ✓" if on else label, elem_classes=classes)
    rated = next((belief.rating for belief in reversed(own) if belief.rating is not None), None)
    for n, star in enumerate(card.stars, 1):
        given = rated is not None and n == round(rated)
        classes = ["star", *(["on"] if rated is not None and n <= round(rated) else [])]
        updates[star] = gr.update(value=f"{stars(n)} ✓" if given else stars(n), elem_classes=classes)
    return updates


def card_updates(
    cards: Sequence[Card], answer: Answer | None, beliefs: Sequence[Belief], name_of: NameOf
) -> dict[Any, Any]:
    """Show ``answer`` in the cards; without one, hide them all."""
    items = answer.items if answer else ()
    largest = max((item.score for item in items), default=1.0)
    updates: dict[Any, Any] = {}
    for place, card in enumerate(cards):
        if place >= len(items):
            updates[card.box] = gr.update(visible=False)
            continue
        item = items[place]
        updates[card.box] = gr.update(visible=True)
        updates[card.html] = card_html(place + 1, item, largest, name_of)
        updates |= control_updates(card, item.item_id, beliefs)
    return updates


def card_html(rank: int, item: Recommendation, largest: float, name_of: NameOf) -> str:
    """A card's text; ``largest`` is the slate's highest score. All that comes from the data or the model is escaped."""
    year = f' <span class="year">{item.year}</span>' if item.year is not None else ""
    genres = "".join(f'<li class="genre">{escape(genre)}</li>' for genre in item.categories)
    share = percent(item.score)
    label = f"The policy gives this film {share} of its probability; the rest goes to the other films it considered."
    width = 100 * item.score / largest if largest > 0 else 0
    return (
        f'<article aria-label="{escape(name_of(item.item_id))}">'
        f'<header><span class="rank" aria-hidden="true">{rank}</span>'
        f"<h3>{escape(item.title)}{year}</h3>"
        f'<span class="share" title="{label}"><span class="meter" aria-hidden="true">'
        f'<span style="width:{max(3.0, min(100.0, width)):.0f}%"></span></span>{share} probability</span></header>'
        f'<ul class="genres" aria-label="Genres">{genres}</ul>'
        f'<p class="reason">{escape(item.reason)}</p>'
        f"{evidence_html(item.evidence, label, name_of)}</article>"
    )


def evidence_html(evidence: Sequence[Evidence], share: str, name_of: NameOf) -> str:
    """The expander with one line and one bar for each fact, strongest first."""
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
        rows.append(f'<li><span class="fact">{escape(sentence(fact, name_of))}</span>{bar}</li>')
    return (
        '<details class="evidence"><summary>Evidence</summary>'
        f'<p class="share-words">{escape(share)}</p><ul>{"".join(rows)}</ul></details>'
    )
