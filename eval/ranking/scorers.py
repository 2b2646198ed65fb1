"""Policies as the protocols take them: functions from histories or requests to scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.policy.distribution import EvidenceSource, Policy
from agent.records.state import Event, Goal, State
from eval.metrics import Scorer


def history_scorer(policy: Policy, goal: Goal) -> Scorer:
    """The policy's logits for a history without a request, judged by ``goal``."""

    def score(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        states = [State(tuple(history), goal=goal) for history in histories]
        return [ranking.logits for ranking in policy.rank_many(states, candidates)]

    return score


class SameHistories:
    """Evidence that is computed once for policies that are asked about the same histories one after the other."""

    def __init__(self, evidence: EvidenceSource) -> None:
        self._evidence = evidence
        self._last: tuple[Sequence[Sequence[Event]], np.ndarray | None, np.ndarray] | None = None

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, n_items, n_features) float32; at candidates (B, C): (B, C, n_features)."""
        last = self._last
        if last is None or last[0] != histories or not _same(last[1], candidates):
            last = histories, candidates, self._evidence.features(histories, candidates)
            self._last = last
        return last[2]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
