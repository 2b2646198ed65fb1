"""Trends tab: how the watched share moves, by topic, where it is unusual, and the texts behind each point."""

from __future__ import annotations

import datetime
import getpass
import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from agent.data.archive import DatasetError
from agent.monitor.counts import MonitorError, Share
from agent.monitor.run import Watch
from agent.monitor.trends import SPANS, trends_of
from agent.store.alerts import Alert, AlertError, AlertStore
from agent.store.feedback import FeedbackLog
from ui.chat import panel
from ui.chat.page import Updates
from ui.studio.access import Access
from ui.trends import html

if TYPE_CHECKING:
    import altair as alt

SHOWN = 6
"""So many series have a plot at once."""
MUTED_DAYS = 30
INTO_VIEW = "() => document.getElementById('trends-texts').scrollIntoView({block: 'nearest'})"
PERIODS: Mapping[str, int | None] = {"The last quarter": 91, "The last year": 365, "All of it": None}
"""Choices of the time that is shown, in days before the last one there is."""


class TrendsTab:
    """The tab inside the current Blocks, connected; holds no person's state.

    ``authors``: see :class:`ui.studio.access.Access`; alerts are for whoever runs this.
    """

    def __init__(self, watch: Watch, log: FeedbackLog, authors: Collection[str] | None = None) -> None:
        self.watch = watch
        self.store = AlertStore(log.engine)
        self.access = Access(authors)
        with gr.Row(elem_classes=["trends-pick"]):
            self.period = gr.Dropdown(
                list(PERIODS),
                value="The last year",
                label="Time",
                filterable=False,
                min_width=150,
                elem_id="trends-time",
            )
            self.span = gr.Dropdown(
                list(SPANS), value="week", label="By", filterable=False, min_width=120, elem_id="trends-by"
            )
            self.refresh = gr.Button("Refresh", size="md", min_width=110, scale=0, elem_id="trends-refresh")
        self.series = gr.Dropdown([], multiselect=True, max_choices=SHOWN, label="Topics", elem_id="trends-topics")
        self.summary = gr.HTML("", elem_id="trends-summary")
        self.plots = []
        with gr.Row(elem_classes=["live-plots"]):
            for _ in range(SHOWN):
                classes = ["live-plot", "trends-plot"]
                self.plots.append(gr.Plot(show_label=False, visible=False, elem_classes=classes, min_width=300))
        self.texts = gr.HTML("", elem_id="trends-texts")
        self.alerts = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="trends-alerts")
        self.table = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="trends-table")
        told: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "trends", "api_visibility": "private"}
        inputs = [self.period, self.span, self.series]
        outputs = [self.summary, self.series, *self.plots, self.alerts, self.table, self.texts]
        self._read: dict[str, Any] = {"fn": self.on_read, "inputs": inputs, "outputs": outputs, **told}
        for event in (self.period.input, self.span.input, self.series.input, self.refresh.click):
            event(**self._read, show_progress="hidden")
        shown = self.table.click(self.on_texts, None, [self.texts], show_progress="hidden", **told)
        shown.then(None, js=INTO_VIEW)
        self.alerts.click(self.on_alert, None, [self.alerts], show_progress="hidden", **told)

    def open_with(self, tab: gr.Tab) -> None:
        """Read the data whenever the tab is opened, and not before."""
        tab.select(**self._read, show_progress="minimal")

    def on_visit(self, request: gr.Request) -> Any:
        """Only authors see the tab."""
        return gr.update(visible=self.access.allowed(request))

    def on_read(self, period: str, span: str, series: Sequence[str], request: gr.Request) -> Updates:
        """The trends of the data set as it is now."""
        self.access.check(request)
        try:
            trends = trends_of(self.watch)
        except (MonitorError, DatasetError) as error:
            raise gr.Error(str(error), print_exception=False) from None
        alerts = self.store.alerts(self.watch.name)
        counts = trends.counts
        chosen = [own for own in series if own in counts.series][:SHOWN]
        chosen = chosen or trends.telling(SHOWN, [own.series for own in alerts if own.closed is None])
        back = PERIODS.get(period)
        since = None if back is None else counts.date(max(0, counts.days - back))
        courses = {own: trends.course(own, SPANS.get(span, 7), since) for own in chosen}
        charts: list[Any] = [
            gr.update(
                visible=True, value=_chart(courses[own], [a for a in alerts if a.series == own], trends.watch, span)
            )
            for own in chosen
        ]
        charts += [gr.update(visible=False, value=None)] * (SHOWN - len(charts))
        return {
            self.summary: html.summary_html(trends),
            self.series: gr.update(choices=[(html.name_of(own), own) for own in counts.series], value=chosen),
            **dict(zip(self.plots, charts, strict=True)),
            self.alerts: html.alerts_html(trends, alerts, self.store.muted(self.watch.name)),
            self.table: html.table_html(courses),
            self.texts: "",
        }

    def on_texts(self, request: gr.Request, event: gr.EventData) -> str:
        """The texts behind a point."""
        self.access.check(request)
        try:
            series, *days = (str(part) for part in json.loads(str(event.value)))
            start, end = (datetime.date.fromisoformat(day) for day in days)
            return html.texts_html(trends_of(self.watch), series, start, end)
        except (ValueError, DatasetError) as error:
            raise gr.Error(f"These texts are not there any more: {error}", print_exception=False) from None

    def on_alert(self, request: gr.Request, event: gr.EventData) -> str:
        """An alert was seen, or its series is to be quiet for a while."""
        self.access.check(request)
        try:
            if event.action == "acknowledge":
                self.store.acknowledge(str(event.value), self.access.author(request, getpass.getuser()))
            else:
                until = datetime.date.today() + datetime.timedelta(days=MUTED_DAYS)
                self.store.mute(self.watch.name, str(event.value), until)
        except AlertError as error:
            raise gr.Error(str(error), print_exception=False) from None
        alerts = self.store.alerts(self.watch.name)
        return html.alerts_html(trends_of(self.watch), alerts, self.store.muted(self.watch.name))


