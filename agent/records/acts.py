"""Dialogue acts: what a message does. Only wants, judgements and controls change what the conversation holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from agent.records.conditions import Condition, Conditions

Verdict = Literal["liked", "disliked", "seen", "not_seen", "interested", "not_interested"]
Question = Literal["facet", "about", "which", "compare", "why", "why_not", "person", "catalogue", "agent"]
Control = Literal["undo", "restart", "forget", "more", "next"]
Social = Literal["greeting", "thanks", "farewell", "chat", "accept", "complaint"]
Unclear = Literal["nonsense", "off_topic", "question", "language"]


Shares = tuple[tuple[int, str, tuple[str, ...]], ...]
"""How many items of which names of a facet: ``((2, "mood", ("calm",)), (2, "mood", ("tense",)))``."""

Tastes = tuple[tuple[str, str, tuple[str, ...]], ...]
"""Who wants which names of a facet, all of them together:
``(("her", "colour", ("red",)), ("you", "colour", ("blue",)))``."""


@dataclass(frozen=True, slots=True)
class Want:
    """A wish.

    ``conditions`` are what the catalogue decides, ``hints`` the wishes in the person's words that it does not (they
    rank by semantic similarity). ``like`` and ``unlike`` are catalogue indices of examples to follow and to avoid;
    ``reject`` of items that are refused without a verdict ("not Titanic"). ``count`` is how many are asked for (None:
    nothing was said); ``shares`` are (how many, facet, names) where several kinds are counted ("two westerns and two
    comedies"), and ``tastes`` who of several people wants what. ``lacking`` are words for what the data holds nothing
    of ("cheaper" without prices): they are answered, and rank nothing. ``opens_topic`` says that it is a complete new
    wish, which replaces the topic's conditions; otherwise it refines them. ``drops`` names facets whose conditions go
    ("any year", "the year does not matter"). ``request`` is the wish in words, as the LM reads it.
    """

    conditions: Conditions = ()
    hints: tuple[str, ...] = ()
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()
    reject: tuple[int, ...] = ()
    count: int | None = None
    opens_topic: bool = False
    drops: tuple[str, ...] = ()
    request: str = ""
    lacking: tuple[str, ...] = ()
    shares: Shares = ()
    tastes: Tastes = ()

    @property
    def says_something(self) -> bool:
        """Whether it tells of taste, and does not only ask for anything at all."""
        return bool(self.conditions or self.hints or self.like or self.unlike or self.reject)

    @property
    def only_lacks(self) -> bool:
        """Whether all that it asks for is what the data holds nothing of."""
        return bool(self.lacking) and not (self.says_something or self.drops or self.count)


@dataclass(frozen=True, slots=True)
class Judge:
    """What the person thinks of an item (a catalogue index); ``rating`` is a grade where one was given."""

    item: int
    verdict: Verdict
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A question; the slate and the conditions stay.

    ``items`` are catalogue indices that it is about (empty: the slate, the person or the agent). ``facet`` names the
    facet, or the question of the domain (``questions`` in its domain.yaml), that is asked for, or a superlative
    ("newest"). ``conditions`` are what "which of these" are asked to meet.
    """

    kind: Question
    items: tuple[int, ...] = ()
    facet: str | None = None
    conditions: Conditions = ()


@dataclass(frozen=True, slots=True)
class Command:
    """Undo, start another search, forget all that was said, more of the same, or the next slate."""

    kind: Control


@dataclass(frozen=True, slots=True)
class Pleasantry:
    """A greeting, a thank-you, a farewell, chat, that something is taken, or a complaint about the agent."""

    kind: Social


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Nothing that the agent can act on: why, and the words."""

    kind: Unclear
    words: str = ""


@dataclass(frozen=True, slots=True)
class WhichItem:
    """A name that several items share and that nothing decides; ``said`` is what is said of the one that is meant.

    In ``said`` the first option stands for the one that is meant.
    """

    words: str
    options: tuple[int, ...]
    said: Want | Judge | Ask | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Puts items (catalogue indices) on the person's list for later, takes them from it, or asks what is on it.

    The list is the person's and no part of the conversation: whoever keeps it carries this out.
    """

    kind: Literal["add", "remove", "show"]
    items: tuple[int, ...] = ()


Act = Want | Judge | Ask | Command | Pleasantry | NotUnderstood | WhichItem | Later
_NAMES: dict[str, type] = {
    "want": Want,
    "judge": Judge,
    "ask": Ask,
    "control": Command,
    "social": Pleasantry,
    "unclear": NotUnderstood,
    "which": WhichItem,
    "later": Later,
}
_OF = {kind: name for name, kind in _NAMES.items()}


def act_name(act: Act) -> str:
    """want, judge, ask, control, social, unclear, which or later."""
    return _OF[type(act)]


def act_to_json(act: Act) -> dict[str, Any]:
    """Plain data with the act's name under ``act``."""
    data = asdict(act)
    if isinstance(act, Want | Ask):
        data["conditions"] = [own.to_json() for own in act.conditions]
    if isinstance(act, WhichItem):
        data["said"] = None if act.said is None else act_to_json(act.said)
    return {"act": act_name(act), **data}


def act_from_json(data: dict[str, Any]) -> Act:
    """The inverse of :func:`act_to_json`.

    Raises:
        ValueError: there is no such act (the message lists those that there are).
    """
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items() if key != "act"}
    kind = _NAMES.get(data.get("act", ""))
    if kind is None:
        raise ValueError(f"unknown act {data.get('act')!r}: use one of {', '.join(_NAMES)}")
    if kind in (Want, Ask):
        fields["conditions"] = tuple(Condition.from_json(own) for own in data.get("conditions", ()))
    if kind is Want:
        shares = data.get("shares", ())
        fields["shares"] = tuple((int(count), str(facet), tuple(names)) for count, facet, names in shares)
        tastes = data.get("tastes", ())
        fields["tastes"] = tuple((str(who), str(facet), tuple(names)) for who, facet, names in tastes)
    if kind is WhichItem and data.get("said") is not None:
        fields["said"] = act_from_json(data["said"])
    act: Act = kind(**fields)
    return act
