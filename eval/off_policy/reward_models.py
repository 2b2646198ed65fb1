"""Reward models of the direct method: what reward each candidate would get at each place."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from sklearn.linear_model import Ridge

from eval.off_policy.samples import Samples

FOLDS = 5
REFITS = 200
"""How often the reward model is fitted anew for the direct method's interval."""


class RewardModel(Protocol):
    """A regression of rewards on what a row says of its candidates; may be anything with this method."""

    def fit_predict(self, samples: Samples, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Learn from the rows ``known``, and guess at the rows ``asked`` (indices): (asked, K, C)."""
        ...


class RidgeReward:
    """Ridge regression on the candidates' features, with an intercept for each place.

    ``penalty`` is on standardised features.
    """

    def __init__(self, penalty: float = 10.0) -> None:
        self.penalty = penalty

    def fit_predict(self, samples: Samples, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """See :class:`RewardModel`.

        Raises:
            ValueError: the samples have no features.
        """
        if samples.features is None:
            raise ValueError("ridge regression needs features of the candidates: give candidate_features in the log")
        shown = samples.shown[known]
        row, place = np.nonzero(shown)
        at = samples.slate[known][row, place]
        x = samples.features[known][row, at].astype(np.float64)
        y = samples.rewards[known][row, place]
        centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        level = ItemMeanReward.place_means(samples, known)
        fitted = Ridge(alpha=self.penalty).fit((x - centre) / scale, y - level[place])
        # Outside the range that was seen a line says nothing: features are held to it.
        seen = np.clip(samples.features[asked].astype(np.float64), x.min(axis=0), x.max(axis=0))
        guess = ((seen - centre) / scale) @ fitted.coef_ + fitted.intercept_
        result: np.ndarray = guess[:, None, :] + level[None, :, None]
        return result


class ItemMeanReward:
    """The mean reward of each item beside its place's, shrunk: ``level_k + sum(r - level) / (n + strength)``."""

    def __init__(self, strength: float = 5.0) -> None:
        self.strength = strength

    def fit_predict(self, samples: Samples, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """See :class:`RewardModel`."""
        level = self.place_means(samples, known)
        row, place = np.nonzero(samples.shown[known])
        items = samples.items[known][row, samples.slate[known][row, place]]
        count = int(samples.items.max()) + 1
        total = np.bincount(items, weights=samples.rewards[known][row, place] - level[place], minlength=count)
        effect = total / (np.bincount(items, minlength=count) + self.strength)
        result: np.ndarray = effect[samples.items[asked]][:, None, :] + level[None, :, None]
        return result

    @staticmethod
    def place_means(samples: Samples, known: np.ndarray) -> np.ndarray:
        """Mean reward at each place, (K,); 0 where none of the rows has one."""
        shown = samples.shown[known]
        total: np.ndarray = np.asarray((samples.rewards[known] * shown).sum(axis=0)) / np.maximum(shown.sum(axis=0), 1)
        return total


def refitted(model: RewardModel, samples: Samples, places: np.ndarray, refits: int, seed: int = 0) -> np.ndarray:
    """How the direct method's value varies with the log that the model is fitted to, (refits,).

    Whole clusters are drawn with replacement, the model is fitted to what was drawn and the value read off it; what is
    returned is less the value from the whole log. Rows that are only averaged over a given model say nothing about the
    model's own error, which is most of the direct method's.

    ``places``: (N, K, C) the target's probabilities at each place; ``seed``: of the draws; the same for two targets
    that are compared.
    """
    everything = np.arange(len(samples.clusters))
    members = np.split(np.argsort(samples.clusters, kind="stable"), np.cumsum(np.bincount(samples.clusters))[:-1])
    rng = np.random.default_rng(seed)

    def value(known: np.ndarray) -> float:
        direct = np.einsum("nkc,nkc->n", places, model.fit_predict(samples, known, everything))
        return float(direct[known].mean())

    whole = value(everything)
    drawn = (rng.integers(0, len(members), len(members)) for _ in range(refits))
    return np.array([value(np.concatenate([members[group] for group in groups])) for groups in drawn]) - whole


def cross_fitted(model: RewardModel, samples: Samples, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Guesses (N, K, C), each from a fit without the row's cluster (cross-fitting: Chernozhukov et al., 2018).

    Raises:
        ValueError: there are fewer clusters than two.
    """
    groups = int(samples.clusters.max()) + 1
    if groups < 2:
        raise ValueError("all rows are of one cluster: cross-fitting needs at least two")
    fold = (np.random.default_rng(seed).permutation(groups) % min(folds, groups))[samples.clusters]
    result = np.zeros((*samples.rewards.shape, samples.items.shape[1]))
    for own in range(min(folds, groups)):
        asked, known = np.flatnonzero(fold == own), np.flatnonzero(fold != own)
        result[asked] = model.fit_predict(samples, known, asked)
    return result * (samples.items >= 0)[:, None, :]
