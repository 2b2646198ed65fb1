"""Item neighbours: which items the same people watch, and which they rate alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

_CHUNK = 20_000_000
"""Similarities held at once, at most, while neighbours are picked."""


@dataclass(frozen=True)
class ItemNeighbours:
    """Each item's nearest items: ``similarity`` (n_items, n_items) holds at most k positive numbers a row.

    The similarity is the cosine between two items' columns, shrunk by ``common / (common + shrinkage)`` where
    ``common`` counts the users of both (Koren, 2008): few common users prove little.
    """

    similarity: sparse.csr_matrix

    @classmethod
    def fit(cls, matrix: sparse.csr_matrix, k: int = 50, shrinkage: float = 0.0) -> ItemNeighbours:
        """Find the ``k`` nearest items of each column of ``matrix`` (users, items).

        With ones for what was watched this is co-occurrence; with ratings less their expectation it says whose ratings
        go together. Works in blocks of rows: memory stays bounded for large catalogues.

        Raises:
            ValueError: ``k`` is below 1.
        """
        if k < 1:
            raise ValueError(f"{k} neighbours: give at least 1")
        users_by_item = sparse.csc_matrix(matrix, dtype=np.float32)
        norm = np.sqrt(np.asarray(users_by_item.multiply(users_by_item).sum(axis=0)).ravel())
        unit = users_by_item @ sparse.diags(np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0))
        columns = sparse.csr_matrix(unit.T)
        present = columns.copy()
        present.data = np.ones_like(present.data)
        n_items = columns.shape[0]
        step = max(1, _CHUNK // n_items)
        blocks = []
        for start in range(0, n_items, step):
            block = sparse.csr_matrix(columns[start : start + step] @ columns.T)
            if shrinkage > 0:
                common = sparse.csr_matrix(present[start : start + step] @ present.T)
                common.data /= common.data + shrinkage
                block = sparse.csr_matrix(block.multiply(common))
            blocks.append(_largest(block, start, k))
        return cls(sparse.csr_matrix(sparse.vstack(blocks, format="csr")))

    @cached_property
    def neighbours(self) -> sparse.csr_matrix:
        """The similarities with every row scaled to sum to one (rows without neighbours stay empty)."""
        total = np.asarray(self.similarity.sum(axis=1)).ravel()
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        return sparse.csr_matrix(sparse.diags(scale) @ self.similarity)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, for storing."""
        matrix = self.similarity
        return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> ItemNeighbours:
        """The inverse of :meth:`arrays`."""
        n_items = len(arrays["indptr"]) - 1
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        return cls(sparse.csr_matrix(parts, shape=(n_items, n_items)))


def _largest(block: sparse.csr_matrix, first: int, k: int) -> sparse.csr_matrix:
    """The ``k`` largest positive numbers of each row; row r is item ``first + r``, which is not its own neighbour.

    Of equal numbers at the border those of the first columns stay.
    """
    columns, values, lengths = [], [], []
    for row in range(block.shape[0]):
        own = slice(block.indptr[row], block.indptr[row + 1])
        column, value = block.indices[own], block.data[own]
        usable = (value > 0) & (column != row + first)
        column, value = column[usable], value[usable]
        if len(value) > k:
            border = np.partition(value, len(value) - k)[len(value) - k]
            above, at = np.flatnonzero(value > border), np.flatnonzero(value == border)
            at = at[np.argsort(column[at])][: k - len(above)]
            kept = np.concatenate([above, at])
            column, value = column[kept], value[kept]
        columns.append(column)
        values.append(value)
        lengths.append(len(value))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    parts = (np.concatenate(values or [block.data[:0]]), np.concatenate(columns or [block.indices[:0]]), indptr)
    found = sparse.csr_matrix(parts, shape=block.shape)
    found.sort_indices()
    return found
