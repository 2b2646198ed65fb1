"""Item traits: what rewards and simulated users need to know of items beside their ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class ItemTraits:
    """How far apart items are, and how little known.

    ``categories`` (n_items, G) float32, rows of norm 1 (0 where no genre is known). ``vectors`` (n_items, d) float32,
    rows of norm 1, are collaborative vectors, or None. ``novelty`` (n_items,) float64 is 0 where everyone knows the
    item and 1 where nobody does.
    """

    categories: np.ndarray
    vectors: np.ndarray | None
    novelty: np.ndarray

    @classmethod
    def of(cls, categories: np.ndarray, ratings: pd.DataFrame, vectors: np.ndarray | None = None) -> ItemTraits:
        """From the items' categories, (n_items, G) of 0 and 1, and the training events (``item`` as catalogue index).

        Novelty is an item's self-information ``-log2 p``, where p is the share of users who rated it (Zhou et al.,
        2010, doi:10.1073/pnas.1000488107), with one user added on both sides and divided by its largest value.
        ``vectors`` (n_items, d) may be any collaborative vectors, such as ``evidence.retriever.item_embeddings``.

        Raises:
            ValueError: ``vectors`` has not one row an item.
        """
        if vectors is not None and len(vectors) != len(categories):
            raise ValueError(f"{len(vectors)} vectors for {len(categories)} items: give one row an item")
        users = ratings["user"].nunique()
        count = np.bincount(ratings["item"].to_numpy(np.int64), minlength=len(categories))
        novelty = np.log2((users + 1) / (count + 1)) / np.log2(users + 1) if users else np.ones(len(categories))
        unit = None if vectors is None else _unit(vectors)
        return cls(_unit(categories), unit, np.clip(novelty, 0.0, 1.0))

    def distance(self, item: int, others: np.ndarray) -> np.ndarray:
        """Distances of ``item`` to ``others`` (m,), each from 0 to 1, (m,) float64.

        The genre distance is ``1 - cosine``; with collaborative vectors it is averaged with ``(1 - cosine) / 2`` of
        those. The mean over the pairs of a list is its intra-list distance (Ziegler et al., 2005).
        """
        others = np.asarray(others, dtype=np.int64)
        apart = 1.0 - self.categories[others].astype(np.float64) @ self.categories[item]
        if self.vectors is not None:
            apart = (apart + (1.0 - self.vectors[others].astype(np.float64) @ self.vectors[item]) / 2) / 2
        clipped: np.ndarray = np.clip(apart, 0.0, 1.0)
        return clipped


def _unit(rows: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = np.divide(rows, norm, out=np.zeros(rows.shape), where=norm > 0).astype(np.float32)
    return unit
