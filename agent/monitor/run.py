"""A run of a monitor: judge the new days, keep what was found, deliver it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent.monitor.counts import DailyCounts
from agent.monitor.delivery import Failure, deliver
from agent.monitor.detector import Change, Detectors, MonitorSettings
from agent.monitor.explanation import explain
from agent.store.alerts import Alert, AlertStore, Happening


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched: the share of ``value`` of a facet in a data set, by the values of another facet."""

    data: str
    facet: str
    value: str
    by: str | None = None

    @property
    def name(self) -> str:
        """The monitor's name, by which its state is kept."""
        return f"{self.data}: {self.facet}={self.value}" + (f" by {self.by}" if self.by else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: the last judged day, the alerts that are open, new ones, and channels that failed.

    ``late`` counts texts of days that an earlier run had judged; they are part of what is usual, and not judged.
    """

    through: datetime.date
    opened: tuple[Alert, ...]
    closed: tuple[Alert, ...]
    open: tuple[Alert, ...]
    late: int
    failures: tuple[Failure, ...]


def run(
    watch: Watch,
    counts: DailyCounts,
    settings: MonitorSettings,
    store: AlertStore,
    channels: Sequence[str],
    console: Callable[[str], None],
    last: datetime.date | None = None,
) -> Outcome:
    """Judge the days since the last run, up to ``last`` (the newest there is); the store makes sure of once only.

    Raises:
        AlertError: another run of the same monitor came further meanwhile.
    """
    plain = {name: list(own) if isinstance(own, tuple) else own for name, own in asdict(settings).items()}
    before = store.state(watch.name, plain)
    detectors = Detectors(settings) if before is None else Detectors.from_json(before, settings, counts)
    judged = detectors.through
    known = 0 if before is None else int(before["texts"])
    late = 0 if before is None else int(counts.read[0, : judged + 1].sum()) - known
    changes = detectors.advance(counts, None if last is None else counts.day(last))
    since = {own.series: own for own in store.alerts(watch.name) if own.closed is None}
    happened: list[tuple[Alert, Happening]] = []
    for change in changes:
        happened.append(alert_of(watch, counts, change, settings, since))
    if detectors.through >= 0:
        texts = int(counts.read[0, : detectors.through + 1].sum())
        state = detectors.to_json(counts) | {"texts": texts}
        store.commit(watch.name, plain, before, state, happened, channels)
    failures = deliver(store, watch.name, watch.value, console)
    found = {event: tuple(own for own, happening in happened if happening == event) for event in ("opened", "closed")}
    return Outcome(
        counts.date(detectors.through),
        found["opened"],
        found["closed"],
        tuple(own for own in store.alerts(watch.name) if own.closed is None),
        late,
        tuple(failures),
    )


def alert_of(
    watch: Watch, counts: DailyCounts, change: Change, settings: MonitorSettings, open_alerts: dict[str, Alert]
) -> tuple[Alert, Happening]:
    """The alert that a change begins or ends; ``open_alerts`` by series are kept up to date."""
    day = counts.date(change.day)
    if change.opened:
        alert = Alert(watch.name, change.series, day, detail=explain(counts, change, settings))
        open_alerts[change.series] = alert
        return alert, "opened"
    begun = open_alerts.pop(change.series)
    return Alert(begun.monitor, begun.series, begun.opened, day, begun.detail), "closed"


def replay(
    watch: Watch, counts: DailyCounts, settings: MonitorSettings, start: datetime.date | None = None
) -> list[Alert]:
    """The alerts that the monitor would have given had it run every day; nothing is kept or delivered.

    What lies before ``start`` is known as the past, and gives no alerts.
    """
    detectors = Detectors(settings)
    open_alerts: dict[str, Alert] = {}
    found: dict[str, Alert] = {}
    for change in detectors.advance(counts):
        alert, _ = alert_of(watch, counts, change, settings, open_alerts)
        found[alert.id] = alert
    return [own for own in found.values() if start is None or own.opened >= start]


def to_json(alert: Alert) -> dict[str, Any]:
    """An alert as plain data."""
    return {
        "id": alert.id,
        "series": alert.series,
        "opened": alert.opened.isoformat(),
        "closed": None if alert.closed is None else alert.closed.isoformat(),
        "acknowledged_by": alert.acknowledged_by,
        **alert.detail,
    }
