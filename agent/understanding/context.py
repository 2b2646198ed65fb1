"""Context: a message read in the light of the conversation that it belongs to."""

from __future__ import annotations

from typing import cast

from agent.catalogue.catalogue import Catalogue
from agent.records.conversation import Conversation
from agent.understanding.intents import Intent
from agent.understanding.parser import Understanding, understand
from agent.understanding.references import chosen


def heard(message: str, conversation: Conversation, catalogue: Catalogue) -> Understanding:
    """Read ``message`` as the next one of ``conversation``, which is not changed.

    References mean the latest slate; "it" and corrections what the message before spoke of. The answer to "which one?"
    ("the older one", or a quick reply) stands for the title that was asked about.
    """
    spoken = [catalogue.index(item_id) for item_id in conversation.spoken if item_id in catalogue]
    slate = conversation.slate
    shown = [catalogue.index(item.item_id) for item in slate.items if item.item_id in catalogue] if slate else []
    last = cast("Intent", conversation.heard) if conversation.heard else None
    answer = conversation.messages[-1].answer if conversation.messages else None
    if answer is not None and answer.choices and len(conversation.messages) > 1:
        before = conversation.messages[-2].content
        asked = understand(before, catalogue, conversation.constraints).ambiguities
        picked = message if message in answer.choices else None
        if asked and picked is None:
            item = chosen(message, asked[0].options, catalogue)
            picked = None if item is None else catalogue[item].name
        if asked and picked is not None:
            message = before.replace(asked[0].text, picked, 1)
    return understand(message, catalogue, conversation.constraints, shown, spoken, last)
