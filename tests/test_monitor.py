"""The monitor: intervals, the baseline, the detector's promise, alerts kept once, delivered once, explained."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from aiosmtpd.controller import Controller
from typer.testing import CliRunner

from agent.monitor.counts import ALL, DailyCounts, MonitorError, shares, wilson
from agent.monitor.delivery import CONSOLE, check
from agent.monitor.detector import Detectors, MonitorSettings, baseline
from agent.monitor.explanation import in_words
from agent.monitor.run import Watch, replay, run
from agent.store.alerts import AlertError, AlertStore
from agent.store.feedback import FeedbackLog
from eval.monitor.measuring import Event, planted, read_events, score
from tests.browser import free_port
from tests.wire import FIRST, imported_wire, news
from ui.cli.main import app

WATCH = Watch("news", "tone", "negative", "topic")
SETTINGS = MonitorSettings()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    with FeedbackLog(tmp_path / "log.sqlite") as log:
        yield AlertStore(log.engine)


@pytest.fixture(scope="module")
def risen() -> DailyCounts:
    return DailyCounts.of(news(rise=(150, 175)))


def test_texts_are_counted_by_day_and_topic() -> None:
    counts = DailyCounts.of(news(days=3, a_day=4), fewest=5)
    assert counts.series == (ALL, "oil", "rates")
    assert counts.read.tolist() == [[4, 4, 4], [2, 2, 2], [2, 2, 2]]
    assert counts.hits[0].sum() == counts.hits[1:].sum()
    assert DailyCounts.of(news(days=3, a_day=4), fewest=7).series == (ALL,)
    with pytest.raises(MonitorError, match="no dated texts"):
        DailyCounts.of(news(days=0))


def test_few_texts_make_wide_intervals() -> None:
    few, many = wilson(1, 4), wilson(250, 1000)
    assert few[0] == many[0] == 0.25
    assert few[1] < 0.06 and few[2] > 0.69
    assert many[2] - many[1] < 0.06
    assert (wilson(0, 3)[1], wilson(3, 3)[2]) == (0.0, 1.0)
    assert wilson(0, 0)[2] == 1.0


def test_shares_end_with_the_last_day(risen: DailyCounts) -> None:
    found = shares(risen, days=7, series=["oil"])
    assert found[-1].start == risen.date(risen.days - 7)
    assert sum(own.read for own in found) == risen.read[1].sum()


def test_the_baseline_follows_the_week() -> None:
    read = np.full((1, 400), 50)
    weekday = np.arange(400) % 7
    hits = np.where(weekday == 6, 25, 10)[None]
    usual = [baseline(read, hits, day, FIRST.weekday(), SETTINGS)[0][0] for day in range(390, 397)]
    assert usual[(6 - 390) % 7] > 0.4
    assert max(np.delete(usual, (6 - 390) % 7)) < 0.25


def test_the_baseline_follows_the_season() -> None:
    read = np.full((1, 800), 50)
    day = np.arange(800)
    hits = np.where(np.abs((day % 365) - 100) < 20, 25, 10)[None]
    in_season = baseline(read, hits, 365 + 365 + 95 - 30, FIRST.weekday(), SETTINGS)[0][0]
    assert baseline(read[:, :790], hits[:, :790], 365 + 100, FIRST.weekday(), SETTINGS)[0][0] > 0.24
    assert in_season < 0.24


def test_the_baseline_does_not_know_the_last_days(risen: DailyCounts) -> None:
    changed = risen.hits.copy()
    changed[:, 150 - SETTINGS.lag :] = risen.read[:, 150 - SETTINGS.lag :]
    weekday = FIRST.weekday()
    before, after = (baseline(risen.read, own, 150, weekday, SETTINGS)[0] for own in (risen.hits, changed))
    assert np.array_equal(before, after)


def test_a_rise_is_found_in_its_topic_and_ends() -> None:
    alerts = replay(WATCH, DailyCounts.of(news(rise=(150, 175))), SETTINGS)
    oil = [alert for alert in alerts if alert.series == "oil"]
    assert len(oil) == 1
    assert 150 <= (oil[0].opened - FIRST).days <= 156
    assert oil[0].closed is not None and 175 <= (oil[0].closed - FIRST).days <= 195
    assert not [alert for alert in alerts if alert.series == "rates"]


def test_false_alerts_keep_to_their_number() -> None:
    counts = [DailyCounts.of(news(days=365, seed=seed)) for seed in range(6)]
    found = sum(len(replay(WATCH, own, SETTINGS)) for own in counts)
    assert found <= 2 * 6 * SETTINGS.false_alarms


def test_an_explanation_names_topics_and_texts(risen: DailyCounts) -> None:
    alert = next(own for own in replay(WATCH, risen, SETTINGS) if own.series == ALL)
    assert [topic["topic"] for topic in alert.detail["topics"]] == ["oil"]
    assert all(own["text"].startswith("oil") for own in alert.detail["texts"])
    low, high = alert.detail["interval"]
    assert low < alert.detail["share"] < high and alert.detail["share"] > alert.detail["usual"]
    assert abs((datetime.date.fromisoformat(alert.detail["since"]) - FIRST).days - 150) <= 7
    assert "oil" in in_words(alert.series, alert.detail, "negative")


def test_days_judged_one_by_one_give_what_one_run_gives(store: AlertStore) -> None:
    counts, said = DailyCounts.of(news(rise=(150, 175))), list[str]()
    for day in range(140, 200, 3):
        run(WATCH, counts, SETTINGS, store, [CONSOLE], said.append, counts.date(day))
    run(WATCH, counts, SETTINGS, store, [CONSOLE], said.append)
    at_once = replay(WATCH, counts, SETTINGS)
    assert {own.id: own.closed for own in store.alerts(WATCH.name)} == {own.id: own.closed for own in at_once}
    assert len(said) == sum(1 + (own.closed is not None) for own in at_once)
    again = run(WATCH, counts, SETTINGS, store, [CONSOLE], said.append)
    assert not again.opened and len(said) == sum(1 + (own.closed is not None) for own in at_once)


def test_older_texts_that_come_later_do_not_shift_the_days(store: AlertStore) -> None:
    frame = news(rise=(150, 175))
    run(WATCH, DailyCounts.of(frame), SETTINGS, store, [], print, FIRST + datetime.timedelta(days=160))
    older = frame.head(30).assign(date=FIRST - datetime.timedelta(days=10))
    more = DailyCounts.of(pd.concat([frame, older], ignore_index=True))
    outcome = run(WATCH, more, SETTINGS, store, [], print)
    assert outcome.late == 30
    assert outcome.through == FIRST + datetime.timedelta(days=199)
    assert len([own for own in store.alerts(WATCH.name) if own.series == "oil"]) == 1


def test_a_run_that_was_overtaken_keeps_nothing(store: AlertStore, risen: DailyCounts) -> None:
    run(WATCH, risen, SETTINGS, store, [], print, risen.date(100))
    with pytest.raises(AlertError, match="faster"):
        store.commit(WATCH.name, {}, {"through": "2020-01-01"}, {"through": "2020-02-01"}, [], [])


def test_other_settings_begin_anew(store: AlertStore, risen: DailyCounts) -> None:
    run(WATCH, risen, SETTINGS, store, [], print, risen.date(100))
    outcome = run(WATCH, risen, replace(SETTINGS, false_alarms=0.5), store, [], print)
    assert outcome.opened and outcome.late == 0


def test_a_file_gets_every_alert_once_even_after_a_crash(store: AlertStore, risen: DailyCounts, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    run(WATCH, risen, SETTINGS, store, [str(file)], print, risen.date(160))
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines) + '\n{"id": "half')
    run(WATCH, risen, SETTINGS, store, [str(file)], print)
    events = [(own["id"], own["event"]) for own in map(json.loads, file.read_text().splitlines())]
    assert len(events) == len(set(events)) > len(lines)
    assert {event for _, event in events} == {"opened", "closed"}


def test_a_webhook_that_fails_is_tried_again_in_order(
    store: AlertStore, risen: DailyCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append((self.headers["Idempotency-Key"], body))
            self.send_response(500 if len(received) == 1 else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/alerts"
    first = run(WATCH, risen, SETTINGS, store, [address], print, risen.date(160))
    assert [own.channel for own in first.failures] == [address]
    assert len(received) == 1
    second = run(WATCH, risen, SETTINGS, store, [address], print)
    server.shutdown()
    server.server_close()
    assert not second.failures and received[1][0] == received[0][0]
    keys = [key for key, _ in received[1:]]
    assert len(keys) == len(set(keys))
    assert keys[0].removesuffix("-opened") == received[1][1]["id"]


def test_a_webhook_that_is_not_there_does_not_stop_the_others(
    store: AlertStore, risen: DailyCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx, "post", refuse)
    said: list[str] = []
    outcome = run(WATCH, risen, SETTINGS, store, ["https://x.invalid", CONSOLE], said.append)
    assert outcome.failures[0].reason == "refused"
    assert said


class Mailbox:
    """A mail server's handler that keeps what comes; the first mail is refused."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refused = False

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        if not self.refused:
            self.refused = True
            return "451 try again later"
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


