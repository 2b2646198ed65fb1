"""Amounts: what a message says about lengths, prices, grades and other numbers, and which grades it gives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.domains.domain import POPULARITY, RATING, Facet
from agent.records.conditions import Condition, Op

_WORDS = {
    word: n
    for n, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
} | {"a": 1, "an": 1, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100}
_NUMBER = rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d+(?:[.,]\d{{1,2}})?|{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
_BELOW = (
    r"(?:under|below|less than|fewer than|shorter than|cheaper than|lower than|at most|"
    r"max(?:imum)?(?: of)?|up to|within|"
    r"no(?:t)? (?:longer|more|dearer|more expensive) than|(?:no|nothing|not) (?:over|above|beyond))"
)
_ABOVE = (
    r"(?:over|above|more than|longer than|greater than|higher than|better than|at least|min(?:imum)?(?: of)?|from|"
    r"no(?:t)? (?:less|shorter|cheaper|fewer) than|(?:no|nothing|not) (?:under|below)|>=?|≥)"
)
_ABOUT = r"(?:around|about|roughly|approximately|approx\.?|circa|~|some)"
_LESS = r"(?:or (?:less|under|shorter|below|so less|cheaper|fewer)|max(?:imum)?|tops|at most)"
_MORE = r"(?:or (?:more|over|longer|above|better|higher|up)|and (?:up|over|above|more)|\+|plus|minimum|at least)"
_HOURS = r"(?:hours?|hrs?|h)"
_MINUTES = r"(?:minutes?|mins?|min)"
_DURATION = (
    rf"(?:(?P<@h>half an?|{_NUMBER})(?:[ -]?ish)?(?P<@a>[ -]and[ -]a[ -]half)?[ -]?{_HOURS}\b"
    rf"(?P<@b>[ -]and[ -]a[ -]half)?"
    rf"(?:[ -]?(?:and )?(?P<@hm>\d{{1,2}})[ -]?(?:{_MINUTES})?\b)?|(?P<@m>{_NUMBER})(?:[ -]?ish)?[ -]?{_MINUTES}\b)"
)
_CURRENCY = r"(?:£|\$|€|pounds?|quid|dollars?|bucks?|euros?|eur|usd|gbp)"
_MONEY = rf"(?:{_CURRENCY}\s?(?P<@p>{_NUMBER})|(?P<@q>{_NUMBER})\s?{_CURRENCY}(?![\w]))"
_PLAIN = r"\d+(?:[.,]\d\d?)?(?![\w%]|[.,]?\d| ?-| ?(?:minutes?|hours?|years?|stars?|players?)\b)"
_BARE_MONEY = (
    rf"|(?:between|from) (?P<za>\d+(?:[.,]\d\d?)?) (?:and|to) (?P<zb>{_PLAIN})|(?P<z>{_BELOW}) (?P<zn>{_PLAIN})|"
    rf"(?P<zo>{_ABOVE}) (?P<zm>{_PLAIN})(?=\s*(?:$|[.,;!?\n]|(?:and|but|or|please|if|not)\b))"
)
""""A red under 20", "between 20 and 60": numbers without a unit, which are money where items have a price."""
_BUDGET = re.compile(r"\b(?:i|we)(?: only| just)?(?:'ve| have)(?: only| just)?(?: got)?(?: only| just)? $")
"""What stands before the time that somebody has: no more than that."""
_ROUGH = 0.15
""""About two hours": so much less or more."""

_SCALE = r"(?P<scale>[ -]?stars?\b|\s?/\s?(?:5|10)\b|\s?out of (?:5|five|10|ten)\b)"
_GRADE = rf"(?P<n>\d{{1,2}}(?:[.,]\d+)?|{'|'.join(('one', 'two', 'three', 'four', 'five'))})"
_GRADE_MORE = r"(?:\s?\+|,? (?:or|and) (?:more|better|higher|above|up|over)\b|,? (?:minimum|plus)\b)"
_GRADE_OVER = (
    r"(?:at least|over|above|more than|better than|higher than|greater than|minimum(?: of)?|min\.?|"
    r"no less than|not less than|>=?|≥)"
)
_GRADES = tuple(
    re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")
    for pattern in (
        rf"(?:with |rat(?:ed|ing|ings)(?: of)? |a |an |minimum rating(?: of)? )*{_GRADE_OVER} "
        rf"?{_GRADE}\s?{_SCALE}{_GRADE_MORE}?",
        rf"(?:with )?(?:an? )?(?:average |mean )?(?:rat(?:ed|ing|ings)|scor(?:ed|e|es|ing))(?: (?:of|is|"
        rf"at))?:? {_GRADE_OVER} ?{_GRADE}{_SCALE}?{_GRADE_MORE}?",
        rf"{_GRADE_OVER} (?P<n>[1-4][.,]\d)(?P<scale>)(?!\s?(?:hours?|h\b|min))",
        rf"(?:minimum|min\.?) rating(?: of| is)?:? {_GRADE}{_SCALE}?",
        rf"(?:rat(?:ed|ing|ings)(?: of| at)? )?{_GRADE}{_SCALE}{_GRADE_MORE}",
        rf"rat(?:ed|ing|ings)(?: of| at)? {_GRADE}{_SCALE}?{_GRADE_MORE}?",
        rf"{_GRADE}(?P<scale>\s?\+)\s?stars?",
        rf"{_GRADE}(?P<scale>[ -]stars?) (?=ƒ+)",
    )
)
_GIVEN = re.compile(r"(?:\bi(?:'d)?(?: would)? (?:gave|give|rate|rated)[^.;!?]{0,20})$|¤\s*[:=-]?\s*$")


LONG, _FILLS = 150.0, 0.5
"""From so many minutes on somebody has time for something long, and not for what takes less of it than this share."""


@dataclass(frozen=True, slots=True)
class Amount:
    """``text[start:end]`` bounds a facet."""

    start: int
    end: int
    condition: Condition


@dataclass(frozen=True)
class AmountReader:
    """Reads the amounts of a catalogue's facets; made once for it."""

    facets: tuple[Facet, ...]
    patterns: tuple[tuple[Facet, re.Pattern[str]], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, facets: Iterable[Facet]) -> AmountReader:
        """For these facets; those of kind year are read as dates, not here."""
        mine = tuple(facet for facet in facets if facet.numeric and facet.kind != "year" and facet.name != POPULARITY)
        patterns = []
        for facet in mine:
            form = _form(facet)
            if form is None:
                continue
            one, two, three, four = (form.replace("@", name) for name in "xytv")
            bare = _BARE_MONEY if facet.kind == "money" else ""
            expression = (
                rf"(?<![\w'])(?:(?:between|from) (?:{one}|(?P<xn>{_NUMBER})) (?:and|to) (?:{two})|"
                rf"(?P<low>{_NUMBER})\s?(?:-|to)\s?{three}|"
                rf"(?:(?P<bound>{_BELOW}|{_ABOVE}|{_ABOUT})\s+)?(?:the )?{four}"
                rf"(?: long)?(?:\s*(?P<tail>{_LESS}|{_MORE}))?{bare})(?![\w])"
            )
            patterns.append((facet, re.compile(expression)))
        return cls(mine, tuple(patterns))

    def amounts(self, marked: str, covered: bytearray) -> list[Amount]:
        """What the marked text says, in order; places that are taken are marked in ``covered``."""
        found: list[Amount] = []
        for facet, pattern in self.patterns:
            for match in pattern.finditer(marked):
                budget = facet.kind == "duration" and _BUDGET.search(marked, 0, match.start()) is not None
                if any(covered[match.start() : match.end()]) or (_since(marked, match.start()) and not budget):
                    continue
                condition = _condition(facet, match)
                if budget and condition is not None and condition.op == "between":
                    most = condition.span[1] if match["bound"] else _value(facet, match.groupdict(), "v")
                    if most is not None and most >= LONG:  # who has three hours does not look for something short
                        condition = Condition(facet.name, "between", (most * _FILLS, most))
                    elif most is not None:
                        condition = Condition(facet.name, "at_most", most)
                if condition is not None:
                    covered[match.start() : match.end()] = b"\x01" * len(match.group())
                    found.append(Amount(*match.span(), condition))
        for start, end, grade in _floors(marked):
            if not any(covered[start:end]):
                covered[start:end] = b"\x01" * (end - start)
                found.append(Amount(start, end, Condition(RATING, "at_least", grade)))
        return sorted(found, key=lambda amount: amount.start)


