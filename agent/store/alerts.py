"""Alerts: what monitors have found, in the feedback log's database, so that a restart loses and repeats nothing.

A run writes what it found, how far it came and what is to be delivered in one transaction. What is to be delivered is
delivered after it, and marked; a run that was killed in between leaves the rest to the next one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, insert, select, update

from agent.store.database import alert_table, delivery_table, monitor_table, mute_table, writing

Happening = Literal["opened", "closed"]


class AlertError(ValueError):
    """An alert or monitor cannot be found, or another run was faster; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One series of a monitor lies above what is usual, from ``opened`` to ``closed`` (None: still).

    ``detail`` is what the monitor says of it: plain data. ``acknowledged`` is in seconds since 1970.
    """

    monitor: str
    series: str
    opened: date
    closed: date | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    acknowledged: float | None = None
    acknowledged_by: str | None = None

    @property
    def id(self) -> str:
        """Eight hex digits, the same whenever the same day is judged again."""
        return hashlib.sha256(f"{self.monitor}\n{self.series}\n{self.opened}".encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that has happened to an alert and is still to be told to a channel."""

    number: int
    alert: Alert
    event: Happening
    channel: str


class AlertStore:
    """The tables of monitors and alerts; threads and processes may share them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def state(self, monitor: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """How far a monitor has come with these settings; None where it has not begun, or had others."""
        with self._engine.begin() as connection:
            row = connection.execute(select(monitor_table).filter_by(name=monitor)).one_or_none()
        return None if row is None or row.settings != dict(settings) else row.state

    def commit(
        self,
        monitor: str,
        settings: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        state: Mapping[str, Any],
        happened: Sequence[tuple[Alert, Happening]],
        channels: Sequence[str],
    ) -> None:
        """Keep what a run has found, all of it or nothing.

        An alert of a muted series, and one that is known already, is not delivered.

        ``before``: what :meth:`state` gave when the run began.

        Raises:
            AlertError: another run of this monitor has come further meanwhile; nothing was kept.
        """
        with writing(self._engine) as connection:
            row = connection.execute(select(monitor_table).filter_by(name=monitor)).one_or_none()
            stored = None if row is None or row.settings != dict(settings) else row.state
            if stored != before:
                raise AlertError(f"another run of the monitor {monitor!r} was faster: run it again")
            values = {"settings": dict(settings), "state": dict(state), "updated": time.time()}
            if row is None:
                connection.execute(insert(monitor_table).values(name=monitor, **values))
            else:
                connection.execute(update(monitor_table).where(monitor_table.c.name == monitor).values(**values))
            muted = _muted(connection, monitor)
            for alert, event in happened:
                if _record(connection, alert, event) and muted.get(alert.series, "") < _day_of(alert, event):
                    rows = [{"alert": alert.id, "event": event, "channel": channel} for channel in channels]
                    if rows:
                        connection.execute(insert(delivery_table), rows)

    def pending(self, monitor: str) -> list[Delivery]:
        """What is still to be delivered, in the order in which it happened."""
        query = (
            select(delivery_table.c.number, delivery_table.c.event, delivery_table.c.channel, alert_table)
            .join(alert_table, alert_table.c.id == delivery_table.c.alert)
            .where(alert_table.c.monitor == monitor, delivery_table.c.delivered.is_(None))
            .order_by(delivery_table.c.number)
        )
        with self._engine.begin() as connection:
            rows = connection.execute(query).all()
        return [Delivery(row.number, _to_alert(row), row.event, row.channel) for row in rows]

    def delivered(self, delivery: Delivery) -> None:
        """Mark something as delivered."""
        with writing(self._engine) as connection:
            marked = update(delivery_table).where(delivery_table.c.number == delivery.number)
            connection.execute(marked.values(delivered=time.time()))

    def alerts(self, monitor: str | None = None) -> list[Alert]:
        """All alerts (of one monitor), the oldest first."""
        query = select(alert_table).order_by(alert_table.c.opened, alert_table.c.series)
        if monitor is not None:
            query = query.where(alert_table.c.monitor == monitor)
        with self._engine.begin() as connection:
            return [_to_alert(row) for row in connection.execute(query)]

    def acknowledge(self, id: str, by: str) -> Alert:
        """Note that somebody has taken note of an alert; who was first stays.

        Raises:
            AlertError: there is no such alert.
        """
        with writing(self._engine) as connection:
            unseen = update(alert_table).where(alert_table.c.id == id, alert_table.c.acknowledged.is_(None))
            connection.execute(unseen.values(acknowledged=time.time(), acknowledged_by=by))
            row = connection.execute(select(alert_table).filter_by(id=id)).one_or_none()
        if row is None:
            raise AlertError(f"no alert {id!r}: `concierge monitor` lists them with their ids")
        return _to_alert(row)

    def mute(self, monitor: str, series: str, until: date) -> None:
        """Deliver nothing of a series up to a day; alerts are still kept."""
        with writing(self._engine) as connection:
            connection.execute(
                mute_table.delete().where(mute_table.c.monitor == monitor, mute_table.c.series == series)
            )
            connection.execute(insert(mute_table).values(monitor=monitor, series=series, until=until.isoformat()))

    def muted(self, monitor: str) -> dict[str, str]:
        """The series of a monitor that were muted, and the last day (ISO) of which nothing is delivered."""
        with self._engine.begin() as connection:
            return _muted(connection, monitor)


def _muted(connection: Connection, monitor: str) -> dict[str, str]:
    return {own.series: own.until for own in connection.execute(select(mute_table).filter_by(monitor=monitor))}


def _record(connection: Connection, alert: Alert, event: Happening) -> bool:
    """Write down that an alert began or ended; False where that is known."""
    row = connection.execute(select(alert_table).filter_by(id=alert.id)).one_or_none()
    if event == "closed":
        ended = update(alert_table).where(alert_table.c.id == alert.id, alert_table.c.closed.is_(None))
        return connection.execute(ended.values(closed=_day_of(alert, event))).rowcount > 0
    if row is None:
        values = {"id": alert.id, "monitor": alert.monitor, "series": alert.series, "detail": dict(alert.detail)}
        connection.execute(insert(alert_table).values(**values, opened=alert.opened.isoformat()))
    return row is None


def _day_of(alert: Alert, event: Happening) -> str:
    return (alert.opened if event == "opened" or alert.closed is None else alert.closed).isoformat()


def _to_alert(row: Row[Any]) -> Alert:
    closed = None if row.closed is None else date.fromisoformat(row.closed)
    return Alert(
        row.monitor,
        row.series,
        date.fromisoformat(row.opened),
        closed,
        row.detail,
        row.acknowledged,
        row.acknowledged_by,
    )
