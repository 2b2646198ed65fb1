"""Archive: the files of a folder or a zip, read in place."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from agent.data.tables import DatasetError

Files = dict[str, Callable[[], bytes]]
"""File name (without folder) -> what reads it."""


def folders(path: Path) -> Iterator[tuple[str, Files]]:
    """The name and files of the folder (or zip) itself (named ""), then of each folder directly inside it.

    Raises:
        DatasetError: ``path`` is not there, is neither folder nor zip, or holds member names that lead out of it.
    """
    if path.is_dir():
        for folder in [path, *sorted(p for p in path.iterdir() if p.is_dir())]:
            files = {p.name: p.read_bytes for p in sorted(folder.iterdir()) if p.is_file()}
            yield ("" if folder == path else folder.name), files
    elif path.is_file() and zipfile.is_zipfile(path):
        groups: dict[str, Files] = {}
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
        for name in names:
            member = PurePosixPath(name.replace("\\", "/"))
            # Nothing is unpacked, so such a name could do no harm; it is a sign of a forged archive all the same.
            if member.is_absolute() or ".." in member.parts:
                raise DatasetError(f"{path} holds the unsafe member name {name!r}: take the zip from its source again")
            if len(member.parts) <= 2:
                parent = "" if len(member.parts) == 1 else member.parts[0]
                groups.setdefault(parent, {})[member.name] = _member_reader(path, name)
        yield from sorted(groups.items())
    elif path.exists():
        raise DatasetError(
            f"{path} is neither a folder nor a zip: give the folder or zip that holds the MovieLens files"
        )
    else:
        raise DatasetError(f"{path} does not exist: give the folder or zip that holds the MovieLens files")


def _member_reader(path: Path, name: str) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(name)
        except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
            raise DatasetError(f"{path}: member {name} cannot be read ({error}): download the zip again") from error

    return read
