"""Transcript: a conversation as HTML: messages as plain text, and under each answer the cards that it brought."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from html import escape

from agent.catalogue.catalogue import Catalogue
from agent.dialogue.state import DialogueState
from agent.records.conversation import Conversation
from ui.chat.cards import slate_html

PIECES = 12
"""A streaming answer comes in at most so many pieces."""
PIECE_SECONDS = 0.03
"""Pause between two pieces."""
STREAM_SECONDS = 1.0
"""A stream that takes longer, on a slow machine, goes to its end at once."""


EDIT = (
    '<button type="button" class="edit" data-edit aria-label="Edit your last message" title="Edit your last message">'
    "Edit</button>"
)


def message_html(role: str, text: str, extra: str = "", before: str = "") -> str:
    """One message; its text is escaped and keeps its line breaks. ``before`` is HTML that stands beside it."""
    who = "You" if role == "user" else "Concierge"
    kind = "user" if role == "user" else "bot"
    return (
        f'<div class="message-row {kind}-row"><span class="sr-only">{who}: </span>{before}'
        f'<div class="message {kind}"{extra}>{escape(text)}</div></div>'
    )


def transcript_html(
    conversation: Conversation, state: DialogueState, catalogue: Catalogue, saved: Collection[str] = ()
) -> str:
    """All messages and slates; the slate that stands is marked, earlier ones keep their cards and buttons.

    ``saved`` are ids of the items that the person saved for later.
    """
    messages = conversation.messages
    standing = conversation.slate
    rows = []
    last = max((place for place, own in enumerate(messages) if own.answer is standing), default=-1)
    mine = max((place for place, own in enumerate(messages) if own.role == "user"), default=-1)
    for place, message in enumerate(messages):
        rows.append(message_html(message.role, message.content, before=EDIT if place == mine else ""))
        if message.answer is not None:
            current = standing is not None and place == last
            rows.append(slate_html(message.answer.items, state, catalogue, current, saved))
    if not rows:
        return ""
    head = '<h2 class="sr-only">Conversation</h2>'
    return f'<div class="thread" role="log" aria-label="Conversation">{head}{"".join(rows)}</div>'


def pending_html(texts: Sequence[str], busy: str = "", partial: str | None = None) -> str:
    """What is being answered: the first of ``texts`` (none: a press), with the answer so far, or that it is worked on.

    The other texts wait for their turn.
    """
    mine = [message_html("user", text) for text in texts]
    working = message_html("assistant", busy, ' aria-busy="true" role="status"')
    mine.insert(1, working if partial is None else message_html("assistant", partial))
    return f'<div class="thread">{"".join(mine)}</div>'


def pieces(text: str) -> Iterator[str]:
    """Growing beginnings of ``text``, a word at a time, or a few words where it is long."""
    words = text.split(" ")
    step = -(-len(words) // PIECES)
    for end in range(step, len(words), step):
        yield " ".join(words[:end])
