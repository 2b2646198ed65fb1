"""Wording: the same conversations with the built-in reader, without the language model, and through a chat server."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.recommender import Language, Recommender
from agent.records.acts import Act, act_name, act_to_json
from agent.records.conversation import Conversation
from agent.understanding.chat_server import ChatServer
from eval.conversation.checks import sent
from eval.conversation.scripted import take

BUILT_IN, WITHOUT, SERVER = "built-in", "without the LM", "through the server"

SHOWN = 3
"""So many items of a slate are named."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to one message; ``acts`` in short, ``items`` by title, ``seconds`` the whole turn."""

    by: str
    acts: tuple[str, ...]
    items: tuple[str, ...]
    reply: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "by": self.by,
            "acts": list(self.acts),
            "items": list(self.items),
            "reply": self.reply,
            "seconds": round(self.seconds, 2),
        }


def recommenders(recommender: Recommender, language: Language | None) -> dict[str, Recommender]:
    """The recommender as it is, without the language model in its policy, and with other means to read and word."""
    catalogue, policy = recommender.catalogue, recommender.policy
    found = {BUILT_IN: recommender, WITHOUT: Recommender(catalogue, policy.instead_of_lm(), {})}
    return found if language is None else {**found, SERVER: Recommender(catalogue, policy, {}, language=language)}


def compare(
    dialogues: Sequence[Mapping[str, Any]],
    by: Mapping[str, Recommender],
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> list[dict[str, Any]]:
    """Every turn of the conversations, and how each recommender answers it in a conversation of its own."""
    rows: list[dict[str, Any]] = []
    for done, dialogue in enumerate(dialogues, 1):
        held = {name: Conversation() for name in by}
        for turn in dialogue["turns"]:
            said = sent(turn)
            replies = [_reply(name, own, held[name], said).to_json() for name, own in by.items()]
            rows.append({"conversation": str(dialogue["id"]), "said": said, "answers": replies})
        report("conversations", done, len(dialogues))
    return rows


def _reply(name: str, recommender: Recommender, conversation: Conversation, said: Any) -> Reply:
    start = time.perf_counter()
    answer = take(recommender, conversation, said)
    seconds = time.perf_counter() - start
    acts = recommender.state(conversation).acts if isinstance(said, str) else ()
    titles = tuple(item["title"] for item in answer["slate"][:SHOWN])
    return Reply(name, tuple(in_short(act, recommender) for act in acts), titles, answer["reply"], seconds)


def in_short(act: Act, recommender: Recommender) -> str:
    """An act in a few words; items by title."""
    data, parts = act_to_json(act), []
    for key, value in data.items():
        if key in ("act", "request", "words", "said") or value in (None, [], (), False, ""):
            continue
        if key == "conditions":
            for own in value:
                unsure = "?" if own["strength"] == "prefer" else ""
                parts.append(f"{own['facet']} {own['op'].replace('_', ' ')} {own['value']}{unsure}")
        elif key in ("like", "unlike", "reject", "items", "item", "options"):
            items = value if isinstance(value, list | tuple) else [value]
            parts.append(f"{key} {', '.join(recommender.catalogue[item].title for item in items)}")
        elif key == "opens_topic":
            parts.append("new topic")
        else:
            parts.append(f"{key} {', '.join(value) if isinstance(value, list | tuple) else value}")
    return f"{act_name(act)}: {'; '.join(parts)}" if parts else act_name(act)


def figures(rows: Sequence[Mapping[str, Any]], server: ChatServer | None) -> dict[str, Any]:
    """Seconds a turn by recommender, and what came of what the server was asked for."""
    names = dict.fromkeys(own["by"] for row in rows for own in row["answers"])
    seconds = {name: [own["seconds"] for row in rows for own in row["answers"] if own["by"] == name] for name in names}
    found: dict[str, Any] = {
        "seconds": {
            name: {"median": round(float(np.median(own)), 2), "p90": round(float(np.quantile(own, 0.9)), 2)}
            for name, own in seconds.items()
            if own
        }
    }
    if server is not None:
        found["server"] = {}
        for (what, outcome), number in sorted(server.counts.items()):
            found["server"].setdefault(what, {})[outcome] = number
    return found
