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
from typing import Any, cast

import numpy as np
import pandas as pd

from agent.data.jsonlines import JsonLineError, good_lines
from agent.records.impression import Impression, Outcome
from agent.records.verdict import Verdict, verdict
from agent.store.feedback import EXPORT_FORMAT, FeedbackLog
from eval.off_policy import fields
from eval.off_policy.fields import LogError

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
        LogError: the file or the reward is unknown, a row is malformed, or an id occurs twice; names row and field.
    """
    if reward not in REWARDS:
        raise LogError(f"unknown reward {reward!r}: use one of {', '.join(REWARDS)}")
    if isinstance(log, FeedbackLog):
        rows = list(_of_database(log, reward))
    else:
        path = Path(log)
        if not path.is_file():
            raise LogError(f"{path} is no file: give a feedback database (.db), JSON lines (.jsonl) or Parquet")
        if path.suffix in (".db", ".sqlite"):
            with FeedbackLog(path) as opened:
                rows = list(_of_database(opened, reward))
        elif path.suffix in (".jsonl", ".parquet"):
            lines = _json_lines(path) if path.suffix == ".jsonl" else _parquet(path)
            rows = [parse(record, where, reward) for where, record in lines]
        else:
            raise LogError(f"{path}: unknown kind of file {path.suffix!r}: use .db, .jsonl or .parquet")
    first: dict[str, str] = {}
    for row in rows:
        if row.id in first:
            raise LogError(f"{row.where}: field 'id': {row.id!r} stands at {first[row.id]} already: name each row once")
        first[row.id] = row.where
        if since is not None and row.timestamp is None:
            raise LogError(f"{row.where}: field 'timestamp' is missing, and rows since a time are asked for")
    return [row for row in rows if since is None or cast(float, row.timestamp) >= since]


def _of_database(log: FeedbackLog, reward: str) -> Iterator[LoggedSlate]:
    outcomes: dict[str, list[Outcome]] = {}
    for outcome in log.outcomes():
        if outcome.impression_id is not None:
            outcomes.setdefault(outcome.impression_id, []).append(outcome)
    for impression in log.impressions():
        rewards = _rewards(impression.slate, outcomes.get(impression.id, ()), reward)
        yield _of_impression(impression, f"impression {impression.id!r}", rewards, {})


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        for number, record in good_lines(path):
            yield f"{path.name}, line {number}", record
    except JsonLineError as error:
        raise LogError(str(error)) from None


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise LogError(f"{path} cannot be read as Parquet: {error}") from None
    for number, record in enumerate(frame.to_dict("records"), 1):
        plain = {str(name): _plain(value) for name, value in record.items()}
        yield f"{path.name}, row {number}", {name: value for name, value in plain.items() if value is not None}


def _plain(value: Any) -> Any:
    """Arrays as lists, missing numbers as None, documents written as text as what they say."""
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def parse(record: Any, where: str, reward: str = "click") -> LoggedSlate:
    """One row from plain data; ``where`` names it in messages.

    Raises:
        LogError: a field is missing, unknown or out of range.
    """
    if not isinstance(record, dict):
        raise LogError(f"{where}: a row must be one object, not {type(record).__name__}")
    given = {name: value for name, value in record.items() if value is not None}
    unknown = set(given) - KNOWN
    if unknown:
        raise LogError(f"{where}: unknown field {min(unknown)!r}: known are {', '.join(sorted(KNOWN))}")
    if given.get("format", EXPORT_FORMAT) != EXPORT_FORMAT:
        raise LogError(f"{where}: field 'format' is {given['format']!r}: this version reads {EXPORT_FORMAT}")
    slate = fields.ids(given, "slate", where)
    if ("rewards" in given) == ("outcomes" in given):
        raise LogError(f"{where}: give one of the fields 'rewards' and 'outcomes'")
    if "rewards" in given:
        rewards = fields.numbers(given, "rewards", where, len(slate))
    else:
        rewards = _rewards(slate, fields.outcomes(given, where), reward)
    candidates = fields.ids(given, "candidates", where) if "candidates" in given else slate
    extra: dict[str, Any] = {}
    for name, size in (("target_propensities", len(slate)), ("target_candidate_propensities", len(candidates))):
        if name in given:
            extra[name] = fields.probabilities(given, name, where, size)
    if "candidate_features" in given:
        extra["candidate_features"] = fields.features(given, "candidate_features", where, len(candidates))
    if set(given) >= _NEEDED:
        try:
            impression = Impression(**{"id": where, **{n: v for n, v in given.items() if n in _IMPRESSION}})
        except (ValueError, TypeError) as error:
            raise LogError(f"{where}: {error}") from None
        return _of_impression(impression, where, rewards, extra)
    strangers = set(slate) - set(candidates)
    if strangers:
        raise LogError(f"{where}: field 'slate': item {min(strangers)!r} is not among the candidates")
    propensities = fields.probabilities(given, "propensities", where, len(slate))
    if 0 in propensities:
        raise LogError(f"{where}: field 'propensities': 0 for item {slate[propensities.index(0)]!r}, which was shown")
    if "candidate_propensities" in given:
        extra["candidate_propensities"] = fields.probabilities(given, "candidate_propensities", where, len(candidates))
    timestamp = given.get("timestamp")
    if timestamp is not None and not fields.is_number(timestamp):
        raise LogError(f"{where}: field 'timestamp' is {timestamp!r}: give seconds since 1970")
    id = str(given.get("id", where))
    user = None if "user" not in given else str(given["user"])
    return LoggedSlate(
        where=where,
        id=id,
        conversation=str(given.get("conversation_id", id)),
        user=user,
        timestamp=timestamp,
        candidates=candidates,
        slate=slate,
        propensities=propensities,
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
