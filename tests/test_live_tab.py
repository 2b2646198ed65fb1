"""The live tab: its cards, plots and table are the feedback log's figures; only authors see them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
from playwright.sync_api import Browser, expect

from agent.data.dataset import Dataset
from agent.records.impression import Impression, Outcome
from agent.store.feedback import FeedbackLog
from eval.live.figures import METRICS, live_metrics
from tests.browser import ChatServer, Visitor
from tests.feedback_writer import feedback_event
from ui.live import html
from ui.live.tab import SPANS, LiveTab

ANN, EVE = (cast(gr.Request, SimpleNamespace(username=name)) for name in ("ann", "eve"))
ALL, DAY, *_ = SPANS


def show(log: FeedbackLog, conversation: str, when: float, liked: bool) -> None:
    """One slate of three films, of which the first is liked or disliked."""
    shown = feedback_event("someone", 0)
    assert isinstance(shown, Impression)
    log.record_impression(replace(shown, id=f"shown-{conversation}", conversation_id=conversation, timestamp=when))
    told: dict[str, Any] = {"impression_id": f"shown-{conversation}", "conversation_id": conversation}
    log.record_outcome(Outcome(item_id="50", kind="liked" if liked else "disliked", timestamp=when + 30, **told))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield log


def tab(log: FeedbackLog, authors: Any = None) -> LiveTab:
    async def build() -> LiveTab:  # outside of a loop Gradio makes one for every page, and leaves it open
        with gr.Blocks():
            return LiveTab(log, authors)

    return asyncio.run(build())


def test_an_empty_log_is_said_plainly(log: FeedbackLog) -> None:
    own = tab(log)
    updates = own.on_read(ALL, "day", ANN)
    assert html.NOBODY in updates[own.summary]
    assert updates[own.grid]["visible"] is False and updates[own.table] == ""
    assert all(updates[plot] is None for plot in own.plots.values())
    show(log, "old", time.time() - 3 * 86_400, True)
    assert html.NOT_LATELY in own.on_read(DAY, "day", ANN)[own.summary]


def test_cards_plots_and_table_are_the_figures_of_the_log(log: FeedbackLog) -> None:
    now = time.time()
    for number, days in enumerate((9, 9, 3, 0)):
        show(log, f"c{number}", now - days * 86_400 - 60, liked=number != 1)
    own = tab(log)
    updates = own.on_read(ALL, "day", ANN)
    found = live_metrics(log)
    assert found.total is not None
    share = found.total.metrics["click_through_rate"]
    assert share is not None and share.mean == 3 / 12
    assert "<b>25%</b>" in updates[own.summary] and "4 conversations, 4 slates, 12 items shown" in updates[own.summary]
    for name, plot in own.plots.items():
        spec = json.loads(updates[plot].to_json())
        values = [values for values in spec["datasets"].values()] if "datasets" in spec else [spec["data"]["values"]]
        points = max(values, key=len)
        expected = [own.metrics[name] for own in found.periods]
        assert [point["mean"] for point in points] == [value.mean for value in expected if value is not None]
        assert METRICS[name] in spec["description"]
    assert updates[own.grid]["visible"] is True
    table = re.findall(r">([\d-]+)</button></th><td>(\d)</td>", updates[own.table])
    assert [count for _, count in table] == ["1", "1", "2"] and table == sorted(table, reverse=True)
    week = own.on_read("The last 7 days", "hour", ANN)
    assert "2 conversations" in week[own.summary] and "<b>33%</b>" in week[own.summary]
    assert "By hour (UTC)" in week[own.table]


def test_only_authors_read_the_log(log: FeedbackLog) -> None:
    own = tab(log, authors=["ann"])
    assert own.on_visit(ANN)["visible"] is True and own.on_visit(EVE)["visible"] is False
    assert html.NOBODY in own.on_read(ALL, "day", ANN)[own.summary]
    with pytest.raises(gr.Error, match="Only authors"):
        own.on_read(ALL, "day", EVE)


def test_the_tab_follows_the_chat(chrome: Browser, dataset: Dataset, tmp_path: Path) -> None:
    server = ChatServer(tmp_path)
    server.start()
    try:
        me = Visitor(chrome, server.url)
        page = me.page
        page.set_default_timeout(60_000)
        page.get_by_role("tab", name="Live").click()
        expect(page.locator("#live-summary")).to_contain_text("Nothing was shown yet", timeout=60_000)
        with FeedbackLog(tmp_path / "feedback.db") as log:
            for number in range(3):
                show(log, f"c{number}", time.time() - number * 86_400 - 60, liked=number != 1)
        page.locator("#live-refresh").click()
        expect(page.locator("#live-summary .live-cards li")).to_have_count(len(METRICS), timeout=60_000)
        expect(page.locator("#live-summary")).to_contain_text("3 conversations, 3 slates, 9 items shown, 3 reactions")
        plots = page.locator(".live-plot svg.marks")
        expect(plots).to_have_count(len(METRICS), timeout=60_000)
        box = plots.first.bounding_box()
        assert box is not None and box["width"] > 200, "a plot takes the width of its box"
        expect(page.locator("#live-table tbody tr")).to_have_count(3)
        page.get_by_role("tab", name="Chat").click()
        me.say("a western")
        page.get_by_role("tab", name="Live").click()
        expect(page.locator("#live-summary")).to_contain_text("4 conversations", timeout=60_000)
        page.locator("#live-table button.row").first.click()
        expect(page.locator("#live-found tbody tr")).to_have_count(2)
        page.get_by_role("button", name="Show the chat: a western").click()
        expect(page.locator("#live-shown .user.message")).to_have_text("a western")
        expect(page.locator("#live-shown li").first).to_have_text(me.titles()[0])
        page.get_by_role("button", name="Show the conversations behind these figures").click()
        expect(page.locator("#live-found tbody tr")).to_have_count(4)
        me.close()
        assert me.foreign == [] and me.errors == []
    finally:
        server.kill()
