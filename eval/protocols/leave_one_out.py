"""Leave-one-out: find each user's last item among all the items that they have not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.records.state import State
from eval.ranking import methods
from eval.ranking.cases import Cases, some_users
from eval.ranking.lenskit_baselines import MOST_USERS, Tuning
from eval.ranking.methods import Fitted
from eval.ranking.run import Part, RankingError, RankingRun, require_times
from eval.ranking.table import Table, make_table
from training import splits
from training.splits import LeaveOneOut, held_out_targets

NAME = "leave-one-out"
HEADLINE = ("ndcg@10", "hr@10", "mrr")


def cases(parts: LeaveOneOut, n_items: int, part: Part = "test", most: int | None = None, seed: int = 0) -> Cases:
    """One case a user: all ``n_items`` without those of the history are ranked, the held-out item is relevant.

    Of more than ``most`` users (None: all), so many, by :func:`eval.ranking.cases.some_users` with the seed. For
    ``test`` the history includes the validation item; scorers must have been fitted on ``parts.train`` alone.
    """
    past = parts.train if part == "valid" else pd.concat([parts.train, parts.valid], ignore_index=True)
    held = parts.valid if part == "valid" else parts.test
    # Chosen before the lists of candidates are made: those of all users of a large set would fill the memory.
    kept = some_users(held["user"], most, seed)
    histories, targets, users = held_out_targets(
        user_histories(past[past["user"].isin(kept)]), held[held["user"].isin(kept)]
    )
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
        population=held["user"].nunique(),
    )


def tuning(held: LeaveOneOut, n_items: int, seed: int) -> Tuning:
    """Trials are judged by NDCG@10 on users' second to last items."""
    return Tuning(held.train, cases(held, n_items, "valid", MOST_USERS, seed), "ndcg@10")


def tables(dataset: Dataset, run: RankingRun) -> list[Table]:
    """The protocol's table. Library baselines are tuned by NDCG@10 on the users' second to last items.

    Raises:
        RankingError: the data set has no times, or no user with three interactions.
    """
    require_times(dataset, NAME)
    held = splits.leave_one_out(indexed_ratings(dataset))
    if held.test.empty:
        raise RankingError(f"{NAME} does not apply to {dataset.name!r}: no user has three ratings")
    fitted = Fitted(dataset, held.train, run)
    library, notes = methods.library(fitted, lambda: tuning(held, fitted.n_items, run.seed), stars=False)
    rows = [
        methods.popularity(fitted),
        methods.item_mean(fitted),
        methods.retriever(fitted),
        *library,
        *methods.untuned(fitted),
        *methods.policies(fitted),
    ]
    own = cases(held, fitted.n_items, run.part, run.users, run.seed)
    return [make_table(own, rows, fitted.traits, fitted.item_ids, dataset.fingerprint, HEADLINE, run, notes)]
