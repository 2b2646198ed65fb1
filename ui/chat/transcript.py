"""Transcript: a conversation as the chatbot's messages, always plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from agent.records.conversation import Conversation

PIECES = 24
"""A streaming answer comes in at most so many pieces: each sends the whole transcript again."""
PIECE_SECONDS = 0.04
"""Pause between two pieces."""
STREAM_SECONDS = 2.0
"""A stream that takes longer, on a slow machine, goes to its end at once."""


def plain(text: str) -> str:
    """Text that the chatbot shows as it is: it takes its content for HTML even where Markdown is off.

    Only what could start a tag or an entity is escaped, since the same string is also the message's spoken label.
    """
    return re.sub(r"&(?=[#\w])", "&amp;", text).replace("<", "&lt;")


def transcript(conversation: Conversation, partial: str | None = None, pending: str | None = None) -> list[Any]:
    """The chatbot's messages: plain text, with the films of earlier slates listed under them; the standing has cards.

    ``pending`` is a message that is not answered yet; ``partial`` stands for the last answer while that streams.
    """
    rows: list[Any] = []
    last = len(conversation.messages) - 1
    slate = conversation.slate
    standing = max((p for p, message in enumerate(conversation.messages) if message.answer is slate), default=-1)
    for place, message in enumerate(conversation.messages):
        text = message.content
        if place == last and message.role == "assistant":
            text = text if partial is None else partial
        elif message.answer and message.answer.items and place != standing:
            films = (f"{item.title} ({item.year})" if item.year else item.title for item in message.answer.items)
            text = f"{text}\n" + "\n".join(f"· {film}" for film in films)
        rows.append({"role": message.role, "content": plain(text)})
    if pending is not None:
        rows.append({"role": "user", "content": plain(pending)})
        rows.append({"role": "assistant", "content": "…"})
    return rows


def pieces(text: str) -> Iterator[str]:
    """Growing beginnings of ``text``, a word at a time, or a few words where it is long."""
    words = text.split(" ")
    step = -(-len(words) // PIECES)
    for end in range(step, len(words), step):
        yield " ".join(words[:end])
