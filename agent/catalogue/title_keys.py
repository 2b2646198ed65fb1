"""Title keys: the forms under which a title is looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.text import common_words, words

ARTICLES = frozenset({"the", "a", "an"})
FULL, MAIN, PART = 0, 1, 2
"""How a key stands for an item: its whole title or an alias, the part before a colon, or the part behind it."""

_FOREIGN_ARTICLES = frozenset({"il", "la", "le", "les", "das", "der", "el", "los", "las", "lo"})
PART_WORDS = frozenset({"part", "episode", "chapter", "vol", "volume"})
_SPLIT = re.compile(r"\s*:\s+|\s+-\s+|,? or:? (?=[A-Z(])")
_AUTHOR = re.compile(r"^(?!The |A |An |My )(?:[A-Z]\S* ){1,2}[A-Z]\S*['’]s (?P<rest>.+)$")
_HERO = re.compile(r"^(?P<name>(?!The )[A-Z]\w+ [A-Z]\w+(?= and the )|(?:[A-Z]\.){2,}(?= the ))")


def title_keys(text: str, is_title: bool) -> Iterator[tuple[tuple[str, ...], int]]:
    """The keys of one title: (words, kind)."""
    full = key_of(text)
    if not full:
        return
    yield full, FULL
    if short := _without_part_words(full):
        yield short, FULL
    bare = [word for word in words(text) if word.key not in ARTICLES]
    if (
        len(bare) >= 2
        and re.sub(r"\W", "", text[: bare[0].end]).casefold() in _FOREIGN_ARTICLES
        and "." not in text[:4]
    ):
        yield full[1:], FULL
    if not is_title:
        return
    pieces = [piece for piece in _SPLIT.split(text) if piece.strip()]
    if author := _AUTHOR.match(text):
        yield from ((key, MAIN) for key in [key_of(author["rest"])] if len(key) > 1 or set(key) - common_words())
    if hero := _HERO.match(text):
        yield key_of(hero["name"]), MAIN
    if len(pieces) < 2:
        return
    main = key_of(pieces[0])
    if len(main) > 1 or (set(main) - common_words() and not main[0].isdigit()):
        yield main, MAIN
        if short := _without_part_words(main):
            yield short, MAIN
    for piece in pieces[1:]:
        key = key_of(piece)
        if len(key) == 2 and key[0] in PART_WORDS:
            yield from ((main + key, FULL), (main + key[1:], FULL))
        elif len(key) >= 2:
            yield key, PART
            yield main + key, FULL  # "Star Wars: The Empire Strikes Back", without the episode between


def key_of(text: str) -> tuple[str, ...]:
    """The words of ``text`` without English articles; with them if there is nothing else."""
    keys = tuple(word.key for word in words(text))
    return tuple(key for key in keys if key not in ARTICLES) or keys


def _without_part_words(key: tuple[str, ...]) -> tuple[str, ...] | None:
    short = tuple(
        part
        for place, part in enumerate(key)
        if not (part in PART_WORDS and place and place + 1 < len(key) and key[place + 1].isdigit())
    )
    return short if len(short) < len(key) else None


def deletions(word: str) -> set[str]:
    """``word`` with up to one letter left out, from eight letters on up to two: words at a small distance share one."""
    one = {word[:place] + word[place + 1 :] for place in range(len(word))}
    two = {part[:place] + part[place + 1 :] for part in one for place in range(len(part))} if len(word) >= 8 else set()
    return {word} | one | two
