"""Hearing: a conversation that was held elsewhere, as the messages of its two sides tell it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.lookup import RequestError
from agent.dialogue.dialogue_state import keep_said
from agent.records.conversation import Conversation, Message
from agent.understanding.parser import Ambiguity, Understanding


@dataclass(slots=True)
class Heard:
    """What was heard: the latest message's meaning, and notes for the reply."""

    told: Understanding | None = None
    notes: list[str] = field(default_factory=list)


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
        elif role in ("assistant", "system"):
            conversation.messages.append(Message("assistant", text))
            if role == "assistant":
                named = [link.options[0] for link in catalogue.link(text)]
                keep_said(conversation, text, dict.fromkeys(named, 1.0), catalogue)
                conversation.shown += [catalogue[item].item_id for item in named]
        else:
            raise RequestError(f"unknown role {role!r}: use user, assistant or system")
    return heard
