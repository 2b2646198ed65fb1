"""Wishes in words that no facet decides: whether they are moods, and which items name what they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from agent.text import flat, word_set

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

EMPTY = word_set(
    """the and for with about set some any that this from something anything like one ones kind sort type into where who
    whose story stories very more good great really bit little than not without nothing less there has have having
    involving featuring based are was were other all kinds women woman men man people person someone somebody"""
)
"""Words of a wish that need not stand in what is known of an item."""

ENOUGH = 3
"""So many items whose texts or categories name a wish are enough."""

COMPARATIVE = re.compile(
    r"(?:small|larg|bigg|cheap|dumb|fanci|simpl|strong|light|heavi|soft|hard|thick|thinn|wid|narrow|tall|short|long|deep|"
    r"dark|bright|quiet|loud|fast|slow|old|young|new|nic|smart|funni|sadd|happi|calm|rough|smooth|clean|sharp|warm|cool|wild|"
    r"weird|strang|nois|easi|bett|wors)er"
)
"""Words that compare, which no title, text or category decides."""

REFUSING = re.compile(r"^(?:not?|nothing|never|without|isn't|don't want|avoid|except|anything but)\b")
"""What a wish in words begins with that is for less of something."""


MOST_WORDS = 5
"""A wish of more words than this tells a story, which the words and tags of an item do not decide."""


def tells_story(hint: str) -> bool:
    """Whether a wish in words is too long to be borne out by a tag or a title, and to be repeated."""
    return len(hint.split()) > MOST_WORDS


def refuses(hint: str) -> bool:
    """Whether a wish in words says what is not wanted."""
    return REFUSING.match(hint.casefold()) is not None


def speaks_against(hint: str) -> bool:
    """Whether what a wish in words names is wanted less or not at all."""
    return refuses(hint) or hint.casefold().startswith("less ")


def unrefused(hint: str) -> str:
    """What a wish in words for less of something is about: "no dragons" is about dragons."""
    return REFUSING.sub("", hint.casefold()).strip() or hint


def is_mood(hint: str, catalogue: Catalogue) -> bool:
    """Whether a wish in words is a mood or more of what is asked for, which ranks by its meaning without more ado."""
    compared = tuple(
        words for own in catalogue.domain.critiques.values() if own.facet in catalogue.facets for words in own.words
    )
    return any(own.search(hint.casefold()) for own in _moods((*catalogue.domain.moods, *compared)))


def word_index(catalogue: Catalogue, titles: bool) -> Mapping[str, frozenset[int]]:
    """Word -> the items whose text or categories (but for the primary ones) hold it, or whose title does.

    With ``titles`` titles count, else texts and categories. Plurals are held as singulars.
    """
    found: dict[str, set[int]] = {}
    for item in catalogue.items:
        if titles:
            for key in set(_keys(item.title)):
                found.setdefault(_stem(key), set()).add(item.index)
            continue
        told = [column[item.index] for column in catalogue.texts.values()]
        for name, value in item.attributes.items():
            facet = catalogue.facets.get(name)
            if facet is not None and facet.kind == "category" and not facet.primary and isinstance(value, tuple):
                told += value
        for key in set(_keys(" ".join(told))):
            found.setdefault(_stem(key), set()).add(item.index)
    return {word: frozenset(items) for word, items in found.items()}


def naming(hint: str, catalogue: Catalogue) -> frozenset[int]:
    """The items whose text, categories or title hold each telling word of a wish in words.

    Where enough have them in their texts or categories, titles do not count: "a twist" is no "Oliver Twist".
    """
    telling = _telling(hint, catalogue)
    if not telling or any(COMPARATIVE.fullmatch(word) for word in telling):
        return frozenset()
    told, titles = catalogue.word_index
    none: frozenset[int] = frozenset()
    found = told_of(hint, catalogue)
    if len(found) >= ENOUGH and not refuses(hint):
        return found
    return frozenset.intersection(*(told.get(word, none) | titles.get(word, none) for word in telling))


def told_of(hint: str, catalogue: Catalogue) -> frozenset[int]:
    """The items whose text or categories hold each telling word of a wish in words."""
    none: frozenset[int] = frozenset()
    telling = _telling(hint, catalogue)
    return frozenset.intersection(*(catalogue.word_index[0].get(word, none) for word in telling)) if telling else none


def told_by(text: str, hint: str, catalogue: Catalogue) -> bool:
    """Whether a text holds each telling word of a wish in words."""
    telling = _telling(hint, catalogue)
    return bool(telling) and telling <= {_stem(key) for key in _keys(text)}


def borne_out(hint: str, items: Iterable[int], catalogue: Catalogue) -> bool:
    """Whether what is known of all ``items`` holds each word of a wish in words: then the data did decide it."""
    chosen = set(items)
    return bool(chosen) and not refuses(hint) and chosen <= naming(hint, catalogue)


def _telling(hint: str, catalogue: Catalogue) -> set[str]:
    nouns = catalogue.domain.nouns
    silent = EMPTY | {key for own in (nouns.one, nouns.many, *nouns.also) for key in _keys(own)}
    return {_stem(key) for key in _keys(REFUSING.sub(" ", hint.casefold())) if len(key) > 2 and key not in silent}


def _keys(text: str) -> list[str]:
    return re.findall(r"\w+", flat(text).replace("'", ""))


def _stem(key: str) -> str:
    return key[:-3] + "y" if len(key) > 4 and key.endswith("ies") else key.removesuffix("s") if len(key) > 3 else key


@lru_cache(maxsize=16)
def _moods(words: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"\b(?:{own})\b") for own in words if "{nouns}" not in own)
