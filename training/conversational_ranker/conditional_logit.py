"""Talk fit: a conditional logit (McFadden, 1974) over items, for the few weights of a ranker of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice that was seen: ``features`` (F, candidates), the chosen one's ``place``, and ``offset`` (candidates,).

    The offset is the logarithm of how many items a sampled candidate stands for.
    """

    features: np.ndarray
    place: int
    offset: np.ndarray


def draw(
    features: np.ndarray, target: int, banned: Sequence[int], sure: np.ndarray, rng: np.random.Generator, drawn: int
) -> Choice:
    """A choice over the ``sure`` items and ``drawn`` random ones, without those ``banned`` (the target stays).

    ``features`` is (F, n_items).
    """
    n_items = features.shape[1]
    sampled = rng.choice(n_items, size=min(drawn, n_items), replace=False)
    candidates = np.unique(np.concatenate([[target], sampled, sure]))
    candidates = candidates[~np.isin(candidates, [item for item in banned if item != target])]
    offset = np.where(np.isin(candidates, sure), 0.0, np.log(n_items / len(sampled)))
    place = int(np.flatnonzero(candidates == target)[0])
    return Choice(features[:, candidates].astype(np.float16), place, offset.astype(np.float32))


def fit_weights(choices: Sequence[Choice], penalty: float = 3e-3, steps: int = 150) -> np.ndarray:
    """The weights (F,) float32 that make the choices most probable, with ``penalty`` times their squares.

    Features are standardised by their spread among the candidates for the penalty; the weights are for features as
    given.

    Raises:
        ValueError: there are no choices.
    """
    if not choices:
        raise ValueError("no choices to fit weights to: give at least one dialogue or user with films to foresee")
    sizes = np.array([choice.features.shape[1] for choice in choices])
    spread = np.mean([choice.features.astype(np.float32).std(axis=1) for choice in choices], axis=0)
    scale = np.where(spread > 1e-4, spread, np.inf).astype(np.float32)
    matrix = np.concatenate([(choice.features.astype(np.float32) / scale[:, None]).T for choice in choices])
    offset = np.concatenate([choice.offset for choice in choices])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    chosen = matrix[starts + np.array([choice.place for choice in choices])]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        own = weights.astype(np.float32)
        logits = matrix @ own + offset
        top = np.maximum.reduceat(logits, starts)
        grown = np.exp(logits - np.repeat(top, sizes))
        total = np.add.reduceat(grown, starts)
        value = float((np.log(total) + top).mean() - (chosen @ own).mean()) + penalty * float(weights @ weights)
        # The target's offset is a constant and left out.
        expected = (grown / np.repeat(total, sizes)) @ matrix / len(choices)
        return value, (expected - chosen.mean(axis=0)).astype(np.float64) + 2 * penalty * weights

    best = minimize(loss, np.zeros(matrix.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    return np.asarray(best.x / scale, dtype=np.float32)
