"""Dialogue state: what a conversation comes to, as a fold over its events.

Conditions, wishes in words, examples and the number of items belong to a topic, which a complete new wish replaces;
judgements, what was seen or refused, and conditions "for good" outlive it. To undo is to drop events and fold again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.conditions import Beyond, merged, within_span, without_key
from agent.dialogue.set_aside import surprises
from agent.records.acts import Act, Ask, Command, Judge, Shares, Tastes, Verdict, Want, WhichItem
from agent.records.answer import Answer
from agent.records.conditions import Condition, Conditions, with_scope
from agent.records.conversation import (
    Brought,
    Conversation,
    Dropped,
    Event,
    Given,
    Pressed,
    Replied,
    Said,
    Told,
    items_of,
    with_items,
)
from agent.records.state import POSITIVE, Spoken, State
from agent.records.state import Event as Past
from agent.text import clean
from agent.understanding.likely import surest
from agent.understanding.people import last_person
from agent.understanding.reader import understand
from agent.understanding.reading import Context, OpenQuestion

REQUEST_LENGTH = 400
"""The wish that the LM reads keeps its latest characters, so that a long chat does not push out the history."""

SPOKEN_MESSAGES, SPOKEN_LENGTH = 4, 400
"""So many messages and characters at the end of a conversation are what was said last."""

MOST_ITEMS = 10
"""At most so many items are shown at once, whatever was asked for."""

REFUSED_WEIGHT = -0.3
"""How much an item counts that was refused or disliked; all other named ones count 1."""

GRADES: Mapping[str, float] = {"liked": 5.0, "disliked": 1.0}
"""How an opinion without a grade reads in a history."""

HINT = "hint:"
"""What the chip keys of wishes in words begin with."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is believed of the person and one item.

    ``opinion`` is liked, disliked, not_interested or "" (none); ``seen`` says that they know it, ``rating`` is the
    grade that they gave. ``by_button`` tells a press from a message.
    """

    opinion: Literal["liked", "disliked", "not_interested", ""] = ""
    seen: bool = False
    rating: float | None = None
    by_button: bool = False

    @property
    def grade(self) -> float | None:
        """As a grade of a history; None: had it, said nothing."""
        return self.rating if self.rating is not None else GRADES.get(self.opinion)

    @property
    def liked(self) -> bool:
        """Whether it is positive feedback."""
        return (self.grade or 0.0) >= POSITIVE

    @property
    def disliked(self) -> bool:
        """Whether it is clearly negative."""
        grade = self.grade
        return grade is not None and grade < 3.0


@dataclass(frozen=True)
class DialogueState:
    """What a conversation comes to; items are catalogue indices.

    Attributes:
        conditions: those that hold, within what the catalogue spans.
        hints: wishes in words that no facet decides.
        like, unlike: examples to follow and to avoid.
        count: how many items were asked for; None: nothing was said.
        shares: how many of which kind, where several kinds were counted.
        tastes: who of several people wants what.
        request: the topic's wish in words.
        brought: what the person had elsewhere, file by file.
        past: the same as events, each item once, with the latest grade.
        judgements: item -> what is believed; in the order of the latest word.
        likely: item -> how likely the person had it, from 0 to 1, of items on which they gave no verdict.
        refused: items that were refused without a verdict.
        shown: all items shown since the topic began.
        slate: the items that stand, in order.
        answer: the answer that showed them; None without a slate.
        spoken: the items that were spoken of since the slate was shown, the latest last.
        which: names of several items that still wait for an answer, the first is asked about.
        question: the agent's latest answer, where it asked something that is open.
        acts: of the latest message.
        added: conditions that the latest message added.
        beyond: what the latest message asked for outside of what the catalogue spans.
        fresh: whether the latest event asks for items that were not shown yet.
        said: hints and given-up wishes that a reply named already.
        named: item -> weight of what either side named as a matter of taste, in the order of the latest mention.
        texts: the latest messages that tell of taste.
        unknown: names in the latest message that look like titles and are none in the catalogue.
        words, offered: the other side's latest words, and the items that they name.
        language: ISO 639-1 code of the latest message that told one.
        person: whom the person named or asked about last, as the condition that theirs meet.
        turns: how many messages the person sent.
    """

    conditions: Conditions = ()
    hints: tuple[str, ...] = ()
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()
    count: int | None = None
    shares: Shares = ()
    tastes: Tastes = ()
    request: str = ""
    brought: tuple[Brought, ...] = ()
    past: tuple[Past, ...] = ()
    judgements: Mapping[int, Judgement] = field(default_factory=dict)
    likely: Mapping[int, float] = field(default_factory=dict)
    refused: frozenset[int] = frozenset()
    shown: tuple[int, ...] = ()
    slate: tuple[int, ...] = ()
    answer: Answer | None = None
    spoken: tuple[int, ...] = ()
    which: tuple[WhichItem, ...] = ()
    question: Answer | None = None
    acts: tuple[Act, ...] = ()
    added: Conditions = ()
    beyond: tuple[Beyond, ...] = ()
    fresh: bool = False
    said: frozenset[str] = frozenset()
    named: Mapping[int, float] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    words: str = ""
    offered: tuple[int, ...] = ()
    language: str = "en"
    person: Condition | None = None
    turns: int = 0

    @property
    def wished(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.conditions or self.hints or self.like or self.unlike)

    @property
    def known(self) -> frozenset[int]:
        """Items that the person has seen or has an opinion of."""
        return frozenset(item for item, own in self.judgements.items() if own.seen or own.opinion or own.rating)

    def left_out(self, catalogue: Catalogue) -> frozenset[int]:
        """What a slate must not show: known and refused items, examples, just shown ones where others are wanted."""
        items = {*self.known, *self.refused, *self.like, *self.unlike}
        return catalogue.with_twins(items | set(self.shown) if self.fresh else items)


def fold(conversation: Conversation | Sequence[Event], catalogue: Catalogue) -> DialogueState:
    """The state after all events."""
    events = conversation.events if isinstance(conversation, Conversation) else conversation
    state = DialogueState()
    for event in _corrected(events):
        state = after(state, event, catalogue)
    return state


def _corrected(events: Sequence[Event]) -> list[Event]:
    """The events, without the acts of messages that the next one corrects."""
    kept = list(events)
    last: int | None = None
    for place, event in enumerate(events):
        if isinstance(event, Said):
            if event.corrects and last is not None:
                corrected = kept[last]
                assert isinstance(corrected, Said)
                kept[last] = replace(corrected, acts=())
            last = place
    return kept


def after(state: DialogueState, event: Event, catalogue: Catalogue) -> DialogueState:
    """The state after one more event."""
    match event:
        case Said():
            return _after_message(state, event, catalogue)
        case Replied(answer):
            return _after_answer(state, answer, catalogue)
        case Pressed():
            return _after_press(state, event, catalogue) if event.item_id in catalogue else state
        case Dropped(key):
            hints = tuple(hint for hint in state.hints if key not in ("hints", HINT + hint))
            brought = tuple(own for own in state.brought if own.key != key)
            return replace(
                state,
                brought=brought,
                past=_past_of(brought, catalogue),
                conditions=without_key(state.conditions, key),
                hints=hints,
                count=None if key == "count" else state.count,
                shares=() if key in ("count", *(facet for _, facet, _ in state.shares)) else state.shares,
                tastes=() if _of_facet(key, state.tastes) else state.tastes,
                fresh=False,
                added=(),
                beyond=(),
                acts=(),
            )
        case Told():
            return _after_other_side(state, event, catalogue)
        case Brought(key=key):
            brought = (*(own for own in state.brought if own.key != key), event)
            return replace(state, brought=brought, past=_past_of(brought, catalogue), acts=())
        case Given(conditions):
            held = with_scope(within_span(conditions, catalogue)[0], "standing")
            return replace(state, conditions=merged(state.conditions, held, catalogue))


def _past_of(brought: Iterable[Brought], catalogue: Catalogue) -> tuple[Past, ...]:
    found: dict[int, Past] = {}
    for own in brought:
        for item_id, grade in own.items:
            if item_id in catalogue:
                item = catalogue.index(item_id)
                known = found.pop(item, None)
                found[item] = Past(item, known.rating if grade is None and known is not None else grade)
    return tuple(found.values())


def state_after(message: str, catalogue: Catalogue) -> DialogueState:
    """What a single message comes to, said by a stranger."""
    reading = understand(message, Context(), catalogue)
    items = {item for act in reading.acts for item in items_of(act)}
    ids = {item: catalogue[item].item_id for item in items}
    return fold([Said(message, reading.acts, reading.language, reading.spoken, ids)], catalogue)


def policy_state(state: DialogueState, past: Sequence[Past]) -> State:
    """What the policy ranks for: the person's past, what they brought, what the conversation told; oldest first."""
    mine = {event.item for event in state.past}
    past = (*(event for event in past if event.item not in mine), *state.past)
    told = tuple(Past(item, own.grade) for item, own in state.judgements.items() if own.seen or own.grade is not None)
    known = {event.item for event in told}
    refused = state.refused | {item for item, own in state.judgements.items() if own.opinion == "not_interested"}
    return State(
        history=tuple(event for event in past if event.item not in known) + told,
        request=state.request,
        like=state.like,
        unlike=state.unlike,
        goal="request",
        conditions=state.conditions,
        hints=state.hints,
        excluded=frozenset(refused),
        spoken=None if past else _spoken(state),
    )


