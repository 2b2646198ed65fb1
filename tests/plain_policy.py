"""A recommender that needs no fitting, for conversations over any data set: popularity, mean rating, who had both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.policy.distribution import Policy
from agent.recommender import Recommender
from agent.records.state import Event

WEIGHTS = (0.3, 1.0, 4.0)
"""Of the logarithm of how many people had an item, its mean grade, and its cosine to what the person had."""


class Plain:
    """Features of items that follow from the events alone."""

    def __init__(self, catalogue: Catalogue, dataset: Dataset) -> None:
        events = dataset.ratings
        users = events["user"].astype("category").cat.codes.to_numpy()
        items = events["item"].map({item.item_id: item.index for item in catalogue.items}).to_numpy()
        grades = np.nan_to_num(events["rating"].to_numpy(np.float64), nan=4.0)
        table = sparse.csr_matrix(
            (np.maximum(grades - 2.5, 0), (users, items)), shape=(users.max() + 1, len(catalogue))
        )
        lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=0))).ravel() + 5.0
        self._columns = (table @ sparse.diags(1 / lengths)).tocsc()
        count = catalogue.rating_count
        mean = (np.nan_to_num(catalogue.mean_rating, nan=3.3) * count + 33.0) / (count + 10.0) - 3.3
        self._fixed = np.stack([np.log1p(count), mean], axis=1).astype(np.float32)

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, n_items, 3), or (B, C, 3) at candidates."""
        found = []
        for row, history in enumerate(histories):
            near = np.zeros(len(self._fixed), dtype=np.float32)
            for event in history:
                weight = (3.5 if event.rating is None else event.rating) - 2.8
                near += weight * np.asarray((self._columns[:, [event.item]].T @ self._columns).todense()).ravel()
            own = np.concatenate([self._fixed, near[:, None] / max(1.0, len(history)) ** 0.5], axis=1)
            found.append(own if candidates is None else own[candidates[row]])
        return np.stack(found).astype(np.float32)


def plain_recommender(dataset: Dataset) -> Recommender:
    """A recommender over a data set whose policy needs no fitting."""
    catalogue = Catalogue(dataset)
    weights = {goal: np.array(WEIGHTS, dtype=np.float32) for goal in ("next", "like", "request")}
    return Recommender(catalogue, Policy(Plain(catalogue, dataset), weights), {})
