"""Transcript: a conversation as HTML: messages as plain text, and under each answer the cards that it brought."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from agent.catalogue.catalogue import Catalogue
from agent.dialogue.state import DialogueState
from agent.records.conversation import Conversation
from ui.chat.cards import slate_html

PIECES = 24
"""A streaming answer comes in at most so many pieces."""
PIECE_SECONDS = 0.04
"""Pause between two pieces."""
STREAM_SECONDS = 2.0
"""A stream that takes longer, on a slow machine, goes to its end at once."""


def message_html(role: str, text: str, extra: str = "") -> str:
    """One message; its text is escaped and keeps its line breaks."""
    who = "You" if role == "user" else "Concierge"
    kind = "user" if role == "user" else "bot"
    return (
        f'<div class="message-row {kind}-row"><span class="sr-only">{who}: </span>'
        f'<div class="message {kind}"{extra}>{escape(text)}</div></div>'
    )


def transcript_html(conversation: Conversation, state: DialogueState, catalogue: Catalogue) -> str:
    """All messages and slates; the slate that stands is marked, earlier ones keep their cards and buttons."""
    messages = conversation.messages
    standing = conversation.slate
    rows = []
    last = max((place for place, own in enumerate(messages) if own.answer is standing), default=-1)
    for place, message in enumerate(messages):
        rows.append(message_html(message.role, message.content))
        if message.answer is not None:
            current = standing is not None and place == last
            rows.append(slate_html(message.answer.items, state, catalogue, current))
    return f'<div class="thread" role="log" aria-label="Conversation">{"".join(rows)}</div>' if rows else ""


def pending_html(text: str, partial: str | None = None) -> str:
    """A message that is being answered: the answer so far, or that it is being worked on."""
    answer = partial if partial is not None else "Looking …"
    busy = ' aria-busy="true"' if partial is None else ""
    return f'<div class="thread">{message_html("user", text)}{message_html("assistant", answer, busy)}</div>'


def pieces(text: str) -> Iterator[str]:
    """Growing beginnings of ``text``, a word at a time, or a few words where it is long."""
    words = text.split(" ")
    step = -(-len(words) // PIECES)
    for end in range(step, len(words), step):
        yield " ".join(words[:end])
