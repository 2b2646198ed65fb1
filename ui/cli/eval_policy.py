"""The verb ``concierge eval policy``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid

from ui.cli.eval_ranking import named_policy, state_template
from ui.cli.options import DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, working

if TYPE_CHECKING:
    from agent.policy.distribution import Policy
    from agent.policy.loading import Foundation
    from eval.policy.table import PolicyTable


class PolicyOptionError(ValueError):
    """An option is badly written; the message says how to write it."""


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the group ``eval``."""
    app.command(epilog="Example: concierge eval policy --policy exact=runs/exact/adapter")(policy)


def policy(
    more: Annotated[
        list[str] | None,
        typer.Option("--policy", help="One more row, NAME=FOLDER of an adapter; may be repeated."),
    ] = None,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    part: Annotated[str, typer.Option(help="test for reports, valid for choices.")] = "test",
    template: Annotated[
        str | None,
        typer.Option(help="A state template for all policies: NAME@VERSION or a file (default: each adapter's own)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Click rate and stars of what each policy picks from slates of known ratings, beside baselines.

    The released policies before and after PPO are always among the rows.
    """
    from agent.data.dataset import load_dataset
    from agent.policy.loading import ADAPTERS
    from eval.policy.table import evaluate_policies

    if part not in ("valid", "test"):
        raise PolicyOptionError(f"unknown part {part!r}: use valid or test")
    folders = {role: ADAPTERS / f"ml-100k-{role}" for role in ("sft", "ppo")}
    folders = {name: folder for name, folder in folders.items() if folder.is_dir()}
    for text in more or ():
        source = named_policy(text)
        folders[source.name] = source.adapter
    own = None if template is None else state_template(template)

    def make(folder: Path, foundation: Foundation) -> Policy:
        policy = foundation.policy(folder, model)
        return policy if own is None else policy.with_template(own)

    makers = {name: partial(make, folder) for name, folder in folders.items()}
    with working("Picking from rated slates") as say:
        table = evaluate_policies(load_dataset(data), makers, "valid" if part == "valid" else "test", seed, say)
    if as_json:
        print_json({"data": data, "part": part, **table.to_json()})
        return
    _show(table)


def _show(table: PolicyTable) -> None:
    metrics = ("click_rate", "sampled_click_rate", "mean_rating", "precision@5")
    grid = Grid(title=f"{len(table.users):,} rated slates of {len(set(table.users)):,} users", title_justify="left")
    for name in ("policy", *metrics):
        grid.add_column(name.replace("_", " "), justify="left" if name == "policy" else "right")
    for row in table.rows:
        cells = (str(row.figures[metric]) if metric in row.figures else "" for metric in metrics)
        grid.add_row(row.policy, *cells)
    out().print(grid)
    for name, (one, other) in table.comparisons().items():
        out().print(f"{name}: {table.paired(one, other)} ({one} less {other}, click rate)", soft_wrap=True)
    for entry in table.rare:
        out().print(
            f"items with few ratings, {entry['policy']}: NDCG@10 {entry['ndcg@10']:.4f}, HR@10 {entry['hr@10']:.4f} "
            f"({entry['cases']} cases, {entry['items']} items)",
            soft_wrap=True,
        )
    for note in table.notes:
        out().print(note, soft_wrap=True)
