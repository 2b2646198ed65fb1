"""Release: an adapter where it is shipped from, with its model card: how it was made and what was measured with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.language_model import ADAPTER_FILE, POLICY_FILE, ROW_MAKER_FILE, AdapterError, PolicyCard

TRAINING_FILE = "training.json"
FILES = (ADAPTER_FILE, "adapter_config.json", ROW_MAKER_FILE, POLICY_FILE, TRAINING_FILE)


def release(adapter: Path, target: Path, rows: Sequence[Mapping[str, Any]], command: str) -> Path:
    """Copy a trained adapter to ``target`` and write its model card.

    Args:
        adapter: the folder that `concierge train sft` wrote.
        target: the folder to fill; what it held is replaced.
        rows: the figures, as `concierge eval ranking --json` prints them under ``rows``.
        command: the command that trained it.

    Raises:
        AdapterError: the adapter is incomplete (the message names the missing file).
    """
    for name in FILES:
        if not (adapter / name).is_file():
            raise AdapterError(
                f"{adapter / name} is missing: give the adapter folder of a finished `concierge train sft`"
            )
    text = write_card(PolicyCard.read(adapter), json.loads((adapter / TRAINING_FILE).read_text("utf-8")), rows, command)
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(adapter / name, target / name)
    (target / "README.md").write_text(text, encoding="utf-8")
    return target


def write_card(card: PolicyCard, training: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], command: str) -> str:
    """The model card as Markdown with the front matter that the Hugging Face hub reads."""
    settings, plan = training["settings"], training["plan"]
    parts = [
        "---",
        f"base_model: {card.base}",
        "library_name: peft",
        "license: apache-2.0",
        "tags: [recommender, lora, item-tokens]",
        "---",
        f"# {card.version}: a film policy for {card.base}",
        "",
        "A LoRA adapter with one token a film. After the prompt, the logits of the film tokens, plus the weighted",
        "evidence of the ratings (`policy.json`), are the policy's distribution over the candidates. The row of a film",
        "that was not trained is made by `row_maker.safetensors` from its text and from what the same people watch.",
        "",
        "| | |",
        "|---|---|",
        f"| base model | {card.base}, first {card.layers or 'all'} layers, SHA-256 `{card.base_sha256}` |",
        f"| data | {training['data']}, the first 80 % of each user's ratings |",
        f"| fingerprint of the data | `{training['data_fingerprint']}` |",
        f"| rows | {training['rows']:,} made, {training['samples_seen']:,} seen; evidence cross-fitted over users |",
        f"| command | `{command}` |",
        f"| seed | {settings['seed']} (rows: {plan['seed']}) |",
        f"| LoRA | rank {settings['lora_rank']} on all linear layers, rate {settings['lora_rate']} |",
        f"| training time | {training['seconds_training']:,.0f} s, {training['samples_per_second']} rows a second |",
        f"| template | {card.template} |",
        "",
        "The data are GroupLens' and are not part of this folder; films are known by a digest of title and year.",
        "",
        "## Figures",
        "",
        "Printed by `concierge eval ranking`; 95 % bootstrap intervals over users.",
        "",
        *figure_tables(rows),
    ]
    return "\n".join(parts).rstrip() + "\n"


def figure_tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows of `concierge eval ranking --json` as Markdown tables, one a protocol and set."""
    lines: list[str] = []
    seen: list[tuple[str, str]] = []
    for row in rows:
        key = (row["protocol"], row["set"])
        metrics = list(row["ci"])
        if key not in seen:
            seen.append(key)
            lines += [""] if lines else []
            lines += [f"**{key[0]}**: {key[1]} ({row['cases']:,} cases)", ""]
            lines += ["| policy | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
        cells = [f"{row[m]:.4f} [{row['ci'][m][0]:.4f}, {row['ci'][m][1]:.4f}]" for m in metrics]
        lines.append(f"| {row['policy']} | " + " | ".join(cells) + " |")
    return lines
