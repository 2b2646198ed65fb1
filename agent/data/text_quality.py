"""Text quality: which texts of a data set must not be scored, and why, so that they are counted and shown instead."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EMPTY, UNDATED, FUTURE = "empty", "undated", "future-dated"
DUPLICATE, OTHER_LANGUAGE, MACHINE_MADE = "duplicate", "other language", "machine-made"
REASONS = (EMPTY, UNDATED, FUTURE, DUPLICATE, OTHER_LANGUAGE, MACHINE_MADE)

SAME_FORM = 10
"""So many texts that differ in numbers and names alone are taken for the output of a program."""

_EXAMPLES = 3
# Words that nearly every sentence of a language has, without those that English has too.
_FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "english": "the of and to in is are was for with on that by from at as it its this be has have after over says "
        "will not than how why what who can could should more out up new a an you your we our they their he his her or",
        "german": "der das und ist nicht von mit dem den ein eine für auf sich des zu wird auch bei nach wie über",
        "french": "le les des et est dans pour une du sur par au aux avec qui que ne pas plus ce cette son ses selon",
        "spanish": "el los las y es del por una para con que su al lo se como más pero sus según entre",
        "italian": "il gli di che e per una del della con non sono da nel alla dei delle più anche come si",
        "portuguese": "os as do da em um uma para com não por mais dos das no na ao pelo pela são seu sua",
        "dutch": "het een van en niet op te dat met voor zijn aan er om ook bij uit naar wordt heeft",
    }.items()
}
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d[\d.,:%]*")
_NAME = re.compile(r"\b[A-Z]\w*(?:\s+[A-Z]\w*)*")


@dataclass(frozen=True, eq=False)
class TextAudit:
    """``reasons`` holds for each text why it is not scored, "" where it is; ``examples`` the first few of a reason."""

    reasons: tuple[str, ...]
    examples: Mapping[str, tuple[str, ...]]

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which texts may be scored, (N,)."""
        return np.array([not reason for reason in self.reasons], dtype=np.bool_)

    @property
    def counts(self) -> dict[str, int]:
        """How many texts each reason left out, in the order of :data:`REASONS`."""
        counted = Counter(self.reasons)
        return {reason: counted[reason] for reason in REASONS if counted[reason]}


def audit(texts: Sequence[str], days: npt.NDArray[np.float64] | None = None, today: float | None = None) -> TextAudit:
    """Look at every text; each gets the first reason of :data:`REASONS` that holds.

    ``days``: (N,) when each appeared, in days since 1970, NaN where that is not known; None: texts have no dates.
    ``today``: the present day in the same unit; texts of later ones are future-dated. None: no day is too late.
    """
    folded = [" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts]
    forms = Counter(form for text in texts if (form := _form(text)) is not None)
    seen: set[str] = set()
    reasons = []
    examples: dict[str, list[str]] = {}
    for row, (text, key) in enumerate(zip(texts, folded, strict=True)):
        day = None if days is None else days[row]
        reason = ""
        if not _WORD.search(key):
            reason = EMPTY
        elif day is not None and np.isnan(day):
            reason = UNDATED
        elif day is not None and today is not None and day > today:
            reason = FUTURE
        elif key in seen:
            reason = DUPLICATE
        elif language_of(text) != "english":
            reason = OTHER_LANGUAGE
        elif (form := _form(text)) is not None and forms[form] >= SAME_FORM:
            reason = MACHINE_MADE
        if reason in ("", OTHER_LANGUAGE, MACHINE_MADE):
            seen.add(key)
        if reason and len(examples.setdefault(reason, [])) < _EXAMPLES:
            examples[reason].append(text[:120])
        reasons.append(reason)
    return TextAudit(tuple(reasons), {reason: tuple(own) for reason, own in examples.items()})


def language_of(text: str) -> str:
    """The language of a text by its function words; English where they do not say otherwise, "" in another script."""
    letters = [character for character in text if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
    if letters and latin < 0.7 * len(letters):
        return ""
    words = set(_WORD.findall(text.casefold()))
    hits = {name: len(words & own) for name, own in _FUNCTION_WORDS.items()}
    best = max(hits, key=lambda name: (hits[name], name == "english"))
    # One foreign word may be part of a name; two, and clearly more than English ones, are a sentence.
    return best if hits[best] >= 2 and hits[best] > hits["english"] + 1 else "english"


def _form(text: str) -> str | None:
    """A text with its numbers and names masked; None for one that has no number or is mostly masked."""
    masked, numbers = _NUMBER.subn("0", text)
    if not numbers:
        return None
    masked = _NAME.sub("X", masked)
    return masked if len(re.findall(r"\b[a-z]{2,}", masked)) >= 3 else None
