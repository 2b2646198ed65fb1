"""Language release: the language adapter where it is shipped from, with its model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.generation.language_card import LanguageCard
from training.language.recipe import FILES
from training.release import place_release


def release_language(adapter: Path, target: Path, report: Mapping[str, Any], command: str) -> Path:
    """Copy a language adapter to ``target`` and write its model card.

    Args:
        adapter: the folder that `concierge train language` wrote.
        target: the folder to fill; what it held is replaced.
        report: what `concierge eval wording --json` printed for it.
        command: the command that trained it.

    Raises:
        AdapterError: the adapter is incomplete (the message names the missing file).
    """

    def card(training: Mapping[str, Any]) -> str:
        return language_card_text(LanguageCard.read(adapter), training, report, command)

    return place_release(adapter, target, FILES, "`concierge train language`", card)


def language_card_text(card: LanguageCard, training: Mapping[str, Any], report: Mapping[str, Any], command: str) -> str:
    """The model card as Markdown with the front matter that the Hugging Face hub reads."""
    settings, plan = training["settings"], training["plan"]
    lines = [
        "---",
        f"base_model: {card.base}",
        "library_name: peft",
        "license: apache-2.0",
        "tags: [recommender, lora, wording, request-parsing]",
        "---",
        f"# {card.version}: words for {card.base}",
        "",
        "A LoRA adapter with two jobs. It says checked facts in other words (the template `wording`), and it reads",
        "what a message wants (`request-parsing`, as JSON held to a schema). Both are checked: a wording that changes",
        "a title, a number or a meaning is thrown away, and what the grammar reads stands.",
        "",
        "The chat uses it for replies and for messages that the grammar cannot read. `--wording templates` and",
        "`--no-reading` turn that off, `--word-cards` has the reasons on cards worded too. The figures say why.",
        "",
        "| | |",
        "|---|---|",
        f"| base model | {card.base}, all layers, SHA-256 `{card.base_sha256}` |",
        f"| data | text made from the catalogue {training['data']} and the phrase books, seed {plan['seed']} |",
        f"| rows | {training['rows']:,}, {training['samples_seen']:,} seen; {plan['wording_share']:.0%} wordings |",
        f"| command | `{command}` |",
        f"| LoRA | rank {settings['lora_rank']}, top {settings['tuned_layers']} layers, rate {settings['rate']} |",
        f"| training time | {training['seconds_training']:,.0f} s, {training['samples_per_second']} rows a second |",
        f"| loss | {_number(training['first_loss'])} at first, {_number(training['last_loss'])} at the end |",
        "",
        "## Figures",
        "",
        "Printed by `concierge eval wording`. `passed`: the LM's words were shown, because the check found the facts",
        "in them and nothing else; `different`: different sentence patterns.",
        "",
        "| wording | paragraphs | passed | different | seconds each | tokens a second |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        lines.append(
            f"| {row['wording']} | {row['paragraphs']} | {row['passed']:.3f} | {row['distinct']:.3f} | "
            f"{row['seconds']:.3f} | {row['tokens_per_second']:.1f} |"
        )
    reading = report.get("reading")
    if reading:
        lines += [
            "",
            f"{reading['messages']} messages written by hand; the grammar leaves {reading['unread']:.0%} unread:",
            "",
            "| | grammar | with the LM |",
            "|---|---|---|",
            f"| intent right | {reading['grammar_intent']:.3f} | {reading['both_intent']:.3f} |",
            f"| wish found | {reading['grammar_wishes']:.3f} | {reading['both_wishes']:.3f} |",
        ]
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    """Two decimals; a run too short to log has no loss."""
    return "not logged" if value is None else f"{value:.2f}"
