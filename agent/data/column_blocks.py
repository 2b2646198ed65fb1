"""Column blocks: columns of a table that grow block by block while a large file is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute


class NoNumber(ValueError):
    """A column of numbers holds something else."""


class Numbers:
    """A column of numbers that grows by blocks."""

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []

    def add(self, column: Any) -> None:
        """A block of an Arrow column of strings.

        Raises:
            NoNumber: a cell is none, or is empty.
        """
        try:
            numbers = compute.cast(compute.utf8_trim_whitespace(column), pa.float64())
        except pa.ArrowInvalid:
            raise NoNumber from None
        if numbers.null_count:
            raise NoNumber
        self._blocks.append(numbers.to_numpy(zero_copy_only=False))

    def series(self) -> pd.Series:
        """The column, float64."""
        return pd.Series(np.concatenate(self._blocks) if self._blocks else np.empty(0), dtype=np.float64)


class Strings:
    """A column that grows by blocks; equal strings are one object, so that 32 million ids fit in memory."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._place: dict[str, int] = {}
        self._codes: list[np.ndarray] = []

    def add(self, column: Any) -> None:
        """A block of an Arrow column of strings."""
        encoded = column.dictionary_encode()
        own = [self.code(value or "") for value in encoded.dictionary.to_pylist()]
        places = np.asarray([*own, self.code("")], dtype=np.int64)
        indices = encoded.indices.fill_null(len(own)).to_numpy(zero_copy_only=False)
        self._codes.append(places[indices].astype(np.int32))

    def add_all(self, values: Iterable[str]) -> None:
        """A block of strings."""
        self._codes.append(np.fromiter((self.code(value) for value in values), dtype=np.int32))

    def code(self, value: str) -> int:
        """The place of a value, which is stripped."""
        value = value.strip()
        found = self._place.get(value)
        if found is None:
            found = self._place[value] = len(self.values)
            self.values.append(value)
        return found

    def series(self) -> pd.Series:
        """The column, of Python strings."""
        codes = np.concatenate(self._codes) if self._codes else np.empty(0, dtype=np.int32)
        return pd.Series(np.asarray([*self.values, ""], dtype=object)[codes], dtype=object)