def context_of(state: DialogueState) -> Context:
    """What the next message may refer to."""
    return Context(
        conditions=state.conditions,
        shown=state.slate,
        spoken=state.spoken,
        question=_open_question(state),
        acts=state.acts,
        said=state.words,
        offered=state.offered,
        language=state.language,
        person=state.person,
        begun=state.turns > 0,
    )


# --- messages --------------------------------------------------------------------------------------------------------


def _after_message(state: DialogueState, event: Said, catalogue: Catalogue) -> DialogueState:
    acts = _placed(event, catalogue)
    state = replace(
        state,
        acts=acts,
        added=(),
        beyond=(),
        fresh=False,
        question=None,
        turns=state.turns + 1,
        unknown=event.unknown,
        which=_waiting(state.which, acts),
        language=event.language or state.language,
        conditions=tuple(own for own in state.conditions if own.scope != "turn"),
        likely=_likely(state, event, catalogue),
        person=last_person(acts, catalogue) or state.person,
        shown=_joined(state.shown, (item for act in acts if isinstance(act, Ask) for item in _single(act))),
    )
    others = any(isinstance(act, Command) and act.kind == "next" for act in acts)
    for act in acts:
        match act:
            case Want():
                shown = state.shown
                state = _after_wish(state, act, catalogue)
                state = replace(state, shown=shown) if others else state
            case Judge():
                state = _judged(state, act.item, act.verdict, act.rating)
            case Command(kind="restart" | "forget"):
                state = DialogueState(
                    brought=state.brought, past=state.past, acts=acts,
                    judgements=state.judgements if act.kind == "restart" else {},
                    unknown=event.unknown, language=state.language, said=state.said, turns=state.turns,
                )  # fmt: skip
            case Command(kind="more" | "next"):
                state = replace(state, fresh=True)
            case _:
                pass
    telling = [
        act for act in acts if isinstance(act, Judge | WhichItem) or (isinstance(act, Want) and act.says_something)
    ]
    if telling and (text := clean(event.text).strip()):
        state = replace(state, texts=(*state.texts, text)[-SPOKEN_MESSAGES:])
    spoken = _moved(event.spoken, event, catalogue) or tuple(item for act in acts for item in _single(act))
    return replace(state, spoken=_latest(state.spoken, spoken))


