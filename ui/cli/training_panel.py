"""Training panel: the figures of a PPO run in the terminal while it goes on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as Grid

from training.progress import Progress, silent
from ui.cli.terminal import line_reporter, reporter, step_bars

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