def test_mail_is_sent_once_and_what_was_refused_by_the_next_run(
    store: AlertStore, risen: DailyCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        monkeypatch.setenv("CONCIERGE_SMTP", f"smtp://127.0.0.1:{server.port}")
        monkeypatch.setenv("CONCIERGE_MAIL_FROM", "watch@example.org")
        first = run(WATCH, risen, SETTINGS, store, ["mailto:desk@example.org"], print, risen.date(160))
        assert [own.channel for own in first.failures] == ["mailto:desk@example.org"] and not box.mails
        for _ in range(2):
            assert not run(WATCH, risen, SETTINGS, store, ["mailto:desk@example.org"], print).failures
    finally:
        server.stop()
    ids = [mail["Message-ID"] for mail in box.mails]
    assert len(ids) == len(set(ids)) == sum(1 + (own.closed is not None) for own in store.alerts(WATCH.name))
    opened = next(mail for mail in box.mails if "oil" in mail["Subject"])
    assert (opened["To"], opened["From"]) == ("desk@example.org", "watch@example.org")
    assert "oil" in opened.get_content() and "usually" in opened.get_content()


@pytest.mark.parametrize(
    ("channel", "server", "said"),
    [("mailto:desk", "smtp://x", "names nobody"), ("mailto:a@b", "", "CONCIERGE_SMTP"), ("https://", "", "no host")],
)
def test_a_channel_that_can_deliver_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, channel: str, server: str, said: str
) -> None:
    monkeypatch.setenv("CONCIERGE_SMTP", server)
    with pytest.raises(MonitorError, match=said):
        check(channel)


