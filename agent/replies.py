"""Replies: one turn's answer, by what the message wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.answer import Answer, Recommendation
from agent.catalogue import Catalogue
from agent.choice import choose
from agent.conversation import Conversation
from agent.impression import Impression
from agent.logged_state import impression_of
from agent.policy import Policy
from agent.state import Event
from agent.turn import fresh_only, state_of
from agent.understanding import Intent, Understanding
from agent.voice import Voice
from prompts import PromptError


@dataclass(frozen=True, slots=True)
class Turn:
    """All that one answer is made from.

    ``told`` is what the latest message says (None: there was none) and is already taken into ``conversation``.
    ``policy`` serves the turn; ``own`` is the same without an edited template, for states on which that fails.
    ``past`` is the events of the data set's user, oldest first. With ``rng`` slates are drawn. ``start`` is when the
    turn began and ``understood`` when the message was (``time.perf_counter``).
    """

    catalogue: Catalogue
    policy: Policy
    own: Policy
    conversation: Conversation
    told: Understanding | None
    past: Sequence[Event]
    voice: Voice
    k: int
    rng: np.random.Generator | None
    start: float
    understood: float


Reply = tuple[Answer, Impression | None]
"""An answer, and what the log keeps of its slate where it has one."""


def respond(turn: Turn) -> Reply:
    """Answer the latest message by its intent; a title that several films share is asked about first."""
    if turn.told is not None and turn.told.ambiguities:
        return ask_which(turn)
    handler = HANDLERS.get(turn.told.intent, recommend) if turn.told is not None else recommend
    return handler(turn)


def recommend(turn: Turn) -> Reply:
    """A slate, with the sentence that introduces it."""
    state = state_of(turn.conversation, turn.past, turn.catalogue)
    left_out = state.seen | fresh_only(turn.conversation, turn.told, turn.catalogue)
    policy, words = turn.policy, turn.voice.explanation
    try:
        choice = choose(policy, turn.catalogue, state, left_out, turn.k, turn.rng, words)
    except PromptError:
        policy = turn.own
        choice = choose(policy, turn.catalogue, state, left_out, turn.k, turn.rng, words)
    examples = [turn.catalogue[index].title for index in state.like]
    text = turn.voice.found(turn.k, len(choice.items), state, examples)
    timings = {"understanding": turn.understood - turn.start, **choice.seconds}
    answer = answer_of(turn, text, choice.items, timings=timings, policy=policy)
    drawn = turn.rng is not None
    return answer, impression_of(turn.conversation, state, left_out, choice.ranking, drawn, answer, turn.catalogue)


def ask_which(turn: Turn) -> Reply:
    """Which of several films of one name is meant?"""
    assert turn.told is not None
    first = turn.told.ambiguities[0]
    options = [turn.catalogue[index].name for index in first.options[:4]]
    return answer_of(turn, turn.voice.which(first.text, options), choices=tuple(options)), None


def small_talk(turn: Turn) -> Reply:
    """A greeting, a thank-you or a fresh start, in words."""
    assert turn.told is not None
    return answer_of(turn, turn.voice.small_talk(turn.told.intent)), None


HANDLERS: Mapping[Intent, Callable[[Turn], Reply]] = {
    "greeting": small_talk,
    "thanks": small_talk,
    "reset": small_talk,
}
"""What answers an intent; all others get a slate."""


def answer_of(
    turn: Turn,
    text: str,
    items: tuple[Recommendation, ...] = (),
    choices: tuple[str, ...] = (),
    timings: Mapping[str, float] | None = None,
    policy: Policy | None = None,
) -> Answer:
    """The answer with what stands, what served and how long it took (``timings`` in seconds)."""
    policy = policy or turn.policy
    constraints = turn.conversation.constraints.to_json()
    constraints["excluded"] = [turn.catalogue[index].item_id for index in constraints["excluded"]]
    return Answer(
        reply=text,
        items=items,
        constraints=constraints,
        policy=policy.version,
        template=policy.template,
        latency_ms=round(1000 * (time.perf_counter() - turn.start), 1),
        timings_ms={part: round(1000 * seconds, 1) for part, seconds in (timings or {}).items()},
        choices=choices,
    )
