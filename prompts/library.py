"""Library: finding templates by name, version and domain pack."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from prompts.errors import PromptError
from prompts.header import suggest
from prompts.inputs import PACKS
from prompts.template import Template, parse

FOLDER = Path(__file__).parent / "templates"
"""The packs that ship with the product, one folder each; ``base`` is what the others fall back on."""

DEFAULT_PACK: str = PACKS["default"]
"""The pack of a template whose name tells none."""

_VERSION = re.compile(r"^version:[ \t]*[0-9]+", re.MULTILINE)
_FILE = re.compile(r"([a-z][a-z0-9-]*)(?:@([1-9][0-9]*))?\.j2")


class TemplateSource(Protocol):
    """Where versions are kept that people saved, for :func:`attach`."""

    def find(self, name: str, version: int, pack: str) -> Template | None:
        """The version of that name, or None where there is none."""
        ...


_attached: list[TemplateSource] = []


def attach(source: TemplateSource | None) -> None:
    """Let :func:`load` find saved versions (``state@3``) in ``source`` too; None detaches it. One for the process."""
    _attached[:] = [] if source is None else [source]


def packs(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the packs in a folder, in alphabetical order."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("*.j2"))))


def load(name: str, pack: str = DEFAULT_PACK, folder: Path = FOLDER) -> Template:
    """The newest template of that name, or with ``name@3`` version 3 of it; ``music/state@3`` names the pack too.

    A pack's own files come first; a name that it does not have is taken from ``base``. ``folder`` holds the packs;
    the shipped base stands behind a folder of one's own. A version that is asked for by its number is looked for in
    the :func:`attach`-ed source first, which knows the shipped ones too; a bare name is always a file.

    Raises:
        PromptError: there is no such pack, name or version (the message lists those there are), or the file is wrong.
    """
    prefix, _, name = name.rpartition("/")
    pack = prefix or pack
    word, _, wanted = name.partition("@")
    if folder == FOLDER and _attached and wanted.isdecimal():
        saved = _attached[0].find(word, int(wanted), pack)
        if saved is not None:
            return saved
    return _shipped(name, pack) if folder == FOLDER else _load(name, pack, folder)


def pinned(name: str) -> str:
    """The name that :func:`load` finds the same version by later: ``music/state`` becomes ``music/state@1``.

    Raises:
        PromptError: as :func:`load`.
    """
    prefix, slash, _ = name.rpartition("/")
    loaded = load(name)
    return f"{prefix}{slash}{loaded.name}@{loaded.version}"


def renumbered(source: str, version: int) -> str:
    """A template file's text with another ``version`` in its front matter, and otherwise unchanged.

    Raises:
        PromptError: the front matter has no line ``version: N``.
    """
    head, fence, body = source.partition("\n---")
    changed, count = _VERSION.subn(f"version: {version}", head, count=1)
    if not count:
        raise PromptError("the front matter has no line `version: N` of its own: write one", "<draft>")
    return changed + fence + body


@lru_cache(maxsize=256)  # files that come with the product do not change while it runs; one's own may
def _shipped(name: str, pack: str) -> Template:
    return _load(name, pack, FOLDER)


def _load(name: str, pack: str, folder: Path) -> Template:
    word, _, wanted = name.partition("@")
    if pack not in packs(folder):
        raise PromptError(f"unknown pack {pack!r}: {suggest(pack, packs(folder))}")
    places = (folder / pack, folder / "base", FOLDER / "base")
    found = next((versions[word] for place in places if word in (versions := _versions(place))), None)
    if found is None:
        raise PromptError(f"unknown template {word!r} in pack {pack!r}: {suggest(word, names(pack, folder))}")
    if not wanted:
        return read(found[max(found)])
    if not wanted.isdigit() or int(wanted) not in found:
        raise PromptError(f"{word!r} has no version {wanted!r}: there is {', '.join(map(str, sorted(found)))}")
    return read(found[int(wanted)])


def names(pack: str = DEFAULT_PACK, folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of all templates that :func:`load` finds for a pack, in alphabetical order."""
    return tuple(sorted({*_versions(folder / pack), *_versions(folder / "base"), *_versions(FOLDER / "base")}))


def shelf(pack: str, folder: Path = FOLDER) -> tuple[Template, ...]:
    """All versions that lie in a pack itself, by name and version; what it takes from ``base`` is not among them.

    Raises:
        PromptError: there is no such pack, or a file in it is wrong.
    """
    if pack not in packs(folder):
        raise PromptError(f"unknown pack {pack!r}: {suggest(pack, packs(folder))}")
    found = _versions(folder / pack)
    return tuple(read(path) for name in sorted(found) for _, path in sorted(found[name].items()))


def read(path: Path) -> Template:
    """One template file; its name and version must be those in the file's name.

    Raises:
        PromptError: the file cannot be read or is wrong.
    """
    file = str(path.relative_to(FOLDER.parent.parent)) if path.is_relative_to(FOLDER) else str(path)
    try:
        template = parse(path.read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"cannot be read: {error}", file) from None
    match = _FILE.fullmatch(path.name)
    if match is None or match[1] != template.name or (match[2] and int(match[2]) != template.version):
        raise PromptError(f"must be called {template.name}.j2 or {template.name}@{template.version}.j2", file)
    return template


def _versions(folder: Path) -> dict[str, dict[int, Path]]:
    """Template files of one pack: name -> version -> path; a file without ``@`` says its version inside."""
    found: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.glob("*.j2")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise PromptError(f"{path.name} is no template's name: call it NAME.j2 or NAME@VERSION.j2", str(path))
        version = int(match[2]) if match[2] else read(path).version
        if version in found.setdefault(match[1], {}):
            raise PromptError(f"version {version} of {match[1]!r} stands in two files: raise one", str(path))
        found[match[1]][version] = path
    return found
