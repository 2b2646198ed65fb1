"""Intents: what a message wants of Concierge."""

from __future__ import annotations

from typing import Literal

Intent = Literal[
    "recommend",
    "refine",
    "reject",
    "ask",
    "compare",
    "rate",
    "why",
    "why_not",
    "profile",
    "thanks",
    "greeting",
    "chat",
    "undo",
    "reset",
    "off_topic",
    "other",
]
"""``ask``: about an item; ``chat``: chit-chat; ``why``: "why the second one?"; ``why_not``: "why not Alien?";
``profile``: "what do you think I like?"."""
