"""Joining: what another table knows of the items becomes facets of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agent.data.archive import DatasetError, file_source
from agent.data.card import Card, CardFacet
from agent.data.importers.recognition import (
    IDENTIFIER,
    ITEM,
    Override,
    folded,
    identifier_name,
    recognise_items,
    says_kind,
    title_like,
)
from agent.data.importers.tables import facet_values
from agent.data.tables import Problems, Table, read_table
from agent.data.values import loose_id
from agent.domains.domain import NAMED, Domain

_MOST_NAMES = 12
"""So many names an item keeps of a table with a row a name, the most frequent ones."""
_LEAST_SAID = 2
"""So often a name must be said of an item, where rows come from many people."""


def joined_items(
    items: pd.DataFrame,
    card: Card,
    domain: Domain,
    path: Path,
    on: str,
    only: tuple[str, ...] = (),
    names_from: Path | None = None,
) -> tuple[pd.DataFrame, Card, str]:
    """The items and the card with the facets of the table at ``path``, and a sentence on what it gave.

    A value that the items have already stays; several rows of one item give all their names.

    Raises:
        DatasetError: the table or the column is not there, or nothing fits.
    """
    table = read_table(file_source(path), Problems())
    if names_from is not None:
        table = _named(table, read_table(file_source(names_from), Problems()))
    column = next((own for own in table.frame.columns if own == on or folded(own) == folded(on)), None)
    if column is None:
        raise DatasetError(f"{table.name} has no column {on!r}: it has {', '.join(map(str, table.frame.columns))}")
    rows = _places(items, column, table.frame[column])
    hit = rows >= 0
    if not hit.any():
        raise DatasetError(
            f"no value of {column!r} in {table.name} (such as {table.frame[column].iloc[0]!r}) is one of the items'"
            f" {_key_name(items, column)} (such as {items[_key_name(items, column)].iloc[0]!r}): join on another column"
        )
    known = Table(table.name, table.frame[hit].reset_index(drop=True), table.first_line, types=table.types)
    places = rows[hit]
    wanted = {own: Override("ignore") for own in _left_alone(known, items, column)}
    repeated = len(np.unique(places)) < 0.7 * len(places)
    recognised = recognise_items(
        Table(
            known.name, known.frame.assign(**{_ROW: [str(row) for row in range(len(known.frame))]}), types=known.types
        ),
        domain,
        {**wanted, _ROW: Override(ITEM), column: Override("ignore")},
        titled=False,
    )
    facets = {name: own for name, own in recognised.facets.items() if not only or name in only}
    if only and (missing := [name for name in only if name not in facets]):
        raise DatasetError(f"{table.name} has no facet {missing[0]!r}: it has {', '.join(recognised.facets) or 'none'}")
    changed = items.copy()
    filled: list[str] = []
    columns: dict[str, CardFacet] = dict(card.facets)
    for name, own in facets.items():
        values = facet_values(known.frame[own.column], own, domain.facets.get(name))
        before = card.facets.get(name)
        # Where many rows speak of one item, their numbers and texts are about the rows.
        if (repeated and own.kind not in NAMED) or (
            before is not None and (before.kind in NAMED) != (own.kind in NAMED)
        ):
            continue
        changed[name], count = _put(changed.get(name), values, places, own, len(items), repeated)
        if before is None and own.primary and says_kind(name):
            columns = {other: facet.model_copy(update={"primary": says_kind(other) and facet.primary})
                       for other, facet in columns.items()}  # fmt: skip
        primary = own.primary and not any(facet.primary for facet in columns.values())
        columns[name] = before or own.model_copy(update={"primary": primary})
        if count:
            filled.append(f"{name} ({count:,})")
    identifiers = list(card.identifiers)
    for own_column in recognised.all(IDENTIFIER):
        name = identifier_name(own_column)
        if name not in changed and not only:
            texts = np.full(len(items), "", dtype=object)
            texts[places] = known.frame[own_column].to_numpy(dtype=object)
            changed[name] = pd.Series(texts, dtype=object)
            identifiers.append(name)
    if not filled:
        raise DatasetError(f"{table.name} has nothing to add: no column of it is a facet that the items lack")
    told = f"joined {table.name} on {column}: {len(np.unique(places)):,} of {len(items):,} items; {', '.join(filled)}"
    return changed, card.model_copy(update={"facets": columns, "identifiers": tuple(identifiers)}), told


_ROW = "row of the table"


def _left_alone(table: Table, items: pd.DataFrame, column: str) -> list[str]:
    """Columns of titles: a table that is joined brings none."""
    titles = frozenset(items["title"].str.casefold())
    found = [own for own in title_like(list(table.frame.columns)) if own != column]
    for own in table.frame.columns:
        if own != column:
            values = table.frame[own].head(500)
            if values.str.casefold().isin(titles).mean() > 0.5:
                found.append(str(own))
    return found


def _key_name(items: pd.DataFrame, column: str) -> str:
    name = identifier_name(column)
    return name if name in items else "title" if folded(column) in ("title", "name") else "item"


def _places(items: pd.DataFrame, column: str, values: pd.Series) -> np.ndarray:
    """The row of the items that each value names, (rows,); -1 where there is none."""
    key = _key_name(items, column)
    if key == "title":
        loose = {str(own).casefold(): row for row, own in reversed(list(enumerate(items["title"])))}
        return values.str.casefold().map(loose).fillna(-1).to_numpy(np.int64)
    exact = {str(own): row for row, own in enumerate(items[key]) if own}
    near = {loose_id(str(own)): row for row, own in enumerate(items[key]) if own}
    found = {own: exact.get(own, near.get(loose_id(own), -1)) for own in pd.unique(values)}
    return values.map(found).to_numpy(np.int64)


def _put(
    before: pd.Series | None, values: Any, places: np.ndarray, own: CardFacet, size: int, repeated: bool
) -> tuple[pd.Series, int]:
    """A facet's column with the values put where there were none, and how many items got one."""
    if own.kind in NAMED:
        gathered: list[list[str]] = [[] for _ in range(size)]
        for place, names in zip(places.tolist(), values, strict=True):
            gathered[place] += names
        names_of = [_foremost(names) if repeated else list(dict.fromkeys(names)) for names in gathered]
        old = [[]] * size if before is None else list(before)
        merged = [list(kept) if len(kept) else new for kept, new in zip(old, names_of, strict=True)]
        return pd.Series(merged, dtype=object), sum(
            bool(new) and not len(kept) for kept, new in zip(old, names_of, strict=True)
        )
    frame = pd.Series(values).astype(object)
    latest = {place: value for place, value in zip(places.tolist(), frame, strict=True) if not _empty(value)}
    empty = [True] * size if before is None else [_empty(value) for value in before]
    start: list[Any] = ["" if own.kind == "text" else None] * size if before is None else list(before)
    count = 0
    for place, value in latest.items():
        if empty[place]:
            start[place] = value
            count += 1
    if own.kind == "year":
        return pd.Series(pd.array([None if _empty(year) else int(year) for year in start], dtype="Int64")), count
    return pd.Series(start, dtype=object if own.kind == "text" else np.float64), count


def _empty(value: Any) -> bool:
    return not value if isinstance(value, str) else bool(pd.isna(value))


def _foremost(names: list[str]) -> list[str]:
    """The names that are said most often of an item, of those that are said more than once if there are any."""
    counts = Counter(name.casefold() for name in names)
    often = [name for name, count in counts.most_common() if count >= _LEAST_SAID] or [
        name for name, _ in counts.most_common(3)
    ]
    return often[:_MOST_NAMES]


def _named(table: Table, names: Table) -> Table:
    """The table with ids that ``names`` knows replaced by what they stand for.

    Raises:
        DatasetError: no column of ``names`` is one of the table's.
    """
    shared = [column for column in names.frame.columns if column in table.frame.columns]
    if not shared or len(names.frame.columns) < 2:
        raise DatasetError(f"{names.name} shares no column with {table.name}, or has only one: nothing is named")
    key = shared[0]
    value = next(column for column in names.frame.columns if column != key)
    known = dict(zip(names.frame[key], names.frame[value], strict=True))
    frame = table.frame.assign(**{value: table.frame[key].map(known).fillna("")}).drop(columns=[key])
    return Table(table.name, frame, table.first_line)
