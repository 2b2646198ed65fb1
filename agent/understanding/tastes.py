"""Tastes of several people in one wish: "a romcom for her, sci-fi for me", "she likes horror, I like musicals"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.records.acts import Tastes
from agent.understanding.scope import Hit

_PERSON = (
    r"(?:(?:my|our|the) (?:\w+ )?(?!mood|taste|weekend|evening|night|day|time)\w+|me|myself|her|him|them|"
    r"she|he|they|i|one of us|the other(?: one)?|the others?|[a-z]+(?= (?:likes|loves|wants|prefers|hates|fancies)\b))"
)
_LIKES = (
    r"(?:(?:would|'d|will|'ll|do|does|really|only|always|also|just|more|rather|much|absolutely|totally) )*"
    r"(?:likes?|loves?|wants?|prefers?|enjoys?|fanc(?:y|ies)|adores?|needs?|feels? like|'d like|"
    r"(?:is|am|are|'m|'s|'re) (?:into|a (?:big |huge )?fan of|more into|in the mood for|after|for))"
)
_BEFORE = re.compile(rf"(?<![\w'])(?P<who>{_PERSON})(?: |(?='))(?:{_LIKES})(?= )")
_OTHER = re.compile(r"(?<![\w'])(?P<who>the other(?: one)?|the others?)(?= )")
_AFTER = re.compile(rf"^[^,;:.!?]{{0,24}}?(?<![\w'])for (?P<who>{_PERSON})(?![\w'])")
_CLAUSE = re.compile(r"[,;:.!?/]|(?<!\w)(?:and|but|while|whereas|or|plus)(?!\w)")
TOGETHER = re.compile(
    r"^(?:something |anything |\w+ )?(?:(?:for|of|from|that|to|we|which) )?(?:we )?(?:both|all|the two|the both|us)"
    r"(?: \w+)?(?: of us| two| can| will| would| like| enjoy| watch| together)*$|^for (?:us|two)\b.*$"
)
"""A wish in words that says no more than that it is for several."""

_TO = {"i": "you", "me": "you", "myself": "you", "she": "her", "he": "him", "they": "them", "one of us": "one of you"}


def tastes(marked: str, hits: Sequence[Hit]) -> Tastes:
    """Who wants what, where at least two people want different values of one facet; empty otherwise.

    A value belongs to whom its clause names, before it ("she likes ...") or after it ("... for me"); without anybody,
    to whom the clause before named, else to whom the next one names.
    """
    known = [hit for hit in hits if hit.kind == "value" and hit.known and hit.values and hit.state == "wanted"]
    ends = [match.start() for match in _CLAUSE.finditer(marked)] + [len(marked)]
    found: list[tuple[str, str, tuple[str, ...]]] = []
    waiting: list[Hit] = []
    last = ""
    for hit in known:
        start = max((end for end in ends if end < hit.start), default=-1) + 1
        end = min(own for own in ends if own >= hit.end)
        # "and I like": the clause begins with the word that joins it.
        before = list(_BEFORE.finditer(marked, start, hit.start)) or list(_OTHER.finditer(marked, start, hit.start))
        after = _AFTER.match(marked[hit.end : end])
        who = before[-1]["who"] if before else after["who"] if after is not None else last
        if not who:
            waiting.append(hit)
            continue
        found += [(_named(who), own.facet, own.values) for own in (*waiting, hit)]
        waiting = []
        last = before[-1]["who"] if before else ""
    whom = {who for who, _, _ in found}
    facets = {facet for _, facet, _ in found}
    if waiting or len(whom) < 2 or len(facets) > 1 or len({values for _, _, values in found}) < 2:
        return ()
    return tuple(dict.fromkeys(found))


def _named(who: str) -> str:
    """Whom a person names, as the reply says it after "for"."""
    if who in _TO or " " in who:
        return _TO.get(who, re.sub(r"^(?:my|our) ", "your ", who))
    return who if who in ("her", "him", "them") else who.capitalize()
