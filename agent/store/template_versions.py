"""Template versions: every saved edit of a prompt template, kept for good beside the feedback log."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

import prompts
from agent.records.impression import storable
from agent.store.database import draft_table, test_table, upsert, version_table, writing
from prompts import IsolatedTemplate, Template

if TYPE_CHECKING:
    from agent.store.feedback import FeedbackLog

PRODUCT = "Concierge"
"""The author of the versions that come with the product."""
MOST_NAME, MOST_NOTE = 80, 500
"""Longest author's name and note, in characters; more is cut off."""


TESTS_SHOWN = 20
"""So many tests of a template are listed, the latest first."""


class TemplateError(ValueError):
    """A version is unknown, or an edit cannot be saved; the message names it and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVersion:
    """One version of a template, never changed: ``source`` is the whole file, ``hash`` its SHA-256.

    ``parent`` is the version (of the same name) that its author started from; ``origin`` is the SHA-256 of the
    product's own file that it holds, and None for an edit. ``timestamp`` is in seconds since 1970.
    """

    pack: str
    name: str
    version: int
    role: str
    parent: int | None
    author: str
    note: str
    timestamp: float
    hash: str
    source: str
    origin: str | None

    @property
    def reference(self) -> str:
        """As people name it: ``state@3``."""
        return f"{self.name}@{self.version}"

    @property
    def template(self) -> Template:
        """Ready to render: in this process where the product ships it, in the isolated one where a person wrote it."""
        return _template(self.source, self.reference, self.origin is not None)


class Saved(NamedTuple):
    """What saving gave: the new version, and other versions that were made from the same parent meanwhile."""

    version: SavedVersion
    siblings: tuple[SavedVersion, ...]


class UnsavedText(NamedTuple):
    """What somebody's editor held: the text, the version it was started from, seconds since 1970."""

    source: str
    parent: int | None
    updated: float


@dataclass(frozen=True, slots=True)
class TemplateTest:
    """What one test of a template came to.

    Attributes:
        kind: ``users``, an offline trial on validation users, or ``cases``, the template's own test cases.
        template: the version that was tested, or that its text started from where it was not saved.
        hash: SHA-256 of the text.
        against: the version that it was compared with; empty for test cases.
        document: the figures, as plain data.
    """

    kind: str
    template: str
    hash: str
    against: str
    author: str
    timestamp: float
    document: dict[str, Any]


