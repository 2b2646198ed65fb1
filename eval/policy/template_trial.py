"""Template trial: what an edit of the state template does to the policy's choices, on validation users only."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.data.interactions import indexed_ratings
from agent.features.model import EvidenceModel
from agent.policy.distribution import EvidenceSource, Policy
from eval.metrics import Interval, cluster_bootstrap
from eval.protocols import rated_slates
from eval.protocols import requests as asked
from eval.protocols.requests import SETS, Filter, load_requests, user_part
from eval.ranking.baselines import SameHistories, history_scorer
from eval.ranking.cases import by_history
from eval.ranking.methods import PolicyScores
from eval.ranking.table import case_figures
from prompts import Template
from training import splits
from training.progress import Progress, silent

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

METRICS: Mapping[str, str] = {
    "click_rate": "the first pick of a rated slate is liked",
    "precision@5": "liked among the first five of a rated slate",
    "ndcg@10": "place of the item that a request describes",
    "ndcg@10 with filters": "the same among items that meet the conditions read in it",
}
BATCH = 16
"""Cases between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric under both templates, on the same cases; ``difference`` is the candidate's less the other's."""

    metric: str
    about: str
    cases: int
    users: int
    candidate: Interval
    against: Interval
    difference: Interval


@dataclass(frozen=True, slots=True)
class Trial:
    """Both templates (name, version and hash), the number of users, and the comparisons."""

    candidate: dict[str, object]
    against: dict[str, object]
    users: int
    rows: tuple[Comparison, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


def trial(
    dataset: Dataset,
    policy: Policy,
    candidates: Sequence[Template],
    against: Template,
    users: int | None = None,
    report: Progress = silent,
) -> list[Trial]:
    """Compare state templates with another one offline, with 95 % bootstrap intervals over users; one trial each.

    Two tasks, both on the validation half of the users (:func:`eval.protocols.requests.user_part`) and without a look
    at any test slate: the first pick on rated slates cut from within the users' past (is it an item that they
    graded 4 or more?), and the validation requests (how high comes the item that the wish describes?), alone and
    under the filters that the chat applies.

    ``policy``: the LM and weights to use; its evidence is replaced by one that is fitted on the past alone; ``users``:
    so many users, chosen by a hash and hence the same every time; None: all.

    Raises:
        PromptError: a template fails on one of the states: that is no score.
        ValueError: the policy has no LM, or there is no case.
    """
    if policy.prompt is None:
        raise ValueError("this policy has no LM: nothing reads a template")
    parts = splits.past_and_future(indexed_ratings(dataset))
    within = splits.past_and_future(parts.past)
    slates = [slate for slate in splits.rated_slates(within) if user_part(slate.user) == "valid"]
    catalogue = Catalogue(dataset.only(parts.past))
    requests = [row for which in SETS for row in load_requests(dataset, which, "valid", catalogue)]
    chosen = _some({slate.user for slate in slates} | {row.user for row in requests}, users)
    slates = [slate for slate in slates if slate.user in chosen]
    requests = [row for row in requests if row.user in chosen]
    if not slates and not requests:
        raise ValueError("no cases: give more users")
    steps = len(slates) + len(requests)
    templates = (against, *candidates)
    rows: list[list[Comparison]] = [[] for _ in candidates]
    if slates:
        report("fitting the evidence", 0, steps)
        policies = _policies(policy, EvidenceModel.cached(dataset.only(within.past)), templates)
        scorers = {str(k): by_history(history_scorer(own, "like")) for k, own in enumerate(policies)}
        found = case_figures(
            rated_slates.cases(slates), scorers, lambda done: report("rated slates", done, steps), BATCH
        )
        for metric in ("click_rate", "precision@5"):
            _add(rows, metric, [found[name][metric] for name in scorers], [slate.user for slate in slates])
    if requests:
        report("fitting the evidence", len(slates), steps)
        policies = _policies(policy, EvidenceModel.cached(dataset.only(parts.past)), templates)
        plain = {str(k): PolicyScores(partial(copy.copy, own)).whole for k, own in enumerate(policies)}
        read = Filter(catalogue)
        found = case_figures(
            asked.cases(requests, len(catalogue), "all"),
            {**plain, **{f"{name} with filters": read(own) for name, own in plain.items()}},
            lambda done: report("requests", len(slates) + done, steps),
            BATCH,
        )
        for more in ("", " with filters"):
            values = [found[name + more]["ndcg@10"] for name in plain]
            _add(rows, f"ndcg@10{more}", values, [row.user for row in requests])
    return [
        Trial(candidate.reference, against.reference, len(chosen), tuple(own))
        for candidate, own in zip(candidates, rows, strict=True)
    ]


def _some(users: set[str], most: int | None) -> set[str]:
    ordered = sorted(users, key=lambda user: hashlib.sha256(f"trial:{user}".encode()).digest())
    return set(ordered if most is None else ordered[:most])


def _policies(policy: Policy, evidence: EvidenceSource, templates: Sequence[Template]) -> list[Policy]:
    based = copy.copy(policy)
    based.evidence = SameHistories(evidence)
    return [based.with_template(template) for template in templates]


def _add(rows: Sequence[list[Comparison]], metric: str, values: Sequence[np.ndarray], users: Sequence[str]) -> None:
    """The figures of each candidate beside those of the first policy, the one that they are compared with."""
    base, *candidates = values
    against = cluster_bootstrap(base, users)
    for own, candidate in zip(rows, candidates, strict=True):
        figures = (cluster_bootstrap(candidate, users), against, cluster_bootstrap(candidate - base, users))
        own.append(Comparison(metric, METRICS[metric], len(users), len(set(users)), *figures))
