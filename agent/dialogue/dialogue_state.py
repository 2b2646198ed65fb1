"""Turn: what a conversation and a new message mean for the state that the policy sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent.catalogue.catalogue import Catalogue
from agent.records.constraints import Constraints
from agent.records.conversation import Attitude, Belief, Conversation
from agent.records.state import Event, Spoken, State
from agent.text import clean
from agent.understanding.merging import merge
from agent.understanding.parser import Mention, Understanding

STARS: dict[Attitude, float | None] = {"liked": 5.0, "disliked": 1.0, "seen": None, "more": 5.0, "less": 1.0}
"""How an attitude reads in a history, in stars (None: watched, not rated); "rated" carries its own."""

ATTITUDES: dict[str, Attitude] = {
    "liked": "liked",
    "disliked": "disliked",
    "seen": "seen",
    "like": "more",
    "unlike": "less",
}
"""What an attitude in a message becomes as a belief."""

REQUEST_LENGTH = 400
"""The wish that the LM reads keeps its latest characters, so that a long chat does not push out the history."""


WEIGHTS: Mapping[str, float] = {"disliked": -0.3, "unlike": -0.3, "less": -0.3}
"""How much a named film counts by the attitude towards it; all others count 1."""

TELLING = frozenset({"recommend", "refine", "rate", "reject", "other"})
"""Intents of messages that tell what somebody likes; what is asked about a film tells nothing."""

SPOKEN_MESSAGES, SPOKEN_LENGTH = 4, 400
"""So many messages and characters at the end of a conversation are what was said last."""


def absorb(conversation: Conversation, message: str, understood: Understanding, catalogue: Catalogue) -> None:
    """Take a message's meaning into the conversation: attitudes, standing constraints and the wish in words."""
    if understood.intent == "reset":
        conversation.named, conversation.said = {}, []
        conversation.constraints = Constraints()
        conversation.request = ""
        conversation.shown = []
        conversation.beliefs = [b for b in conversation.beliefs if b.attitude not in ("more", "less")]
    conversation.constraints = merge(conversation.constraints, understood)
    if understood.intent == "recommend":
        # A new wish leaves the examples named in the one before behind; those of the cards stay until taken back.
        conversation.beliefs = [
            b for b in conversation.beliefs if b.attitude not in ("more", "less") or b.source != "message"
        ]
    for mistaken, meant in understood.corrections:
        corrected(conversation, catalogue[mistaken].item_id, catalogue[meant].item_id, catalogue)
    for mention in understood.mentions:
        mentioned(conversation, mention, catalogue)
    if understood.intent in TELLING:
        keep_said(conversation, message, {m.item: WEIGHTS.get(m.attitude, 1.0) for m in understood.mentions}, catalogue)
    if understood.mentions or understood.intent in ("recommend", "reset"):
        meant_now = [m.item for m in understood.mentions if m.item not in understood.constraints.excluded]
        meant_now = meant_now or [m.item for m in understood.mentions]
        conversation.spoken = [catalogue[item].item_id for item in dict.fromkeys(meant_now)]
    conversation.heard = understood.intent
    wish = understood.request.strip()
    if understood.intent == "recommend":
        conversation.request = wish
    elif wish:
        conversation.request = f"{conversation.request}; {wish}" if conversation.request else wish
    conversation.request = conversation.request[-REQUEST_LENGTH:]


def corrected(conversation: Conversation, mistaken: str, meant: str, catalogue: Catalogue) -> None:
    """What a message told of one film was meant of another (both by item id)."""
    excluded, wrong = conversation.constraints.excluded, catalogue.index(mistaken)
    if wrong in excluded:
        right = (excluded - {wrong}) | {catalogue.index(meant)}
        conversation.constraints = replace(conversation.constraints, excluded=right)
    if mistaken in conversation.named:
        conversation.named[meant] = conversation.named.pop(mistaken)
    for belief in [own for own in conversation.beliefs if own.item_id == mistaken and own.source == "message"]:
        conversation.beliefs.remove(belief)
        believe(conversation, replace(belief, item_id=meant))


def keep_said(conversation: Conversation, message: str, named: Mapping[int, float], catalogue: Catalogue) -> None:
    """Keep a message that tells of taste, and the films (catalogue indices, with weights) that it names."""
    if text := clean(message).strip():
        conversation.said = [*conversation.said, text][-SPOKEN_MESSAGES:]
    for item, weight in named.items():
        conversation.named.pop(catalogue[item].item_id, None)
        conversation.named[catalogue[item].item_id] = weight


def mentioned(conversation: Conversation, mention: Mention, catalogue: Catalogue) -> None:
    """Take in what the message said about one film; one that is only talked about changes nothing."""
    item_id = catalogue[mention.item].item_id
    if mention.rating is not None:
        believe(conversation, Belief(item_id, "rated", mention.rating, "message", conversation.turn))
    elif mention.attitude in ATTITUDES:
        believe(conversation, Belief(item_id, ATTITUDES[mention.attitude], None, "message", conversation.turn))


def believe(conversation: Conversation, belief: Belief) -> None:
    """Set what is believed of one item; the latest word stands."""
    conversation.beliefs = [old for old in conversation.beliefs if old.item_id != belief.item_id]
    conversation.beliefs.append(belief)


