"""Release: an adapter where it is shipped from, with its model card: how it was made and what was measured with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.policy.item_lm import AdapterError, PolicyCard
from agent.policy.weights import ADAPTER_FILE, ADAPTER_FILES, ROW_MAKER_FILE
from training.reward.model import REWARD_FILE, RewardCard

TRAINING_FILE = "training.json"
LARGEST = 16 * 2**20
"""The weights of a released adapter take at most 16 MiB, so that they can live in the repository."""
POLICY_FILES = (*ADAPTER_FILES, TRAINING_FILE)
REWARD_FILES = (ADAPTER_FILE, "adapter_config.json", ROW_MAKER_FILE, REWARD_FILE, TRAINING_FILE)


def release(
    adapter: Path,
    target: Path,
    rows: Sequence[Mapping[str, Any]],
    command: str,
    slates: Mapping[str, Any] | None = None,
) -> Path:
    """Copy a trained adapter to ``target`` and write its model card.

    ``target``: the folder to fill; what it held is replaced; ``rows``: the figures, as `concierge eval ranking --json`
    prints them under ``rows``; ``slates``: what `concierge eval policy --json` prints, where it was measured.

    Raises:
        AdapterError: the adapter is incomplete (the message names the missing file).
    """

    def card(training: Mapping[str, Any]) -> str:
        return write_card(PolicyCard.read(adapter), training, rows, command, slates)

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


def write_card(
    card: PolicyCard,
    training: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    command: str,
    slates: Mapping[str, Any] | None = None,
) -> str:
    """The model card as Markdown with the front matter that the Hugging Face hub reads; see :func:`release`."""
    settings, plan, ppo = training["settings"], training["plan"], training.get("ppo")
    parts = [
        "---",
        f"base_model: {card.base}",
        "library_name: peft",
        "license: apache-2.0",
        "tags: [recommender, lora, item-tokens]",
        "---",
        f"# {card.version}: an item policy for {card.base}",
        "",
        "A LoRA adapter with one token an item. After the prompt, the logits of the item tokens, plus the weighted",
        "evidence of the ratings (`policy.json`), are the policy's distribution over the candidates. The row of an",
        "item that was not trained is made by `row_maker.safetensors` from its text and what the same people chose.",
        "",
        "| | |",
        "|---|---|",
        f"| base model | {card.base}, first {card.layers or 'all'} layers, SHA-256 `{card.base_sha256}` |",
        f"| data | {training['data']}, the first 80 % of each user's ratings |",
        f"| fingerprint of the data | `{training['data_fingerprint']}` |",
        f"| rows | {training['rows']:,} made, {training['samples_seen']:,} seen; evidence cross-fitted over users |",
        *([] if ppo else [f"| command | `{command}` |"]),
        f"| seed | {settings['seed']} (rows: {plan['seed']}) |",
        f"| LoRA | rank {settings['lora_rank']} on all linear layers, rate {settings['lora_rate']} |",
        f"| training time | {training['seconds_training']:,.0f} s, {training['samples_per_second']} rows a second |",
        f"| template | {card.template} |",
        *([] if ppo is None else ppo_lines(ppo, command)),
        "",
        "The data are GroupLens' and are not part of this folder; items are known by a digest of title and year.",
        "",
        "## Figures",
        "",
        "Printed by `concierge eval ranking`; 95 % bootstrap intervals over users.",
        "",
        *figure_tables(rows),
        *([] if slates is None else slate_lines(slates)),
    ]
    return "\n".join(parts).rstrip() + "\n"


def ppo_lines(ppo: Mapping[str, Any], command: str) -> list[str]:
    """Rows of the card's first table that say how PPO went; the rows above them are about the policy it began with."""
    settings, last = ppo["settings"], ppo["history"][-1]
    probes = [entry for entry in ppo["history"] if "probe" in entry]
    lines = [
        f"| then | {'PPO' if settings['estimator'] == 'ppo' else 'the exact policy gradient'} from {ppo['from']} |",
        f"| command | `{command}` |",
        f"| reward | {ppo['reward']} |",
        f"| slates | {ppo['slates']:,} of the training users' past; {ppo['probe_slates']:,} of other users to probe |",
        f"| steps | {ppo['steps']:,} of {settings['slates']} slates with {settings['generations']} picks each |",
        f"| seed of PPO | {settings['seed']} |",
        f"| time of PPO | {ppo['seconds_training']:,.0f} s, {ppo['samples_per_second']:.0f} picks a second |",
        f"| at the end | KL to the start {last['kl']:.2f} nats, entropy {last['entropy']:.2f} nats |",
    ]
    if probes:
        first, final = probes[0], probes[-1]
        lines.append(f"| probe's click rate | {first['probe']:.3f} before, {final['probe']:.3f} after |")
    if ppo["stopped"]:
        lines.append(f"| stopped | {ppo['stopped']}; the weights of step {ppo['kept']} were kept |")
    return lines


