"""Export: a chat as a file of the person's own, to read (Markdown) or to process (JSON)."""

from __future__ import annotations

import re
from typing import Any

from agent.recommender import Recommender
from agent.records.answer import Recommendation
from agent.records.conversation import Conversation

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~])")


def chat_markdown(conversation: Conversation) -> str:
    """The transcript to read; whatever people or data wrote stays text."""
    parts = [f"# {_plain(conversation.title)}"]
    for message in conversation.messages:
        who = "You" if message.role == "user" else "Concierge"
        parts.append(f"**{who}:** {_plain(message.content)}")
        items = message.answer.items if message.answer is not None else ()
        if items:
            parts.append(
                "\n".join(f"{n}. **{_plain(item.name)}**: {_plain(item.reason)}" for n, item in enumerate(items, 1))
            )
    return "\n\n".join(parts) + "\n"


def chat_json(conversation: Conversation, recommender: Recommender) -> dict[str, Any]:
    """The transcript with the items' attributes, and what is believed and asked for at its end."""
    state = recommender.state(conversation)
    return {
        "title": conversation.title,
        "catalogue": recommender.catalogue.name,
        "messages": [
            {
                "role": message.role,
                "text": message.content,
                "items": [_item(item) for item in message.answer.items] if message.answer is not None else [],
            }
            for message in conversation.messages
        ],
        "believed": recommender.believed(conversation),
        "conditions": [own.to_json() for own in state.conditions],
    }


def _item(item: Recommendation) -> dict[str, Any]:
    return {
        "item_id": item.item_id, "title": item.title, "year": item.year, "reason": item.reason,
        "attributes": item.attributes,
    }  # fmt: skip


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
