"""Trends: the watched share of a data set over time, what is usual, and the texts behind each point."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.data.dataset import Dataset, card_path, load_dataset
from agent.domains.domain import NAMED, Facet
from agent.monitor.articles import Articles, read_articles
from agent.monitor.counts import ALL, DailyCounts, MonitorError, Share, shares
from agent.monitor.detector import MonitorSettings, baseline
from agent.monitor.run import Watch

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

SPANS = {"day": 1, "week": 7, "four weeks": 28}
"""Lengths of the spans whose shares are shown, in days."""


@dataclass(frozen=True, eq=False)
class Trends:
    """The dated texts of a data set, counted; made by :func:`trends_of`.

    ``predicted`` says that the watched facet was read out of the texts by a model; ``refused`` counts, by reason, what
    the import did not take.
    """

    watch: Watch
    articles: Articles
    counts: DailyCounts
    predicted: bool
    refused: Mapping[str, int]

    @property
    def left_out(self) -> dict[str, int]:
        """How many texts are not scored, by reason."""
        unread = {"not read": self.articles.unread} if self.articles.unread else {}
        return {**self.refused, **self.articles.audit.counts, **unread}

    def course(self, series: str, days: int = 7, since: datetime.date | None = None) -> list[tuple[Share, float]]:
        """The shares of a series in spans of ``days`` days, with what is usual at the end of each (NaN: not known yet).

        Raises:
            MonitorError: there is no such series (the message lists those that there are).
        """
        self.check(series)
        counts, settings = self.counts, MonitorSettings()
        row, found = counts.series.index(series), []
        for own in shares(counts, days, [series], 0 if since is None else counts.day(since)):
            usual, _, known = baseline(counts.read, counts.hits, counts.day(own.end), counts.first.weekday(), settings)
            found.append((own, float(usual[row]) if known[row] >= settings.warm_up else float("nan")))
        return found

    def texts(self, series: str, start: datetime.date, end: datetime.date) -> list[dict[str, Any]]:
        """The texts of a series from one day to another, those with the watched value and the surest first.

        Raises:
            MonitorError: there is no such series.
        """
        self.check(series)
        frame = self.counts.of_days(series, self.counts.day(start), self.counts.day(end))
        frame = frame.sort_values(["hit", "probability"], ascending=False, kind="stable")
        columns = ("date", "text", "hit", "probability", "topics")
        return [dict(zip(columns, row, strict=True)) for row in zip(*(frame[name] for name in columns), strict=True)]

    def check(self, series: str) -> None:
        """Refuse a series that is not there."""
        if series not in self.counts.series:
            raise MonitorError(f"no series {series!r}: there are {', '.join(self.counts.series)}")

    def telling(self, most: int, alerts: Sequence[str] = ()) -> list[str]:
        """The series to show first: all texts, those with alerts, then the topics with the most texts."""
        known = [own for own in dict.fromkeys((ALL, *alerts)) if own in self.counts.series]
        return list(dict.fromkeys([*known, *self.counts.series]))[:most]


def watch_of(
    dataset: Dataset | Catalogue, facet: str | None = None, value: str | None = None, by: str | None = None
) -> Watch:
    """What is to be watched in a data set: what is given, and for the rest what its domain says.

    Raises:
        MonitorError: neither says which value of which facet.
    """
    own = dataset.domain.monitor
    if own is not None and facet in (None, own.facet):
        facet, value, by = own.facet, value or own.value, own.by if by is None and own.by in dataset.facets else by
    if facet is None or value is None:
        raise MonitorError(
            f"what is to be watched in {dataset.name!r}? Give --facet and --value, or `monitor:` in its domain"
        )
    return Watch(dataset.name, facet, value, by or None)


def watched(catalogue: Catalogue) -> Watch | None:
    """What the domain of a catalogue says is to be watched; None where the data lack it, or dates."""
    own = catalogue.domain.monitor
    dated = any(facet.kind == "date" for facet in catalogue.facets.values())
    return watch_of(catalogue) if own is not None and dated and _named(catalogue.facets.get(own.facet)) else None


def _named(facet: Facet | None) -> bool:
    return facet is not None and facet.kind in NAMED


def trends_of(watch: Watch, today: datetime.date | None = None) -> Trends:
    """The trends of a data set as it is now; read anew only where it has changed, or a day has passed.

    Raises:
        MonitorError, DatasetError: there is nothing to watch.
    """
    return _read(watch, str(card_path(watch.data)), today or datetime.date.today())


@lru_cache(maxsize=4)
def _read(watch: Watch, card: str, today: datetime.date) -> Trends:
    dataset = load_dataset(watch.data)
    articles = read_articles(dataset, watch.facet, watch.value, watch.by, today)
    refused = {own.about: own.rows for own in dataset.card.left_out if ": " not in own.rule}
    predicted = dataset.facets[watch.facet].predicted
    return Trends(watch, articles, DailyCounts.of(articles.frame), predicted, refused)


def plain(number: float) -> float | None:
    """A share as JSON has it: rounded, None for NaN."""
    return None if np.isnan(number) else round(number, 4)
