"""Folder: one that appears in the cache whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def building(folder: Path, done: Callable[[], bool] | None = None) -> Iterator[Path | None]:
    """A temporary folder that becomes ``folder`` in one step when the block ends well; None if another process made it.

    One process at a time builds; whoever waited finds the folder there. What a killed process left is removed.
    """
    whole = done or folder.is_dir
    if whole():
        yield None
        return
    parent = folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / f".{folder.name}.lock"):
        if whole():
            yield None
            return
        for left in parent.glob(f".{folder.name}-*.tmp"):
            shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".tmp", dir=parent))
        try:
            yield temporary
            for path in temporary.iterdir():
                _sync(path)
            # A folder that is there but not whole (the user deleted a file) cannot be replaced, only moved away.
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(temporary, folder)
            _sync(parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _sync(path: Path) -> None:
    """Make a file's bytes, or a rename in a folder, survive a power cut, where the system can do so."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a small file that others read meanwhile: they see the old one or the new, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)
