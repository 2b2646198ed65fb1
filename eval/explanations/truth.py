"""Truth: what a data set's tables say, looked up without the code that words and checks the answers.

Only pandas is used here: the catalogue, the explanations and their checker are what is being judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from agent.records.state import POSITIVE

KINDS = {
    "action film": "Action", "adventure film": "Adventure", "animated film": "Animation",
    "children's film": "Children", "comedy": "Comedy", "comedies": "Comedy", "crime film": "Crime",
    "documentary": "Documentary", "documentaries": "Documentary", "drama": "Drama", "fantasy film": "Fantasy",
    "film noir": "Film-Noir", "films noir": "Film-Noir", "horror film": "Horror", "musical": "Musical",
    "mystery": "Mystery", "mysteries": "Mystery", "romance": "Romance", "science fiction film": "Sci-Fi",
    "thriller": "Thriller", "war film": "War", "western": "Western", "science fiction": "Sci-Fi",
}  # fmt: skip
"""What sentences call a genre; a plural has an "s" more."""


@dataclass(frozen=True)
class Truth:
    """The tables: ``items`` (item, title, year, genres) and ``ratings`` (user, item, rating), ids as text."""

    items: pd.DataFrame
    ratings: pd.DataFrame

    @cached_property
    def by_id(self) -> dict[str, dict[Any, Any]]:
        """Item id -> its row."""
        return {str(row["item"]): row for row in self.items.to_dict("records")}

    @cached_property
    def by_title(self) -> dict[str, list[str]]:
        """Title -> the ids of the items that bear it."""
        found: dict[str, list[str]] = {}
        for item, title in zip(self.items["item"], self.items["title"], strict=True):
            found.setdefault(str(title), []).append(str(item))
        return found

    @cached_property
    def stars(self) -> dict[str, tuple[float, int]]:
        """Item id -> mean stars and number of raters."""
        table = self.ratings.groupby("item")["rating"].agg(["mean", "size"])
        return {str(item): (float(mean), int(size)) for item, mean, size in table.itertuples()}

    @cached_property
    def likes(self) -> pd.Series:
        """Number of likes by item id."""
        return self.ratings[self.ratings["rating"] >= POSITIVE].groupby("item").size()

    def past(self, user: str | None) -> dict[str, float]:
        """Item id -> the user's stars."""
        own = self.ratings[self.ratings["user"] == user]
        return {str(item): float(stars) for item, stars in zip(own["item"], own["rating"], strict=True)}

    def genres(self, item: str) -> frozenset[str]:
        """An item's genres."""
        return frozenset(str(genre) for genre in self.by_id[item]["genres"])

    def year(self, item: str) -> int | None:
        """An item's year."""
        year = self.by_id[item]["year"]
        return None if pd.isna(year) else int(year)

    def meets(self, item: str, wish: str) -> bool | None:
        """Whether an item meets a wish in words ("comedies from 1990 to 1999, without action"); None: not readable."""
        rest = wish.strip()
        genres, year = self.genres(item), self.year(item)
        good = True
        head = re.match(r"(?:films? of ([^,]+?)|no (.+)|(.+?))(?= that (?:are|is) also | from |, |$)", rest)
        if head is None:
            return None
        either, none_of, kind = head.groups()
        if either:
            wanted = [_genre(word) for word in re.split(r",? (?:and|or) |, ", either)]
            good &= _groups(either, genres)
            if None in wanted:
                return None
        elif none_of:
            unwanted = _genre(none_of)
            if unwanted is None:
                return None
            good &= unwanted not in genres
        elif kind not in ("film", "films"):
            genre = _genre(kind)
            if genre is None:
                return None
            good &= genre in genres
        rest = rest[head.end() :]
        also = re.match(r" that (?:are|is) also (.+?)(?= from |, rated|, without|, not|$)", rest)
        if also:
            good &= _groups(also[1], genres)
            rest = rest[also.end() :]
        while rest:
            part = re.match(
                r" from (?P<low>\d{4}) to (?P<high>\d{4})| from (?P<least>\d{4}) or later|"
                r" from (?P<most>\d{4}) or earlier| from (?P<exact>\d{4})|"
                r", rated (?P<stars>[\d.]+) stars or higher|, without (?P<without>[^,]+(?:, [^,]+)* or [^,]+|[^,]+)|"
                r", not from (?P<a>\d{4})(?: to (?P<b>\d{4}))?|"
                r", rated by (?P<viewers>\d+) viewers or (?P<way>more|fewer)",
                rest,
            )
            if part is None:
                return None
            own = part.groupdict()
            if own["low"]:
                good &= year is not None and int(own["low"]) <= year <= int(own["high"])
            elif own["least"]:
                good &= year is not None and year >= int(own["least"])
            elif own["most"]:
                good &= year is not None and year <= int(own["most"])
            elif own["exact"]:
                good &= year == int(own["exact"])
            elif own["stars"]:
                good &= self.stars.get(item, (0.0, 0))[0] >= float(own["stars"])
            elif own["without"]:
                good &= not {_genre(word) for word in re.split(r" or |, ", own["without"])} & genres
            elif own["a"]:
                good &= year is None or not int(own["a"]) <= year <= int(own["b"] or own["a"])
            else:
                count, bound = self.stars.get(item, (0.0, 0))[1], int(own["viewers"])
                good &= count >= bound if own["way"] == "more" else count <= bound
            rest = rest[part.end() :]
        return good

    def kinds(self, item: str, words: Iterable[str]) -> bool:
        """Whether an item is everything that is said of it: ``a comedy``, ``an action film``."""
        return {_genre(word) for word in words} <= self.genres(item)


def listed(text: str) -> list[str]:
    """``a, b and c`` -> its parts."""
    return re.split(r", | and | or ", text)


def quoted(text: str) -> list[str]:
    """The parts of a text in quotation marks."""
    return re.findall(r"“([^”]*)”", text)


def percent(share: float) -> str:
    """A share as the sentences write it."""
    return "under 1%" if share < 0.01 else "over 99%" if share > 0.99 else f"{share:.0%}"


def _genre(word: str) -> str | None:
    plain = re.sub(r"^(?:an?|no) ", "", word.strip().lower())
    direct = {genre.lower(): genre for genre in KINDS.values()}
    for form in (plain, plain.removesuffix("s")):
        if form in KINDS:
            return KINDS[form]
        if form in direct:
            return direct[form]
    return {"films noirs": "Film-Noir"}.get(plain)


def _groups(text: str, genres: frozenset[str]) -> bool:
    """Groups joined by "and", alternatives by "or"; a list with one "or" at its end is one group."""
    return all(
        any(_genre(word) in genres for word in re.split(r" or |, ", group)) for group in re.split(r" and ", text)
    )
