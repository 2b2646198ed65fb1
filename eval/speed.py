"""Speed: how long the training commands take, one after the other on the same machine, and how long a turn."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from agent.policy.item_lm import best_device, best_dtype
from agent.recommender import Recommender
from training.ppo.recipe import train_ppo
from training.ppo.settings import PpoSettings
from training.progress import Progress, silent
from training.reward.recipe import train_reward
from training.reward.trainer import RewardSettings
from training.sft.recipe import train_sft
from training.sft.trainer import SftSettings

COMMANDS = ("sft", "reward", "ppo")


class SpeedError(ValueError):
    """An unknown command, or too few steps; the message says what to give."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One command's short run.

    ``sample`` says what a sample is. ``seconds_a_step`` and ``samples_per_second`` are of the steps after the first
    (warm-up, and what a run does once, stand apart); ``seconds_preparing`` is all that comes before, ``seconds_after``
    what follows the last step (probes, calibration, writing), ``wall_seconds`` the whole command. ``whole_run_seconds``
    is what the command would take with its defaults, ``whole_run_steps`` of them, on this machine.
    """

    command: str
    sample: str
    steps: int
    samples_a_step: float
    seconds_preparing: float
    seconds_a_step: float
    samples_per_second: float
    seconds_after: float
    wall_seconds: float
    whole_run_steps: int
    whole_run_seconds: float

    def to_json(self, first: Speed) -> dict[str, Any]:
        """The figures, with the ratios of samples per second and of time a step to those of ``first``."""
        return {
            **{name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()},
            "samples_per_second_ratio": round(self.samples_per_second / first.samples_per_second, 3),
            "seconds_a_step_ratio": round(self.seconds_a_step / first.seconds_a_step, 3),
        }


class Stopwatch:
    """Passes reports on and notes when each training step ended, in seconds since it was made."""

    def __init__(self, report: Progress) -> None:
        self.report = report
        self.started = time.perf_counter()
        self.ends: list[float] = []

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take one report."""
        if what == "training":
            self.ends.append(time.perf_counter() - self.started)
        self.report(what, done, total)

    def speed(self, command: str, sample: str, samples: float, whole: int) -> Speed:
        """The figures of the run that has just ended.

        ``whole``: the steps of a run with the command's defaults.
        """
        wall = time.perf_counter() - self.started
        step = (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)
        before, after = self.ends[0] - step, wall - self.ends[-1]
        return Speed(
            command,
            sample,
            len(self.ends),
            samples,
            before,
            step,
            samples / step,
            after,
            wall,
            whole,
            before + whole * step + after,
        )


def measure_training(
    data: str = "ml-100k",
    model: str | None = None,
    commands: Sequence[str] = COMMANDS,
    steps: int = 8,
    report: Progress = silent,
) -> Iterator[Speed]:
    """Run each command with its defaults but for the number of steps, in a folder that is deleted afterwards.

    Training runs on a GPU where there is one, as in the commands themselves (see :func:`machine`).

    Raises:
        SpeedError: a command is unknown, or the steps are fewer than three.
    """
    unknown = [command for command in commands if command not in COMMANDS]
    if unknown:
        raise SpeedError(f"unknown command {unknown[0]!r}: use one of {', '.join(COMMANDS)}")
    if steps < 3:
        raise SpeedError(f"{steps} steps are too few to time: give 3 or more")
    runs = {"sft": _sft, "reward": _reward, "ppo": _ppo}
    for command in commands:
        with TemporaryDirectory(prefix="concierge-speed-") as folder:
            yield runs[command](Path(folder), data, model, steps, _prefixed(command, report))


def _prefixed(command: str, report: Progress) -> Progress:
    return lambda what, done, of: report(f"{command}: {what}", done, of)


def machine() -> dict[str, Any]:
    """What the commands train on: device, its name, the LM's numbers, CPU threads, release of torch."""
    device = best_device()
    name = torch.cuda.get_device_name(device) if device != "cpu" else f"{os.cpu_count()} cores"
    return {
        "device": device,
        "name": name,
        "dtype": str(best_dtype(device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }


def _sft(folder: Path, data: str, model: str | None, steps: int, report: Progress) -> Speed:
    watch, settings = Stopwatch(report), SftSettings(max_steps=steps)
    figures = train_sft(folder, data, model, settings, report=watch).figures
    samples = figures["samples_seen"] / steps
    whole = math.ceil(figures["rows"] * SftSettings().epochs / samples)
    return watch.speed("sft", "row: a state and the item chosen in it", samples, whole)


def _reward(folder: Path, data: str, model: str | None, steps: int, report: Progress) -> Speed:
    watch, settings = Stopwatch(report), RewardSettings(max_steps=steps, evaluations=1)
    figures = train_reward(folder, data, model, settings, report=watch).figures
    whole = math.ceil(figures["slates"] / settings.batch * RewardSettings().epochs)
    samples = settings.batch * figures["pairs"] / figures["slates"]
    return watch.speed("reward", "rated item of a state", samples, whole)


def _ppo(folder: Path, data: str, model: str | None, steps: int, report: Progress) -> Speed:
    watch, settings = Stopwatch(report), PpoSettings(steps=steps, save_steps=steps, probe_every=0)
    train_ppo(folder, data, model, settings=settings, report=watch)
    return watch.speed("ppo", "pick from a slate", settings.slates * settings.generations, PpoSettings().steps)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of a kind of turn: median and 90th percentile over ``turns`` turns, and the median of each part."""

    about: str
    turns: int
    median: float
    p90: float
    parts: Mapping[str, float]


def measure_turns(recommender: Recommender, turns: int = 20) -> list[Timing]:
    """Time turns without a history and with a user's whole past; the first turn of each kind is not counted."""
    users = recommender.users()
    kinds: list[tuple[str, Sequence[str | None]]] = [
        ("a new user", [None]),
        ("a user with a past", [users[i] for i in np.linspace(0, len(users) - 1, turns).astype(int)]),
    ]
    wishes = recommender.catalogue.domain.starters
    timings = []
    for about, people in kinds:
        answers = [
            recommender.recommend(user=people[turn % len(people)], ask=wishes[turn % len(wishes)])
            for turn in range(turns + 1)
        ][1:]
        total = [answer.latency_ms for answer in answers]
        parts = {part: float(np.median([a.timings_ms[part] for a in answers])) for part in answers[0].timings_ms}
        timings.append(Timing(about, turns, float(np.median(total)), float(np.quantile(total, 0.9)), parts))
    return timings
