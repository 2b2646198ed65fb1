"""Counting: how many items a message asks for, and how many of each kind."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.records.acts import Shares
from agent.understanding.scope import Hit, several_people
from agent.understanding.vocabulary import NOUN

_NUMBERS = {
    word: n
    for n, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
} | {"a single": 1, "a couple of": 2, "a couple": 2, "a dozen": 12}
_COUNT = re.compile(
    r"(?:(?P<cue>\b(?:just|only|no more than|not more than|at most|max(?:imum)?|up to|give(?: me| us)?|show(?: "
    "me| us)?|want|need|like|recommend|suggest|"
    r"name|find(?: me)?|list|pick|top|maybe|exactly|make (?:it|that|them))"
    r"\s+(?:me\s+|us\s+|just\s+|only\s+|your\s+|the\s+|"
    r"for\s+)*)|"
    r"(?P<start>(?:^|(?<!\d)[.;,!?\n:]|\band\b|"
    rf"\bthen\b)\s*))(?P<n>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}|\d{{1,2}})"
    r"(?P<of>\s+of (?:them|these|those|¤+)|\s+(?:more|others?|another)\b)?(?=\s|$|"
    r"[.,!?])(?!\s?(?:stars?|hours?|minutes?|mins?|years?|"
    rf"%|/|out of|people|players|of us|day|night|thing\b|week|time|times|pounds|kids|children|year))"
)
_COUNTED = re.compile(
    rf"\s+(?:(?!and\b|or\b|but\b|that\b|i\b)[\w'-]+\s+){{0,3}}?(?:{NOUN}+s?|recommendations?|"
    r"suggestions?|titles?|ideas|options)\b|\s*$|\s+please|\s*[.,!?]|"
    r"\s+(?:only|actually|then|now|though|tops|max|in total)"
)
_NEAR = 24
_SHARE = re.compile(
    rf"(?<![\w-])(?P<n>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}|an?|\d{{1,2}})\s+"
    r"(?:(?:good|great|nice|really|recent|new|old|short|long|fun|light|more)\s+)*$"
)
"""A number right before the words of a kind."""
_AND_ONE = re.compile(r"(?:\band|,)(?: and| also)? an? (?:[\w-]+ ){0,2}$")
"""Before the second kind of "a comedy and a thriller", which one item is not."""
FEW = 2
"""So many of each are shown then."""
_JUST_ONE = re.compile(
    r"^\W*one only\W*$|\b(?:surprise|impress) (?:me|us) with one\b|"
    r"\b(?:just|only) (?:the )?(?:one|1)\b(?! of\b)|\ba single (?:one|ƒ+|recommendation|suggestion)|"
    r"\bone (?:is|will be) (?:enough|fine|plenty)"
)


def counted(marked: str, hits: Sequence[Hit]) -> int | None:
    """How many items are asked for; None where nothing is said."""
    if _JUST_ONE.search(marked):
        return 1
    for match in _COUNT.finditer(marked):
        number = _NUMBERS.get(match["n"]) or (int(match["n"]) if match["n"].isdigit() else 0)
        rest = marked[match.end() :]
        beside = any(hit.kind == "value" and 0 <= hit.start - match.end() <= 24 for hit in hits)
        told = match["of"] is not None or _COUNTED.match(rest) is not None
        if match["start"] is not None and not (beside or told):
            continue
        if match["n"] == "one" and match["cue"] is None:
            continue
        if not (beside or told) or not 1 <= number <= 50:
            continue
        if number == 1 and not rest.strip(" .!?") and not re.search(r"just|only", match["cue"] or ""):
            continue
        return number
    return None


def shares(marked: str, hits: Sequence[Hit]) -> Shares:
    """Several kinds, each with its number: "two westerns and a comedy"; of "a western and a comedy" a few of each."""
    found: list[tuple[int, str, tuple[str, ...]]] = []
    numbered = False
    one_each = 0
    for hit in hits:
        if hit.kind != "value" or not hit.known or hit.state != "wanted":
            continue
        match = _SHARE.search(marked[max(0, hit.start - _NEAR) : hit.start])
        if match is not None and hit.values:
            number = _NUMBERS.get(match["n"]) or (int(match["n"]) if match["n"].isdigit() else 1)
            numbered = numbered or match["n"] not in ("a", "an")
            one_each += _AND_ONE.search(marked, 0, hit.start) is not None
            found.append((number, hit.facet, hit.values))
    several = len({facet for _, facet, _ in found}) > 1
    if len(found) < 2 or several or len({names for _, _, names in found}) < len(found):
        return ()
    if not numbered:
        return (
            tuple((FEW, facet, names) for _, facet, names in found)
            if one_each == len(found) - 1 and not several_people(marked)
            else ()
        )
    return tuple(found)
