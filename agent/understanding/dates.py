"""Dates: what a message says about the years that an item should be from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from agent.understanding.scope import N

FEW_YEARS = 3
""""The last few years": so many."""

_DECADES = {
    word: 1900 + 10 * n
    for n, word in enumerate(
        ["twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"], start=2
    )
} | {"noughties": 2000, "tens": 2010, "teens": 2010}
_NUMBERS = {
    word: n
    for n, word in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=1)
}
_YEAR = r"(?:18|19|20)\d\d(?![\d%])(?!'?s\b)"
_DECADE = (
    r"(?:the )?(?:(?:early|mid|middle|late)(?:[ -]to[ -](?:mid|late))?(?: of)?[ -]?(?:the )?)?"
    rf"(?:(?<!\d)'?(?:(?:18|19|20)\d0|[0-9]0)'?s\b|(?:nineteen[ -])?(?:{'|'.join(_DECADES)})\b)"
)
_POINT = rf"(?:(?:the )?(?:year )?\b{_YEAR}|{_DECADE})"
_ENDS = re.compile(r"(?P<part>early|mid|middle|late)?\D*?(?:'?(?P<digits>\d{2,4})|(?P<word>[a-z]+))'?s?$")
_ADJUST = r"(?: or (?:something|so))?"


@dataclass(frozen=True, slots=True)
class YearHit:
    """``text[start:end]`` asks for the years ``first`` to ``last`` (inclusive; None: open).

    ``kind`` is ``range``, ``open``, ``newer`` or ``older`` (relative, to a year still to be found), or ``gap`` (years
    that are not wanted).
    """

    kind: str
    start: int
    end: int
    first: int | None = None
    last: int | None = None


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{pattern})(?!\w)")


_EITHER = re.compile(r"[^.;!?]{1,24}? or (?:\w+ )?")
"""Between two decades that are alternatives: "50s sci-fi or 80s sci-fi"."""
_NEGATED = re.compile(
    r"\b(?:nothing|not|no|none|never|isn't|isnt|aren't|don't want|dont want|avoid|except|without|"
    r"anything but|other than|hate|"
    r"(?:not|n't|dont|never) (?:a |an |big |huge |really |much |into |in |fan of |like |care for |fond of ){1,4})"
    rf"(?: (?:anything|any|something|made|released|{N}|from|that's|that is|that are|too|"
    rf"much|is|are|it|in|the|of))"
    r"{0,4} *$"
)
_UNWANTED = re.compile(
    r"\b(?:his|her|their|our|my) (?:early |mid |late |mid-)?$|\b(?:born|since|was|am|live|lived|living|grew up|"
    r"age|aged|i'm) (?:in |on )?(?:the )?$"
)
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, _expression(pattern))
    for name, pattern in (
        ("span", rf"between (?P<a>{_POINT}) (?:and|to|&) (?P<b>{_POINT})"),
        ("span", rf"(?:from )?(?P<a>{_POINT})\s*(?:-|to|till|until|through|up to|thru)\s*(?P<b>{_POINT})"),
        ("to", rf"(?P<a>{_POINT}) (?:or|and) (?:earlier|older|before)"),
        (
            "from",
            rf"(?P<a>{_POINT})(?: ?\+| (?:or|and) (?:later|newer|after|up|onwards?|beyond|more recent)|"
            rf" onwards?| on(?! [a-z])|-onwards?)",
        ),
        ("to", rf"(?:up to|until|till|no later than|not later than|at the latest|as late as) (?P<a>{_POINT})"),
        (
            "from",
            rf"(?:since|starting (?:from|in|with)|no (?:older|earlier) than|not (?:older|"
            rf"earlier) than) (?P<a>{_POINT})",
        ),
        (
            "to",
            rf"(?:no newer than|not newer than|not after|nothing (?:newer|later) than|"
            rf"nothing after) (?P<a>{_POINT})",
        ),
        ("from", rf"(?:not before|nothing before|nothing (?:older|earlier) than) (?P<a>{_POINT})"),
        (
            "below",
            rf"(?:from |made )?before (?:i|we|my \w+) (?:was|were) (?:even )?born\W{{1,3}}(?:in )?(?P<a>{_POINT})",
        ),
        ("below", rf"(?:before|older than|earlier than|prior to|pre[ -]|predating|preceding|under) ?(?P<a>{_POINT})"),
        ("above", rf"(?:after|newer than|later than|post[ -]|more recent than|younger than|past) ?(?P<a>{_POINT})"),
        ("around", rf"(?:around|circa|roughly|about|approximately|near) (?P<a>{_POINT})"),
        (
            "last",
            r"(?:in |from |of |within )?(?:the )?(?:last|past|previous) (?P<n>\d{1,2}|few|couple of|"
            r"several|[a-z]+)? ?(?P<unit>years?|decades?)",
        ),
        (
            "last",
            r"(?:no|not|nothing|none) (?:older|more) than (?P<n>\d{1,2}|[a-z]+) (?P<unit>years?|decades?)"
            r"(?: old| ago)?",
        ),
        ("point", rf"(?P<a>{_POINT})"),
        ("newer", r"(?:newer|more recent|more modern|later(?= than| ƒ| ones))(?! than (?:\d|the \d|'\d))(?: than)?"),
        ("older", r"(?:older|earlier(?= than| ƒ| ones))(?! than (?:\d|the \d|'\d|me\b|my\b|\w+ years))(?: than)?"),
    )
)


def year_hits(text: str, newest: int | None, oldest: int | None) -> list[YearHit]:
    """What the folded ``text`` says about years, in order, without overlaps.

    ``newest`` and ``oldest`` are the catalogue's; "recent" and "the last ten years" count from its newest year.
    """
    hits: list[YearHit] = []
    covered = bytearray(len(text) + 1)
    for name, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(covered[start:end]):
                continue
            before = text[max(0, start - 60) : start]
            if name in ("point", "span") and _UNWANTED.search(before):
                continue
            negated = _NEGATED.search(before) if name not in ("newer", "older") else None
            hit = _READERS[name](match, newest, oldest, negated is not None)
            if hit is not None:
                covered[start:end] = b"\x01" * (end - start)
                hits.append(hit)
    hits.sort(key=lambda hit: hit.start)
    return hits


def combined(text: str, hits: list[YearHit]) -> tuple[int | None, int | None, list[YearHit]]:
    """One range (first, last; None: open) from all hits, and the hits that it does not express.

    Decades in a list ("70s or 80s") make one span, the years between them ("70s or 90s") a gap; open ends cut it.
    """
    first: int | None = None
    last: int | None = None
    left = [hit for hit in hits if hit.kind in ("gap", "newer", "older")]
    ranges = [hit for hit in hits if hit.kind == "range"]
    opens = [hit for hit in hits if hit.kind == "open"]
    if ranges:
        first, last = ranges[0].first, ranges[0].last
        for earlier, hit in pairwise(ranges):
            assert first and last and hit.first and hit.last
            if re.fullmatch(
                r"[\s,/&]*(?:or|and|to|and/or|&)?[\s,/]*(?:from |in |of )?(?:maybe |even |perhaps )?",
                text[earlier.end : hit.start],
            ) or _EITHER.fullmatch(text[earlier.end : hit.start]):
                if hit.first > last + 1:  # the years between were not asked for
                    left.append(YearHit("gap", earlier.start, hit.end, last + 1, hit.first - 1))
                elif hit.last < first - 1:
                    left.append(YearHit("gap", earlier.start, hit.end, hit.last + 1, first - 1))
                first, last = min(first, hit.first), max(last, hit.last)
            elif max(first, hit.first) <= min(last, hit.last):
                first, last = max(first, hit.first), min(last, hit.last)
            else:
                first, last = hit.first, hit.last
    for hit in opens:
        low = hit.first if first is None or (hit.first or 0) > first else first
        high = hit.last if last is None or (hit.last or 9999) < last else last
        if low is None or high is None or low <= high:
            first, last = low, high
    return first, last, sorted(left, key=lambda hit: hit.start)


def _point(text: str, newest: int | None) -> tuple[int, int]:
    """The years that "1994", "the late 80s" or "early nineties" cover: early is 0-3, mid 4-6, late 7-9."""
    match = _ENDS.search(text)
    assert match is not None
    if match["word"]:
        decade = _DECADES[match["word"]]
    else:
        number = int(match["digits"])
        if len(match["digits"]) == 4 and not text.endswith("s"):
            return number, number
        if len(match["digits"]) == 2:
            # "the 20s" of a catalogue that ends before 2020 are the 1920s.
            number += 2000 if newest is not None and 2000 + number <= newest else 1900
        decade = number
    parts = re.findall("early|mid|late", text)
    spans = {"early": (0, 3), "mid": (4, 6), "late": (7, 9)}
    low, high = (spans[parts[0]][0], spans[parts[-1]][1]) if parts else (0, 9)
    return decade + low, decade + high


def _span(match: re.Match[str], newest: int | None, oldest: int | None, negated: bool) -> YearHit:
    a, b = _point(match["a"], newest), _point(match["b"], newest)
    low, high = min(a[0], b[0]), max(a[1], b[1])
    return _ranged(match, low, high, newest, oldest, negated)


def _ranged(
    match: re.Match[str], low: int, high: int, newest: int | None, oldest: int | None, negated: bool
) -> YearHit:
    """A range; not wanted, it is what lies before or behind if only one of these is in the catalogue, else a gap."""
    start, end = match.span()
    if not negated:
        return YearHit("range", start, end, low, high)
    if newest is not None and high >= newest:
        return YearHit("open", start, end, None, low - 1)
    if oldest is not None and low <= oldest:
        return YearHit("open", start, end, high + 1, None)
    return YearHit("gap", start, end, low, high)


def _single(match: re.Match[str], newest: int | None, oldest: int | None, negated: bool) -> YearHit:
    return _ranged(match, *_point(match["a"], newest), newest, oldest, negated)


def _around(match: re.Match[str], newest: int | None, oldest: int | None, negated: bool) -> YearHit:
    low, high = _point(match["a"], newest)
    slack = 2 if low == high else 0
    return _ranged(match, low - slack, high + slack, newest, oldest, negated)


def _open(side: str, inclusive: bool) -> Callable[[re.Match[str], int | None, int | None, bool], YearHit]:
    def read(match: re.Match[str], newest: int | None, oldest: int | None, negated: bool) -> YearHit:
        low, high = _point(match["a"], newest)
        start, end = match.span()
        if side == "first":
            first = low if inclusive else high + 1
            return YearHit("open", start, end, None, first - 1) if negated else YearHit("open", start, end, first, None)
        last = high if inclusive else low - 1
        return YearHit("open", start, end, last + 1, None) if negated else YearHit("open", start, end, None, last)

    return read


def _last(match: re.Match[str], newest: int | None, oldest: int | None, negated: bool) -> YearHit | None:
    given = match["n"]
    count = 1 if given is None else int(given) if given.isdigit() else _NUMBERS.get(given, FEW_YEARS)
    if newest is None or negated or (given is None and match["unit"].startswith("years")):
        return None
    years = count * (10 if match["unit"].startswith("decade") else 1)
    return YearHit("open", *match.span(), newest - years + 1, None)


def _relative(kind: str) -> Callable[[re.Match[str], int | None, int | None, bool], YearHit]:
    return lambda match, newest, oldest, negated: YearHit(kind, *match.span())


_READERS: dict[str, Callable[[re.Match[str], int | None, int | None, bool], YearHit | None]] = {
    "span": _span,
    "to": _open("last", True),
    "from": _open("first", True),
    "below": _open("last", False),
    "above": _open("first", False),
    "around": _around,
    "last": _last,
    "point": _single,
    "newer": _relative("newer"),
    "older": _relative("older"),
}
