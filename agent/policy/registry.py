"""Registry: the adapters that a user has, which one is in use, and which ones were in use before.

On disk, for each data set: ``<version>/`` holds a trained adapter with its ``entry.json``; ``active.json`` holds the
steps (promotions, roll backs, experiments) that led to what serves now.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from agent.data.atomic import building, write_whole
from agent.policy.conversational_ranker import PAST_FILE, RANKER_FILE
from agent.policy.weights import ADAPTER_FILES, POLICY_FILE, WeightsError, check_adapter

ENTRY_FILE = "entry.json"
POINTER_FILE = "active.json"
OPTIONAL = ("training.json", "README.md", RANKER_FILE, PAST_FILE)
_TRAININGS = {"feedback": "concierge train ppo --from-feedback", "ppo": "concierge train ppo"}
"""Sections of an adapter's ``training.json``, the latest training first, and the command that writes each."""
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RegistryError(ValueError):
    """An adapter is missing, was changed, or cannot be added or put to use; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """One version of the policy.

    ``version`` is what the log calls it; ``sha256`` is over the names and bytes of its files; ``parent`` is the version
    it was trained from, ``how`` what trained it, ``figures`` what was measured with it (None, "" and empty: not known).
    """

    version: str
    folder: Path
    origin: Literal["shipped", "trained"]
    sha256: str
    parent: str | None = None
    created: str | None = None
    how: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {**asdict(self), "folder": str(self.folder)}


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the adapter in use: ``at`` is UTC in ISO 8601, ``note`` what was found when it was compared.

    ``experiment`` lets the version serve a share (``weight``) of the people beside the one in use, until the next step.
    """

    action: Literal["promote", "roll back", "experiment", "stop"]
    version: str
    at: str
    forced: bool = False
    note: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """Two versions that share the people: ``challenger`` serves ``weight`` of them, ``control`` the others.

    ``at`` is UTC in ISO 8601.
    """

    control: str
    challenger: str
    weight: float
    at: str

    @property
    def began(self) -> float:
        """When it began, in seconds since 1970."""
        return datetime.fromisoformat(self.at).timestamp()

    def serves(self, person: str) -> str:
        """Which version serves a person: by a hash, the same for every challenger of one control."""
        digest = hashlib.sha256(f"{self.control}:{person}".encode("utf-8", "replace")).digest()
        return self.challenger if int.from_bytes(digest[:8], "big") / 2**64 < self.weight else self.control


