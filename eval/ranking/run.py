"""Ranking run: what is compared, on which cases, and what a protocol needs of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from agent.data.dataset import Dataset
from eval.ranking.cache import RankingCache
from eval.ranking.cases import CaseScorer
from prompts import Template
from training.progress import Progress, silent

Part = Literal["valid", "test"]
Kind = Literal["bound", "baseline", "library", "ours"]

MOST_USERS = 2000
"""Users whose cases are ranked unless another number is asked for; of more, so many are drawn by a hash."""


class RankingError(ValueError):
    """A ranking cannot be made as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PolicySource:
    """A policy to rank with: an adapter folder, and a state template other than its own."""

    name: str
    adapter: Path
    template: Template | None = None


@dataclass(frozen=True)
class RankingRun:
    """What is asked of a protocol.

    Attributes:
        policies: our policies; each has a row with and one without its LM.
        model: the base LM (None: the fetched one).
        template: the state template of the LM that is not tuned, where another than the product's is asked for.
        part: ``test`` for reports, ``valid`` for choices.
        users: the most users whose cases are ranked (None: all).
        seed: of sampling, fits and intervals.
        library: whether library baselines and the untuned LM are among the rows.
        compare: the two rows that are wanted, and compared; None: all, compared with the strongest that is not ours.
        cache: lists that were ranked before.
        report: called with (what is being done, steps done, steps in all).
        rows: the folder of a published protocol's rows, where they do not come with Concierge (None: beside it).
        keep: takes the lists with names (:func:`eval.ranking.lists.dump`), for a file of predictions.
    """

    policies: Sequence[PolicySource] = ()
    model: str | None = None
    template: Template | None = None
    part: Part = "test"
    users: int | None = MOST_USERS
    seed: int = 0
    library: bool = True
    compare: tuple[str, str] | None = None
    cache: RankingCache = field(default_factory=RankingCache)
    report: Progress = silent
    rows: Path | None = None
    keep: Callable[[pd.DataFrame], None] = lambda rows: None


@dataclass(frozen=True)
class Method:
    """A row to be: its scorer is made when its lists are not in the cache under ``key``.

    ``note`` is asked for after that, and says in words what was chosen for it.
    """

    name: str
    kind: Kind
    key: str
    make: Callable[[], CaseScorer]
    note: Callable[[], str] = lambda: ""


def require_times(dataset: Dataset, protocol: str) -> None:
    """Refuse a data set whose interactions have no order in time.

    Raises:
        RankingError: the times are missing, or all the same within every user.
    """
    times = dataset.ratings["timestamp"]
    if times.isna().any() or not (times.groupby(dataset.ratings["user"]).nunique() > 1).any():
        raise RankingError(
            f"{protocol} does not apply to {dataset.name!r}: its ratings have no times, so nobody knows which came "
            "last. Import a file with timestamps."
        )


def require_ratings(dataset: Dataset, protocol: str) -> None:
    """Refuse a data set without graded feedback.

    Raises:
        RankingError: ratings are missing, or all the same.
    """
    grades = dataset.ratings["rating"]
    if grades.isna().any() or grades.nunique() < 2:
        raise RankingError(
            f"{protocol} does not apply to {dataset.name!r}: it has no grades, so nobody knows what was liked. "
            " Use leave-one-out, which asks for what came next."
        )


def require_categories(dataset: Dataset, protocol: str) -> None:
    """Refuse a data set without categories.

    Raises:
        RankingError: no item has a category.
    """
    primary = next((name for name, facet in dataset.facets.items() if facet.primary), None)
    if primary is None or not dataset.items[primary].map(len).any():
        raise RankingError(
            f"{protocol} does not apply to {dataset.name!r}: its items have no categories that a request could ask "
            "for. Use leave-one-out or rated-slate."
        )
