"""The verb ``concierge adapt``: a tuned policy for an imported data set, in one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli.terminal import ROOT, JsonOption, ModelOption, print_json, say, show_table, steps

if TYPE_CHECKING:
    from eval.ranking.table import Table


@ROOT.command(epilog="Example: concierge adapt wines --minutes 20")
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
    say(
        f"{result.entry.version} is in use for {data}: concierge chat --data {data} "
        f"(back: concierge adapters rollback --data {data})"
    )


def _show(table: Table) -> None:
    rows = [(row.policy, *(row.figures.get(metric, "") for metric in table.headline)) for row in table.rows]
    show_table(("policy", *table.headline), rows, f"{table.protocol}: {table.about}, {table.cases:,} cases")
    for note in table.notes:
        say(note)
