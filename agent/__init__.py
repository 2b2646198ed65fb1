"""What one turn does: catalogue, understanding, evidence, policy, explanation, feedback.

from agent import Conversation, FeedbackLog, Recommender
concierge = Recommender.load()
print(concierge.recommend(likes=["Alien"], ask="something funny").reply)

with FeedbackLog("chat.db") as log:  # a chat that is logged, to be learnt from (`concierge train ppo --from-feedback`)
    concierge = Recommender.load(log=log, explore=True)
    conversation = Conversation()
    answer = concierge.reply(conversation, "a comedy from the 90s")
    concierge.react(conversation, answer.items[0].item_id, "liked")
    print(concierge.reply(conversation, "something newer").reply)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.records.conversation import Conversation
    from agent.store.feedback import FeedbackLog

__all__ = ["Conversation", "FeedbackLog", "Recommender"]
_PLACES = {
    "Conversation": "agent.records.conversation",
    "FeedbackLog": "agent.store.feedback",
    "Recommender": "agent.recommender",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are asked for: the command line starts without torch."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