def _after_wish(state: DialogueState, wish: Want, catalogue: Catalogue) -> DialogueState:
    conditions = state.conditions
    surprise = not (wish.says_something or wish.drops) and surprises(wish.request, catalogue)
    if wish.opens_topic or surprise:
        standing = tuple(own for own in conditions if own.scope == "standing")
        state = replace(state, hints=(), like=(), unlike=(), count=None, shares=(), tastes=(), request="")
        state = replace(state, shown=state.shown if surprise else ())
        conditions = standing
    conditions = tuple(own for own in conditions if own.facet not in wish.drops)
    added, beyond = within_span(wish.conditions, catalogue)
    # What cannot be met at all still says that the bounds of before are no longer meant.
    gone = {own.condition.facet for own in beyond}
    conditions = tuple(own for own in conditions if own.facet not in gone or not _number(own))
    conditions = merged(conditions, added, catalogue)
    wanted = set(wish.like)
    # Neither a condition nor an example: others of the same kind are meant.
    told = wish.conditions or wish.hints or wish.like or wish.drops or wish.opens_topic or wish.lacking
    whole = set(state.slate) <= set(wish.reject)  # "not the second one" keeps the others
    only_others = not told and (
        whole if wish.reject else bool(wish.unlike) or (wish.count is None and bool(state.slate))
    )
    request = wish.request.strip()
    if request and state.request and not wish.opens_topic:
        request = f"{state.request}; {request}"
    named = dict(state.named)
    for item, weight in [*((i, 1.0) for i in wish.like), *((i, REFUSED_WEIGHT) for i in (*wish.unlike, *wish.reject))]:
        named.pop(item, None)
        named[item] = weight
    return replace(
        state,
        conditions=conditions,
        hints=_joined(() if "hints" in wish.drops else _not_denied(state.hints, wish.hints), wish.hints),
        like=_joined(tuple(i for i in state.like if i not in {*wish.unlike, *wish.reject}), wish.like),
        unlike=_joined(tuple(i for i in state.unlike if i not in wanted), wish.unlike),
        refused=(state.refused - wanted) | frozenset(wish.reject),
        count=state.count if wish.count is None else max(1, min(MOST_ITEMS, wish.count)),
        shares=wish.shares or (() if wish.count is not None or _spoken_of(state.shares, wish) else state.shares),
        tastes=wish.tastes or (() if _spoken_of(state.tastes, wish) else state.tastes),
        request=(request or state.request)[-REQUEST_LENGTH:],
        added=(*state.added, *(own for own in added if own in conditions)),
        beyond=(*state.beyond, *beyond),
        fresh=state.fresh or only_others,
        named=named,
    )


