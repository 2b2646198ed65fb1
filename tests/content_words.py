"""Content words of texts, by a crude stem: what phrases for training and held-out ones must not share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_GAP = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[a-z0-9]+")


def stem(word: str) -> str:
    """A crude stem, on the greedy side: it would rather join two words than part two forms of one."""
    for suffix in ("ations", "ation", "iness", "ingly", "ings", "edly", "ness", "ment", "ing", "ily", "ied", "ies"):
        if word.endswith(suffix) and len(word) - len(suffix) >= (4 if suffix == "ness" else 3):
            return stem(word[: -len(suffix)])
    for suffix in ("able", "ful", "ers", "est", "ish", "ous", "al", "ic", "ed", "er", "es", "ly", "s", "y", "e", "i"):
        if word.endswith(suffix) and len(word) - len(suffix) >= (4 if suffix == "ness" else 3):
            return stem(word[: -len(suffix)])
    if len(word) > 3 and word[-1] == word[-2]:
        return word[:-1]
    return word


@cache
def stop_stems() -> frozenset[str]:
    """Stems of the words that carry no wish."""
    return frozenset(stem(word) for word in Path(__file__).with_name("stop_words.txt").read_text("utf-8").split())


def content_words(texts: Iterable[str]) -> dict[str, str]:
    """Content words of ``texts`` as {stem: a text that holds it}; stop words and gaps are left out."""
    found: dict[str, str] = {}
    for text in texts:
        for word in _WORD.findall(_GAP.sub(" ", text.lower())):
            root = stem(word)
            if root not in stop_stems():
                found.setdefault(root, text)
    return found
