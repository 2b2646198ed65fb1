"""Daily counts: how many texts a day have the value that is watched, in all and by topic."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

ALL = "all"
"""The name of the series of all texts."""

Counts = npt.NDArray[np.int64]


class MonitorError(ValueError):
    """A data set cannot be watched; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class DailyCounts:
    """Texts per series and day.

    Attributes:
        first: day 0.
        series: names, ``ALL`` first and then the topics by the number of their texts.
        read: (S, D) how many texts there were whose value is known.
        hits: (S, D) how many of them have the watched value.
        texts: the rows behind it: columns day (int, from ``first``), text, probability (of the value), hit, topics.
    """

    first: datetime.date
    series: tuple[str, ...]
    read: Counts
    hits: Counts
    texts: pd.DataFrame = field(repr=False)

    @classmethod
    def of(cls, texts: pd.DataFrame, fewest: int = 100) -> DailyCounts:
        """Count texts with columns date (``datetime.date``), text, topics (list of str), hit and probability.

        A topic with less than ``fewest`` texts has no series of its own.

        Raises:
            MonitorError: there are no texts.
        """
        if not len(texts):
            raise MonitorError("there are no dated texts to watch: look at what `concierge data describe` counts")
        first = min(texts["date"])
        day = np.array([(own - first).days for own in texts["date"]], dtype=np.int64)
        frame = texts.assign(day=day).reset_index(drop=True)
        sizes = frame["topics"].explode().dropna().value_counts()
        series = (ALL, *(str(name) for name, size in sizes.items() if size >= fewest))
        read = np.zeros((len(series), int(day.max()) + 1), dtype=np.int64)
        hits = np.zeros_like(read)
        place = {name: row for row, name in enumerate(series)}
        for own_day, topics, hit in zip(frame["day"], frame["topics"], frame["hit"], strict=True):
            for row in {0, *(place[name] for name in topics if name in place)}:
                read[row, own_day] += 1
                hits[row, own_day] += bool(hit)
        return cls(first, series, read, hits, frame)

    @property
    def days(self) -> int:
        """How many days there are, the empty ones too."""
        return int(self.read.shape[1])

    def date(self, day: int) -> datetime.date:
        """The date of a day's number."""
        return self.first + datetime.timedelta(days=day)

    def day(self, date: datetime.date) -> int:
        """The number of a date's day."""
        return int((date - self.first).days)

    def of_days(self, series: str, start: int, end: int) -> pd.DataFrame:
        """The texts of a series from day ``start`` to ``end``, both included."""
        frame = self.texts[(self.texts["day"] >= start) & (self.texts["day"] <= end)]
        return frame if series == ALL else frame[[series in own for own in frame["topics"]]]


def wilson(hits: int, read: int, level: float = 0.95) -> tuple[float, float, float]:
    """A share and the ends of its score interval (Wilson, 1927), which is inside 0 and 1, and wide for few texts."""
    if not read:
        return float("nan"), 0.0, 1.0
    z = float(ndtri(0.5 + level / 2))
    share = hits / read
    middle = (share + z * z / (2 * read)) / (1 + z * z / read)
    half = z / (1 + z * z / read) * np.sqrt(share * (1 - share) / read + z * z / (4 * read * read))
    return share, max(0.0, float(middle - half)), min(1.0, float(middle + half))


@dataclass(frozen=True, slots=True)
class Share:
    """A series' share with its 95 % interval in the days from ``start`` to ``end``; NaN where nothing was read."""

    series: str
    start: datetime.date
    end: datetime.date
    read: int
    share: float
    low: float
    high: float


def shares(counts: DailyCounts, days: int = 7, series: Sequence[str] | None = None, first: int = 0) -> list[Share]:
    """The share of each series in spans of ``days`` days, the last of which ends with the last day.

    ``first``: spans that end before this day are left out.
    """
    found = []
    for name in counts.series if series is None else series:
        row = counts.series.index(name)
        for end in range((counts.days - 1) % days + 1, counts.days + 1, days):
            span = slice(max(0, end - days), end)
            if end > first:
                read, hits = int(counts.read[row, span].sum()), int(counts.hits[row, span].sum())
                found.append(Share(name, counts.date(span.start), counts.date(end - 1), read, *wilson(hits, read)))
    return found