def _since(text: str, start: int) -> bool:
    """Whether a length of time is no length of an item: "in 5 minutes", "for two hours", "last two hours"."""
    return (
        re.search(r"\b(?:in|last|past|ago|for the next|waited|every|spent|got|have|only)\s+$", text[:start]) is not None
    )


def _form(facet: Facet) -> str | None:
    if facet.kind == "duration":
        return _DURATION
    if facet.kind == "money":
        return _MONEY
    names = [re.escape(name) for name in (facet.unit, facet.label, facet.plural, facet.name) if name]
    names = [name for name in dict.fromkeys(names) if len(name) > 1]
    if facet.name == RATING or not names:
        return None
    joined = "|".join(names)
    return rf"(?:(?P<@u>{_NUMBER})[ -]?(?:{joined})(?!\w)|(?:{joined}):? (?P<@w>\d+(?:[.]\d+)?))"


def _condition(facet: Facet, match: re.Match[str]) -> Condition | None:
    groups = match.groupdict()
    ends = groups.get("za"), groups.get("zb")
    if ends[0] and ends[1]:
        span = sorted((_number(ends[0]), _number(ends[1])))
        return Condition(facet.name, "between", (span[0], span[1]))
    for bound, bare in (("z", "zn"), ("zo", "zm")):
        number = groups.get(bare)
        if number:
            return _bounded(facet, groups[bound], _number(number))
    value, second, third = _value(facet, groups, "v"), _value(facet, groups, "y"), _value(facet, groups, "t")
    if second is not None:
        first = _value(facet, groups, "x")
        if first is None and groups.get("xn"):
            first = _number(groups["xn"]) * (60 if groups.get("yh") else 1)
        return None if first is None else Condition(facet.name, "between", (min(first, second), max(first, second)))
    if third is not None and groups.get("low"):
        low = _number(groups["low"]) * (60 if groups.get("th") else 1)
        return Condition(facet.name, "between", (min(low, third), max(low, third)))
    if value is None:
        return None
    return _bounded(facet, groups.get("bound") or groups.get("tail"), value)