def _chart(
    course: Sequence[tuple[Share, float]], alerts: Sequence[Alert], watch: Watch, span: str
) -> alt.LayerChart | None:
    """One series over time; None where nothing was read."""
    # What draws the plots is slow to import, and most visitors only chat.
    import altair as alt

    from eval.report import charts
    from eval.report.blocks import Plot
    from eval.report.live import in_page

    points: list[dict[str, Any]] = [
        {"start": str(own.start), "mean": own.share, "low": own.low, "high": own.high, "about": html.about(own)}
        for own, _ in course
        if own.read
    ]
    if not points:
        return None
    usual = [{"start": str(own.start), "usual": level} for own, level in course if not math.isnan(level)]
    first, last = course[0][0], course[-1][0]
    raised = [
        {"start": str(max(own.opened, first.start)), "end": str(own.closed or last.end)}
        for own in alerts
        if (own.closed or last.end) >= first.start and own.opened <= last.end
    ]
    x = alt.X(
        "start:T", title=f"{span} from", scale=alt.Scale(type="utc"), axis=alt.Axis(format="%d %b %y", tickCount=5)
    )
    y = alt.Y("usual:Q", title=f"share {watch.value}")
    shade = charts.inline(raised).mark_rect(color="#c2562f", opacity=0.2).encode(x=x, x2="end:T")
    dashed = charts.inline(usual).mark_line(strokeDash=[4, 3], strokeWidth=1.2, color="#7d8799").encode(x=x, y=y)
    marks = [*([shade] if raised else []), *([dashed] if usual else [])]
    highest = min(1.0, 1.1 * max(point["mean"] for point in points) + 0.05)
    scale = alt.Scale(domain=[0, highest], clamp=True)
    chart = charts.lines(
        points, x, f"share {watch.value}", band=len(points) > 1, height=190, marks=marks, y_scale=scale, about="about"
    )
    spoken = f"{html.name_of(first.series)}: {points[-1]['mean']:.0%} {watch.value} at last, {len(raised)} alerts."
    return in_page(Plot(html.name_of(first.series), spoken, chart))
