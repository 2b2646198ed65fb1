"""Answer: what one turn returns to the chat, the command line and the log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that carried a choice.

    ``kind`` is ``history`` (one of the user's own items, ``value`` its rating), ``like`` (an example named in the
    request), ``genre`` / ``year`` (a part of the request that the item meets, ``value`` says which), ``rating``
    (mean stars of its viewers), ``viewers`` (how many rated it), ``popularity`` or ``match`` (the LM's reading of the
    request). ``weight`` is the change of the item's log-probability when the fact is left out, or 0 where nothing is
    left out.
    """

    kind: str
    weight: float
    item_id: str | None = None
    value: str | float | int | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One film of the slate.

    ``score`` is the policy's probability over the candidates; ``propensity`` the probability with which this item
    came to this place given those above it (1 for a greedy choice).
    """

    item_id: str
    title: str
    year: int | None
    categories: tuple[str, ...]
    score: float
    propensity: float
    reason: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What the agent asked back: about ``aspect`` (genre, time or known), in the words of ``text``."""

    aspect: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One turn's answer; ``to_json`` is the documented shape of ``concierge recommend --json``.

    ``template`` holds name, version and hash of the state template; ``timings_ms`` says where ``latency_ms`` went.
    ``choices`` are quick replies: each can be sent as the next message. ``question`` is asked beside the films, its
    text is the end of ``reply``. ``about`` is the intent that was answered (``recommend`` for every slate).
    ``relaxed`` names the conditions (fields of ``constraints``) that the films do not meet, since none does; the reply
    says so. ``impression_id`` is set when it was logged.
    """

    reply: str
    items: tuple[Recommendation, ...]
    constraints: dict[str, Any]
    policy: str
    template: dict[str, Any]
    latency_ms: float
    timings_ms: dict[str, float] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    question: Question | None = None
    about: str = "recommend"
    relaxed: tuple[str, ...] = ()
    impression_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data in the documented field order."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Answer:
        """The inverse of :meth:`to_json`."""
        items = tuple(
            Recommendation(
                **{
                    **item,
                    "categories": tuple(item["categories"]),
                    "evidence": tuple(Evidence(**e) for e in item["evidence"]),
                }
            )
            for item in data["items"]
        )
        question = Question(**data["question"]) if data.get("question") else None
        sequences = {name: tuple(data.get(name, ())) for name in ("choices", "relaxed")}
        return cls(**{**data, **sequences, "items": items, "question": question})
