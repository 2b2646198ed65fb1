"""Turn: what a conversation and a new message mean for the state that the policy sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.catalogue import Catalogue
from agent.constraints import Constraints
from agent.conversation import Attitude, Belief, Conversation
from agent.state import Event, State
from agent.understanding import Understanding, merge

STARS: dict[Attitude, float | None] = {"liked": 5.0, "disliked": 1.0, "seen": None, "more": 5.0, "less": 1.0}
"""How an attitude reads in a history, in stars (None: watched, not rated); "rated" carries its own."""

REQUEST_LENGTH = 400
"""The wish that the LM reads keeps its latest characters, so that a long chat does not push out the history."""


def absorb(conversation: Conversation, understood: Understanding, catalogue: Catalogue) -> None:
    """Take a message's meaning into the conversation: attitudes, standing constraints and the wish in words."""
    turn = conversation.turn
    if understood.intent == "reset":
        conversation.constraints = Constraints()
        conversation.request = ""
        conversation.shown = []
        conversation.beliefs = [b for b in conversation.beliefs if b.attitude not in ("more", "less")]
    conversation.constraints = merge(conversation.constraints, understood)
    attitudes: dict[str, Attitude] = {
        "liked": "liked", "disliked": "disliked", "seen": "seen", "like": "more", "unlike": "less",
    }  # fmt: skip
    if understood.intent == "recommend":
        # A new wish leaves the examples of the one before behind.
        conversation.beliefs = [b for b in conversation.beliefs if b.attitude not in ("more", "less")]
    for mention in understood.mentions:
        attitude = attitudes.get(mention.attitude)
        if attitude:
            believe(conversation, Belief(catalogue[mention.item].item_id, attitude, source="message", turn=turn))
    wish = understood.request.strip()
    if understood.intent == "recommend":
        conversation.request = wish
    elif understood.intent == "refine" and wish:
        conversation.request = f"{conversation.request}; {wish}" if conversation.request else wish
    conversation.request = conversation.request[-REQUEST_LENGTH:]


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
        goal="request" if request or like or constraints else "like",
        constraints=constraints,
    )


def fresh_only(conversation: Conversation, understood: Understanding | None, catalogue: Catalogue) -> frozenset[int]:
    """Catalogue indices that this turn leaves out because they were just shown.

    A message that changes the conditions may bring a film back that meets them; one that only asks for more may not.
    """
    if understood is not None and (understood.constraints or understood.replaces or understood.intent == "recommend"):
        return frozenset()
    return frozenset(catalogue.index(item_id) for item_id in conversation.shown if item_id in catalogue)


def forget(conversation: Conversation, what: str) -> None:
    """Take back one belief (an item id) or one standing constraint (its field's name).

    Raises:
        KeyError: neither is there.
    """
    empty = Constraints()
    if what in Constraints.__slots__:
        conversation.constraints = replace(conversation.constraints, **{what: getattr(empty, what)})
        return
    if all(belief.item_id != what for belief in conversation.beliefs):
        raise KeyError(f"nothing is believed about {what!r}: give an item id of a belief, or the name of a constraint")
    conversation.beliefs = [belief for belief in conversation.beliefs if belief.item_id != what]
