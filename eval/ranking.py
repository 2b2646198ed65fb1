"""Ranking report: baselines and the LM policy side by side under each protocol, on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import sparse

from agent.catalogue import Catalogue
from agent.evidence import EvidenceModel
from agent.factorization import RatingFactors
from agent.interactions import indexed_ratings
from agent.policy import Policy
from eval import baselines
from eval.metrics import Row, Scorer
from eval.policies import history_scorer, remembered, request_ranker
from eval.protocols import leave_one_out, rated_slates, requests
from training import splits

if TYPE_CHECKING:
    import pandas as pd

    from agent.dataset import Dataset

Protocol = Literal["leave-one-out", "rated-slate", "requests"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
PolicyMaker = Callable[[Catalogue, EvidenceModel], Policy]
"""Makes the policy from a protocol's past: its catalogue statistics and the evidence fitted on it."""


@dataclass(frozen=True, slots=True)
class Table:
    """One protocol's rows on ``cases`` cases; differences are to the row ``reference``."""

    protocol: Protocol
    about: str
    cases: int
    reference: str
    rows: Sequence[Row]

    def to_json(self) -> list[dict[str, Any]]:
        """One object a row: protocol, set, policy, each metric's mean, and ``ci`` and ``paired`` by metric."""
        return [
            {
                "protocol": self.protocol,
                "set": self.about,
                "cases": self.cases,
                "policy": row.policy,
                **{metric: figure.mean for metric, figure in row.figures.items()},
                "ci": {metric: [figure.low, figure.high] for metric, figure in row.figures.items()},
                "paired": {
                    metric: {"reference": self.reference, "mean": d.mean, "ci": [d.low, d.high]}
                    for metric, d in row.differences.items()
                },
            }
            for row in self.rows
        ]


def evaluate(
    dataset: Dataset, protocol: Protocol, make_policy: PolicyMaker, part: requests.Part = "test"
) -> list[Table]:
    """The tables of one protocol; evidence is fitted on its past alone and kept in the user's cache.

    ``part`` is the half that is ranked: ``valid`` for choices, ``test`` for reports.

    Raises:
        ValueError: an unknown protocol.
    """
    runs = {"leave-one-out": _leave_one_out, "rated-slate": _rated_slate, "requests": _requests}
    if protocol not in runs:
        raise ValueError(f"unknown protocol {protocol!r}: use one of {', '.join(PROTOCOLS)}")
    return runs[protocol](dataset, make_policy, part)


def _leave_one_out(dataset: Dataset, make_policy: PolicyMaker, part: requests.Part) -> list[Table]:
    held = splits.leave_one_out(indexed_ratings(dataset))
    model, policy = _fitted(dataset, held.train, make_policy)
    scorers = _baselines(held.train, len(dataset.items)) | {
        "retriever": baselines.retriever(model),
        "policy without the LM": history_scorer(policy.without_lm(), "next"),
        "policy": history_scorer(policy, "next"),
    }
    rows = leave_one_out.evaluate(scorers, held, len(dataset.items), part, "retriever")
    return [Table("leave-one-out", "last film, all unseen films ranked", len(held.test), "retriever", rows)]


def _rated_slate(dataset: Dataset, make_policy: PolicyMaker, part: requests.Part) -> list[Table]:
    parts = splits.past_and_future(indexed_ratings(dataset))
    past = parts.past
    slates = splits.rated_slates(parts)
    if part == "valid":
        # The same cut once more, within the past: nothing of the test slates is read.
        parts = splits.past_and_future(past)
        past, slates = parts.past, splits.rated_slates(parts)
    model, policy = _fitted(dataset, past, make_policy)
    scorers = _baselines(past, len(dataset.items)) | {
        "matrix factorisation": _factorization(past, len(dataset.items)),
        "retriever": baselines.retriever(model),
        "boosted trees": baselines.evidence(model, "like_probability"),
        "policy without the LM": history_scorer(policy.without_lm(), "like"),
        "policy": history_scorer(policy, "like"),
    }
    rows = rated_slates.evaluate(scorers, slates, "item mean")
    return [Table("rated-slate", "slates of films with known ratings", len(slates), "item mean", rows)]


def _requests(dataset: Dataset, make_policy: PolicyMaker, part: requests.Part) -> list[Table]:
    past = splits.past_and_future(indexed_ratings(dataset)).past
    _, policy = _fitted(dataset, past, make_policy)
    catalogue = Catalogue(dataset.only(past))
    tables = []
    sets: dict[str, list[requests.RequestRow]] = {
        which: requests.load_requests(dataset, which, part, catalogue) for which in requests.SETS
    }
    about = {
        "hard": "plain words, new sentences",
        "soft": "words never trained on",
        "mixed": "plain and never-trained words",
    }
    prior = remembered(request_ranker(policy.without_lm()))
    ranker = remembered(request_ranker(policy))
    rankers = {
        "prior": prior,
        "prior with filters": requests.with_filters(prior, catalogue),
        "policy": ranker,
        "policy with filters": requests.with_filters(ranker, catalogue),
    }
    for which, rows in {**sets, "all": [row for own in sets.values() for row in own]}.items():
        title = f"{which}: {about.get(which, 'the three sets together')}"
        reference = "prior with filters"
        tables.append(Table("requests", title, len(rows), reference, requests.evaluate(rankers, rows, reference)))
    return tables


def _fitted(dataset: Dataset, past: pd.DataFrame, make_policy: PolicyMaker) -> tuple[EvidenceModel, Policy]:
    only = dataset.only(past)
    model = EvidenceModel.cached(only)
    return model, make_policy(Catalogue(only), model)


def _baselines(ratings: pd.DataFrame, n_items: int) -> dict[str, Scorer]:
    scorers = {
        "popularity": baselines.popularity(ratings, n_items),
        "item mean": baselines.item_mean(ratings, n_items),
    }
    if n_items <= baselines.EASE_LIMIT:
        scorers["EASE"] = baselines.whole_catalogue(baselines.Ease(ratings, n_items).scores)
    return scorers


def _factorization(ratings: pd.DataFrame, n_items: int) -> Scorer:
    users, names = ratings["user"].factorize()
    entries = (ratings["rating"].to_numpy(np.float64), (users, ratings["item"].to_numpy()))
    factors = RatingFactors.fit(sparse.csr_matrix(entries, shape=(len(names), n_items)))
    return baselines.whole_catalogue(factors.predict)
