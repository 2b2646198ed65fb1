"""Person's history: what somebody had elsewhere, found among the items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.catalogue.catalogue import Catalogue
from agent.data.importers.person import Had, read_person
from agent.data.values import loose_id
from agent.records.state import Event
from agent.text import words

_NEAR = 1
"""Release dates differ by country: so many years apart are one item."""


@dataclass(frozen=True)
class PersonHistory:
    """Events oldest first, each item once; and what was not found, as the person wrote it, in the same order."""

    events: tuple[Event, ...]
    unmatched: tuple[str, ...]

    def entries(self, catalogue: Catalogue) -> list[dict[str, str | float | None]]:
        """The events in the form in which a request gives its history: item id and grade."""
        return [{"item": catalogue[event.item].item_id, "rating": event.rating} for event in self.events]


def read_history(path: Path, catalogue: Catalogue) -> PersonHistory:
    """The history in a file, folder or zip that a person exported elsewhere, or in a list of titles.

    Raises:
        DatasetError: nothing there can be read as a history.
    """
    return matched(read_person(path), catalogue)


def matched(rows: Iterable[Had], catalogue: Catalogue) -> PersonHistory:
    """What a person had, found among the items: by an identifier, by exact name and year, by a name much like it."""
    finder = _Finder(catalogue)
    events: dict[int, Event] = {}
    unmatched: list[str] = []
    for own in rows:
        item = finder.find(own)
        if item is None:
            unmatched.append(own.title if own.year is None else f"{own.title} ({own.year})")
            continue
        known = events.pop(item, None)
        grade = own.grade if own.grade is not None or known is None else known.rating
        events[item] = Event(item, grade, own.timestamp)
    return PersonHistory(tuple(events.values()), tuple(dict.fromkeys(unmatched)))


class _Finder:
    """Finds items by identifier and by exact name, built once for a whole history."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._ids = {
            name: {loose_id(value): row for row, value in enumerate(values) if value}
            for name, values in catalogue.identifiers.items()
        }
        self._names: dict[str, list[int]] = {}
        for item in catalogue.items:
            for title in (item.title, *item.aliases):
                self._names.setdefault(_key(title), []).append(item.index)

    def find(self, own: Had) -> int | None:
        """The catalogue index; None where nothing, or more than one item, fits."""
        for name, value in own.identifiers.items():
            row = self._ids.get(name, {}).get(loose_id(value))
            if row is not None:
                return row
        for title in (own.title, own.also):
            if title and (row := self._best(self._names.get(_key(title), ()), own.year)) is not None:
                return row
        return self._near(own)

    def _best(self, options: Iterable[int], year: int | None) -> int | None:
        """The option of the year, or beside it; without a year the best known."""
        counts = self._catalogue.rating_count
        known = sorted(set(options), key=lambda row: (-int(counts[row]), row))
        if year is not None:
            years = self._catalogue.years
            dated = [row for row in known if not years[row] or abs(int(years[row]) - year) <= _NEAR]
            known = sorted(dated, key=lambda row: abs(int(years[row]) - year))
        return known[0] if known else None

    def _near(self, own: Had) -> int | None:
        """An item whose name has a typing error in it, or which is known by a part of it."""
        text = f"“{own.title}”" + (f" ({own.year})" if own.year is not None else "")
        links = self._catalogue.link(text)
        if len(links) != 1 or len(links[0].text.strip("“”")) < len(own.title):
            return None
        return self._best(links[0].options, own.year)


def _key(title: str) -> str:
    return " ".join(word.key for word in words(title)) or title.casefold()
