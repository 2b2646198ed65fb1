"""Articles: the dated texts of a data set, as a monitor watches them, and those that it must not score."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agent.data.dataset import Dataset
from agent.data.text_quality import TextAudit, audit
from agent.domains.domain import NAMED, Facet
from agent.monitor.counts import MonitorError
from agent.policy.enrichment import TITLE, dates_of, texts_of

EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True, eq=False)
class Articles:
    """``frame`` has the columns of :meth:`agent.monitor.counts.DailyCounts.of`; ``audit`` says what is not in it."""

    frame: pd.DataFrame
    audit: TextAudit
    unread: int


def read_articles(dataset: Dataset, facet: str, value: str, by: str | None, today: datetime.date) -> Articles:
    """The good texts of a data set, with whether each has a value of ``facet``, and its topics, the values of ``by``.

    Texts that no tagger has read for a predicted facet (``unread``) are left out as well.

    Raises:
        MonitorError: the data set has no dates, or lacks a facet or the value.
    """
    days = dates_of(dataset)
    if days is None:
        raise MonitorError(
            f"{dataset.name!r} has no dates: a column is read as dates with `concierge data import --column "
            "NAME=date:date`"
        )
    names = _names(dataset, facet)
    known = sorted({name for own in names for name in own})
    if value not in known:
        raise MonitorError(f"no text has the {facet} {value!r}: there are {', '.join(known) or 'none'}")
    topics = _names(dataset, by) if by is not None else [[] for _ in names]
    texts = texts_of(dataset, TITLE)
    found = audit(texts, days, float((today - EPOCH).days))
    column = f"{facet}_probability"
    probabilities = dataset.items[column].to_numpy(np.float64) if column in dataset.items else np.ones(len(texts))
    read = ~np.isnan(probabilities)
    rows = np.flatnonzero(found.good & read)
    frame = pd.DataFrame(
        {
            "date": [EPOCH + datetime.timedelta(days=int(days[row])) for row in rows],
            "text": [texts[row] for row in rows],
            "topics": [topics[row] for row in rows],
            "hit": [value in names[row] for row in rows],
            "probability": probabilities[rows],
        }
    )
    return Articles(frame, found, int((found.good & ~read).sum()))


def _names(dataset: Dataset, facet: str) -> list[list[str]]:
    own: Facet | None = dataset.facets.get(facet)
    if own is None or own.kind not in NAMED:
        having = [name for name, known in dataset.facets.items() if known.kind in NAMED]
        raise MonitorError(
            f"{dataset.name!r} has no facet {facet!r} of names (it has {', '.join(having) or 'none'}): predict it with "
            f"`concierge data enrich {dataset.name} --facet {facet}`"
        )
    return dataset.names(facet)
