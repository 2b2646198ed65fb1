"""Speed section: how long training takes on this machine."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from eval.report import charts
from eval.report.blocks import Cell, Part, Plot, Section, Source, Table, count, number
from eval.report.log_documents import SpeedDocument


def section(sources: Sequence[Source]) -> Section:
    """The section from what ``concierge eval speed --json`` prints."""
    parts = []
    for source in sources:
        document = SpeedDocument.model_validate(source.value)
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
        table = Table(
            f"{document.data}; {machine}{threads}; one short run each, without intervals.", columns, rows, notes
        )
        parts.append(Part(f"On {machine}", [Plot("Length of a default run", f"{about}.", chart), table]))
    lead = "The training commands side by side: short runs with the defaults but for the number of steps."
    return Section("speed", "Training speed", lead, parts)
