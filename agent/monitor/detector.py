"""Detector: when has the share of texts with a value risen above what is usual for the season and the day of the week?

Each series has a baseline, the share to be expected on a day, from the days before; and an e-detector (Shin, Ramdas and
Rinaldo, 2024, arXiv:2203.03532) of a rise in the odds. Its factor for a day with k hits of n is the likelihood ratio of
the risk-adjusted CUSUM (Steiner, Cook, Farewell and Treasure, 2000), ``R**k / (1 - p + R p)**n`` for the baseline p and
an odds ratio R, which is 1 in the mean where nothing has changed; the Shiryaev-Roberts sum ``M = (1 + M) * factor``
then stays below a threshold c for at least c days in the mean. So the threshold is the number of days between two false
alarms, times the number of series that share them. Several odds ratios are mixed. The baseline is only an estimate: a
share that is higher than usual by less than half its standard error is no rise.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.monitor.counts import ALL, Counts, DailyCounts

HALF_YEAR = 182.5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """What is usual, and what is an alert.

    ``half_life`` (days) is that of the baseline's memory, which ends ``lag`` days before the day that is judged, so
    that a rise does not become usual at once; ``doubt`` is by how many of its standard errors it may be wrong.
    ``false_alarms`` are borne in half a year over all series together. ``ratios`` are the odds ratios that are looked
    for. A series is watched from ``warm_up`` texts on. An alert ends when the mean of ``window`` days was less than
    ``calm`` standard errors above usual for ``calm_days`` days running.
    """

    false_alarms: float = 1.0
    half_life: float = 60.0
    lag: int = 7
    doubt: float = 0.5
    ratios: tuple[float, ...] = (1.3, 1.6, 2.2)
    warm_up: int = 150
    window: int = 7
    calm: float = 1.0
    calm_days: int = 3

    def threshold(self, name: str, series: int) -> float:
        """What the detector of one of so many series must reach.

        Half of the false alarms are for all texts together, the other half for all the topics.
        """
        if series == 1:
            return HALF_YEAR / self.false_alarms
        return 2 * (1 if name == ALL else series - 1) * HALF_YEAR / self.false_alarms


@dataclass(slots=True)
class SeriesState:
    """What a series carries from day to day; plain numbers, so that it can be stored.

    ``logs`` are the logarithms of the sums M, one for each odds ratio; ``excess`` and ``weight`` estimate by how much
    days vary more than independent texts would; ``since`` is the day on which the open alert was opened, if any, and
    ``calm_days`` how many days running it has been calm.
    """

    logs: list[float]
    excess: float = 20.0
    weight: float = 20.0
    since: int | None = None
    calm_days: int = 0

    @property
    def value(self) -> float:
        """The detector's value: the mean of the sums M."""
        return float(np.exp(np.logaddexp.reduce(self.logs)) / len(self.logs))

    @property
    def dispersion(self) -> float:
        """The variance of a day's hits over that of independent texts; at least 1."""
        return max(1.0, self.excess / self.weight)

    def to_json(self) -> dict[str, Any]:
        """Plain data; minus infinity, which JSON lacks, is None."""
        logs = [None if np.isinf(own) else own for own in self.logs]
        return {name: getattr(self, name) for name in self.__slots__} | {"logs": logs}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeriesState:
        """The inverse of :meth:`to_json`."""
        return cls(**{**data, "logs": [-np.inf if own is None else own for own in data["logs"]]})


@dataclass(frozen=True, slots=True)
class Change:
    """A series' alert begins (``opened``) or ends; ``value`` is the detector's."""

    series: str
    day: int
    opened: bool
    value: float


