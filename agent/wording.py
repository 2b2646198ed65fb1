"""Wording: the reply's sentences, from what was understood and what was found. Every fact comes from the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.catalogue import Catalogue
from agent.constraints import Constraints

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

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


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def number(count: int) -> str:
    """Small numbers as words, others as digits."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def a_film_of(genre: str) -> str:
    """``a comedy``, ``an action film``; of a genre without a noun ``a film of the genre Ska``."""
    if genre not in GENRE_NOUNS:
        return f"of the genre {genre}"
    noun = GENRE_NOUNS[genre][0]
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def wish_in_words(constraints: Constraints, count: int, noun: str = "film") -> str:
    """What is asked for, as a noun phrase: "thrillers from 1990 to 1999, without action"."""
    single = [next(iter(group)) for group in constraints.genres if len(group) == 1]
    known = [genre for genre in single if genre in GENRE_NOUNS]
    head = known[0] if known else None
    phrase = GENRE_NOUNS[head][count != 1] if head else noun if count == 1 else f"{noun}s"
    others = [listed(sorted(group), "or").lower() for group in constraints.genres if group != {head}]
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
    return phrase


def found_reply(
    asked: int,
    found: int,
    constraints: Constraints,
    examples: Sequence[str],
    has_words: bool,
    has_taste: bool,
    noun: str = "film",
) -> str:
    """What was found, under which conditions, and which wish could not be checked."""
    wish = wish_in_words(constraints, found if found else 2, noun)
    if not found:
        text = f"I know no {wish} that you have not seen. Take one of your conditions back and I will look again."
    else:
        like = f", close to {listed([f'“{title}”' for title in examples])}" if examples else ""
        if replace(constraints, excluded=frozenset()) or examples:
            taste = ""
        elif has_words:
            taste = " that your words point to"
        else:
            taste = " for your taste" if has_taste else " that many people like"
        start = (
            f"I know only {number(found)}" if found < asked else f"Here {'is' if found == 1 else 'are'} {number(found)}"
        )
        text = f"{start} {wish}{like}{taste}."
    return " ".join(filter(None, (text, unchecked_note(constraints))))


def unchecked_note(constraints: Constraints) -> str:
    """Which wishes the data could not decide ("" when it could decide all)."""
    wishes = [f"“{wish}”" for wish in constraints.unchecked]
    if not wishes:
        return ""
    hint = "it as a hint" if len(wishes) == 1 else "them as hints"
    return f"My data cannot check {listed(wishes)}: I took {hint} only."


def which_question(text: str, options: Sequence[str]) -> str:
    """Asks which of several films of one name is meant."""
    return f"Which “{text}” do you mean: {listed(list(options), 'or')}?"


def taken_note(text: str, name: str) -> str:
    """Says which of several films of one name was taken, where nobody can be asked."""
    return f"I took “{text}” to be {name}."


def greeting_reply(catalogue: Catalogue, noun: str = "film") -> str:
    """An answer to a hello: what can be asked for here."""
    years = ""
    if catalogue.oldest_year and catalogue.newest_year:
        years = f" from {catalogue.oldest_year} to {catalogue.newest_year}"
    wish = "Tell me what you are in the mood for, or name one that you like."
    return f"Hello! I know {len(catalogue):,} {noun}s{years}. {wish}"


THANKS_REPLY = "You are welcome. Rate what you have seen, and the next suggestions will fit better."
RESET_REPLY = "All conditions are gone. What are you in the mood for?"