def test_muted_series_are_kept_and_not_delivered(store: AlertStore, risen: DailyCounts) -> None:
    run(WATCH, risen, SETTINGS, store, [], print, risen.date(100))
    store.mute(WATCH.name, "oil", risen.date(170))
    said: list[str] = []
    run(WATCH, risen, SETTINGS, store, [CONSOLE], said.append, risen.date(170))
    assert "oil" in {own.series for own in store.alerts(WATCH.name)}
    assert not [line for line in said if "] oil:" in line]


def test_an_alert_is_acknowledged_once(store: AlertStore, risen: DailyCounts) -> None:
    run(WATCH, risen, SETTINGS, store, [], print)
    id = store.alerts()[0].id
    first = store.acknowledge(id, "ann")
    assert store.acknowledge(id, "bob").acknowledged_by == first.acknowledged_by == "ann"
    with pytest.raises(AlertError, match="no alert 'x'"):
        store.acknowledge("x", "ann")


def test_scores_count_delay_and_false_alerts(risen: DailyCounts) -> None:
    alerts = replay(WATCH, risen, SETTINGS)
    rise = Event(risen.date(150), risen.date(175), "oil")
    found = score(alerts, [rise], risen.first, risen.date(199))
    assert found.false == 0 and found.delays[0] is not None and found.delays[0] <= 6
    other = Event(risen.date(20), risen.date(30), "nothing")
    assert score(alerts, [other], risen.first, risen.date(199)).delays == (None,)
    assert score(alerts, [other], risen.first, risen.date(199)).false == 1


