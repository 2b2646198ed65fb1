"""What can be read from the titles of a games shop: "Tekken 6 - Sony PSP", "PS2 Wireless Controller"."""

from __future__ import annotations

import html
import re
from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate

from agent.domains.domain import load_domain

READ = ("platform", "kind", "series", "edition")
"""The facets whose words say what a title holds."""
_CONSOLE = "console"


def derive(titles: Sequence[str], years: Sequence[int | None]) -> dict[str, list[tuple[str, ...]]]:
    """The values of :data:`READ` that each title names, in the order in which it names them.

    A word inside a longer one does not count: "Wii U" is no Wii. "For the PS3 console" makes no console of a cable.

    ``titles``: of the items; signs may be written as HTML has them ("&amp;").
    """
    folded = [" ".join(html.unescape(html.unescape(title)).casefold().split()) for title in titles]
    found = {facet: _named(folded, facet) for facet in READ}
    for row, kinds in enumerate(found["kind"]):
        if _CONSOLE in kinds and len(kinds) > 1:
            found["kind"][row] = tuple(kind for kind in kinds if kind != _CONSOLE)
    return found


def _named(titles: Sequence[str], facet: str) -> list[tuple[str, ...]]:
    """The facet's values by title. All titles are searched as one text, a line each, which is faster."""
    text = "\n".join(titles)
    starts = [0, *accumulate(len(title) + 1 for title in titles)]
    spans: list[list[tuple[int, int, str]]] = [[] for _ in titles]
    for value, words in load_domain("games").facets[facet].words.items():
        for match in _pattern(value, map(str, words)).finditer(text):
            spans[bisect(starts, match.start()) - 1].append((*match.span(), value))
    return [_whole(own) for own in spans]


def _whole(spans: Sequence[tuple[int, int, str]]) -> tuple[str, ...]:
    whole = [
        one for one in spans if not any(a <= one[0] and one[1] <= b and b - a > one[1] - one[0] for a, b, _ in spans)
    ]
    return tuple(dict.fromkeys(value for _, _, value in sorted(whole)))


def _pattern(value: str, words: Iterable[str]) -> re.Pattern[str]:
    """One expression for a value's words and its name; a space in one may be a hyphen or missing."""
    said = []
    for word in (*words, re.escape(value.casefold()).replace(r"\ ", " ")):
        literal = re.search(r"\(\?<|\[|\\", word)
        said.append(word if literal else word.replace(" ", "[ -]?"))
    return re.compile(rf"(?<![\w'])(?:{'|'.join(said)})(?!\w)", re.MULTILINE)
