"""Feedback log: impressions, outcomes and conversations, kept in SQLite or PostgreSQL.

What a ``record_`` or ``save_`` call has returned for is on disk: it survives a killed process and a power cut.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from sqlalchemy import Connection, Engine, Row, Table, delete, insert, select
from sqlalchemy.exc import DatabaseError, DBAPIError

from agent.domains.domain import legacy_reader
from agent.records.conversation import Conversation
from agent.records.impression import Impression, Outcome, storable
from agent.store.database import (
    BUSY_SECONDS,
    conversation_table,
    impression_table,
    open_engine,
    outcome_table,
    upsert,
    writing,
)
from agent.store.migration import MigrationError, migrate, shipped_migrations
from agent.store.postgresql import parse_url

EXPORT_FORMAT = 1
"""Version of the lines that :meth:`FeedbackLog.export` writes."""


class ConversationEntry(NamedTuple):
    """One line of a list of conversations; ``updated`` is in seconds since 1970."""

    id: str
    title: str
    updated: float


class FeedbackLog:
    """The database at a path, or of a PostgreSQL URL, made or brought up to date when it is opened.

    Threads and processes may share it; each write is one transaction. Impressions and outcomes are append-only: the
    database itself refuses to change or delete them. Writing one again with the same id and content does nothing, so
    a writer that does not know whether its last write arrived just repeats it. Conversations are documents that are
    replaced as a whole and can be deleted.

    Raises:
        MigrationError: the database is newer than this version, or a migration was edited since.
        ValueError: the file is no SQLite database, or lies where SQLite cannot keep a write-ahead log; the URL names no
            PostgreSQL database that can be reached.
    """

    def __init__(self, place: Path | str) -> None:
        remote = isinstance(place, str) and "://" in place
        self._engine = _open_remote(str(place)) if remote else _open_file(Path(place).expanduser().absolute())

    def __enter__(self) -> FeedbackLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back. Everything recorded is on disk already."""
        self._engine.dispose()

    @property
    def path(self) -> Path:
        """The file, of a database that is one."""
        return Path(str(self._engine.url.database))

    @property
    def engine(self) -> Engine:
        """The database's connections, for the other tables in it."""
        return self._engine

    def record_impression(self, impression: Impression, conversation: Conversation | None = None) -> str:
        """Append an impression, and save the conversation in the same transaction; returns the impression's id.

        Raises:
            ValueError: another impression has this id.
        """
        with writing(self._engine) as connection:
            _append(connection, impression_table, impression)
            if conversation is not None:
                _save(connection, conversation, None)
        return impression.id

    def record_outcome(self, outcome: Outcome, conversation: Conversation | None = None) -> str:
        """Append an outcome, and save the conversation in the same transaction; returns the outcome's id.

        Raises:
            ValueError: another outcome has this id, its impression is unknown, of another conversation, or did not
                show the item.
        """
        with writing(self._engine) as connection:
            append_outcome(connection, outcome)
            if conversation is not None:
                _save(connection, conversation, None)
        return outcome.id

    def save_conversation(self, conversation: Conversation, owner: str | None = None) -> None:
        """Store the conversation as it is now.

        The first ``owner`` (a random token that only one browser knows, or its hash) that saves it claims it for good;
        None leaves the owner as it is.

        Raises:
            PermissionError: the conversation belongs to another owner.
        """
        with writing(self._engine) as connection:
            _save(connection, conversation, owner)

    def load_conversation(self, id: str, owner: str | None = None) -> Conversation | None:
        """The conversation as it was last saved, or None where there is none.

        Raises:
            PermissionError: ``owner`` is given and the conversation belongs to another one.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(conversation_table).filter_by(id=id)).one_or_none()
        if row is None:
            return None
        _check_owner(id, row.owner, owner)
        if "events" in row.document:
            return Conversation.from_json(row.document)
        earlier: Conversation = legacy_reader().legacy_conversation(row.document)
        return earlier

    def conversations(self, owner: str) -> list[ConversationEntry]:
        """The owner's conversations and nobody else's, the latest first."""
        entry = select(conversation_table.c.id, conversation_table.c.title, conversation_table.c.updated)
        latest_first = (conversation_table.c.updated.desc(), conversation_table.c.id)
        with self._engine.connect() as connection:
            rows = connection.execute(entry.filter_by(owner=owner).order_by(*latest_first)).all()
        return [ConversationEntry(*row) for row in rows]

    def delete_conversation(self, id: str, owner: str | None = None) -> bool:
        """Delete a conversation's document; returns whether there was one. Its impressions and outcomes stay.

        Raises:
            PermissionError: ``owner`` is given and the conversation belongs to another one.
        """
        with writing(self._engine) as connection:
            row = connection.execute(select(conversation_table.c.owner).filter_by(id=id)).one_or_none()
            if row is not None:
                _check_owner(id, row.owner, owner)
                connection.execute(delete(conversation_table).where(conversation_table.c.id == id))
        return row is not None

    def impressions(self, since: float | None = None) -> Iterator[Impression]:
        """The impressions in the order of recording, from the time ``since`` (seconds since 1970) on."""
        query = select(impression_table).order_by(impression_table.c.number)
        if since is not None:
            query = query.where(impression_table.c.timestamp >= since)
        with self._engine.connect().execution_options(yield_per=500) as connection:
            for row in connection.execute(query):
                yield _to_impression(row)

    def impression(self, id: str) -> Impression | None:
        """One impression; None where there is none with this id."""
        with self._engine.connect() as connection:
            row = connection.execute(select(impression_table).filter_by(id=id)).one_or_none()
        return None if row is None else _to_impression(row)

    def outcomes(self, impression_id: str | None = None) -> Iterator[Outcome]:
        """The outcomes in the order of recording: of one impression, or all (those without an impression too)."""
        with self._engine.connect().execution_options(yield_per=500) as connection:
            yield from _outcomes(connection, impression_id)

    def export(self, path: Path | str) -> int:
        """Write the impressions with their outcomes as JSON lines, for off-policy evaluation; returns their number.

        A line is one impression, in the order of recording: the fields of :class:`Impression` under their names,
        ``format`` (1), and ``outcomes``, a list in the order of recording with ``id, item_id, kind, value, position,
        timestamp``. So the context is ``user, request, constraints, turn``, the action ``slate`` out of
        ``candidates``, its probability the product of ``propensities``, and the reward what the reader makes of
        ``outcomes``; an empty list means that the person did nothing with it. Outcomes without an impression are left
        out. The file shows one moment of the log, and appears under its name when it is complete.
        """
        path = Path(path)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        count = 0
        try:
            with self._engine.connect() as connection, partial.open("w", encoding="utf-8") as file:
                connection.execution_options(yield_per=500)
                for row in connection.execute(select(impression_table).order_by(impression_table.c.number)):
                    impression = _to_impression(row)
                    outcomes = [asdict(outcome) for outcome in _outcomes(connection, impression.id)]
                    for outcome in outcomes:
                        del outcome["impression_id"], outcome["conversation_id"]
                    line = {"format": EXPORT_FORMAT, **asdict(impression), "outcomes": outcomes}
                    file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
                    count += 1
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return count

    def take_in(self, path: Path | str) -> tuple[int, int]:
        """Append what :meth:`export` wrote, in one transaction; returns how many impressions are new, how many not.

        Raises:
            RowError: a line is not what the export writes.
            ValueError: another impression or outcome has the same id.
        """
        from agent.store.logged_impression import read_impressions

        added = there = 0
        with writing(self._engine) as connection:
            for own in read_impressions(Path(path)):
                new = connection.execute(select(impression_table.c.id).filter_by(id=own.impression.id)).first() is None
                added, there = added + new, there + (not new)
                _append(connection, impression_table, own.impression)
                for outcome in own.outcomes:
                    append_outcome(connection, outcome)
        return added, there


def _open_file(path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # conversations are private; SQLite gives its side files the same mode
    engine = open_engine(path)
    try:
        # SQLite does not wait when two processes switch a new file to write-ahead logging at once.
        with FileLock(f"{path}.lock", timeout=BUSY_SECONDS):
            with engine.connect() as connection:
                mode = connection.connection.cursor().execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise ValueError(f"{path} cannot keep a write-ahead log: choose a folder on a local disk")
            migrate(engine, shipped_migrations())
    except DatabaseError as error:
        engine.dispose()
        raise ValueError(
            f"{path} cannot be used as a feedback log ({error.orig}): move it away, or choose another path"
        ) from error
    except (MigrationError, ValueError):
        engine.dispose()
        raise
    return engine


def _open_remote(url: str) -> Engine:
    shown = parse_url(url).render_as_string()
    try:
        engine = open_engine(url)
        migrate(engine, shipped_migrations())
    except DBAPIError as error:
        raise ValueError(f"{shown} cannot be used as a feedback log ({str(error.orig).strip()})") from error
    return engine


def append_outcome(connection: Connection, outcome: Outcome) -> None:
    """Append an outcome within a transaction of the caller's.

    Raises:
        ValueError: as :meth:`FeedbackLog.record_outcome`.
    """
    if outcome.impression_id is not None:
        row = connection.execute(select(impression_table).filter_by(id=outcome.impression_id)).one_or_none()
        if row is None:
            raise ValueError(
                f"outcome for the unknown impression {outcome.impression_id!r}: record the impression first"
            )
        outcome.check_against(_to_impression(row))
    _append(connection, outcome_table, outcome)


def find_outcome(connection: Connection, id: str) -> Outcome | None:
    """One outcome; None where there is none with this id."""
    row = connection.execute(select(outcome_table).filter_by(id=id)).one_or_none()
    return None if row is None else _to_outcome(row)


def _append(connection: Connection, table: Table, record: Impression | Outcome) -> None:
    row = connection.execute(select(table).filter_by(id=record.id)).one_or_none()
    if row is None:
        connection.execute(insert(table).values({f.name: getattr(record, f.name) for f in fields(record)}))
    elif (_to_impression(row) if isinstance(record, Impression) else _to_outcome(row)) != record:
        raise ValueError(f"another {table.name} has the id {record.id!r}: give each one an id of its own")


def _save(connection: Connection, conversation: Conversation, owner: str | None) -> None:
    row = connection.execute(select(conversation_table.c.owner).filter_by(id=conversation.id)).one_or_none()
    if row is not None:
        _check_owner(conversation.id, row.owner, owner)
        owner = row.owner or owner
    values = {
        "owner": owner,
        "title": storable(conversation.title),
        "updated": time.time(),
        "document": conversation.to_json(),
    }
    upsert(connection, conversation_table, {"id": conversation.id}, values)


def _check_owner(id: str, stored: str | None, owner: str | None) -> None:
    if owner is not None and stored not in (None, owner):
        raise PermissionError(f"conversation {id} belongs to somebody else: start a new one")


def _outcomes(connection: Connection, impression_id: str | None) -> Iterator[Outcome]:
    query = select(outcome_table).order_by(outcome_table.c.number)
    if impression_id is not None:
        query = query.where(outcome_table.c.impression_id == impression_id)
    for row in connection.execute(query):
        yield _to_outcome(row)


def _to_impression(row: Row[Any]) -> Impression:
    return Impression(**{f.name: getattr(row, f.name) for f in fields(Impression)})


def _to_outcome(row: Row[Any]) -> Outcome:
    return Outcome(**{f.name: getattr(row, f.name) for f in fields(Outcome)})
