"""The verb ``concierge eval explanations``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ui.cli.options import AdapterOption, DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, steps


class ExplanationOptionError(ValueError):
    """An option is badly written; the message says how to write it."""


def add_to(app: typer.Typer) -> None:
    """Add the verb to the group."""
    app.command(epilog="Example: concierge eval explanations --users 20 --questions 100")(explanations)


def explanations(
    users: Annotated[int, typer.Option(help="Held-out users to chat with, drawn by a hash.", min=1)] = 40,
    questions: Annotated[
        int, typer.Option(help="Held-out users who are asked back, to see what questions bring.", min=0)
    ] = 0,
    part: Annotated[str, typer.Option(help="test for reports, valid for choices.")] = "test",
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    seed: Annotated[int, typer.Option(help="Seed of draws and intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Judge the facts of the chat's answers: looked up in the tables, left out, and offered changes carried out.

    Each user chats twice: with their past, and as a stranger who says what they loved.
    """
    from agent.data.dataset import load_dataset
    from eval.conversation.clarifying import ask_users, summary
    from eval.conversation.held_out import HeldOut
    from eval.explanations.faithfulness import Judge

    if part not in ("valid", "test"):
        raise ExplanationOptionError(f"unknown part {part!r}: use valid or test")
    with steps() as report:
        held_out = HeldOut.build(load_dataset(data), model, adapter, seed)
        judge, names = Judge(held_out), held_out.users(part, users)
        figures = judge.judge(names, report=report).to_json(seed)
        strangers = judge.judge(names, strangers=True, report=report).to_json(seed)
        document: dict[str, Any] = {"data": data, "part": part, "seed": seed, **figures, "strangers": strangers}
        if questions:
            asked = ask_users(held_out, held_out.users(part, questions), report=report)
            document["questions"] = summary(asked, seed)
    if as_json:
        print_json(document)
        return
    _show(document, "users with their past")
    _show(strangers, "the same as strangers who name what they loved")
    _show_questions(document)


def _show(figures: dict[str, Any], who: str) -> None:
    facts, direction, deletion, offered = (
        figures[name] for name in ("facts", "direction", "deletion", "counterfactual")
    )
    out().print(
        f"{figures['users']} {who}: {facts['total']:,} facts, {facts['share']:.2%} of them true", soft_wrap=True
    )
    for one in figures["not_true"]:
        out().print(f"  not true of {one['item']}: {one['kind']} {one['value']}", soft_wrap=True)
    if direction["total"]:
        kinds = ", ".join(f"{kind} {right} of {total}" for kind, (right, total) in direction["kinds"].items())
        out().print(f"direction: {direction['share']:.1%} of what is cited speaks for it ({kinds})", soft_wrap=True)
    if deletion["items"]:
        low, high = deletion["ci"]
        out().print(
            f"deletion, {deletion['items']} items: the cited items carry {deletion['cited']:.3f} of the "
            f"log-probability, as many others {deletion['other']:.3f}; difference {deletion['difference']:.3f} "
            f"[{low:.3f}, {high:.3f}]",
            soft_wrap=True,
        )
    if offered["offered"]:
        out().print(
            f"why not: a change offered for {offered['offered']} of {offered['asked']} items; {offered['valid']:.0%} "
            "of the changes bring the item into the slate",
            soft_wrap=True,
        )


def _show_questions(document: dict[str, Any]) -> None:
    for name, row in document.get("questions", {}).items():
        low, high = row["rise_ci"]
        out().print(
            f"{name}: {row['questions']} questions, expected gain {row['expected_gain']:.3f}; hit rate "
            f"{row['hit_before']:.3f} -> {row['hit_after']:.3f}, rise {row['rise']:+.3f} [{low:+.3f}, {high:+.3f}]; "
            f'after "show me more" {row["hit_more"]:.3f}',
            soft_wrap=True,
        )
