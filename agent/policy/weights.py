"""Weights on disk: reading them, saying what is wrong with a file, telling bases apart, and what fits in memory."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from agent.data.assets import cache_dir
from agent.data.atomic import write_whole
from agent.data.wheels import sha256

POLICY_FILE = "policy.json"
ADAPTER_FILE = "adapter_model.safetensors"
ROW_MAKER_FILE = "row_maker.safetensors"
ADAPTER_FILES = (POLICY_FILE, "adapter_config.json", ADAPTER_FILE, ROW_MAKER_FILE)
"""What the folder of a policy's adapter must hold."""

CONFIG_FILE = "config.json"
LFS = b"version https://git-lfs.github.com/spec"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
DIGESTS_FILE = "digests.json"

TRAINING = 2.0
"""Memory that training takes beside the weights themselves, as a multiple of them: activations and optimizer states."""


class WeightsError(ValueError):
    """A file of weights cannot be used, or a model does not fit in memory; the message says why and what to do."""


def check_file(path: Path, fix: str) -> None:
    """Look at a file of weights before a library does.

    ``fix``: what to do where it is broken, for the message.

    Raises:
        WeightsError: it is missing, empty, a pointer of Git LFS, or shorter than its header says.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {fix}")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(LFS))
        if start == LFS:
            raise WeightsError(
                f"{path} is a pointer of Git LFS ({size} bytes), not the weights: run `git lfs pull` where it came "
                f"from, or {fix}"
            )
        if path.suffix != ".safetensors":
            return
        file.seek(0)
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 0 < length <= size - 8:
            raise WeightsError(f"{path} holds no weights ({size} bytes, no safetensors header): {fix}")
        try:
            header: dict[str, Any] = json.loads(file.read(length))
            end = max((own["data_offsets"][1] for name, own in header.items() if name != "__metadata__"), default=0)
        except (ValueError, TypeError, KeyError) as error:
            raise WeightsError(f"{path} is no safetensors file ({error}): {fix}") from error
    if size < 8 + length + end:
        raise WeightsError(f"{path} is cut off: {size:,} of {8 + length + end:,} bytes are there; {fix}")


def check_adapter(folder: Path, names: tuple[str, ...]) -> None:
    """Look at the files of an adapter folder.

    Raises:
        WeightsError: one is missing or broken.
    """
    fix = "copy the folder again, or train the adapter anew"
    for name in names:
        if name.endswith(".safetensors"):
            check_file(folder / name, fix)
            continue
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise WeightsError(f"{folder / name} is missing: {fix}") from None
        except (OSError, ValueError) as error:
            raise WeightsError(f"{folder / name} cannot be read ({error}): {fix}") from error


def model_folder(base: str | Path) -> Path | None:
    """Where a base LM's files lie: its folder, or the hub's cache; None where they are not on this machine."""
    path = Path(base)
    if path.is_dir():
        return path
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(str(base), CONFIG_FILE)
    return Path(found).parent if isinstance(found, str) else None


def weight_files(folder: Path) -> list[Path]:
    """The files of a model folder that hold its weights (one, or its shards), by name."""
    for pattern in WEIGHTS:
        found = sorted(path for path in folder.glob(pattern) if not path.name.startswith("adapter"))
        if found:
            return found
    return []


def check_base(base: str | Path) -> None:
    """Look at a base LM's files where they are on this machine.

    Raises:
        WeightsError: the configuration or a file of weights is missing or broken.
    """
    folder = model_folder(base)
    if folder is None:
        return
    fix = "bring the model again (a folder of a Hugging Face causal LM, or its name on the Hub)"
    config = folder / CONFIG_FILE
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{config} cannot be read ({error}): {fix}") from error
    files = weight_files(folder)
    if not files:
        raise WeightsError(f"{folder} holds no weights (*.safetensors): {fix}")
    for path in files:
        check_file(path, fix)


def base_digest(base: str | Path) -> str:
    """What tells a base LM's weights from others': SHA-256 of its one file, or over its shards; "" where unknown.

    A file's digest is kept by its place, size and time, so that a chat need not read the weights twice.
    """
    folder = model_folder(base)
    files = [] if folder is None else weight_files(folder)
    digests = [_file_digest(path) for path in files]
    if len(digests) <= 1:
        return digests[0] if digests else ""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def needed(base: str | Path, bytes_each: int = 4, training: bool = False, layers: int | None = None) -> int | None:
    """Bytes of memory that a base LM takes (None: its files are not here).

    ``layers``: only the first so many layers (None: all), as if all weights were in layers.
    """
    folder = model_folder(base)
    files = [] if folder is None else weight_files(folder)
    if folder is None or not files:
        return None
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    stored = 4 if str(config.get("torch_dtype", config.get("dtype"))) == "float32" else 2
    weights = sum(path.stat().st_size for path in files) / stored * bytes_each
    if layers is not None and config.get("num_hidden_layers"):
        weights *= min(1.0, layers / int(config["num_hidden_layers"]))
    return round(weights * (1 + TRAINING if training else 1))


def available() -> int | None:
    """Bytes of memory that a new process may take, as Linux estimates it; None elsewhere."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def check_memory(base: str | Path, bytes_each: int = 4, training: bool = False, layers: int | None = None) -> None:
    """Say before a model is loaded that it will not fit.

    Raises:
        WeightsError: it needs more than there is (both are named).
    """
    want, there = needed(base, bytes_each, training, layers), available()
    if want is not None and there is not None and want > there:
        what = "training" if training else "loading"
        raise WeightsError(
            f"{what} {str(base)!r} takes about {want / 2**30:.1f} GiB of memory and {there / 2**30:.1f} GiB are free: "
            "give a smaller --model, close other programs, or use a machine with more"
        )


def _file_digest(path: Path) -> str:
    real = path.resolve()
    stat = real.stat()
    key = f"{real}|{stat.st_size}|{stat.st_mtime_ns}"
    kept = cache_dir() / DIGESTS_FILE
    try:
        known: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if key not in known:
        known = {own: value for own, value in known.items() if not own.startswith(f"{real}|")}
        known[key] = sha256(real)
        write_whole(kept, json.dumps(known, indent=1) + "\n")
    return known[key]
