"""Names: wishes about people, subjects and titles that the data does not know, in the user's words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.domains.films.lexicon import FILM_NOUNS, GENRE_WORDS, MOODS, PLACES
from agent.text import common_words, word_set
from agent.text import flat as folded

_CAPITALS = r"[^\W\d_a-zà-öø-ÿ][\w'’.-]*[\w'’]"
_NAME = (
    rf"{_CAPITALS}(?: (?:{_CAPITALS}|[A-Z]\.|de|da|van|von|del|la|der|"
    rf"and the)(?![\w]))*(?<! de)(?<! da)(?<! la)(?<! and the)"
)
_PERSON = re.compile(
    rf"\b(?P<cue>(?i:with|starring|featuring|directed by|written by|by|from director|from|director|stars?|"
    rf"actors?|actress|of|about|like|to|without|no|not))\s+(?P<name>{_NAME})"
)
_RUN = re.compile(rf"(?P<name>{_CAPITALS}(?: {_CAPITALS})+)")
_SINGLE = re.compile(rf"(?P<name>{_CAPITALS})(?=(?:['’]s)? (?:{FILM_NOUNS}|{'|'.join(sorted(GENRE_WORDS))})\b)")
_LOWER = re.compile(
    r"\b(?P<cue>starring|featuring|directed by|by director|written by|played by|set in|set on|"
    r"set during|takes? place in|about|with|without)\s+"
    r"(?P<name>(?!(?:my|our|your|me|us|you|it|that|this|the same|him|her|them|friends?|family|something|anything|"
    r"someone|the kids|kids|no|only|"
    r"not|high|good ratings?|great ratings?|at|a rating|rating|ratings|over|\d|\w+ stars?|what|how|which|when)\b)"
    r"(?:(?:an?|the|some|lots? of|plenty of|more|any|much|too much|good|"
    r"great) ){0,2}[^\W\d_][\w'-]*(?: (?!(?:and|or|but|from|in|please|"
    r"that|which|with|of|for|on|is|are|was|so|not|kind|sort|type|during|about|no|to|made|set|by|before|after|"
    r"since)\b)[^\W\d_][\w'-]*){0,3})"
)
_SMALL = word_set(
    """
    i i'm i've i'd i'll im ive the a an and or but not no please thanks hi hello hey ok okay yes my me we you
    something anything nothing  what who which where when why how can could would do does is are was show give
    find recommend suggest want need looking  for like with from in on at maybe also then monday tuesday
    wednesday thursday friday saturday sunday january february march april june  july august september october
    november december christmas halloween imdb netflix movielens tv dvd uk us usa
    """
)
_NOT_NAME = re.compile(r"\b(?:no|not|nothing|without|never)(?: (?:with|by|from|starring|more|any|anything with))? $")
_NOT_SUBJECT = re.compile(r"\b(?:no|not|nothing|never)(?: \w+)? $")
_LIKED = re.compile(r"\b(?:i|we|really|also|he|she|they) $")
_QUANTITY = re.compile(r"^(?:(?:an?|the|some|lots? of|plenty of|more|any|much|too much|good|great)\b ?)+")
_HEADS = word_set("film films movie movies flick flicks stuff one ones titles something anything")


def named(text: str, flat: str, taken: list[tuple[int, int]]) -> list[tuple[int, str]]:
    """Names and subjects that stand outside the ``taken`` places, as (place, words).

    Args:
        text: the cleaned message, linked titles masked.
        flat: its folded form, of the same length.
        taken: places (start, end) that were understood otherwise.
    """
    found: dict[int, tuple[int, str]] = {}
    free = _Free(taken)
    letters = re.findall(r"[^\W\d_]+", text)
    shouting = text.isupper() or (
        len(letters) >= 5 and sum(word[:1].isupper() for word in letters) >= 0.8 * len(letters)
    )
    if not shouting:
        for pattern in (_PERSON, _RUN, _SINGLE):
            for match in pattern.finditer(text):
                start, end = match.span("name")
                start, end = _trimmed(text, start, end)
                words = text[start:end]
                if not words or not words[0].isupper() or not free.take(start, end):
                    continue
                if pattern is _SINGLE and (words.casefold() in common_words() or _ordinary(words)):
                    continue
                if _ordinary(words):
                    continue
                cue = match["cue"].casefold() if pattern is _PERSON else ""
                wanted = cue == "to" or (cue == "like" and not _LIKED.search(flat[: match.start()]))
                prefix = "like " if wanted else ""
                if cue == "to" and not flat[: match.start()].rstrip().endswith(("similar", "close", "sequel")):
                    continue
                negated = not words.endswith(("'s", "’s")) and _NOT_NAME.search(flat[:start][-32:])
                found[start] = (start, ("no " if negated else "") + prefix + re.sub(r"['’]s$", "", words))
    for match in _LOWER.finditer(flat):
        start, end = match.span("name")
        words = text[start:end]
        while (last := words.rsplit(" ", 1))[-1].casefold() in _HEADS and len(last) == 2:
            words = last[0]
        for begin, _ in taken:
            if start < begin < start + len(words):
                words = words[: begin - start].rstrip(" ,")
        end = start + len(words)
        # A subject without a word of its own ("with some", "about") says nothing.
        if not _QUANTITY.sub("", words.casefold()):
            continue
        if not free.take(start, end):
            continue
        keep = match["cue"].startswith(("set", "take", "about"))
        lower_negated = match["cue"] == "without" or _NOT_SUBJECT.search(flat[: match.start()][-24:])
        phrase = f"{match['cue']} {words}" if keep else words
        found[start] = (start, ("no " if lower_negated else "") + phrase)
    return sorted(found.values())


_LEAD = re.compile(
    r"^(?:no |like |about |set (?:in|on|during) |takes? place in |a |an |the |some |lots? of |plenty of )+"
)


TAGGED = 3
"""A tag decides a wish only where at least so many items have it: users tag few of the films that they could."""


def tag_of(wish: str, tags: Mapping[str, frozenset[int]]) -> str | None:
    """The catalogue's tag that a name or subject of :func:`named` means; None if no tag of :data:`TAGGED` items does.

    A surname stands for the person whose tag ends with it, if there is only one.
    """
    words = _LEAD.sub("", folded(wish).strip())
    if len(tags.get(words, ())) >= TAGGED:
        return words
    if " " in words or len(words) < 4 or words in common_words():
        return None
    ending = [
        tag for tag, items in tags.items() if tag.endswith(" " + words) and tag.count(" ") <= 2 and len(items) >= TAGGED
    ]
    return ending[0] if len(ending) == 1 else None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without small words at both ends ("I", "The", "Please")."""
    words = [(m.start() + start, m.end() + start) for m in re.finditer(r"\S+", text[start:end])]
    while words and _small(text[slice(*words[0])]):
        words.pop(0)
    while words and _small(text[slice(*words[-1])]):
        words.pop()
    return (words[0][0], words[-1][1]) if words else (start, start)


def _small(word: str) -> bool:
    plain = word.casefold().strip(".,'’")
    return plain in _SMALL or plain in GENRE_WORDS or plain in MOODS or plain in PLACES


def _ordinary(words: str) -> bool:
    return all(_small(word) for word in words.split())


class _Free:
    """Places that nothing has claimed yet."""

    def __init__(self, taken: list[tuple[int, int]]) -> None:
        self._taken = list(taken)

    def take(self, start: int, end: int) -> bool:
        """Claim a place; False if some of it is claimed already."""
        if any(start < other_end and other_start < end for other_start, other_end in self._taken):
            return False
        self._taken.append((start, end))
        return True
