"""Database: the tables of the feedback log as queries see them, and its connections.

The tables themselves are made by the SQL files in ``agent/store/migrations``.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

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
)

BUSY_SECONDS = 30.0
"""How long a writer waits for another process's transaction; one takes milliseconds."""

_metadata = MetaData()
impression_table = Table(
    "impression",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("id", Text),
    Column("conversation_id", Text),
    Column("turn", Integer),
    Column("timestamp", Float),
    Column("user", Text),
    Column("request", Text),
    Column("candidates", JSON),
    Column("slate", JSON),
    Column("propensities", JSON),
    Column("scores", JSON),
    Column("policy", Text),
    Column("template_name", Text),
    Column("template_version", Text),
    Column("template_hash", Text),
    Column("constraints", JSON),
    Column("temperature", Float),
    Column("latency_ms", Float),
    Column("state", JSON(none_as_null=True)),
    Column("candidate_propensities", JSON(none_as_null=True)),
)
outcome_table = Table(
    "outcome",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("id", Text),
    Column("impression_id", Text),
    Column("conversation_id", Text),
    Column("item_id", Text),
    Column("kind", Text),
    Column("value", Float),
    Column("position", Integer),
    Column("timestamp", Float),
)
conversation_table = Table(
    "conversation",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text),
    Column("title", Text),
    Column("updated", Float),
    Column("document", JSON),
)


def open_engine(path: Path) -> Engine:
    """Connections to the database at ``path``; ``write=True`` among the execution options takes the write lock."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS},
        json_serializer=partial(json.dumps, allow_nan=False, separators=(",", ":")),
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
