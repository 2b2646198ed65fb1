"""Release: an adapter where it is shipped from, with its model card: how it was made and what was measured with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from agent.policy.item_lm import AdapterError, PolicyCard
from agent.policy.weights import ADAPTER_FILE, ADAPTER_FILES, ROW_MAKER_FILE
from training.reward.model import REWARD_FILE, RewardCard

TRAINING_FILE = "training.json"
LARGEST = 16 * 2**20
"""The weights of a released adapter take at most 16 MiB, so that they can live in the repository."""
POLICY_FILES = (*ADAPTER_FILES, TRAINING_FILE)
REWARD_FILES = (ADAPTER_FILE, "adapter_config.json", ROW_MAKER_FILE, REWARD_FILE, TRAINING_FILE)


def release(adapter: Path, target: Path, rows: Sequence[Mapping[str, Any]], command: str) -> Path:
    """Copy a trained adapter to ``target`` and write its model card.

    ``target``: the folder to fill; what it held is replaced; ``rows``: the figures, as `concierge eval ranking --json`
    and `eval policy --json` print them under ``rows``.

    Raises:
        AdapterError: the adapter is incomplete (the message names the missing file).
    """

    def card(training: Mapping[str, Any]) -> str:
        facts = {"card": PolicyCard.read(adapter), "training": training, "command": command}
        return _card("policy", **facts, figures=rows)

    return place_release(adapter, target, POLICY_FILES, "`concierge train sft` or `train ppo`", card)


def place_release(
    folder: Path, target: Path, files: Sequence[str], trainer: str, card: Callable[[Mapping[str, Any]], str]
) -> Path:
    """Copy a trained adapter's ``files`` to ``target``, and write there the card that is made of its training record.

    Nothing is written before all files are found and the card is made. ``trainer`` names, for the error, the commands
    that write such a folder.

    Raises:
        AdapterError: the folder is incomplete (the message names the missing file), or takes more than LARGEST.
    """
    for name in files:
        if not (folder / name).is_file():
            raise AdapterError(f"{folder / name} is missing: give the folder of a finished {trainer}")
    size = sum((folder / name).stat().st_size for name in files if name.endswith(".safetensors"))
    if size > LARGEST:
        raise AdapterError(
            f"{folder} takes {size / 2**20:.1f} MiB, and a release at most {LARGEST / 2**20:.0f}: train it with a "
            "lower --lora-rank or fewer --layers"
        )
    text = card(json.loads((folder / TRAINING_FILE).read_text("utf-8")))
    target.mkdir(parents=True, exist_ok=True)
    for name in files:
        shutil.copyfile(folder / name, target / name)
    (target / "README.md").write_text(text, encoding="utf-8")
    return target


def release_reward(folder: Path, target: Path, report: Mapping[str, Any], command: str) -> Path:
    """Copy a trained reward model to ``target`` and write its model card.

    ``target``: the folder to fill; what it held is replaced.

    Raises:
        AdapterError: the folder is incomplete (the message names the missing file).
    """

    def card(training: Mapping[str, Any]) -> str:
        return _card("reward", card=RewardCard.read(folder), training=training, command=command, report=report)

    return place_release(folder, target, REWARD_FILES, "`concierge train reward`", card)


def _card(kind: str, **facts: Any) -> str:
    """The model card as Markdown, with the front matter that the Hugging Face hub reads."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "cards"), trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    return environment.get_template(f"{kind}.md.j2").render(facts).rstrip() + "\n"
