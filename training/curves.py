"""Curves of a PPO run: its history, figure by figure, and what training pays beside what people like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.data.rows import checked, good_lines

HISTORY_FILE = "history.jsonl"
CURVES_FILE = "curves.json"

INTERVAL = 1.96
"""Standard errors on either side of a 95 % interval."""


class CurvesError(ValueError):
    """A folder holds no history of a run; the message says what to give."""


@dataclass(frozen=True, slots=True)
class Series:
    """One figure of a history: its name there, its title, and the unit on the axis."""

    name: str
    title: str
    unit: str


SERIES = (
    Series("reward", "Reward of the picks, as training pays it", "reward"),
    Series("probe", "Real click rate on slates of users not trained on", "share of greedy picks"),
    Series("kl", "KL divergence to the policy before training", "nats"),
    Series("kl_coef", "Weight of the KL divergence in the loss", "weight"),
    Series("entropy", "Entropy of the policy", "nats"),
    Series("value_loss", "Loss of the critic", "reward squared"),
    Series("clip_fraction", "Probability ratios that were clipped", "share of picks"),
    Series("distinct", "Distinct top picks over the latest prompts", "items"),
)
"""The panels of the picture, in their order; one that a run has no figures of is left out."""


def read_history(folder: Path) -> list[dict[str, float]]:
    """The steps of a run, from ``folder / "history.jsonl"``.

    Raises:
        CurvesError: there is no history, or it has no step yet.
        RowError: a line of it is broken.
    """
    path = folder / HISTORY_FILE
    if not path.is_file():
        raise CurvesError(f"{path} is missing: give the --output folder of a `concierge train ppo`")
    entries = [checked(dict[str, float], own, f"{path.name}, line {number}") for number, own in good_lines(path)]
    if not any("reward" in entry for entry in entries):
        raise CurvesError(f"{path} holds no step yet: wait for the first one")
    return entries


def over_optimisation(history: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """One entry a probe: how far the policy has gone, what training pays for it, and what people really like.

    ``kl`` (nats to the policy before training) and ``gain`` (of the expected training reward over that policy) are
    means over the steps since the probe before; ``click_rate`` is the probe's, with its standard error by user where
    the history has one. Gao et al. (2023, arXiv:2210.10760) plot these against each other: where the training reward
    goes on rising and the real one falls, the reward is over-optimised.
    """
    points: list[dict[str, float]] = []
    since: list[dict[str, float]] = []
    for entry in history:
        if "reward" in entry:
            since.append(entry)
        if "probe" in entry:
            point = {"step": int(entry["step"]), "click_rate": entry["probe"]}
            if "probe_error" in entry:
                point["standard_error"] = entry["probe_error"]
            for name in ("kl", "gain"):
                point[name] = float(np.mean([each[name] for each in since])) if since else 0.0
            points.append(point)
            since = []
    return points


def curves(history: Sequence[dict[str, float]]) -> dict[str, Any]:
    """What ``curves.json`` holds: ``series`` by name (title, unit, steps, values) and ``over_optimisation``."""
    series = {}
    for each in SERIES:
        own = [entry for entry in history if each.name in entry]
        if own:
            steps, values = [int(entry["step"]) for entry in own], [entry[each.name] for entry in own]
            series[each.name] = {"title": each.title, "unit": each.unit, "steps": steps, "values": values}
    return {"series": series, "over_optimisation": over_optimisation(history)}


def write_curves(folder: Path) -> Path:
    """Write ``curves.json``; the report (:mod:`eval.report.training`) draws it.

    Raises:
        CurvesError: see :func:`read_history`.
    """
    path = folder / CURVES_FILE
    path.write_text(json.dumps(curves(read_history(folder)), indent=1) + "\n", encoding="utf-8")
    return path