def slate_lines(report: Mapping[str, Any]) -> list[str]:
    """What `concierge eval policy --json` printed, as Markdown."""
    metrics = ("click_rate", "sampled_click_rate", "mean_rating", "precision@5")
    lines = [
        "",
        "## Rated slates",
        "",
        f"Printed by `concierge eval policy`: {report['slates']:,} slates of {report['users']:,} users.",
        "",
        "| policy | " + " | ".join(name.replace("_", " ") for name in metrics) + " |",
        "|---" * (len(metrics) + 1) + "|",
    ]
    for row in report["rows"]:
        cells = [f"{row[m]:.4f} [{row['cis'][m][0]:.4f}, {row['cis'][m][1]:.4f}]" if m in row else "" for m in metrics]
        lines.append(f"| {row['policy']} | " + " | ".join(cells) + " |")
    lines += ["", "| difference of click rates | mean | 95 % interval |", "|---|---|---|"]
    for pair in report["paired"].values():
        one, other = pair["of"]
        lines.append(f"| {one} less {other} | {pair['mean']:+.4f} | [{pair['ci'][0]:+.4f}, {pair['ci'][1]:+.4f}] |")
    return lines


def figure_tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows of `concierge eval ranking --json` as Markdown tables, one a protocol and set."""
    lines: list[str] = []
    seen: list[tuple[str, str]] = []
    for row in rows:
        key = (row["protocol"], row["set"])
        metrics = list(row.get("headline") or row["ci"])
        if key not in seen:
            seen.append(key)
            lines += [""] if lines else []
            lines += [f"**{key[0]}**: {key[1]} ({row['cases']:,} cases)", ""]
            lines += ["| policy | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
        cells = [f"{row[m]:.4f} [{row['ci'][m][0]:.4f}, {row['ci'][m][1]:.4f}]" for m in metrics]
        lines.append(f"| {row['policy']} | " + " | ".join(cells) + " |")
    return lines


def release_reward(folder: Path, target: Path, report: Mapping[str, Any], command: str) -> Path:
    """Copy a trained reward model to ``target`` and write its model card.

    ``target``: the folder to fill; what it held is replaced.

    Raises:
        AdapterError: the folder is incomplete (the message names the missing file).
    """

    def card(training: Mapping[str, Any]) -> str:
        return write_reward_card(RewardCard.read(folder), training, report, command)

    return place_release(folder, target, REWARD_FILES, "`concierge train reward`", card)


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
        f"# {card.version}: P(like | state, item) for {card.base}",
        "",
        "A LoRA adapter and a scalar head of a sequence classifier. After the prompt, the head's output at an item's",
        "token, plus the weighted evidence of the ratings and a bias (`reward.json`), calibrated, is the probability",
        "that the user grades the item 4 or more. All candidates of a state are scored in one forward pass.",
        "",
        "| | |",
        "|---|---|",
        f"| base model | {card.base}, first {card.layers or 'all'} layers, SHA-256 `{card.base_sha256}` |",
        f"| starts from | the policy adapter `{training['start']}`: its LoRA, and its item rows (frozen) |",
        f"| logit | {card.lm_weight:g} x LM + {evidence} |",
        f"| calibration | {card.calibration.kind}, on users held out of this training |",
        f"| data | {training['data']}, slates within the first 80 % of each user's ratings |",
        f"| fingerprint of the data | `{training['data_fingerprint']}` |",
        f"| slates | {training['slates']:,} of {training['pairs']:,} items; {held:,} held out |",
        f"| command | `{command}`, seed {settings['seed']} |",
        f"| training time | {training['seconds_training']:,.0f} s, {training['samples_per_second']:.0f} items/s |",
        f"| template | {card.template} |",
        "",
        "The data are GroupLens' and are not part of this folder; items are known by a digest of title and year.",
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
