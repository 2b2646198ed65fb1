"""Policies as the protocols take them: functions from histories or requests to scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.policy import Policy
from agent.state import Event, Goal, State
from eval.metrics import Scorer
from eval.protocols.requests import Ranker, RequestRow


def history_scorer(policy: Policy, goal: Goal) -> Scorer:
    """The policy's logits for a history without a request, judged by ``goal``."""

    def score(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        states = [State(tuple(history), goal=goal) for history in histories]
        return [ranking.logits for ranking in policy.rank_many(states, candidates)]

    return score


def request_ranker(policy: Policy) -> Ranker:
    """The policy's logits over the whole catalogue for histories with a request."""

    def rank(rows: Sequence[RequestRow]) -> np.ndarray:
        evidence, lm = policy.scores([row.state for row in rows])
        total: np.ndarray = evidence + lm
        return total

    return rank


def remembered(ranker: Ranker) -> Ranker:
    """The ranker, answering each row once: the same rows are asked for with and without filters."""
    known: dict[tuple[str, str], np.ndarray] = {}

    def rank(rows: Sequence[RequestRow]) -> np.ndarray:
        new = [row for row in rows if (row.user, row.request.text) not in known]
        if new:
            for row, scores in zip(new, ranker(new), strict=True):
                known[row.user, row.request.text] = scores
        return np.stack([known[row.user, row.request.text] for row in rows])

    return rank
