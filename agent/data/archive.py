"""Archive: the files of a folder or a zip, read in place."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO


class DatasetError(Exception):
    """A data set is missing or cannot be read; the message names it and the fix."""


class DatasetNotFoundError(DatasetError, FileNotFoundError):
    """A data set is not in the cache."""


_DEEPEST = 4
"""Folders inside folders that are looked into."""
_JUNK = frozenset({"__MACOSX", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its name, and what opens its bytes from the start.

    Raises (when opened):
        DatasetError: it cannot be read; the message names it.
    """

    name: str
    open: Callable[[], IO[bytes]]

    def read(self) -> bytes:
        """All its bytes."""
        with self.open() as file:
            return file.read()

    @property
    def suffix(self) -> str:
        """The end of its name, in lower case: ".csv"."""
        return PurePosixPath(self.name).suffix.lower()


Files = dict[str, Source]
"""File name (without folder) -> the file."""


def file_source(path: Path) -> Source:
    """The file at ``path``.

    Raises:
        DatasetError: there is none.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist: give a table, or the folder or zip that holds the files")

    def opened() -> IO[bytes]:
        try:
            return path.open("rb")
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error.strerror}") from error

    return Source(path.name, opened)


def folders(path: Path) -> Iterator[tuple[str, Files]]:
    """The name and files of the folder (or zip) itself (named ""), then of the folders inside it, outer ones first.

    Raises:
        DatasetError: ``path`` is not there, is neither folder nor zip, or holds member names that lead out of it.
    """
    if path.is_dir():
        yield from _walk(path, "", 0)
    elif is_zip(path):
        groups: dict[str, Files] = {}
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
        for name in names:
            member = PurePosixPath(name.replace("\\", "/"))
            # Nothing is unpacked, so such a name could do no harm; it is a sign of a forged archive all the same.
            if member.is_absolute() or ".." in member.parts:
                raise DatasetError(f"{path} holds the unsafe member name {name!r}: take the zip from its source again")
            if len(member.parts) <= _DEEPEST and not _JUNK & set(member.parts):
                parent = "/".join(member.parts[:-1])
                groups.setdefault(parent, {})[member.name] = _member(path, name)
        yield from sorted(groups.items(), key=lambda group: (group[0].count("/") if group[0] else -1, group[0]))
    elif path.exists():
        raise DatasetError(f"{path} is neither a folder nor a zip: give the folder or zip that holds the files")
    else:
        raise DatasetError(f"{path} does not exist: give the folder or zip that holds the files")


def is_zip(path: Path) -> bool:
    """Whether ``path`` is a zip file."""
    return path.is_file() and zipfile.is_zipfile(path)


def _walk(folder: Path, name: str, depth: int) -> Iterator[tuple[str, Files]]:
    inside = sorted(folder.iterdir())
    yield name, {p.name: file_source(p) for p in inside if p.is_file() and not p.name.startswith(".")}
    if depth + 1 < _DEEPEST:
        for child in inside:
            if child.is_dir() and not child.name.startswith(".") and child.name not in _JUNK:
                yield from _walk(child, f"{name}/{child.name}" if name else child.name, depth + 1)


def _member(path: Path, name: str) -> Source:
    def opened() -> IO[bytes]:
        # Read whole: only so is the checksum of a damaged member found before its rows are used.
        try:
            with zipfile.ZipFile(path) as archive:
                return io.BytesIO(archive.read(name))
        except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
            raise DatasetError(f"{path}: member {name} cannot be read ({error}): download the zip again") from error

    return Source(PurePosixPath(name.replace("\\", "/")).name, opened)
