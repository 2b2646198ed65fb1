"""Logged impression: one with what came of it, read from the feedback log or from its export."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from agent.data.rows import RowError, good_lines
from agent.records.impression import Impression, Outcome, Verdict, verdict
from agent.store.feedback import EXPORT_FORMAT, FeedbackLog

DATABASES = (".db", ".sqlite")
"""How the file of a feedback database ends."""


@dataclass(frozen=True, slots=True)
class LoggedImpression:
    """An impression with its outcomes in the order of recording."""

    impression: Impression
    outcomes: tuple[Outcome, ...]

    def verdicts(self) -> tuple[Verdict, ...]:
        """What the person made of each item of the slate."""
        return tuple(verdict(o for o in self.outcomes if o.item_id == item) for item in self.impression.slate)

    @property
    def told(self) -> int:
        """How many items of the slate somebody did something with."""
        return len({outcome.item_id for outcome in self.outcomes})


def read_impressions(log: FeedbackLog | Path, since: float | None = None) -> Iterator[LoggedImpression]:
    """The impressions with their outcomes, in the order of recording.

    ``log``: the feedback log, its database's file (``.db`` or ``.sqlite``), or the file that
    :meth:`agent.store.feedback.FeedbackLog.export` wrote; ``since``: only impressions from this time on, in seconds
    since 1970.

    Raises:
        RowError: there is no such file, or a line of it is not what the export writes.
    """
    if isinstance(log, Path):
        if not log.is_file():
            raise RowError(f"{log} is no file: give a feedback database (.db) or its export (.jsonl)")
        if log.suffix in DATABASES:
            with FeedbackLog(log) as opened:
                yield from read_impressions(opened, since)
        else:
            yield from _read_export(log, since)
        return
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in log.outcomes():
        if outcome.impression_id is not None:
            outcomes[outcome.impression_id].append(outcome)
    for impression in log.impressions(since):
        yield LoggedImpression(impression, tuple(outcomes.get(impression.id, ())))


def _read_export(path: Path, since: float | None) -> Iterator[LoggedImpression]:
    known = {field.name for field in fields(Impression)}
    for number, data in good_lines(path):
        try:
            if data["format"] != EXPORT_FORMAT:
                raise ValueError(f"format {data['format']!r}, this version reads {EXPORT_FORMAT}")
            impression = Impression(**{name: value for name, value in data.items() if name in known})
            outcomes = tuple(
                Outcome(impression_id=impression.id, conversation_id=impression.conversation_id, **outcome)
                for outcome in data["outcomes"]
            )
        except (ValueError, TypeError, KeyError) as error:
            raise RowError(f"{path.name}, line {number}: {error}; give a file that the log's export wrote") from error
        if since is None or impression.timestamp >= since:
            yield LoggedImpression(impression, outcomes)
