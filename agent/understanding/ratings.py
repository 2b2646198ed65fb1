"""Ratings in words: "at least 4 stars", "rated above 3.5", "highly rated"."""

from __future__ import annotations

import re

WELL_RATED = 3.8
"""Stars that "highly rated" or "acclaimed" stand for."""

_WORDS = {word: n for n, word in enumerate(("one", "two", "three", "four", "five"), start=1)}
_NUMBER = rf"(?P<n>\d{{1,2}}(?:[.,]\d+)?|{'|'.join(_WORDS)})"
_SCALE = r"(?P<scale>[ -]?stars?\b|\s?/\s?(?:5|10)\b|\s?out of (?:5|five|10|ten)\b)"
_MORE = r"(?:\s?\+|,? (?:or|and) (?:more|better|higher|above|up|over)\b|,? (?:minimum|plus)\b)"
_OVER = (
    r"(?:at least|over|above|more than|better than|higher than|greater than|minimum(?: of)?|min\.?|"
    r"no less than|not less than|>=?|≥)"
)
_PATTERNS = tuple(
    re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")
    for pattern in (
        rf"(?:with |rat(?:ed|ing|ings)(?: of)? |a |an |"
        rf"minimum rating(?: of)? )*{_OVER} ?{_NUMBER}\s?{_SCALE}{_MORE}?",
        rf"(?:with )?(?:an? )?(?:average |mean )?(?:rat(?:ed|ing|ings)|scor(?:ed|e|es|ing))(?: (?:of|is|"
        rf"at))?:? {_OVER} ?{_NUMBER}{_SCALE}?{_MORE}?",
        rf"{_OVER} (?P<n>[1-4][.,]\d)(?P<scale>)",
        rf"(?:minimum|min\.?) rating(?: of| is)?:? {_NUMBER}{_SCALE}?",
        rf"(?:rat(?:ed|ing|ings)(?: of| at)? )?{_NUMBER}{_SCALE}{_MORE}",
        rf"rat(?:ed|ing|ings)(?: of| at)? {_NUMBER}{_SCALE}?{_MORE}?",
        rf"{_NUMBER}(?P<scale>\s?\+)\s?stars?",
        rf"{_NUMBER}(?P<scale>[ -]stars?) (?=films?|movies?)",
    )
)
_GOOD = re.compile(
    r"(?<!\w)(?:(?:highly|well|top|best|highest|better|critically)[ -](?:rated|reviewed|acclaimed|"
    r"regarded)|acclaimed|"
    r"(?:with )?(?:good|great|high|excellent) (?:ratings?|reviews?))(?!\w)"
)
_GIVEN = re.compile(r"(?:\bi(?:'d)?(?: would)? (?:gave|give|rate|rated)[^.;!?]{0,20})$|¤\s*[:=-]?\s*$")


def rating_hits(text: str) -> list[tuple[int, int, float]]:
    """Floors on the mean rating in the folded ``text``: (start, end, stars from 0.5 to 5).

    Numbers above 5 up to 10, and those "out of ten", are halved. What the user gave to a title is no floor.
    """
    hits: list[tuple[int, int, float]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end, _ in hits):
                continue
            if _GIVEN.search(text[max(0, match.start() - 40) : match.start()]):
                continue
            stars = _stars(match)
            if stars is not None:
                hits.append((*match.span(), stars))
    if not hits:
        hits = [(*match.span(), WELL_RATED) for match in _GOOD.finditer(text)]
    return sorted(hits)


def given_rating(text: str, start: int, end: int) -> float | None:
    """The stars that the folded ``text`` gives to the title at ``start`` to ``end``, or None.

    "Alien 4/5", "Alien: 5 stars", "I gave Alien 4", "4 stars for Alien".
    """
    after = re.match(
        rf"[\s\"']*(?:[:=-]|\(|gets?|got|is a|is|was a|deserves|a)?\s*(?:an? |solid |"
        rf"a solid )*{_NUMBER}{_SCALE}",
        text[end : end + 40],
    )
    if after:
        return _stars(after)
    before = text[max(0, start - 40) : start]
    if re.search(r"\b(?:gave|give|rate|rated)(?: the (?:film|movie))?\s+[\"']?$", before):
        after = re.match(rf"[\s\"']*(?:as |with |at )?(?:an? )?{_NUMBER}{_SCALE}?(?![\w.])", text[end : end + 30])
        return _stars(after) if after else None
    behind = re.search(rf"(?<!\w){_NUMBER}{_SCALE}\s+(?:for|to)\s+[\"']?(?:the )?$", before)
    # "2 stars for X, 5 for Y", "X 4 stars, Y 2"
    if not behind and re.search(r"\bstars?\b|/ ?5|/ ?10|\brat(?:e|ed|ing)|\bg[ai]ve\b|out of", text[:start]):
        behind = re.search(
            rf"(?:,|\band|\bbut|;)\s+(?:only )?(?:an? )?{_NUMBER}(?P<scale>)\s+(?:for|"
            rf"to)\s+[\"']?(?:the )?$",
            before,
        )
        if not behind:
            behind = re.match(rf"[\s\"']*(?:an? )?{_NUMBER}(?P<scale>)(?=\s*(?:$|[,.;]|and\b))", text[end : end + 12])
    if not behind:
        behind = re.match(rf"\s*[:=]\s*{_NUMBER}(?P<scale>)(?=\s*(?:$|[,.;\n]|and\b))", text[end : end + 12])
    return _stars(behind) if behind else None


def _stars(match: re.Match[str]) -> float | None:
    number = match["n"].replace(",", ".")
    value = float(_WORDS.get(number, 0) or number)
    ten = match.groupdict().get("scale") or ""
    if value > 5 or "10" in ten or "ten" in ten:
        value /= 2
    return value if 0.5 <= value <= 5 else None
