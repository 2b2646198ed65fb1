"""Typing errors: the words of the grammar as they are meant, where they are mistyped or abbreviated."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from agent.text import common_words, flat
from agent.understanding.vocabulary import Vocabulary

_SHORT = {
    "u": "you",
    "ur": "your",
    "r": "are",
    "pls": "please",
    "plz": "please",
    "plx": "please",
    "luv": "love",
    "luvd": "loved",
    "luved": "loved",
    "lovd": "loved",
    "hatd": "hated",
    "sth": "something",
    "smth": "something",
    "smthn": "something",
    "sumthin": "something",
    "somthin": "something",
    "anythin": "anything",
    "nuthin": "nothing",
    "gimme": "give me",
    "lemme": "let me",
    "wanna": "want to",
    "gonna": "going to",
    "rec": "recommend",
    "recs": "recommendations",
    "reco": "recommend",
    "recos": "recommendations",
    "def": "definitely",
    "prolly": "probably",
    "w/o": "without",
    "w/": "with",
    "b4": "before",
    "nver": "never",
    "waht": "what",
    "wat": "what",
    "whats": "what's",
    "dont": "don't",
    "didnt": "didn't",
    "doesnt": "doesn't",
    "isnt": "isn't",
    "wasnt": "wasn't",
    "cant": "can't",
    "couldnt": "couldn't",
    "wouldnt": "wouldn't",
    "havent": "haven't",
    "ive": "i've",
    "im": "i'm",
    "thx": "thanks",
    "thnx": "thanks",
    "tnx": "thanks",
    "tks": "thanks",
    "kno": "know",
    "bout": "about",
    "abt": "about",
    "oldr": "older",
    "newr": "newer",
    "nt": "not",
    "teh": "the",
    "adn": "and",
    "liek": "like",
    "hav": "have",
    "sene": "seen",
    "fav": "favourite",
}
_NOT_TOO = re.compile(
    r"\bnot to(?= (?:old|new|long|short|scary|violent|sad|dark|heavy|slow|well|serious|recent|bloody)\b)"
)
_TOKEN = re.compile(r"(?<![\w'])[^\W\d_](?:[\w'/]*\w)?/?(?![\w'])")


@lru_cache(maxsize=8192)
def mended(word: str, meant: tuple[str, ...]) -> str | None:
    """The word of ``meant`` that ``word`` (folded) stands for; None where it is none, or already one.

    Words of five letters and more may hold one typing error, from eight letters on two (optimal string alignment);
    everyday words stay as they are.
    """
    if word in _SHORT:
        return _SHORT[word]
    if len(word) < 5 or word in common_words() or word in meant:
        return None
    limit = 2 if len(word) >= 8 else 1
    best = process.extractOne(word, meant, scorer=OSA.distance, score_cutoff=limit)
    if (
        best is None
        or best[0][0] != word[0]
        or best[0][:-1] == word[:-1]  # another form of the word ("hates"), not an error
        or best[0] in (word + "s", word.removesuffix("s"), word.removesuffix("es"))
    ):
        return None
    return best[0]


def mend(text: str, vocabulary: Vocabulary) -> str:
    """``text`` with the grammar's words as they are meant; capitalised words inside a sentence stay, as names."""
    folded = flat(text)
    meant = vocabulary.meant

    def replaced(match: re.Match[str]) -> str:
        word = text[match.start() : match.end()]
        opens = not folded[: match.start()].strip() or folded[: match.start()].rstrip().endswith((".", "!", "?", "\n"))
        if word[:1].isupper() and not word.isupper() and not opens:
            return word
        named = (match.group(),) in vocabulary.names
        if named and (word.isupper() or folded[: match.start()].endswith("rated ")):
            return word  # "rated R"
        found = mended(match.group(), meant)
        if found is not None and _in_a_value(folded, match.start(), vocabulary):
            return word  # "wii u", "steering wheel"
        return found or word

    if len(folded) != len(text):
        return text
    return _NOT_TOO.sub("not too", _TOKEN.sub(replaced, folded))


def _in_a_value(folded: str, start: int, vocabulary: Vocabulary) -> bool:
    """Whether the word at ``start`` belongs to what the domain calls a value."""
    return any(
        match.start() <= start < match.end()
        for expression in vocabulary.expressions
        for match in expression.pattern.finditer(folded)
    )


def rewrite(
    text: str, places: Sequence[tuple[int, int]], change: Callable[[str], str]
) -> tuple[str, list[tuple[int, int]]]:
    """``text`` with all that lies between ``places`` (start, end; in order, not overlapping) changed.

    Returns the new text, and where the places are in it.
    """
    parts: list[str] = []
    moved: list[tuple[int, int]] = []
    length = at = 0
    for start, end in places:
        parts.append(change(text[at:start]))
        length += len(parts[-1])
        moved.append((length, length + end - start))
        parts.append(text[start:end])
        length, at = length + end - start, end
    parts.append(change(text[at:]))
    return "".join(parts), moved
