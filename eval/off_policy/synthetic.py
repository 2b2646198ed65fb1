"""Synthetic: bandits whose true values are known, to check estimators, intervals and diagnostics against."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from eval.off_policy.plackett_luce import conditionals
from eval.off_policy.samples import Samples, TargetProbabilities

Fault = Literal["none", "greedy", "wrong propensities", "no support", "too far"]
RATES = 6
"""States of a bandit."""


@dataclass(frozen=True)
class Bandit:
    """States, items, and a person who clicks by known chances.

    A conversation has three rows of one state and a mood of its own that moves all its chances, so rows of one
    conversation are not independent. With ``cascade`` an item is clicked less below a good one. ``fault`` breaks what
    the estimators assume.
    """

    places: int = 1
    items: int = 8
    cascade: bool = False
    fault: Fault = "none"
    seed: int = 0

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(self.seed)
        chance = rng.uniform(0.15, 0.75, (RATES, self.items))
        logged = _softmax(rng.normal(size=(RATES, self.items)) * 0.5)
        distance = 9.0 if self.fault == "too far" else 1.5 / self.places
        target = _softmax(np.log(logged) + distance * (chance - chance.mean()) / chance.std() * 0.5)
        if self.fault == "no support":
            logged[:, : self.items // 4] = 0.0
            logged /= logged.sum(axis=1, keepdims=True)
        return chance, logged, target

    def _chances(self, states: np.ndarray, slates: np.ndarray) -> np.ndarray:
        """Chance of a click at each place, (N, K), in a neutral mood."""
        own = self._tables[0][states[:, None], slates]
        result = own * 0.85 ** np.arange(self.places)
        if self.cascade:
            above = np.concatenate([np.zeros((len(own), 1)), own[:, :-1]], axis=1)
            result = result * (1.0 - 0.6 * above)
        return np.asarray(result)

    @cached_property
    def value(self) -> float:
        """The target's true expected clicks on a slate, by enumerating all slates."""
        slates = np.array(list(itertools.permutations(range(self.items), self.places)))
        total = 0.0
        for state in range(RATES):
            first = np.repeat(self._tables[2][state][None], len(slates), axis=0)
            weight = conditionals(first, slates, np.zeros(len(slates))).prod(axis=1)
            total += float(weight @ self._chances(np.full(len(slates), state), slates).sum(axis=1))
        return total / RATES

    def true_rewards(self, states: np.ndarray) -> np.ndarray:
        """The chances of every item at every place, (N, K, C); only without a cascade."""
        result: np.ndarray = self._tables[0][states][:, None, :] * (0.85 ** np.arange(self.places))[None, :, None]
        return result

    def draw(self, conversations: int, rng: np.random.Generator) -> tuple[Samples, np.ndarray]:
        """A log of three rows a conversation with the target beside it, and the rows' states (N,)."""
        _, logged, target = self._tables
        clusters = np.repeat(np.arange(conversations), 3)
        states = rng.integers(0, RATES, conversations)[clusters]
        n = len(states)
        with np.errstate(divide="ignore"):
            scores = np.log(logged[states])
        if self.fault != "greedy":
            scores = scores + rng.gumbel(size=scores.shape)
        slates = np.argsort(-scores, axis=1)[:, : self.places]
        mood = rng.uniform(0.7, 1.3, conversations)[clusters]
        rewards = (rng.random(slates.shape) < self._chances(states, slates) * mood[:, None]).astype(np.float64)
        nothing = np.zeros(n)
        claimed = _softmax(0.5 * np.log(logged)) if self.fault == "wrong propensities" else logged
        first: np.ndarray | None = claimed[states]
        propensities = conditionals(claimed[states], slates, nothing)
        if self.fault == "greedy":
            first, propensities = None, np.ones(slates.shape)
        samples = Samples(
            rewards=rewards,
            shown=np.ones(slates.shape, dtype=bool),
            slate=slates,
            logged=propensities,
            logged_first=first,
            items=np.repeat(np.arange(self.items)[None], n, axis=0),
            clusters=clusters,
            features=None,
            target=TargetProbabilities(
                "synthetic",
                conditionals(target[states], slates, nothing),
                target[states],
                nothing,
                None,
                np.ones(n, dtype=bool),
            ),
        )
        return samples, states


def _softmax(logits: np.ndarray) -> np.ndarray:
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: np.ndarray = values / values.sum(axis=1, keepdims=True)
    return result
