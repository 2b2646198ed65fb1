"""Trends HTML: what is watched, alerts with their texts, the shares as a table, the texts behind one of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape

from agent.monitor.counts import ALL, Share
from agent.monitor.explanation import in_words
from agent.monitor.trends import Trends
from agent.store.alerts import Alert
from ui.chat.panel import button

LISTED = 100
"""At most so many texts, and a fifth as many alerts, are listed at once."""
READING = "Line: the share, in its 95 % interval. Dashed: what is usual. Shaded: an alert. A point shows its texts."


def name_of(series: str) -> str:
    """A series as people call it."""
    return "All texts" if series == ALL else series[:1].upper() + series[1:]


def about(own: Share) -> str:
    """One share in words: the label of its point and of its button."""
    return f"{name_of(own.series)}, {own.start} to {own.end}: {own.share:.0%} of {own.read:,}"


def value_of(trends: Trends) -> str:
    """What a text with the watched value is said to be."""
    return f"sounds {trends.watch.value}" if trends.predicted else f"is {trends.watch.value}"


def summary_html(trends: Trends) -> str:
    """What is watched, of how many texts, and what was not scored."""
    counts, watch = trends.counts, trends.watch
    whole = (
        f"The share of texts whose {escape(watch.facet)} {escape(value_of(trends))}"
        f"{f', by {escape(watch.by)}' if watch.by else ''}: {len(counts.texts):,} texts from {counts.first} to "
        f"{counts.date(counts.days - 1)}."
    )
    examples = trends.articles.audit.examples
    rows = []
    for reason, count in trends.left_out.items():
        example = "".join(f", such as “{escape(own)}”" for own in examples.get(reason, ())[:1])
        rows.append(f"<li>{count:,} {escape(reason)}{example}</li>")
    left_out = "<p class=quiet>No text was left out.</p>"
    if rows:
        head = f"Not scored: {sum(trends.left_out.values()):,} texts"
        left_out = f"<details><summary>{head}</summary><ul>{''.join(rows)}</ul></details>"
    return f"<p>{whole} {READING}</p>{left_out}"


def alerts_html(trends: Trends, alerts: Sequence[Alert], muted: Mapping[str, str]) -> str:
    """The alerts, open ones first and the latest first, each with what it says; ``muted``: series -> last muted day."""
    if not alerts:
        command = f"<code>concierge monitor {escape(trends.watch.data)}</code>"
        return f"<h2>Alerts</h2><p class=quiet>None so far. {command} judges the days that are new.</p>"
    latest = sorted(alerts, key=lambda own: (own.closed is None, own.opened), reverse=True)[: LISTED // 5]
    return f"<h2>Alerts</h2><ul class=trends-alerts>{''.join(_alert(trends, own, muted) for own in latest)}</ul>"


def _alert(trends: Trends, own: Alert, muted: Mapping[str, str]) -> str:
    head, *more = in_words(own.series, own.detail, trends.watch.value).splitlines()
    state = f"{own.opened} to {own.closed}" if own.closed else f"open since {own.opened}"
    told = [state]
    buttons = ""
    if own.acknowledged_by is not None:
        told.append(f"seen by {own.acknowledged_by}")
    else:
        buttons += button("acknowledge", own.id, "Mark as seen", f"Mark as seen: {own.series}, {own.opened}")
    if own.series in muted:
        told.append(f"muted until {muted[own.series]}")
    elif own.closed is None:
        buttons += button("mute", own.series, "Mute for 30 days", f"Mute {own.series} for 30 days")
    lines = "".join(f"<li>{escape(line.strip())}</li>" for line in more)
    return (
        f'<li class="{"closed" if own.closed else "open"}"><p><b>{escape(name_of(head))}</b></p>'
        f"<p class=quiet>{escape('; '.join(told))} {buttons}</p>"
        f"<details><summary>Which topics and texts</summary><ul>{lines}</ul></details></li>"
    )


def table_html(courses: Mapping[str, Sequence[tuple[Share, float]]]) -> str:
    """The same shares as the plots, the latest first, each a button that shows its texts."""
    spans = [own for own, _ in next(iter(courses.values()), ())]
    rows = []
    for place in reversed(range(len(spans))):
        cells = "".join(_cell(*course[place]) for course in courses.values())
        rows.append(f"<tr><th scope=row>{spans[place].start}</th>{cells}</tr>")
    head = "".join(f"<th scope=col>{escape(name_of(series))}</th>" for series in courses)
    return (
        '<details class="trends-table"><summary>As a table</summary><div class="figures">'
        f'<table aria-label="Shares"><thead><tr><th scope=col>From</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _cell(own: Share, usual: float) -> str:
    if not own.read:
        return "<td>–</td>"
    value = json.dumps([own.series, str(own.start), str(own.end)])
    beside = "" if math.isnan(usual) else f", usually {usual:.0%}"
    shown = button("texts", value, f"{own.share:.0%}", about(own), "row")
    return f"<td>{shown}<small>of {own.read:,}, {own.low:.0%} to {own.high:.0%}{beside}</small></td>"


def texts_html(trends: Trends, series: str, start: date, end: date) -> str:
    """The texts behind a point, those with the watched value first.

    Raises:
        MonitorError: there is no such series.
    """
    texts = trends.texts(series, start, end)
    rows = []
    for own in texts[:LISTED]:
        sure = f" ({own['probability']:.0%} sure)" if trends.predicted else ""
        mark = f"<b>{escape(value_of(trends))}</b>{sure}" if own["hit"] else ""
        beside = "; ".join(filter(None, (mark, escape(", ".join(own["topics"])))))
        rows.append(f"<tr><td>{own['date']}</td><td>{escape(own['text'])}<small>{beside}</small></td></tr>")
    hits = sum(own["hit"] for own in texts)
    more = f", the first {LISTED} listed" if len(texts) > LISTED else ""
    head = f"{len(texts):,} texts, {hits:,} with the value {escape(trends.watch.value)}{more}"
    return (
        f"<h2>{escape(name_of(series))}, {start} to {end}</h2><p class=quiet>{head}</p>"
        f'<div class="figures trends-found" role=region tabindex=0 aria-label="Texts"><table><tbody>{"".join(rows)}'
        "</tbody></table></div>"
    )
