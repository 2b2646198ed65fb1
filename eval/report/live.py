"""Live section: what people did with what the chat showed them, over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import altair as alt

from eval.live.figures import METRICS
from eval.metrics import Interval
from eval.report import charts
from eval.report.blocks import Block, Cell, Part, Plot, Plots, Section, Source, Table, Text, count, figure, label
from eval.report.log_documents import LiveDocument

METHOD = "95 % intervals: percentile bootstrap over conversations, 2,000 draws, seed 0"
EMPTY = "The feedback log is empty: nothing was shown to anybody yet. Chat first, with `concierge chat`."
UNITS: Mapping[str, str] = {
    "click_through_rate": "share of films",
    "slate_conversion": "share of slates",
    "conversion": "share of conversations",
    "satisfaction": "share of opinions",
    "session_length": "slates",
    "session_minutes": "minutes",
}


def section(sources: Sequence[Source]) -> Section:
    """The section from what ``concierge eval live --json`` prints."""
    parts = []
    for source in sources:
        document = LiveDocument.model_validate(source.value)
        parts.append(Part("", list(_blocks(document))))
    lead = (
        "The chat's own feedback log: the last word on a film stands, and what was taken back does not count. A "
        "conversation counts whole in the period of its first slate."
    )
    return Section("live", "Live figures", lead, parts)


def _blocks(document: LiveDocument) -> Iterator[Block]:
    total = document.total
    if total is None:
        yield Text(EMPTY)
        return
    n = (
        f"{total.conversations:,} conversations, {total.slates:,} slates, {total.items:,} films shown, "
        f"{total.reactions:,} reactions; all of the log since {total.start[:10]}"
    )
    rows = [
        [Cell(label(name)), figure(_of(total.metrics.get(name))), Cell(text, tone="quiet")]
        for name, text in METRICS.items()
    ]
    yield Table(f"{n}; {METHOD}.", ("figure", "value", "what it is"), rows)
    yield Plots(tuple(plot(document, name) for name in METRICS))
    periods = [
        [
            Cell(_moment(own.start, document.by)),
            count(own.conversations),
            *(figure(_of(own.metrics.get(name)), 3) for name in METRICS),
        ]
        for own in document.periods
    ]
    columns = (f"{document.by} (UTC)", "conversations", *(label(name) for name in METRICS))
    yield Table(f"By {document.by}; {METHOD}.", columns, periods)


def plot(document: LiveDocument, name: str) -> Plot:
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


def _of(value: object) -> Interval | None:
    return getattr(value, "interval", None)


def _moment(start: str, by: str) -> str:
    return start[:16].replace("T", " ") if by == "hour" else start[:10]


def tab_plot(document: LiveDocument, name: str) -> alt.LayerChart:
    """The same with its title inside, as Gradio's plots take it: drawn as SVG, in the colours of the page."""
    own = plot(document, name)
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
