"""Score files: what somebody else's system says of user-item pairs, read strictly."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agent.data.jsonlines import JsonLineError, good_lines
from eval.reward.pairs import RatedPairs, ScoreError, Scores

FIELDS = ("user", "item", "score")
SUFFIXES = (".jsonl", ".csv", ".parquet")


def read_scores(path: Path, pairs: RatedPairs, item_index: Mapping[str, int]) -> Scores:
    """Scores of ``pairs`` from rows ``{user, item, score}`` (JSON Lines, CSV with a header, or Parquet).

    Pairs that the file does not hold get NaN. Rows about other known pairs are not used, and counted in the notes.
    Scores that all lie in [0, 1] are taken as probabilities of a like.

    ``path``: the file; its suffix says which kind it is; ``item_index``: the catalogue index of each item id.

    Raises:
        ScoreError: a field is missing, unknown or malformed, an item is unknown, or a pair stands twice; the message
            names the row (counted as in an editor, or from 1 in Parquet) and the field.
    """
    asked = zip(pairs.users.tolist(), pairs.items.tolist(), strict=True)
    wanted = {pair: row for row, pair in enumerate(asked)}
    values = np.full(len(pairs), np.nan)
    seen: dict[tuple[str, int], int] = {}
    unused = 0
    in_range = True
    for number, row in _rows(path):
        user, item_id, score = _fields(path, number, row)
        if item_id not in item_index:
            sample = ", ".join(list(item_index)[:3])
            raise ScoreError(f"{path}: row {number}: item {item_id!r} is not in the catalogue: ids look like {sample}")
        pair = (user, item_index[item_id])
        if pair in seen:
            raise ScoreError(
                f"{path}: row {number}: user {user!r}, item {item_id!r} stood in row {seen[pair]} already: keep one"
            )
        seen[pair] = number
        in_range &= 0.0 <= score <= 1.0
        if pair in wanted:
            values[wanted[pair]] = score
        else:
            unused += 1
    notes = [f"{unused:,} rows of the file are about pairs that are not asked for"] if unused else []
    probabilities = None
    if in_range and seen:
        probabilities = values
    else:
        notes.append("the scores are not all in [0, 1]: probabilities are fitted here, on other users")
    return Scores(path.name, values, probabilities, tuple(notes))


def _fields(path: Path, number: int, row: Mapping[str, Any]) -> tuple[str, str, float]:
    for name in FIELDS:
        if row.get(name) is None or row[name] == "":
            raise ScoreError(f"{path}: row {number}: field {name!r} is missing: each row needs {', '.join(FIELDS)}")
    for name in row:
        if name not in FIELDS:
            raise ScoreError(f"{path}: row {number}: unknown field {name!r}: the fields are {', '.join(FIELDS)}")
    for name in ("user", "item"):
        if type(row[name]) not in (str, int):
            raise ScoreError(f"{path}: row {number}: field {name!r} must be an id, not {row[name]!r:.60}")
    score = row["score"]
    try:
        value = math.nan if isinstance(score, bool) else float(score)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ScoreError(f"{path}: row {number}: field 'score' must be a finite number, not {score!r:.60}")
    return str(row["user"]), str(row["item"]), value


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        if path.suffix == ".jsonl":
            yield from _json_rows(path)
        elif path.suffix == ".csv":
            yield from _csv_rows(path)
        elif path.suffix == ".parquet":
            yield from _parquet_rows(path)
        else:
            raise ScoreError(f"{path}: unknown kind of file: give one of {', '.join(SUFFIXES)}")
    except (OSError, UnicodeDecodeError) as error:
        raise ScoreError(f"{path} cannot be read: {error}") from None


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        yield from good_lines(path)
    except JsonLineError as error:
        raise ScoreError(f"{path.parent}/{error}: each row needs {', '.join(FIELDS)}") from None


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        header = reader.fieldnames or []
        for name in FIELDS:
            if name not in header:
                raise ScoreError(f"{path}: row 1: field {name!r} is missing: the header must be {','.join(FIELDS)}")
        for row in reader:
            if None in row:
                raise ScoreError(f"{path}: row {reader.line_num}: has more fields than the header")
            yield reader.line_num, row


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise ScoreError(f"{path} cannot be read as Parquet: {error}") from None
    for name in FIELDS:
        if name not in table.column_names:
            raise ScoreError(f"{path}: column {name!r} is missing: the columns must be {', '.join(FIELDS)}")
    yield from enumerate(table.to_pylist(), 1)
