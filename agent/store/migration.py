"""Migrations: the numbered SQL files that bring a database up to date."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from sqlalchemy import Connection, Engine, text

from agent.store.database import is_sqlite, metadata
from agent.store.postgresql import translated


class MigrationError(RuntimeError):
    """The database and the migrations of this version do not fit together; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number (from 1, without gaps), its name and its SQL."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hex digest of the SQL text, by which an edit after the fact is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """The SQL cut at the semicolons that end a statement (not those in triggers, strings and comments)."""
        statement = ""
        for piece in re.split(r"(?<=;)", self.sql):
            statement += piece
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        if statement.strip():
            yield statement


def shipped_migrations() -> tuple[Migration, ...]:
    """The migrations in ``agent/store/migrations``, by number.

    Raises:
        MigrationError: a file is not named like ``0001_initial.sql``, or a number is missing or taken twice.
    """
    found = []
    for file in resources.files("agent.store").joinpath("migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if match is None:
            raise MigrationError(f"{file.name} is no migration: name it like 0001_initial.sql")
        found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"number the migrations from 0001 without gaps: {[m.number for m in found]}")
    return tuple(found)


def migrate(engine: Engine, migrations: Sequence[Migration]) -> None:
    """Apply what is missing, each migration in a transaction of its own.

    ``engine`` must leave the transactions to its ``begin`` event (DDL is then rolled back with the rest), and
    ``write=True`` among the execution options must take the write lock.

    Raises:
        MigrationError: the database is newer than ``migrations``, or one that it has was edited since.
    """
    with engine.connect().execution_options(write=True) as connection:
        with connection.begin():
            _execute(
                connection,
                "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                " sha256 TEXT NOT NULL, applied_at REAL NOT NULL)",
            )
            done = _check(connection, migrations)
        for migration in migrations[done:]:
            with connection.begin():
                if _check(connection, migrations) >= migration.number:
                    continue  # another process was faster
                for statement in migration.statements():
                    _execute(connection, statement)
                connection.execute(
                    text("INSERT INTO migration VALUES (:number, :name, :sha256, :applied_at)"),
                    {
                        "number": migration.number,
                        "name": migration.name,
                        "sha256": migration.sha256,
                        "applied_at": time.time(),
                    },
                )


def _execute(connection: Connection, statement: str) -> None:
    said = statement if is_sqlite(connection) else translated(statement, metadata)
    if said:
        connection.exec_driver_sql(said)


def _check(connection: Connection, migrations: Sequence[Migration]) -> int:
    """How many migrations the database has; raises where they are not the first ones of ``migrations``."""
    path = connection.engine.url.database
    rows = connection.execute(text("SELECT number, name, sha256 FROM migration ORDER BY number")).all()
    if len(rows) > len(migrations):
        newest = rows[-1]
        raise MigrationError(
            f"{path} was written by a newer version of Concierge (migration {newest.number:04}_{newest.name}, this"
            f" version knows {len(migrations)}): upgrade Concierge, or set CONCIERGE_HOME to another folder"
        )
    for row, migration in zip(rows, migrations, strict=False):
        if (row.number, row.sha256) != (migration.number, migration.sha256):
            raise MigrationError(
                f"migration {row.number:04}_{row.name} was edited after it was applied to {path}: put its old text"
                " back, and write the change as a new migration"
            )
    return len(rows)
