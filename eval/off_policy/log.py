"""Log: rows of shown slates with their propensities, from a feedback database, JSON lines or Parquet.

A line (or a Parquet row) holds ``slate`` (item ids from the top) and ``propensities`` (parallel to it: the probability
of each item at its place given those above it), and either ``rewards`` (numbers, parallel to the slate) or ``outcomes``
(as :meth:`agent.store.feedback.FeedbackLog.export` writes them). It may hold

- ``id``, ``conversation_id``, ``user``, ``timestamp``: who and when; intervals draw whole conversations or users;
- ``candidates`` (item ids) with ``candidate_propensities`` (the probability of each to come first);
- ``target_propensities`` (parallel to the slate) and ``target_candidate_propensities`` (parallel to the candidates):
  the same two of the policy to be evaluated;
- ``candidate_features`` (one list of numbers a candidate): what the reward model of DM and DR reads;
- the other fields of :class:`agent.records.impression.Impression`, which are needed to ask a policy of our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Annotated, Any, Self, cast

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from agent.data.rows import RowError, checked, read_rows
from agent.records.impression import Impression, Outcome, Verdict, verdict
from agent.store.feedback import EXPORT_FORMAT, FeedbackLog
from agent.store.logged_impression import DATABASES, read_impressions

_ROUNDING = 1e-4
"""How far above 1 a probability, or from 1 a distribution's sum, may be."""


def rounding(values: npt.ArrayLike) -> float:
    """How far each of the probabilities may be from the true one, by the decimal places that they are written with.

    Half a unit of the last place where all have the same three to six; 0 where they have fewer, or more.
    """
    for places in range(1, 7):
        scaled = np.asarray(values, dtype=np.float64) * 10**places
        if (np.abs(scaled - np.round(scaled)) < 1e-6).all():
            return 0.5 / 10**places if places > 2 else 0.0
    return 0.0


def _different(ids: list[str]) -> tuple[str, ...]:
    if len(set(ids)) < len(ids):
        raise ValueError(f"item {next(own for own in ids if ids.count(own) > 1)!r} is there twice")
    return tuple(ids)