class AdapterRegistry:
    """The adapters in ``home`` and those shipped; ``released`` (one of ``shipped``) is used where none was promoted.

    Processes may share it: what is added appears whole, and the steps change in one write under a lock.
    """

    def __init__(self, home: Path, shipped: Sequence[Path], released: Path) -> None:
        self.home = home
        self._shipped = tuple(shipped)
        self._released = released

    def entries(self) -> list[AdapterEntry]:
        """All adapters: the shipped ones, then the trained ones from the oldest on."""
        own = [_entry(path.parent) for path in self.home.glob(f"*/{ENTRY_FILE}") if _is_version(path.parent.name)]
        shipped = [AdapterEntry(_card_version(f), f, "shipped", digest(f), **_told(f)) for f in self._shipped]
        return shipped + sorted(own, key=lambda entry: (entry.created or "", entry.version))

    def entry(self, version: str) -> AdapterEntry:
        """One adapter.

        Raises:
            RegistryError: there is none of this name (the message lists those there are).
        """
        found = {entry.version: entry for entry in self.entries()}
        if version not in found:
            raise RegistryError(f"no adapter {version!r}: use one of {', '.join(found)}")
        return found[version]

    def verified(self, version: str) -> AdapterEntry:
        """One adapter whose bytes are those that were added.

        Raises:
            RegistryError: there is none, or its files were changed since.
        """
        entry = self.entry(version)
        if digest(entry.folder) != entry.sha256:
            raise RegistryError(
                f"the adapter {version!r} in {entry.folder} was changed since it was added: use another version, or add"
                " the changed one with `concierge adapters add` under a new name"
            )
        return entry

    def add(
        self,
        source: Path,
        version: str | None = None,
        parent: str | None = None,
        how: str = "",
        figures: Mapping[str, Any] | None = None,
    ) -> AdapterEntry:
        """Copy a trained adapter's folder into the registry, where it stays as it is.

        ``version``: its name from now on, in the log too (None: the one in its card); ``parent``: the version it was
        trained from (None: what its record of the training says); ``how``: the command or recipe that trained it ("":
        likewise).

        Raises:
            RegistryError: the folder is incomplete, or the name is taken or no name.
        """
        try:
            check_adapter(source, ADAPTER_FILES)
        except WeightsError as error:
            raise RegistryError(f"{error} (an adapter is the folder of a finished training)") from error
        version = version or _card_version(source)
        if not _is_version(version):
            raise RegistryError(f"bad adapter name {version!r}: use letters, digits, '.', '-' and '_' (at most 64)")
        taken = f"there is an adapter {version!r} already, and adapters do not change: add it under another --name"
        if version in {entry.version for entry in self.entries()}:
            raise RegistryError(taken)
        with building(self.home / version) as folder:
            if folder is None:
                raise RegistryError(taken)
            for name in (*ADAPTER_FILES, *OPTIONAL):
                if (source / name).is_file():
                    shutil.copyfile(source / name, folder / name)
            card = {**json.loads((folder / POLICY_FILE).read_text(encoding="utf-8")), "version": version}
            (folder / POLICY_FILE).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
            told = _told(folder)
            data = {
                "sha256": digest(folder),
                "parent": parent or told["parent"],
                "created": _now(),
                "how": how or told["how"],
                "figures": dict(figures or {}),
            }
            (folder / ENTRY_FILE).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return self.entry(version)

    def free_version(self, stem: str) -> str:
        """The first of ``stem-1``, ``stem-2``, ... that no adapter has."""
        taken = {entry.version for entry in self.entries()}
        number = 1
        while f"{stem}-{number}" in taken:
            number += 1
        return f"{stem}-{number}"

    def steps(self) -> list[Step]:
        """Every promotion and roll back, oldest first.

        Raises:
            RegistryError: the file cannot be read.
        """
        path = self.home / POINTER_FILE
        try:
            return [Step(**step) for step in json.loads(path.read_text(encoding="utf-8"))["steps"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RegistryError(f"{path} is damaged ({error}): move it away to go back to the released one") from error

    def active(self) -> str:
        """The version in use."""
        return self._in_use(self.steps())[-1]

    def experiment(self) -> Experiment | None:
        """The experiment that runs now; None where one version serves all."""
        steps = self.steps()
        if not steps or steps[-1].action != "experiment":
            return None
        last = steps[-1]
        return Experiment(self._in_use(steps)[-1], last.version, last.weight, last.at)

    def begin_experiment(self, version: str, weight: float = 0.5, note: Mapping[str, Any] | None = None) -> Experiment:
        """Let a version serve a share of the people beside the one in use; it replaces one that does so already.

        Raises:
            RegistryError: there is none, its files were changed, it is the one in use, or the weight is out of range.
        """
        entry = self.verified(version)
        if not 0.0 < weight < 1.0:
            raise RegistryError(f"weight {weight} is out of range: give the new version's part, between 0 and 1")
        with self._changing():
            steps = self.steps()
            control = self._in_use(steps)[-1]
            if control == version:
                raise RegistryError(
                    f"the adapter {version!r} is the one in use: an experiment compares it with another"
                )
            step = Step("experiment", entry.version, _now(), note=note or {}, weight=weight)
            self._write([*steps, step])
        return Experiment(control, entry.version, weight, step.at)

    def stop_experiment(self, note: Mapping[str, Any] | None = None) -> str:
        """End the experiment: the version in use serves all again; returns the name of the other.

        Raises:
            RegistryError: none runs.
        """
        with self._changing():
            steps = self.steps()
            if not steps or steps[-1].action != "experiment":
                raise RegistryError("no experiment runs: `concierge adapters experiment VERSION` begins one")
            self._write([*steps, Step("stop", steps[-1].version, _now(), note=note or {})])
        return steps[-1].version

    def promote(self, version: str, forced: bool = False, note: Mapping[str, Any] | None = None) -> AdapterEntry:
        """Put a version to use; running chats take it up with their next turn.

        Raises:
            RegistryError: there is none, its files were changed, or it is in use already.
        """
        entry = self.verified(version)
        with self._changing():
            steps = self.steps()
            if self._in_use(steps)[-1] == version:
                raise RegistryError(f"the adapter {version!r} is in use already")
            self._write([*steps, Step("promote", version, _now(), forced, note or {})])
        return entry

    def roll_back(self) -> str:
        """Return to the version that was in use before the present one; returns its name.

        Raises:
            RegistryError: there was none.
        """
        with self._changing():
            steps = self.steps()
            in_use = self._in_use(steps)
            if len(in_use) == 1:
                raise RegistryError(f"nothing to roll back: {in_use[0]!r} is the released adapter, none was promoted")
            self._write([*steps, Step("roll back", in_use[-2], _now())])
        return in_use[-2]

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True)
        with FileLock(self.home / f".{POINTER_FILE}.lock"):
            yield

    def _in_use(self, steps: Sequence[Step]) -> list[str]:
        """The versions that a roll back would return to, the one in use last."""
        stack = [_card_version(self._released)]
        for step in steps:
            if step.action == "promote":
                stack.append(step.version)
            elif step.action == "roll back" and len(stack) > 1:
                stack.pop()
        return stack

    def _write(self, steps: Sequence[Step]) -> None:
        data = {"steps": [asdict(step) for step in steps]}
        write_whole(self.home / POINTER_FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of an adapter's files, as hex digits."""
    total = hashlib.sha256()
    for name in sorted((*ADAPTER_FILES, *OPTIONAL)):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                total.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _entry(folder: Path) -> AdapterEntry:
    try:
        data = json.loads((folder / ENTRY_FILE).read_text(encoding="utf-8"))
        return AdapterEntry(folder.name, folder, "trained", **data)
    except (OSError, ValueError, TypeError) as error:
        raise RegistryError(f"{folder / ENTRY_FILE} is damaged ({error}): move the folder {folder} away") from error


def _card_version(folder: Path) -> str:
    path = folder / POLICY_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RegistryError(f"{path} is not a policy card ({error}): give the folder of an adapter") from error


def _told(folder: Path) -> dict[str, Any]:
    """What an adapter's own record of its training says of it: ``parent`` and ``how``."""
    path = folder / "training.json"
    data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for section, how in _TRAININGS.items():
        if section in data:
            return {"parent": data[section].get("from"), "how": how}
    return {"parent": None, "how": "concierge train sft" if data else ""}


def _is_version(name: str) -> bool:
    return _VERSION.fullmatch(name) is not None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
