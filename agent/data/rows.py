"""Rows: plain objects from files of JSON lines, CSV or Parquet, and the check that they are what is expected."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

Model = TypeVar("Model")
SUFFIXES = (".jsonl", ".csv", ".parquet")
"""Kinds of files that :func:`read_rows` reads."""


class RowError(ValueError):
    """A row cannot be used; the message names the file, the row, the field and the fix."""


def checked(model: type[Model], value: Any, where: str) -> Model:
    """A row as a pydantic model or dataclass; ``where`` names it in messages.

    Raises:
        RowError: a field is missing, unknown or of the wrong kind.
    """
    try:
        found: Model = _adapter(model).validate_python(value)  # type: ignore[arg-type]
        return found
    except ValidationError as error:
        raise RowError(f"{where}: {problem(error)}") from None


@lru_cache(maxsize=64)
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def problem(error: ValidationError) -> str:
    """The first thing that is wrong, in words: ``field 'rows[1].kind' is missing``."""
    first = error.errors()[0]
    # Names of the alternatives of a union are no fields.
    steps = [step for step in first["loc"] if not str(step)[:1].isupper()]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    name, text = f"field {path!r}" if path else "", first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{name} is missing"
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown {name}"
    if first["type"] == "value_error":
        return f"{name}: {text}" if name else text
    return f"{name or 'it'}: {text[:1].lower()}{text[1:]}, not {first['input']!r:.60}"


def read_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where each row stands ("scores.csv, row 3"), and the row, in the order of the file; its suffix says its kind.

    Rows are counted as in an editor, or from 1 in Parquet. A cell that is empty is left out of its row.

    Raises:
        RowError: the file is of another kind, cannot be read, or a row of it is none.
    """
    match path.suffix:
        case ".jsonl":
            yield from ((f"{path.name}, line {number}", row) for number, row in good_lines(path))
        case ".csv":
            yield from _of_csv(path)
        case ".parquet":
            yield from _of_parquet(path)
        case other:
            raise RowError(f"{path}: unknown kind of file {other!r}: give one of {', '.join(SUFFIXES)}")


def _of_csv(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            for row in reader:
                if None in row:
                    raise RowError(f"{path.name}, row {reader.line_num}: has more fields than the header")
                yield f"{path.name}, row {reader.line_num}", {name: own for name, own in row.items() if own}
    except (OSError, UnicodeDecodeError) as error:
        raise RowError(f"{path} cannot be read: {error}") from None


def _of_parquet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RowError(f"{path} cannot be read as Parquet: {error}") from None
    for number, record in enumerate(frame.to_dict("records"), 1):
        plain = {str(name): _plain(value) for name, value in record.items()}
        yield f"{path.name}, row {number}", {name: value for name, value in plain.items() if value is not None}


def _plain(value: Any) -> Any:
    """Arrays as lists, missing numbers as None."""
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One line that is not blank: its number (1-based), and its object, or what is wrong with it and the fix."""

    number: int
    value: Mapping[str, Any]
    error: str | None = None


def json_lines(file: IO[bytes]) -> Iterator[JsonLine]:
    r"""The objects of a file, a line at a time; blank lines are passed over, a bad one has its ``error`` set.

    A byte order mark is no part of the text. Only ``\n`` and ``\r\n`` end a line: U+2028 and its like may stand in
    JSON strings.
    """
    for number, data in enumerate(file, 1):
        try:
            line = data.decode("utf-8-sig" if number == 1 else "utf-8").strip(" \t\r\n")
        except UnicodeDecodeError as error:
            yield JsonLine(number, {}, f"not UTF-8 text ({error.reason}): save the file as UTF-8")
            continue
        if not line:
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield JsonLine(number, {}, f"not JSON: {error}")
            continue
        if isinstance(value, dict):
            yield JsonLine(number, value)
        else:
            kind = type(value).__name__
            fix = ": write one object a line, without brackets around them" if isinstance(value, list) else ""
            yield JsonLine(number, {}, f"a line must hold one JSON object, not {kind}{fix}")


def read_json_lines(path: Path) -> Iterator[JsonLine]:
    """The lines of the file at ``path``; see :func:`json_lines`.

    Raises:
        RowError: the file cannot be opened, or is one JSON document spread over lines.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            if head[:1] == b"[" and head.rstrip().count(b"\n"):
                raise RowError(f"{path.name}, line 1: a JSON list, not JSON lines: write one object a line")
            file.seek(0)
            yield from json_lines(file)
    except OSError as error:
        raise RowError(f"{path} cannot be read: {error.strerror or error}") from None


def good_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number and object of each line, for readers that need the whole file.

    Raises:
        RowError: the file cannot be opened, or a line is bad (the first one is named).
    """
    for line in read_json_lines(path):
        if line.error is not None:
            raise RowError(f"{path.name}, line {line.number}: {line.error}")
        yield line.number, line.value
