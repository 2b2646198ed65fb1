"""The verbs ``concierge train ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import prompts
from ui.cli import train_curves, train_dialogue, train_ppo, train_reward
from ui.cli.options import DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, steps, sub_app

app = sub_app("Train the policy and its reward model.")
train_reward.add_to(app)
train_ppo.add_to(app)
train_curves.add_to(app)
train_dialogue.add_to(app)


@app.command(epilog="Example: concierge train sft --data ml-100k --output runs/sft")
def sft(
    output: Annotated[Path, typer.Option(help="The folder for checkpoints and the adapter.")] = Path("runs/sft"),
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    layers: Annotated[int, typer.Option(help="Use the first so many layers of the model (0: all).", min=0)] = 18,
    lora_rank: Annotated[int, typer.Option(help="Rank of the LoRA matrices.", min=1)] = 16,
    epochs: Annotated[float, typer.Option(help="Passes over the rows.")] = 1.0,
    max_steps: Annotated[int, typer.Option(help="Stop after so many steps (-1: by --epochs).")] = -1,
    batch: Annotated[int, typer.Option(help="Groups of rows per step, about five rows each.", min=1)] = 5,
    requests: Annotated[int, typer.Option(help="Request rows per moment of a user's past.", min=0)] = 3,
    template: Annotated[
        str, typer.Option(help="The prompt template of role state: NAME, NAME@VERSION or PACK/NAME.")
    ] = "state",
    version: Annotated[str, typer.Option(help="The name that the policy has in logs.")] = "sft",
    seed: Annotated[int, typer.Option(help="Seed of rows and training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune the LM policy on what people watched next, liked, and asked for; writes an adapter folder."""
    from training.sft.recipe import train_sft
    from training.sft.rows import RowPlan
    from training.sft.trainer import SftSettings

    with steps() as report:
        result = train_sft(
            output,
            data,
            model,
            SftSettings(layers or None, lora_rank, batch, epochs, max_steps, seed=seed),
            RowPlan(requests=requests, seed=seed),
            template=prompts.pinned(template),
            version=version,
            report=report,
            resume=resume,
        )
    if as_json:
        print_json({"adapter": str(result.folder), **result.figures})
        return
    figures = result.figures
    out().print(
        f"{result.folder}: {figures['samples_seen']:,} samples in {figures['seconds_training']:,.0f} s "
        f"({figures['samples_per_second']:.1f} a second). Try it: concierge chat --adapter {result.folder}",
        soft_wrap=True,
    )
