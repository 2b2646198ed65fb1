"""The verb ``concierge doctor``: is everything here that Concierge needs?"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import typer
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from agent.data import assets
from ui.cli.terminal import ROOT, JsonOption, print_json, say, working

_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@ROOT.command(epilog="Example: concierge doctor --json")
def doctor(as_json: JsonOption = False) -> None:
    """Check Python, packages, assets, folders, memory, device, database; exit with 1 if something needed is missing."""
    with working("Checking"):
        findings = check()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{_MARKS[finding.status]}  {finding.subject}: {finding.detail}")
            if finding.fix:
                say(f"         fix: {finding.fix}")
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)


_ROOT = Path(__file__).resolve().parents[2]
_DISTRIBUTION = "concierge-recommender"
_PYTHON = SpecifierSet(">=3.11")
_GIB = 1 << 30
_DATABASES = frozenset({".db", ".sqlite", ".sqlite3"})
_MEMORY_NEEDED = 3 * _GIB
_DISK_NEEDED = 2 * _GIB


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome; a ``problem`` keeps Concierge from working, a ``warning`` does not. ``fix`` is "" if ok."""

    subject: str
    status: Literal["ok", "warning", "problem"]
    detail: str
    fix: str = ""


def check() -> list[Finding]:
    """Run all checks; none of them changes anything but temporary files."""
    return [finding for part in (_python, _packages, _assets, _folders, _machine, _database) for finding in part()]


def _python() -> Iterator[Finding]:
    found, needed = platform.python_version(), _PYTHON
    if needed.contains(found, prereleases=True):
        yield Finding("Python", "ok", found)
    else:
        yield Finding("Python", "problem", f"{found}, needed {needed}", f"make the environment with Python {needed}")


def _packages() -> Iterator[Finding]:
    pins = _pins()
    wrong = other = 0
    requirements = _requirements()
    for requirement in requirements:
        try:
            found = Version(metadata.version(requirement.name))
        except metadata.PackageNotFoundError:
            wrong += 1
            yield Finding(requirement.name, "problem", "not installed", f"pip install '{requirement}'")
            continue
        pin = pins.get(requirement.name.lower())
        if not requirement.specifier.contains(found, prereleases=True):
            wrong += 1
            fix = f"pip install '{requirement}'"
            yield Finding(requirement.name, "problem", f"{found}, needed {requirement.specifier}", fix)
        elif pin is not None and Version(found.public) != pin:
            other += 1
            fix = f"pip install {requirement.name}=={pin} (only if something fails)"
            yield Finding(requirement.name, "warning", f"{found}, tested with {pin}", fix)
    if not wrong:
        tested = f", {len(requirements) - other} in the tested version" if pins else ""
        yield Finding("packages", "ok", f"all {len(requirements)} there{tested}")


def _requirements() -> list[Requirement]:
    """The direct dependencies: from the checkout, or what the installed distribution says."""
    project = _ROOT / "pyproject.toml"
    if project.is_file():
        lines = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        lines = metadata.requires(_DISTRIBUTION) or []
    parsed = [Requirement(line) for line in lines]
    return [each for each in parsed if each.marker is None or each.marker.evaluate({"extra": ""})]


def _pins() -> dict[str, Version]:
    path = _ROOT / "constraints.txt"
    if not path.is_file():
        return {}
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return {name.lower(): Version(pin) for name, _, pin in (line.partition("==") for line in lines) if pin}


def _assets() -> Iterator[Finding]:
    try:
        assets.cache_dir()
    except assets.AssetError:
        return  # told by the check of folders
    for asset in assets.ASSETS:
        folder = assets.asset_path(asset.name)
        if folder is None:
            yield Finding(asset.name, "problem", f"{asset.label} is not here", "concierge data fetch")
        elif asset.name == assets.SMOLLM2 and not (assets.cache_dir() / "models" / asset.name).is_dir():
            yield Finding(
                asset.name, "warning", "not converted yet: the first answer will wait", "concierge data fetch"
            )
        else:
            yield Finding(asset.name, "ok", f"in {folder}")


def _folders() -> Iterator[Finding]:
    places: tuple[tuple[str, str, Callable[[], Path]], ...] = (
        ("cache folder", "CONCIERGE_CACHE", assets.cache_dir),
        ("home folder", "CONCIERGE_HOME", assets.data_dir),
    )
    for subject, variable, place in places:
        try:
            folder = place()
            with tempfile.TemporaryFile(dir=folder):
                pass
        except (assets.AssetError, OSError) as error:
            yield Finding(
                subject, "problem", f"cannot be written: {error}", f"set {variable} to a folder you may write"
            )
            continue
        free = shutil.disk_usage(folder).free
        if free < _DISK_NEEDED:
            fix = f"free some space, or set {variable} to a folder on another disk"
            yield Finding(subject, "warning", f"{folder}: only {free / _GIB:.1f} GiB free", fix)
        else:
            yield Finding(subject, "ok", f"{folder}, {free / _GIB:.0f} GiB free")


def _machine() -> Iterator[Finding]:
    memory = _memory()
    if memory is not None and memory < _MEMORY_NEEDED:
        detail = f"{memory / _GIB:.1f} GiB; the model wants {_MEMORY_NEEDED / _GIB:.0f}"
        yield Finding("memory", "warning", detail, "close other programs, or use a larger machine")
    elif memory is not None:
        yield Finding("memory", "ok", f"{memory / _GIB:.0f} GiB")
    try:
        import torch

        gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    except Exception as error:
        yield Finding("torch", "problem", f"cannot be loaded: {error}", "pip install --force-reinstall torch")
    else:
        yield Finding("device", "ok", f"{gpu} (cuda)" if gpu else f"cpu, {os.cpu_count()} cores")


def _memory() -> int | None:
    """Bytes of memory that this process may use: the machine's or its container's; None where it cannot be told."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limit = Path("/sys/fs/cgroup/memory.max")
    try:
        return min(total, int(limit.read_text()))
    except (OSError, ValueError):
        return total


def _database() -> Iterator[Finding]:
    try:
        paths = [path for path in sorted(assets.data_dir().iterdir()) if path.suffix in _DATABASES]
    except assets.AssetError:
        return  # told by the check of folders
    for path in paths:
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
                result = str(connection.execute("PRAGMA quick_check").fetchone()[0])
        except sqlite3.DatabaseError as error:
            result = str(error)
        if result == "ok":
            yield Finding("database", "ok", f"{path}, {path.stat().st_size / 1e6:.1f} MB")
        else:
            fix = f"move {path} away (a new one is made) and restore it from a copy"
            yield Finding("database", "problem", f"{path}: {result}", fix)
