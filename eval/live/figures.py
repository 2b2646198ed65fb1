"""Live metrics: what people did with what the chat showed, over time, from the feedback log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import numpy as np

from agent.records.impression import Impression, Outcome, verdict
from agent.store.feedback import FeedbackLog
from eval.metrics import Interval
from eval.off_policy.estimators import Terms
from eval.off_policy.intervals import Resampling

Period = Literal["hour", "day", "week"]
PERIODS: tuple[Period, ...] = get_args(Period)

METRICS: Mapping[str, str] = {
    "click_through_rate": "shown items that were clicked, liked or graded 4 or more",
    "slate_conversion": "slates with at least one such item",
    "conversion": "conversations with at least one such item",
    "satisfaction": "opinions that are favourable (a grade of 4 or more; a like is 5, a dislike 1)",
    "session_length": "slates a conversation",
    "session_minutes": "minutes from the first slate to the last slate or reaction of a conversation",
}
"""What each figure is; all but the last two are shares."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one period, UTC, beginning at ``start`` (ISO 8601); None where nothing was there to be counted.

    A conversation counts whole in the period of its first slate. Intervals (95 %) draw whole conversations.
    """

    start: str
    conversations: int
    slates: int
    items: int
    reactions: int
    metrics: Mapping[str, Interval | None]


@dataclass(frozen=True, slots=True)
class LiveMetrics:
    """Figures over all of the log, and by period in the order of time; periods without a slate are left out."""

    by: Period
    total: Figures | None
    periods: tuple[Figures, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation's counts; ``start`` and ``end`` in seconds since 1970, ``converted`` are slates with a click."""

    conversation: str
    start: float
    end: float
    slates: int
    items: int
    clicks: int
    converted: int
    opinions: int
    favourable: int
    reactions: int


def live_metrics(log: FeedbackLog, since: float | None = None, by: Period = "day", seed: int = 0) -> LiveMetrics:
    """Click-through rate, conversion, satisfaction and session length, in all and by period.

    Reactions are read as :func:`agent.records.impression.verdict` does: the last word on an item stands, and what was
    taken back does not count. Reactions to items that no slate showed are left out. With ``since`` (seconds since 1970)
    conversations whose first slate is older are left out.

    Raises:
        ValueError: an unknown period.
    """
    if by not in PERIODS:
        raise ValueError(f"unknown period {by!r}: use one of {', '.join(PERIODS)}")
    sessions = [s for s in _sessions(log) if since is None or s.start >= since]
    starts: dict[datetime, list[Session]] = {}
    for session in sessions:
        starts.setdefault(_start(session.start, by), []).append(session)
    periods = tuple(_figures(start, starts[start], seed) for start in sorted(starts))
    return LiveMetrics(by, _figures(min(starts), sessions, seed) if starts else None, periods)


def sessions(log: FeedbackLog, since: float | None, by: Period, period: str | None = None) -> list[Session]:
    """The conversations behind the figures, the latest first.

    ``period`` is the :attr:`Figures.start` of one (None: all).

    Raises:
        ValueError: an unknown period.
    """
    if by not in PERIODS:
        raise ValueError(f"unknown period {by!r}: use one of {', '.join(PERIODS)}")
    found = [own for own in _sessions(log) if since is None or own.start >= since]
    kept = [own for own in found if period is None or _start(own.start, by).isoformat() == period]
    return sorted(kept, key=lambda own: -own.start)


def _sessions(log: FeedbackLog) -> list[Session]:
    impressions: dict[str, list[Impression]] = {}
    for impression in log.impressions():
        impressions.setdefault(impression.conversation_id, []).append(impression)
    outcomes: dict[str, list[Outcome]] = {}
    for outcome in log.outcomes():
        if outcome.impression_id is not None:
            outcomes.setdefault(outcome.impression_id, []).append(outcome)
    return [_session(own, outcomes) for own in impressions.values()]


def _session(impressions: Sequence[Impression], outcomes: Mapping[str, Sequence[Outcome]]) -> Session:
    clicks = converted = opinions = favourable = reactions = items = 0
    times = [impression.timestamp for impression in impressions]
    for impression in impressions:
        own = outcomes.get(impression.id, ())
        times += [outcome.timestamp for outcome in own]
        verdicts = [verdict(o for o in own if o.item_id == item) for item in impression.slate]
        clicked = sum(v.clicked for v in verdicts)
        stars = [v.stars for v in verdicts if v.stars is not None]
        clicks += clicked
        converted += clicked > 0
        opinions += len(stars)
        favourable += sum(v.clicked for v in verdicts if v.stars is not None)
        reactions += len(own)
        items += len(impression.slate)
    start = min(impression.timestamp for impression in impressions)
    return Session(
        impressions[0].conversation_id,
        start,
        max(times),
        len(impressions),
        items,
        clicks,
        converted,
        opinions,
        favourable,
        reactions,
    )


_PARTS: Mapping[str, tuple[Callable[[Session], float], Callable[[Session], float]]] = {
    "click_through_rate": (lambda s: s.clicks, lambda s: s.items),
    "slate_conversion": (lambda s: s.converted, lambda s: s.slates),
    "conversion": (lambda s: s.converted > 0, lambda s: 1),
    "satisfaction": (lambda s: s.favourable, lambda s: s.opinions),
    "session_length": (lambda s: s.slates, lambda s: 1),
    "session_minutes": (lambda s: (s.end - s.start) / 60, lambda s: 1),
}
"""Each figure as a ratio of sums over conversations."""


def _figures(start: datetime, sessions: Sequence[Session], seed: int) -> Figures:
    resampling = Resampling.draw(np.arange(len(sessions)), seed=seed)
    metrics: dict[str, Interval | None] = {}
    for name, (above, below) in _PARTS.items():
        num = np.array([[above(s)] for s in sessions], dtype=np.float64)
        den = np.array([[below(s)] for s in sessions], dtype=np.float64)
        metrics[name] = resampling.interval(Terms(num, den), method="percentile") if den.sum() else None
    return Figures(
        start=start.isoformat(),
        conversations=len(sessions),
        slates=sum(s.slates for s in sessions),
        items=sum(s.items for s in sessions),
        reactions=sum(s.reactions for s in sessions),
        metrics=metrics,
    )


def _start(timestamp: float, by: Period) -> datetime:
    moment = datetime.fromtimestamp(timestamp, UTC).replace(minute=0, second=0, microsecond=0)
    if by == "hour":
        return moment
    day = moment.replace(hour=0)
    return day - timedelta(days=day.weekday()) if by == "week" else day
