"""Live tab: what people do with what the chat shows them, over time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import gradio as gr

from agent.policy.registry import Experiment
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import read_impressions
from eval.live.figures import METRICS, PERIODS, Period, live_metrics, sessions
from eval.live.policies import results
from ui.chat import panel
from ui.chat.page import Updates
from ui.live import html
from ui.studio.access import Access

SPANS: Mapping[str, float | None] = {
    "All of the log": None,
    "The last 24 hours": 86_400.0,
    "The last 7 days": 7 * 86_400.0,
    "The last 30 days": 30 * 86_400.0,
}
"""Choices of the time that is shown, in seconds before now."""


class LiveTab:
    """The tab inside the current Blocks, connected; holds no person's state.

    ``authors``: see :class:`ui.studio.access.Access`; figures of everybody's conversations are for whoever runs this.
    ``experiment`` gives the versions of the policy that share the people now.
    """

    def __init__(
        self,
        log: FeedbackLog,
        authors: Collection[str] | None = None,
        experiment: Callable[[], Experiment | None] = lambda: None,
    ) -> None:
        self.log, self.experiment = log, experiment
        self.access = Access(authors)
        with gr.Row(elem_classes=["live-pick"]):
            self.span = gr.Dropdown(
                list(SPANS), value=next(iter(SPANS)), label="Conversations of", filterable=False, min_width=170,
                elem_id="live-span",
            )  # fmt: skip
            self.by = gr.Dropdown(
                list(PERIODS), value="day", label="By", filterable=False, min_width=110, elem_id="live-by"
            )
            self.refresh = gr.Button("Refresh", size="md", min_width=110, scale=0, elem_id="live-refresh")
        self.summary = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="live-summary")
        self.policies = gr.HTML("", elem_id="live-policies")
        self.plots: dict[str, gr.Plot] = {}
        with gr.Row(elem_classes=["live-plots"], visible=False) as self.grid:
            for name in METRICS:
                self.plots[name] = gr.Plot(show_label=False, elem_classes=["live-plot"], min_width=300)
        self.table = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="live-table")
        self.found = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="live-found")
        self.shown = gr.HTML("", elem_id="live-shown")
        told: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "live", "api_visibility": "private"}
        inputs, outputs = (
            [self.span, self.by],
            [self.summary, self.policies, self.grid, *self.plots.values(), self.table],
        )
        self._read: dict[str, Any] = {"fn": self.on_read, "inputs": inputs, "outputs": outputs, **told}
        quick = told | {"show_progress": "hidden"}
        for figures in (self.summary, self.table):
            figures.click(self.on_period, inputs, [self.found, self.shown], **quick)
        self.found.click(self.on_conversation, None, [self.shown], **quick)
        for event in (self.span.input, self.by.input, self.refresh.click):
            event(**self._read, show_progress="hidden")

    def open_with(self, tab: gr.Tab) -> None:
        """Read the log whenever the tab is opened, and not before."""
        tab.select(**self._read, show_progress="minimal")

    def on_visit(self, request: gr.Request) -> Any:
        """Only authors see the tab."""
        return gr.update(visible=self.access.allowed(request))

    def on_read(self, span: str, by: str, request: gr.Request) -> Updates:
        """The figures of the log as it is now."""
        # What draws the plots is slow to import, and most visitors only chat.
        from eval.report.live import tab_plot

        self.access.check(request)
        back = SPANS.get(span)
        found = live_metrics(self.log, _since(span), _period(by))
        shown = found.total is not None
        running = self.experiment()
        standing = None if running is None else results(running, read_impressions(self.log, running.began))
        plots = {own: tab_plot(found, name) if shown else None for name, own in self.plots.items()}
        return {
            self.summary: html.summary_html(found, back is not None),
            self.policies: "" if standing is None else html.policies_html(standing),
            self.grid: gr.update(visible=shown),
            **plots,
            self.table: html.table_html(found),
        }

    def on_period(self, span: str, by: str, request: gr.Request, event: gr.EventData) -> Updates:
        """The conversations behind the figures of a period, or of all of them."""
        self.access.check(request)
        period = None if event.value == "all" else str(event.value)
        found = sessions(self.log, _since(span), _period(by), period)
        kept = {own.conversation: self.log.load_conversation(own.conversation) for own in found[: html.LISTED]}
        titles = {id: own.title for id, own in kept.items() if own is not None}
        return {self.found: html.sessions_html(found, titles), self.shown: ""}

    def on_conversation(self, request: gr.Request, event: gr.EventData) -> str:
        """One of them, as it was held."""
        self.access.check(request)
        conversation = self.log.load_conversation(str(event.value))
        return "" if conversation is None else html.conversation_html(conversation)


def _since(span: str) -> float | None:
    back = SPANS.get(span)
    return None if back is None else time.time() - back


def _period(by: str) -> Period:
    return next((own for own in PERIODS if own == by), PERIODS[1])
