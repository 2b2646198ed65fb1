"""The verb ``concierge monitor``."""

from __future__ import annotations

import datetime
import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ui.cli.terminal import ROOT, JsonOption, print_json, say, show_table, working


@ROOT.command(epilog="Example: concierge monitor news --facet tone --by topic --to alerts.jsonl")
def monitor(
    name: Annotated[str, typer.Argument(help="The name of a data set whose items have dates.")],
    facet: Annotated[
        str | None, typer.Option(help="The facet that is watched (default: the domain's).", show_default=False)
    ] = None,
    value: Annotated[
        str | None, typer.Option(help="The value whose share is watched (default: the domain's).", show_default=False)
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="A facet each of whose values is watched too (default: the domain's; '': none).", show_default=False
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="Who gets alerts: a file (JSON lines), a webhook's address or mailto:NAME@HOST (by the server in "
            "$CONCIERGE_SMTP); may be repeated."
        ),
    ] = None,
    false_alarms: Annotated[float, typer.Option(help="False alerts to bear in half a year.", min=0.001)] = 1.0,
    until: Annotated[
        str | None, typer.Option(help="The last day to judge, as 2020-02-24 (default: yesterday).", show_default=False)
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(help="Show what alerts there would have been since a day; nothing is kept.", show_default=False),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help="With --replay: a CSV file (start, end, what) to score against.", show_default=False),
    ] = None,
    plant: Annotated[
        list[str] | None,
        typer.Option(
            help="With --events: a series (all, or a topic) in which rises of 5, 10 and 20 points are planted away "
            "from them, to see how soon they are found; may be repeated."
        ),
    ] = None,
    acknowledge: Annotated[
        str | None, typer.Option(help="Note an alert as seen, by its id.", show_default=False)
    ] = None,
    mute: Annotated[
        str | None,
        typer.Option(help="Deliver nothing of a series (a topic, or all) until --until.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Watch the share of a value over time; an alert says since when it is unusual, in which topics and texts."""
    from agent.data.dataset import load_dataset
    from agent.monitor import run as runs
    from agent.monitor.counts import MonitorError, shares
    from agent.monitor.delivery import CONSOLE, check
    from agent.monitor.detector import MonitorSettings
    from agent.monitor.explanation import in_words
    from agent.monitor.trends import trends_of, watch_of
    from agent.store.alerts import AlertStore
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog
    from eval.monitor.measuring import curve, planted, quiet_days, read_events

    settings = MonitorSettings(false_alarms=false_alarms)
    since = _day(replay) if replay is not None else None
    today = datetime.date.today()
    last = _day(until) if until is not None else today - datetime.timedelta(days=1)
    for channel in to or ():
        check(channel)
    with working(f"Reading {name}"):
        watch = watch_of(load_dataset(name), facet, value, by)
    if acknowledge is not None or mute is not None:
        with FeedbackLog(store_place()) as log:
            store = AlertStore(log.engine)
            if acknowledge is not None:
                alert = store.acknowledge(acknowledge, getpass.getuser())
                say(f"{alert.id} ({alert.series}, {alert.opened}): seen by {alert.acknowledged_by}")
            if mute is not None:
                if until is None:
                    raise MonitorError("--mute needs --until: nothing is muted for ever")
                store.mute(watch.name, mute, last)
                say(f"{mute}: nothing is delivered until {last}")
        return
    with working(f"Reading {name}"):
        trends = trends_of(watch, today)
    articles, counts, left_out = trends.articles, trends.counts, trends.left_out
    document: dict[str, Any] = {
        "monitor": watch.name,
        "texts": len(articles.frame),
        "left_out": left_out,
        "examples": {reason: list(own) for reason, own in articles.audit.examples.items()},
        "series": {own.series: _plain(own) for own in shares(counts, first=counts.days - 1)},
    }
    if since is not None:
        alerts = runs.replay(watch, counts, settings, since)
        document["alerts"] = [runs.to_json(alert) for alert in alerts]
        if events is not None:
            known = read_events(events)
            points = curve(counts, known, lambda own: runs.replay(watch, counts, own, since), settings, start=since)
            document["events"] = [asdict(own) | {"start": str(own.start), "end": str(own.end)} for own in known]
            days = quiet_days(counts, known)
            for series in plant or ():
                trends.check(series)
            document["planted"] = [
                asdict(planted(counts, settings, days, series, points))
                for series in plant or ()
                for points in (0.05, 0.1, 0.2)
            ]
            document["curve"] = [{"false_alarms": budget, **own.to_json()} for budget, own in points]
        if as_json:
            return print_json(document)
        _show_left_out(document)
        for alert in alerts:
            ended = f" to {alert.closed}" if alert.closed else ", still open"
            say(f"{alert.opened}{ended}  {in_words(alert.series, alert.detail, watch.value)}")
        if "curve" in document:
            _show_curve(document)
        return
    with FeedbackLog(store_place()) as log:
        channels = [*([] if as_json else [CONSOLE]), *(to or [])]
        outcome = runs.run(
            watch, counts, settings, AlertStore(log.engine), channels,
            say, min(last, counts.date(counts.days - 1)),
        )  # fmt: skip
    document |= {
        "through": outcome.through.isoformat(),
        "late": outcome.late,
        "opened": [runs.to_json(own) for own in outcome.opened],
        "closed": [runs.to_json(own) for own in outcome.closed],
        "open": [runs.to_json(own) for own in outcome.open],
        "failures": [asdict(own) for own in outcome.failures],
    }
    if as_json:
        return print_json(document)
    _show_left_out(document)
    if outcome.late:
        say(f"late: {outcome.late:,} texts of days that were judged before; part of what is usual now")
    for failure in outcome.failures:
        say(f"not delivered to {failure.channel}: {failure.reason}; it is tried again by the next run")
    rows = [
        (series, f"{own['read']:,} texts", f"{own['share']:.0%}", f"{own['low']:.0%} to {own['high']:.0%}")
        for series, own in document["series"].items()
        if own["read"]
    ]
    show_table(("series", "last 7 days", "share", "95 %"), rows, lines=False)
    opened = ", ".join(f"{own.series} since {own.opened} [{own.id}]" for own in outcome.open)
    say(f"judged to {outcome.through}; open alerts: {opened or 'none'}")


def _day(text: str) -> datetime.date:
    from agent.monitor.counts import MonitorError

    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise MonitorError(f"{text!r} is no day: write it as 2020-02-24") from None


def _plain(own: Any) -> dict[str, Any]:
    from agent.monitor.trends import plain

    return {"read": own.read, "share": plain(own.share), "low": plain(own.low), "high": plain(own.high)}


def _show_left_out(document: dict[str, Any]) -> None:
    for reason, count in document["left_out"].items():
        example = next((f", such as {own!r}" for own in document["examples"].get(reason, ())), "")
        say(f"not scored: {count:,} {reason}{example}")


def _show_curve(document: dict[str, Any]) -> None:
    rows = []
    for point in document["curve"]:
        delays = (None if delay is None else f"{delay} days" for delay in point["delays"])
        rows.append((f"{point['false_alarms']:g}", *delays, f"{point['false_per_half_year']:.2f} ({point['false']})"))
    columns = ("budget", *(own["start"] for own in document["events"]), "false a half-year")
    show_table(columns, rows, lines=False)
    if document["planted"]:
        rows = [
            (own["series"], f"{100 * own['points']:.0f} points", f"{own['found']:.0%} of {own['plantings']}", *(
                "–" if own[name] is None else f"{own[name]:,.0f}" for name in ("texts", "days")
            ))
            for own in document["planted"]
        ]  # fmt: skip
        show_table(("planted in", "more", "found", "texts", "days"), rows, lines=False)
