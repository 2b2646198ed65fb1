"""Nations: what countries, languages and their adjectives are called in other languages, by Unicode's CLDR."""

from __future__ import annotations

import re
from collections.abc import Iterator

from babel import Locale

from agent.domains.domain import Domain
from agent.text import flat, words

_ENDING = re.compile(r"(?:ien|[aeiouq]+)$")
_SHORT = 4
"""A stem has so many letters."""


def places() -> frozenset[str]:
    """The words of the English names of countries."""
    return frozenset(word.key for name in Locale.parse("en").territories.values() for word in words(name))


def nation_words(code: str, of: str, domain: Domain) -> Iterator[tuple[str, str]]:
    """What is said in a language, as expressions over text without accents, and the English for it.

    Args:
        code: the language as ISO 639-1.
        of: an expression for its prepositions before a country ("aus", "de la").
        domain: its facets of countries and languages say which adjectives are meant.
    """
    locale, english = Locale.parse(code), Locale.parse("en")
    for territory, name in sorted(english.territories.items()):
        there = locale.territories.get(territory)
        if there and territory.isalpha():
            yield rf"(?:{of})\s*{re.escape(flat(there))}", f"from {name}"
    countries, languages = (domain.facets.get(name) for name in ("country", "language"))
    adjectives = {name: str(words[0]) for name, words in (countries.words if countries else {}).items()}
    spoken = {*(languages.words if languages else {}), *(languages.also.values() if languages else ())}
    codes = {name.casefold(): own for own, name in english.languages.items()}
    places = {name: own for own, name in english.territories.items()}
    found: dict[str, str] = {}
    for adjective in sorted({*adjectives.values(), *(str(name).casefold() for name in spoken)}):
        there = flat(locale.languages.get(codes.get(adjective, ""), ""))
        if there.isalpha():
            found.setdefault(re.sub("[aeio]$", "", there) + r"\w{0,3}", adjective)
    for country, adjective in adjectives.items():
        there = flat(locale.territories.get(places.get(country, ""), ""))
        if there.isalpha() and adjective not in found.values():
            stem = _ENDING.sub("", there)
            found.setdefault((stem if len(stem) >= _SHORT else there[:_SHORT]) + r"\w{1,6}", adjective)
    # The longest stem first: "australisch" is not Austrian.
    yield from sorted(found.items(), key=lambda own: -len(own[0]))
