"""Like trees: boosted trees that tell a like from the rest, fitted on features made without the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from agent.data.interactions import user_folds
from agent.features.trees import BoostedTrees
from agent.features.user_features import TASTE_FEATURES, ItemInfo, Taste
from agent.records.state import POSITIVE, Event

NUMBERS_AT_ONCE = 40_000_000
"""Features held at once."""


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
) -> BoostedTrees:
    """Like or not, learned on what came after each cut, with features by a fit that has not seen the user.

    Arguments as in :class:`agent.features.model.EvidenceConfig`; ``done`` is called with the number of folds done.
    """
    features, likes = [], []
    for fold, users in enumerate(user_folds(list(histories), folds, seed)):
        taste = Taste.fit(ratings[~ratings["user"].isin(users)], info, seed)
        states = [state for user in users for state in _cut(histories[user], cuts, span)]
        step = max(1, NUMBERS_AT_ONCE // (len(info.years) * len(TASTE_FEATURES)))
        for start in range(0, len(states), step):
            part = states[start : start + step]
            every = taste.features([history for history, _ in part])
            for row, (_, targets) in enumerate(part):
                features.append(every[row, [event.item for event in targets]])
                likes.append([event.rating is not None and event.rating >= POSITIVE for event in targets])
        done(fold + 1)
    return BoostedTrees.fit(np.concatenate(features), np.concatenate(likes), seed=seed, trees=trees)


def _cut(
    history: tuple[Event, ...], cuts: Sequence[float], span: int
) -> list[tuple[tuple[Event, ...], tuple[Event, ...]]]:
    places = sorted({int(cut if cut >= 1 else cut * len(history)) for cut in cuts})
    pairs = ((history[:place], history[place : place + span]) for place in places)
    return [(past, rated) for past, next_ in pairs if (rated := tuple(e for e in next_ if e.rating is not None))]
