"""Database: the tables of the feedback log as queries see them, its connections and transactions, and its audit log.

The tables themselves are made by the SQL files in ``agent/store/migrations``.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite
from sqlalchemy import (
    JSON,
    URL,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)

from agent.data.assets import data_dir
from agent.store.postgresql import SCHEMA, open_postgresql, parse_url, schema_of

BUSY_SECONDS = 30.0
"""How long a writer waits for another process's transaction; one takes milliseconds."""

DATABASE = "CONCIERGE_DATABASE"
"""The setting that names a PostgreSQL database in place of the file."""

metadata = MetaData()


class NoDatabaseError(ValueError):
    """There is no database yet; the message says where one was looked for."""


def _table(
    name: str, key: str, text: str = "", real: str = "", whole: str = "", json: str = "", null: str = ""
) -> Table:
    """A table by the names of its columns: its key (``number``: counted), texts, floats, integers and documents.

    Of the documents named by ``null``, None is SQL's NULL; of the others, JSON's.
    """
    kinds = ((text, Text), (real, Float), (whole, Integer), (json, JSON), (null, JSON(none_as_null=True)))
    keys = [Column(own, Integer if own == "number" else Text, primary_key=True) for own in key.split()]
    return Table(name, metadata, *keys, *(Column(own, kind) for names, kind in kinds for own in names.split()))


impression_table = _table(
    "impression",
    key="number",
    text="id conversation_id user request policy template_name template_version template_hash",
    real="timestamp temperature latency_ms",
    whole="turn",
    json="candidates slate propensities scores constraints",
    null="state candidate_propensities",
)
outcome_table = _table(
    "outcome", "number", "id impression_id conversation_id item_id kind", real="value timestamp", whole="position"
)
conversation_table = _table("conversation", "id", "owner title", real="updated", json="document")
version_table = _table(
    "template_version",
    "number",
    "pack name role author note hash source origin",
    real="timestamp",
    whole="version parent",
)
serving_table = _table(
    "template_serving", "number", "pack role author note action", real="timestamp", whole="previous", json="shares"
)
draft_table = _table("template_draft", "owner pack name", "source", real="updated", whole="parent")
test_table = _table(
    "template_test", "number", "pack name kind template hash against author", real="timestamp", json="document"
)
key_table = _table(
    "api_key", "id", "name hash person", real="created expires revoked", whole="per_minute", json="catalogues verbs"
)
live_item_table = _table("live_item", "item_id", "status", real="expires", whole="revision", null="document")
person_table = _table("person", "id", "salt", real="created forgotten")
person_event_table = _table("person_event", "id", "person item_id kind", real="value timestamp")
audit_table = _table("audit", "number", "actor action subject", real="timestamp")
monitor_table = _table("monitor", "name", real="updated", json="settings state")
alert_table = _table("alert", "id", "monitor series opened closed acknowledged_by", real="acknowledged", json="detail")
delivery_table = _table("alert_delivery", "number", "alert event channel", real="delivered")
mute_table = _table("alert_mute", "monitor series", "until")
loop_table = _table("loop_round", "number", "data phase", real="started ended", json="document")
profile_table = _table("profile", "owner", real="updated", json="document")


def store_place(name: str = "") -> Path | str:
    """Where conversations and feedback are kept: a file, or the URL in ``CONCIERGE_DATABASE`` of a PostgreSQL database.

    ``name``: a store of its own, as each further catalogue of a service has one ("": the chat's).
    """
    url = os.environ.get(DATABASE, "")
    if not url:
        return data_dir() / (f"feedback-{name}.db" if name else "feedback.db")
    parsed = parse_url(url)
    schema = "_".join([schema_of(parsed), *([re.sub(r"[^a-z0-9_]", "_", name.lower())] if name else [])])
    return parsed.update_query_dict({SCHEMA: schema}).render_as_string(hide_password=False)


def existing_place(named: Path | str | None = None) -> Path | str:
    """The place that was named, or else the one in use, where there is a database already.

    Raises:
        NoDatabaseError: it is a file that is not there.
    """
    place = named or store_place()
    if isinstance(place, Path) and not place.is_file():
        raise NoDatabaseError(f"{place} is no file: chat first with `concierge chat`, or name a feedback database")
    return place


def shown_place(place: Path | str) -> str:
    """A place as people may read it: without a password."""
    return str(place) if isinstance(place, Path) else parse_url(place).render_as_string()


def open_engine(place: Path | str) -> Engine:
    """Connections to the database at a path, or of a PostgreSQL URL.

    ``write=True`` among the execution options takes the write lock.
    """
    dumps = partial(json.dumps, allow_nan=False, separators=(",", ":"))
    if isinstance(place, str):
        return open_postgresql(parse_url(place), json_serializer=dumps)
    engine = create_engine(
        URL.create("sqlite", database=str(place)), connect_args={"timeout": BUSY_SECONDS}, json_serializer=dumps
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where the next listener says, not where sqlite3 guesses
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "recursive_triggers = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turned writer could not wait for it, it would just fail.
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def is_sqlite(place: Engine | Connection) -> bool:
    """Whether the database is a file of SQLite's."""
    return place.dialect.name == "sqlite"


def upsert(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert a row with the primary key ``key``, or set the ``values`` of the one that has it."""
    make = sqlalchemy.dialects.sqlite.insert if is_sqlite(connection) else sqlalchemy.dialects.postgresql.insert
    statement = make(table).values({**values, **key})
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def copy_store(source: Engine, target: Engine) -> dict[str, int]:
    """Copy all that a database holds into an empty one; returns the number of rows by table.

    All or nothing is written, and it shows one moment of the source. The kinds of database may differ.

    Raises:
        ValueError: the target is not empty (the message names a table with rows).
    """
    copied: dict[str, int] = {}
    with source.connect().execution_options(yield_per=500) as reader, writing(target) as writer:
        for name, table in metadata.tables.items():
            if writer.execute(select(func.count()).select_from(table)).scalar_one():
                raise ValueError(f"the database has rows in {name!r} already: copy into an empty one")
            copied[name] = 0
            for part in reader.execute(select(table).order_by(*table.primary_key)).mappings().partitions():
                writer.execute(insert(table), [dict(row) for row in part])
                copied[name] += len(part)
            if "number" in table.c and copied[name] and not is_sqlite(target):
                last = text("SELECT setval(pg_get_serial_sequence(:name, 'number'), max(number)) FROM " + name)
                writer.execute(last, {"name": name})
    return copied


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
