"""Scripted conversations: turns from a file, carried out one by one, and what the conversation is after each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agent.recommender import Recommender
from agent.records.acts import act_to_json
from agent.records.answer import Answer, Recommendation
from agent.records.conversation import Conversation

KINDS = {"like": "liked", "dislike": "disliked", "seen": "seen", "more": "more", "less": "less", "rate": "rated"}
"""Reactions as a turn names them, and as :meth:`agent.recommender.Recommender.react` does."""

REACTION_KEYS = {"react", "position", "stars"}


class TurnError(ValueError):
    """A turn cannot be carried out as given; the message names it and the fix."""


def hold(recommender: Recommender, request: Mapping[str, Any]) -> dict[str, Any]:
    """One conversation, turn by turn, as plain data.

    Raises:
        ValueError: the user is unknown, or a turn cannot be carried out.
    """
    user = request.get("user")
    conversation = Conversation(user=None if user is None else str(user))
    recommender.history(conversation.user)
    turns = []
    for number, turn in enumerate(request["turns"], 1):
        try:
            turns.append(take(recommender, conversation, turn))
        except ValueError as error:
            raise TurnError(f"turn {number}: {error.args[0] if error.args else error}") from error
    return {"id": request["id"], "turns": turns}


def take(recommender: Recommender, conversation: Conversation, turn: Any) -> dict[str, Any]:
    """One turn: a message, a reaction to a card, or a condition taken back; what the conversation is then.

    Raises:
        ValueError: the turn is none of these, or names a place that the slate does not have.
    """
    start = time.perf_counter()
    answer: Answer | None
    if isinstance(turn, str):
        answer = recommender.reply(conversation, turn)
        acts = [act_to_json(act) for act in recommender.state(conversation).acts]
    elif isinstance(turn, dict) and set(turn) == {"remove"}:
        try:
            answer = recommender.drop(conversation, str(turn["remove"]))
        except KeyError:
            answer = None  # there is no such condition: nothing changes
        acts = [{"act": "remove", "facet": turn["remove"]}]
    elif isinstance(turn, dict) and "react" in turn and set(turn) <= REACTION_KEYS:
        answer = _react(recommender, conversation, turn)
        acts = [{"act": "react", **turn}]
    else:
        raise TurnError(f"{turn!r} is no turn: give a text, {{'react', 'position'}} or {{'remove'}}")
    state = recommender.state(conversation)
    changed = answer is not None and answer.slate_changed and bool(answer.items)
    question = answer.question if answer is not None else None
    return {
        "reply": answer.reply if answer is not None else "",
        "acts": acts,
        "slate": [_item(own) for own in answer.items] if answer is not None and changed else [],
        "slate_changed": changed,
        "conditions": [own.to_json() for own in state.conditions],
        "believed": recommender.believed(conversation),
        "unmet": list(answer.unmet) if answer is not None else [],
        "question": None if question is None else {"text": question.text, "options": list(question.options)},
        "latency_ms": round(1000 * (time.perf_counter() - start), 1),
    }


def _react(recommender: Recommender, conversation: Conversation, turn: Mapping[str, Any]) -> Answer | None:
    kind = KINDS.get(str(turn["react"]))
    if kind is None:
        raise TurnError(f"unknown reaction {turn['react']!r}: use one of {', '.join(KINDS)}")
    slate = conversation.slate
    items = slate.items if slate is not None else ()
    position = turn.get("position")
    if not isinstance(position, int) or not 1 <= position <= len(items):
        raise TurnError(f"position {position!r}: the slate has {len(items)} places, counted from 1")
    stars = turn.get("stars")
    if (kind == "rated") != (stars is not None):
        raise TurnError(f"reaction {turn['react']!r} with stars {stars!r}: give stars (1 to 5) with rate alone")
    return recommender.react(conversation, items[position - 1].item_id, kind, None if stars is None else float(stars))


def _item(item: Recommendation) -> dict[str, Any]:
    fields = ("item_id", "title", "attributes", "raters", "score", "propensity", "reason")
    return {**{name: getattr(item, name) for name in fields}, "evidence": [asdict(fact) for fact in item.evidence]}