def test_planted_rises_are_found_sooner_when_they_are_larger() -> None:
    counts = DailyCounts.of(news(days=300))
    starts = range(100, 230, 20)
    small, large = (planted(counts, SETTINGS, starts, "oil", points) for points in (0.1, 0.3))
    assert large.found == 1.0
    assert large.texts is not None and (small.texts is None or large.texts < small.texts)


def test_events_are_read_from_a_table(tmp_path: Path) -> None:
    shipped = read_events(Path("eval/monitor/falls.csv"))
    assert [own.start.year for own in shipped] == [2018, 2018, 2020]
    (tmp_path / "bad.csv").write_text("start,end\n2018-13-01,2018-01-01\n")
    with pytest.raises(MonitorError, match=r"bad\.csv holds no events"):
        read_events(tmp_path / "bad.csv")


def test_the_detectors_state_survives_json(risen: DailyCounts) -> None:
    detectors = Detectors(SETTINGS)
    detectors.advance(risen, 160)
    again = Detectors.from_json(json.loads(json.dumps(detectors.to_json(risen))), SETTINGS, risen)
    assert again.advance(risen) == detectors.advance(risen)


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path / "home"))
    return imported_wire(tmp_path)


def test_the_verb_watches_a_data_set_and_goes_on_where_it_was(wire: str, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    line = ["monitor", wire, "--by", "topic", "--to", str(file), "--json"]
    first = json.loads(CliRunner().invoke(app, [*line, "--until", "2020-06-10"]).stdout)
    assert first["through"] == "2020-06-10"
    assert {own["series"] for own in first["open"]} == {"all", "oil"}
    assert (first["left_out"]["undated"], first["left_out"]["future-dated"]) == (1, 1)
    second = json.loads(CliRunner().invoke(app, line).stdout)
    assert not second["opened"] and {own["series"] for own in second["closed"]} == {"all", "oil"}
    assert len(file.read_text().splitlines()) == 4
    seen = CliRunner().invoke(app, ["monitor", wire, "--by", "topic", "--acknowledge", first["open"][0]["id"]])
    assert seen.exit_code == 0 and "seen by" in seen.stdout
    muted = CliRunner().invoke(app, ["monitor", wire, "--by", "topic", "--mute", "oil"])
    assert muted.exit_code == 2 and "--until" in muted.stderr


def test_the_verb_replays_the_past_and_keeps_nothing(wire: str, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("start,end,what\n2020-06-04,2020-06-29,oil\n")
    line = ["monitor", wire, "--by", "topic", "--replay", "2020-03-01", "--json"]
    asked = [*line, "--events", str(tmp_path / "events.csv"), "--plant", "oil"]
    found = json.loads(CliRunner().invoke(app, asked).stdout)
    assert [own["points"] for own in found["planted"]] == [0.05, 0.1, 0.2]
    assert {own["series"] for own in found["alerts"]} == {"all", "oil"}
    at_one = next(point for point in found["curve"] if point["false_alarms"] == 1.0)
    assert at_one["false"] == 0 and at_one["delays"][0] <= 6
    assert not (tmp_path / "home" / "feedback.db").exists()
    shown = CliRunner().invoke(app, line[:-1])
    assert shown.exit_code == 0 and "oil" in shown.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--facet", "mood"], "Give --facet and --value"),
        (["--facet", "mood", "--value", "dark"], "no facet 'mood'"),
        (["--value", "gloomy"], "there are negative, neutral"),
        (["--replay", "May"], "write it as 2020-02-24"),
    ],
)
def test_what_cannot_be_watched_is_said(wire: str, flags: list[str], said: str) -> None:
    outcome = CliRunner().invoke(app, ["monitor", wire, *flags])
    assert outcome.exit_code == 2 and said in outcome.stderr
