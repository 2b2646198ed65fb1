"""What one turn does: catalogue, understanding, evidence, policy, explanation, feedback.

from agent import Recommender
concierge = Recommender.load()
print(concierge.recommend(likes=["Alien"], ask="something funny").reply)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.recommender import Recommender

__all__ = ["Recommender"]


def __getattr__(name: str) -> Any:
    """`Recommender`, imported when it is asked for: the command line starts without torch."""
    if name == "Recommender":
        from agent.recommender import Recommender

        return Recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
