"""Wording: the reply's sentences, from what was understood and what was found. Every fact comes from the arguments."""

from __future__ import annotations

from collections.abc import Sequence

from agent.catalogue import Catalogue
from agent.constraints import Constraints

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def count(number: int, noun: str) -> str:
    """``one film``, ``five films``, ``12 films``."""
    word = NUMBERS[number] if number < len(NUMBERS) else str(number)
    return f"{word} {noun}" if number == 1 else f"{word} {noun}s"


def conditions(constraints: Constraints) -> list[str]:
    """Each condition in words: "comedy or romance", "no horror", "from 1990 to 1999", "rated 4 or higher"."""
    parts = [listed(sorted(group), "or") for group in constraints.genres]
    parts += [f"no {listed(sorted(constraints.without_genres), 'or')}"] if constraints.without_genres else []
    low, high = constraints.year_min, constraints.year_max
    if low is not None and high is not None:
        parts.append(f"from {low}" if low == high else f"from {low} to {high}")
    elif low is not None:
        parts.append(f"from {low} or later")
    elif high is not None:
        parts.append(f"from {high} or earlier")
    if constraints.rating_min is not None:
        parts.append(f"rated {constraints.rating_min:g} stars or higher")
    return parts


def found_reply(
    asked: int, found: int, constraints: Constraints, examples: Sequence[str], has_taste: bool, noun: str = "film"
) -> str:
    """What was found, under which conditions, and which wish could not be checked."""
    wishes = conditions(constraints)
    meets = f" that meet{'s' if found == 1 else ''} what you asked for ({'; '.join(wishes)})" if wishes else ""
    if not found:
        text = f"No {noun}{meets or ' is left to recommend'}: take back one of your conditions and I will look again."
        if wishes:
            text = f"I know no {noun} that meets all of this: {'; '.join(wishes)}. Take one of them back and I will look again."
        return " ".join(filter(None, (text, unchecked_note(constraints))))
    like = f" close to {listed([f'“{title}”' for title in examples])}" if examples else ""
    taste = "" if wishes or examples else " for your taste" if has_taste else " that many people like"
    if found < asked:
        text = f"I know only {count(found, noun)}{like}{meets}."
    else:
        text = f"Here {'is' if found == 1 else 'are'} {count(found, noun)}{like}{taste}{meets}."
    return " ".join(filter(None, (text, unchecked_note(constraints))))


def unchecked_note(constraints: Constraints) -> str:
    """Which wishes the data could not decide ("" when it could decide all)."""
    if not constraints.unchecked:
        return ""
    wishes = listed([f"“{wish}”" for wish in constraints.unchecked])
    return f"My data cannot check {wishes}: I took it as a hint only."


def which_question(text: str, options: Sequence[str]) -> str:
    """Asks which of several films of one name is meant."""
    return f"Which “{text}” do you mean: {listed(list(options), 'or')}?"


def greeting_reply(catalogue: Catalogue, noun: str = "film") -> str:
    """An answer to a hello: what can be asked for here."""
    years = ""
    if catalogue.oldest_year and catalogue.newest_year:
        years = f" from {catalogue.oldest_year} to {catalogue.newest_year}"
    return f"Hello! I know {len(catalogue)} {noun}s{years}. Tell me what you are in the mood for, or name one that you like."


THANKS_REPLY = "You are welcome. Rate what you have seen, and the next suggestions will fit better."
RESET_REPLY = "All conditions are gone. What are you in the mood for?"
