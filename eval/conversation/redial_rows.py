"""Dialogue rows: who said what, and which films were recommended next, one JSON object a line.

A row is ``{"dialog_id", "turn_id", "context", "entity", "rec"}``: ``context`` holds the messages so far, the seeker's
first ("" where the recommender opened), in turns; ``entity`` names what was mentioned in them; ``rec`` the films that
the recommender names next. Films are written as in ReDial (Li et al., 2018, arXiv:1812.07617): "The Shining (1980)".
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from agent.catalogue.catalogue import Catalogue
from agent.data.rows import RowError, checked, read_rows

Half = Literal["train", "test"]
HALVES: tuple[Half, ...] = ("train", "test")
_NAME = re.compile(r"(?P<title>.*?)\s*\((?P<year>\d{4})\)\s*")
_WHOLE = re.compile(r"(?:.*(?::|\s[-–—])\s)?")
"""What may stand before a title that stands for the whole name: nothing, or the name of its series."""
_WORD = re.compile(r"[^\W_]+")
_ARTICLES = ("the ", "a ", "an ")


@dataclass(frozen=True, slots=True, config=ConfigDict(coerce_numbers_to_str=True))
class DialogueRow:
    """One turn of a dialogue; ``targets`` are the films of ``rec`` that are not in ``entity``, as written."""

    dialog_id: str
    turn_id: int
    context: tuple[str, ...]
    entity: tuple[str, ...]
    rec: tuple[str, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """What is to be recommended: named by ``rec`` and not mentioned before, each once."""
        return tuple(film for film in dict.fromkeys(self.rec) if film not in self.entity)

    @property
    def half(self) -> Half:
        """``train`` or ``test``, by a hash of the dialogue's id: all turns of a dialogue are in one half."""
        return HALVES[hashlib.sha256(f"dialogue:{self.dialog_id}".encode()).digest()[0] % 2]

    @property
    def messages(self) -> list[dict[str, str]]:
        """The context as messages of a user and an assistant who take turns, the user first; empty ones left out."""
        roles = ("user", "assistant")
        return [{"role": roles[k % 2], "content": text} for k, text in enumerate(self.context) if text.strip()]


def dialogue_rows(path: str | Path) -> list[DialogueRow]:
    """Read a file of rows, one JSON object a line; blank lines are skipped, further fields are not read.

    Raises:
        RowError: the file cannot be read, holds no rows, or a row is malformed (names line and field).
    """
    path = Path(path)
    rows = [checked(DialogueRow, row, where) for where, row in read_rows(path)]
    if not rows:
        raise RowError(f"{path} holds no rows: give one JSON object a line")
    return rows


class Titles:
    """Finds films by title and year, however articles, accents, case and punctuation are written."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._items: dict[str, dict[int | None, int]] = {}
        for item in catalogue.items:
            for title in (item.title, *item.aliases):
                own = self._items.setdefault(plain_title(title), {})
                held = own.get(item.year)
                if held is None or catalogue.rating_count[held] < catalogue.rating_count[item.index]:
                    own[item.year] = item.index

    def find(self, name: str) -> int | None:
        """The catalogue index of "The Shining (1980)" or "Shining, The (1980)"; None where there is no such film.

        Of two films with the same title and year it is the more rated one. A name that is not found so, or has no year,
        is the film that the chat would take the whole name for, if there is one, and it is from that year or the one
        beside it (release dates differ by country): "Black Panther (2018)" is "Black Panther (2017)", "Jumanji (2017)"
        is "Jumanji: Welcome to the Jungle (2017)".
        """
        match = _NAME.fullmatch(name)
        if match is None:
            return self._linked(name, None)
        year = int(match["year"])
        found = self._items.get(plain_title(match["title"]), {}).get(year)
        return self._linked(name, year) if found is None else found

    def _linked(self, name: str, year: int | None) -> int | None:
        links = self._catalogue.link(name)
        if len(links) != 1 or links[0].item is None or links[0].edits or links[0].end != len(name.rstrip()):
            return None
        if not _WHOLE.fullmatch(name[: links[0].start]):
            return None
        own = self._catalogue[links[0].item].year
        return links[0].item if year is None or (own is not None and abs(own - year) <= 1) else None


def plain_title(title: str) -> str:
    """A title for comparison: no case, accents, punctuation or article before or behind ("Shining, The")."""
    folded = unicodedata.normalize("NFKD", title.casefold()).replace("&", " and ")
    folded = "".join(sign for sign in folded if not unicodedata.combining(sign) and sign not in "'’")
    head, comma, tail = folded.rpartition(", ")
    if comma and f"{tail.strip()} " in _ARTICLES:
        folded = head
    words = " ".join(_WORD.findall(folded))
    return next((words.removeprefix(own) for own in _ARTICLES if words.startswith(own) and words != own), words)


def targets_of(rows: Sequence[DialogueRow], titles: Titles) -> list[list[int | None]]:
    """The catalogue indices of every row's targets; None for a film that the catalogue does not have."""
    return [[titles.find(name) for name in row.targets] for row in rows]
