"""Training sections: does the real click rate follow the reward that PPO is paid, and how long does training take?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import altair as alt

from eval.report import charts
from eval.report.blocks import Block, Cell, Part, Plot, Plots, Source, Table, Text, count, number
from eval.report.documents import CurvesDocument, SpeedDocument
from training.curves import INTERVAL

RELEASED_CURVES = Path(__file__).parents[2] / "training" / "images" / "over_optimisation.json"
"""The ``curves.json`` behind the README's picture."""

RELEASED = "the released run on the reward model's rewards"
NONE = "No run was named: `--run FOLDER` takes the --output folder of a `concierge train ppo`."
_SMOOTH = 200
"""Most points of a course that are drawn; of a longer run, means of neighbours."""


def ppo_parts(source: Source, document: CurvesDocument) -> Iterator[Part]:
    """Of the file ``curves.json`` of a run."""
    yield Part(source.command or source.how, list(_ppo_blocks(document)))


def _ppo_blocks(document: CurvesDocument) -> Iterator[Block]:
    probes = document.over_optimisation
    if len(probes) < 2:
        yield Text("The run has fewer than two probes: there is no curve of over-optimisation (--probe-every).")
    else:
        yield from _over_optimisation(document)
    yield Plots(tuple(_courses(document)))


def _over_optimisation(document: CurvesDocument) -> Iterator[Block]:
    probes = document.over_optimisation
    best = max(probes, key=lambda own: own.click_rate)
    axis = alt.X(
        "kl:Q",
        title="KL to the policy before training (nats, square-root scale)",
        scale=alt.Scale(type="sqrt", zero=True),
    )
    points = [
        {
            "kl": own.kl,
            "mean": own.click_rate,
            "low": own.click_rate - INTERVAL * own.standard_error,
            "high": own.click_rate + INTERVAL * own.standard_error,
        }
        for own in probes
    ]
    paid = [{"kl": own.kl, "mean": own.gain, "low": own.gain, "high": own.gain} for own in probes]
    yield Plots(
        (
            Plot(
                "What training pays against KL",
                f"Gain of the training reward over the policy before training: {probes[-1].gain:.3f} at the end, "
                f"{probes[-1].kl:.2f} nats away.",
                charts.lines(paid, axis, "gain of the training reward"),
            ),
            Plot(
                "Real click rate against KL",
                f"Click rate on slates of users not trained on: {probes[0].click_rate:.3f} before training (dashed), "
                f"best {best.click_rate:.3f} at step {best.step}, {probes[-1].click_rate:.3f} at the end.",
                charts.lines(points, axis, "share of greedy picks", marks=[charts.rule(y=probes[0].click_rate)]),
            ),
        )
    )
    yield Table(
        f"{len(probes)} probes; 95 % intervals: normal, standard errors over users.",
        ("step", "KL (nats)", "gain of the training reward", "real click rate", "standard error"),
        [
            [
                count(own.step),
                number(own.kl, 3),
                number(own.gain, 4),
                Cell(f"{own.click_rate:.4f}", own.click_rate, "ours" if own is best else ""),
                number(own.standard_error, 4),
            ]
            for own in probes
        ],
    )


def _courses(document: CurvesDocument) -> Iterator[Plot]:
    x = alt.X("step:Q", title="optimiser step")
    for own in document.series.values():
        width = max(1, -(-len(own.steps) // _SMOOTH))
        points = []
        for start in range(0, len(own.steps), width):
            mean = sum(own.values[start : start + width]) / len(own.values[start : start + width])
            points.append({"step": own.steps[start], "mean": mean, "low": mean, "high": mean})
        about = f"{own.title}: {own.values[0]:.4g} at first, {own.values[-1]:.4g} at last."
        yield Plot(own.title, about, charts.lines(points, x, own.unit, height=170))


def speed_parts(_: Source, document: SpeedDocument) -> Iterator[Part]:
    """Of what ``concierge eval speed --json`` prints."""
    where = document.machine
    machine = ", ".join(str(where[name]) for name in ("device", "name", "dtype") if name in where)
    threads = f", {where['threads']} threads, torch {where['torch']}" if {"threads", "torch"} <= set(where) else ""
    rows = [
        [
            Cell(f"train {own.command}"),
            count(own.steps),
            number(own.seconds_preparing, 1),
            number(own.seconds_a_step, 2),
            number(own.samples_per_second, 1),
            number(own.samples_per_second_ratio, 2),
            number(own.wall_seconds, 1),
            number(own.whole_run_seconds / 60, 1),
        ]
        for own in document.rows
    ]
    points = [{"command": f"train {own.command}", "minutes": own.whole_run_seconds / 60} for own in document.rows]
    bars = charts.inline(points).mark_bar(color=charts.SERIES[0], height=16)
    bars = bars.encode(
        x=alt.X("minutes:Q", title="minutes of a run with the defaults"),
        y=alt.Y("command:N", sort=None, title=None),
        tooltip=["command:N", alt.Tooltip("minutes:Q", format=".1f")],
    )
    chart = charts.spec(bars.properties(width="container", height=len(points) * 34))
    about = "; ".join(f"{own['command']}: {own['minutes']:.1f} minutes" for own in points)
    notes = tuple(f"A sample of {own.command} is one {own.sample}." for own in document.rows)
    columns = (
        "command", "steps timed", "preparing (s)", "a step (s)", "samples/s", f"to {document.rows[0].command}",
        "wall (s)", "default run (min)",
    )  # fmt: skip
    table = Table(f"{document.data}; {machine}{threads}; one short run each, without intervals.", columns, rows, notes)
    yield Part(f"On {machine}", [Plot("Length of a default run", f"{about}.", chart), table])