def _judged(
    state: DialogueState, item: int, verdict: Verdict, rating: float | None, by_button: bool = False
) -> DialogueState:
    judgements = dict(state.judgements)
    old = judgements.pop(item, Judgement())
    named = dict(state.named)
    named.pop(item, None)
    if verdict == "not_seen":
        new = replace(old, seen=False)
    elif verdict == "interested":
        new = replace(old, opinion="" if old.opinion == "not_interested" else old.opinion)
    elif verdict == "seen":
        new = replace(old, seen=True)
    elif verdict == "not_interested":
        new = replace(old, opinion="not_interested", rating=None, by_button=by_button)
    else:
        new = replace(old, opinion=verdict, rating=rating, by_button=by_button, seen=old.seen or rating is not None)
    if new != Judgement():
        judgements[item] = new
    if new != Judgement() or verdict == "interested":
        named[item] = REFUSED_WEIGHT if new.disliked or new.opinion == "not_interested" else 1.0
    like = state.like
    if new.disliked or new.opinion == "not_interested":
        like = tuple(own for own in like if own != item)
    return replace(state, judgements=judgements, named=named, like=like, refused=state.refused - {item})


# --- presses, answers, the other side --------------------------------------------------------------------------------


def _after_press(state: DialogueState, event: Pressed, catalogue: Catalogue) -> DialogueState:
    item = catalogue.index(event.item_id)
    state = replace(state, fresh=event.kind in ("more", "less"), added=(), beyond=(), acts=())
    match event.kind:
        case "liked" | "disliked" | "seen":
            return _judged(state, item, event.kind, None, by_button=True)
        case "rated":
            grade = event.value or 0.0
            verdict: Verdict = "liked" if grade >= POSITIVE else "disliked" if grade < 3.0 else "seen"
            judged = _judged(state, item, verdict, event.value, by_button=True)
            own = replace(judged.judgements[item], rating=event.value, seen=True, by_button=True)
            return replace(judged, judgements={**judged.judgements, item: own})
        case "more":
            unlike = tuple(own for own in state.unlike if own != item)
            return replace(state, like=_joined(state.like, (item,)), unlike=unlike, named={**state.named, item: 1.0})
        case "less":
            like = tuple(own for own in state.like if own != item)
            named = {**state.named, item: REFUSED_WEIGHT}
            return replace(state, unlike=_joined(state.unlike, (item,)), like=like, named=named)
        case "removed":
            kept = {own: judgement for own, judgement in state.judgements.items() if own != item}
            return replace(
                state,
                judgements=kept,
                likely={own: chance for own, chance in state.likely.items() if own != item},
                like=tuple(own for own in state.like if own != item),
                unlike=tuple(own for own in state.unlike if own != item),
                refused=state.refused - {item},
                named={own: weight for own, weight in state.named.items() if own != item},
            )
        case _:
            return state


def _after_answer(state: DialogueState, answer: Answer, catalogue: Catalogue) -> DialogueState:
    places = tuple(catalogue.index(item.item_id) for item in answer.items if item.item_id in catalogue)
    spoken = tuple(catalogue.index(own) for own in answer.spoken if own in catalogue)
    state = replace(
        state,
        question=answer if answer.question is not None else None,
        said=state.said | frozenset(answer.unmet),
        spoken=_latest(state.spoken, spoken),
        fresh=False,
        words=answer.reply,
        offered=spoken,
    )
    if not answer.slate_changed:
        return state
    return replace(
        state,
        slate=places,
        answer=answer if places else None,
        shown=_joined(state.shown, places),
        spoken=(),
    )


