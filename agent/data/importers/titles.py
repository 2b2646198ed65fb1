"""Titles: from the catalogue form "Godfather, The (1972)" to what a person would write."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_ARTICLES = (
    "The|An|A|Le|La|Les|L'|Un|Une|Il|Lo|Gli|I|Uno|Una|El|Los|Las|"
    "Der|Die|Das|Ein|Eine|Den|Det|En|Ett|De|Da|Het|O|Os|As|Um|Uma"
)
_TRAILING_ARTICLE = re.compile(rf"^(?P<rest>.+), ?(?P<article>{_ARTICLES})$")
_TRAILING_GROUP = re.compile(r"^(?P<head>.*\S)(?P<space>\s*)\((?P<group>[^()]*(?:\([^()]*\)[^()]*)*)\)$")
_YEAR = re.compile(r"^(?P<year>1[89]\d\d|20\d\d)(?:\s*[-\u2013]\s*(?:\d{4})?)?$")
_ALSO = re.compile(r"^a\.?\s*k\.?\s*a\.?\s+", re.IGNORECASE)
# IMDb's marks for video, television and game releases, which MovieLens 100K carries over.
_MARKS = frozenset({"V", "TV", "VG"})
# A head that ends so is unfinished: "Birdman: Or (The Unexpected Virtue of Ignorance)" has no second title.
_UNFINISHED = re.compile(r"(?:[:&]|\b(?:or|and|of))$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Title:
    """A title as displayed, its year (None: not given) and the other titles that stood in parentheses."""

    title: str
    year: int | None
    aliases: tuple[str, ...]


def parse_year(text: str) -> int | None:
    """The year in ``text`` ("1972", "1972.0"; "2006-2007" gives the first), None if it is not one from 1800 to 2099."""
    match = _YEAR.match(text.strip().removesuffix(".0"))
    return int(match["year"]) if match else None


def article_first(title: str) -> str:
    """``"Postino, Il"`` becomes ``"Il Postino"``; ``"Paris, Texas"`` stays as it is."""
    match = _TRAILING_ARTICLE.match(title)
    if match is None:
        return title
    article = match["article"]
    return article + match["rest"] if article.endswith("'") else f"{article} {match['rest']}"


def parse_title(raw: str, year: int | None = None) -> Title:
    """Split a MovieLens title.

    ``"City of Lost Children, The (Cité des enfants perdus, La) (1995)"`` gives "The City of Lost Children", 1995 and
    the alias "La Cité des enfants perdus". Only groups at the end count, so "(500) Days of Summer" keeps its own;
    a ``year`` that is already known wins over one in the title.
    """
    text = _clean(raw)
    found: int | None = None
    groups: list[str] = []
    while (match := _TRAILING_GROUP.match(text)) is not None:
        group = match["group"].strip()
        group_year = parse_year(group)
        if group_year is not None and found is None and not groups:
            found = group_year
        elif group not in _MARKS:
            # "Frontière(s)" is one word.
            if _UNFINISHED.search(match["head"]) or not (match["space"] or match["head"].endswith(")")):
                break
            groups.append(_ALSO.sub("", group))
        text = match["head"]
    title = article_first(text)
    aliases: list[str] = []
    for group in reversed(groups):
        alias = re.sub(r"^([Ll]') ", r"\1", article_first(group))
        if alias and alias != title and alias not in aliases:
            aliases.append(alias)
    return Title(title, year if year is not None else found, tuple(aliases))


def _clean(raw: str) -> str:
    """One line of NFC text: white space collapsed, control and direction-changing characters dropped."""
    text = " ".join(unicodedata.normalize("NFC", raw).split())
    return " ".join("".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf"}).split())
