"""Live sections: what people did with what the chat showed, over time and by version of a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import altair as alt

from eval.live.experiments import EXPERIMENT_METRICS, Report
from eval.live.figures import METRICS, LiveMetrics
from eval.report import charts
from eval.report.blocks import (
    Block,
    Cell,
    Part,
    Plot,
    Plots,
    Source,
    Table,
    Text,
    count,
    difference,
    figure,
    label,
)

METHOD = "95 % intervals: percentile bootstrap over conversations, 2,000 draws, seed 0"
EMPTY = "The feedback log is empty: nothing was shown to anybody yet. Chat first, with `concierge chat`."
UNITS: Mapping[str, str] = {
    "click_through_rate": "share of items",
    "slate_conversion": "share of slates",
    "conversion": "share of conversations",
    "satisfaction": "share of opinions",
    "session_length": "slates",
    "session_minutes": "minutes",
}


def live_parts(_: Source, document: LiveMetrics) -> Iterator[Part]:
    """Of what ``concierge eval live --json`` prints."""
    yield Part("", list(_live_blocks(document)))


def _live_blocks(document: LiveMetrics) -> Iterator[Block]:
    total = document.total
    if total is None:
        yield Text(EMPTY)
        return
    n = (
        f"{total.conversations:,} conversations, {total.slates:,} slates, {total.items:,} items shown, "
        f"{total.reactions:,} reactions; all of the log since {total.start[:10]}"
    )
    rows = [
        [Cell(label(name)), figure(total.metrics.get(name)), Cell(text, tone="quiet")] for name, text in METRICS.items()
    ]
    yield Table(f"{n}; {METHOD}.", ("figure", "value", "what it is"), rows)
    yield Plots(tuple(plot(document, name) for name in METRICS))
    periods = [
        [
            Cell(_moment(own.start, document.by)),
            count(own.conversations),
            *(figure(own.metrics.get(name), 3) for name in METRICS),
        ]
        for own in document.periods
    ]
    columns = (f"{document.by} (UTC)", "conversations", *(label(name) for name in METRICS))
    yield Table(f"By {document.by}; {METHOD}.", columns, periods)


def plot(document: LiveMetrics, name: str) -> Plot:
    """One figure over time."""
    points = []
    for own in document.periods:
        value = own.metrics.get(name)
        if value is not None:
            points.append({"start": own.start, "mean": value.mean, "low": value.low, "high": value.high})
    about = f"{label(name)}, {METRICS[name]}, by {document.by}"
    if points:
        first, last = points[0], points[-1]
        about += f": {first['mean']:.3f} at first, {last['mean']:.3f} at last, in {len(points)} periods"
    share = UNITS[name].startswith("share")
    # Marks of whole days: between two of them there is nothing to read.
    step = {"hour": "%d %b %H:00"}.get(document.by, "%d %b")
    x = alt.X(
        "start:T",
        title=f"{document.by} (UTC)",
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format=step, tickCount={"interval": document.by, "step": 1} if len(points) < 8 else 6),
    )
    scale = alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=True)
    chart = charts.lines(points, x, UNITS[name], band=len(points) > 1, height=190, y_scale=scale)
    return Plot(label(name).capitalize(), f"{about}.", chart)


def _moment(start: str, by: str) -> str:
    return start[:16].replace("T", " ") if by == "hour" else start[:10]


def tab_plot(document: LiveMetrics, name: str) -> alt.LayerChart:
    """The same with its title inside, as Gradio's plots take it."""
    return in_page(plot(document, name))


def in_page(own: Plot) -> alt.LayerChart:
    """A plot as Gradio's page takes it: with its title inside, drawn as SVG, in the colours of the page."""
    shown = {
        # Gradio's Vega-Lite is of this release, and says so in the browser's log where another one is named.
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        **own.chart,
        "title": own.title,
        "description": own.about,
        "config": charts.style(),
        "usermeta": {"embedOptions": {"renderer": "svg", "actions": False}},
    }
    return alt.LayerChart.from_dict(shown)


NO_EXPERIMENTS = "No version of a template has served anybody yet: chat first, with `concierge chat`."


def experiments_parts(source: Source, document: Report) -> Iterator[Part]:
    """Of what ``concierge prompts experiment --json`` prints."""
    yield Part(f"Templates of role {source.value.get('role', 'state')}", list(_experiments_blocks(document)))


def _experiments_blocks(document: Report) -> Iterator[Block]:
    if not document.arms:
        yield Text(NO_EXPERIMENTS)
        return
    arms = document.arms
    # The same reference may be saved twice with another text.
    names = [
        own.template if sum(own.template == other.template for other in arms) == 1 else f"{own.template} ({k + 1})"
        for k, own in enumerate(arms)
    ]
    plots = []
    for metric, about in EXPERIMENT_METRICS.items():
        dots = [(name, "ours", {"": arm.figures[metric]}) for name, arm in zip(names, arms, strict=True)]
        values = "; ".join(f"{name}: {figure(own['']).text}" for name, _, own in dots)
        plots.append(Plot(label(metric).capitalize(), f"{about}: {values}.", charts.dots(dots, about)))
    yield Plots(tuple(plots))
    rows = []
    for name, arm, differences in zip(names, arms, ({}, *document.differences), strict=True):
        for metric in EXPERIMENT_METRICS:
            less = differences.get(metric)
            cell = Cell("–") if less is None else difference(less, 3)
            rows.append(
                [
                    Cell(name),
                    Cell(label(metric)),
                    count(arm.slates),
                    count(arm.conversations),
                    figure(arm.figures[metric], 3),
                    cell,
                ]
            )
    slates = sum(own.slates for own in arms)
    yield Table(
        f"{slates:,} slates in {sum(own.conversations for own in arms):,} conversations; {METHOD}.",
        ("version", "figure", "slates", "conversations", "value", f"less {names[0]}"),
        rows,
    )
