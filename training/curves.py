"""Curves of a PPO run: its history as JSON and as pictures that can be read on paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HISTORY_FILE = "history.jsonl"
CURVES_FILES = ("curves.json", "curves.png")
OVER_OPTIMISATION_FILE = "over_optimisation.png"

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Colours that people with any colour vision tell apart (Okabe and Ito, 2008)."""

INTERVAL = 1.96
"""Standard errors on either side of a 95 % interval."""

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


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
        CurvesError: there is no history, it has no step yet, or a line of it is broken.
    """
    path = folder / HISTORY_FILE
    if not path.is_file():
        raise CurvesError(f"{path} is missing: give the --output folder of a `concierge train ppo`")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entries.append({str(name): float(value) for name, value in json.loads(line).items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise CurvesError(f"line {number} of {path} is no step of a history: {error}") from error
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


def write_curves(folder: Path) -> list[Path]:
    """Write ``curves.json``, ``curves.png`` and, of a run with two probes or more, ``over_optimisation.png``.

    Returns the files written, in this order.

    Raises:
        CurvesError: see :func:`read_history`.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    history = read_history(folder)
    data = curves(history)
    written = [folder / name for name in CURVES_FILES]
    written[0].write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    with rc_context(STYLE):
        rows = -(-len(data["series"]) // 2)
        figure = Figure(figsize=(7.2, 1.95 * rows + 0.3), layout="constrained")
        axes = figure.subplots(rows, 2, sharex=True, squeeze=False).flatten()
        for axis, (name, own) in zip(axes, data["series"].items(), strict=False):
            _draw(axis, name, own, history)
        for axis in axes[len(data["series"]) :]:
            axis.set_visible(False)
        for axis in axes[len(data["series"]) - 2 : len(data["series"])]:
            axis.set_xlabel("optimiser step")
            axis.tick_params(labelbottom=True)
        figure.savefig(written[1], dpi=200)
        points = data["over_optimisation"]
        if len(points) >= 2:
            figure = Figure(figsize=(5.6, 5.0), layout="constrained")
            _draw_over_optimisation(figure.subplots(2, 1, sharex=True), points)
            written.append(folder / OVER_OPTIMISATION_FILE)
            figure.savefig(written[2], dpi=200)
    return written


def _draw(axis: Axes, name: str, own: dict[str, Any], history: Sequence[dict[str, float]]) -> None:
    steps, values = np.array(own["steps"]), np.array(own["values"])
    if name == "probe":
        errors = np.array([entry.get("probe_error", 0.0) for entry in history if "probe" in entry])
        _intervals(axis, steps, values, errors, GREEN)
    elif len(steps) >= 30 and values.any() and name not in ("kl_coef", "distinct"):
        axis.plot(steps, values, color=BLUE, linewidth=0.6, alpha=0.35, label="each step")
        smooth, width = _running_mean(values)
        axis.plot(steps, smooth, color=BLUE, linewidth=1.6, label=f"mean of {width} steps")
        axis.legend(fontsize=7, loc="best")
    else:
        axis.plot(steps, values, color=BLUE, linewidth=1.4)
    axis.set_title(own["title"])
    axis.set_ylabel(own["unit"])
    axis.margins(x=0.02)
    if name in ("kl", "value_loss", "clip_fraction", "distinct"):
        axis.set_ylim(bottom=0.0, top=None if values.max() > 0 else 1.0)


def _draw_over_optimisation(axes: Any, points: Sequence[dict[str, float]]) -> None:
    kl = np.array([point["kl"] for point in points])
    clicks = np.array([point["click_rate"] for point in points])
    errors = np.array([point.get("standard_error", 0.0) for point in points])
    paid, real = axes
    paid.plot(
        kl, [point["gain"] for point in points], color=ORANGE, marker="s", markersize=4, linewidth=1.2, clip_on=False
    )
    paid.set_title("What training pays: gain over the policy before training")
    paid.set_ylabel("reward")
    _intervals(real, kl, clicks, errors, GREEN)
    real.axhline(clicks[0], color=GREY, linewidth=1.0, linestyle="--", label="before training")
    real.set_title("What people really like: click rate on slates of users not trained on")
    real.set_ylabel("share of greedy picks")
    real.set_xlabel("KL divergence to the policy before training (nats, square-root scale)")
    # Rewards fall with the root of the divergence in Gao et al. (2023), which makes the early part readable as well.
    real.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0.0)), np.square))
    real.set_xlim(0.0, float(max(kl.max(), 1e-6)) * 1.08)
    real.xaxis.set_major_formatter("{x:.3g}")
    best = int(clicks.argmax())
    for axis, values in ((paid, [point["gain"] for point in points]), (real, clicks)):
        for place in sorted({best, len(points) - 1}):
            axis.annotate(
                f"step {points[place]['step']:.0f}{', best probe' if place == best else ''}",
                (kl[place], values[place]),
                xytext=(0, 7),
                textcoords="offset points",
                ha="right" if kl[place] > kl.max() / 4 else "left",
                fontsize=7.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )
        axis.margins(y=0.2)
    real.legend(fontsize=8, loc="best")


def _intervals(axis: Axes, x: np.ndarray, values: np.ndarray, errors: np.ndarray, colour: str) -> None:
    """A line with points, and 95 % intervals around them where there are standard errors."""
    axis.plot(x, values, color=colour, marker="o", markersize=4, linewidth=1.2, clip_on=False)
    if errors.any():
        bars: dict[str, Any] = {
            "fmt": "none",
            "ecolor": colour,
            "elinewidth": 0.8,
            "capsize": 2,
            "alpha": 0.7,
            "clip_on": False,
        }
        axis.errorbar(x, values, INTERVAL * errors, **bars)
        axis.plot([], [], color=colour, marker="o", markersize=4, label="95 % interval over users")
        axis.legend(fontsize=7, loc="best")


def _running_mean(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Means over the steps around each one (fewer at the ends), and over how many."""
    width = max(3, len(values) // 20) | 1
    ones = np.convolve(np.ones(len(values)), np.ones(width), mode="same")
    return np.convolve(values, np.ones(width), mode="same") / ones, width
