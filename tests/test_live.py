"""Live metrics equal those counted by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.records.impression import Impression, Outcome
from agent.store.feedback import FeedbackLog
from eval.live.figures import METRICS, live_metrics
from eval.metrics import Interval
from tests.feedback_writer import feedback_event
from ui.cli.main import app

MONDAY = 1_767_571_200.0 + 9 * 3600  # 2026-01-05, 09:00 UTC
DAY = 86_400.0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    """Monday: "a" (two slates, two clicks on the first, one taken back) and "b" (one slate); Wednesday: "c"."""
    shown = feedback_event("someone", 0)
    assert isinstance(shown, Impression)

    def show(id: str, conversation: str, time: float) -> None:
        opened.record_impression(replace(shown, id=id, conversation_id=conversation, timestamp=time))

    def react(of: str, conversation: str, item: str, kind: str, time: float, value: float | None = None) -> None:
        fields = {"impression_id": of, "conversation_id": conversation, "item_id": item, "kind": kind}
        opened.record_outcome(Outcome(**fields, value=value, timestamp=time))  # type: ignore[arg-type]

    with FeedbackLog(tmp_path / "feedback.db") as opened:
        show("a1", "a", MONDAY)
        react("a1", "a", "50", "liked", MONDAY + 60)
        react("a1", "a", "181", "rated", MONDAY + 90, 5.0)
        react("a1", "a", "1", "disliked", MONDAY + 100)
        show("b1", "b", MONDAY + 120)
        show("a2", "a", MONDAY + 180)
        react("a1", "a", "181", "removed", MONDAY + 300)
        show("c1", "c", MONDAY + 2 * DAY)
        react("c1", "c", "50", "clicked", MONDAY + 2 * DAY + 30)
        opened.record_outcome(Outcome(conversation_id="c", item_id="7", kind="liked"))
        yield opened


def test_figures_are_those_counted_by_hand(log: FeedbackLog) -> None:
    found = live_metrics(log)
    assert [figures.start for figures in found.periods] == ["2026-01-05T00:00:00+00:00", "2026-01-07T00:00:00+00:00"]
    monday, wednesday = found.periods
    assert (monday.conversations, monday.slates, monday.items, monday.reactions) == (2, 3, 9, 4)

    def means(metrics: dict[str, Interval | None]) -> dict[str, float | None]:
        return {name: None if value is None else round(value.mean, 6) for name, value in metrics.items()}

    assert means(dict(monday.metrics)) == {
        "click_through_rate": round(1 / 9, 6),
        "slate_conversion": round(1 / 3, 6),
        "conversion": 0.5,
        "satisfaction": 0.5,
        "session_length": 1.5,
        "session_minutes": 2.5,
    }
    assert means(dict(wednesday.metrics))["satisfaction"] is None, "nobody gave an opinion"
    assert means(dict(wednesday.metrics))["click_through_rate"] == round(1 / 3, 6)
    assert found.total is not None
    assert means(dict(found.total.metrics))["click_through_rate"] == round(2 / 12, 6)
    for value in found.total.metrics.values():
        assert value is not None and value.low <= value.mean <= value.high


def test_periods_and_a_beginning(log: FeedbackLog) -> None:
    assert [f.start[:10] for f in live_metrics(log, by="week").periods] == ["2026-01-05"]
    assert [f.start[:16] for f in live_metrics(log, by="hour").periods] == ["2026-01-05T09:00", "2026-01-07T09:00"]
    late = live_metrics(log, since=MONDAY + DAY)
    assert [f.conversations for f in late.periods] == [1]
    assert live_metrics(log, since=MONDAY + 9 * DAY).total is None
    with pytest.raises(ValueError, match="unknown period 'year'"):
        live_metrics(log, by="year")  # type: ignore[arg-type]


def test_the_verb_prints_the_same(log: FeedbackLog, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["eval", "live", str(log.path), "--by", "week", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert set(told["about"]) == set(METRICS)
    assert told["total"] == json.loads(json.dumps(live_metrics(log, by="week").to_json()["total"]))
    shown = CliRunner().invoke(app, ["eval", "live", str(log.path), "--since", "2026-01-06"])
    assert "2026-01-07" in shown.output and "2026-01-05" not in shown.output
    nothing = CliRunner().invoke(app, ["eval", "live", str(tmp_path / "none.db")])
    assert nothing.exit_code == 2 and "chat first with" in nothing.output
