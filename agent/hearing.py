"""Hearing: a conversation that was held elsewhere, as the messages of its two sides tell it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.catalogue import Catalogue
from agent.conversation import Conversation, Message
from agent.lookup import RequestError
from agent.understanding import Ambiguity, Understanding

WEIGHTS: Mapping[str, float] = {"disliked": -0.3, "unlike": -0.3}
"""How much a named film counts by the attitude towards it; all others count 1."""


@dataclass(slots=True)
class Heard:
    """What was heard: the latest message's meaning, notes for the reply, and the films that either side named.

    ``named`` maps catalogue indices to weights (see WEIGHTS), in the order of the latest mention.
    """

    told: Understanding | None = None
    notes: list[str] = field(default_factory=list)
    named: dict[int, float] = field(default_factory=dict)

    def name(self, item: int, weight: float) -> None:
        """Count one more mention of an item."""
        self.named.pop(item, None)
        self.named[item] = weight


def hear(
    messages: Sequence[Mapping[str, str]],
    conversation: Conversation,
    catalogue: Catalogue,
    listen: Callable[[str], Understanding],
    take: Callable[[Ambiguity], str],
) -> Heard:
    """Take a conversation's messages in, one after the other.

    Films that the assistant names count as shown: they are not recommended again while the user only asks for more.

    Args:
        messages: ``{"role": "user", "assistant" or "system", "content": text}``, oldest first.
        conversation: is changed.
        catalogue: the items.
        listen: understands a message of the user and takes it in.
        take: decides between several films of one name; says which it took.

    Raises:
        RequestError: an unknown role.
    """
    heard = Heard()
    for message in messages:
        role, text = message["role"], message["content"]
        if role == "user":
            told = heard.told = listen(text)
            heard.notes = [take(ambiguity) for ambiguity in told.ambiguities]
            for mention in told.mentions:
                heard.name(mention.item, WEIGHTS.get(mention.attitude, 1.0))
            for ambiguity in told.ambiguities:
                heard.name(ambiguity.options[0], WEIGHTS.get(ambiguity.attitude, 1.0))
        elif role in ("assistant", "system"):
            conversation.messages.append(Message("assistant", text))
            for link in catalogue.link(text) if role == "assistant" else ():
                item = link.item if link.item is not None else link.options[0]
                heard.name(item, 1.0)
                conversation.shown.append(catalogue[item].item_id)
        else:
            raise RequestError(f"unknown role {role!r}: use user, assistant or system")
    return heard
