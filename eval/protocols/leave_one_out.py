"""Leave-one-out: find each user's last film among all the films that they have not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from agent.interactions import user_histories
from eval.metrics import Row, Scorer, hit, ndcg, reciprocal_rank, rows_of, run_scorer, target_ranks
from training.splits import LeaveOneOut, held_out_targets


def evaluate(
    scorers: Mapping[str, Scorer],
    parts: LeaveOneOut,
    n_items: int,
    part: Literal["valid", "test"] = "test",
    reference: str | None = None,
    k: int = 10,
    seed: int = 0,
) -> list[Row]:
    """HR@k, NDCG@k and MRR of each scorer with 95 % intervals over users.

    All ``n_items`` are ranked without those of the history. For ``test`` the history includes the validation film; the
    scorers must have been fitted on ``parts.train`` alone.
    """
    past = parts.train if part == "valid" else pd.concat([parts.train, parts.valid], ignore_index=True)
    histories, targets, users = held_out_targets(user_histories(past), parts.valid if part == "valid" else parts.test)
    candidates = []
    for history, target in zip(histories, targets, strict=True):
        allowed = np.ones(n_items, dtype=bool)
        allowed[[event.item for event in history]] = False
        allowed[target] = True
        candidates.append(np.flatnonzero(allowed))
    places = [int(np.searchsorted(own, target)) for own, target in zip(candidates, targets, strict=True)]
    cases = {}
    for name, scorer in scorers.items():
        ranks = target_ranks(run_scorer(scorer, histories, candidates), places)
        cases[name] = {f"hr@{k}": hit(ranks, k), f"ndcg@{k}": ndcg(ranks, k), "mrr": reciprocal_rank(ranks)}
    return rows_of(cases, users, reference, seed)
