"""Adaptation: how a data set's tuned policy ranks beside baselines, before and after PPO, with and without its LM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.policy.loading import Foundation
from agent.records.state import POSITIVE, State
from eval.metrics import Interval, cluster_bootstrap
from eval.protocols import leave_one_out
from eval.ranking import methods
from eval.ranking.cases import Cases
from eval.ranking.lenskit_baselines import Tuning
from eval.ranking.methods import Fitted
from eval.ranking.run import PolicySource, RankingRun
from eval.ranking.table import Table, make_table
from training import splits
from training.adapt import AskedParts, split_requests
from training.requests.facet_writer import request_writer
from training.splits import LeaveOneOut

HEADLINE = ("ndcg@10", "hr@10")
LIBRARY = ("EASE", "ItemKNN", "implicit ALS")
REQUESTS = "requests in words"
KNOWN_ANSWERS = "requests of known answers"
ANSWERED = ("hr@1", "ndcg@10")


def adaptation_tables(
    dataset: Dataset,
    before: Path,
    after: Path,
    model: str | None = None,
    users: int = 300,
    seed: int = 0,
    report: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> list[Table]:
    """Leave-one-out, and requests in words where the items have facets: a user's last event is to be found.

    Everything is fitted without each user's last two events, as the policies were trained; LensKit's recommenders
    (where the extra is installed) are tuned on the second to last. Requests are written with phrases that no training
    saw.

    Args:
        dataset: the data set, whole.
        before: the adapter before PPO.
        after: the adapter after it (the same: there was none).
        model: the base LM.
        users: so many users are ranked for, drawn by a hash.
        seed: of the draw and of the intervals.
        report: called with (what is being done, steps done, steps in all).
    """
    held = splits.leave_one_out(indexed_ratings(dataset))
    sources = [PolicySource("before PPO", before)]
    if after != before:
        sources.append(PolicySource("after PPO", after))
    run = RankingRun(policies=sources, model=model, users=users, seed=seed, report=report)
    parts = split_requests(dataset)
    fitted = Fitted(replace(dataset, requests=_known(parts)), held.train, run)
    n_items = len(dataset.items)

    def tuning() -> Tuning:
        return Tuning(held.train, leave_one_out.cases(held, n_items, "valid", users, seed), "ndcg@10")

    library, notes = methods.library(fitted, tuning, stars=False, names=LIBRARY)
    ours = methods.policies(fitted)
    rows = [methods.popularity(fitted), methods.retriever(fitted), *library, *ours]
    cases = leave_one_out.cases(held, n_items, "test", users, seed)
    content = dataset.fingerprint
    tables = []
    if len(cases):
        tables.append(make_table(cases, rows, fitted.traits, fitted.item_ids, content, HEADLINE, run, notes))
    rows = [methods.popularity(fitted), methods.retriever(fitted), *ours]
    for asked in (request_cases(held, fitted.catalogue, users, seed), answered_cases(parts, fitted.catalogue)):
        if len(asked):
            headline = ANSWERED if asked.protocol == KNOWN_ANSWERS else HEADLINE
            tables.append(make_table(asked, rows, fitted.traits, fitted.item_ids, content, headline, run))
    return tables


def answered_cases(parts: AskedParts, catalogue: Catalogue) -> Cases:
    """Requests whose answer is known and that nothing was fitted on, asked by people without a past."""
    pairs: list[tuple[str, str]] = []
    if parts.test is not None:
        pairs = list(zip(parts.test["text"].astype(str), parts.test["item"].astype(str), strict=True))
    pairs = [(text, item) for text, item in pairs if item in catalogue]
    everything = np.arange(len(catalogue))
    return Cases(
        KNOWN_ANSWERS,
        "held-out requests",
        tuple(str(number) for number in range(len(pairs))),
        tuple(State((), text, goal="request") for text, _ in pairs),
        (everything,) * len(pairs),
        tuple(np.array([catalogue.index(item)]) for _, item in pairs),
    )


def handed_over(dataset: Dataset, others: Sequence[str], seed: int = 0) -> tuple[Interval, Interval]:
    """Shares that are handed to a person: of held-out requests, and of questions about other things.

    Args:
        dataset: with requests of known answers, of which :func:`training.adapt.split_requests` holds out a fifth.
        others: questions that no item answers.
        seed: of the intervals.

    Raises:
        ValueError: the data set has no requests of known answers, or the sentence encoder is missing.
    """
    parts = split_requests(dataset)
    if parts.test is None or parts.train is None:
        raise ValueError(f"{dataset.name!r} has no requests of known answers: import it with --requests FILE")
    semantic = Foundation.of(replace(dataset, requests=_known(parts))).semantic
    if semantic is None:
        raise ValueError("the sentence encoder is missing: run `concierge data fetch`")
    shares = []
    for texts in (parts.test["text"].astype(str).tolist(), list(others)):
        values = np.array([not semantic.answerable(text) for text in texts], dtype=np.float64)
        shares.append(cluster_bootstrap(values, [str(number) for number in range(len(values))], seed=seed))
    return shares[0], shares[1]


def _known(parts: AskedParts) -> pd.DataFrame | None:
    """The requests that are not held out: weights were chosen on a part of them that was not fitted on."""
    return None if parts.train is None else pd.concat([parts.train, parts.valid], ignore_index=True)


def request_cases(held: LeaveOneOut, catalogue: Catalogue, users: int, seed: int = 0) -> Cases:
    """The users of :func:`eval.protocols.leave_one_out.cases` who liked their last item ask for it in words."""
    cases = leave_one_out.cases(held, len(catalogue), "test", users, seed)
    grades = dict(zip(held.test["user"].astype(str), held.test["rating"], strict=True))
    writer, rng = request_writer(catalogue, "heldout"), np.random.default_rng(seed)
    kept, states = [], []
    for row, user in enumerate(cases.users):
        grade = grades[user]
        if grade == grade and grade < POSITIVE:
            continue
        request = writer.write(int(cases.relevant[row][0]), rng, "mixed", False)
        if request is not None:
            kept.append(row)
            states.append(State(cases.states[row].history, request.text, goal="request"))
    some = cases.take(kept)
    return Cases(
        REQUESTS,
        "last item, asked for in words",
        some.users,
        tuple(states),
        some.candidates,
        some.relevant,
        population=cases.population,
    )
