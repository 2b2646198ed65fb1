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
    """Judge what the chat says: facts looked up anew, deletion test, counterfactuals tried out, variety.

    Each user chats twice: with their past, and as a stranger who says what they loved.
    """
    from agent.data.dataset import load_dataset
    from eval.conversation.clarifying import ask_users, summary
    from eval.explanations.measuring import Bench, hold_chats

    if part not in ("valid", "test"):
        raise ExplanationOptionError(f"unknown part {part!r}: use valid or test")
    with steps() as report:
        bench = Bench.build(load_dataset(data), model, adapter, seed)
        held_out = bench.users(part, users)
        found = hold_chats(bench, held_out, report)
        document: dict[str, Any] = {"data": data, "part": part, "seed": seed, **found.to_json(seed)}
        strangers = hold_chats(bench, held_out, report, strangers=True)
        document["strangers"] = strangers.to_json(seed)
        if questions:
            document["questions"] = summary(ask_users(bench, bench.users(part, questions), report=report), seed)
    if as_json:
        print_json(document)
        return
    _show(document)


def _show(document: dict[str, Any]) -> None:
    _show_chats(document, "users with their past")
    _show_chats(document["strangers"], "the same as strangers who name what they loved")
    _show_extras(document)


def _show_chats(document: dict[str, Any], who: str) -> None:
    deletion, offered, variety = (document[name] for name in ("deletion", "counterfactual", "variety"))
    out().print(
        f"{document['users']} {who}, {document['sentences']:,} sentences: {document['verified']:.2%} verified",
        soft_wrap=True,
    )
    for one in document["not_verified"]:
        out().print(f"  not verified ({one['form'] or 'unread'}): {one['text']}", soft_wrap=True)
    if deletion["items"]:
        low, high = deletion["ci"]
        out().print(
            f"deletion, {deletion['items']} items: the cited films carry {deletion['cited']:.3f} of the "
            f"log-probability, as many others {deletion['other']:.3f}; difference {deletion['difference']:.3f} "
            f"[{low:.3f}, {high:.3f}]",
            soft_wrap=True,
        )
    if offered["offered"]:
        out().print(
            f"why not: a change offered for {offered['offered']} of {offered['asked']} films; {offered['valid']:.0%} "
            f"of the changes bring the film into the slate ({offered['kinds']})",
            soft_wrap=True,
        )
    out().print(
        f"variety: {variety['distinct']:.0%} of the sentences differ, {variety['templates']} patterns, distinct-2 "
        f"{variety['distinct_2']:.3f}, distinct-3 {variety['distinct_3']:.3f}",
        soft_wrap=True,
    )


def _show_extras(document: dict[str, Any]) -> None:
    for name, row in document.get("questions", {}).items():
        low, high = row["rise_ci"]
        out().print(
            f"{name}: {row['questions']} questions, expected gain {row['expected_gain']:.3f}; hit rate "
            f"{row['hit_before']:.3f} -> {row['hit_after']:.3f}, rise {row['rise']:+.3f} [{low:+.3f}, {high:+.3f}]; "
            f'after "show me more" {row["hit_more"]:.3f}',
            soft_wrap=True,
        )
