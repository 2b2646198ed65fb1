"""Reading: what a message is read against, what it is read as, and what it wishes.

``understand(message, context, catalogue)`` in ``agent.understanding.reader`` turns the one into the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.records.acts import Act, Shares, Tastes, WhichItem
from agent.records.conditions import Condition, Conditions


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What the agent asked last and waits for.

    Attributes:
        kind: ``which`` of several items of one name is meant; a value of a ``facet``; ``known``: an item that the
            person liked; ``confirm``: yes or no.
        which: of ``which``: the act that the last message was read as; its answer is read as what was said there.
        facet: of ``facet``: the facet that was asked for.
        options: the values of the facet that were offered, as the catalogue writes them.
        yes: of ``confirm``: what a "yes" stands for.
    """

    kind: Literal["which", "facet", "known", "confirm"]
    which: WhichItem | None = None
    facet: str | None = None
    options: tuple[str, ...] = ()
    yes: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What a message may refer to.

    Attributes:
        conditions: those that hold now.
        shown: catalogue indices of the last slate, in order; "the second one" and comparatives refer to it.
        spoken: catalogue indices of the items that the latest messages of either side spoke of, the latest last; "it"
            and corrections refer to them.
        question: the agent's open question; None where there is none.
        acts: of the person's message before this one.
        said: the agent's latest words, and ``offered`` the items that they name: "yes" and "no, I haven't" answer them.
        language: ISO 639-1 code of the messages before.
        person: whom somebody named or asked about last, as the condition that theirs meet: "he", "her".
        begun: whether there was any message before: what only refines may then refine something.
    """

    conditions: Conditions = ()
    shown: tuple[int, ...] = ()
    spoken: tuple[int, ...] = ()
    question: OpenQuestion | None = None
    acts: tuple[Act, ...] = ()
    said: str = ""
    offered: tuple[int, ...] = ()
    language: str = "en"
    person: Condition | None = None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Mention:
    """``text[start:end]`` of the cleaned message stands for ``items``: by name, or as a ``reference``.

    ``options`` are what an undecided name may stand for; ``items`` is then empty.
    """

    start: int
    end: int
    items: tuple[int, ...]
    options: tuple[int, ...] = ()
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a message says.

    Attributes:
        acts: in the order in which they are to be carried out; never empty.
        language: ISO 639-1 code of the message ("en" where nothing tells).
        mentions: the items that it speaks of, in order; places count in ``agent.text.clean(message)``.
        corrects: the acts stand for those of the message before ("no, I meant the 1962 one"), which are taken back.
        unknown: names in the message that look like titles and are none in the catalogue.
        likely: items that it, or what it answers, spoke of, and how likely the person had each, from 0 to 1.
    """

    acts: tuple[Act, ...]
    language: str = "en"
    mentions: tuple[Mention, ...] = ()
    corrects: bool = False
    unknown: tuple[str, ...] = ()
    likely: tuple[tuple[int, float], ...] = ()

    @property
    def spoken(self) -> tuple[int, ...]:
        """The items that the message speaks of, each once, in order: the next context's latest."""
        return tuple(dict.fromkeys(item for mention in self.mentions for item in mention.items))


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparatives compare with: ``named`` items, else those ``shown``."""

    named: Sequence[int] = ()
    shown: Sequence[int] = ()


@dataclass(slots=True)
class Wishes:
    """What one message wishes; see :class:`agent.records.acts.Want`.

    ``spans`` are the places of all that was understood; ``complete`` says that it holds what a new wish is made of: a
    value of the primary facet, or a person, asked for. ``compares`` says that it compares with what was shown.
    """

    conditions: list[Condition] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    count: int | None = None
    shares: Shares = ()
    tastes: Tastes = ()
    spans: list[tuple[int, int]] = field(default_factory=list)
    complete: bool = False
    compares: bool = False
    replaces: bool = False

    def __bool__(self) -> bool:
        return bool(self.conditions or self.hints or self.lacking or self.drops or self.count)
