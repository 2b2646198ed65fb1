"""People: those whom callers name, what they did, and how they are forgotten.

The log of impressions is append-only and never holds a person's name, only a pseudonym that is made with the person's
salt. Deleting a person deletes the events and the salt: what is left in the log belongs to nobody.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select

from agent.records.impression import REACTIONS, Reaction
from agent.store.database import audit, conversation_table, is_sqlite, person_event_table, person_table, writing


class PersonError(ValueError):
    """What was reported of a person cannot be kept; the message says what to change."""


@dataclass(frozen=True, slots=True)
class PersonEvent:
    """One thing that a person did: ``id`` is the caller's key, ``value`` the grade of kind ``rated`` (0.5 to 5)."""

    id: str
    person: str
    item_id: str
    kind: Reaction
    value: float | None
    timestamp: float

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            PersonError: the kind is unknown, or the value does not fit it.
        """
        if self.kind not in REACTIONS:
            raise PersonError(f"unknown kind of event {self.kind!r}: use one of {', '.join(REACTIONS)}")
        if self.kind == "rated" and (self.value is None or not 0.5 <= self.value <= 5):
            raise PersonError(f"rating {self.value} of item {self.item_id!r}: give 0.5 to 5")
        if self.kind != "rated" and self.value is not None:
            raise PersonError(f"value {self.value} with kind {self.kind!r}: only a rating has a value")


class PeopleStore:
    """The people in a feedback log's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_forgotten(self, person: str) -> bool:
        """Whether a person of the data set asked to be forgotten: their past there must not be used."""
        with self._engine.connect() as connection:
            row = connection.execute(select(person_table).filter_by(id=person)).one_or_none()
        return row is not None and row.forgotten is not None

    def events(self, person: str) -> list[PersonEvent]:
        """What a person did, oldest first."""
        query = select(person_event_table).filter_by(person=person)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(person_event_table.c.timestamp, person_event_table.c.id)).all()
        return [_read(row) for row in rows]

    def delete(self, person: str, owner: str, in_data_set: bool, actor: str) -> dict[str, int]:
        """Forget a person: events, salt and the conversations of ``owner``; returns how many of each went.

        ``in_data_set`` says that the data set has a past of theirs: then a note stays that it must not be used.
        """
        with writing(self._engine) as connection:
            row = connection.execute(select(person_table).filter_by(id=person)).one_or_none()
            known = _pseudonym(person, row.salt) if row is not None else "somebody unknown"
            events = connection.execute(delete(person_event_table).where(person_event_table.c.person == person))
            chats = connection.execute(delete(conversation_table).where(conversation_table.c.owner == owner))
            connection.execute(delete(person_table).where(person_table.c.id == person))
            if in_data_set:
                connection.execute(insert(person_table).values(_fresh(person) | {"forgotten": time.time()}))
            audit(connection, actor, "delete person", known)
        self._checkpoint()
        return {"events": events.rowcount, "conversations": chats.rowcount}

    def _checkpoint(self) -> None:
        """Leave nothing of deleted rows in the files: SQLite overwrites what is free, PostgreSQL frees it when told."""
        if not is_sqlite(self._engine):
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit:
                autocommit.exec_driver_sql("VACUUM person_event, person, conversation")
            return
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


def pseudonym(connection: Connection, person: str) -> str:
    """What the log knows a person by; made when first asked for, within a transaction of the caller's."""
    return _pseudonym(person, _salt(connection, person))


def record_event(connection: Connection, event: PersonEvent) -> bool:
    """Keep an event within a transaction of the caller's; returns whether it is new (False: it was kept before).

    Raises:
        PersonError: another event has its key.
    """
    _salt(connection, event.person)
    row = connection.execute(select(person_event_table).filter_by(id=event.id)).one_or_none()
    if row is None:
        connection.execute(insert(person_event_table).values(asdict(event)))
        return True
    if replace(_read(row), timestamp=event.timestamp) != event:
        raise PersonError(f"another event has the key {event.id!r}: give each event a key of its own")
    return False


def _salt(connection: Connection, person: str) -> str:
    row = connection.execute(select(person_table).filter_by(id=person)).one_or_none()
    if row is not None:
        return str(row.salt)
    values = _fresh(person)
    connection.execute(insert(person_table).values(values))
    return str(values["salt"])


def _fresh(person: str) -> dict[str, Any]:
    return {"id": person, "salt": secrets.token_hex(16), "created": time.time(), "forgotten": None}


def _pseudonym(person: str, salt: str) -> str:
    return "p-" + hashlib.sha256(f"{salt} {person}".encode()).hexdigest()[:24]


def _read(row: Row[Any]) -> PersonEvent:
    return PersonEvent(**{field.name: getattr(row, field.name) for field in fields(PersonEvent)})