def state_of(conversation: Conversation, past: Sequence[Event], catalogue: Catalogue) -> State:
    """The state that the policy ranks for: the user's past, then what the conversation told, oldest first."""
    told = []
    like: list[int] = []
    unlike: list[int] = []
    for belief in conversation.beliefs:
        if belief.item_id not in catalogue:
            continue
        index = catalogue.index(belief.item_id)
        if belief.attitude == "more":
            like.append(index)
        elif belief.attitude == "less":
            unlike.append(index)
        else:
            told.append(Event(index, belief.rating if belief.attitude == "rated" else STARS[belief.attitude]))
    known = {event.item for event in told}
    history = tuple(event for event in past if event.item not in known) + tuple(told)
    constraints = conversation.constraints
    request = conversation.request
    return State(
        history=history,
        request=request,
        like=tuple(like),
        unlike=tuple(unlike),
        goal="request",
        **constraints.parts(),
        spoken=None if past else _spoken(conversation, catalogue),
    )


def _spoken(conversation: Conversation, catalogue: Catalogue) -> Spoken:
    """What was said, and the films that were named or, by a click, liked or refused."""
    believed = {own.item_id: _weight(own) for own in conversation.beliefs}
    clicked = {item: weight for item, weight in believed.items() if item not in conversation.named}
    named = {**clicked, **conversation.named}
    return Spoken(
        tuple((catalogue.index(item), believed.get(item, named[item])) for item in named if item in catalogue),
        " ".join(conversation.said)[-SPOKEN_LENGTH:],
        conversation.said[-1] if conversation.said else "",
    )


def _weight(belief: Belief) -> float:
    low = belief.attitude == "rated" and (belief.rating or 0.0) < 3.0
    return WEIGHTS["disliked"] if low else WEIGHTS.get(belief.attitude, 1.0)


def fresh_only(conversation: Conversation, understood: Understanding | None, catalogue: Catalogue) -> frozenset[int]:
    """Catalogue indices that this turn leaves out because they were just shown.

    A message that changes the conditions may bring a film back that meets them; one that only asks for more may not.
    """
    if understood is not None and understood.intent != "reject":
        changed = replace(understood.constraints, excluded=frozenset()) or understood.replaces
        if changed or understood.intent == "recommend":
            return frozenset()
    return frozenset(catalogue.index(item_id) for item_id in conversation.shown if item_id in catalogue)


def rewind(conversation: Conversation, listen: Callable[[str], Understanding], catalogue: Catalogue) -> str | None:
    """Drop the last exchange and what its message told; what was clicked on cards stays.

    ``listen`` understands a message in the light of the conversation as it stands. Returns the dropped message of the
    user, None where there was none.
    """
    asked = [place for place, message in enumerate(conversation.messages) if message.role == "user"]
    if not asked:
        return None
    kept, dropped = conversation.messages[: asked[-1]], conversation.messages[asked[-1]]
    cards = [belief for belief in conversation.beliefs if belief.source != "message"]
    conversation.messages, conversation.beliefs, conversation.shown = [], [], []
    conversation.constraints, conversation.request = Constraints(), ""
    conversation.spoken, conversation.heard = [], ""
    conversation.named, conversation.said = {}, []
    for message in kept:
        if message.role == "user":
            understood = listen(message.content)
            conversation.messages.append(message)
            absorb(conversation, message.content, understood, catalogue)
        else:
            conversation.messages.append(message)
            conversation.shown += [item.item_id for item in message.answer.items] if message.answer else []
    for belief in cards:
        believe(conversation, belief)
    return dropped.content


def take_back(conversation: Conversation, item_id: str, catalogue: Catalogue) -> None:
    """Believe nothing of an item any more, and let it be recommended again."""
    conversation.beliefs = [belief for belief in conversation.beliefs if belief.item_id != item_id]
    conversation.named.pop(item_id, None)
    excluded = conversation.constraints.excluded - {catalogue.index(item_id)}
    conversation.constraints = replace(conversation.constraints, excluded=excluded)


def forget(conversation: Conversation, constraint: str) -> None:
    """Take back a standing constraint, by its field's name, or a part of it: ``genres:Comedy|Romance``, ``tags:space``.

    Raises:
        KeyError: there is no such constraint, or not this part of it.
    """
    field, _, part = constraint.partition(":")
    if field not in Constraints.__slots__:
        known = ", ".join(Constraints.__slots__)
        raise KeyError(f"nothing to forget by the name {constraint!r}: give an item id of a belief, or one of {known}")
    held = getattr(conversation.constraints, field)
    left = getattr(Constraints(), field)
    if part:
        kept = [value for value in held if _named(value) != part] if isinstance(held, tuple | frozenset) else [held]
        if not isinstance(held, tuple | frozenset) or len(kept) == len(held):
            raise KeyError(f"nothing to forget by the name {constraint!r}: it is not among the standing {field}")
        left = type(held)(kept)
    conversation.constraints = replace(conversation.constraints, **{field: left})


def _named(value: object) -> str:
    """How :func:`forget` calls one part of a constraint."""
    if isinstance(value, frozenset):
        return "|".join(sorted(value))
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
