"""Manifest: what a report was made with, so that its figures can be made again."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.data.dataset import DatasetError, load_dataset
from agent.policy.loading import ADAPTERS
from agent.policy.registry import digest
from agent.policy.weights import POLICY_FILE
from eval.ranking.cache import code_version
from eval.report.blocks import Source

PACKAGES = (
    "concierge-recommender",
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "accelerate",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "lenskit",
    "gradio",
    "altair",
    "vl-convert-python",
)
"""The packages whose versions are stated, where they are installed."""

_ROOT = Path(__file__).resolve().parents[2]


def manifest(command: str, seed: int, sources: Sequence[Source]) -> dict[str, Any]:
    """Date, command, seeds, data, adapters, packages, machine, commit and where every document came from."""
    names = dict.fromkeys(str(source.value["data"]) for source in sources if "data" in source.value)
    seeds = {source.kind: source.value["seed"] for source in sources if "seed" in source.value}
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "command": command,
        "seed": seed,
        "seeds": seeds,
        "documents": [source.to_json() for source in sources],
        "data": {name: _data(name) for name in names},
        "adapters": {card.parent.name: digest(card.parent) for card in sorted(ADAPTERS.glob(f"*/{POLICY_FILE}"))},
        "commit": commit(),
        "code": code_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }


def commit() -> str | None:
    """The commit of a checkout, with a mark where files differ from it; None outside of one."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head} with changed files" if changed else head


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def _data(name: str) -> dict[str, Any]:
    try:
        dataset = load_dataset(name)
    except DatasetError:
        return {"sha256": None, "note": "not in the cache of the machine that made the report"}
    return {
        "sha256": dataset.fingerprint,
        "users": int(dataset.ratings["user"].nunique()),
        "items": len(dataset.items),
        "ratings": len(dataset.ratings),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
