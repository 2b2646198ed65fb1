"""Replies: one turn's answer, by what the message wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.dialogue.about import about
from agent.dialogue.clarifying import best_question
from agent.dialogue.comparison import compare
from agent.dialogue.dialogue_state import fresh_only, state_of
from agent.dialogue.profile import profile
from agent.dialogue.relaxation import GivenUp, relax
from agent.dialogue.slate import choose
from agent.explanation.counterfactual import Standing, why_not
from agent.explanation.reasons import why
from agent.generation.realizer import Facts, Voice
from agent.policy.distribution import Policy
from agent.records.answer import Answer, Question, Recommendation
from agent.records.constraints import Constraints
from agent.records.conversation import Conversation
from agent.records.impression import Impression
from agent.records.state import Event, State
from agent.store.logged_state import impression_of
from agent.understanding.intents import Intent
from agent.understanding.parser import Understanding
from prompts import PromptError


@dataclass(frozen=True, slots=True)
class Turn:
    """All that one answer is made from.

    ``told`` is what the latest message says (None: there was none) and is already taken into ``conversation``.
    ``policy`` serves the turn; ``own`` is the same without an edited template, for states on which that fails.
    ``past`` is the events of the data set's user, oldest first. With ``rng`` slates are drawn. ``start`` is when the
    turn began and ``understood`` when the message was (``time.perf_counter``). ``asks`` allows a question back.
    ``undone`` is the message that was just taken back, where that is what the latest one wanted.
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
    asks: bool = False
    undone: str | None = None


Reply = tuple[Answer, Impression | None]
"""An answer, and what the log keeps of its slate where it has one."""


def respond(turn: Turn) -> Reply:
    """Answer the latest message by its intent; a title that several films share is asked about first."""
    told = turn.told
    if told is None:
        return recommend(turn)
    if told.ambiguities:
        return ask_which(turn)
    unread = told.intent == "other" and not told.mentions and not told.constraints and not told.replaces
    if unread and told.language != "en":
        language = TONGUES.get(told.language, "another language")
        return in_words(turn, [{"kind": "tongue", "language": language}], about="other")
    return HANDLERS.get(told.intent, recommend)(turn)


def recommend(turn: Turn) -> Reply:
    """A slate, with the sentence that introduces it; with a question beside it where that pays."""
    conversation, catalogue = turn.conversation, turn.catalogue
    state = state_of(conversation, turn.past, catalogue)
    named = state.seen | state.constraints.excluded | fresh_only(conversation, turn.told, catalogue)
    left_out = catalogue.with_twins(named)
    wanted = state.constraints
    given_up: tuple[GivenUp, ...] = ()
    if not catalogue.mask(wanted, left_out).any():
        relaxed, given_up = relax(wanted, catalogue, left_out, turn.k)
        state = replace(state, **relaxed.parts())
    policy, words = turn.policy, turn.voice.explanation
    try:
        choice = choose(policy, catalogue, state, left_out, turn.k, turn.rng, words, wanted)
    except PromptError:
        policy = turn.own
        choice = choose(policy, catalogue, state, left_out, turn.k, turn.rng, words, wanted)
    if given_up and choice.items:
        text = turn.voice.relaxed(len(choice.items), wanted, state.constraints)
    else:
        examples = [catalogue[index].title for index in state.like]
        text = turn.voice.found(turn.k, len(choice.items), state, examples)
    question: Question | None = None
    replies: tuple[str, ...] = ()
    if turn.asks and not given_up and len(choice.items) == turn.k:
        asking = time.perf_counter()
        shown = [catalogue.index(item.item_id) for item in choice.items]
        best = best_question(conversation, state, choice.full, catalogue, shown, turn.k)
        if best is not None:
            question = Question(best.question.aspect, turn.voice.tell(**best.facts))
            text, replies = f"{text} {question.text}", best.question.choices
        choice.seconds["asking"] = time.perf_counter() - asking
    timings = {"understanding": turn.understood - turn.start, **choice.seconds}
    answer = answer_of(turn, text, choice.items, replies, timings, policy)
    answer = replace(answer, question=question, relaxed=tuple(dict.fromkeys(own.field for own in given_up)))
    chosen_by = answer if not given_up else replace(answer, constraints=_plain(state.constraints, catalogue))
    drawn = turn.rng is not None
    return answer, impression_of(conversation, state, left_out, choice.ranking, drawn, chosen_by, catalogue)


def reject(turn: Turn) -> Reply:
    """Not those: another slate."""
    assert turn.told is not None
    titles = [turn.catalogue[mention.item].title for mention in turn.told.mentions]
    answer, impression = recommend(turn)
    said = turn.voice.tell(kind="rejected", options=titles)
    return replace(answer, reply=f"{said} {answer.reply}"), impression


def ask_which(turn: Turn) -> Reply:
    """Which of several films of one name is meant?"""
    assert turn.told is not None
    first = turn.told.ambiguities[0]
    options = [turn.catalogue[index].name for index in first.options[:4]]
    return answer_of(turn, turn.voice.which(first.text, options), choices=tuple(options), about="which"), None


def small_talk(turn: Turn) -> Reply:
    """A greeting, a thank-you, chit-chat, another subject or a fresh start, in words."""
    assert turn.told is not None
    return answer_of(turn, turn.voice.small_talk(turn.told.intent), about=turn.told.intent), None