class TemplateStore:
    """The versions of one pack's templates in the feedback log's database; threads and processes may share it.

    The templates that come with the product are its first versions. A later release's new file becomes one more
    version; where an author's edit has its number already, it gets the next free one.
    """

    def __init__(self, log: FeedbackLog, pack: str = prompts.DEFAULT_PACK) -> None:
        self.log = log
        self.pack = pack
        self._add_shipped()

    def versions(self, name: str | None = None, role: str | None = None) -> list[SavedVersion]:
        """The versions in the order of saving, of one name or role or all."""
        query = select(version_table).filter_by(pack=self.pack).order_by(version_table.c.number)
        for column, wanted in ((version_table.c.name, name), (version_table.c.role, role)):
            if wanted is not None:
                query = query.where(column == wanted)
        with self.log.engine.connect() as connection:
            return [_version(row) for row in connection.execute(query)]

    def get(self, reference: str) -> SavedVersion:
        """The version ``state@3``, or the newest one of ``state``.

        Raises:
            TemplateError: there is none; the message lists those there are.
        """
        name, _, wanted = reference.partition("@")
        own = self.versions(name)
        if not own:
            known = ", ".join(dict.fromkeys(version.name for version in self.versions()))
            raise TemplateError(f"no template {name!r} in pack {self.pack!r}: there is {known}")
        if not wanted:
            return max(own, key=lambda version: version.version)
        found = next((version for version in own if str(version.version) == wanted), None)
        if found is None:
            known = ", ".join(str(version.version) for version in own)
            raise TemplateError(f"{name!r} has no version {wanted!r}: there is {known}")
        return found

    def find(self, name: str, version: int, pack: str) -> Template | None:
        """The template of one version, for :func:`prompts.attach`; None where there is none."""
        query = select(version_table).filter_by(pack=pack, name=name, version=version)
        with self.log.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _version(row).template

    def save(self, source: str, author: str, note: str = "", parent: int | None = None) -> Saved:
        """Keep an edit as a new version, after the check that ``concierge prompts check`` makes.

        Nobody's edit is ever lost: of two that start from the same ``parent`` both become versions, and the one that
        is saved later is told of the other. The version in the front matter is set to the number that it gets.

        Raises:
            PromptError: the template is wrong, with the line.
            TemplateError: no author, an unknown parent, another role than the name's, or nothing changed.
        """
        author, note = _line(author)[:MOST_NAME], _line(note)[:MOST_NOTE]
        if not author:
            raise TemplateError("an edit needs an author: give a name")
        source = storable(source)
        name, _ = prompts.check_isolated(source)
        draft = prompts.parse(source, "<draft>")
        with writing(self.log.engine) as connection:
            own = self._own(connection, name)
            _check_edit(draft, own, parent)
            version = self._insert(connection, draft, 1 + max(own, default=0), parent, author, note, None)
        siblings = [other for other in own.values() if parent is not None and other.parent == parent]
        return Saved(version, tuple(siblings))

    def adopt(self, version: SavedVersion) -> SavedVersion:
        """Take in a version from elsewhere: under its number where that is free, else under the next one.

        One that is here already (the same number and content) is returned as it is.

        Raises:
            PromptError: the template is wrong.
        """
        prompts.check_isolated(version.source, version.reference)
        template = prompts.parse(version.source, version.reference)
        with writing(self.log.engine) as connection:
            own = self._own(connection, template.name)
            here = own.get(template.version)
            if here is not None and here.hash == template.hash:
                return here
            known = version.parent if version.parent in own else None
            number = template.version if here is None else 1 + max(own)
            _check_role(template, own)
            return self._insert(
                connection, template, number, known, version.author, version.note, None, version.timestamp
            )

    def keep_unsaved(self, owner: str, name: str, source: str, parent: int | None) -> None:
        """Remember what ``owner``'s editor holds for a template, whatever state it is in."""
        values = {"source": storable(source), "parent": parent, "updated": time.time()}
        with writing(self.log.engine) as connection:
            upsert(connection, draft_table, {"owner": owner, "pack": self.pack, "name": name}, values)

    def unsaved(self, owner: str, name: str) -> UnsavedText | None:
        """What ``owner`` left unsaved, or None."""
        columns = (draft_table.c.source, draft_table.c.parent, draft_table.c.updated)
        with self.log.engine.connect() as connection:
            row = connection.execute(select(*columns).filter_by(owner=owner, pack=self.pack, name=name)).one_or_none()
        return None if row is None else UnsavedText(*row)

    def drop_unsaved(self, owner: str, name: str) -> None:
        """Forget it: it was saved, or thrown away."""
        with writing(self.log.engine) as connection:
            connection.execute(delete(draft_table).filter_by(owner=owner, pack=self.pack, name=name))

    def keep_test(self, name: str, test: TemplateTest) -> None:
        """Remember what a test of the template ``name`` came to."""
        values = {own.name: getattr(test, own.name) for own in fields(test)}
        with writing(self.log.engine) as connection:
            connection.execute(insert(test_table).values(pack=self.pack, name=name, **values))

    def tests(self, name: str, limit: int = TESTS_SHOWN) -> list[TemplateTest]:
        """The latest tests of a template, the latest first."""
        columns = [test_table.c[own.name] for own in fields(TemplateTest)]
        query = select(*columns).filter_by(pack=self.pack, name=name).order_by(test_table.c.number.desc()).limit(limit)
        with self.log.engine.connect() as connection:
            return [TemplateTest(*row) for row in connection.execute(query)]

    def _own(self, connection: Connection, name: str) -> dict[int, SavedVersion]:
        rows = connection.execute(select(version_table).filter_by(pack=self.pack, name=name))
        return {version.version: version for version in map(_version, rows)}

    def _insert(
        self,
        connection: Connection,
        template: Template,
        number: int,
        parent: int | None,
        author: str,
        note: str,
        origin: str | None,
        timestamp: float | None = None,
    ) -> SavedVersion:
        source = template.source if template.version == number else prompts.renumbered(template.source, number)
        version = SavedVersion(
            pack=self.pack,
            name=template.name,
            version=number,
            role=template.header.role,
            parent=parent,
            author=storable(author),
            note=storable(note),
            timestamp=time.time() if timestamp is None else timestamp,
            hash=_hash(source),
            source=source,
            origin=origin,
        )
        connection.execute(insert(version_table).values({f.name: getattr(version, f.name) for f in fields(version)}))
        return version

    def _add_shipped(self) -> None:
        """Make the product's own templates versions, where they are not yet."""
        base = [] if self.pack == "base" else list(prompts.shelf("base"))
        own = list(prompts.shelf(self.pack))
        shipped = own + [template for template in base if template.name not in {t.name for t in own}]
        with self.log.engine.connect() as connection:
            query = select(version_table.c.name, version_table.c.origin).filter_by(pack=self.pack)
            known = {tuple(row) for row in connection.execute(query.where(version_table.c.origin.is_not(None)))}
        missing = [template for template in shipped if (template.name, template.hash) not in known]
        if not missing:
            return
        with writing(self.log.engine) as connection:
            for template in missing:
                taken = self._own(connection, template.name)
                if any(version.origin == template.hash for version in taken.values()):
                    continue  # another process was faster
                number = template.version if template.version not in taken else 1 + max(taken)
                note = template.header.description[:MOST_NOTE]
                self._insert(connection, template, number, None, PRODUCT, note, template.hash)


@lru_cache(maxsize=64)
def _template(source: str, reference: str, trusted: bool) -> Template:
    template = prompts.parse(source, reference)
    return template if trusted else IsolatedTemplate.of(template)


def _version(row: Any) -> SavedVersion:
    return SavedVersion(**{field.name: getattr(row, field.name) for field in fields(SavedVersion)})


def _check_edit(draft: Template, own: dict[int, SavedVersion], parent: int | None) -> None:
    if parent is None:
        _check_role(draft, own)
        return
    if parent not in own:
        known = ", ".join(map(str, sorted(own))) or "none: leave the parent out for a new name"
        raise TemplateError(f"{draft.name!r} has no version {parent} to start from: there is {known}")
    _check_role(draft, own)
    if prompts.renumbered(draft.source, parent) == own[parent].source:
        raise TemplateError(f"nothing has changed since {own[parent].reference}: edit it first")


def _check_role(draft: Template, own: dict[int, SavedVersion]) -> None:
    roles = {version.role for version in own.values()}
    if roles and draft.header.role not in roles:
        raise TemplateError(f"{draft.name!r} has the role {min(roles)!r}: give a template of another role another name")


def _hash(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()


def _line(text: str) -> str:
    return " ".join(text.split())
