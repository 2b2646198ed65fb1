"""Like classifier: boosted trees that tell positive feedback from the rest, on features made without the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from agent.data.interactions import user_folds
from agent.features.trees import BoostedTrees
from agent.features.user_features import ItemInfo, Taste
from agent.records.state import POSITIVE, Event

MOST_USERS = 4_000
"""Of more users than this, so many are drawn to learn from; the features of all of them come from one fit."""

STATES_AT_ONCE = 256

LEAST_ROWS = 200
"""With fewer graded events to learn from there is no classifier."""


def fit_like_trees(
    ratings: pd.DataFrame,
    histories: Mapping[str, tuple[Event, ...]],
    info: ItemInfo,
    seed: int,
    folds: int,
    cuts: Sequence[float],
    span: int,
    trees: int,
    done: Callable[[int], object],
) -> BoostedTrees | None:
    """Positive or not, learned on what came after each cut, with features by a fit that has not seen the user.

    Arguments as in :class:`agent.features.model.EvidenceConfig`; ``done`` is called with the number of folds done.
    None where there are too few graded events, or all of them are alike.
    """
    users = [user for user, history in histories.items() if any(event.rating is not None for event in history)]
    groups: list[tuple[str, ...]]
    if len(users) > MOST_USERS:
        drawn = np.random.default_rng(seed).permutation(len(users))[:MOST_USERS]
        groups = [tuple(users[k] for k in sorted(drawn))]
    elif len(users) >= folds:
        groups = user_folds(users if len(users) < len(histories) else list(histories), folds, seed)
    else:
        return None
    features, likes = [], []
    for fold, group in enumerate(groups):
        rest = ratings[~ratings["user"].isin(group)]
        if rest.empty:
            return None
        taste = Taste.fit(rest, info, seed)
        states = [state for user in group for state in _cut(histories[user], cuts, span)]
        for start in range(0, len(states), STATES_AT_ONCE):
            part = states[start : start + STATES_AT_ONCE]
            chosen = np.zeros((len(part), max(len(targets) for _, targets in part)), dtype=np.int64)
            for row, (_, targets) in enumerate(part):
                chosen[row, : len(targets)] = [event.item for event in targets]
            every = taste.features([history for history, _ in part], chosen)
            for row, (_, targets) in enumerate(part):
                features.append(every[row, : len(targets)])
                likes.append([event.rating is not None and event.rating >= POSITIVE for event in targets])
        done(fold + 1)
    known = np.concatenate(likes) if likes else np.zeros(0, dtype=bool)
    if len(known) < LEAST_ROWS or known.all() or not known.any():
        return None
    return BoostedTrees.fit(np.concatenate(features), known, seed=seed, trees=trees)


def _cut(
    history: tuple[Event, ...], cuts: Sequence[float], span: int
) -> list[tuple[tuple[Event, ...], tuple[Event, ...]]]:
    places = sorted({int(cut if cut >= 1 else cut * len(history)) for cut in cuts})
    pairs = ((history[:place], history[place : place + span]) for place in places)
    return [(past, rated) for past, next_ in pairs if (rated := tuple(e for e in next_ if e.rating is not None))]
