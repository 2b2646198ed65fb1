"""How good a monitor is: delay and false alerts on the past, and on rises planted in it."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agent.monitor.counts import ALL, DailyCounts, MonitorError
from agent.monitor.detector import HALF_YEAR, Detectors, MonitorSettings
from agent.store.alerts import Alert

SAME = 7
"""Days within which alerts of several series are one: a reader is called once."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that should give an alert: from the day on which it could be known, to the day it was over."""

    start: datetime.date
    end: datetime.date
    what: str


@dataclass(frozen=True, slots=True)
class Score:
    """What alerts are worth against events.

    ``delays`` are the days from each event's start to the first alert within it, None where there was none; ``false``
    counts alerts outside of events (those within :data:`SAME` days are one), ``half_years`` the time that this is of.
    """

    delays: tuple[int | None, ...]
    false: int
    half_years: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "false_per_half_year": round(self.false / self.half_years, 2)}


def read_events(path: Path) -> list[Event]:
    """Events from a CSV file with the columns start, end (ISO dates) and what.

    Raises:
        MonitorError: the file cannot be read so.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [
            Event(datetime.date.fromisoformat(row["start"]), datetime.date.fromisoformat(row["end"]), row["what"])
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MonitorError(
            f"{path} holds no events ({error}): give a CSV file with columns start, end, what"
        ) from error


def score(alerts: Iterable[Alert], events: Sequence[Event], start: datetime.date, end: datetime.date) -> Score:
    """Delays and false alerts of the alerts that began between two days; an event counts only from its start on."""
    opened = sorted(alert.opened for alert in alerts if start <= alert.opened <= end)
    events = [event for event in events if start <= event.start <= end]
    delays = []
    for event in events:
        within = [day for day in opened if event.start <= day <= event.end]
        delays.append((within[0] - event.start).days if within else None)
    false: list[datetime.date] = []
    for day in opened:
        outside = not any(event.start <= day <= event.end for event in events)
        if outside and (not false or (day - false[-1]).days > SAME):
            false.append(day)
    covered = sum((min(event.end, end) - event.start).days + 1 for event in events)
    return Score(tuple(delays), len(false), ((end - start).days + 1 - covered) / HALF_YEAR)


def curve(
    counts: DailyCounts,
    events: Sequence[Event],
    alerts_of: Callable[[MonitorSettings], Sequence[Alert]],
    settings: MonitorSettings,
    budgets: Sequence[float] = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
    start: datetime.date | None = None,
) -> list[tuple[float, Score]]:
    """The score at each number of false alerts a half-year that the threshold is set for."""
    first, last = start or counts.first, counts.date(counts.days - 1)
    found = []
    for budget in budgets:
        alerts = alerts_of(replace(settings, false_alarms=budget))
        found.append((budget, score(alerts, events, first, last)))
    return found


@dataclass(frozen=True, slots=True)
class Planted:
    """A rise by ``points`` of the share of one series, planted many times.

    ``found`` is the share of the plantings for which the series gave an alert within the span; ``texts`` and ``days``
    are the medians of how many of the series' texts, and days, it took.
    """

    series: str
    points: float
    plantings: int
    found: float
    texts: float | None
    days: float | None


def quiet_days(counts: DailyCounts, events: Sequence[Event], span: int = 60) -> list[int]:
    """Every 25th day on which a rise may be planted: with a past, with ``span`` days to go, and away from events."""
    before, after = datetime.timedelta(days=span), datetime.timedelta(days=span // 2)
    return [
        day
        for day in range(2 * span, counts.days - span, 25)
        if not any(own.start - before <= counts.date(day) <= own.end + after for own in events)
    ]


def planted(
    counts: DailyCounts,
    settings: MonitorSettings,
    starts: Sequence[int],
    series: str = ALL,
    points: float = 0.1,
    span: int = 60,
    seed: int = 0,
) -> Planted:
    """From each of some days on, other texts of a series get the watched value too, until its share is higher.

    Each text without the value gets it with the probability that lifts the series' mean share by ``points``, for
    ``span`` days. Alerts that come without the planting, or were open, do not count.
    """
    row = counts.series.index(series)
    generator = np.random.default_rng(seed)
    usual = counts.hits[row].sum() / max(counts.read[row].sum(), 1)
    texts, days, tried = [], [], 0
    past = Detectors(settings)
    for start in sorted(starts):
        past.advance(counts, start - 1)
        before = deepcopy(past)
        if series in before.states and before.states[series].since is not None:
            continue
        tried += 1
        end = min(start + span, counts.days)
        free = counts.read[row, start:end] - counts.hits[row, start:end]
        more = generator.binomial(free, min(1.0, points / (1 - usual)))
        hits = counts.hits.copy()
        hits[row, start:end] += more
        if series != ALL:
            hits[0, start:end] += more
        changed = replace(counts, hits=hits)
        changes = before.advance(changed, end - 1)
        first = next((own.day for own in changes if own.opened and own.series == series), None)
        if first is not None:
            texts.append(int(counts.read[row, start : first + 1].sum()))
            days.append(first - start + 1)
    return Planted(
        series,
        points,
        tried,
        len(texts) / tried if tried else float("nan"),
        float(np.median(texts)) if texts else None,
        float(np.median(days)) if days else None,
    )
