"""Conversation: one person's chat as the events that made it, as it is stored, folded and shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from agent.records.acts import Act, Ask, Judge, Later, Want, WhichItem, act_from_json, act_to_json
from agent.records.answer import Answer
from agent.records.conditions import Condition, Conditions

Press = Literal["liked", "disliked", "seen", "rated", "more", "less", "clicked", "removed"]
PRESSES: tuple[Press, ...] = ("liked", "disliked", "seen", "rated", "more", "less", "clicked", "removed")


@dataclass(frozen=True, slots=True)
class Said:
    """The person's message, with the acts that it was read as.

    ``spoken`` are the catalogue indices that it speaks of. ``ids`` gives the item ids of all indices in it: a catalogue
    that was imported again may number its items otherwise. ``likely``: how likely the person had an item, 0 to 1.
    """

    text: str
    acts: tuple[Act, ...] = ()
    language: str = "en"
    spoken: tuple[int, ...] = ()
    ids: Mapping[int, str] = field(default_factory=dict)
    corrects: bool = False
    unknown: tuple[str, ...] = ()
    likely: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Replied:
    """The agent's answer, with the slate and the question that it held."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button of a card, or of the panel; ``value`` is the grade of ``rated``, ``removed`` takes back what was said.

    ``turn`` is the number of the person's messages before it.
    """

    item_id: str
    kind: Press
    value: float | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A condition or a wish in words was taken back in the panel: by the key of its chip, or a facet's name."""

    key: str


@dataclass(frozen=True, slots=True)
class Told:
    """A message of a conversation that was held elsewhere, by the other side; ``named`` are item ids."""

    text: str
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """Conditions that a program or a form set, and nobody said; they outlive topics."""

    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Brought:
    """What the person had elsewhere, from a file of that ``name``: (item id, grade or None) each, the oldest first.

    ``missing`` are the titles that were not found among the items.
    """

    name: str
    items: tuple[tuple[str, float | None], ...]
    missing: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What :class:`Dropped` calls it."""
        return f"brought:{self.name}"


Event = Said | Replied | Pressed | Dropped | Told | Given | Brought
_KINDS: dict[str, type] = {
    "said": Said,
    "replied": Replied,
    "pressed": Pressed,
    "dropped": Dropped,
    "told": Told,
    "given": Given,
    "brought": Brought,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the transcript: the person's text, or the agent's answer (``content`` is then its reply)."""

    role: Literal["user", "assistant"]
    content: str
    answer: Answer | None = None


@dataclass(slots=True)
class Conversation:
    """One chat. ``user`` is the id of a user of the data set whose past counts, if one was picked.

    All that is believed, asked for and shown follows from ``events`` (:func:`agent.dialogue.state.fold`).
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    user: str | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def messages(self) -> list[Message]:
        """The transcript."""
        return list(self._messages())

    def _messages(self) -> Iterator[Message]:
        for event in self.events:
            match event:
                case Said():
                    yield Message("user", event.text)
                case Told():
                    yield Message("assistant", event.text)
                case Replied():
                    yield Message("assistant", event.answer.reply, event.answer)
                case _:
                    pass

    @property
    def turn(self) -> int:
        """How many messages the person has sent."""
        return sum(isinstance(event, Said) for event in self.events)

    @property
    def slate(self) -> Answer | None:
        """The answer whose items stand: the latest that changed the slate; None where it holds none."""
        for event in reversed(self.events):
            if isinstance(event, Replied) and event.answer.slate_changed:
                return event.answer if event.answer.items else None
        return None

    @property
    def shown(self) -> list[str]:
        """Ids of all items that were shown, in order."""
        return [item.item_id for event in self.events if isinstance(event, Replied) for item in event.answer.items]

    @property
    def brought(self) -> tuple[Brought, ...]:
        """What the person brought and did not take back; of files of one name the latest."""
        held: dict[str, Brought] = {}
        for event in self.events:
            if isinstance(event, Brought):
                held.pop(event.key, None)
                held[event.key] = event
            elif isinstance(event, Dropped):
                held.pop(event.key, None)
        return tuple(held.values())

    @property
    def title(self) -> str:
        """A short name for lists: the first thing the person said."""
        first = next((event.text for event in self.events if isinstance(event, Said)), "New chat")
        return first if len(first) <= 48 else first[:47].rstrip() + "…"

    def to_json(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"id": self.id, "user": self.user, "events": [_event_to_json(event) for event in self.events]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Conversation:
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: an event is of an unknown kind.
        """
        return cls(data["id"], data["user"], [_event_from_json(event) for event in data["events"]])


