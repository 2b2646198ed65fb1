"""Languages: which one a message is in, and the words of wishes in those that are read besides English.

The words are data: ``languages.yaml`` beside a domain's ``domain.yaml``, on top of the one in ``_base``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from agent.domains.domain import BASE, FOLDER, Domain, DomainError
from agent.domains.nations import nation_words
from agent.text import common_words, flat

FILE = "languages.yaml"
ENGLISH = "en"
_SHORT = 3
_SURE = 2
"""So many function words tell a language."""
_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("uk", re.compile(r"[іїєґ]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_NATIONS: dict[tuple[Path, str], tuple[tuple[re.Pattern[str], str], ...]] = {}
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


def language(text: str) -> str:
    """The language of ``text`` as ISO 639-1, told by its script or by its function words; "en" where nothing tells.

    A language other than English must have more of its function words in the message than English has, and two of them
    unless the message is of at most three words.
    """
    folded = flat(text)
    letters = [c for c in text if c.isalpha()]
    for code, script in _SCRIPTS:
        known = len(script.findall(text.casefold()))
        if known and (2 * known >= len(letters) or (code in ("ja", "uk") and not text.isascii() and _mostly(text))):
            return code
    found = [match.group() for match in _WORD.finditer(folded) if not _particle(text, match)][:60]
    if not found:
        return ENGLISH
    # What is an everyday English word as well ("die", "was", "on") tells nothing.
    telling = [word for word in found if len(word) > 1 and word not in common_words()]
    function_words = _telling()
    counts = {code: sum(word in known for word in telling) for code, known in function_words.items() if code != ENGLISH}
    # The order of the file breaks ties: the more widely spoken language first.
    best = max(counts, key=lambda code: counts[code])
    if not function_words[ENGLISH] & set(found):
        # Without a word of English, words that it has as well ("von", "un") tell too, where they are many.
        codes = [code for code, own in _read(FOLDER / BASE / FILE).items() if "words" in own]
        many = {code: sum(word in function_words[code] for word in found) for code in codes}
        sure = max(many, key=lambda code: many[code])
        if many[sure] >= max(_SURE, len(found) / 2):
            return sure
    english = sum(word in function_words[ENGLISH] and word not in function_words[best] for word in found)
    needed = 1 if len(found) <= 3 and not function_words[ENGLISH] & set(found) else 2
    return best if counts[best] >= needed and counts[best] > english else ENGLISH


def _particle(text: str, match: re.Match[str]) -> bool:
    """Whether a word belongs to a name: "De Niro"."""
    following = text[match.end() + 1 : match.end() + 2]
    short = len(match.group()) <= _SHORT and text[match.start()].isupper() and not text.isupper()
    return short and following.isupper() and not _tells(text[match.end() + 1 :])


def _tells(text: str) -> bool:
    """Whether the first word tells a language."""
    word = _WORD.match(flat(text))
    return word is not None and any(word.group() in known for known in _telling().values())


def told_by(text: str, code: str) -> int:
    """How many words of ``text`` are those by which the language ``code`` is recognised."""
    return sum(word in _telling().get(code, frozenset()) for word in _WORD.findall(flat(text)))


def sounds_english(text: str, beside: str = ENGLISH) -> bool:
    """Whether a word of ``text`` is one of those by which English is recognised, and not the language ``beside``."""
    telling = _telling()
    own = telling.get(beside, frozenset()) if beside != ENGLISH else frozenset()
    return bool((telling[ENGLISH] - own) & set(_WORD.findall(flat(text))))


def in_english(text: str, code: str, domain: Domain) -> str:
    """``text`` with those words of wishes that are known in the language ``code`` replaced by English ones."""
    expressions = _expressions(domain.folder, code)
    if not expressions:
        return text
    text = flat(text)
    # A short message may be taken for another of these languages: adjectives of nations tell in all of them.
    others = (own for other in _read(FOLDER / BASE / FILE) if other != code for own in _nations(domain, other))
    for pattern, english in (*_nations(domain, code), *(own for own in others if own[1].islower()), *expressions):
        text = pattern.sub(english, text)
    return text


def readable(code: str, domain: Domain) -> bool:
    """Whether messages in the language ``code`` are read."""
    return code == ENGLISH or bool(_expressions(domain.folder, code))


def prepositions(code: str) -> tuple[str, str]:
    """What stands before the person whom something is by or the country that it is from, and before who is in it.

    As expressions over text without accents, "" where none are known.
    """
    known = _read(FOLDER / BASE / FILE).get(code, {})
    return str(known.get("of", "")), str(known.get("with", ""))


def _nations(domain: Domain, code: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    key = (domain.folder, code)
    if key not in _NATIONS:
        of, _ = prepositions(code)
        words = nation_words(code, of, domain) if of else ()
        _NATIONS[key] = tuple((re.compile(rf"(?<![\w'])(?:{own})(?![\w])"), english) for own, english in words)
    return _NATIONS[key]


@lru_cache(maxsize=128)
def _expressions(folder: Path, code: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    words: dict[str, str] = {}
    for path in dict.fromkeys((folder / FILE, FOLDER / BASE / FILE)):
        words = {**words, **_read(path).get(code, {}).get("words", {})}
    found = []
    for expression, english in words.items():
        try:
            found.append((re.compile(rf"(?<![\w'])(?:{expression})(?![\w])"), str(english)))
        except re.error as error:
            raise DomainError(f"{FILE}: {expression!r} is no regular expression: {error}") from None
    return tuple(found)


@cache
def _telling() -> Mapping[str, frozenset[str]]:
    data = _read(FOLDER / BASE / FILE)
    return {code: frozenset(str(own.get("telling", "")).split()) for code, own in data.items()}


@cache
def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DomainError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(data, dict):
        raise DomainError(f"{path} holds no mapping of language codes: write `de: {{words: {{...}}}}`")
    return {str(code): own for code, own in data.items()}


def _mostly(text: str) -> bool:
    """Whether most letters are of no Latin alphabet."""
    letters = [c for c in text if c.isalpha()]
    return 2 * sum(ord(c) > 0x24F for c in letters) >= len(letters)
