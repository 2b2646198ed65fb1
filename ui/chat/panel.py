"""Panel: what the agent believes about the person, each belief removable with one click, and the person's chats."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.conditions import chip, chip_key, plain_number
from agent.dialogue.state import HINT, DialogueState, Judgement
from agent.records.state import Event

HISTORY_ROWS = 200
"""How many of a user's latest items the table shows."""

PROBABLY = 0.8
"""From so sure on, what was not said but is likely is shown."""

ON_LOAD = Path(__file__).with_name("controls.js").read_text("utf-8")
"""Turns a click on a real ``<button data-action data-value>``, or a choice in such a ``<select>``, into the component's
click event, and keeps the focus; the second click of a double click counts for nothing."""


def button(action: str, value: str, text: str, label: str, kind: str = "chip") -> str:
    """A real button that :data:`ON_LOAD` listens to; all texts are escaped."""
    return (
        f'<button type="button" class="{kind}" data-action="{action}" data-value="{escape(value)}" '
        f'aria-label="{escape(label)}" title="{escape(label)}">{escape(text)}</button>'
    )


def beliefs_html(state: DialogueState, catalogue: Catalogue, conversation: str = "") -> str:
    """The side panel "What I believe about you"; the page remembers ``conversation`` as the one of its tab."""
    done = catalogue.domain.verbs.done
    like, dislike = ("Helped you", "Did not help") if catalogue.domain.answers else ("You like", "You don't like")
    groups: dict[str, list[tuple[int, Judgement]]] = {
        like: [],
        dislike: [],
        "Not for you": [],
        f"You have {done}": [],
    }
    for item, own in state.judgements.items():
        head = f"You have {done}"
        if own.liked:
            head = like
        elif own.disliked:
            head = dislike
        elif own.opinion == "not_interested":
            head = "Not for you"
        groups[head].append((item, own))
    known = {*state.judgements, *state.like, *state.unlike}
    likely = [item for item, chance in state.likely.items() if chance >= PROBABLY and item not in known]
    groups[f"You have probably {done}"] = [(item, Judgement()) for item in likely]
    sections = [_group(head, own, catalogue) for head, own in groups.items()]
    for head, items in (("More like", state.like), ("Less like", state.unlike), ("Left out", sorted(state.refused))):
        sections.append(_group(head, [(item, Judgement()) for item in items], catalogue))
    sections.append(_conditions(state, catalogue))
    sections.append(_brought(state, catalogue))
    body = "".join(sections)
    if not body:
        one = catalogue.domain.nouns.any
        body = f'<p class="quiet">Nothing yet. Tell me what you like, or use the buttons on {escape(one)}.</p>'
    label = 'aria-label="What I believe about you" aria-live="polite"'
    return f'<section class="beliefs" data-chat="{escape(conversation)}" {label}>{body}</section>'


def _group(head: str, judged: Sequence[tuple[int, Judgement]], catalogue: Catalogue) -> str:
    chips = []
    for item, own in judged:
        name = catalogue[item].name
        grade = f" · {plain_number(own.rating)} of 5" if own.rating is not None else ""
        label = f"Forget: {head[0].lower()}{head[1:]} {name}"
        chips.append(button("forget", catalogue[item].item_id, f"{name}{grade}", label))
    return f"<h3>{escape(head)}</h3><div class='chips'>{''.join(chips)}</div>" if chips else ""


def _conditions(state: DialogueState, catalogue: Catalogue) -> str:
    chips = [
        (chip_key(own), chip(own, catalogue.facets[own.facet]))
        for own in state.conditions
        if own.facet in catalogue.facets
    ]
    chips += [(HINT + hint, f"“{hint}”") for hint in state.hints]
    if state.count is not None:
        chips.append(("count", f"{state.count} at a time"))
    html = [button("forget", key, text, f"Drop: {text}", "chip condition") for key, text in chips]
    return f"<h3>You asked for</h3><div class='chips'>{''.join(html)}</div>" if html else ""


def _brought(state: DialogueState, catalogue: Catalogue) -> str:
    """The files that the person brought: how much of each was found, and what was not."""
    html = []
    nouns = catalogue.domain.nouns
    for own in state.brought:
        count = f"{len(own.items):,} {nouns.one if len(own.items) == 1 else nouns.many}"
        html.append(
            f"<div class='chips'>{button('forget', own.key, f'{own.name} · {count}', f'Forget {own.name}')}</div>"
        )
        if own.missing:
            rows = "".join(f"<li>{escape(title)}</li>" for title in own.missing)
            html.append(f"<details><summary>{len(own.missing):,} not found here</summary><ul>{rows}</ul></details>")
    return f"<h3>Your history</h3><div class='brought'>{''.join(html)}</div>" if html else ""


def choices_html(choices: Sequence[str]) -> str:
    """Quick replies; empty for none."""
    if not choices:
        return ""
    buttons = "".join(button("say", choice, choice, f"Answer: {choice}", "chip reply") for choice in choices)
    return f'<div class="chips replies" role="group" aria-label="Quick replies">{buttons}</div>'


def conversations_html(rows: Sequence[tuple[str, str]], current: str) -> str:
    """The person's chats, newest first; the current one is marked."""
    if not rows:
        return '<p class="quiet">Your chats will be listed here.</p>'
    items = []
    for conversation, title in rows:
        mark = ' aria-current="true"' if conversation == current else ""
        items.append(
            f"<li{mark}>{button('open', conversation, title, f'Open the chat: {title}', 'row')}"
            f"{button('delete', conversation, '×', f'Delete the chat: {title}', 'remove')}</li>"
        )
    return f'<ul class="chats" aria-label="Your chats">{"".join(items)}</ul>'


def history_html(user: str | None, events: Sequence[Event], catalogue: Catalogue) -> str:
    """The picked user's items, latest first, as a table."""
    if user is None:
        return ""
    nouns = catalogue.domain.nouns
    rows = "".join(
        f"<tr><td>{escape(catalogue[event.item].name)}</td>"
        f"<td>{'' if event.rating is None else escape(plain_number(event.rating))}</td></tr>"
        for event in reversed(events[-HISTORY_ROWS:])
    )
    count = f"{len(events)} {nouns.many}"
    count += f", the latest {HISTORY_ROWS} shown" if len(events) > HISTORY_ROWS else ""
    return (
        f'<div class="history" tabindex="0" role="region" aria-label="History of user {escape(user)}">'
        f"<table><caption>User {escape(user)}: {escape(count)}</caption>"
        f'<thead><tr><th scope="col">{escape(nouns.one.capitalize())}</th><th scope="col">Rating</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
