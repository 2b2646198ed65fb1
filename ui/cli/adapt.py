"""The verb ``concierge adapt``: a tuned policy for an imported data set, in one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid

from ui.cli.terminal import JsonOption, ModelOption, out, print_json, steps

if TYPE_CHECKING:
    from eval.ranking.table import Table


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the root command."""
    app.command(epilog="Example: concierge adapt wines --minutes 20")(adapt)


def adapt(
    data: Annotated[str, typer.Argument(help="A data set, by the name that `concierge data import` gave it.")],
    minutes: Annotated[float, typer.Option(help="Time for training, calibration and the table.", min=0.1)] = 30.0,
    model: ModelOption = None,
    layers: Annotated[int, typer.Option(help="Use the first so many layers of the model (0: all).", min=0)] = 18,
    lora_rank: Annotated[int, typer.Option(help="Rank of the LoRA matrices.", min=1)] = 16,
    output: Annotated[
        Path | None, typer.Option(help="The folder for checkpoints (default: runs/adapt/NAME in this user's data).")
    ] = None,
    users: Annotated[int, typer.Option(help="The table ranks for so many users.", min=10)] = 300,
    table: Annotated[bool, typer.Option(help="Compare with baselines before and after.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what the last run left.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of rows and training.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit features, fine-tune, train on the data's own feedback, calibrate, and put the result to use.

    `concierge chat --data NAME` uses it at once; `concierge adapters rollback --data NAME` takes it back.
    """
    from agent.data.assets import data_dir
    from agent.data.dataset import load_dataset
    from eval.adaptation import adaptation_tables
    from training.adapt import AdaptSettings
    from training.adapt import adapt as run

    dataset = load_dataset(data)
    folder = output or data_dir() / "runs" / "adapt" / data
    settings = AdaptSettings(minutes, layers or None, lora_rank, seed=seed)
    with steps() as report:
        result = run(dataset, folder, settings, model, resume, report, lambda text: print(text, file=sys.stderr))
        tables = adaptation_tables(dataset, result.before, result.after, model, users, seed, report) if table else []
    if as_json:
        rows = [row for each in tables for row in each.to_json()]
        print_json({"data": data, "version": result.entry.version, **result.figures, "rows": rows})
        return
    for each in tables:
        _show(each)
    out().print(
        f"{result.entry.version} is in use for {data}: concierge chat --data {data} "
        f"(back: concierge adapters rollback --data {data})",
        soft_wrap=True,
    )


def _show(table: Table) -> None:
    grid = Grid(title=f"{table.protocol}: {table.about}, {table.cases:,} cases", title_justify="left")
    for name in ("policy", *table.headline):
        grid.add_column(name, justify="left" if name == "policy" else "right")
    for row in table.rows:
        grid.add_row(row.policy, *(str(row.figures[metric]) for metric in table.headline if metric in row.figures))
    out().print(grid)
    for note in table.notes:
        out().print(note, soft_wrap=True)
