"""Estimators: the value of a target policy from a log of another, each as ratios of sums over rows.

The value is the expected reward of a slate, summed over its places; x is a row's state, a_k the item at place k, r_k
its reward. ``rho_k`` is target over logged probability of a_k given the items above it, ``W_k = rho_1 ... rho_k``, and
``m_k`` target over logged probability of a_k at place k whatever stands above it. With one item a slate the three are
the same weight, and the slate estimators are those for single actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eval.off_policy.samples import Samples, Unsupported

CLIP = 10.0
"""Largest weight of clipped IPS."""

THRESHOLD = 10.0
"""Above this weight switch-DR leaves the word to the reward model."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The estimate is ``sum_p sum_n num[n, p] / sum_n den[n, p]``.

    ``weights`` (N, P) are those that the estimate leans on (None: it has none), ``kept`` the share of their mass that
    was not cut away. ``deviations`` (R,): how far estimates from resampled logs, with everything fitted anew, lie from
    this one (None: nothing was fitted that matters).
    """

    num: np.ndarray
    den: np.ndarray
    weights: np.ndarray | None = None
    kept: float = 1.0
    deviations: np.ndarray | None = None

    @property
    def value(self) -> float:
        """The estimate."""
        return float((self.num.sum(axis=0) / self.den.sum(axis=0)).sum())


@dataclass(frozen=True)
class Problem:
    """Samples with what the estimators share.

    ``q`` (N, K, C) is the reward model's guess at every place, ``deviations`` (R,) what the direct method's value
    varies by when the model is fitted to resampled logs (None: the model is taken as given).
    """

    samples: Samples
    q: np.ndarray | Unsupported
    clip: float = CLIP
    threshold: float = THRESHOLD
    deviations: np.ndarray | None = None

    @cached_property
    def direct(self) -> np.ndarray | Unsupported:
        """What the reward model says of the target's slates, (N,)."""
        places = self.samples.target_places
        if isinstance(places, Unsupported) or isinstance(self.q, Unsupported):
            return places if isinstance(places, Unsupported) else self.q
        return np.asarray(np.einsum("nkc,nkc->n", places, self.q))

    @cached_property
    def residual(self) -> np.ndarray:
        """Reward less the reward model's guess for the shown items, (N, K)."""
        assert not isinstance(self.q, Unsupported)
        return np.asarray(self.samples.rewards - self.samples.at_slate(self.q))


Estimator = Callable[[Problem], Terms | Unsupported]


def _mean(values: np.ndarray, weights: np.ndarray | None = None, kept: float = 1.0) -> Terms:
    return Terms(values[:, None], np.ones((len(values), 1)), weights, kept)


def dm(problem: Problem) -> Terms | Unsupported:
    """Direct method (Dudik et al., 2011): ``mean_n sum_k sum_a P(a at k | x_n) q(x_n, a, k)``.

    As good as the reward model: nothing corrects it where it is wrong.
    """
    direct = problem.direct
    if isinstance(direct, Unsupported):
        return direct
    return Terms(direct[:, None], np.ones((len(direct), 1)), deviations=problem.deviations)


def ips(problem: Problem) -> Terms:
    """Inverse propensity scores (Horvitz and Thompson, 1952) of whole slates: ``mean_n W_K sum_k r_k``."""
    weight = problem.samples.prefix_weights[:, -1]
    return _mean(weight * problem.samples.rewards.sum(axis=1), weight[:, None])


def clipped_ips(problem: Problem) -> Terms:
    """IPS with weights of at most ``clip`` (Ionides, 2008; Bottou et al., 2013): ``mean_n min(W_K, c) sum_k r_k``."""
    weight = problem.samples.prefix_weights[:, -1]
    cut = np.minimum(weight, problem.clip)
    kept = float(cut.sum() / weight.sum()) if weight.any() else 1.0
    return _mean(cut * problem.samples.rewards.sum(axis=1), cut[:, None], kept)


def snips(problem: Problem) -> Terms:
    """Self-normalised IPS (Swaminathan and Joachims, 2015): ``sum_n W_K sum_k r_k / sum_n W_K``."""
    weight = problem.samples.prefix_weights[:, -1:]
    return Terms(weight * problem.samples.rewards.sum(axis=1, keepdims=True), weight, weight)


def dr(problem: Problem) -> Terms | Unsupported:
    """Doubly robust (Dudik et al., 2011): the direct method plus ``mean_n sum_k W_k (r_k - q(x, a_k, k))``.

    For slates this is the sequential form (Jiang and Li, 2016) for a reward that depends on the item at its place and
    those above it (the cascade of Kiyohara et al., 2022), with a reward model that looks at the item and the place.
    """
    direct = problem.direct
    if isinstance(direct, Unsupported):
        return direct
    weights = problem.samples.prefix_weights
    return _mean(direct + (weights * problem.residual).sum(axis=1), weights)


def switch_dr(problem: Problem) -> Terms | Unsupported:
    """Switch-DR (Wang et al., 2017): DR whose corrections with ``W_k`` above the threshold are left out."""
    direct = problem.direct
    if isinstance(direct, Unsupported):
        return direct
    weights = problem.samples.prefix_weights
    used = np.where(weights <= problem.threshold, weights, 0.0)
    kept = float(used.sum() / weights.sum()) if weights.any() else 1.0
    return _mean(direct + (used * problem.residual).sum(axis=1), used, kept)


def iips(problem: Problem) -> Terms | Unsupported:
    """Independent-position IPS (Li et al., 2018): ``mean_n sum_k m_k r_k``.

    Unbiased where the reward of an item depends on the item and its place only.
    """
    samples = problem.samples
    if samples.rewards.shape[1] == 1:
        weights = samples.ratios
    else:
        for places in (samples.logged_places, samples.target_places):
            if isinstance(places, Unsupported):
                return places
        assert not isinstance(samples.logged_places, Unsupported) and not isinstance(samples.target_places, Unsupported)
        logged = samples.at_slate(samples.logged_places)
        target = samples.at_slate(samples.target_places)
        weights = np.divide(target, logged, out=np.ones_like(target), where=samples.shown)
    return _mean((weights * samples.rewards).sum(axis=1), weights)


def rips(problem: Problem) -> Terms:
    """Reward-interaction IPS (McInerney et al., 2020): ``sum_k sum_n W_k r_k / sum_n W_k``, normalised at each place.

    Consistent where the reward of an item depends on it and the items above it.
    """
    weights = problem.samples.prefix_weights
    return Terms(weights * problem.samples.rewards, weights, weights)


ESTIMATORS: Mapping[str, Estimator] = {
    "dm": dm,
    "ips": ips,
    "clipped-ips": clipped_ips,
    "snips": snips,
    "dr": dr,
    "switch-dr": switch_dr,
    "iips": iips,
    "rips": rips,
}
"""By name, as the command line takes them."""
