"""Unlisted: wishes in words that nothing in the catalogue is called by; they rank by meaning, and the chat says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.text import word_set
from agent.understanding.vocabulary import NOUN, wordlike

_QUALITY = r"[^\W\d_]{2,}(?:ing|y|ic|ous|ful|al|ive|able|ible|ish|ant|ent|ual|iar)"
_SHORT_QUALITY = "slow|loud|fast|deep|long|complex|weird|odd|mean|young|adult|abstract|harsh"
_ENDS = rf"(?=\W*$|\s*[,.;!]|\s+(?:and|or|but|please|pls|{NOUN}))"
_DEGREE = re.compile(
    r"\b(?:less|more|not (?:so|too|that|as|very|overly|really)|nothing(?: too| very)?) "
    rf"(?P<what>{_QUALITY}|[^\W\d_]{{3,}}(?:ed|less)|{_SHORT_QUALITY})(?![\w'])"
)
_NOT = re.compile(rf"\bnot (?P<what>{_QUALITY}){_ENDS}")
_COMPARATIVE = re.compile(
    r"\b(?:something|anything|ones?|bit|little|much|even|far|way|slightly|lot) (?P<what>[^\W\d_]{3,}er)\b(?! than\b)"
)
_DENIED = re.compile(
    r"(?:(?:^|[,.;]|\band\b|\bbut\b)\s*(?:please )?no|(?:that'?s|that is|that are|which is) not(?: an?| by| from)?|"
    r"\b(?:afraid|scared|tired|sick) of) "
    r"(?P<what>(?!idea|problem|thank|way|more|longer|matter|one\b|need|doubt|rush|worr|prefer|really|sorry|wait|thing|"
    r"please|nothing|never|that|this|these|those|they|it|i\b|but|not|stop|other|better|i'm|offen|too\b|so\b|very\b)"
    rf"[^\W\d_]{{3,}}(?: (?!(?:please|pls|and|or|but|then|thanks)\b)[^\W\d_]{{3,}})?){_ENDS}"
)
_PURPOSE = re.compile(
    rf"\b(?:something|anything|ones?|{NOUN}+s?) (?:good |nice |great )?"
    r"(?P<what>(?:to|for) (?!(?:someone|somebody|people|anyone|me|us|my|our|him|her|his|them|their|two|three|free|"
    r"kids?|"
    r"children|the|now|today|tonight|once|watch|see|read|play|listen|do|you|your|this|that|it|with)\b)"
    r"[^\W\d_]{2,}(?: (?!(?:and|or|but|please|with|from|that|which)\b)[^\W\d_]+){0,3})"
)
_BOUNDED = re.compile(
    r"\b(?:an?|some|any) (?:(?:good|nice|decent|great|proper) )?(?P<what>[^\W\d_]{4,})"
    r"(?= (?:for )?(?:under|over|below|above|less|between|around|about|up to|at most|from \d)\b)"
)
"""The thing itself, before the bounds of a number: "a claret under 30"."""
_NO_QUALITY = word_set(
    """
    any many really very actually recently probably already only finally definitely interesting nothing anything
    everything something thing things during being going looking watching reading listening playing seeing having family
    friendly likely story city country history happy original necessarily exactly particularly every my feeling saying
    asking getting doing trying working totally completely entirely convinced impressed other another never ever over
    under after whether together rather either however later better
    """
)
_OBJECT = re.compile(
    r"\b(?:need|want|after|looking for|look for|searching for|find(?: me| us)?|show (?:me|us)|give (?:me|us)|get me|"
    r"recommend(?: me)?|suggest|got any|have any|(?:do|have) you (?:have|got)|would like|i'd like|fancy)\s+"
    r"(?:an? |some |any |the |new |good |nice |great |really |cheap |my )*"
    r"(?P<what>[^\W\d_][\w'-]*(?: (?!(?:and|or|but|please|which|because|so)\b)[\w'-]+){0,5})"
)
_NO_OBJECT = re.compile(
    r"(?:something|anything|nothing|everything|one|ones|more|another|others?|help|advice|ideas?|it|that|this|these|those|"
    r"them|you|me|us|to|what|how|if|your|her|him|his|their|different|similar|else|two|three|few|couple|all|smth|sth|stuff|"
    r"things?|again|next)\b"
)
_TAIL = re.compile(
    r"(?: (?:please|pls|now|then|today|tonight|for me|for us|instead|too|that|to|is|are|i|we|with|for|of|a|an|the))+$"
)
_PRAISE = word_set("good great nice new best better other more some any to for of a an the")
_EXAMPLE = re.compile(
    r"\b(?:something|anything|stuff|ones?|ƒ+s?) (?P<like>like (?!(?:that|this|these|those|it|them|him|her|me|you|"
    r"we|i|what|"
    r"when|the (?:first|second|third|last|one)|a|an|in|to|no|ƒ+|nothing|before)\b)[^\W\d_¤][\w']*"
    r"(?: (?!(?:but|with|only|please|from|and)\b)[\w']+){0,5})"
)
_TRAILING = re.compile(
    r"(?:[\s,]+(?:though|please|pls|then|too|instead|if possible|thanks?|thank you|maybe))+[\s.!?]*$", re.IGNORECASE
)
_NAMED = re.compile(
    r"(?:[A-ZÀ-ÖØ-Þ0-9][\w'’.&-]*[:,]?\s+(?:(?:of|the|and|in|a|to|for|&|vs\.?|on|with|from|"
    r"at)\s+)*){0,7}[A-ZÀ-ÖØ-Þ0-9][\w'’.!-]*\s*\((?:19|20)\d\d\)"
)
_COLON = re.compile(
    r"(?:[A-ZÀ-ÖØ-Þ][\w'’.&-]*\s+){0,4}[A-ZÀ-ÖØ-Þ][\w'’&-]*: (?:[A-ZÀ-ÖØ-Þ][\w'’.&-]*)(?:\s+(?:(?:of|"
    r"the|and|in|a)\s+)*[A-ZÀ-ÖØ-Þ0-9][\w'’.&-]*)*"
)


def qualities(marked: str) -> Iterator[tuple[int, int]]:
    """The places of words that say how things should be, or not: "less confusing", "something smaller", "no guns"."""
    for pattern in (_DEGREE, _NOT, _COMPARATIVE, _DENIED):
        for match in pattern.finditer(marked):
            what = match["what"]
            if wordlike(what.split()[0]) and what not in _NO_QUALITY and NOUN not in what:
                yield match.span("what")
    for match in _PURPOSE.finditer(marked):
        yield match.span("what")
    for match in _BOUNDED.finditer(marked):
        if wordlike(match["what"]) and NOUN not in match["what"]:
            yield match.span("what")


def asked_object(marked: str) -> str | None:
    """What a message asks for: "I need a stapler"; None where it names nothing."""
    match = _OBJECT.search(marked)
    if match is None or _NO_OBJECT.match(match["what"]) or NOUN in match["what"] or "¤" in match["what"]:
        return None
    said = _TAIL.sub("", match["what"])
    return said if any(word not in _PRAISE and wordlike(word) for word in said.split()) else None


def asked_example(marked: str) -> str | None:
    """A title in lower case that the catalogue lacks, as an example: "like knives out"; None where there is none."""
    match = _EXAMPLE.search(marked)
    return None if match is None else match["like"]


def as_said(text: str) -> str:
    """A whole message as a wish in words, without what is only polite at its end."""
    return _TRAILING.sub("", text.strip()).strip(" .!?,")


def unlisted(text: str, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """Names that look like titles, with a year or a colon, outside the ``taken`` places: (start, end, name)."""
    found: list[tuple[int, int, str]] = []
    for pattern in (_NAMED, _COLON):
        for match in pattern.finditer(text):
            start, end = match.span()
            for _, stop in taken:
                if start < stop <= end:
                    start = stop
            name = text[start:end].strip(" ,.")
            begin = start + (len(text[start:end]) - len(text[start:end].lstrip(" ,.")))
            if len(name) < 3 or any(begin < stop and first < end for first, stop in taken):
                continue
            if any(begin < stop and first < end for first, stop, _ in found) or not re.search(r"[^\W\d_]{3}", name):
                continue
            if pattern is _COLON and (not match.start() or text[: match.start()].rstrip().endswith((".", "!", "?"))):
                continue
            found.append((begin, end, name))
    return found
