"""Template files: saved versions written out as a folder of template files, and read back exactly."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import prompts
from agent.store.template_versions import SavedVersion, TemplateError, TemplateStore

INDEX = "versions.json"
"""Beside the template files: who saved each one, when, why and from which version."""


class Adopted(NamedTuple):
    """One file that was read: the reference that it had there, and the version that it is here."""

    file: Path
    version: SavedVersion


@dataclass(frozen=True, slots=True)
class _Origin:
    parent: int | None = None
    author: str = ""
    note: str = ""
    timestamp: float | None = None
    hash: str | None = None


def export_versions(versions: Sequence[SavedVersion], folder: Path) -> list[Path]:
    """Write each version as ``NAME@VERSION.j2``, byte for byte, and what is known of it into ``versions.json``.

    Raises:
        TemplateError: a file of that name is there already with another content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = _read_index(folder)
    paths = []
    for version in versions:
        path = folder / f"{version.reference}.j2"
        data = version.source.encode("utf-8")
        if path.exists() and path.read_bytes() != data:
            raise TemplateError(f"{path} holds something else: choose another folder, or move it away")
        path.write_bytes(data)
        paths.append(path)
        index[version.reference] = _Origin(
            version.parent, version.author, version.note, version.timestamp, version.hash
        )
    lines = {reference: asdict(origin) for reference, origin in sorted(index.items())}
    (folder / INDEX).write_text(json.dumps(lines, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return paths


def import_versions(store: TemplateStore, path: Path, author: str) -> list[Adopted]:
    """Take in one template file or a folder of them, in the order of their versions.

    A version keeps its number and its text where the number is free; author, time, note and parent come from the
    folder's ``versions.json`` where the file is the one named there, else ``author`` answers for it.

    Raises:
        PromptError: a file is wrong; nothing of it is kept, those before it are.
        TemplateError: there is no template file, no author, or ``versions.json`` is damaged.
    """
    files = sorted(path.glob("*.j2")) if path.is_dir() else [path]
    if not files:
        raise TemplateError(f"{path} holds no template file: they are called NAME.j2 or NAME@VERSION.j2")
    if not author.strip():
        raise TemplateError("an import needs an author: give a name")
    index = _read_index(files[0].parent)
    templates = sorted(((prompts.read(file), file) for file in files), key=lambda t: (t[0].name, t[0].version))
    adopted = []
    for template, file in templates:
        origin = index.get(f"{template.name}@{template.version}", _Origin())
        if origin.hash != template.hash:
            origin = _Origin(author=author.strip(), note=f"from {file.name}", timestamp=time.time())
        version = SavedVersion(
            pack=store.pack,
            name=template.name,
            version=template.version,
            role=template.header.role,
            parent=origin.parent,
            author=origin.author,
            note=origin.note,
            timestamp=origin.timestamp or time.time(),
            hash=template.hash,
            source=template.source,
            origin=None,
        )
        adopted.append(Adopted(file, store.adopt(version)))
    return adopted


def _read_index(folder: Path) -> dict[str, _Origin]:
    path = folder / INDEX
    if not path.exists():
        return {}
    try:
        data: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return {reference: _Origin(**entry) for reference, entry in data.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TemplateError(f"{path} is damaged ({error}): move it away") from None
