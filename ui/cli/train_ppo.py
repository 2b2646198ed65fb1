"""The verb ``concierge train ppo``: every setting of PPO is a flag, with the text of its field as help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from training.ppo.settings import DEFAULT_REWARD, FIELDS, PpoSettings
from ui.cli.terminal import TRAIN, JsonOption, ModelOption, OptionError, print_json, say
from ui.cli.training_panel import live_run, say_resume

OWN = "a new version gets its name and its record by itself"


def with_setting_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one optional flag a field of PpoSettings; what is given reaches it as ``**given``."""
    signature = inspect.signature(command, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    for name, field in FIELDS.items():
        hint, text = str(field.annotation), field.description or ""
        kind: Any = float if "float" in hint else int if "int" in hint else str
        option = typer.Option(
            f"--{name.replace('_', '-')}",
            help=f"{text[0].upper()}{text[1:]}. [default: {field.default}]",
            show_default=False,
            rich_help_panel="PPO settings",
        )
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
            )
        )

    def run(**values: Any) -> None:
        command(**values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    ordered = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = signature.replace(parameters=ordered)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in ordered}
    return run


@TRAIN.command(epilog="Example: concierge train ppo --output runs/ppo --reward click:0.7,novelty:0.3 --steps 300")
@with_setting_flags
def ppo(
    output: Annotated[Path, typer.Option(help="The folder for checkpoints, curves and the adapter.")] = Path(
        "runs/ppo"
    ),
    data: Annotated[
        str | None,
        typer.Option(
            help="A data set that ships or was imported (default: ml-100k; of a chat's log: that of the chat).",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    adapter: Annotated[
        Path | None, typer.Option(help="The policy to start from (default: the released one before PPO).")
    ] = None,
    reward: Annotated[
        str, typer.Option(help="Named rewards, as click:0.7,diversity:0.3, or model:FOLDER of a reward model.")
    ] = DEFAULT_REWARD,
    from_feedback: Annotated[
        Path | None,
        typer.Option(help="Train on a chat's log instead: its database or its JSONL export.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A YAML, TOML or JSON file of PPO settings; flags go before it.")
    ] = None,
    passes: Annotated[
        int | None, typer.Option(help="Of a chat's log: passes over its places (default: 4).", show_default=False)
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(help="Of a chat's log: share kept for the comparison (default: 0.2).", show_default=False),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="The name that the policy has in logs (default: ppo).", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log to TensorBoard, in the folder tensorboard of --output.")
    ] = False,
    as_json: JsonOption = False,
    **given: Any,
) -> None:
    """Train the policy on rewards with PPO: of rated slates, of a reward model, or of a chat's own log."""
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = PpoSettings.from_file(config, chosen) if config else PpoSettings.of(chosen)
    if from_feedback is None and (passes is not None or holdout is not None):
        raise OptionError("--passes and --holdout are about a chat's log: give it with --from-feedback")
    if from_feedback is not None:
        from training.ppo.feedback import FIXED, FeedbackSettings, train_from_feedback

        unheard = [name for name in FIXED if name in chosen]
        if unheard or version is not None or tensorboard:
            flag = unheard[0].replace("_", "-") if unheard else "version" if version is not None else "tensorboard"
            raise OptionError(
                f"--{flag} cannot be given with --from-feedback: {FIXED.get(flag.replace('-', '_'), OWN)}"
            )
        usual = FeedbackSettings(reward=reward, ppo=settings)
        options = replace(
            usual,
            passes=usual.passes if passes is None else passes,
            holdout=usual.holdout if holdout is None else holdout,
        )
        say_resume(output, resume)
        with live_run() as (report, watch):
            folder = train_from_feedback(
                from_feedback, data or "films", adapter, output, options, report, model, resume, watch
            )
        if as_json:
            return print_json({"adapter": str(folder), "version": folder.name})
        said = f"It serves once it is promoted: concierge adapters promote {folder.name}"
        return say(f"{folder}: trained on {from_feedback}. {said}")
    from training.ppo.recipe import train_ppo

    say_resume(output, resume)
    with live_run() as (report, watch):
        result = train_ppo(
            output,
            data or "ml-100k",
            model,
            adapter,
            reward,
            settings,
            version or "ppo",
            resume,
            report,
            watch,
            tensorboard,
        )
    if not result.run.trainer.accelerator.is_main_process:
        return
    figures = {name: value for name, value in result.figures.items() if name != "history"}
    if as_json:
        return print_json({"adapter": str(result.run.folder), **figures})
    last = result.run.history[-1]
    say(
        f"{result.run.folder}: {figures['steps']:,} steps, {figures['samples']:,} picks in "
        f"{figures['seconds_training']:,.0f} s ({figures['samples_per_second']:.0f} a second); reward "
        f"{last['reward']:+.3f}, KL {last['kl']:.3f}, entropy {last['entropy']:.2f}"
    )
    if figures["stopped"]:
        say(f"Stopped: {figures['stopped']}. Kept: the weights of step {figures['kept']}.")
    say(f"Curves: {output / 'curves.png'}")
    say(f"Measure it: concierge eval policy --policy new={result.run.folder}")
