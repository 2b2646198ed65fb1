"""The verb ``concierge train language``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.options import DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, steps


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the group ``train``."""
    app.command(epilog="Example: concierge train language --output runs/language")(language)


def language(
    output: Annotated[Path, typer.Option(help="The folder for checkpoints and the adapter.")] = Path("runs/language"),
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    tuned_layers: Annotated[int, typer.Option(help="Layers that are tuned, from the top down.", min=1)] = 12,
    lora_rank: Annotated[int, typer.Option(help="Rank of the LoRA matrices.", min=1)] = 16,
    rows: Annotated[int, typer.Option(help="Rows that are made.", min=1)] = 6000,
    batch: Annotated[int, typer.Option(help="Rows per step.", min=1)] = 16,
    epochs: Annotated[float, typer.Option(help="Passes over the rows.")] = 1.0,
    max_steps: Annotated[int, typer.Option(help="Stop after so many steps (-1: by --epochs).")] = -1,
    version: Annotated[str, typer.Option(help="The name that the adapter has in answers.")] = "language",
    seed: Annotated[int, typer.Option(help="Seed of rows and training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tune the LM to word checked facts and to read messages, on text made from the catalogue."""
    from training.language.recipe import train_language
    from training.language.rows import LanguagePlan
    from training.language.trainer import LanguageSettings

    settings = LanguageSettings(tuned_layers, lora_rank, batch, epochs, max_steps, seed=seed)
    with steps() as report:
        result = train_language(
            output, data, model, settings, LanguagePlan(rows, seed=seed), version, report=report, resume=resume
        )
    if as_json:
        print_json({"adapter": str(result.folder), **result.figures})
        return
    figures = result.figures
    out().print(
        f"{result.folder}: {figures['samples_seen']:,} rows in {figures['seconds_training']:,.0f} s "
        f"({figures['samples_per_second']:.1f} a second). Try it: concierge chat --language {result.folder}",
        soft_wrap=True,
    )
