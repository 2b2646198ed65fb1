"""Logged state: what the log keeps of a state, and the state made again from it, for policies to be asked later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.lookup import RequestError, item_index, read_events
from agent.domains.domain import legacy_reader
from agent.policy.distribution import Ranking
from agent.records.answer import Answer
from agent.records.conditions import Condition, Conditions
from agent.records.conversation import Conversation
from agent.records.impression import Impression
from agent.records.state import Event, Goal, Spoken, State

KEYS = ("history", "like", "unlike", "goal", "left_out", "spoken")


@dataclass(frozen=True, slots=True)
class LoggedState:
    """A state made again from the log.

    ``left_out`` holds catalogue indices that the turn left out besides those that the user knows. ``exact`` says
    whether the log held the state itself; otherwise it is what could be told from the user, the request and the
    constraints, without what the conversation told of items.
    """

    state: State
    left_out: frozenset[int]
    exact: bool


def state_document(state: State, left_out: Iterable[int], catalogue: Catalogue) -> dict[str, Any]:
    """What :attr:`agent.records.impression.Impression.state` keeps: plain data, items by their ids.

    ``history`` holds ``{"item": id, "rating": grade or None}``, oldest first; ``like``, ``unlike`` and ``left_out``
    ids; ``goal`` what the choice was judged by; ``spoken``, where all that is known was said, the items that were named
    (``[id, weight]``) and the words. The request and the constraints have fields of their own.
    """

    def ids(indices: Iterable[int]) -> list[str]:
        return [catalogue[index].item_id for index in indices]

    spoken = state.spoken
    named = [[catalogue[item].item_id, weight] for item, weight in spoken.named] if spoken else []
    return {
        "history": [{"item": catalogue[event.item].item_id, "rating": event.rating} for event in state.history],
        "like": ids(state.like),
        "unlike": ids(state.unlike),
        "goal": state.goal,
        "left_out": ids(sorted(set(left_out) - state.seen)),
        "spoken": None if spoken is None else {"named": named, "said": spoken.said, "last": spoken.last},
    }


def conditions_document(state: State, catalogue: Catalogue) -> dict[str, Any]:
    """What :attr:`agent.records.impression.Impression.constraints` keeps: conditions, wishes in words, refused ids."""
    return {
        "conditions": [own.to_json() for own in state.conditions],
        "hints": list(state.hints),
        "excluded": [catalogue[item].item_id for item in sorted(state.excluded)],
    }


def impression_of(
    conversation: Conversation,
    state: State,
    left_out: Iterable[int],
    ranking: Ranking,
    drawn: bool,
    answer: Answer,
    catalogue: Catalogue,
) -> Impression:
    """What the log keeps of an answer: the slate with its propensities, and all that it was chosen from.

    ``left_out`` holds the catalogue indices that the turn left out; ``drawn`` says whether the slate was drawn from
    ``ranking`` or is its most probable items.
    """
    return Impression(
        conversation_id=conversation.id,
        turn=conversation.turn,
        user=conversation.user,
        request=state.request,
        candidates=tuple(catalogue[int(index)].item_id for index in ranking.candidates),
        slate=tuple(item.item_id for item in answer.items),
        propensities=tuple(item.propensity for item in answer.items),
        scores=tuple(item.score for item in answer.items),
        policy=answer.policy,
        template_name=str(answer.template["name"]),
        template_version=str(answer.template["version"]),
        template_hash=str(answer.template["hash"]),
        constraints=conditions_document(state, catalogue),
        temperature=ranking.temperature,
        latency_ms=answer.latency_ms,
        state=state_document(state, left_out, catalogue),
        candidate_propensities=tuple(ranking.probabilities.tolist()) if drawn else None,
    )


def logged_state(
    impression: Impression, catalogue: Catalogue, histories: Mapping[str, Sequence[Event]] | None = None
) -> LoggedState:
    """The state that an impression was chosen for.

    Where the log holds no state (rows of earlier versions) it is put together from the past of the data set's user in
    ``histories``, the request and the constraints, and is marked as not exact.

    Raises:
        RequestError: an item, a user or a field is unknown; the message names the impression and the field.
    """
    try:
        conditions, hints, excluded = _conditions(impression.constraints, catalogue)
        if impression.state is None:
            past = _past(impression.user, histories)
            state = State(
                past, impression.request, goal="request", conditions=conditions, hints=hints, excluded=excluded
            )
            return LoggedState(state, frozenset(), exact=False)
        document = {"spoken": None, **impression.state}  # earlier versions did not use what was said
        unknown = set(document) ^ set(KEYS)
        if unknown:
            raise RequestError(f"field 'state' lacks or does not know {min(unknown)!r}: it holds {', '.join(KEYS)}")
        if document["goal"] not in get_args(Goal):
            raise RequestError(f"goal {document['goal']!r}: use one of {', '.join(get_args(Goal))}")
        like, unlike, left_out = (
            tuple(item_index(item, catalogue) for item in document[key]) for key in ("like", "unlike", "left_out")
        )
        history = tuple(read_events(document["history"], catalogue))
        spoken = _spoken(document["spoken"], catalogue)
        state = State(
            history,
            impression.request,
            like,
            unlike,
            document["goal"],
            spoken=spoken,
            conditions=conditions,
            hints=hints,
            excluded=excluded,
        )
    except (RequestError, ValueError, TypeError, KeyError) as error:
        raise RequestError(f"impression {impression.id!r}: {error}") from error
    return LoggedState(state, frozenset(left_out), exact=True)


def _conditions(logged: Mapping[str, Any], catalogue: Catalogue) -> tuple[Conditions, tuple[str, ...], frozenset[int]]:
    """Conditions, hints and excluded items, also of rows of earlier versions."""
    excluded = frozenset(item_index(str(item), catalogue) for item in logged.get("excluded", ()))
    if "conditions" not in logged:
        return *legacy_reader().legacy_conditions(logged), excluded
    return tuple(Condition.from_json(own) for own in logged["conditions"]), tuple(logged["hints"]), excluded


def _spoken(logged: Mapping[str, Any] | None, catalogue: Catalogue) -> Spoken | None:
    if logged is None:
        return None
    named = tuple((item_index(item, catalogue), float(weight)) for item, weight in logged["named"])
    return Spoken(named, str(logged["said"]), str(logged["last"]))


def _past(user: str | None, histories: Mapping[str, Sequence[Event]] | None) -> tuple[Event, ...]:
    if user is None:
        return ()
    if histories is None or user not in histories:
        raise RequestError(f"field 'user': no past of user {user!r} is known: use the data set that the log comes from")
    return tuple(histories[user])
