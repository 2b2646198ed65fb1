"""Policy: how often the first pick is clicked, for our policies and for everything they have to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.features.model import EvidenceModel
from agent.policy.distribution import Policy
from agent.policy.loading import Foundation
from agent.records.state import POSITIVE, State
from eval.metrics import (
    Interval,
    Scorer,
    cluster_bootstrap,
    first_pick,
    hit,
    ndcg,
    precision,
    run_scorer,
    target_ranks,
)
from eval.ranking import baselines
from eval.ranking import lenskit_baselines as lenskit
from eval.ranking.baselines import history_scorer
from training.splits import PastAndFuture, Slate, past_and_future, rated_slates

Kind = Literal["baseline", "ours"]
Part = Literal["valid", "test"]
PolicyMaker = Callable[[Foundation], Policy]

RARE = 5
"""An item with fewer training ratings is rare."""


@dataclass(frozen=True)
class PolicyRow:
    """One policy's figures over the slates: the gain of each (slates,) by metric, the mean with its interval beside.

    Metrics: ``click_rate`` and ``mean_rating`` (stars) of the greedy pick, ``precision@5``, and for policies
    ``sampled_click_rate``: the expectation over picks drawn from the policy.
    """

    policy: str
    kind: Kind
    values: Mapping[str, np.ndarray]
    figures: Mapping[str, Interval]


@dataclass(frozen=True)
class PolicyTable:
    """All rows on the same ``slates`` slates of ``users``; ``notes`` say what was tuned, chosen or left out."""

    rows: Sequence[PolicyRow]
    users: Sequence[str]
    rare: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    seed: int

    def row(self, policy: str) -> PolicyRow:
        """The row of a policy.

        Raises:
            KeyError: there is no such row.
        """
        for row in self.rows:
            if row.policy == policy:
                return row
        raise KeyError(f"no policy {policy!r}: there are {', '.join(row.policy for row in self.rows)}")

    @property
    def best_baseline(self) -> PolicyRow:
        """The baseline with the highest click rate."""
        return max((row for row in self.rows if row.kind == "baseline"), key=lambda r: r.figures["click_rate"].mean)

    def paired(self, policy: str, other: str) -> Interval:
        """The difference of greedy click rates on the same slates, with an interval over users."""
        difference = self.row(policy).values["click_rate"] - self.row(other).values["click_rate"]
        return cluster_bootstrap(difference, self.users, seed=self.seed)

    def to_json(self) -> dict[str, Any]:
        """``rows``, ``paired`` (by name: mean, ci), ``rare_items`` and ``notes`` as plain data."""
        rows = []
        for row in self.rows:
            entry: dict[str, Any] = {"policy": row.policy, "kind": row.kind}
            entry |= {metric: figure.mean for metric, figure in row.figures.items()}
            entry["ci"] = [row.figures["click_rate"].low, row.figures["click_rate"].high]
            entry["cis"] = {metric: [figure.low, figure.high] for metric, figure in row.figures.items()}
            rows.append(entry)
        paired = {}
        for name, (one, other) in self.comparisons().items():
            difference = self.paired(one, other)
            paired[name] = {"mean": difference.mean, "ci": [difference.low, difference.high], "of": [one, other]}
        return {
            "slates": len(self.users),
            "users": len(set(self.users)),
            "seed": self.seed,
            "rows": rows,
            "paired": paired,
            "rare_items": list(self.rare),
            "notes": list(self.notes),
        }

    def comparisons(self) -> dict[str, tuple[str, str]]:
        """Which pairs are compared: PPO with SFT, the best baseline, itself without the LM, and exact."""
        names = {row.policy for row in self.rows}
        pairs = {
            "ppo_minus_sft": ("ppo", "sft"),
            "ppo_minus_best_baseline": ("ppo", self.best_baseline.policy),
            "ppo_minus_ppo_without_lm": ("ppo", "ppo without the LM"),
            "ppo_minus_exact_gradient": ("ppo", "exact"),
        }
        return {name: pair for name, pair in pairs.items() if set(pair) <= names}


def evaluate_policies(
    dataset: Dataset,
    policies: Mapping[str, PolicyMaker],
    part: Part = "test",
    seed: int = 0,
    report: Callable[[str], None] = lambda what: None,
) -> PolicyTable:
    """Greedy and sampled picks on the rated slates; evidence and baselines are fitted on the past alone.

    ``policies``: by row name; each also gets a row without its LM; ``part``: ``test`` for reports; ``valid`` cuts the
    slates within the past, for choices.

    Raises:
        ValueError: the data set has no slate of ten rated items after the first four fifths of anyone's ratings.
    """
    parts = past_and_future(indexed_ratings(dataset))
    if part == "valid":
        parts = past_and_future(parts.past)
    slates = rated_slates(parts)
    if not slates:
        raise ValueError(f"{dataset.name!r} has no slates of ten rated items: users need fifty ratings or more")
    n_items = len(dataset.items)
    foundation = Foundation.of(dataset.only(parts.past))
    model = foundation.features
    scorers, notes = _baselines(parts.past, n_items, model, report)
    rows = [_random(slates, seed)]
    users = [slate.user for slate in slates]
    histories = [slate.history for slate in slates]
    candidates = [np.array(slate.items) for slate in slates]
    for name, scorer in scorers.items():
        report(name)
        rows.append(_row(name, "baseline", run_scorer(scorer, histories, candidates), None, slates, seed))
    built = {}
    for name, make in policies.items():
        report(name)
        policy = make(foundation)
        built[name] = policy
        for label, own in ((f"{name} without the LM", policy.without_lm()), (name, policy)):
            rankings = [
                ranking
                for start in range(0, len(slates), 64)
                for ranking in own.rank_many(
                    [State(history, goal="like") for history in histories[start : start + 64]],
                    candidates[start : start + 64],
                )
            ]
            chances = [ranking.probabilities for ranking in rankings]
            rows.append(_row(label, "ours", [ranking.logits for ranking in rankings], chances, slates, seed))
    report("rare items")
    rare = rare_items(parts, n_items, {"retriever": baselines.retriever(model), **_next_film(built)}, seed)
    return PolicyTable(rows, users, rare, notes, seed)


def rare_items(
    parts: PastAndFuture, n_items: int, scorers: Mapping[str, Scorer], seed: int = 0
) -> list[dict[str, Any]]:
    """Which of the items with fewer than RARE ratings in the past does a user watch later?

    A case is one such item of a user's future, ranked among all such items that the user's past does not hold.

    Returns one object a scorer: ``policy``, ``cases``, ``items``, and ``ndcg@10`` and ``hr@10`` with their ``cis``.
    """
    count = np.bincount(parts.past["item"], minlength=n_items)
    rare = np.flatnonzero(count < RARE)
    histories = user_histories(parts.past)
    held = parts.future[parts.future["item"].isin(rare)]
    users, past, candidates, places = [], [], [], []
    for user, item in zip(held["user"], held["item"], strict=True):
        history = histories.get(str(user), ())
        unseen = np.setdiff1d(rare, [event.item for event in history])
        users.append(str(user))
        past.append(history)
        candidates.append(unseen)
        places.append(int(np.searchsorted(unseen, item)))
    if not users:
        return []
    out = []
    for name, scorer in scorers.items():
        ranks = target_ranks(run_scorer(scorer, past, candidates), places)
        figures = {
            metric: cluster_bootstrap(values, users, seed=seed)
            for metric, values in (("ndcg@10", ndcg(ranks)), ("hr@10", hit(ranks)))
        }
        entry: dict[str, Any] = {"policy": name, "cases": len(users), "items": len(rare)}
        entry |= {metric: figure.mean for metric, figure in figures.items()}
        out.append(entry | {"cis": {metric: [figure.low, figure.high] for metric, figure in figures.items()}})
    return out


def _next_film(policies: Mapping[str, Policy]) -> dict[str, Scorer]:
    scorers: dict[str, Scorer] = {}
    for name, policy in policies.items():
        scorers[f"{name} without the LM"] = history_scorer(policy.without_lm(), "next")
        scorers[name] = history_scorer(policy, "next")
    return scorers


def _baselines(
    past: pd.DataFrame, n_items: int, model: EvidenceModel, report: Callable[[str], None]
) -> tuple[dict[str, Scorer], list[str]]:
    notes = []
    scorers = {
        "popularity": baselines.popularity(past, n_items),
        "item mean": baselines.item_mean(past, n_items),
    }
    if lenskit.available():
        report("tuning matrix factorisation")
        inner = past_and_future(past)
        slates = rated_slates(inner)
        scorer, chosen = lenskit.tuned_factorization(past, inner.past, slates)
        scorers["matrix factorisation (LensKit)"] = scorer
        notes.append(f"LensKit's matrix factorisation: {chosen}, the best of 12 on {len(slates)} validation slates.")
    else:
        notes.append(
            "LensKit's matrix factorisation is left out: install the extra with `pip install -e .[baselines]`."
        )
    scorers["matrix factorisation (ours)"] = baselines.evidence(model, "predicted_rating")
    scorers["retriever"] = baselines.retriever(model)
    scorers["boosted trees"] = baselines.evidence(model, "like_probability")
    return scorers, notes


def _random(slates: Sequence[Slate], seed: int) -> PolicyRow:
    constant = [np.zeros(len(slate.items)) for slate in slates]
    return _row("random", "baseline", constant, None, slates, seed)


def _row(
    policy: str,
    kind: Kind,
    scores: Sequence[np.ndarray],
    chances: Sequence[np.ndarray] | None,
    slates: Sequence[Slate],
    seed: int,
) -> PolicyRow:
    stars = [np.array(slate.ratings) for slate in slates]
    clicks = [np.array(slate.clicks(POSITIVE), dtype=np.float64) for slate in slates]
    values = {
        "click_rate": np.array([first_pick(s, c) for s, c in zip(scores, clicks, strict=True)]),
        "mean_rating": np.array([first_pick(s, r) for s, r in zip(scores, stars, strict=True)]),
        # A constant score has no order: its precision is the expectation.
        "precision@5": np.array(
            [c.mean() if np.ptp(s) == 0 else precision(s, c) for s, c in zip(scores, clicks, strict=True)]
        ),
    }
    if chances is not None:
        values["sampled_click_rate"] = np.array([float(p @ c) for p, c in zip(chances, clicks, strict=True)])
    users = [slate.user for slate in slates]
    figures = {metric: cluster_bootstrap(own, users, seed=seed) for metric, own in values.items()}
    return PolicyRow(policy, kind, values, figures)
