"""Catalogue service: everything that can be asked of one catalogue, for HTTP and MCP alike.

All calls may take as long as a forward pass: they belong on a worker thread (:mod:`agent.service.workers`).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from sqlalchemy import Connection

from agent.catalogue.lookup import RequestError
from agent.monitor.counts import MonitorError
from agent.monitor.explanation import in_words
from agent.monitor.trends import plain, trends_of, watched
from agent.records.answer import Answer
from agent.records.conditions import Condition
from agent.records.conversation import Conversation
from agent.records.impression import Impression, Outcome, Reaction, verdict
from agent.records.state import Event
from agent.service.access import Caller
from agent.service.facade import Facade
from agent.service.live_index import LiveIndex, NewItem, checked, meets
from agent.service.masking import masked
from agent.service.problems import Problem
from agent.service.schemas import (
    MOST_ITEMS,
    AlertOut,
    AnswerOut,
    CatalogueOut,
    ConverseRequest,
    Deleted,
    EventsOut,
    EventsRequest,
    ExplainRequest,
    ExplanationOut,
    FeedbackOut,
    FeedbackRequest,
    HistoryEntry,
    ItemOut,
    ItemPage,
    ItemRequest,
    PersonExport,
    PersonOut,
    Recommended,
    RecommendRequest,
    TextOut,
    TrendPoint,
    TrendsOut,
    TrendsQuery,
    Wish,
)
from agent.service.watch import Metrics
from agent.store.alerts import AlertStore
from agent.store.feedback import FeedbackLog, append_outcome, find_outcome
from agent.store.group_commit import GroupCommit
from agent.store.live_items import LiveItemStore, Status
from agent.store.people import PeopleStore, PersonError, PersonEvent, pseudonym, record_event

Kept = TypeVar("Kept")

NEW_SHARE = 5
"""One place in so many may go to an item that no model has seen."""


class CatalogueService:
    """One catalogue with its recommender and its store. Threads share it."""

    def __init__(self, facade: Facade, log: FeedbackLog) -> None:
        self.facade = facade
        self.log = log
        self.metrics: Metrics | None = None
        self.people = PeopleStore(log.engine)
        self._live = LiveItemStore(log.engine)
        self.items = LiveIndex(facade.catalogue, self._live)
        self._locks = tuple(threading.Lock() for _ in range(64))
        self._writes = GroupCommit(log.engine)

    @property
    def name(self) -> str:
        """The catalogue's name."""
        return self.facade.catalogue.name

    def describe(self, default: bool) -> CatalogueOut:
        """What the catalogue holds."""
        catalogue = self.facade.catalogue
        return CatalogueOut(
            name=catalogue.name,
            items=len(catalogue),
            facets={name: facet.kind for name, facet in catalogue.facets.items()}
            | dict.fromkeys(catalogue.texts, "text"),
            noun=catalogue.domain.nouns.one,
            nouns=catalogue.domain.nouns.many,
            policy=self.facade.policy,
            default=default,
        )

    def trends(self, query: TrendsQuery, alerts: AlertStore) -> TrendsOut:
        """How the share that the domain says is to be watched moves, with the alerts of its monitor."""
        watch = watched(self.facade.catalogue)
        if watch is None:
            raise Problem("not-found", f"{self.name!r} has no dated texts with a facet that its domain says to watch")
        try:
            trends = trends_of(watch)
            course = trends.course(query.series, query.days, query.since)
            texts = [] if query.texts is None else trends.texts(query.series, query.texts, query.until or query.texts)
        except (MonitorError, OverflowError) as error:
            raise Problem("invalid-request", str(error)) from None
        points = [
            TrendPoint(
                start=own.start, end=own.end, read=own.read, share=plain(own.share), low=round(own.low, 4),
                high=round(own.high, 4), usual=plain(usual),
            )
            for own, usual in course
        ]  # fmt: skip
        found = [
            AlertOut(
                id=own.id, series=own.series, opened=own.opened, closed=own.closed,
                acknowledged_by=own.acknowledged_by, text=in_words(own.series, own.detail, watch.value),
            )
            for own in alerts.alerts(watch.name)
        ]  # fmt: skip
        return TrendsOut(
            monitor=watch.name, predicted=trends.predicted, series=list(trends.counts.series), points=points,
            alerts=found, left_out=trends.left_out, texts=[TextOut(**own) for own in texts[:MOST_ITEMS]],
        )  # fmt: skip

    # Answers

    def recommend(self, request: RecommendRequest) -> AnswerOut:
        """A slate for a person and a wish."""
        past, conversation = self._past(request), self.facade.begin(self._conditions(request))
        wish, record = masked(request.wish), request.record
        if record:
            self.log.save_conversation(conversation, Caller().owner(request.person))
        new = self._new(wish, request.k)
        answer = self._asked(lambda: self.facade.slate(conversation, wish, request.k - len(new), past, record))
        if record:  # the slate stays in the log; nothing more will be said
            self.log.delete_conversation(conversation.id)
        return self._out(answer, new, None)

    def converse(self, request: ConverseRequest, caller: Caller) -> AnswerOut:
        """The answer to the next message of a conversation."""
        id, owner = request.conversation_id, self._owner(caller, request.person)
        if id is None:
            conversation = self.facade.begin()
            self.log.save_conversation(conversation, owner)
            return self._next(conversation, request)
        with self._locks[int(id[:8], 16) % len(self._locks)]:
            return self._next(self._open(id, owner), request)

    def _next(self, conversation: Conversation, request: ConverseRequest) -> AnswerOut:
        past, message = self._past(Wish(person=request.person)), masked(request.message)
        new = self._new(message, request.k)
        answer = self._asked(lambda: self.facade.reply(conversation, message, request.k - len(new), past, record=True))
        return self._out(answer, new if answer.slate_changed else [], conversation.id)

    def complete(self, messages: Sequence[tuple[str, str]], k: int) -> AnswerOut:
        """The answer to a conversation that the caller keeps, as (role, text); nothing is logged."""
        said = [(role, masked(text)) for role, text in messages]
        return self._out(self._asked(lambda: self.facade.complete(said, k)), [], None)

    def explain(self, request: ExplainRequest, caller: Caller) -> ExplanationOut:
        """Why an item is, or is not, in the slate of a conversation, or of a wish."""
        item = self.items.get(request.item)
        if item.status != "shown":
            return ExplanationOut(
                item=item, shown=False, explanation=f"{item.title} is {item.status}: it is in no slate."
            )
        if not item.trained:
            by = ", ".join(self.items.words_of(item.item_id)[:8])
            why = f"{item.title} is new: no model has seen it yet. A wish that names its words brings it in: {by}."
            return ExplanationOut(item=item, shown=False, explanation=why)
        past = self._past(request)
        if request.conversation_id is not None:
            conversation = self._open(request.conversation_id, self._owner(caller, request.person))
            standing = conversation.slate
        else:
            conversation = self.facade.begin(self._conditions(request))
            wish = masked(request.wish)
            standing = self._asked(lambda: self.facade.slate(conversation, wish, request.k, past, record=False))
        slate = self.facade.recommended(standing) if standing is not None else []
        place = next((n for n, own in enumerate(slate) if own.item_id == item.item_id), None)
        explained = self.facade.explain(conversation, item.item_id, place is not None, request.k, past)
        return ExplanationOut(
            item=item,
            shown=place is not None,
            place=None if place is None else place + 1,
            explanation=explained.text,
            evidence=[] if place is None else slate[place].evidence,
            change=explained.change,
        )

    def similar(self, item_id: str, k: int) -> list[Recommended]:
        """Items like one: for somebody who likes it; of a new item, those that share its words."""
        item = self.items.get(item_id)
        if item.trained:
            return self.facade.recommended(self.facade.similar(item_id, k))
        found, _ = self.items.search(" ".join(self.items.words_of(item_id)), 0, k + 1)
        return [
            Recommended(
                item_id=own.item_id,
                title=own.title,
                attributes=own.attributes,
                raters=own.raters,
                score=0.0,
                propensity=1.0,
                reason=f"It shares words with {item.title}.",
                trained=own.trained,
            )
            for own in found
            if own.item_id != item_id
        ][:k]

    # Feedback

    def feedback(self, request: FeedbackRequest, caller: Caller) -> FeedbackOut:
        """Keep what a person did with an item; the next answer knows it."""
        item = self.items.get(request.item)
        id = _id(caller, request.key)
        if request.conversation_id is not None:
            self._open(request.conversation_id, self._owner(caller, request.person))
        impression = None
        if request.impression_id is not None:
            impression = self.log.impression(request.impression_id)
            if impression is None:
                raise Problem(
                    "not-found", f"no impression {request.impression_id!r}: leave it out, or log the slate first"
                )
        repeated = self._kept(lambda connection: self._record(connection, id, item, impression, request))
        if not repeated and request.conversation_id is not None and item.trained:
            self._react(request, caller)
        return FeedbackOut(key=request.key, repeated=repeated)

    def _record(
        self, connection: Connection, id: str, item: ItemOut, impression: Impression | None, request: FeedbackRequest
    ) -> bool:
        """Keep an outcome, and the event where a person is named; returns whether it was kept before."""
        told_in = request.conversation_id or (impression.conversation_id if impression else None)
        if told_in is None:
            told_in = "events" if request.person is None else pseudonym(connection, request.person)
        shown = impression is not None and item.item_id in impression.slate
        outcome = Outcome(
            id=id,
            impression_id=request.impression_id,
            conversation_id=told_in,
            item_id=item.item_id,
            kind=request.kind,
            value=request.value,
            position=impression.slate.index(item.item_id) if impression is not None and shown else None,
        )
        known = find_outcome(connection, id)
        if known is None:
            append_outcome(connection, outcome)
        elif replace(known, timestamp=outcome.timestamp, conversation_id=told_in) != outcome:
            raise PersonError(f"another event has the key {request.key!r}: give each event a key of its own")
        if request.person is not None:
            record_event(connection, _event(id, request.person, outcome))
        return known is not None

    def _kept(self, write: Callable[[Connection], Kept]) -> Kept:
        try:
            return self._writes.run(write)
        except PersonError as error:
            raise Problem("conflict" if "another" in str(error) else "invalid-request", str(error)) from None
        except ValueError as error:
            raise Problem("invalid-request", str(error)) from None

    def _react(self, request: FeedbackRequest, caller: Caller) -> None:
        assert request.conversation_id is not None
        owner = self._owner(caller, request.person)
        with self._locks[int(request.conversation_id[:8], 16) % len(self._locks)]:
            conversation = self._open(request.conversation_id, owner)
            self.facade.react(conversation, request.item, request.kind, request.value)
            self.log.save_conversation(conversation, owner)

    def events(self, request: EventsRequest, caller: Caller) -> EventsOut:
        """Keep events of a log of the caller's, all or none."""
        errors = [
            {"loc": ["body", "events", place, "item"], "msg": f"no item {event.item!r}"}
            for place, event in enumerate(request.events)
            if not self._exists(event.item)
        ]
        if errors:
            raise Problem("invalid-request", f"{len(errors)} events name items that are not here", errors=errors[:20])
        now = time.time()
        told = [(_id(caller, own.key), own, now if own.timestamp is None else own.timestamp) for own in request.events]

        def write(connection: Connection) -> list[bool]:
            return [
                record_event(connection, PersonEvent(id, own.person, own.item, own.kind, own.value, moment))
                for id, own, moment in told
            ]

        kept = self._kept(write)
        return EventsOut(kept=sum(kept), repeated=len(kept) - sum(kept))

    def _exists(self, item_id: str) -> bool:
        try:
            self.items.get(item_id)
        except Problem:
            return False
        return True

    # Items

    def search(self, query: str, cursor: str | None, limit: int) -> ItemPage:
        """A page of the items that have words of the query."""
        offset = _offset(cursor)
        found, total = self.items.search(query, offset, limit)
        more = offset + len(found)
        return ItemPage(items=found, total=total, next=f"from-{more}" if found and more < total else None)

    def put_item(self, item_id: str, request: ItemRequest, actor: str) -> ItemOut:
        """Add an item, or replace its title and attributes."""
        attributes = checked(request.attributes, self.facade.catalogue)
        self._live.put(item_id, request.title, attributes, request.expires, actor)
        self.items.refresh(force=True)
        return self.items.get(item_id)

    def set_status(self, item_id: str, status: Status, actor: str) -> None:
        """Hide an item, show it again, or delete it."""
        self.items.get(item_id)
        self._live.set_status(item_id, status, actor)
        self.items.refresh(force=True)

    def set_expiry(self, item_id: str, at: float | None, actor: str) -> ItemOut:
        """From when on an item is not shown."""
        self.items.get(item_id)
        self._live.set_expiry(item_id, at, actor)
        self.items.refresh(force=True)
        return self.items.get(item_id)

    # People

    def person(self, person: str) -> PersonOut:
        """What is known of a person."""
        past, events = self._known(person)
        if not past and not events and not self._chats(person):
            raise Problem("not-found", f"nothing is known of {person!r}")
        return PersonOut(
            person=person,
            in_data_set=bool(past),
            events=len(events),
            history=self._history([*past, *self._told(events)]),
            conversations=self._chats(person),
        )

    def export(self, person: str) -> PersonExport:
        """Everything that is kept of a person."""
        known = self.person(person)
        events = self.people.events(person)
        chats = [self.log.load_conversation(id) for id in known.conversations]
        return PersonExport(
            person=person,
            exported=time.time(),
            history=known.history,
            events=[{key: value for key, value in asdict(event).items() if key != "person"} for event in events],
            conversations=[chat.to_json() for chat in chats if chat is not None],
        )

    def delete_person(self, person: str, actor: str) -> Deleted:
        """Forget a person; what the log keeps of them belongs to nobody then."""
        owner = self._owner(Caller(), person)
        return Deleted(**self.people.delete(person, owner, self.facade.knows(person), actor))

    def delete_conversation(self, id: str, person: str | None, caller: Caller) -> None:
        """Delete one conversation."""
        owner = self._owner(caller, person)
        self._open(id, owner)
        self.log.delete_conversation(id, owner)

    def conversation(self, id: str, person: str | None, caller: Caller) -> dict[str, Any]:
        """A conversation as it is kept."""
        return self._open(id, self._owner(caller, person)).to_json()

    # Parts

    def _owner(self, caller: Caller, person: str | None) -> str:
        """Whose a conversation is: the person's, and the caller's where no person was named."""
        return Caller().owner(person) if person is not None else caller.owner(None)

    def _open(self, id: str, owner: str) -> Conversation:
        try:
            conversation = self.log.load_conversation(id, owner)
        except PermissionError:
            conversation = None
        if conversation is None:
            raise Problem("not-found", f"no conversation {id!r} of this caller and person")
        return conversation

    def _past(self, wish: Wish) -> list[Event]:
        """All that is known of the person of a wish, oldest first: from the data set, from events, from the request."""
        self.items.refresh()
        catalogue, history = self.facade.catalogue, []
        for entry in wish.history:
            if entry.item in catalogue:
                history.append(Event(catalogue.index(entry.item), entry.rating))
            elif not self._exists(entry.item):
                raise Problem("invalid-request", f"no item {entry.item!r} in the history: use ids of this catalogue")
        if wish.person is not None:
            past, events = self._known(wish.person)
            history = [*past, *self._told(events), *history]
        latest = {event.item: place for place, event in enumerate(history)}
        return [event for place, event in enumerate(history) if latest[event.item] == place]

    def _conditions(self, wish: Wish) -> list[Condition]:
        for condition in wish.conditions:
            if condition.facet not in self.facade.catalogue.facets:
                known = ", ".join(self.facade.catalogue.facets)
                raise Problem("invalid-request", f"no facet {condition.facet!r} in {self.name!r}: use {known}")
        return [own.condition() for own in wish.conditions]

    def _new(self, wish: str, k: int) -> list[NewItem]:
        """The new items that a wish names, for at most a fifth of the places; a slate of one has none to give."""
        return self.items.new_items(wish, max(1, k // NEW_SHARE)) if k > 1 else []

    def _asked(self, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except RequestError as error:
            raise Problem("invalid-request", str(error)) from None

    def _out(self, answer: Answer, new: Sequence[NewItem], conversation_id: str | None) -> AnswerOut:
        """An answer as callers get it, with the new items that meet its conditions in the last places."""
        held = [Condition.from_json(own) for own in answer.conditions]
        fitting = [item for item in new if meets(item.attributes, held)]
        items = [*self.facade.recommended(answer), *map(_fresh, fitting)]
        if self.metrics is not None:
            self.metrics.answered(self.name, answer, items, len(answer.unmet))
        return AnswerOut(
            catalogue=self.name,
            reply=answer.reply,
            items=items,
            slate_changed=answer.slate_changed,
            conditions=list(answer.conditions),
            unmet=list(answer.unmet),
            question=answer.question.text if answer.question else None,
            choices=list(answer.choices),
            conversation_id=conversation_id,
            impression_id=answer.impression_id,
            policy=answer.policy,
            latency_ms=answer.latency_ms,
        )

    def _known(self, person: str) -> tuple[tuple[Event, ...], list[PersonEvent]]:
        past = () if self.people.is_forgotten(person) else self.facade.past(person)
        return past, self.people.events(person)

    def _told(self, events: Sequence[PersonEvent]) -> list[Event]:
        """What events come to, item by item, as the log's verdicts do."""
        catalogue = self.facade.catalogue
        found = []
        for item_id in dict.fromkeys(event.item_id for event in events if event.item_id in catalogue):
            own = [event for event in events if event.item_id == item_id]
            if own[-1].kind == "removed":
                continue
            outcomes = [
                Outcome(conversation_id="events", item_id=item_id, kind=e.kind, value=e.value, timestamp=e.timestamp)
                for e in own
            ]
            opinion = verdict(outcomes)
            if opinion.stars is not None or any(e.kind == "seen" for e in own):
                found.append(Event(catalogue.index(item_id), opinion.stars, own[-1].timestamp))
            elif opinion.clicked:
                found.append(Event(catalogue.index(item_id), None, own[-1].timestamp))
        return found

    def _history(self, events: Sequence[Event]) -> list[HistoryEntry]:
        return [HistoryEntry(item=self.facade.catalogue[own.item].item_id, rating=own.rating) for own in events]

    def _chats(self, person: str) -> list[str]:
        return [entry.id for entry in self.log.conversations(self._owner(Caller(), person))]


def _fresh(item: NewItem) -> Recommended:
    by = ", ".join(item.matched)
    return Recommended(
        item_id=item.item_id,
        title=item.title,
        attributes={name: list(own) if isinstance(own, tuple) else own for name, own in item.attributes.items()},
        score=0.0,
        propensity=1.0,
        reason=f"New here, found by its words: {by}.",
        trained=False,
    )


def _event(id: str, person: str, outcome: Outcome) -> PersonEvent:
    kind: Reaction = outcome.kind
    return PersonEvent(id, person, outcome.item_id, kind, outcome.value, outcome.timestamp)


def _id(caller: Caller, key: str) -> str:
    """A caller's key as an id of the store: two callers' keys never meet."""
    return hashlib.sha256(f"{caller.name}\0{key}".encode()).hexdigest()[:32]


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    head, _, number = cursor.partition("-")
    if head != "from" or not number.isascii() or not number.isdecimal() or len(number) > 9:
        raise Problem("invalid-request", f"cursor {cursor!r}: send the `next` of the page before, or nothing")
    return int(number)
