"""Catalogue: the items that can be recommended, and which of them a wish allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent.catalogue.title_index import Link, TitleIndex

if TYPE_CHECKING:
    from agent.data.dataset import Dataset
    from agent.records.constraints import Constraints

NO_YEAR = 0
"""Stands for an unknown year in :attr:`Catalogue.years`."""

LIKED = 4.0
"""Stars from which a rating counts as a like."""

NOT_GENRES = frozenset({"unknown", "(no genres listed)"})
"""Markers in the data that say that an item has no genre; they are not genres."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    ``index`` is its row in the catalogue, ``item_id`` its id in the data; ``title`` is as displayed, without the year;
    ``aliases`` are other titles that it is known by.
    """

    index: int
    item_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Title and year: ``Alien (1979)``."""
        return self.title if self.year is None else f"{self.title} ({self.year})"


class Catalogue:
    """All items of a data set, in its order, with what their raters say about them.

    Attributes:
        items: the items; position = catalogue index.
        genre_names: the genres that occur, sorted.
        genre_matrix: bool (n_items, n_genres), columns as ``genre_names``.
        years: int64 (n_items,); ``NO_YEAR`` where unknown.
        rating_count: int64 (n_items,), how many ratings an item has.
        mean_rating: float64 (n_items,), mean of its ratings in stars; NaN for an item without ratings.
        like_count: int64 (n_items,), how many ratings of it are ``LIKED`` stars or more.
        tag_items: tag, in lower case -> the items that users gave it; empty where the data has no tags.
    """

    def __init__(self, dataset: Dataset) -> None:
        """Read the items and aggregate the ratings of ``dataset`` (not kept)."""
        frame = dataset.items
        aliases = frame["aliases"] if "aliases" in frame.columns else [()] * len(frame)
        self.name = dataset.name
        self.items: tuple[Item, ...] = tuple(
            Item(row, str(item), str(title), None if pd.isna(year) else int(year), _genres(genres), tuple(other))
            for row, (item, title, year, genres, other) in enumerate(
                zip(frame["item"], frame["title"], frame["year"], frame["genres"], aliases, strict=True)
            )
        )
        self._index = {item.item_id: item.index for item in self.items}
        self.genre_names: tuple[str, ...] = tuple(sorted({genre for item in self.items for genre in item.genres}))
        column = {genre: position for position, genre in enumerate(self.genre_names)}
        self.genre_matrix: npt.NDArray[np.bool_] = np.zeros((len(self.items), len(column)), dtype=np.bool_)
        for item in self.items:
            self.genre_matrix[item.index, [column[genre] for genre in item.genres]] = True
        self._column = column
        self.years: npt.NDArray[np.int64] = np.array([item.year or NO_YEAR for item in self.items], dtype=np.int64)

        rows = dataset.ratings["item"].map(self._index)
        known = rows.notna().to_numpy()
        positions = rows[known].astype(np.int64).to_numpy()
        stars = dataset.ratings["rating"].to_numpy(dtype=np.float64)[known]
        self.rating_count: npt.NDArray[np.int64] = np.bincount(positions, minlength=len(self.items)).astype(np.int64)
        sums = np.bincount(positions, weights=stars, minlength=len(self.items))
        self.like_count: npt.NDArray[np.int64] = np.bincount(
            positions[stars >= LIKED], minlength=len(self.items)
        ).astype(np.int64)
        self.mean_rating: npt.NDArray[np.float64] = np.divide(
            sums, self.rating_count, out=np.full(len(self.items), np.nan), where=self.rating_count > 0
        )
        self.tag_items: Mapping[str, frozenset[int]] = _tag_items(dataset, self._index)

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

    def mask(self, constraints: Constraints, seen: Iterable[int] = ()) -> npt.NDArray[np.bool_]:
        """Which items ``constraints`` allow, and that are not in ``seen``.

        An item whose year is unknown meets no bound on the year; one without ratings meets no floor on the rating.

        Args:
            constraints: the conditions; genres that no item has simply match nothing.
            seen: catalogue indices that are left out as well.

        Returns:
            bool (n_items,), True = allowed.

        Raises:
            IndexError: an excluded or seen index is not in the catalogue.
        """
        allowed = np.ones(len(self.items), dtype=np.bool_)
        for group in constraints.genres:
            allowed &= self._with_genre(group)
        if constraints.without_genres:
            allowed &= ~self._with_genre(constraints.without_genres)
        if constraints.year_min is not None:
            allowed &= (self.years != NO_YEAR) & (self.years >= constraints.year_min)
        if constraints.year_max is not None:
            allowed &= (self.years != NO_YEAR) & (self.years <= constraints.year_max)
        if constraints.rating_min is not None:
            allowed &= self.mean_rating >= constraints.rating_min  # NaN >= x is False
        for first, last in constraints.without_years:
            allowed &= (self.years < first) | (self.years > last)
        if constraints.viewers_min is not None:
            allowed &= self.rating_count >= constraints.viewers_min
        if constraints.viewers_max is not None:
            allowed &= self.rating_count <= constraints.viewers_max
        for tag in constraints.tags:
            allowed &= self._with_tag(tag)
        for tag in constraints.without_tags:
            allowed &= ~self._with_tag(tag)
        for left_out in (sorted(constraints.excluded), list(seen)):
            allowed[left_out] = False
        return allowed

    def _with_genre(self, genres: Iterable[str]) -> npt.NDArray[np.bool_]:
        columns = [self._column[genre] for genre in genres if genre in self._column]
        return np.asarray(self.genre_matrix[:, columns].any(axis=1), dtype=np.bool_)

    def _with_tag(self, tag: str) -> npt.NDArray[np.bool_]:
        having = np.zeros(len(self.items), dtype=np.bool_)
        having[list(self.tag_items.get(tag, ()))] = True
        return having

    def with_twins(self, items: Iterable[int]) -> frozenset[int]:
        """The items and all others of the same title and year: some data sets list a film twice."""
        return frozenset(twin for item in items for twin in self._twins.get(item, (item,)))

    @cached_property
    def _twins(self) -> dict[int, tuple[int, ...]]:
        groups: dict[tuple[str, int | None], list[int]] = {}
        for item in self.items:
            groups.setdefault((item.title.casefold(), item.year), []).append(item.index)
        return {index: tuple(own) for own in groups.values() if len(own) > 1 for index in own}

    @cached_property
    def titles(self) -> TitleIndex:
        """The index that finds titles in text; built when first used."""
        return TitleIndex(
            [item.title for item in self.items],
            [item.year for item in self.items],
            self.rating_count.tolist(),
            [item.aliases for item in self.items],
        )

    def link(self, text: str, context: Constraints | None = None) -> tuple[Link, ...]:
        """The titles that a free text mentions, in order; spans do not overlap.

        Args:
            text: the message; only its first ``agent.text.MESSAGE_LIMIT`` characters are read.
            context: what stands; its years decide between films of one name where the text itself does not.
        """
        span = (None, None) if context is None else (context.year_min, context.year_max)
        return self.titles.link(text, span)


def _genres(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name not in NOT_GENRES)


def _tag_items(dataset: Dataset, index: Mapping[str, int]) -> dict[str, frozenset[int]]:
    if dataset.tags is None:
        return {}
    found: dict[str, set[int]] = {}
    for item, tag in zip(dataset.tags["item"], dataset.tags["tag"], strict=True):
        if item in index:
            found.setdefault(" ".join(str(tag).casefold().split()), set()).add(index[item])
    return {tag: frozenset(items) for tag, items in found.items()}