Ids = Annotated[list[Annotated[str, Field(min_length=1)]], AfterValidator(_different)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Chance = Annotated[Number, Field(ge=0, le=1 + _ROUNDING), AfterValidator(lambda own: min(1.0, own))]


class _Numbers(BaseModel):
    """The fields of a row that hold items and numbers."""

    model_config = ConfigDict(strict=True)

    slate: Ids
    candidates: Ids = ()  # type: ignore[assignment]
    rewards: list[Number] | None = None
    propensities: list[Chance] | None = None
    candidate_propensities: list[Chance] | None = None
    target_propensities: list[Chance] | None = None
    target_candidate_propensities: list[Chance] | None = None
    candidate_features: list[list[Number]] | None = None
    timestamp: Number | None = None

    @model_validator(mode="after")
    def fits(self) -> Self:
        """Whether the lists have the sizes of slate and candidates, and probabilities sum to 1 at most."""
        candidates = self.candidates or self.slate
        for name in type(self).model_fields:
            values = getattr(self, name)
            if name in ("slate", "candidates", "timestamp") or values is None:
                continue
            size = len(candidates if "candidate" in name else self.slate)
            if len(values) != size:
                raise ValueError(f"field {name!r}: {len(values)} values where {size} belong")
            if not name.endswith("candidate_propensities"):
                continue
            if math.fsum(values) > 1 + _ROUNDING + size * rounding(values):
                raise ValueError(f"field {name!r} sums to {math.fsum(values)}: probabilities of coming first sum to 1")
        widths = {len(own) for own in self.candidate_features or ()}
        if len(widths) > 1:
            raise ValueError("field 'candidate_features': give as many numbers for each candidate")
        return self


REWARDS: Mapping[str, Callable[[Verdict], float]] = {
    "click": lambda v: float(v.clicked),
    "signed-click": lambda v: 1.0 if v.clicked else -1.0,
    "rating": lambda v: 0.0 if v.stars is None else (v.stars - 3.0) / 2.0,
}
"""Rewards of one shown item: 1 or 0; 1 or -1; the stars scaled to [-1, 1], 0 where no opinion was given."""

_IMPRESSION = {field.name: field for field in fields_of(Impression)}
KNOWN = frozenset(_IMPRESSION) | {
    "format",
    "outcomes",
    "rewards",
    "target_propensities",
    "target_candidate_propensities",
    "candidate_features",
}
_NEEDED = {n for n, f in _IMPRESSION.items() if f.default is MISSING and f.default_factory is MISSING}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSlate:
    """One row of a log; see the module's text. ``where`` names it in messages, ``impression`` is set for our own."""

    where: str
    id: str
    conversation: str
    user: str | None
    timestamp: float | None
    candidates: tuple[str, ...]
    slate: tuple[str, ...]
    propensities: tuple[float, ...]
    rewards: tuple[float, ...]
    candidate_propensities: tuple[float, ...] | None = None
    target_propensities: tuple[float, ...] | None = None
    target_candidate_propensities: tuple[float, ...] | None = None
    candidate_features: tuple[tuple[float, ...], ...] | None = None
    impression: Impression | None = None


def read_log(log: Path | str | FeedbackLog, reward: str = "click", since: float | None = None) -> list[LoggedSlate]:
    """All rows of a log, in its order; a path ends in ``.jsonl``, ``.parquet`` or ``.db``.

    ``since`` (seconds since 1970) leaves out what was shown before.

    Raises:
        RowError: the file or the reward is unknown, a row is malformed, or an id occurs twice; names row and field.
    """
    if reward not in REWARDS:
        raise RowError(f"unknown reward {reward!r}: use one of {', '.join(REWARDS)}")
    if isinstance(log, str) and "://" in log:
        with FeedbackLog(log) as opened:
            return read_log(opened, reward, since)
    if isinstance(log, FeedbackLog) or Path(log).suffix in DATABASES:
        rows = list(_of_database(log if isinstance(log, FeedbackLog) else Path(log), reward))
    elif Path(log).suffix in (".jsonl", ".parquet"):
        rows = [parse(record, where, reward) for where, record in read_rows(Path(log))]
    else:
        raise RowError(f"{log}: unknown kind of file {Path(log).suffix!r}: use .db, .jsonl or .parquet")
    first: dict[str, str] = {}
    for row in rows:
        if row.id in first:
            raise RowError(f"{row.where}: field 'id': {row.id!r} stands at {first[row.id]} already: name each row once")
        first[row.id] = row.where
        if since is not None and row.timestamp is None:
            raise RowError(f"{row.where}: field 'timestamp' is missing, and rows since a time are asked for")
    return [row for row in rows if since is None or cast(float, row.timestamp) >= since]


def _of_database(log: FeedbackLog | Path, reward: str) -> Iterator[LoggedSlate]:
    for own in read_impressions(log):
        rewards = _rewards(own.impression.slate, own.outcomes, reward)
        yield _of_impression(own.impression, f"impression {own.impression.id!r}", rewards, {})


def parse(record: Any, where: str, reward: str = "click") -> LoggedSlate:
    """One row from plain data; ``where`` names it in messages.

    Raises:
        RowError: a field is missing, unknown or out of range.
    """
    if not isinstance(record, dict):
        raise RowError(f"{where}: a row must be one object, not {type(record).__name__}")
    given = {name: value for name, value in record.items() if value is not None}
    unknown = set(given) - KNOWN
    if unknown:
        raise RowError(f"{where}: unknown field {min(unknown)!r}: known are {', '.join(sorted(KNOWN))}")
    if given.get("format", EXPORT_FORMAT) != EXPORT_FORMAT:
        raise RowError(f"{where}: field 'format' is {given['format']!r}: this version reads {EXPORT_FORMAT}")
    row = checked(_Numbers, given, where)
    slate, candidates = tuple(row.slate), tuple(row.candidates or row.slate)
    if (row.rewards is None) == ("outcomes" not in given):
        raise RowError(f"{where}: give one of the fields 'rewards' and 'outcomes'")
    rewards = _rewards(slate, _outcomes(given, where), reward) if row.rewards is None else tuple(row.rewards)
    extra: dict[str, Any] = {
        name: tuple(value)
        for name in ("target_propensities", "target_candidate_propensities")
        if (value := getattr(row, name)) is not None
    }
    if row.candidate_features is not None:
        extra["candidate_features"] = tuple(map(tuple, row.candidate_features))
    if set(given) >= _NEEDED:
        try:
            impression = Impression(**{"id": where, **{n: v for n, v in given.items() if n in _IMPRESSION}})
        except (ValueError, TypeError) as error:
            raise RowError(f"{where}: {error}") from None
        return _of_impression(impression, where, rewards, extra)
    strangers = set(slate) - set(candidates)
    if strangers:
        raise RowError(f"{where}: field 'slate': item {min(strangers)!r} is not among the candidates")
    if row.propensities is None:
        raise RowError(f"{where}: field 'propensities' is missing")
    if 0 in row.propensities:
        shown = slate[row.propensities.index(0)]
        raise RowError(f"{where}: field 'propensities': 0 for item {shown!r}, which was shown")
    if row.candidate_propensities is not None:
        extra["candidate_propensities"] = tuple(row.candidate_propensities)
    id = str(given.get("id", where))
    user = None if "user" not in given else str(given["user"])
    return LoggedSlate(
        where=where,
        id=id,
        conversation=str(given.get("conversation_id", id)),
        user=user,
        timestamp=row.timestamp,
        candidates=candidates,
        slate=slate,
        propensities=tuple(row.propensities),
        rewards=rewards,
        **extra,
    )


def _of_impression(
    impression: Impression, where: str, rewards: tuple[float, ...], extra: Mapping[str, Any]
) -> LoggedSlate:
    return LoggedSlate(
        where=where,
        id=impression.id,
        conversation=impression.conversation_id,
        user=impression.user,
        timestamp=impression.timestamp,
        candidates=impression.candidates,
        slate=impression.slate,
        propensities=impression.propensities,
        rewards=rewards,
        candidate_propensities=impression.candidate_propensities,
        impression=impression,
        **extra,
    )


def _rewards(slate: Sequence[str], outcomes: Sequence[Outcome], reward: str) -> tuple[float, ...]:
    return tuple(REWARDS[reward](verdict(o for o in outcomes if o.item_id == item)) for item in slate)


def _outcomes(row: Mapping[str, Any], where: str) -> list[Outcome]:
    """The field "outcomes", as :meth:`agent.store.feedback.FeedbackLog.export` writes it."""
    if not isinstance(row["outcomes"], list):
        raise RowError(f"{where}: field 'outcomes' must be a list, not {type(row['outcomes']).__name__}")
    found = []
    for place, entry in enumerate(row["outcomes"], 1):
        try:
            if not isinstance(entry, dict):
                raise TypeError(f"an object is needed, not {type(entry).__name__}")
            outcome = Outcome(**{"conversation_id": "?", "impression_id": "?", **entry})
            if outcome.item_id not in row["slate"]:
                raise ValueError(f"item {outcome.item_id!r} is not on the slate")
        except (ValueError, TypeError) as error:
            raise RowError(f"{where}: field 'outcomes', entry {place}: {error}") from None
        found.append(outcome)
    return found