def _after_other_side(state: DialogueState, event: Told, catalogue: Catalogue) -> DialogueState:
    named = dict(state.named)
    places = tuple(catalogue.index(own) for own in event.named if own in catalogue)
    for item in places:
        named.setdefault(item, 1.0)
    text = clean(event.text).strip()
    texts = (*state.texts, text)[-SPOKEN_MESSAGES:] if text else state.texts
    return replace(
        state,
        named=named,
        texts=texts,
        shown=_joined(state.shown, places),
        spoken=_latest(state.spoken, places),
        words=event.text,
        offered=places,
        turns=max(1, state.turns),
    )


# --- helpers ---------------------------------------------------------------------------------------------------------


def _waiting(which: tuple[WhichItem, ...], acts: Sequence[Act]) -> tuple[WhichItem, ...]:
    """Names that wait for an answer: the rest of those asked about, if the first was answered, and new ones."""
    new = tuple(act for act in acts if isinstance(act, WhichItem))
    if which:
        named = {item for act in acts if not isinstance(act, WhichItem) for item in items_of(act)}
        new = (*(which[1:] if named & set(which[0].options) else ()), *new)
    return new


def _open_question(state: DialogueState) -> OpenQuestion | None:
    if state.which:
        return OpenQuestion("which", which=state.which[0])
    asked = state.question.question if state.question is not None else None
    if asked is None:
        return None
    if asked.aspect == "known":
        return OpenQuestion("known", options=asked.options)
    return OpenQuestion("facet", facet=asked.aspect, options=asked.values)


def _spoken(state: DialogueState) -> Spoken:
    return Spoken(
        tuple(state.named.items()),
        " ".join(state.texts)[-SPOKEN_LENGTH:],
        state.texts[-1] if state.texts else "",
    )


def _placed(event: Said, catalogue: Catalogue) -> tuple[Act, ...]:
    """The acts with this catalogue's indices."""
    if all(index < len(catalogue) and catalogue[index].item_id == own for index, own in event.ids.items()):
        return event.acts
    places = {index: catalogue.index(own) for index, own in event.ids.items() if own in catalogue}
    return tuple(act for old in event.acts if (act := with_items(old, places)) is not None)


def _likely(state: DialogueState, event: Said, catalogue: Catalogue) -> dict[int, float]:
    likely = dict(state.likely)
    for old, chance in event.likely:
        for item in _moved((old,), event, catalogue):
            likely[item] = surest(likely.get(item), chance)
    return likely


def _moved(items: Iterable[int], event: Said, catalogue: Catalogue) -> tuple[int, ...]:
    ids = (event.ids.get(item) for item in items)
    return tuple(catalogue.index(own) for own in ids if own is not None and own in catalogue)


def _single(act: Act) -> tuple[int, ...]:
    return () if isinstance(act, WhichItem) else items_of(act)


def _spoken_of(kinds: Shares | Tastes, wish: Want) -> bool:
    """Whether a wish speaks of kinds that were counted before, or told apart by who wants them."""
    told = {*wish.drops, *(own.facet for own in wish.conditions if not own.negative)}
    return any(facet in told for _, facet, _ in kinds)


def _of_facet(key: str, tastes: Tastes) -> bool:
    """Whether the key of a chip, or a facet's name, is of the facet that the tastes are about."""
    return any(key == facet or key.startswith(f"{facet}:is:") for _, facet, _ in tastes)


def _joined(old: tuple[int, ...] | tuple[str, ...], new: Iterable[int] | Iterable[str]) -> tuple:  # type: ignore[type-arg]
    return tuple(dict.fromkeys([*old, *new]))


def _not_denied(hints: tuple[str, ...], new: Iterable[str]) -> tuple[str, ...]:
    """The wishes in words, without those that a new one takes back ("sad", then "not too sad").

    An example that the catalogue lacks ("like The Office") gives way to any other wish in words.
    """
    new = list(new)
    denied = [" " + hint for hint in new if hint.startswith(("not ", "no ", "less ", "nothing ", "without "))]
    kept = [hint for hint in hints if not any(own.endswith(" " + hint) for own in denied)]
    return tuple(hint for hint in kept if not (new and hint.startswith("like ")))


def _latest(old: tuple[int, ...], new: Iterable[int]) -> tuple[int, ...]:
    new = tuple(dict.fromkeys(new))
    return (*(item for item in old if item not in new), *new)


def _number(condition: Condition) -> bool:
    return not condition.names
