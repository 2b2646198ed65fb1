"""Answer: what one turn returns to the chat, the command line and the log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that carried a choice.

    ``kind`` is ``history`` (one of the person's items, ``value`` its grade), ``like`` (an example named in the
    request), ``condition`` (a condition that the item meets: ``facet``, and its value there), ``hint`` (a wish in
    words, ``value``), ``rating`` (mean grade), ``raters`` (how many had it) or ``attribute`` (what else is known, such
    as a tag that bears out a wish in words: ``facet`` and ``value``). ``weight`` is the change of the item's
    log-probability when the fact is left out, or 0 where nothing is left out. ``predicted``: a model read the value out
    of the item's text.
    """

    kind: str
    weight: float
    item_id: str | None = None
    value: str | float | int | None = None
    facet: str | None = None
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item of the slate.

    ``attributes`` are what the catalogue knows of it, by facet: names as a list, numbers as they are. ``raters`` is how
    many people had it. ``score`` is the policy's probability over the candidates, ``strength`` the same against the top
    of the slate, in (0, 1], never rising down the list; ``propensity`` the probability with which this item came to
    this place given those above it (1 for a greedy choice).
    """

    item_id: str
    title: str
    year: int | None
    categories: tuple[str, ...]
    score: float
    propensity: float
    reason: str
    evidence: tuple[Evidence, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    raters: int = 0
    strength: float = 1.0

    @property
    def name(self) -> str:
        """Title and year: ``Alien (1979)``."""
        return self.title if self.year is None else f"{self.title} ({self.year})"


@dataclass(frozen=True, slots=True)
class Question:
    """What the agent asked back: about ``aspect`` (a facet, or ``which``, ``known``), with the answers it offered.

    ``values`` are the values of the facet behind the options, as the catalogue writes them.
    """

    aspect: str
    text: str
    options: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One turn's answer; ``to_json`` is the documented shape of ``concierge recommend --json``.

    ``conditions`` are those that hold afterwards, as plain data (:meth:`agent.records.conditions.Condition.to_json`).
    ``slate_changed`` says that ``items`` stand now in the place of what stood before; otherwise the slate is as it was
    and ``items`` is empty. ``unmet`` holds wishes that this answer could not decide or gave up, in words. ``template``
    holds name, version and hash of the state template; ``timings_ms`` says where ``latency_ms`` went. ``choices`` are
    quick replies: each can be sent as the next message. ``about`` names the act that was answered. ``spoken`` holds the
    ids of the items that the reply is about. ``impression_id`` is set when it was logged.
    """

    reply: str
    items: tuple[Recommendation, ...]
    conditions: tuple[dict[str, Any], ...]
    policy: str
    template: dict[str, Any]
    latency_ms: float
    timings_ms: dict[str, float] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    question: Question | None = None
    about: str = "want"
    unmet: tuple[str, ...] = ()
    slate_changed: bool = False
    spoken: tuple[str, ...] = ()
    impression_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data in the documented field order."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Answer:
        """The inverse of :meth:`to_json`."""
        return TypeAdapter(cls).validate_python({"conditions": (), **data})
