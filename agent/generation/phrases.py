"""Wording: numbers, kinds of films and wishes as phrases, which the templates of replies put into sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.records.constraints import Constraints
from agent.text import word_set

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

GENRE_NOUNS: Mapping[str, tuple[str, str]] = {
    "Action": ("action film", "action films"),
    "Adventure": ("adventure film", "adventure films"),
    "Animation": ("animated film", "animated films"),
    "Children": ("children's film", "children's films"),
    "Comedy": ("comedy", "comedies"),
    "Crime": ("crime film", "crime films"),
    "Documentary": ("documentary", "documentaries"),
    "Drama": ("drama", "dramas"),
    "Fantasy": ("fantasy film", "fantasy films"),
    "Film-Noir": ("film noir", "films noirs"),
    "Horror": ("horror film", "horror films"),
    "Musical": ("musical", "musicals"),
    "Mystery": ("mystery", "mysteries"),
    "Romance": ("romance", "romances"),
    "Sci-Fi": ("science fiction film", "science fiction films"),
    "Thriller": ("thriller", "thrillers"),
    "War": ("war film", "war films"),
    "Western": ("western", "westerns"),
}
"""A film of the genre in words, one and several; a genre that is not here goes by its own name."""


_OPEN = word_set(
    """
    a again all an and another any anything are can could do else find for from get give good great have hello help hey
    hi i i'd i'll ideas is it know like lets like looking me more movie movies film films need new next nice now of one
    ones or others our please recommend recommendation recommendations see shall should show some something suggest
    suggestion suggestions surprise tell that the these this to today tomorrow tonight us want watch we weekend what
    what's which will with would you
    """
)


def is_open(request: str) -> bool:
    """Whether a request leaves everything open ("what should I watch tonight?"): it holds no word that could decide."""
    return not set(re.findall(r"[\w']+", request.lower().replace("’", "'"))) - _OPEN


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def number(count: int) -> str:
    """Small numbers as words, others as digits."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def number_words(value: float) -> str:
    """A number as sentences write it: whole numbers without a decimal point, others with one decimal."""
    return str(int(value)) if float(value).is_integer() else f"{value:.1f}"


def a_film_of(genre: str) -> str:
    """``a comedy``, ``an action film``; of a genre without a noun ``a film of the genre Ska``."""
    if genre not in GENRE_NOUNS:
        return f"of the genre {genre}"
    noun = GENRE_NOUNS[genre][0]
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _also(group: frozenset[str], count: int, head: bool) -> str:
    """A group of genres after the noun: "also musicals", or "of comedy or romance"."""
    if head and group <= set(GENRE_NOUNS):
        return listed([a_film_of(g) if count == 1 else GENRE_NOUNS[g][1] for g in sorted(group)], "or")
    return listed(sorted(group), "or").lower()


def wish_in_words(constraints: Constraints, count: int, noun: str = "film") -> str:
    """What is asked for, as a noun phrase: "thrillers from 1990 to 1999, without action"."""
    single = [next(iter(group)) for group in constraints.genres if len(group) == 1]
    known = [genre for genre in single if genre in GENRE_NOUNS]
    head = known[0] if known else None
    phrase = GENRE_NOUNS[head][count != 1] if head else noun if count == 1 else f"{noun}s"
    others = [_also(group, count, bool(head)) for group in constraints.genres if group != {head}]
    if others:
        phrase += f" that {'is' if count == 1 else 'are'} also {listed(others)}" if head else f" of {listed(others)}"
    low, high = constraints.year_min, constraints.year_max
    if low is not None and high is not None:
        phrase += f" from {low}" if low == high else f" from {low} to {high}"
    elif low is not None:
        phrase += f" from {low} or later"
    elif high is not None:
        phrase += f" from {high} or earlier"
    if constraints.rating_min is not None:
        phrase += f", rated {constraints.rating_min:g} stars or higher"
    if constraints.without_genres:
        phrase += f", without {listed(sorted(constraints.without_genres), 'or').lower()}"
    for first, last in constraints.without_years:
        phrase += f", not from {first}" if first == last else f", not from {first} to {last}"
    if constraints.viewers_min is not None:
        phrase += f", rated by {constraints.viewers_min} viewers or more"
    if constraints.viewers_max is not None:
        phrase += f", rated by {constraints.viewers_max} viewers or fewer"
    if constraints.tags:
        phrase += f", tagged {listed([f'“{tag}”' for tag in constraints.tags])}"
    if constraints.without_tags:
        phrase += f", not tagged {listed([f'“{tag}”' for tag in sorted(constraints.without_tags)], 'or')}"
    return phrase


def films_of(genre: str) -> str:
    """``comedies``, ``action films``; of a genre without a noun ``films of the genre Ska``."""
    return GENRE_NOUNS[genre][1] if genre in GENRE_NOUNS else f"films of the genre {genre}"


def a_kind(genre: str) -> str:
    """What an item of the genre is, as a noun phrase that stands alone: ``a comedy``, ``a film of the genre Ska``."""
    return a_film_of(genre) if genre in GENRE_NOUNS else f"a film {a_film_of(genre)}"


def ordinal(place: int) -> str:
    """Which place, counted from 0: ``first``, ``second``; from the eleventh on in digits."""
    if place < len(ORDINALS):
        return ORDINALS[place]
    count = place + 1
    suffix = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{suffix}"


def percent(probability: float) -> str:
    """A probability in [0, 1] as a percentage that never claims 0 or 100."""
    if probability < 0.01:
        return "under 1%"
    if probability > 0.99:
        return "over 99%"
    return f"{probability:.0%}"
