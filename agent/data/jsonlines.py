"""JSON lines: one reader for every verb that takes a file of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class JsonLineError(ValueError):
    """A line cannot be used; the message names the file, the line, the field and the fix."""


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
        JsonLineError: the file cannot be opened, or is one JSON document spread over lines.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            if head[:1] == b"[" and head.rstrip().count(b"\n"):
                raise JsonLineError(f"{path.name}, line 1: a JSON list, not JSON lines: write one object a line")
            file.seek(0)
            yield from json_lines(file)
    except OSError as error:
        raise JsonLineError(f"{path} cannot be read: {error.strerror or error}") from None


def good_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number and object of each line, for readers that need the whole file.

    Raises:
        JsonLineError: the file cannot be opened, or a line is bad (the first one is named).
    """
    for line in read_json_lines(path):
        if line.error is not None:
            raise JsonLineError(f"{path.name}, line {line.number}: {line.error}")
        yield line.number, line.value
