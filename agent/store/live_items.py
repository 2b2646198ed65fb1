"""Live items: what changed about a catalogue's items since the models were fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, Row, func, insert, select, update

from agent.store.database import audit, live_item_table, writing

Status = Literal["shown", "hidden", "deleted"]


@dataclass(frozen=True, slots=True)
class LiveItem:
    """One item's latest change.

    ``title`` and ``attributes`` (facet -> value; names as a list) replace those of the data set; title None leaves them
    as they are. From ``expires`` (seconds since 1970) on it is treated as hidden.
    """

    item_id: str
    title: str | None
    attributes: Mapping[str, Any]
    status: Status
    expires: float | None
    revision: int

    def shown_at(self, now: float) -> bool:
        """Whether it may be recommended at a time."""
        return self.status == "shown" and (self.expires is None or self.expires > now)


class LiveItemStore:
    """The live items in a feedback log's database; every replica that shares it sees the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def revision(self) -> int:
        """The number of the latest change; 0 where nothing was changed."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.max(live_item_table.c.revision))).scalar() or 0)

    def since(self, revision: int) -> list[LiveItem]:
        """The items that changed after a revision, in the order of their changes."""
        query = select(live_item_table).where(live_item_table.c.revision > revision)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(live_item_table.c.revision)).all()
        return [_read(row) for row in rows]

    def get(self, item_id: str) -> LiveItem | None:
        """An item's latest change; None where nothing was changed about it."""
        with self._engine.connect() as connection:
            row = connection.execute(select(live_item_table).filter_by(item_id=item_id)).one_or_none()
        return None if row is None else _read(row)

    def put(self, item_id: str, title: str, attributes: Mapping[str, Any], expires: float | None, actor: str) -> bool:
        """Add an item, or replace what is known of it; it is shown. Returns whether it is new to this store."""
        document = {"title": title, "attributes": dict(attributes)}
        return self._write(item_id, {"document": document, "status": "shown", "expires": expires}, actor, "put item")

    def set_status(self, item_id: str, status: Status, actor: str) -> None:
        """Hide an item, show it again, or delete it (its title and attributes go for good)."""
        values: dict[str, Any] = {"status": status}
        if status == "deleted":
            values |= {"document": None, "expires": None}
        self._write(item_id, values, actor, {"shown": "show", "hidden": "hide", "deleted": "delete"}[status] + " item")

    def set_expiry(self, item_id: str, expires: float | None, actor: str) -> None:
        """From when on an item is no longer shown (seconds since 1970; None: never)."""
        self._write(item_id, {"expires": expires}, actor, "expire item")

    def _write(self, item_id: str, values: dict[str, Any], actor: str, action: str) -> bool:
        with writing(self._engine) as connection:
            latest = int(connection.execute(select(func.max(live_item_table.c.revision))).scalar() or 0)
            known = connection.execute(select(live_item_table.c.item_id).filter_by(item_id=item_id)).first()
            values = {**values, "revision": latest + 1}
            if known is None:
                fresh = {"document": None, "status": "shown", "expires": None, **values, "item_id": item_id}
                connection.execute(insert(live_item_table).values(fresh))
            else:
                connection.execute(update(live_item_table).where(live_item_table.c.item_id == item_id).values(values))
            audit(connection, actor, action, item_id)
        return known is None


def _read(row: Row[Any]) -> LiveItem:
    document = row.document or {}
    return LiveItem(
        row.item_id,
        document.get("title"),
        document.get("attributes", {}),
        row.status,
        row.expires,
        row.revision,
    )
