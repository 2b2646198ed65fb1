"""Fidelity: whether other words still say the same, checked against the plain sentences that they stand for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import lru_cache

from agent.generation.phrases import NUMBERS
from agent.text import flat, word_set

QUOTE = re.compile(r"“([^”]*)”")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:%|s\b)?")
_LIST = re.compile(r"“”(?:(?:, | and |, and | or )“”)*")
_SENTENCE = re.compile(r"[^.!?]+(?:\.\d+[^.!?]*)*[.!?]?")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_ORDERED = re.compile(rf"{NUMBER.pattern}|\b(?:{'|'.join(word for word in NUMBERS if word != 'one')})\b")
_MINE = re.compile(r"\bi\b(?: [a-z']+){0,3}? (?:seen|liked|enjoyed|watched|saw|named|asked|wanted|rated|gave)\b")
_UNIT = re.compile(r"(\d+(?:[.,]\d+)*) (viewers?|stars?|times)")

TURNING: tuple[frozenset[str], ...] = (
    word_set("no not never none nothing cannot nobody neither nor without don't doesn't isn't can't won't"),
    word_set("only just merely"),
    word_set("average averages"),
    word_set("showed shown"),
    *(
        frozenset({word})
        for word in sorted(
            word_set(
                "more most less least fewer than against better best worse worst older newer higher lower likelier "
                "unlikely if unless even earlier later also seen hated disliked dislike"
            )
        )
    ),
)
"""Words that turn a statement: of each group, either both texts hold one or neither does."""

ROLES: tuple[frozenset[str], ...] = (
    word_set("liked enjoyed liking favourites"),
    word_set("watched saw"),
    word_set("named mentioned example"),
)
"""What a title is to a person: in a sentence of its own kind in the plain text, so also in the other."""


def retellable(plain: str) -> bool:
    """Whether sentences may be put in other words: no sentence may give two titles parts that could be confused."""
    return all(len(_LIST.findall(_blank(sentence))) < 2 for sentence in _sentences(plain))


def changes(text: str, plain: str, words: Collection[str] = ()) -> list[str]:
    """Everything that ``text`` says otherwise than ``plain``; empty where it may stand for it.

    Both must hold the same titles (none more often), numbers (with the same unit, and those without one in the same
    order, "no" among them) and turning words; a title keeps its part, and who did what stays; any other word must be of
    ``plain`` or one of ``words`` (lower case, if given).
    """
    found = []
    quotes, given = Counter(QUOTE.findall(text)), Counter(QUOTE.findall(plain))
    found += [f"title “{title}”" for title in quotes if quotes[title] > given[title]]
    found += [f"no title “{title}”" for title in given if title not in quotes]
    rest, own = flat(_blank(text)), flat(_blank(plain))
    if _numbers(rest) != _numbers(own):
        found.append(f"numbers {' '.join(_shown(rest)) or 'left out'}")
    if _MINE.search(rest) and not _MINE.search(own):
        found.append("somebody else did it")
    said, known = set(_WORD.findall(rest)), set(_WORD.findall(own))
    for group in TURNING:
        if bool(said & group) != bool(known & group):
            found.append(f"{'added' if said & group else 'left out'}: {', '.join(sorted((said | known) & group))}")
    if words:
        found += [f"word {word}" for word in sorted(said - allowed_words(plain, words))]
    parts = _parts(plain)
    found += [f"the part of “{t}”" for t, part in _parts(text).items() if t in parts and part != parts[t]]
    return found


def allowed_words(plain: str, words: Collection[str]) -> frozenset[str]:
    """The words that may stand for ``plain``: its own, ``words``, and others of the same group as a turning word."""
    own = frozenset(_WORD.findall(flat(_blank(plain))))
    return own.union(words, *(group for group in TURNING if own & group))


@lru_cache(maxsize=1)
def turning_words() -> frozenset[str]:
    """All words that turn a statement."""
    return frozenset().union(*TURNING)


def _blank(text: str) -> str:
    return QUOTE.sub("“”", text)


def _sentences(text: str) -> list[str]:
    """The sentences of a text, with the titles in them as they are."""
    titles = iter(QUOTE.findall(text))
    parts = [match.group() for match in _SENTENCE.finditer(_blank(text))]
    return [re.sub("“”", lambda _: f"“{next(titles)}”", part) for part in parts]


def _numbers(text: str) -> tuple[Counter[tuple[str, str]], list[str]]:
    units = Counter((number, unit.rstrip("s")) for number, unit in _UNIT.findall(text))
    return units, _ORDERED.findall(_UNIT.sub("", text))


def _shown(text: str) -> list[str]:
    return _ORDERED.findall(text)


def _parts(text: str) -> dict[str, frozenset[int]]:
    """Each title's part: the groups of :data:`ROLES` that its sentences name."""
    parts: dict[str, frozenset[int]] = {}
    for sentence in _sentences(text):
        words = set(_WORD.findall(flat(_blank(sentence))))
        groups = frozenset(place for place, group in enumerate(ROLES) if words & group)
        for title in QUOTE.findall(sentence):
            parts[title] = parts.get(title, frozenset()) | groups
    return parts
