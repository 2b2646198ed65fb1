"""Wording: articles, plurals, and the small carelessness of people who type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_CLAUSE = re.compile(r" (?:for|of|on|about|in|with|to) ")
_AN = re.compile(r"(?:[aeiou8]|honest|hour|1[18]\b)", re.IGNORECASE)
_NOT_AN = re.compile(r"(?:one\b|once|uni|use|eu)", re.IGNORECASE)
_LONG_WORD = re.compile(r"\b[a-z]{5,}\b")


class Dice:
    """Draws from one block of uniform numbers.

    A request takes some forty small decisions, and the generator's own calls would cost more than everything else.
    """

    __slots__ = ("_at", "_numbers", "_rng")

    def __init__(self, rng: np.random.Generator) -> None:
        """Take numbers from ``rng`` as they are needed, 64 at a time."""
        self._rng = rng
        self._numbers: list[float] = rng.random(64).tolist()
        self._at = 0

    def number(self) -> float:
        """Uniform in [0, 1)."""
        if self._at == len(self._numbers):
            self._numbers, self._at = self._rng.random(64).tolist(), 0
        self._at += 1
        return self._numbers[self._at - 1]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.number() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.number() * (high - low + 1))

    def one(self, options: Sequence[T]) -> T:
        """One of ``options``, all alike."""
        return options[int(self.number() * len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """One of ``options``, in proportion to ``weights``."""
        point = self.number() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            point -= weight
            if point < 0:
                return option
        return options[-1]


def with_article(text: str) -> str:
    """The noun phrase with "a" or "an": ``with_article("80s thriller") == "an 80s thriller"``."""
    vowel = _AN.match(text) and not _NOT_AN.match(text)
    return f"{'an' if vowel else 'a'} {text}"


def plural(text: str) -> str:
    """The plural of a noun phrase by its head: "picture for little ones" gives "pictures for little ones"."""
    clause = _CLAUSE.search(text)
    head, rest = (text[: clause.start()], text[clause.start() :]) if clause else (text, "")
    if head.endswith("y") and not head.endswith(("ay", "ey", "oy")):
        head = head[:-1] + "ies"
    elif head.endswith(("s", "x", "ch", "sh")):
        head += "es"
    else:
        head += "s"
    return head + rest


def upper_first(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def join_and(texts: Sequence[str]) -> str:
    """The texts in a row: "x", "x and y", "x, y and z"."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def typed(text: str, dice: Dice, typo: float) -> str:
    """The text as someone in a hurry types it.

    Often in lower case, often without the last mark; with probability ``typo`` one letter of one longer word is
    swapped, lost or doubled.
    """
    if dice.chance(0.35):
        text = text.lower()
    elif dice.chance(0.8):
        text = upper_first(text)
    if text[-1] in ".!?" and dice.chance(0.4):
        text = text.rstrip(".!?")
    if dice.chance(0.08):
        text = text.replace("'", "")
    if dice.chance(typo):
        words = list(_LONG_WORD.finditer(text))
        if words:
            word = dice.one(words)
            text = text[: word.start()] + _slip(word.group(), dice) + text[word.end() :]
    return text


def _slip(word: str, dice: Dice) -> str:
    at = dice.whole(1, len(word) - 2)
    before, letter, after = word[:at], word[at], word[at + 1 :]
    return dice.one((before + after, before + letter + letter + after, before + after[0] + letter + after[1:]))
