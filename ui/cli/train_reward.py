"""The verb ``concierge train reward``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.options import DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, steps


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the group ``train``."""
    app.command(epilog="Example: concierge train reward --data ml-100k --output runs/reward")(reward)


def reward(
    output: Annotated[Path, typer.Option(help="The folder for checkpoints and the reward model.")] = Path(
        "runs/reward"
    ),
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="The policy adapter to start from (default: the released one).")
    ] = None,
    layers: Annotated[int, typer.Option(help="Use the first so many layers (0: as the policy adapter).", min=0)] = 8,
    batch: Annotated[int, typer.Option(help="Slates per step, of up to 20 rated items each.", min=1)] = 8,
    epochs: Annotated[float, typer.Option(help="Passes over the slates.")] = 1.0,
    max_steps: Annotated[int, typer.Option(help="Stop after so many steps (-1: by --epochs).")] = -1,
    pair_weight: Annotated[
        float, typer.Option(help="Weight of the loss of pairs beside the log-loss of likes.", min=0.0)
    ] = 0.5,
    evidence: Annotated[
        bool, typer.Option("--evidence/--no-evidence", help="Begin at the evidence, or let the LM stand alone.")
    ] = True,
    template: Annotated[
        str, typer.Option(help="The prompt template of role reward: NAME, NAME@VERSION or PACK/NAME.")
    ] = "reward",
    version: Annotated[str, typer.Option(help="The name that the reward model has in logs.")] = "reward",
    seed: Annotated[int, typer.Option(help="Seed of the split of users and of the training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train P(like | state, item) on what people rated, calibrate it on held-out users, and write its folder."""
    from agent.policy.loading import RELEASED
    from training.reward.recipe import train_reward
    from training.reward.trainer import RewardSettings

    settings = RewardSettings(
        layers or None, batch, epochs, max_steps, pair_weight=pair_weight, evidence=evidence, seed=seed
    )
    with steps() as report:
        result = train_reward(
            output, data, model, settings, start or RELEASED, 4, template, version, report=report, resume=resume
        )
    if as_json:
        print_json({"reward_model": str(result.folder), **result.figures})
        return
    figures, valid = result.figures, result.figures["validation"]
    out().print(
        f"{result.folder}: {figures['slates_seen']:,} slates in {figures['seconds_training']:,.0f} s "
        f"({figures['samples_per_second']:.0f} rated items a second); calibration: {valid['calibration']}, "
        f"share of the LM: {valid['lm_share']:g}",
        soft_wrap=True,
    )
    for name in ("chosen", "trained", "evidence_alone"):
        own = ", ".join(f"{metric} {value:.4f}" for metric, value in valid[name].items())
        out().print(f"validation users, {name.replace('_', ' ')}: {own}", soft_wrap=True)
    out().print(f"Measure it: concierge eval reward --model {result.folder}", soft_wrap=True)
