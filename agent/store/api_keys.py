"""API keys: who may ask what of which catalogue. Only hashes are stored.

A key reads ``concierge_<id>_<secret>``; the secret has 256 random bits, so that a plain SHA-256 of it cannot be
searched through and costs nothing to check.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from sqlalchemy import Engine, Row, insert, select, update

from agent.store.database import audit, key_table, writing

Verb = Literal["recommend", "feedback", "items", "people", "metrics"]
"""What a key allows: to ask for recommendations and look items up; to report what people did; to change items; to see,
export and delete what is known of people; to read the metrics."""
VERBS: tuple[Verb, ...] = get_args(Verb)

PER_MINUTE = 600
"""Requests that a key may make in a minute unless it was made with another limit."""

_KEY = re.compile(r"concierge_([0-9a-f]{12})_[\w-]{43}")
_NAME = re.compile(r"[\w.@-]{1,64}")


class ApiKeyError(ValueError):
    """A key cannot be made, rotated or revoked as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: never the key itself. Times are in seconds since 1970."""

    id: str
    name: str
    catalogues: tuple[str, ...]
    verbs: tuple[Verb, ...]
    person: str | None
    per_minute: int
    created: float
    expires: float | None
    revoked: float | None

    @property
    def in_force(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked is None and (self.expires is None or self.expires > time.time())

    def allows(self, verb: Verb, catalogue: str | None) -> bool:
        """Whether it allows a verb on a catalogue (None: on no particular one)."""
        return verb in self.verbs and (catalogue is None or not self.catalogues or catalogue in self.catalogues)


class KeyStore:
    """The keys in a feedback log's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The database's connections."""
        return self._engine

    def create(
        self,
        name: str,
        verbs: Sequence[str] = ("recommend", "feedback"),
        catalogues: Sequence[str] = (),
        person: str | None = None,
        per_minute: int = PER_MINUTE,
        days: float | None = None,
        actor: str = "command line",
    ) -> tuple[str, ApiKey]:
        """Make a key and return it; this is the only time that it can be read.

        ``name``: whose it is; keys of one name are one caller; ``catalogues``: which catalogues (empty: every one);
        ``person``: the one person whom it may ask for (None: any); ``days``: how long it lasts (None: until it is
        revoked).

        Raises:
            ApiKeyError: the name, a verb or a number cannot be used.
        """
        unknown = [verb for verb in verbs if verb not in VERBS]
        if unknown or not verbs:
            given = repr(unknown[0]) if unknown else "nothing"
            raise ApiKeyError(f"a key for {given}: use some of {', '.join(VERBS)}")
        if not _NAME.fullmatch(name):
            raise ApiKeyError(f"a key for {name!r}: use letters, digits, '.', '@', '_' and '-' (at most 64)")
        if per_minute < 1 or (days is not None and days <= 0):
            raise ApiKeyError(f"a key with {per_minute} requests a minute for {days} days: give more than 0")
        now = time.time()
        id = secrets.token_hex(6)
        secret = f"concierge_{id}_{secrets.token_urlsafe(32)}"
        values: dict[str, Any] = {
            "id": id,
            "name": name,
            "hash": _hash(secret),
            "catalogues": list(catalogues),
            "verbs": list(verbs),
            "person": person,
            "per_minute": per_minute,
            "created": now,
            "expires": None if days is None else now + days * 86_400,
            "revoked": None,
        }
        with writing(self._engine) as connection:
            connection.execute(insert(key_table).values(values))
            audit(connection, actor, "create key", f"{name} {id}")
        return secret, self.get(id)

    def get(self, id: str) -> ApiKey:
        """The key with a public id.

        Raises:
            ApiKeyError: there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(key_table).filter_by(id=id)).one_or_none()
        if row is None:
            raise ApiKeyError(f"no key {id!r}: `concierge keys list` shows those that there are")
        return _read(row)

    def list(self) -> list[ApiKey]:
        """All keys, revoked ones too, the oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(key_table).order_by(key_table.c.created, key_table.c.id)).all()
        return [_read(row) for row in rows]

    def find(self, secret: str) -> ApiKey | None:
        """The key that was sent, if it is in force."""
        match = _KEY.fullmatch(secret)
        if match is None:
            return None
        with self._engine.connect() as connection:
            row = connection.execute(select(key_table).filter_by(id=match[1])).one_or_none()
        if row is None or not hmac.compare_digest(row.hash, _hash(secret)):
            return None
        key = _read(row)
        return key if key.in_force else None

    def rotate(self, id: str, grace_minutes: float = 0.0, actor: str = "command line") -> tuple[str, ApiKey]:
        """Replace a key by a new one of the same rights; the old one lasts ``grace_minutes`` more.

        Raises:
            ApiKeyError: there is no such key, or it is not in force.
        """
        old = self.get(id)
        if not old.in_force:
            raise ApiKeyError(f"key {id!r} of {old.name!r} is no longer in force: make a new one")
        left = None if old.expires is None else (old.expires - time.time()) / 86_400
        made = self.create(old.name, old.verbs, old.catalogues, old.person, old.per_minute, left, actor)
        self._end(id, time.time() + 60 * grace_minutes, actor, "rotate key")
        return made

    def revoke(self, id: str, actor: str = "command line") -> ApiKey:
        """End a key at once; returns it as it is now.

        Raises:
            ApiKeyError: there is no such key.
        """
        if self.get(id).revoked is None:
            self._end(id, None, actor, "revoke key")
        return self.get(id)

    def _end(self, id: str, expires: float | None, actor: str, action: str) -> None:
        values: dict[str, Any] = {"revoked": time.time()} if expires is None else {"expires": expires}
        with writing(self._engine) as connection:
            connection.execute(update(key_table).where(key_table.c.id == id).values(values))
            audit(connection, actor, action, id)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(row: Row[Any]) -> ApiKey:
    values = {field.name: getattr(row, field.name) for field in fields(ApiKey)}
    return ApiKey(**values | {"catalogues": tuple(row.catalogues), "verbs": tuple(row.verbs)})