def undone(events: list[Event], answered: tuple[str, ...] | None = None) -> tuple[list[Event], str | None]:
    """The events without the last exchange, and its message; presses and removals after it stay.

    ``events``: oldest first. ``answered``: what :attr:`agent.records.answer.Answer.about` says of exchanges that are
    taken back; those that only asked something, after them, go as well. None: the last exchange, whatever it was.
    """
    said = [place for place, event in enumerate(events) if isinstance(event, Said)]
    for start in reversed(said):
        after = events[start + 1 :]
        answer = next((event.answer for event in after if isinstance(event, Replied)), None)
        if answered is None or answer is None or answer.about in answered:
            kept = [event for event in after if isinstance(event, Pressed | Dropped | Brought)]
            message = events[start]
            assert isinstance(message, Said)
            return [*events[:start], *kept], message.text
    return list(events), None


def items_of(act: Act) -> tuple[int, ...]:
    """The catalogue indices in an act."""
    match act:
        case Want():
            return (*act.like, *act.unlike, *act.reject)
        case Judge():
            return (act.item,)
        case Ask() | Later():
            return act.items
        case WhichItem():
            return (*act.options, *(items_of(act.said) if act.said is not None else ()))
        case _:
            return ()


def with_items(act: Act, places: Mapping[int, int]) -> Act | None:
    """The act with other catalogue indices (old -> new); without those that are gone, None where nothing is left."""

    def moved(items: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(places[item] for item in items if item in places)

    match act:
        case Want():
            return replace(act, like=moved(act.like), unlike=moved(act.unlike), reject=moved(act.reject))
        case Judge():
            return replace(act, item=places[act.item]) if act.item in places else None
        case Ask() | Later():
            return replace(act, items=moved(act.items))
        case WhichItem():
            said = None if act.said is None else with_items(act.said, places)
            assert said is None or isinstance(said, Want | Judge | Ask)
            return replace(act, options=moved(act.options), said=said)
        case _:
            return act


def _event_to_json(event: Event) -> dict[str, Any]:
    data = asdict(event)
    if isinstance(event, Said):
        data["acts"] = [act_to_json(act) for act in event.acts]
        data["ids"] = {str(index): item_id for index, item_id in event.ids.items()}
    if isinstance(event, Given):
        data["conditions"] = [own.to_json() for own in event.conditions]
    return {"event": _NAMES[type(event)], **data}


def _event_from_json(data: Mapping[str, Any]) -> Event:
    kind = _KINDS.get(data.get("event", ""))
    if kind is None:
        raise ValueError(f"unknown event {data.get('event')!r}: use one of {', '.join(_KINDS)}")
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items() if key != "event"}
    if kind is Said:
        fields["acts"] = tuple(act_from_json(act) for act in data["acts"])
        fields["likely"] = tuple((int(item), float(chance)) for item, chance in data.get("likely", ()))
        fields["ids"] = {int(index): item_id for index, item_id in data["ids"].items()}
    if kind is Brought:
        fields["items"] = tuple((str(item), grade) for item, grade in data["items"])
    if kind is Given:
        fields["conditions"] = tuple(Condition.from_json(own) for own in data["conditions"])
    if kind is Replied:
        fields["answer"] = Answer.from_json(data["answer"])
    event: Event = kind(**fields)
    return event
