"""Tables: CSV, TSV, Parquet, JSON and JSON lines as columns of strings, with every row that does not fit counted."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from agent.data.archive import DatasetError, Source
from agent.data.column_blocks import NoNumber, Numbers, Strings
from agent.data.rows import json_lines

_MAX_EXAMPLES = 3
_CHUNK = 4 << 20
_SAMPLE = 1 << 20
_BLOCK = 16 << 20
_HEADER_TYPE = re.compile(r":(token|float|token_seq|float_seq)$")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
TEXT = (".csv", ".tsv", ".dat", ".txt", ".inter", ".item", ".user", ".data")
READABLE = (*TEXT, ".parquet", ".pq", ".json", ".jsonl", ".ndjson")
"""Ends of names of files that can hold a table."""


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
    """One file: string columns, "" for an empty cell, and the line number of its first row (1-based).

    ``headless`` says that the file has no line of column names (they are column_1, column_2, ...); ``types`` are
    RecBole's, by column, where its header gives them ("token_seq").
    """

    name: str
    frame: pd.DataFrame
    first_line: int = 2
    headless: bool = False
    types: Mapping[str, str] = field(default_factory=dict)

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
        return Table(self.name, self.frame[list(columns)].rename(columns=columns), self.first_line, self.headless)


def read_table(
    source: Source,
    problems: Problems,
    delimiter: str | None = None,
    columns: tuple[str, ...] | None = None,
    only: Collection[str] | None = None,
    most: int | None = None,
    number: str | None = None,
) -> Table:
    """Read a file of any kind that its name tells; large ones a block at a time.

    ``delimiter``: of delimited text (default: told by the name and the first lines); ``columns``: the names of the
    columns of a file without a header (default: the first line, if it holds names); ``only``: the columns to keep
    (default: all); ``most``: read about so many rows from the start only; ``number``: a column of delimited text that
    comes as float64 if every cell of it is a number, which saves memory.

    Raises:
        DatasetError: the file is empty, is not text, or cannot be parsed; the message names file and line.
    """
    if source.suffix == ".gz":
        inner = Source(source.name[:-3], lambda: _gunzipped(source))
        return read_table(inner, problems, delimiter, columns, only, most, number)
    if source.suffix in (".parquet", ".pq"):
        return _read_parquet(source, only, most)
    if source.suffix in (".jsonl", ".ndjson"):
        return _read_json_lines(source, problems, only, most)
    if source.suffix == ".json":
        return _read_json(source, problems, only, most)
    return _read_text(source, problems, delimiter, columns, only, most, number)


def first_rows(source: Source, delimiter: str | None = None, rows: int = 2000) -> Table:
    """The first rows of a file, to see what it holds."""
    return read_table(source, Problems(), delimiter, most=rows)


# --- delimited text --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    """How a file's bytes are to be read: its encoding, lines that are not blank, and double quotes."""

    encoding: str
    lines: int
    quotes: int


def _read_text(
    source: Source,
    problems: Problems,
    delimiter: str | None,
    columns: tuple[str, ...] | None,
    only: Collection[str] | None,
    most: int | None,
    number: str | None,
) -> Table:
    if most is not None:
        source = _head(source)
    text = _inspect(source)
    if not text.lines:
        raise DatasetError(f"{source.name}, line 1: the file is empty")
    first = _first_lines(source, text.encoding)
    delimiter = delimiter or _delimiter(source.suffix, first)
    types: dict[str, str] = {}
    headless = columns is not None
    if columns is None:
        arrow_delimiter = "\t" if delimiter == "::" else delimiter
        header = next(csv.reader(io.StringIO(first.replace("::", "\t") if delimiter == "::" else first, newline=""),
                                 delimiter=arrow_delimiter), [])  # fmt: skip
        headless = any(_NUMBER.fullmatch(cell.strip()) for cell in header)
        columns, types = _header(header) if not headless else (tuple(f"column_{n + 1}" for n in range(len(header))), {})
    kept = tuple(column for column in columns if only is None or column in only)
    numbers = frozenset() if number is None else frozenset({number})
    try:
        frame = _parse(source, text, delimiter, columns, kept, not headless, problems, numbers)
    except NoNumber:
        frame = _parse(source, text, delimiter, columns, kept, not headless, problems, frozenset())
    return Table(source.name, frame.head(most) if most is not None else frame, 1 if headless else 2, headless, types)


