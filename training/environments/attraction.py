"""Attraction: which films a person is drawn to, learned from what people watched next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from agent.data.interactions import user_histories
from agent.records.state import Event
from agent.retrieval.item_neighbours import ItemNeighbours

AHEAD = 10
"""Films of each user's later ratings that count as watched next."""
_FADE = 0.9
_RECENT = 50


@dataclass(frozen=True)
class Attraction:
    """The chance that a film is one that the person watches next rather than a random other one, even odds beforehand.

    ``sigmoid(weights . (1, log(1 + ratings of the film), likeness to the recent history))``; ``likeness`` is the
    co-occurrence ``near`` (n_items, n_items) with the films of the history, each event counting 0.9 times the next.
    """

    near: sparse.csr_matrix
    log_count: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, past: pd.DataFrame, later: pd.DataFrame, n_items: int, seed: int = 0) -> Attraction:
        """Learn the weights on the first films that users of ``past`` watched ``later`` and on as many random ones.

        Raises:
            ValueError: no user of ``past`` has later ratings.
        """
        untrained = cls._of(past, n_items, np.zeros(3))
        rng = np.random.default_rng(seed)
        histories, following = user_histories(past), user_histories(later)
        rows, labels = [], []
        for user, events in following.items():
            if user not in histories:
                continue
            features = untrained._features(histories[user])
            seen = {event.item for event in histories[user]}
            nexts = [event.item for event in events[:AHEAD]]
            others = [int(item) for item in rng.integers(n_items, size=4 * len(nexts)) if int(item) not in seen]
            others = others[: len(nexts)]
            rows += [features[nexts], features[others]]
            labels += [1] * len(nexts) + [0] * len(others)
        if len(set(labels)) < 2:
            raise ValueError("no user has ratings in both parts: attraction is learned from what was watched next")
        fitted = LogisticRegression(class_weight="balanced", max_iter=500).fit(np.concatenate(rows), labels)
        return replace(untrained, weights=np.concatenate([fitted.intercept_, fitted.coef_[0]]))

    def refitted(self, ratings: pd.DataFrame) -> Attraction:
        """The same weights on counts and co-occurrences of other ratings."""
        return self._of(ratings, len(self.log_count), self.weights)

    @classmethod
    def _of(cls, ratings: pd.DataFrame, n_items: int, weights: np.ndarray) -> Attraction:
        users, names = pd.factorize(ratings["user"])
        items = ratings["item"].to_numpy(np.int64)
        watched = sparse.csr_matrix((np.ones(len(items)), (users, items)), shape=(len(names), n_items))
        near = ItemNeighbours.fit(watched).similarity
        symmetric = sparse.csr_matrix(near.maximum(near.T))
        return cls(symmetric, np.log1p(np.bincount(items, minlength=n_items)), weights)

    def probabilities(self, history: Sequence[Event]) -> np.ndarray:
        """For every item, (n_items,) from 0 to 1."""
        logits = self.weights[0] + self._features(history) @ self.weights[1:]
        result: np.ndarray = 1.0 / (1.0 + np.exp(-logits))
        return result

    def _features(self, history: Sequence[Event]) -> np.ndarray:
        recent = [event.item for event in history[-_RECENT:]]
        likeness = np.zeros(len(self.log_count))
        if recent:
            likeness = np.asarray(self.near[recent].T @ _FADE ** np.arange(len(recent))[::-1]).ravel()
        return np.stack([self.log_count, likeness], axis=1)
