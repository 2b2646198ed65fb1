"""Template serving: which saved version serves each role, alone or sharing the traffic with a second one."""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from agent.policy.distribution import Policy
from agent.records.impression import storable
from agent.store.database import serving_table, writing
from agent.store.template_versions import MOST_NAME, MOST_NOTE, SavedVersion, TemplateError, TemplateStore
from prompts import Template

Action = Literal["activate", "experiment", "roll back"]
Status = Literal["draft", "active", "retired"]
OFFLINE_ROLES = ("reward", "reward-text")
"""Roles that no chat reads: training and evaluation do."""


@dataclass(frozen=True, slots=True)
class Share:
    """A version that serves, and the part of all conversations that it gets, in (0, 1]."""

    name: str
    version: int
    weight: float

    @property
    def reference(self) -> str:
        """As people name it: ``state@3``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves a role from ``timestamp`` (seconds since 1970) on.

    ``shares`` has one entry, two in an experiment, or none where the product's own template serves. ``previous`` is
    the number of the one that a roll back returns to (None: the product's own). ``number`` 0: nothing was ever
    activated.
    """

    number: int
    role: str
    timestamp: float
    author: str
    note: str
    action: Action
    shares: tuple[Share, ...]
    previous: int | None

    def share_of(self, conversation_id: str) -> Share | None:
        """Which version serves a conversation: by a hash of its id, so it stays while this serving is in force."""
        if not self.shares:
            return None
        digest = hashlib.sha256(f"{self.number}:{conversation_id}".encode("utf-8", "replace")).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        for share in self.shares[:-1]:
            if place < share.weight:
                return share
            place -= share.weight
        return self.shares[-1]


