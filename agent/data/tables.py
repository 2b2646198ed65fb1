"""Tables: delimited text read column by column as strings, with every row that does not fit counted."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

_MAX_EXAMPLES = 3


class DatasetError(Exception):
    """A data set is missing or cannot be read; the message names it and the fix."""


class DatasetNotFoundError(DatasetError, FileNotFoundError):
    """A data set is not in the cache."""


@dataclass
class Problems:
    """What was skipped, by file name, and the first few rows of it by file name or rule."""

    skipped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, name: str, rows: int) -> None:
        """Count ``rows`` rows of file ``name`` as skipped."""
        if rows:
            self.skipped[name] = self.skipped.get(name, 0) + rows

    def example(self, rule: str, text: str) -> None:
        """Keep ``text`` for ``rule`` if there are not enough examples of it yet."""
        own = self.examples.setdefault(rule, [])
        if len(own) < _MAX_EXAMPLES:
            own.append(text)


@dataclass(frozen=True)
class Table:
    """One file: string columns, and the line number of its first row (1-based)."""

    name: str
    frame: pd.DataFrame
    first_line: int

    def named(self, columns: dict[str, str]) -> Table:
        """Only the columns that are keys of ``columns``, renamed to its values.

        Raises:
            DatasetError: one is missing.
        """
        for column in columns:
            if column not in self.frame:
                raise DatasetError(
                    f"{self.name}, line 1: no column {column!r} (found {', '.join(map(str, self.frame.columns))})"
                )
        return Table(self.name, self.frame[list(columns)].rename(columns=columns), self.first_line)


def read_table(name: str, data: bytes, delimiter: str, columns: tuple[str, ...] | None, problems: Problems) -> Table:
    """Read delimited text; without ``columns`` the first line is the header.

    RecBole's header types ("user_id:token") are dropped. Text is UTF-8, or Latin-1 for the old headerless layouts.
    Quotes mean something in comma-separated files only.

    Raises:
        DatasetError: the file is empty, is not text, or has no header; the message names file and line.
    """
    if not data.strip():
        raise DatasetError(f"{name}, line 1: the file is empty")
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    text_encoding = "utf-8"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if columns is None:
            raise DatasetError(
                f"{name}, line {line}: not UTF-8 text ({error.reason}): download the file again"
            ) from error
        text_encoding = "latin-1"
    if b"\x00" in data:
        line = data.count(b"\n", 0, data.index(b"\x00")) + 1
        raise DatasetError(f"{name}, line {line}: binary data instead of text: download the file again")
    if delimiter == "::":
        data, delimiter = data.replace(b"\t", b" ").replace(b"::", b"\t"), "\t"
    first_line = 1
    if columns is None:
        head, _, data = data.partition(b"\n")
        header = next(csv.reader(io.StringIO(head.decode(text_encoding)), delimiter=delimiter))
        columns = tuple(column.split(":")[0].strip() for column in header)
        first_line = 2
    return Table(name, _parse(name, data, delimiter, columns, text_encoding, problems), first_line)


def _parse(
    name: str, data: bytes, delimiter: str, columns: tuple[str, ...], encoding: str, problems: Problems
) -> pd.DataFrame:
    skipped = 0

    def skip(row: arrow_csv.InvalidRow) -> str:
        nonlocal skipped
        skipped += 1
        problems.example(
            name, f"{name}: {row.actual_columns} columns instead of {row.expected_columns}: {row.text[:120]!r}"
        )
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(column_names=list(columns), encoding=encoding, use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, quote_char='"' if delimiter == "," else False, invalid_row_handler=skip
            ),
            convert_options=arrow_csv.ConvertOptions(column_types={column: pa.string() for column in columns}),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise DatasetError(f"{name} cannot be read: {error}") from error
        table = pa.table({column: pa.array([], pa.string()) for column in columns})
    # An unbalanced quote makes the parser swallow lines: what it did not report must not go uncounted.
    problems.skip(name, max(skipped, _lines(data) - table.num_rows))
    return pd.DataFrame({column: _strings(table[column]) for column in columns})


def _lines(data: bytes) -> int:
    """How many lines of ``data`` are not empty: how many of its bytes start one."""
    breaks = np.frombuffer(data, np.uint8) == ord("\n")
    return int(np.count_nonzero(~breaks & np.append(True, breaks[:-1]))) if data else 0


def _strings(column: pa.ChunkedArray) -> pd.Series:
    """Stripped Python strings; equal ones are one object, so that 32 million ids fit in memory."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    values = pd.Series([value.strip() for value in encoded.dictionary.to_pylist()], dtype=object)
    return pd.Series(values.to_numpy()[encoded.indices.to_numpy(zero_copy_only=False)], dtype=object)
