"""Ranking cache: lists that were ranked before are kept by what they were made from, so that a rerun is quick."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import ArrowInvalid

from agent.data.assets import cache_dir
from agent.data.atomic import write_whole
from eval.ranking.lists import COLUMNS, Lists

_SOURCES = ("prompts", "agent", "training", "eval")


def digest(*parts: object) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def digest_files(paths: Sequence[Path]) -> str:
    """A hash over the names and bytes of files, in their order."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f"{path.name}\n{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:32]


@functools.cache
def code_version() -> str:
    """A hash over the source that scores are made by: nothing that older code ranked is taken for new."""
    root = Path(__file__).resolve().parents[2]
    return digest_files([path for folder in _SOURCES for path in sorted((root / folder).rglob("*.py"))])


class RankingCache:
    """Lists and notes under the user's cache folder; with ``fresh`` nothing old is read."""

    def __init__(self, fresh: bool = False) -> None:
        self.fresh = fresh
        self.folder = cache_dir() / "ranking"

    def lists(self, key: str) -> Lists | None:
        """The lists that were kept under this key; None where there are none or they are damaged."""
        path = self.folder / f"{key}.parquet"
        if self.fresh or not path.is_file():
            return None
        try:
            found = pd.read_parquet(path)
        except (OSError, ArrowInvalid):
            return None
        return found if tuple(found.columns) == COLUMNS else None

    def keep_lists(self, key: str, lists: Lists) -> None:
        """Keep lists; another process sees them whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{key}.{os.getpid()}.partial"
        try:
            lists.to_parquet(partial, index=False)
            os.replace(partial, self.folder / f"{key}.parquet")
        finally:
            partial.unlink(missing_ok=True)

    def note(self, key: str) -> dict[str, Any] | None:
        """The plain data that was kept under this key; None where there is none."""
        path = self.folder / f"{key}.json"
        if self.fresh or not path.is_file():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None

    def keep_note(self, key: str, note: dict[str, Any]) -> None:
        """Keep plain data."""
        write_whole(self.folder / f"{key}.json", json.dumps(note, indent=1) + "\n")
