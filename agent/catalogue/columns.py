"""Columns: what a catalogue knows of its items, facet by facet, and which items meet a condition on one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from agent.domains.domain import Facet
from agent.records.conditions import Condition

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class NamesColumn:
    """Names of items on one facet: categories, people.

    ``values`` are the names that occur, sorted; ``matrix`` is (n_items, len(values)), 1 where the item has the name.
    """

    facet: Facet
    values: tuple[str, ...]
    matrix: sparse.csc_matrix = field(repr=False)

    @classmethod
    def of(cls, facet: Facet, names: Sequence[Sequence[str]]) -> NamesColumn:
        """From each item's names, in catalogue order."""
        values = tuple(sorted({name for own in names for name in own}))
        place = {value: column for column, value in enumerate(values)}
        rows = np.repeat(np.arange(len(names)), [len(own) for own in names])
        columns = np.fromiter((place[name] for own in names for name in own), dtype=np.int64, count=len(rows))
        shape = (len(names), len(values))
        matrix = sparse.csc_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
        matrix.data[:] = 1.0  # a name that is listed twice counts once
        return cls(facet, values, matrix)

    @cached_property
    def place(self) -> dict[str, int]:
        """The column of a name in ``matrix``."""
        return {value: column for column, value in enumerate(self.values)}

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many items have each of ``values``."""
        return np.asarray(np.diff(self.matrix.indptr), dtype=np.int64)

    def having(self, names: Iterable[str]) -> Mask:
        """Which items have at least one of the names, (n_items,); names that nobody has match nothing."""
        mask = np.zeros(self.matrix.shape[0], dtype=np.bool_)
        for name in names:
            column = self.place.get(name)
            if column is not None:
                mask[self.matrix.indices[self.matrix.indptr[column] : self.matrix.indptr[column + 1]]] = True
        return mask

    @cached_property
    def items(self) -> Mapping[str, frozenset[int]]:
        """Name -> the catalogue indices of the items that have it."""
        bounds = self.matrix.indptr
        rows = self.matrix.indices.tolist()
        return {value: frozenset(rows[bounds[c] : bounds[c + 1]]) for c, value in enumerate(self.values)}

    def meets(self, condition: Condition) -> Mask:
        """Which items meet the condition, (n_items,)."""
        having = self.having(condition.names)
        return ~having if condition.negative else having


@dataclass(frozen=True, eq=False)
class NumberColumn:
    """Numbers of items on one facet; ``numbers`` is (n_items,) float64 in the facet's unit, NaN where unknown."""

    facet: Facet
    numbers: npt.NDArray[np.float64] = field(repr=False)

    @cached_property
    def known(self) -> Mask:
        """Which items have a number."""
        return np.isfinite(self.numbers)

    @property
    def least(self) -> float | None:
        """The smallest number; None where none is known."""
        return float(np.nanmin(self.numbers)) if self.known.any() else None

    @property
    def most(self) -> float | None:
        """The largest number; None where none is known."""
        return float(np.nanmax(self.numbers)) if self.known.any() else None

    def meets(self, condition: Condition) -> Mask:
        """Which items meet the condition, (n_items,); an unknown number meets no bound, and is in no span."""
        low, high = condition.span
        inside = self.known.copy()
        with np.errstate(invalid="ignore"):
            if low is not None:
                inside &= self.numbers >= low
            if high is not None:
                inside &= self.numbers <= high
        return ~inside if condition.negative else inside


Column = NamesColumn | NumberColumn
