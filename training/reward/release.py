"""Release of a reward model: its folder where it is shipped from, with a model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.policy.item_lm import ADAPTER_FILE, ROW_MAKER_FILE
from training.release import TRAINING_FILE, place_release
from training.reward.model import REWARD_FILE, RewardCard

FILES = (ADAPTER_FILE, "adapter_config.json", ROW_MAKER_FILE, REWARD_FILE, TRAINING_FILE)


def release_reward(folder: Path, target: Path, report: Mapping[str, Any], command: str) -> Path:
    """Copy a trained reward model to ``target`` and write its model card.

    Args:
        folder: what `concierge train reward` wrote.
        target: the folder to fill; what it held is replaced.
        report: what `concierge eval reward --json` printed for it (with or without ``--against``).
        command: the command that trained it.

    Raises:
        AdapterError: the folder is incomplete (the message names the missing file).
    """

    def card(training: Mapping[str, Any]) -> str:
        return write_reward_card(RewardCard.read(folder), training, report, command)

    return place_release(folder, target, FILES, "`concierge train reward`", card)


def write_reward_card(card: RewardCard, training: Mapping[str, Any], report: Mapping[str, Any], command: str) -> str:
    """The model card as Markdown with the front matter that the Hugging Face hub reads."""
    settings, valid, held = training["settings"], training["validation"], training["slates_validation"]
    evidence = f"{len(card.features)} pieces of evidence" if card.features else "no evidence: the LM stands alone"
    parts = [
        "---",
        f"base_model: {card.base}",
        "library_name: peft",
        "license: apache-2.0",
        "tags: [recommender, reward-model, lora, item-tokens]",
        "---",
        f"# {card.version}: P(like | state, film) for {card.base}",
        "",
        "A LoRA adapter and a scalar head of a sequence classifier. After the prompt, the head's output at a film's",
        "token, plus the weighted evidence of the ratings and a bias (`reward.json`), calibrated, is the probability",
        "that the user gives the film four stars or more. All candidates of a state are scored in one forward pass.",
        "",
        "| | |",
        "|---|---|",
        f"| base model | {card.base}, first {card.layers or 'all'} layers, SHA-256 `{card.base_sha256}` |",
        f"| starts from | the policy adapter `{training['start']}`: its LoRA, and its film rows (frozen) |",
        f"| logit | {card.lm_weight:g} x LM + {evidence} |",
        f"| calibration | {card.calibration.kind}, on users held out of this training |",
        f"| data | {training['data']}, slates within the first 80 % of each user's ratings |",
        f"| fingerprint of the data | `{training['data_fingerprint']}` |",
        f"| slates | {training['slates']:,} of {training['pairs']:,} films; {held:,} held out |",
        f"| command | `{command}`, seed {settings['seed']} |",
        f"| training time | {training['seconds_training']:,.0f} s, {training['samples_per_second']:.0f} films/s |",
        f"| template | {card.template} |",
        "",
        "The data are GroupLens' and are not part of this folder; films are known by a digest of title and year.",
        "",
        "## Figures",
        "",
        "On held-out users of the past, with and without the LM. The policy that the LM starts from has read these",
        "users' past too, so the figures on the rated slates below are the ones to trust.",
        "",
        *_table([(name.replace("_", " "), valid[name]) for name in ("chosen", "trained", "evidence_alone")]),
        "",
        f"On the rated slates ({report['pairs']:,} pairs of {report['users']:,} users, none of them read in training),",
        "by `concierge eval reward`; 95 % bootstrap intervals over users.",
        "",
        *_report_table(report),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(rows: list[tuple[str, Mapping[str, float]]]) -> list[str]:
    names = list(rows[0][1])
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    return lines + [f"| {title} | " + " | ".join(f"{own[name]:.4f}" for name in names) + " |" for title, own in rows]


def _report_table(report: Mapping[str, Any]) -> list[str]:
    rows = report["rows"]
    # A folder's path is the maker's own business.
    titles = ["this model", *(Path(row["model"]).name for row in rows[1:])]
    lines = ["| figure | " + " | ".join(titles) + " |", "|---" * (len(rows) + 1) + "|"]
    for name in rows[0]["ci"]:
        cells = [f"{row[name]:.4f} [{row['ci'][name][0]:.4f}, {row['ci'][name][1]:.4f}]" for row in rows]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for place, step in enumerate(rows[0]["best_of_n"]):
        steps = [row["best_of_n"][place] for row in rows]
        cells = [
            f"{s['click_rate']:.4f} [{s['ci']['click_rate'][0]:.4f}, {s['ci']['click_rate'][1]:.4f}]" for s in steps
        ]
        lines.append(f"| click rate, best of {step['n']} | " + " | ".join(cells) + " |")
    return lines