def _bounded(facet: Facet, bound: str | None, value: float) -> Condition | None:
    if bound is None:
        if facet.kind == "number":
            return Condition(facet.name, "between", (value, value))
        if facet.kind == "money":
            return Condition(facet.name, "at_most", value)
        bound = "about"
    op: Op = "at_most" if re.fullmatch(rf"{_BELOW}|{_LESS}", bound) else "at_least"
    if re.fullmatch(_ABOUT, bound):
        digits = 0 if facet.kind == "duration" else 2
        low, high = (round(value * (1 + own), digits) for own in (-_ROUGH, _ROUGH))
        return Condition(facet.name, "between", (low, high))
    return Condition(facet.name, op, value)


def _value(facet: Facet, groups: dict[str, str | None], name: str) -> float | None:
    """The number of one amount, lengths in minutes."""
    if facet.kind == "duration":
        hours, minutes = groups.get(f"{name}h"), groups.get(f"{name}m")
        if hours is not None:
            half = 0.5 if groups.get(f"{name}a") or groups.get(f"{name}b") else 0.0
            number = 0.5 if hours.startswith("half") else _number(hours)
            return 60 * (number + half) + float(groups.get(f"{name}hm") or 0)
        return None if minutes is None else _number(minutes)
    for suffix in ("p", "q", "u", "w"):
        text = groups.get(f"{name}{suffix}")
        if text is not None:
            return _number(text)
    return None


def _number(text: str) -> float:
    if text in _WORDS:
        return float(_WORDS[text])
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+", text):
        return float(text.replace(",", ""))
    return float(text.replace(",", "."))


def _floors(text: str) -> list[tuple[int, int, float]]:
    """Floors on the mean grade in the marked ``text``: (start, end, grade from 0.5 to 5).

    Numbers above 5 up to 10, and those "out of ten", are halved. What the person gave to an item is no floor.
    """
    hits: list[tuple[int, int, float]] = []
    for pattern in _GRADES:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end, _ in hits):
                continue
            if _GIVEN.search(text[max(0, match.start() - 40) : match.start()]):
                continue
            grade = _grade(match)
            if grade is not None:
                hits.append((*match.span(), grade))
    return sorted(hits)


def given_grade(text: str, start: int, end: int) -> float | None:
    """The grade that the marked ``text`` gives to the item at ``start`` to ``end``, or None.

    "Alien 4/5", "Alien: 5 stars", "I gave Alien 4", "4 stars for Alien".
    """
    after = re.match(
        rf"[\s\"']*(?:[:=-]|\(|gets?|got|is a|is|was a|deserves|a)?\s*(?:an? |solid |a solid )*{_GRADE}{_SCALE}",
        text[end : end + 40],
    )
    if after:
        return _grade(after)
    before = text[max(0, start - 40) : start]
    if re.search(r"\b(?:gave|give|rate|rated)(?: the ƒ+)?\s+[\"']?$", before):
        after = re.match(rf"[\s\"']*(?:as |with |at )?(?:an? )?{_GRADE}{_SCALE}?(?![\w.])", text[end : end + 30])
        return _grade(after) if after else None
    behind = re.search(rf"(?<!\w){_GRADE}{_SCALE}\s+(?:for|to)\s+[\"']?(?:the )?$", before)
    # "2 stars for X, 5 for Y", "X 4 stars, Y 2"
    if not behind and re.search(r"\bstars?\b|/ ?5|/ ?10|\brat(?:e|ed|ing)|\bg[ai]ve\b|out of", text[:start]):
        behind = re.search(
            rf"(?:,|\band|\bbut|;)\s+(?:only )?(?:an? )?{_GRADE}(?P<scale>)\s+(?:for|to)\s+[\"']?(?:the )?$", before
        )
        if not behind:
            behind = re.match(rf"[\s\"']*(?:an? )?{_GRADE}(?P<scale>)(?=\s*(?:$|[,.;]|and\b))", text[end : end + 12])
    if not behind:
        behind = re.match(rf"\s*[:=]\s*{_GRADE}(?P<scale>)(?=\s*(?:$|[,.;\n]|and\b))", text[end : end + 12])
    return _grade(behind) if behind else None


def _grade(match: re.Match[str]) -> float | None:
    number = match["n"].replace(",", ".")
    value = float(_WORDS.get(number, 0) or number)
    ten = match.groupdict().get("scale") or ""
    if value > 5 or "10" in ten or "ten" in ten:
        value /= 2
    return value if 0.5 <= value <= 5 else None