@dataclass(eq=False)
class Detectors:
    """The detectors of all series, day by day; ``through`` is the last day that they have seen, -1 for none."""

    settings: MonitorSettings
    states: dict[str, SeriesState] = field(default_factory=dict)
    through: int = -1

    def advance(self, counts: DailyCounts, last: int | None = None) -> list[Change]:
        """Judge the days that are new, up to ``last`` (the newest); what has changed, in order."""
        end = counts.days - 1 if last is None else min(last, counts.days - 1)
        changes: list[Change] = []
        for day in range(self.through + 1, end + 1):
            changes += self._day(counts, day)
            self.through = day
        return changes

    def to_json(self, counts: DailyCounts) -> dict[str, Any]:
        """Plain data with dates for days: the first day may be another one when older texts have come in."""
        states = {}
        for name, state in self.states.items():
            since = None if state.since is None else counts.date(state.since).isoformat()
            states[name] = {**state.to_json(), "since": since}
        return {"through": counts.date(self.through).isoformat(), "series": states}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], settings: MonitorSettings, counts: DailyCounts) -> Detectors:
        """The inverse of :meth:`to_json`."""
        states = {}
        for name, own in data["series"].items():
            since = None if own["since"] is None else counts.day(datetime.date.fromisoformat(own["since"]))
            states[name] = SeriesState.from_json({**own, "since": since})
        return cls(settings, states, counts.day(datetime.date.fromisoformat(data["through"])))

    def _day(self, counts: DailyCounts, day: int) -> list[Change]:
        settings = self.settings
        usual, error, known = baseline(counts.read, counts.hits, day, counts.first.weekday(), settings)
        careful = 1 / (1 + np.exp(-(_logit(usual) + settings.doubt * error)))
        changes = []
        for row, name in enumerate(counts.series):
            state = self.states.setdefault(name, SeriesState([-np.inf] * len(settings.ratios)))
            if known[row] < settings.warm_up:
                continue
            read, hits, p = int(counts.read[row, day]), int(counts.hits[row, day]), float(usual[row])
            if state.since is None:
                gains = log_factor(hits, read, float(careful[row]), settings.ratios) / state.dispersion
                state.logs = [float(np.logaddexp(0.0, log) + gain) for log, gain in zip(state.logs, gains, strict=True)]
                if state.value >= settings.threshold(name, len(counts.series)):
                    changes.append(Change(name, day, True, state.value))
                    state.since, state.calm_days = day, 0
            elif self._rise(counts, row, day, p) < settings.calm:
                state.calm_days += 1
                if state.calm_days >= settings.calm_days:
                    changes.append(Change(name, day, False, state.value))
                    state.since, state.logs = None, [-np.inf] * len(settings.ratios)
            else:
                state.calm_days = 0
            if state.since is None and read:
                # The squared Pearson residual of a day; one wild day does not count for more than three sigmas.
                residual = (hits - read * p) ** 2 / (read * p * (1 - p))
                state.excess, state.weight = 0.98 * state.excess + min(residual, 9.0), 0.98 * state.weight + 1.0
        return changes

    def _rise(self, counts: DailyCounts, row: int, day: int, usual: float) -> float:
        """By how many standard errors the last days lie above what is usual."""
        span = slice(max(0, day + 1 - self.settings.window), day + 1)
        read, hits = int(counts.read[row, span].sum()), int(counts.hits[row, span].sum())
        spread = np.sqrt(self.states[counts.series[row]].dispersion * read * usual * (1 - usual))
        return float((hits - read * usual) / spread) if read else 0.0


def log_factor(hits: int, read: int, usual: float, ratios: tuple[float, ...]) -> Array:
    """Logarithm of the likelihood ratio of ``hits`` of ``read`` at each odds ratio to that at the baseline, (R,)."""
    ratio = np.asarray(ratios)
    factor: Array = hits * np.log(ratio) - read * np.log1p(usual * (ratio - 1))
    return factor


def baseline(
    read: Counts, hits: Counts, day: int, first_weekday: int, settings: MonitorSettings
) -> tuple[Array, Array, Array]:
    """What share is usual for each series on a day, the standard error of its log-odds, and the number of past texts.

    All are (S,).

    The recent level, in which a day counts half as much as one ``half_life`` later, is moved (on the scale of
    log-odds) by what this day of the week, and this time of the year in years before, used to differ from their own
    surroundings. A series is drawn to all texts together, and every difference to none, as if a number of texts more
    had been seen.
    """
    end = day - settings.lag
    if end <= 0:
        return np.full(len(read), 0.5), np.ones(len(read)), np.zeros(len(read))
    past_read, past_hits = read[:, :end].astype(np.float64), hits[:, :end].astype(np.float64)
    age = day - np.arange(end)
    decay = 0.5 ** (age / settings.half_life)
    weight = np.array([past_read @ decay, past_hits @ decay])  # (2, S)
    overall = (weight[1, 0] + 0.5) / (weight[0, 0] + 1.0)
    level = (weight[1] + 30.0 * overall) / (weight[0] + 30.0)
    log_odds = _logit(level)
    same_weekday = (np.arange(end) + first_weekday) % 7 == (day + first_weekday) % 7
    own_weekday = past_read @ same_weekday
    # Both differ by chance: the level, and how this day of the week differs from it.
    variance = 1 / (weight[0] + 30.0) + own_weekday / (own_weekday + 200.0) ** 2
    error = np.sqrt(variance / (level * (1 - level)))
    log_odds += _difference(own_weekday, past_hits @ same_weekday, past_read.sum(1), past_hits.sum(1))
    season = np.abs((age + 182.625) % 365.25 - 182.625) <= 15
    season &= age > 300
    if season.any():
        around = age > 120  # a year ago and what surrounded it
        log_odds += _difference(
            past_read @ season, past_hits @ season, past_read @ around, past_hits @ around, strength=400.0
        )
    return 1 / (1 + np.exp(-log_odds)), error, past_read.sum(1)


def _difference(read: Array, hits: Array, all_read: Array, all_hits: Array, strength: float = 200.0) -> Array:
    """Log-odds of a part less those of the whole, drawn to 0 by ``strength`` texts of the whole."""
    whole = (all_hits + 0.5) / (all_read + 1.0)
    part = (hits + strength * whole) / (read + strength)
    return _logit(part) - _logit(whole)


def _logit(share: Array) -> Array:
    logit: Array = np.log(share / (1 - share))
    return logit
