"""Template trial: what an edit of the state template does to the policy's choices, on validation users only."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.data.interactions import indexed_ratings
from agent.features.model import EvidenceModel
from agent.policy.distribution import EvidenceSource, Policy
from agent.records.state import POSITIVE, State
from eval.metrics import Interval, cluster_bootstrap, first_pick, ndcg, precision, target_ranks
from eval.protocols.requests import SETS, RequestRow, filters, load_requests, user_part
from eval.ranking.baselines import SameHistories
from prompts import Template
from training.progress import Progress, silent
from training.splits import Slate, past_and_future, rated_slates

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
    parts = past_and_future(indexed_ratings(dataset))
    within = past_and_future(parts.past)
    slates = [slate for slate in rated_slates(within) if user_part(slate.user) == "valid"]
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
        evidence = EvidenceModel.cached(dataset.only(within.past))
        policies = _policies(policy, evidence, templates)
        found = _on_slates(policies, slates, lambda done: report("rated slates", done, steps))
        _add(rows, found, [slate.user for slate in slates])
    if requests:
        report("fitting the evidence", len(slates), steps)
        evidence = EvidenceModel.cached(dataset.only(parts.past))
        policies = _policies(policy, evidence, templates)
        found = _on_requests(policies, requests, catalogue, lambda done: report("requests", len(slates) + done, steps))
        _add(rows, found, [row.user for row in requests])
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


def _on_slates(
    policies: Sequence[Policy], slates: Sequence[Slate], report: Callable[[int], None]
) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {"click_rate": [[] for _ in policies], "precision@5": [[] for _ in policies]}
    report(0)
    for start in range(0, len(slates), BATCH):
        batch = slates[start : start + BATCH]
        states = [State(slate.history, goal="like") for slate in batch]
        for which, policy in enumerate(policies):
            for slate, ranking in zip(batch, policy.rank_many(states, [s.items for s in batch]), strict=True):
                clicks = (np.array(slate.ratings) >= POSITIVE).astype(np.float64)
                found["click_rate"][which].append(first_pick(ranking.logits, clicks))
                found["precision@5"][which].append(precision(ranking.logits, clicks))
        report(start + len(batch))
    return found


def _on_requests(
    policies: Sequence[Policy], rows: Sequence[RequestRow], catalogue: Catalogue, report: Callable[[int], None]
) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {
        "ndcg@10": [[] for _ in policies],
        "ndcg@10 with filters": [[] for _ in policies],
    }
    report(0)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        states = [row.state for row in batch]
        allowed = np.stack([filters(row, catalogue) for row in batch])
        targets = [row.target for row in batch]
        for which, policy in enumerate(policies):
            evidence, lm = policy.scores(states)
            scores = (evidence + lm).astype(np.float64)
            for own, row in zip(scores, batch, strict=True):
                own[[event.item for event in row.history]] = -np.inf
            found["ndcg@10"][which] += ndcg(target_ranks(list(scores), targets)).tolist()
            filtered = np.where(allowed, scores, -np.inf)
            found["ndcg@10 with filters"][which] += ndcg(target_ranks(list(filtered), targets)).tolist()
        report(start + len(batch))
    return found


def _add(rows: Sequence[list[Comparison]], found: dict[str, list[list[float]]], users: Sequence[str]) -> None:
    """The figures of each candidate beside those of the first policy, the one that they are compared with."""
    for metric, (against, *candidates) in found.items():
        base = np.array(against)
        for own, values in zip(rows, candidates, strict=True):
            candidate = np.array(values)
            own.append(
                Comparison(
                    metric,
                    METRICS[metric],
                    len(users),
                    len(set(users)),
                    cluster_bootstrap(candidate, users),
                    cluster_bootstrap(base, users),
                    cluster_bootstrap(candidate - base, users),
                )
            )
