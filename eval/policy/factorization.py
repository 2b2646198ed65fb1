"""Peers: the library's matrix factorisation, tuned on validation slates. It comes with the extra ``peers``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from agent.records.state import POSITIVE, Event, State
from eval.metrics import Scorer, first_pick
from eval.ranking.cases import Cases
from eval.ranking.lenskit_baselines import PEERS, FittedPeer, Settings
from training.splits import Slate

# Without the biases that the ranking tables fall back to: an item that nobody rated in the past stands at the end.
FACTORIZATION = replace(next(peer for peer in PEERS if peer.name == "matrix factorisation"), stars=False)

TRIALS = FACTORIZATION.models


def available() -> bool:
    """Whether the extra ``peers`` is installed."""
    return importlib.util.find_spec("lenskit") is not None


def tuned_factorization(
    past: pd.DataFrame, valid_past: pd.DataFrame, valid_slates: Sequence[Slate], seed: int = 0
) -> tuple[Scorer, str]:
    """LensKit's biased matrix factorisation (ALS), with the size and penalty that click best on validation slates.

    Args:
        past: the ratings that the scorer is fitted on in the end.
        valid_past: the ratings before the validation slates.
        valid_slates: slates cut from ``past`` after ``valid_past``.
        seed: of the factors' start.

    Returns:
        The scorer, and what was chosen in words.
    """
    candidates = [np.array(slate.items) for slate in valid_slates]
    histories = [slate.history for slate in valid_slates]
    best = (-1.0, 0, 0.0)
    for settings in TRIALS:
        scores = _factorization(valid_past, settings, seed)(histories, candidates)
        clicks = [
            first_pick(own, np.array(slate.clicks(POSITIVE), dtype=np.float64))
            for own, slate in zip(scores, valid_slates, strict=True)
        ]
        best = max(best, (float(np.mean(clicks)), settings["embedding_size"], settings["regularization"]))
    _, size, penalty = best
    chosen = _factorization(past, {"embedding_size": size, "regularization": penalty}, seed)
    return chosen, f"{size} factors, penalty {penalty}"


def _factorization(ratings: pd.DataFrame, settings: Settings, seed: int) -> Scorer:
    ask = FittedPeer(FACTORIZATION, settings, ratings, seed).scorer()

    def scorer(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        states = tuple(State(tuple(history)) for history in histories)
        nobody, nothing = ("",) * len(states), (np.array([], dtype=np.int64),) * len(states)
        return ask(Cases("rated-slate", "slates", nobody, states, tuple(candidates), nothing))

    return scorer
