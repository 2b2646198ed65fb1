"""Panel: what the agent believes about the person, each belief removable with one click, and the person's chats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from agent.records.constraints import Constraints
from agent.records.conversation import Belief, Conversation
from agent.records.state import Event
from ui.chat.words import NameOf, constraint_chips, stars

HISTORY_ROWS = 200
"""How many of a user's latest films the table shows."""

ON_LOAD = """
let last = null;
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (!button || !element.contains(button) || button.disabled) return;
  last = [...element.querySelectorAll('button[data-action]')].indexOf(button);
  trigger('click', {action: button.dataset.action, value: button.dataset.value});
});
watch('value', () => {
  if (last === null) return;
  const buttons = element.querySelectorAll('button[data-action]');
  if (buttons.length) buttons[Math.min(last, buttons.length - 1)].focus({preventScroll: true});
  last = null;
});
"""
"""Turns a click on a real ``<button data-action data-value>`` into the component's click event, and keeps the focus."""

_GROUPS: tuple[tuple[str, str], ...] = (
    ("liked", "You like"),
    ("disliked", "You don't like"),
    ("rated", "You rated"),
    ("seen", "You have seen"),
    ("more", "More like"),
    ("less", "Less like"),
)


def button(action: str, value: str, text: str, label: str, kind: str = "chip") -> str:
    """A real button that :data:`ON_LOAD` listens to; all texts are escaped."""
    return (
        f'<button type="button" class="{kind}" data-action="{action}" data-value="{escape(value)}" '
        f'aria-label="{escape(label)}" title="{escape(label)}">{escape(text)}</button>'
    )


def beliefs_html(
    conversation: Conversation,
    name_of: NameOf,
    name_at: Callable[[int], str],
    versions: Callable[[str], Sequence[str]] = lambda item_id: (),
) -> str:
    """The side panel "What I believe about you".

    ``versions`` gives the item ids of other films that share an item's title: a click says that one of these was meant.
    """
    sections = [_group(title, kind, conversation.beliefs, name_of, versions) for kind, title in _GROUPS]
    sections.append(_conditions(conversation.constraints, name_at))
    body = "".join(sections)
    if not body:
        body = '<p class="quiet">Nothing yet. Tell me what you like, or use the buttons on a film.</p>'
    return f'<section class="beliefs" aria-label="What I believe about you" aria-live="polite">{body}</section>'


def _group(
    title: str, kind: str, beliefs: Sequence[Belief], name_of: NameOf, versions: Callable[[str], Sequence[str]]
) -> str:
    chips = []
    for belief in beliefs:
        if belief.attitude != kind:
            continue
        name = name_of(belief.item_id)
        extra = f" · {stars(belief.rating)}" if belief.rating is not None else ""
        chips.append(button("forget", belief.item_id, f"{name}{extra}", f"Forget: {title.lower()} {name}"))
        if belief.source == "message":
            chips += [
                button("meant", f"{belief.item_id}>{other}", f"or {name_of(other)}?", f"I meant {name_of(other)}")
                for other in versions(belief.item_id)[:2]
            ]
    return f"<h4>{escape(title)}</h4><div class='chips'>{''.join(chips)}</div>" if chips else ""


def _conditions(constraints: Constraints, name_at: Callable[[int], str]) -> str:
    chips = [
        button("forget", field, text, f"Drop the condition: {text}", "chip condition")
        for field, text in constraint_chips(constraints, name_at)
    ]
    return f"<h4>Standing conditions</h4><div class='chips'>{''.join(chips)}</div>" if chips else ""


def choices_html(choices: Sequence[str]) -> str:
    """Quick replies to a question that the agent asked; empty for none."""
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


def history_html(user: str | None, events: Sequence[Event], name_at: Callable[[int], str]) -> str:
    """The picked user's films, latest first, as a table."""
    if user is None:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name_at(event.item))}</td>"
        f"<td>{'' if event.rating is None else escape(f'{event.rating:g} ★')}</td></tr>"
        for event in reversed(events[-HISTORY_ROWS:])
    )
    count = f"{len(events)} films" + (f", the latest {HISTORY_ROWS} shown" if len(events) > HISTORY_ROWS else "")
    return (
        f'<div class="history" tabindex="0" role="region" aria-label="History of user {escape(user)}">'
        f"<table><caption>User {escape(user)}: {count}</caption>"
        f'<thead><tr><th scope="col">Film</th><th scope="col">Stars</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
