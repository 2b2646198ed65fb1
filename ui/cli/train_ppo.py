"""The verb ``concierge train ppo``: a flag a setting of PPO, and the figures of the run while it goes on."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as Grid

from training.ppo.settings import DEFAULT_REWARD, FIELDS, PpoSettings
from training.progress import Progress, silent
from ui.cli.terminal import (
    TRAIN,
    JsonOption,
    ModelOption,
    OptionError,
    line_reporter,
    print_json,
    reporter,
    reshaped,
    say,
    step_bars,
)

FIGURES = (
    ("reward", "reward of the picks", "+.3f"),
    ("probe", "probe: real click rate", ".3f"),
    ("kl", "KL to the start (nats)", ".4f"),
    ("kl_coef", "KL weight", ".4f"),
    ("entropy", "entropy (nats)", ".3f"),
    ("value_loss", "value loss", ".4f"),
    ("clip_fraction", "clip fraction", ".3f"),
    ("distinct", "distinct top picks", ".0f"),
    ("samples_per_second", "picks a second", ".1f"),
)
"""Names in the history, what they are called, and how they are printed."""

BLOCKS = "▁▂▃▄▅▆▇█"

WIDTH = 30
"""Characters of a small curve."""

Watch = Callable[[dict[str, float]], None]


class RunFigures:
    """A grid of the newest figures of a run, with where each began and its course so far."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {name: [] for name, _, _ in FIGURES}

    def add(self, entry: dict[str, float]) -> None:
        """Take in an entry of the history."""
        for name, values in self.values.items():
            if name in entry:
                values.append(entry[name])

    def __rich__(self) -> Grid:
        grid = Grid(box=None, pad_edge=False)
        for title in ("", "first", "now"):
            grid.add_column(title, justify="right" if title else "left")
        grid.add_column("course", no_wrap=True)
        for name, title, form in FIGURES:
            values = self.values[name]
            if values:
                grid.add_row(title, format(values[0], form), format(values[-1], form), small_curve(values))
        return grid


def small_curve(values: Sequence[float], width: int = WIDTH) -> str:
    """The values as a line of blocks from their least to their largest, each a mean where there are more than fit."""
    count = min(width, len(values))
    cuts = [len(values) * k // count for k in range(count + 1)]
    means = [sum(values[start:stop]) / (stop - start) for start, stop in pairwise(cuts)]
    least, most = min(means), max(means)
    if most == least:
        return BLOCKS[0] * count
    return "".join(BLOCKS[round((mean - least) / (most - least) * (len(BLOCKS) - 1))] for mean in means)


@contextmanager
def live_run(console: Console | None = None) -> Iterator[tuple[Progress, Watch]]:
    """Bars and figures on standard error while the block runs, in the first process only; off a terminal, lines.

    Gives two functions: one to be called with (what is being done, steps done, steps in all), one with each entry of
    the history.
    """
    console = console or Console(file=sys.stderr)
    if os.environ.get("RANK", "0") != "0":
        yield silent, lambda entry: None
        return
    if not console.is_terminal:
        yield line_reporter(), line_watch()
        return
    progress, figures = step_bars(console), RunFigures()
    with Live(Group(progress, figures), console=console, refresh_per_second=4):
        yield reporter(progress), figures.add


def line_watch(every: float = 10.0) -> Watch:
    """A function to be called with each entry of the history, which writes its figures, at most so often (seconds)."""
    last = [-every]

    def watch(entry: dict[str, float]) -> None:
        now = time.monotonic()
        if now - last[0] >= every:
            last[0] = now
            told = ", ".join(f"{title} {entry[name]:{form}}" for name, title, form in FIGURES if name in entry)
            print(f"step {entry['step']:.0f}: {told}", file=sys.stderr, flush=True)

    return watch


def say_resume(output: Path, resume: bool) -> None:
    """Say from which checkpoint a run goes on, where it is to.

    Raises:
        CheckpointError: there is none.
    """
    if resume:
        from training.checkpoints import need_checkpoint

        print(f"going on from {need_checkpoint(output / 'run')}", file=sys.stderr, flush=True)


OWN = "a new version gets its name and its record by itself"


def with_setting_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one optional flag a field of PpoSettings; what is given reaches it as ``**given``."""
    given = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [p for p in given if p.kind is not inspect.Parameter.VAR_KEYWORD]
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

    return reshaped(command, run, parameters)


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
    say(f"Curves: concierge train curves {output}")
    say(f"Measure it: concierge eval policy --policy new={result.run.folder}")
