"""Rated slates: choose among items whose rating by this user is known; a click is four stars or more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.records.state import POSITIVE, State
from eval.ranking import methods
from eval.ranking.cache import digest
from eval.ranking.cases import Cases, CaseScorer
from eval.ranking.lenskit_baselines import Tuning
from eval.ranking.methods import Fitted
from eval.ranking.run import Method, RankingError, RankingRun, require_ratings, require_times
from eval.ranking.table import Table, make_table
from training.splits import PastAndFuture, Slate, past_and_future
from training.splits import rated_slates as cut

NAME = "rated-slate"
HEADLINE = ("click_rate", "stars", "precision@5", "ndcg@5")


def cases(slates: Sequence[Slate]) -> Cases:
    """One case a slate: its items are ranked, those with four stars or more are relevant."""
    items = [np.array(slate.items) for slate in slates]
    stars = [np.array(slate.ratings) for slate in slates]
    return Cases(
        NAME,
        "slates of items with known ratings",
        tuple(slate.user for slate in slates),
        tuple(State(slate.history, goal="like") for slate in slates),
        tuple(items),
        tuple(own[given >= POSITIVE] for own, given in zip(items, stars, strict=True)),
        tuple(stars),
    )


def bounds() -> list[Method]:
    """What can be had: ``random`` scores all alike, so that its first pick is the expectation; ``oracle`` knows."""

    def blind(cases: Cases) -> list[np.ndarray]:
        return [np.zeros(len(items)) for items in cases.candidates]

    def oracle(cases: Cases) -> Sequence[np.ndarray]:
        return cases.ratings or ()

    scorers: dict[str, CaseScorer] = {"random": blind, "oracle": oracle}
    return [Method(name, "bound", digest(name), lambda own=own: own) for name, own in scorers.items()]  # type: ignore[misc]


def tables(dataset: Dataset, run: RankingRun) -> list[Table]:
    """The protocol's table. Library baselines are tuned by click rate on slates cut from within the past.

    Raises:
        RankingError: the data set has no times or stars, or no user with enough ratings for a slate.
    """
    require_times(dataset, NAME)
    require_ratings(dataset, NAME)
    parts = past_and_future(indexed_ratings(dataset))
    # The same cut once more, within the past: nothing of the test slates is read.
    within = past_and_future(parts.past)
    asked = parts if run.part == "test" else within
    slates = cut(asked)
    if not slates:
        raise RankingError(
            f"{NAME} does not apply to {dataset.name!r}: nobody has the fifty ratings that a slate takes"
        )
    fitted = Fitted(dataset, asked.past, run)
    library, notes = methods.library(fitted, lambda: _tuning(within), stars=True)
    blind, oracle = bounds()
    rows = [
        blind,
        methods.popularity(fitted),
        methods.item_mean(fitted),
        methods.retriever(fitted),
        methods.feature(fitted, "matrix factorisation (ours)", "predicted_rating"),
        methods.feature(fitted, "boosted trees", "like_probability"),
        *library,
        *methods.untuned(fitted),
        *methods.policies(fitted),
        oracle,
    ]
    return [make_table(cases(slates), rows, fitted.traits, fitted.item_ids, dataset.fingerprint, HEADLINE, run, notes)]


def _tuning(within: PastAndFuture) -> Tuning:
    past: pd.DataFrame = within.past
    return Tuning(past, cases(cut(within)), "click_rate")