def about_items(turn: Turn) -> Reply:
    """What the data says of the items that were asked about."""
    items = _meant(turn)
    if not items:
        return in_words(turn, [{"kind": "nameless"}])
    return in_words(turn, about(items, _message(turn), _state(turn), turn.catalogue))


def comparison(turn: Turn) -> Reply:
    """Two or more items side by side; fewer were named: those at the top of the slate."""
    items = list(dict.fromkeys(mention.item for mention in turn.told.mentions)) if turn.told else []
    shown = _shown(turn)
    if len(items) < 2:
        items = [*items, *(index for index in shown if index not in items)][:2]
    if len(items) < 2:
        return in_words(turn, [{"kind": "nameless"}])
    return in_words(turn, compare(items, _state(turn), turn.policy, turn.catalogue))


def grounds(turn: Turn) -> Reply:
    """Why a film was shown; one that was not is answered as "why not?"."""
    slate, shown = turn.conversation.slate, _shown(turn)
    named = [mention.item for mention in turn.told.mentions] if turn.told else []
    if slate is None and not named:
        return in_words(turn, [{"kind": "no_slate"}])
    if slate is None or (named and named[0] not in shown):
        return counterfactual(turn)
    places = [shown.index(index) for index in named if index in shown] or [0]
    sentences = [facts for place in places[:2] for facts in why(place, slate, turn.catalogue)]
    return in_words(turn, sentences)


def counterfactual(turn: Turn) -> Reply:
    """Why a film is not shown, and what would bring it there."""
    named = [mention.item for mention in turn.told.mentions] if turn.told else []
    if not named:
        return in_words(turn, [{"kind": "nameless"}])
    standing = Standing(turn.conversation, turn.past, turn.policy, turn.catalogue, turn.k)
    sentences, change = why_not(named[0], standing)
    return in_words(turn, sentences, (change.message,) if change else ())


def taste(turn: Turn) -> Reply:
    """What the agent makes of the user's taste."""
    return in_words(turn, profile(_state(turn), turn.catalogue))


def undo(turn: Turn) -> Reply:
    """Says what was taken back; the slate from before stands again."""
    if turn.undone is None:
        return in_words(turn, [{"kind": "nothing_to_undo"}])
    return in_words(turn, [{"kind": "undone", "said": turn.undone}])


HANDLERS: Mapping[Intent, Callable[[Turn], Reply]] = {
    "greeting": small_talk,
    "thanks": small_talk,
    "reset": small_talk,
    "chat": small_talk,
    "off_topic": small_talk,
    "reject": reject,
    "ask": about_items,
    "compare": comparison,
    "why": grounds,
    "why_not": counterfactual,
    "profile": taste,
    "undo": undo,
}
"""What answers an intent; all others get a slate."""

CHANGING = frozenset({"recommend", "which", "reset"})
"""What :attr:`agent.records.answer.Answer.about` says of exchanges that changed what is believed or shown."""

TONGUES: Mapping[str, str] = {
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "pl": "Polish",
    "ru": "Russian",
    "ja": "Japanese",
    "zh": "Chinese",
    "ko": "Korean",
    "ar": "Arabic",
}
"""Languages by their ISO 639-1 codes."""


def in_words(turn: Turn, sentences: Sequence[Facts], choices: tuple[str, ...] = (), about: str = "") -> Reply:
    """An answer without films; the slate from before stands."""
    intent = turn.told.intent if turn.told is not None else "other"
    return answer_of(turn, turn.voice.all_of(sentences), choices=choices, about=about or intent), None


def _meant(turn: Turn) -> list[int]:
    """The items that the message names, else the first of the slate."""
    named = [mention.item for mention in turn.told.mentions] if turn.told else []
    return list(dict.fromkeys(named)) or _shown(turn)[:1]


def _shown(turn: Turn) -> list[int]:
    slate = turn.conversation.slate
    return [turn.catalogue.index(item.item_id) for item in slate.items] if slate else []


def _state(turn: Turn) -> State:
    return state_of(turn.conversation, turn.past, turn.catalogue)


def _message(turn: Turn) -> str:
    return next((m.content for m in reversed(turn.conversation.messages) if m.role == "user"), "")


def answer_of(
    turn: Turn,
    text: str,
    items: tuple[Recommendation, ...] = (),
    choices: tuple[str, ...] = (),
    timings: Mapping[str, float] | None = None,
    policy: Policy | None = None,
    about: str = "recommend",
) -> Answer:
    """The answer with what stands, what served and how long it took (``timings`` in seconds)."""
    policy = policy or turn.policy
    return Answer(
        reply=text,
        items=items,
        constraints=_plain(turn.conversation.constraints, turn.catalogue),
        policy=policy.version,
        template=policy.template,
        latency_ms=round(1000 * (time.perf_counter() - turn.start), 1),
        timings_ms={part: round(1000 * seconds, 1) for part, seconds in (timings or {}).items()},
        choices=choices,
        about=about,
    )


def _plain(wanted: Constraints, catalogue: Catalogue) -> dict[str, Any]:
    """Constraints as plain data, items by their ids."""
    return wanted.to_json() | {"excluded": [catalogue[index].item_id for index in sorted(wanted.excluded)]}
