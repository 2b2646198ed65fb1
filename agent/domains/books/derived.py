"""What can be read from the titles of books: the series, as in "Catching Fire (The Hunger Games, #2)"."""

from __future__ import annotations

import re
from collections.abc import Sequence

_IN_BRACKETS = re.compile(r"\((?P<inner>[^()]*#\s*\d[^()]*)\)")
_NAME = re.compile(r"^\s*(?P<name>.*?)[\s,:]*#\s*\d")
_NUMBERED = re.compile(
    r"(?:^|: |, )(?P<name>[^:,]{3,60}?),? (?:book|bk\.?|volume|vol\.?) (?:\d+|one|two|three|four|five|six|seven)\b",
    re.IGNORECASE,
)


def derive(titles: Sequence[str], years: Sequence[int | None]) -> dict[str, list[tuple[str, ...]]]:
    """``series``: the names of the series that each title says it belongs to; most titles say none.

    Several may stand in one pair of brackets, parted by a semicolon: "(Discworld, #8; City Watch, #1)".
    """
    return {"series": [_series(title) for title in titles]}


def _series(title: str) -> tuple[str, ...]:
    found = []
    for match in _IN_BRACKETS.finditer(title):
        found += [named["name"].strip() for part in match["inner"].split(";") if (named := _NAME.match(part))]
    if not found and (numbered := _NUMBERED.search(title)) is not None:
        found = [numbered["name"].strip()]
    return tuple(dict.fromkeys(name for name in found if name))
