"""Impression and outcome: what was shown, with the chances it had, and what a person did with it."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from agent.records.state import POSITIVE

Reaction = Literal["clicked", "liked", "disliked", "seen", "rated", "more", "less", "removed"]
REACTIONS: tuple[Reaction, ...] = get_args(Reaction)

ROUNDING = 1e-6
"""How far above 1 a float32 softmax may put a propensity; it is stored as 1."""

DISTRIBUTION_ROUNDING = 1e-4
"""How far from 1 the sum of a logged distribution may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impression:
    """One slate that was shown.

    ``id`` is the idempotency key: writing the same impression twice stores it once. ``candidates`` and ``slate`` hold
    item ids; ``propensities`` and ``scores`` run parallel to the slate. A propensity is the probability with which the
    item came to its place given those above it, in (0, 1]; a score is the policy's probability over the candidates.
    ``user`` is a user of the data set whose past the policy saw, ``constraints`` plain data
    (:func:`agent.store.logged_state.conditions_document`),
    ``timestamp`` in seconds since 1970. ``state`` is the rest of what the choice depended on
    (:func:`agent.store.logged_state.state_document`), ``candidate_propensities`` the probability of each candidate to
    come first, parallel to ``candidates`` (sums to 1; None where nothing was drawn). Rows of older versions have
    neither.

    Raises:
        ValueError: a field breaks one of these rules; the message names the value.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    conversation_id: str
    turn: int
    timestamp: float = field(default_factory=time.time)
    user: str | None = None
    request: str = ""
    candidates: tuple[str, ...]
    slate: tuple[str, ...]
    propensities: tuple[float, ...]
    scores: tuple[float, ...]
    policy: str
    template_name: str
    template_version: str
    template_hash: str
    constraints: dict[str, Any] = field(default_factory=dict)
    temperature: float
    latency_ms: float
    state: dict[str, Any] | None = None
    candidate_propensities: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Bring the fields into the form that they are stored in, and check them."""
        _set(self, "candidates", tuple(self.candidates))
        _set(self, "slate", tuple(self.slate))
        _set(self, "propensities", tuple(1.0 if 1 < p <= 1 + ROUNDING else float(p) for p in self.propensities))
        _set(self, "scores", tuple(float(s) for s in self.scores))
        _set(self, "request", storable(self.request))
        _set(self, "constraints", _plain(self.constraints))
        _set(self, "state", None if self.state is None else _plain(self.state))
        _check_names(self, "id", "conversation_id", "policy", "template_name", "template_version", "template_hash")
        _check_numbers(self, "timestamp", "temperature", "latency_ms")
        if self.turn < 0:
            raise ValueError(f"turn {self.turn}: count the user's messages from 0")
        for name, ids in (("candidates", self.candidates), ("slate", self.slate)):
            _check_ids(name, ids)
        strangers = set(self.slate) - set(self.candidates)
        if strangers:
            raise ValueError(
                f"slate item {min(strangers)!r} is not among the candidates: log every item that was ranked"
            )
        for name, values in (("propensities", self.propensities), ("scores", self.scores)):
            if len(values) != len(self.slate):
                raise ValueError(f"{len(values)} {name} for {len(self.slate)} slate items: give one for each")
        for item, propensity in zip(self.slate, self.propensities, strict=True):
            if not 0 < propensity <= 1:
                raise ValueError(
                    f"propensity {propensity} of item {item!r} is not in (0, 1]: log the probability itself"
                )
        for item, score in zip(self.slate, self.scores, strict=True):
            if not math.isfinite(score):
                raise ValueError(f"score {score} of item {item!r} is not a finite number")
        if self.candidate_propensities is not None:
            _set(self, "candidate_propensities", tuple(float(p) for p in self.candidate_propensities))
            _check_distribution(self.candidate_propensities, self.candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One thing that a person did with one item.

    ``impression_id`` is None for an item that no slate showed (named in a message, say). ``position`` is the item's
    place in the slate, from 0. ``value`` holds the stars (1 to 5) of kind ``rated`` and is None otherwise;
    ``removed`` takes the earlier reactions to the item back. ``timestamp`` is in seconds since 1970.

    Raises:
        ValueError: a field breaks one of these rules; the message names the value.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    impression_id: str | None = None
    conversation_id: str
    item_id: str
    kind: Reaction
    value: float | None = None
    position: int | None = None
    timestamp: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        """Check the fields."""
        _check_names(self, "id", "conversation_id", "item_id")
        _check_numbers(self, "timestamp")
        if self.kind not in REACTIONS:
            raise ValueError(f"unknown kind of outcome {self.kind!r}: use one of {', '.join(REACTIONS)}")
        if self.kind == "rated":
            if self.value is None or not 1 <= self.value <= 5:
                raise ValueError(f"rating {self.value} of item {self.item_id!r}: give 1 to 5 stars")
            _set(self, "value", float(self.value))
        elif self.value is not None:
            raise ValueError(f"value {self.value} with kind {self.kind!r}: only a rating has a value")
        if self.position is not None and (self.impression_id is None or self.position < 0):
            raise ValueError(f"position {self.position}: give a place in the slate of an impression, from 0")

    def check_against(self, impression: Impression) -> None:
        """Whether this can be an outcome of ``impression``.

        Raises:
            ValueError: the impression is of another conversation, or did not show the item at that place.
        """
        if self.conversation_id != impression.conversation_id:
            raise ValueError(
                f"outcome of conversation {self.conversation_id!r} for impression {impression.id!r}"
                f" of conversation {impression.conversation_id!r}: name an impression of the same conversation"
            )
        if self.item_id not in impression.slate:
            raise ValueError(
                f"item {self.item_id!r} was not on the slate of impression {impression.id!r}"
                f" ({', '.join(impression.slate)}): leave impression_id out for an item that was not shown"
            )
        place = impression.slate.index(self.item_id)
        if self.position not in (None, place):
            raise ValueError(f"item {self.item_id!r} was shown at position {place}, not {self.position}")


def storable(text: str) -> str:
    """``text`` without lone surrogates, which UTF-8 and hence SQLite cannot hold; they become question marks."""
    return text.encode("utf-8", "replace").decode()


def _set(record: object, name: str, value: object) -> None:
    object.__setattr__(record, name, value)  # the records are frozen for everybody else


def _plain(document: dict[str, Any]) -> Any:
    return json.loads(storable(json.dumps(document, allow_nan=False, ensure_ascii=False)))


def _check_distribution(propensities: tuple[float, ...], candidates: tuple[str, ...]) -> None:
    if len(propensities) != len(candidates):
        raise ValueError(f"{len(propensities)} candidate_propensities for {len(candidates)} candidates: one for each")
    for item, propensity in zip(candidates, propensities, strict=True):
        if not 0 <= propensity <= 1 + ROUNDING:
            raise ValueError(f"candidate_propensities hold {propensity} for item {item!r}: give a probability")
    total = math.fsum(propensities)
    if candidates and abs(total - 1) > DISTRIBUTION_ROUNDING:
        raise ValueError(
            f"candidate_propensities sum to {total}: give the probabilities of coming first, which sum to 1"
        )


def _check_names(record: object, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} is {value!r}: give a non-empty string")


def _check_numbers(record: object, *names: str) -> None:
    for name in names:
        value = float(cast(float, getattr(record, name)))
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{name} is {value}: give a finite number, 0 or more")
        _set(record, name, value)


def _check_ids(name: str, ids: Iterable[Any]) -> None:
    seen: set[str] = set()
    for item in ids:
        if not isinstance(item, str) or not item:
            raise ValueError(f"{item!r} in {name} is no item id: give non-empty strings")
        if item in seen:
            raise ValueError(f"item {item!r} is twice in {name}: name each item once")
        seen.add(item)


_STARS = {"liked": 5.0, "more": 5.0, "disliked": 1.0, "less": 1.0}
"""How an attitude reads in stars (the same as in a history)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``clicked`` is the click of the rewards; ``stars`` the opinion (1 to 5; None: none was given)."""

    clicked: bool = False
    stars: float | None = None


def verdict(outcomes: Iterable[Outcome]) -> Verdict:
    """What reactions to one item come to, given in the order of recording.

    "removed" takes everything before it back. The last opinion (liked, disliked, more, less, rated) stands and decides:
    a click is an opinion of at least ``POSITIVE`` stars, where a like counts as 5 and a dislike as 1. Without an
    opinion, an opened card ("clicked") is a click; "seen" says nothing.
    """
    opened, stars = False, None
    for outcome in outcomes:
        if outcome.kind == "removed":
            opened, stars = False, None
        elif outcome.kind == "clicked":
            opened = True
        elif outcome.kind == "rated":
            stars = outcome.value
        else:
            stars = _STARS.get(outcome.kind, stars)
    return Verdict(opened if stars is None else stars >= POSITIVE, stars)
