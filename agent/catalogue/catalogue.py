"""Catalogue: the items that can be recommended, their facets, and which of them a wish allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from agent.catalogue.columns import Column, NamesColumn, NumberColumn
from agent.catalogue.title_index import Link, TitleIndex
from agent.catalogue.word_index import word_index
from agent.domains.domain import POPULARITY, RATING, Facet
from agent.domains.nations import places
from agent.records.conditions import Condition, bounds
from agent.records.state import POSITIVE
from agent.text import flat, words

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

NO_YEAR = 0
"""Stands for an unknown year in :attr:`Catalogue.years`."""

MOST_CATEGORIES = 64
"""So many of the primary facet's values, the most frequent ones, are features; conditions know them all."""

Attribute = str | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    ``index`` is its row in the catalogue, ``item_id`` its id in the data; ``title`` is as displayed, without the year;
    ``aliases`` are other titles that it is known by. ``attributes`` are what is known of it, by facet: names as a
    tuple, numbers as they are; a facet of which nothing is known is missing.
    """

    index: int
    item_id: str
    title: str
    year: int | None = None
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        """Title and year: ``Alien (1979)``."""
        return self.title if self.year is None else f"{self.title} ({self.year})"


class Catalogue:
    """All items of a data set, in its order, with their facets and what people think of them.

    Attributes:
        domain: what the items are called and how people speak of them.
        items: the items; position = catalogue index.
        facets: the facets that some item has, by name; ``popularity`` and ``rating`` are always there.
        category_names: the values of the primary facet (at most :data:`MOST_CATEGORIES`), sorted; empty without one.
        category_matrix: bool (n_items, len(category_names)).
        years: int64 (n_items,), of the facet of kind year; ``NO_YEAR`` where unknown.
        rating_count: int64 (n_items,), how many people had an item.
        mean_rating: float64 (n_items,), mean of its grades; NaN for an item without any.
        rated: whether people gave those grades; False where they are made from counts or from kinds of events.
        like_count: int64 (n_items,), how many of its grades are positive.
        withdrawn: catalogue indices that no wish is given any more (:meth:`withdraw`).
    """

    def __init__(self, dataset: Dataset) -> None:
        """Read the items and aggregate the events of ``dataset`` (not kept)."""
        frame = dataset.items
        self.name = dataset.name
        self.domain = dataset.domain
        self.withdrawn: frozenset[int] = frozenset()
        ids = [str(item) for item in frame["item"]]
        self._index = {item_id: row for row, item_id in enumerate(ids)}
        self._count_feedback(dataset)
        self.identifiers: Mapping[str, Sequence[str]] = {name: list(frame[name]) for name in dataset.card.identifiers}
        """What the items are called elsewhere (imdb_id, isbn), (n_items,) each; "" where that is not known."""
        self._columns: dict[str, Column] = {}
        self.texts: dict[str, Sequence[str]] = {}
        """The values of facets of kind text, (n_items,) each; "" where there is none."""
        for name, facet in dataset.facets.items():
            if facet.kind == "text":
                self.texts[name] = dataset.texts(name)
            elif facet.numeric:
                self._columns[name] = NumberColumn(facet, dataset.numbers(name))
            else:
                self._columns[name] = NamesColumn.of(facet, dataset.names(name))
        people = Facet(name=POPULARITY, kind="number", label=f"number of {self.domain.people.many}")
        self._columns[POPULARITY] = NumberColumn(people, self.rating_count.astype(np.float64))
        self._columns[RATING] = NumberColumn(Facet(name=RATING, kind="number", label="rating"), self.mean_rating)
        self.facets: Mapping[str, Facet] = {name: column.facet for name, column in self._columns.items()}

        year = next((name for name, facet in self.facets.items() if facet.kind == "year"), None)
        numbers = self.number_column(year).numbers if year is not None else np.full(len(ids), np.nan)
        self.year_facet = year
        """The facet of kind year, if there is one."""
        self.years: npt.NDArray[np.int64] = np.nan_to_num(numbers, nan=NO_YEAR).astype(np.int64)
        primary = self.primary
        self.category_names: tuple[str, ...] = () if primary is None else _most_frequent(primary)
        self.category_matrix: npt.NDArray[np.bool_] = np.zeros((len(ids), len(self.category_names)), dtype=np.bool_)
        if primary is not None:
            for column, value in enumerate(self.category_names):
                self.category_matrix[:, column] = primary.having([value])
        aliases = frame["aliases"] if "aliases" in frame.columns else [()] * len(frame)
        attributes = self._attributes(dataset)
        kinds = primary.facet.name if primary is not None else ""
        self.items: tuple[Item, ...] = tuple(
            Item(
                row,
                item_id,
                str(title),
                int(self.years[row]) or None,
                cast("tuple[str, ...]", own.get(kinds, ())),
                tuple(other),
                MappingProxyType(own),
            )
            for row, (item_id, title, other, own) in enumerate(
                zip(ids, frame["title"], aliases, attributes, strict=True)
            )
        )

    def _count_feedback(self, dataset: Dataset) -> None:
        n_items = len(self._index)
        rows = dataset.ratings["item"].map(self._index)
        known = rows.notna().to_numpy()
        positions = rows[known].astype(np.int64).to_numpy()
        grades = dataset.ratings["rating"].to_numpy(dtype=np.float64)[known]
        graded = np.isfinite(grades)
        self.rating_count: npt.NDArray[np.int64] = np.bincount(positions, minlength=n_items).astype(np.int64)
        sums = np.bincount(positions[graded], weights=grades[graded], minlength=n_items)
        numbers = np.bincount(positions[graded], minlength=n_items)
        self.like_count: npt.NDArray[np.int64] = np.bincount(
            positions[graded & (np.nan_to_num(grades) >= POSITIVE)], minlength=n_items
        ).astype(np.int64)
        self.rated: bool = dataset.card.feedback.kind == "explicit"
        if dataset.card.feedback.kind == "any":
            numbers = np.zeros_like(numbers)  # that somebody bought an item is no opinion of it
        self.mean_rating: npt.NDArray[np.float64] = np.divide(
            sums, numbers, out=np.full(n_items, np.nan), where=numbers > 0
        )

    def _attributes(self, dataset: Dataset) -> list[dict[str, Attribute]]:
        found: list[dict[str, Attribute]] = [{} for _ in self._index]
        for name, facet in dataset.facets.items():
            if facet.kind == "text":
                for row, text in enumerate(self.texts[name]):
                    if text:
                        found[row][name] = text
            elif facet.numeric:
                for row, number in enumerate(self.number_column(name).numbers.tolist()):
                    if number == number:
                        found[row][name] = int(number) if float(number).is_integer() else number
            else:
                for row, names in enumerate(dataset.names(name)):
                    if names:
                        found[row][name] = tuple(names)
        return found

    @property
    def primary(self) -> NamesColumn | None:
        """The category that says what sort of thing an item is; None where the data have none."""
        for column in self._columns.values():
            if isinstance(column, NamesColumn) and column.facet.primary:
                return column
        return None

    def column(self, facet: str) -> Column:
        """What is known of the items on a facet.

        Raises:
            KeyError: the catalogue has no such facet (the message lists those that it has).
        """
        try:
            return self._columns[facet]
        except KeyError:
            raise KeyError(f"no facet {facet!r} in {self.name!r}: it has {', '.join(self._columns)}") from None

    def items_by(self, facet: str) -> Mapping[str, frozenset[int]]:
        """Name -> the items that have it, of a facet that holds names; empty where the catalogue lacks it."""
        column = self._columns.get(facet)
        return column.items if isinstance(column, NamesColumn) else {}

    def names_column(self, facet: str) -> NamesColumn:
        """The column of a facet that holds names.

        Raises:
            KeyError: there is no such facet.
            TypeError: it holds numbers.
        """
        column = self.column(facet)
        if not isinstance(column, NamesColumn):
            raise TypeError(f"facet {facet!r} holds numbers, not names")
        return column

    def number_column(self, facet: str) -> NumberColumn:
        """The column of a facet that holds numbers.

        Raises:
            KeyError: there is no such facet.
            TypeError: it holds names.
        """
        column = self.column(facet)
        if not isinstance(column, NumberColumn):
            raise TypeError(f"facet {facet!r} holds names, not numbers")
        return column

    def __len__(self) -> int:
        """The number of items."""
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        """The item at a catalogue index."""
        return self.items[index]

    def index(self, item_id: str) -> int:
        """The catalogue index of an item id.

        Raises:
            KeyError: no such item (the message names the id and shows how ids look).
        """
        try:
            return self._index[item_id]
        except KeyError:
            sample = ", ".join(repr(item.item_id) for item in self.items[:3])
            raise KeyError(f"no item {item_id!r} in {self.name!r}: ids look like {sample}") from None

    def __contains__(self, item_id: object) -> bool:
        """Whether there is an item with this id."""
        return item_id in self._index

    @property
    def newest_year(self) -> int | None:
        """The year of the newest item; None where no year is known."""
        return int(self.years.max(initial=NO_YEAR)) or None

    @property
    def oldest_year(self) -> int | None:
        """The year of the oldest item; None where no year is known."""
        known = self.years[self.years != NO_YEAR]
        return int(known.min()) if known.size else None

    def meets(self, condition: Condition) -> npt.NDArray[np.bool_]:
        """Which items meet one condition, (n_items,); all or none where the catalogue lacks its facet."""
        column = self._columns.get(condition.facet)
        if column is None or bool(condition.names) != isinstance(column, NamesColumn):
            return np.full(len(self.items), condition.negative)
        return column.meets(condition)

    def mask(self, conditions: Iterable[Condition] = (), left_out: Iterable[int] = ()) -> npt.NDArray[np.bool_]:
        """Which items meet all ``conditions`` and are not in ``left_out``.

        An item whose number is unknown meets no bound on it; values that no item has match nothing.

        Args:
            conditions: the conditions, preferences included.
            left_out: catalogue indices that are left out as well, beside those that were withdrawn.

        Returns:
            bool (n_items,), True = allowed.

        Raises:
            IndexError: an index is not in the catalogue.
        """
        allowed = np.ones(len(self.items), dtype=np.bool_)
        for condition in conditions:
            allowed &= self.meets(condition)
        allowed[[*left_out, *self.withdrawn]] = False
        return allowed

    def withdraw(self, items: Iterable[int]) -> None:
        """From now on these items, and no others, are in no mask; people may still speak of them.

        Raises:
            IndexError: an index is not in the catalogue.
        """
        withdrawn = frozenset(items)
        outside = [index for index in withdrawn if not 0 <= index < len(self.items)]
        if outside:
            raise IndexError(f"item index {outside[0]} is outside the catalogue of {len(self.items)}")
        self.withdrawn = withdrawn

    def amend(self, changes: Mapping[int, tuple[str, Mapping[str, Attribute]]]) -> None:
        """Give items another title and other attributes; what was learned of them stays.

        Conditions, cards and answers use the new values at once; ``category_matrix`` and ``years``, which models were
        fitted on, stay. Turns that run meanwhile see the old or the new values of a facet, never a mixture.

        Args:
            changes: catalogue index -> title, and attributes by facet (names as a tuple); facets that are left out are
                then unknown.
        """
        items = list(self.items)
        for index, (title, attributes) in changes.items():
            primary = self.primary
            kinds = attributes.get(primary.facet.name, ()) if primary is not None else ()
            year = attributes.get(self.year_facet) if self.year_facet is not None else None
            items[index] = replace(
                items[index],
                title=title,
                year=int(year) if isinstance(year, int | float) else None,
                categories=kinds if isinstance(kinds, tuple) else (),
                attributes=MappingProxyType(dict(attributes)),
            )
        columns = dict(self._columns)
        for name, column in columns.items():
            if name not in (POPULARITY, RATING):
                known = [item.attributes.get(name) for item in items]
                columns[name] = _column(column.facet, known)
        texts: dict[str, Sequence[str]] = {
            name: [str(item.attributes.get(name, "")) for item in items] for name in self.texts
        }
        renamed = any(self.items[index].title != items[index].title for index in changes)
        self.items, self._columns, self.texts = tuple(items), columns, texts
        if renamed:
            for cached in ("titles", "works"):
                self.__dict__.pop(cached, None)
        self.__dict__.pop("word_index", None)

    def with_twins(self, items: Iterable[int]) -> frozenset[int]:
        """The items and all others of the same work: some data sets list an item twice, or each of its editions."""
        works = {int(self.works[item]) for item in items}
        return frozenset(np.flatnonzero(np.isin(self.works, list(works))).tolist()) if works else frozenset()

    @cached_property
    def works(self) -> npt.NDArray[np.int64]:
        """Which work each item is an edition of, (n_items,): items of one number have the same title and year.

        Words that only tell editions apart (``editions`` of the domain) do not count.
        """
        places: dict[tuple[str, int | None], int] = {}
        names = self.domain.work_names([item.title for item in self.items])
        return np.array(
            [places.setdefault((name, item.year), len(places)) for item, name in zip(self.items, names, strict=True)],
            dtype=np.int64,
        )

    @cached_property
    def flat_titles(self) -> tuple[str, ...]:
        """The titles as messages are compared with them (:func:`agent.text.flat`), in the order of the items."""
        return tuple(flat(item.title) for item in self.items)

    @cached_property
    def word_index(self) -> tuple[Mapping[str, frozenset[int]], Mapping[str, frozenset[int]]]:
        """Word -> the items that name it, by texts and categories, and by titles."""
        return word_index(self, titles=False), word_index(self, titles=True)

    @property
    def _people(self) -> Iterator[str]:
        for name, facet in self.facets.items():
            if facet.kind == "person":
                yield from self.names_column(name).values

    @cached_property
    def titles(self) -> TitleIndex:
        """The index that finds titles in text; built when first used."""
        return TitleIndex(
            [item.title for item in self.items],
            [item.year for item in self.items],
            self.rating_count.tolist(),
            [item.aliases for item in self.items],
            self.domain.ordinary_words,
            places().union(word.key for name in self._people for word in words(name)),
        )

    def link(self, text: str, context: Iterable[Condition] = ()) -> tuple[Link, ...]:
        """The titles that a free text mentions, in order; spans do not overlap.

        Args:
            text: the message; only its first ``agent.text.MESSAGE_LIMIT`` characters are read.
            context: the conditions that hold; their years decide between items of one name where the text does not.
        """
        low, high = bounds(context, self.year_facet) if self.year_facet is not None else (None, None)
        return self.titles.link(text, (None if low is None else int(low), None if high is None else int(high)))


def _column(facet: Facet, known: Sequence[Attribute | None]) -> Column:
    if facet.numeric:
        numbers = [float(own) if isinstance(own, int | float) else np.nan for own in known]
        return NumberColumn(facet, np.array(numbers, dtype=np.float64))
    return NamesColumn.of(facet, [own if isinstance(own, tuple) else () for own in known])


def _most_frequent(column: NamesColumn) -> tuple[str, ...]:
    order = np.argsort(-column.counts, kind="stable")[:MOST_CATEGORIES]
    return tuple(sorted(column.values[place] for place in order))
