"""Service tables: keys, live items, people and the audit log as queries see them, and how they are written.

The tables themselves are made by ``agent/store/migrations``, in the feedback log's database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import JSON, Column, Connection, Engine, Float, Integer, MetaData, Table, Text, insert, select

_metadata = MetaData()
key_table = Table(
    "api_key",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("hash", Text),
    Column("catalogues", JSON),
    Column("verbs", JSON),
    Column("person", Text),
    Column("per_minute", Integer),
    Column("created", Float),
    Column("expires", Float),
    Column("revoked", Float),
)
live_item_table = Table(
    "live_item",
    _metadata,
    Column("item_id", Text, primary_key=True),
    Column("document", JSON(none_as_null=True)),
    Column("status", Text),
    Column("expires", Float),
    Column("revision", Integer),
)
person_table = Table(
    "person",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("salt", Text),
    Column("created", Float),
    Column("forgotten", Float),
)
person_event_table = Table(
    "person_event",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text),
    Column("item_id", Text),
    Column("kind", Text),
    Column("value", Float),
    Column("timestamp", Float),
)
audit_table = Table(
    "audit",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("timestamp", Float),
    Column("actor", Text),
    Column("action", Text),
    Column("subject", Text),
)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that holds the write lock; what it wrote is on disk when it has ended."""
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        yield connection


def audit(connection: Connection, actor: str, action: str, subject: str) -> None:
    """Note within the transaction of a change who made it."""
    values = {"timestamp": time.time(), "actor": actor, "action": action, "subject": subject}
    connection.execute(insert(audit_table).values(values))


def audit_log(engine: Engine, latest: int = 100) -> list[dict[str, object]]:
    """The latest changes, newest first: timestamp (seconds since 1970), actor, action, subject."""
    query = select(audit_table).order_by(audit_table.c.number.desc()).limit(latest)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [{name: getattr(row, name) for name in ("timestamp", "actor", "action", "subject")} for row in rows]
