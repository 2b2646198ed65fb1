"""Trends: shares and what is usual, over HTTP and in the page; alerts seen and muted; the texts behind points."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import data_dir
from agent.data.dataset import Dataset, load_dataset
from agent.monitor.counts import MonitorError
from agent.monitor.detector import MonitorSettings
from agent.monitor.run import run
from agent.monitor.trends import trends_of, watched
from agent.policy.distribution import Policy
from agent.recommender import Recommender
from agent.records.state import Event
from agent.store.alerts import AlertStore
from agent.store.feedback import FeedbackLog
from tests.browser import Visitor, free_port
from tests.own_cache import own_cache
from tests.service_app import Running, serving
from tests.wire import FIRST, imported_wire
from ui.app import build_app, launch
from ui.cli.main import app

WATCHED = "wire: tone=negative by topic"


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    """The wire, judged up to a day within its rise: the alerts of all texts and of oil are open."""
    folder = tmp_path_factory.mktemp("wire")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(own_cache(folder / "cache")))
        patch.setenv("CONCIERGE_HOME", str(folder / "home"))
        imported_wire(folder, a_day=12)
        outcome = CliRunner().invoke(app, ["monitor", "wire", "--until", "2020-06-16"])
        assert outcome.exit_code == 0, outcome.output
        yield load_dataset("wire")


class Nothing:
    """Features that tell no item from another."""

    def __init__(self, items: int) -> None:
        self.items = items

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, C, 1) zeros."""
        width = self.items if candidates is None else candidates.shape[1]
        return np.zeros((len(histories), width, 1), np.float32)


def unfitted(dataset: Dataset) -> Recommender:
    """A recommender whose policy needs no fitting."""
    catalogue = Catalogue(dataset)
    weights = {goal: np.zeros(1, np.float32) for goal in ("next", "like", "request")}
    return Recommender(catalogue, Policy(Nothing(len(catalogue)), weights), {})


@pytest.fixture(scope="module")
def reader(wire: Dataset) -> Recommender:
    return unfitted(wire)


@pytest.fixture(scope="module")
def running(reader: Recommender) -> Iterator[Running]:
    with serving(reader, data_dir()) as own:
        yield own


def test_only_data_that_have_it_are_watched(wire: Dataset, dataset: Dataset) -> None:
    watch = watched(Catalogue(wire))
    assert watch is not None and watch.name == WATCHED
    assert watched(Catalogue(dataset)) is None


def test_a_course_has_what_is_usual_and_its_texts(wire: Dataset) -> None:
    watch = watched(Catalogue(wire))
    assert watch is not None
    trends = trends_of(watch)
    course = trends.course("oil", 7, FIRST + datetime.timedelta(days=60))
    assert all(own.low <= own.share <= own.high for own, _ in course)
    risen = [own for own, usual in course if own.share > usual + 0.2]
    assert risen and all((own.end - FIRST).days >= 150 and (own.start - FIRST).days < 175 for own in risen)
    texts = trends.texts("oil", risen[0].start, risen[0].end)
    assert len(texts) == risen[0].read and all(own["topics"] == ["oil"] for own in texts)
    assert [own["hit"] for own in texts] == sorted((own["hit"] for own in texts), reverse=True)
    assert trends.left_out == {"undated": 1, "future-dated": 1}
    with pytest.raises(MonitorError, match="no series 'gold': there are all, oil, rates"):
        trends.course("gold")


def test_trends_over_http(running: Running) -> None:
    own = running.http.get("/v1/trends", params={"series": "oil", "since": "2020-06-01", "texts": "2020-06-10"}).json()
    assert own["monitor"] == WATCHED and own["predicted"] is False and own["series"] == ["all", "oil", "rates"]
    assert max(point["share"] - point["usual"] for point in own["points"]) > 0.2
    assert {alert["series"] for alert in own["alerts"]} == {"all", "oil"}
    assert {text["date"] for text in own["texts"]} == {"2020-06-10"}
    assert own["left_out"] == {"undated": 1, "future-dated": 1}
    for query in ({"series": "gold"}, {"texts": "May"}, {"days": 0}):
        assert running.http.get("/v1/trends", params=query).json()["type"].endswith("invalid-request")
    secret, _ = running.keys.create("shop", ["recommend"])
    assert running.remote().get("/v1/trends", headers={"Authorization": f"Bearer {secret}"}).status_code == 403


def test_open_alerts_are_a_metric_until_they_are_seen(running: Running) -> None:
    line = f'concierge_open_alerts{{monitor="{WATCHED}",series="oil"}} 1.0'
    assert line in running.http.get("/metrics").text
    oil = next(own for own in AlertStore(running.log.engine).alerts() if own.series == "oil")
    AlertStore(running.log.engine).acknowledge(oil.id, "ann")
    assert line not in running.http.get("/metrics").text


def test_a_catalogue_without_trends_says_so(dataset: Dataset, tmp_path: Path) -> None:
    with serving(unfitted(dataset), tmp_path) as own:
        assert own.http.get("/v1/trends").json()["type"].endswith("not-found")


def test_a_click_on_a_point_shows_its_texts(reader: Recommender, chrome: Browser, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        watch = watched(reader.catalogue)
        assert watch is not None
        counts = trends_of(watch).counts
        run(watch, counts, MonitorSettings(), AlertStore(log.engine), [], print, datetime.date(2020, 6, 16))
        page_app = build_app(reader, log)
        me = Visitor(chrome, launch(page_app, reader, port=free_port()).rstrip("/"))
        try:
            page = me.page
            page.get_by_role("tab", name="Trends").click()
            expect(page.locator(".trends-plot svg.marks")).to_have_count(3, timeout=60_000)
            expect(page.locator("#trends-summary")).to_contain_text("Not scored: 2 texts")
            point = page.locator(".trends-plot").nth(1).locator('svg [aria-roledescription="point"]').last
            point.click(force=True)
            expect(page.locator("#trends-texts h2")).to_contain_text("Oil, ")
            expect(page.locator("#trends-texts tr").first).to_contain_text("oil in ")
            assert page.locator(f'#trends-table [title="{point.get_attribute("aria-label")}"]').count() == 1
            expect(page.locator("#trends-alerts li.open")).to_have_count(2)
            page.get_by_role("button", name="Mark as seen: oil").click()
            expect(page.locator("#trends-alerts")).to_contain_text("seen by ")
            page.get_by_role("button", name="Mute all for 30 days").click()
            expect(page.locator("#trends-alerts")).to_contain_text("muted until ")
            assert me.foreign == [] and me.errors == []
        finally:
            me.close()
            page_app.close()
