"""Explanation of an alert: since when, how far from usual, which topics and which texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from agent.monitor.counts import ALL, DailyCounts, wilson
from agent.monitor.detector import Change, MonitorSettings, baseline, log_factor

LOOKED_BACK = 45
"""Days within which the begin of a rise is sought."""


def explain(counts: DailyCounts, change: Change, settings: MonitorSettings, texts: int = 5) -> dict[str, Any]:
    """What there is to say of the begin of an alert, as plain data.

    ``since`` is the day after which the likelihood of a rise grew most; from it to the day of the alert, ``read``,
    ``hits`` and ``share`` (with a Wilson interval) stand against ``usual``, the expected share. ``topics`` are those
    with the most hits beyond the usual, each with its own figures; ``texts`` are the texts of these topics (of all,
    where there are none) with the value at the highest probability.
    """
    days = list(range(max(0, change.day - LOOKED_BACK), change.day + 1))
    expected = np.stack(
        [baseline(counts.read, counts.hits, day, counts.first.weekday(), settings)[0] for day in days], axis=1
    )  # (S, days)
    row = counts.series.index(change.series)
    start = _begin(counts, row, days, expected[row], settings)
    span = slice(start, change.day + 1)
    usual = expected[:, start - days[0] :]
    read, hits = counts.read[:, span], counts.hits[:, span]
    excess = (hits - read * usual).sum(axis=1)
    others = [own for own in range(len(counts.series)) if counts.series[own] not in (ALL, change.series)]
    others = sorted((own for own in others if excess[own] >= 1), key=lambda own: -excess[own])[:3]
    if change.series != ALL:
        others = []
    figures = [_figures(read[own], hits[own], usual[own]) | {"topic": counts.series[own]} for own in others]
    return {
        "since": counts.date(start).isoformat(),
        "value": round(change.value, 1),
        "threshold": round(settings.threshold(change.series, len(counts.series)), 1),
        **_figures(read[row], hits[row], usual[row]),
        "topics": figures,
        "texts": _headlines(counts, change, start, [counts.series[own] for own in others], texts),
    }


def in_words(series: str, detail: Mapping[str, Any], value: str, opened: bool = True) -> str:
    """An alert in a few lines for people."""
    whole = "all texts" if series == ALL else series
    if not opened:
        return f"{whole}: the share of {value} is as usual again"
    low, high = detail["interval"]
    lines = [
        f"{whole}: {detail['share']:.0%} {value} since {detail['since']} ({detail['hits']} of {detail['read']}, "
        f"{low:.0%} to {high:.0%}), usually {detail['usual']:.0%}"
    ]
    lines += [
        f"  {own['topic']}: {own['share']:.0%} ({own['hits']} of {own['read']}), usually {own['usual']:.0%}"
        for own in detail["topics"]
    ]
    lines += [f"  {own['date']}  {own['text']}" for own in detail["texts"]]
    return "\n".join(lines)


def _begin(counts: DailyCounts, row: int, days: list[int], expected: np.ndarray, settings: MonitorSettings) -> int:
    """The day from which on the likelihood ratio is highest (Page's estimate of the change point)."""
    best, begin = -np.inf, days[-1]
    for column, _ratio in enumerate(settings.ratios):
        gains = [
            log_factor(int(counts.hits[row, day]), int(counts.read[row, day]), float(p), settings.ratios)[column]
            for day, p in zip(days, expected, strict=True)
        ]
        ahead = np.cumsum(gains[::-1])[::-1]  # of all days from each one on
        if ahead.max() > best:
            best, begin = float(ahead.max()), days[int(ahead.argmax())]
    return begin


def _figures(read: np.ndarray, hits: np.ndarray, usual: np.ndarray) -> dict[str, Any]:
    total = int(read.sum())
    share, low, high = wilson(int(hits.sum()), total)
    return {
        "read": total,
        "hits": int(hits.sum()),
        "share": round(share, 4),
        "interval": [round(low, 4), round(high, 4)],
        "usual": round(float((read * usual).sum() / max(total, 1)), 4),
    }


def _headlines(counts: DailyCounts, change: Change, start: int, topics: list[str], most: int) -> list[dict[str, Any]]:
    frame = counts.of_days(change.series, start, change.day)
    frame = frame[frame["hit"]]
    if topics:
        frame = frame[[bool(set(topics) & set(own)) for own in frame["topics"]]]
    frame = frame.sort_values("probability", ascending=False, kind="stable").drop_duplicates("text").head(most)
    return [
        {"date": date.isoformat(), "text": text, "probability": round(float(probability), 3)}
        for date, text, probability in zip(frame["date"], frame["text"], frame["probability"], strict=True)
    ]
