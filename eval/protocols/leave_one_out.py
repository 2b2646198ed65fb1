"""Leave-one-out: find each user's last item among all the items that they have not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agent.dataset import Dataset
from agent.interactions import indexed_ratings, user_histories
from agent.state import State
from eval import contenders
from eval.cases import Cases
from eval.contenders import Fitted
from eval.peer_tuning import Tuning
from eval.ranking_run import Part, RankingError, RankingRun
from eval.ranking_table import Table, make_table
from eval.requirements import require_times
from training import splits
from training.splits import LeaveOneOut, held_out_targets

NAME = "leave-one-out"
HEADLINE = ("ndcg@10", "hr@10", "mrr")


def cases(parts: LeaveOneOut, n_items: int, part: Part = "test") -> Cases:
    """One case a user: all ``n_items`` without those of the history are ranked, the held-out item is relevant.

    For ``test`` the history includes the validation item; scorers must have been fitted on ``parts.train`` alone.
    """
    past = parts.train if part == "valid" else pd.concat([parts.train, parts.valid], ignore_index=True)
    histories, targets, users = held_out_targets(user_histories(past), parts.valid if part == "valid" else parts.test)
    candidates = []
    for history, target in zip(histories, targets, strict=True):
        allowed = np.ones(n_items, dtype=bool)
        allowed[[event.item for event in history]] = False
        allowed[target] = True
        candidates.append(np.flatnonzero(allowed))
    return Cases(
        NAME,
        "last item, all unseen items ranked",
        tuple(users),
        tuple(State(history, goal="next") for history in histories),
        tuple(candidates),
        tuple(targets[k : k + 1] for k in range(len(targets))),
    )


def tables(dataset: Dataset, run: RankingRun) -> list[Table]:
    """The protocol's table. Library peers are tuned by NDCG@10 on the users' second to last items.

    Raises:
        RankingError: the data set has no times, or no user with three interactions.
    """
    require_times(dataset, NAME)
    held = splits.leave_one_out(indexed_ratings(dataset))
    if held.test.empty:
        raise RankingError(f"{NAME} does not apply to {dataset.name!r}: no user has three ratings")
    fitted = Fitted(dataset, held.train, run)
    peers, notes = contenders.library(
        fitted, lambda: Tuning(held.train, cases(held, fitted.n_items, "valid"), "ndcg@10"), stars=False
    )
    rows = [
        contenders.popularity(fitted),
        contenders.item_mean(fitted),
        contenders.retriever(fitted),
        *peers,
        *contenders.untuned(fitted),
        *contenders.policies(fitted),
    ]
    own = cases(held, fitted.n_items, run.part)
    return [make_table(own, rows, fitted.traits, fitted.item_ids, dataset.fingerprint, HEADLINE, run, notes)]
