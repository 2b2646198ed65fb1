"""Text: a user's message as plain characters, folded for matching, and as words with their places."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

MESSAGE_LIMIT = 4000
"""Characters of one message that are read; what follows is cut off."""

_KEPT_CONTROLS = frozenset("\n\t")
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# One character each: replacing them keeps the places of all others.
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "´": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
_WORD = re.compile(r"(?:[^\W\d_][.*]){2,}[^\W\d_]?(?!\w)|[^\W_]+(?:'[^\W_]+)*|&")
_SAME = {
    **{
        word: str(n)
        for n, word in enumerate(
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
        )
    },
    **{
        roman: str(n)
        for n, roman in enumerate(
            ["ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii"], start=2
        )
    },
    "&": "and",
    "dr": "doctor",
    "mr": "mister",
    "vs": "versus",
    "colour": "color",
    "colours": "colors",
}


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as running text."""
    return frozenset(text.split())


def clean(text: str) -> str:
    """The first ``MESSAGE_LIMIT`` characters of a message as plain text.

    Composed (NFC), without control, formatting, private-use or unpaired surrogate characters; runs of white space
    become one space, line breaks stay.
    """
    # Cut first, so that the time spent is bounded by the limit and not by what was sent.
    text = unicodedata.normalize("NFC", text[:MESSAGE_LIMIT])
    kept = "".join(c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in _DROPPED)
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", kept)).strip()[:MESSAGE_LIMIT]


def fold(text: str) -> tuple[str, list[int]]:
    """``text`` in lower case, without accents, with plain quotes and dashes, for matching.

    Returns the folded text, and for each of its characters (and for its end) the place in ``text`` that it comes from.
    """
    if text.isascii():
        return text.translate(_QUOTES).lower(), list(range(len(text) + 1))
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        plain = character.translate(_QUOTES).translate(_DASHES)
        if not plain.isascii():
            plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
        folded = plain.casefold()
        characters.append(folded)
        places += [place] * len(folded)
    return "".join(characters), [*places, len(text)]


def flat(text: str) -> str:
    """``text`` folded character by character, so that places in it are places in ``text``."""
    folded, places = fold(text)
    if len(folded) == len(text):
        return folded
    characters = list(text.lower() if len(text.lower()) == len(text) else text)
    for character, place in zip(reversed(folded), reversed(places[:-1]), strict=True):
        characters[place] = character
    return "".join(characters)


@dataclass(frozen=True, slots=True)
class Word:
    """One word: ``key`` is its form for matching, ``start`` and ``end`` its place in the text it was taken from.

    ``capital`` says whether it begins with an upper-case letter.
    """

    key: str
    start: int
    end: int
    capital: bool


def words(text: str) -> list[Word]:
    """The words of ``text``, in order.

    Keys are folded; number words up to twelve and Roman numerals from II to XIII become digits, "&" becomes "and",
    "L.A." and "M*A*S*H" become "la" and "mash", apostrophes vanish ("Schindler's" is "schindlers").
    """
    folded, places = fold(text)
    found = []
    for match in _WORD.finditer(folded):
        start, end = places[match.start()], places[match.end() - 1] + 1
        key = re.sub(r"['.*]", "", match.group())
        if key:
            found.append(Word(_SAME.get(key, key), start, end, text[start].isupper()))
    return found


@cache
def common_words() -> frozenset[str]:
    """Everyday English words, in lower case."""
    lines = files("agent").joinpath("common_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