def _header(cells: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Column names, unlike each other and not empty, and RecBole's types."""
    names: list[str] = []
    types: dict[str, str] = {}
    for place, cell in enumerate(cells, 1):
        name = cell.strip()
        match = _HEADER_TYPE.search(name)
        name = _HEADER_TYPE.sub("", name) or f"column_{place}"
        while name in names:
            name += "_2"
        if match:
            types[name] = match[1]
        names.append(name)
    return tuple(names), types


def _gunzipped(source: Source) -> IO[bytes]:
    return io.BytesIO(gzip.decompress(source.read()))


def _head(source: Source) -> Source:
    """The first whole lines of a file, as a file."""
    with source.open() as file:
        data = file.read(_SAMPLE)
        if file.read(1):
            wide = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or data[:200].count(b"\x00") > 20
            end = max(data.rfind(b"\n"), data.rfind(b"\r"))
            data = data[: end + 1 + (end % 2 == 0 and wide)] if end > 0 else data
    return Source(source.name, lambda: io.BytesIO(data))


def _encoding(source: Source) -> str:
    """What the file's first bytes tell: UTF-16 has a mark, or zeros in every other place."""
    with source.open() as file:
        head = file.read(4000)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = head[start::2]
        if len(head) >= 8 and zeros.count(0) > 0.6 * len(zeros) and head[1 - start :: 2].count(0) == 0:
            return name
    return "utf-8"


def _inspect(source: Source) -> _Text:
    """Read the file once for its encoding and the counts that say whether all of its rows were read.

    Raises:
        DatasetError: it is not text; the message names the line.
    """
    encoding = _encoding(source)
    line, beyond_ascii = 1, False
    decoder = codecs.getincrementaldecoder(encoding)()
    with source.open() as file:
        while chunk := file.read(_CHUNK):
            if encoding == "utf-8" and b"\x00" in chunk:
                line += _breaks(chunk[: chunk.index(b"\x00")])
                raise DatasetError(f"{source.name}, line {line}: binary data instead of text: take the file anew")
            try:
                decoded = decoder.decode(chunk)
            except UnicodeDecodeError as error:
                before = chunk[: error.start]
                if encoding != "utf-8" or beyond_ascii or not before.isascii():
                    line += _breaks(before)
                    raise DatasetError(
                        f"{source.name}, line {line}: damaged {encoding.upper()} text ({error.reason}): "
                        "take the file anew, or save it as UTF-8"
                    ) from error
                encoding = _single_byte(source)
                break
            beyond_ascii = beyond_ascii or not decoded.isascii()
            line += _breaks(chunk)
    lines = quotes = 0
    before = b"\n"
    for data in _utf8_chunks(source, encoding):
        breaks = (codes := np.frombuffer(data, np.uint8)) == ord("\n")
        breaks |= codes == ord("\r")
        lines += int(np.count_nonzero(~breaks & np.append(before[-1:] in b"\r\n", breaks[:-1])))
        quotes += data.count(b'"')
        before = data
    return _Text(encoding, lines, quotes)


def _breaks(data: bytes) -> int:
    return data.count(b"\n") or data.count(b"\r")


def _single_byte(source: Source) -> str:
    """Windows' code page 1252, or Latin-1 where a byte has no meaning in it."""
    with source.open() as file:
        try:
            while chunk := file.read(_CHUNK):
                chunk.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
    return "cp1252"


def _utf8_chunks(source: Source, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    with source.open() as file:
        while chunk := file.read(_CHUNK):
            if data := decoder.decode(chunk).encode("utf-8"):
                yield data


def _first_lines(source: Source, encoding: str) -> str:
    """The first few lines that are not blank, with line breaks as they are inside quotes."""
    start = next(_utf8_chunks(_part(source, 1 << 16), encoding), b"").decode("utf-8", "ignore")
    return start.lstrip("\r\n")


def _part(source: Source, size: int) -> Source:
    with source.open() as file:
        data = file.read(size)
    return Source(source.name, lambda: io.BytesIO(data))


def _delimiter(suffix: str, first: str) -> str:
    """What parts the columns: the sign that stands equally often, and most often, in the first lines."""
    lines = [line for line in re.split(r"\r\n|\n|\r", first)[:20] if line.strip()][: 10 if len(first) > 2000 else 20]
    unquoted = [re.sub(r'"[^"]*"', "", line) for line in lines]
    if suffix in (".tsv", ".inter", ".item", ".user"):
        return "\t"
    best, most = ",", 0.0
    for sign in ("::", "\t", ";", "|", ","):
        counts = [line.count(sign) for line in unquoted]
        if counts and counts[0]:
            steady = sum(count == counts[0] for count in counts) / len(counts)
            # A list inside a cell has signs of its own: of signs as steady, the first ones above are the likelier.
            score = steady * min(counts[0], 3) + (1.0 if sign in ("::", "\t") else 0.0)
            if score > most:
                best, most = sign, score
    return best


def _parse(
    source: Source,
    text: _Text,
    delimiter: str,
    columns: tuple[str, ...],
    kept: tuple[str, ...],
    header: bool,
    problems: Problems,
    numbers: frozenset[str],
) -> pd.DataFrame:
    quoting = delimiter in ",;" and text.quotes > 0
    # An odd number of quotes: one is not meant as such, and pairing them would swallow rows.
    multiline = quoting and text.quotes % 2 == 0
    pieces, skipped, shown = _blocks(source, text, delimiter, columns, kept, header, quoting, multiline, numbers)
    if multiline and _swallows(pieces, delimiter, len(columns)):
        multiline = False
        pieces, skipped, shown = _blocks(source, text, delimiter, columns, kept, header, quoting, multiline, numbers)
    frame = pd.DataFrame({column: pieces[column].series() for column in kept}, columns=list(kept))
    for example in shown:
        problems.example(source.name, example)
    # An unbalanced quote makes the parser swallow lines: what it did not report must not go uncounted.
    lost = 0 if multiline else text.lines - header - len(frame)
    problems.skip(source.name, max(skipped, lost))
    return frame


def _swallows(pieces: Mapping[str, Strings | Numbers], delimiter: str, width: int) -> bool:
    """Whether some cell holds what looks like a row of its own: quotes were paired across rows."""
    if width < 2:
        return False
    row = re.compile(rf"\n[^\n{re.escape(delimiter)}]{{1,40}}(?:{re.escape(delimiter)}[^\n]*){{{width - 1}}}(?:\n|$)")
    texts = (value for piece in pieces.values() if isinstance(piece, Strings) for value in piece.values)
    return any("\n" in value and row.search(value) for value in texts)


def _blocks(
    source: Source,
    text: _Text,
    delimiter: str,
    columns: tuple[str, ...],
    kept: tuple[str, ...],
    header: bool,
    quoting: bool,
    multiline: bool,
    numbers: frozenset[str],
) -> tuple[dict[str, Strings | Numbers], int, list[str]]:
    """The columns, the number of rows of another width, and the first few of those."""
    skipped = 0
    shown: list[str] = []

    def skip(row: arrow_csv.InvalidRow) -> str:
        nonlocal skipped
        skipped += 1
        if len(shown) < _MAX_EXAMPLES:
            shown.append(
                f"{source.name}: {row.actual_columns} columns instead of {row.expected_columns}: {row.text[:120]!r}"
            )
        return "skip"

    pieces = {column: Numbers() if column in numbers else Strings() for column in kept}
    with source.open() as file:
        stream: Any = file
        encoding = text.encoding
        if delimiter == "::":
            stream, delimiter = _Doubled(_utf8_chunks(source, encoding)), "\t"
            encoding = "utf-8"
        try:
            reader = arrow_csv.open_csv(
                stream,
                arrow_csv.ReadOptions(
                    column_names=list(columns), skip_rows=int(header), encoding=encoding, block_size=_BLOCK
                ),
                arrow_csv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if quoting else False,
                    newlines_in_values=multiline,
                    invalid_row_handler=skip,
                ),
                arrow_csv.ConvertOptions(
                    column_types={column: pa.string() for column in columns}, include_columns=list(kept)
                ),
            )
            for batch in reader:
                for column in kept:
                    pieces[column].add(batch.column(column))
        except (pa.ArrowInvalid, UnicodeError) as error:
            if "Empty CSV" not in str(error):
                raise DatasetError(f"{source.name} cannot be read: {' '.join(str(error).split())[:300]}") from error
    return pieces, skipped, shown


class _Doubled(io.RawIOBase):
    """Text with :: between its columns, as one with tabs."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left, self._colon = chunks, b"", b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._left, self._colon = self._colon, b""
                break
            chunk = self._colon + chunk.replace(b"\t", b" ")
            # A colon at the end may be half of a pair.
            self._colon = b":" if chunk.endswith(b":") and not chunk.endswith(b"::") else b""
            self._left = chunk[: len(chunk) - len(self._colon)].replace(b"::", b"\t")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


# --- the other kinds -------------------------------------------------------------------------------------------------


def cell(value: Any) -> str:
    """A value of a typed file as the text that a CSV file would hold; lists and objects as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return (
                "" if value != value else str(int(value)) if value.is_integer() and abs(value) < 2**53 else str(value)
            )
        case str():
            return value
        case datetime() | date():
            return value.isoformat()
        case list() | dict() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
        case bytes():
            return value.decode("utf-8", "replace")
    return str(value)


def _read_parquet(source: Source, only: Collection[str] | None, most: int | None) -> Table:
    try:
        with source.open() as raw:
            file = parquet.ParquetFile(raw)
            names = [name for name in file.schema_arrow.names if only is None or name in only]
            pieces = {name: Strings() for name in names}
            done = 0
            for batch in file.iter_batches(batch_size=min(most or 1 << 16, 1 << 16), columns=names):
                for name in names:
                    column = batch.column(name)
                    if pa.types.is_string(column.type):
                        pieces[name].add(column)
                    else:
                        encoded = column if pa.types.is_nested(column.type) else _decoded(column).dictionary_encode()
                        if pa.types.is_nested(column.type):
                            pieces[name].add_all(map(cell, encoded.to_pylist()))
                        else:
                            texts = pa.array([cell(v) for v in encoded.dictionary.to_pylist()], pa.string())
                            pieces[name].add(texts.take(encoded.indices))
                done += batch.num_rows
                if most is not None and done >= most:
                    break
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{source.name} cannot be read as Parquet: {' '.join(str(error).split())[:200]}") from error
    return Table(source.name, pd.DataFrame({name: pieces[name].series() for name in names}, columns=names), 1)


def _decoded(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _read_json_lines(source: Source, problems: Problems, only: Collection[str] | None, most: int | None) -> Table:
    rows: list[Mapping[str, Any]] = []
    with source.open() as file:
        collected = _Rows(only)
        for line in json_lines(file):
            if line.error is not None:
                problems.skip(source.name, 1)
                problems.example(source.name, f"{source.name}, line {line.number}: {line.error}")
                continue
            rows.append(line.value)
            if len(rows) >= 10_000:
                collected.add(rows)
                rows = []
            if most is not None and collected.count + len(rows) >= most:
                break
        collected.add(rows)
    return Table(source.name, collected.frame(source.name), 1)


def _read_json(source: Source, problems: Problems, only: Collection[str] | None, most: int | None) -> Table:
    try:
        data = json.loads(source.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{source.name} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        if source.read().lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{" and "Extra data" in str(error):
            return _read_json_lines(source, problems, only, most)
        raise DatasetError(f"{source.name} is not JSON: {error}") from error
    if isinstance(data, dict):
        inner = [value for value in data.values() if isinstance(value, list)]
        if data and all(isinstance(value, dict) for value in data.values()):
            data = [{"id": key, **value} for key, value in data.items()]
        elif data and all(isinstance(value, str | int | float | None) for value in data.values()):
            data = [{"id": key, "title": value} for key, value in data.items()]
        elif len(inner) == 1:
            data = inner[0]
    if not isinstance(data, list) or not data:
        raise DatasetError(f"{source.name}: expected a list of objects, or an object of id -> object")
    if not all(isinstance(row, dict) for row in data):
        data = [row if isinstance(row, dict) else {"id": cell(row)} for row in data]
    collected = _Rows(only)
    collected.add(data[:most])
    return Table(source.name, collected.frame(source.name), 1)


class _Rows:
    """Objects gathered as columns; a field that an object lacks is an empty cell."""

    def __init__(self, only: Collection[str] | None) -> None:
        self._only = only
        self._columns: dict[str, Strings] = defaultdict(Strings)
        self.count = 0

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        names = dict.fromkeys(name for row in rows for name in row if self._only is None or name in self._only)
        for name in names:
            if name not in self._columns and self.count:
                self._columns[name].add_all([""] * self.count)
        for name in {**self._columns, **names}:
            self._columns[name].add_all(cell(row.get(name)) for row in rows)
        self.count += len(rows)

    def frame(self, source: str) -> pd.DataFrame:
        if not self.count:
            raise DatasetError(f"{source}, line 1: the file is empty")
        return pd.DataFrame({name: column.series() for name, column in self._columns.items()})
