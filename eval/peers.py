"""Peers: other people's recommenders, tuned on validation slates, as scorers. They come with the extra ``peers``."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from agent.state import Event
from agent.taste import LIKED
from eval.metrics import Scorer, first_pick
from training.splits import Slate

FEATURES = (8, 16, 32, 64)
REGULARIZATION = (0.06, 0.1, 0.15)
"""What is tried: every size of LensKit's matrix factorisation with every ridge penalty, 12 trials."""


def available() -> bool:
    """Whether the extra ``peers`` is installed."""
    return importlib.util.find_spec("lenskit") is not None


def tuned_factorization(
    past: pd.DataFrame, n_items: int, valid_past: pd.DataFrame, valid_slates: Sequence[Slate], seed: int = 0
) -> tuple[Scorer, str]:
    """LensKit's biased matrix factorisation (ALS), with the size and penalty that click best on validation slates.

    Args:
        past: the ratings that the scorer is fitted on in the end.
        n_items: size of the catalogue.
        valid_past: the ratings before the validation slates.
        valid_slates: slates cut from ``past`` after ``valid_past``.
        seed: of the factors' start.

    Returns:
        The scorer, and what was chosen in words.
    """
    candidates = [np.array(slate.items) for slate in valid_slates]
    histories = [slate.history for slate in valid_slates]
    best = (-1.0, 0, 0.0)
    for size, penalty in itertools.product(FEATURES, REGULARIZATION):
        scores = _factorization(valid_past, n_items, size, penalty, seed)(histories, candidates)
        clicks = [
            first_pick(own, np.array(slate.clicks(LIKED), dtype=np.float64))
            for own, slate in zip(scores, valid_slates, strict=True)
        ]
        best = max(best, (float(np.mean(clicks)), size, penalty))
    _, size, penalty = best
    return _factorization(past, n_items, size, penalty, seed), f"{size} factors, penalty {penalty}"


def _factorization(ratings: pd.DataFrame, n_items: int, size: int, penalty: float, seed: int) -> Scorer:
    from lenskit.als import BiasedMFScorer
    from lenskit.data import ItemList, RecQuery, from_interactions_df
    from lenskit.training import TrainingOptions

    rows = pd.DataFrame({"user_id": ratings["user"], "item_id": ratings["item"], "rating": ratings["rating"]})
    data = from_interactions_df(rows)
    model = BiasedMFScorer(features=size, regularization=penalty, epochs=20)
    model.train(data, TrainingOptions(rng=seed))

    def scorer(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        out = []
        for history, items in zip(histories, candidates, strict=True):
            past = ItemList(
                item_ids=[e.item for e in history], rating=np.array([e.rating for e in history], dtype=np.float64)
            )
            scores: Any = model(RecQuery(history_items=past), ItemList(item_ids=items)).scores()
            # An item that nobody rated in the past has no factors: it stands at the end.
            out.append(np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=-1e9))
        return out

    return scorer