class ServedTemplates:
    """Activates and rolls back versions of a store; every step is kept, and is in force for the next turn at once.

    The first activation of a role takes over from the product's own template, and rolling it back returns there.
    """

    def __init__(self, store: TemplateStore) -> None:
        self.store = store

    def current(self, role: str) -> Serving:
        """What serves a role now."""
        with self.store.log.engine.connect() as connection:
            return self._current(connection, role)

    def history(self, role: str | None = None) -> list[Serving]:
        """Every step, the oldest first, of one role or all."""
        query = select(serving_table).filter_by(pack=self.store.pack).order_by(serving_table.c.number)
        if role is not None:
            query = query.filter_by(role=role)
        with self.store.log.engine.connect() as connection:
            return [_serving(row) for row in connection.execute(query)]

    def active(self, role: str) -> list[SavedVersion]:
        """The versions that serve a role: one, two in an experiment; the product's newest where none was activated.

        Raises:
            TemplateError: the role has no template at all.
        """
        shares = self.current(role).shares
        if shares:
            return [self.store.get(share.reference) for share in shares]
        return [self._shipped(role, self.store.versions(role=role))]

    def _shipped(self, role: str, versions: Sequence[SavedVersion]) -> SavedVersion:
        shipped = [version for version in versions if version.origin is not None]
        named = [version for version in shipped if version.name == role]
        if not shipped:
            raise TemplateError(f"no template of role {role!r} in pack {self.store.pack!r}")
        return (named or shipped)[-1]

    def find(self, reference: str) -> SavedVersion:
        """A version by reference; ``state@active`` is the one with the largest share of its role.

        Raises:
            TemplateError: there is none.
        """
        name, _, wanted = reference.partition("@")
        if wanted != "active":
            return self.store.get(reference)
        role = self.store.get(name).role
        shares = self.current(role).shares
        best = max(shares, key=lambda share: share.weight, default=None)
        return self.active(role)[0] if best is None else self.store.get(best.reference)

    def statuses(self) -> dict[str, Status]:
        """Each version's status by its reference: active, retired (it was active before) or draft."""
        versions = self.store.versions()
        roles = {version.role for version in versions}
        active = {version.reference for role in roles for version in self.active(role)}
        once = {share.reference for serving in self.history() for share in serving.shares}
        # The product's own served before anything else did.
        once |= {
            version.reference for version in versions if version.origin is not None and version.name == version.role
        }
        return {
            version.reference: "active"
            if version.reference in active
            else "retired"
            if version.reference in once
            else "draft"
            for version in versions
        }

    def activate(self, reference: str, author: str, note: str = "") -> Serving:
        """Let one version serve its role alone.

        Raises:
            TemplateError: there is no such version, no author, or it serves alone already.
        """
        version = self.store.get(reference)
        share = Share(version.name, version.version, 1.0)
        return self._serve(version.role, (share,), author, note, "activate")

    def experiment(self, first: str, second: str, weight: float, author: str, note: str = "") -> Serving:
        """Let two versions of one role share the conversations; ``weight`` is the second one's part.

        Every impression records the version of the state template itself; of another role's, :meth:`served` tells it
        from the conversation and the time.

        Raises:
            TemplateError: no such version, the same one twice, two roles or one that no chat reads, or a weight out of
                range.
        """
        versions = [self.store.get(reference) for reference in (first, second)]
        if versions[0].reference == versions[1].reference:
            raise TemplateError(f"an experiment compares two versions: {first!r} is given twice")
        role = versions[0].role
        if versions[1].role != role:
            raise TemplateError(
                f"{first} is of role {role!r}, {second} of role {versions[1].role!r}: compare two of one role"
            )
        if role in OFFLINE_ROLES:
            raise TemplateError(f"no chat reads templates of role {role!r}: train or evaluate with each of the two")
        if not 0.0 < weight < 1.0:
            raise TemplateError(f"weight {weight} is out of range: give the second version's part, between 0 and 1")
        shares = tuple(
            Share(version.name, version.version, part)
            for version, part in zip(versions, (1.0 - weight, weight), strict=True)
        )
        return self._serve(role, shares, author, note, "experiment")

    def roll_back(self, role: str, author: str, note: str = "") -> Serving:
        """Return to what served the role before; done again, it goes one step further back.

        Raises:
            TemplateError: the product's own template serves, or no author.
        """
        author = _author(author)
        with writing(self.store.log.engine) as connection:
            current = self._current(connection, role)
            if not current.number or not (current.shares or current.previous):
                raise TemplateError(f"nothing to roll back: role {role!r} is served by the product's own template")
            target = None
            if current.previous is not None:
                row = connection.execute(select(serving_table).filter_by(number=current.previous)).one()
                target = _serving(row)
            shares = target.shares if target else ()
            return self._insert(
                connection, role, shares, author, note, "roll back", target.previous if target else None
            )

    def template(self, role: str, conversation_id: str) -> Template | None:
        """The template that serves a conversation, or None where the product's own does."""
        share = self.current(role).share_of(conversation_id)
        return None if share is None else self.store.find(share.name, share.version, self.store.pack)

    def served(self, role: str) -> Callable[[str, float], SavedVersion]:
        """Which version of a role served a conversation (its id) at a time (seconds since 1970), from what is kept.

        Raises:
            TemplateError: the role has no template at all.
        """
        steps = self.history(role)
        times = [step.timestamp for step in steps]
        versions = {version.reference: version for version in self.store.versions(role=role)}
        own = self._shipped(role, list(versions.values()))

        def find(conversation_id: str, timestamp: float) -> SavedVersion:
            place = bisect_right(times, timestamp) - 1
            share = steps[place].share_of(conversation_id) if place >= 0 else None
            return own if share is None else versions[share.reference]

        return find

    def policy(self, policy: Policy, conversation_id: str) -> Policy:
        """The policy as it reads the state for a conversation: the same LM, with the version that serves it."""
        template = self.template("state", conversation_id)
        return policy if template is None else policy.with_template(template)

    def _serve(self, role: str, shares: tuple[Share, ...], author: str, note: str, action: Action) -> Serving:
        author = _author(author)
        with writing(self.store.log.engine) as connection:
            current = self._current(connection, role)
            if current.shares == shares:
                raise TemplateError(f"{' and '.join(share.reference for share in shares)} serves already")
            return self._insert(connection, role, shares, author, note, action, current.number or None)

    def _current(self, connection: Connection, role: str) -> Serving:
        query = select(serving_table).filter_by(pack=self.store.pack, role=role)
        row = connection.execute(query.order_by(serving_table.c.number.desc()).limit(1)).one_or_none()
        return Serving(0, role, 0.0, "", "", "activate", (), None) if row is None else _serving(row)

    def _insert(
        self,
        connection: Connection,
        role: str,
        shares: Sequence[Share],
        author: str,
        note: str,
        action: Action,
        previous: int | None,
    ) -> Serving:
        values = {
            "pack": self.store.pack,
            "role": role,
            "timestamp": time.time(),
            "author": author,
            "note": storable(" ".join(note.split()))[:MOST_NOTE],
            "action": action,
            "shares": [[share.name, share.version, share.weight] for share in shares],
            "previous": previous,
        }
        number = connection.execute(insert(serving_table).values(values)).inserted_primary_key
        assert number is not None
        row = connection.execute(select(serving_table).filter_by(number=number[0])).one()
        return _serving(row)


def _author(author: str) -> str:
    author = storable(" ".join(author.split()))[:MOST_NAME]
    if not author:
        raise TemplateError("somebody must answer for what serves: give an author")
    return author


def _serving(row: Any) -> Serving:
    shares = tuple(Share(str(name), int(version), float(weight)) for name, version, weight in row.shares)
    return Serving(row.number, row.role, row.timestamp, row.author, row.note, row.action, shares, row.previous)
