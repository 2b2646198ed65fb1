"""Data sets: ratings, items and users under a name, kept in the user's cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock
from pyarrow import ArrowInvalid

from agent.data.assets import MOVIELENS_100K, asset_path, cache_dir
from agent.data.importers.movielens import ImportReport, Parsed, read_movielens
from agent.data.tables import DatasetError, DatasetNotFoundError
from agent.domains.domain import Domain, Facet, load_domain

DEFAULT = "ml-100k"

# Raised when the parsing changes: a copy of another format is read anew from its source.
_FORMAT = 2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TABLES = ("ratings", "items", "users", "tags")

__all__ = ["DEFAULT", "Dataset", "DatasetError", "describe", "import_dataset", "import_report", "load_dataset", "names"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set; all ids are strings.

    ``ratings`` has columns user, item, rating (float64, 0.5 to 5 stars) and timestamp (int64, seconds since 1970),
    users in natural order ("2" before "10"), each user's rows by time (ties as in the source). ``items`` has item,
    title (as displayed: "The Godfather"), aliases (list of str; other titles) and a
    column for each facet (lists of str, or numbers), in natural order of the id; the row number is the catalogue
    index. ``users`` has user and what the source tells of them, or is None; ``tags`` has item, tag, user, or is None.
    ``fingerprint`` is a SHA-256 over ratings and items.
    """

    name: str
    ratings: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame | None
    tags: pd.DataFrame | None
    fingerprint: str

    @property
    def domain(self) -> Domain:
        """What the items are, and how people speak of them."""
        return load_domain("films")

    @cached_property
    def facets(self) -> Mapping[str, Facet]:
        """The facets of the domain that the items have, by name."""
        found = {name: facet for name, facet in self.domain.facets.items() if name in self.items.columns}
        if self.tags is not None and "tag" in self.domain.facets:
            found["tag"] = self.domain.facets["tag"]
        return found

    def names(self, facet: str) -> list[list[str]]:
        """Each item's names on a facet that holds names, in catalogue order."""
        if facet == "tag" and self.tags is not None and facet not in self.items.columns:
            return self._tag_names
        return [list(own) for own in self.items[facet]]

    def numbers(self, facet: str) -> npt.NDArray[np.float64]:
        """Each item's number on a facet, (n_items,) in the facet's unit, NaN where unknown."""
        return pd.to_numeric(self.items[facet], errors="coerce").to_numpy(np.float64, na_value=np.nan)

    def texts(self, facet: str) -> list[str]:
        """Each item's text on a facet of kind text, "" where there is none."""
        return [str(text) if isinstance(text, str) else "" for text in self.items[facet]]

    @cached_property
    def _tag_names(self) -> list[list[str]]:
        place = {item: row for row, item in enumerate(self.items["item"])}
        found: list[list[str]] = [[] for _ in place]
        if self.tags is not None:
            for item, tag in zip(self.tags["item"], self.tags["tag"], strict=True):
                folded = " ".join(str(tag).casefold().split())
                if item in place and folded and folded not in found[place[item]]:
                    found[place[item]].append(folded)
        return found

    def only(self, ratings: pd.DataFrame) -> Dataset:
        """The data set with these ratings alone; their ``item`` is the catalogue index, as a split gives them."""
        ids = self.items["item"].to_numpy()
        return dataclasses.replace(self, ratings=ratings.assign(item=ids[ratings["item"].to_numpy()]))


def load_dataset(name: str = DEFAULT) -> Dataset:
    """The data set called ``name``, from the user's cache; ``"ml-100k"`` is made there from the fetched files once.

    Raises:
        DatasetError: the name is not valid or not known (the message lists the known ones and the fix).
    """
    _check_name(name)
    meta, stored = _read_meta(name), None
    if meta is not None and (stored := _stored(name, meta)) is not None:
        return stored
    source = asset_path(MOVIELENS_100K) if name == DEFAULT else None
    if source is not None:
        parsed = read_movielens(source)
        dataset = _dataset(name, parsed)
        _store(dataset, parsed.report)
        return dataset
    if meta is not None:
        raise DatasetError(
            f"data set {name!r} is damaged or from another version of Concierge: {_fix(name, again=True)}"
        )
    if name == DEFAULT:
        raise DatasetNotFoundError(f"MovieLens-100K is not here yet: {_fix(name)}")
    raise DatasetNotFoundError(f"unknown data set {name!r} (known: {', '.join(names()) or 'none yet'}): {_fix(name)}")


def import_dataset(path: str | Path, name: str, replace: bool = False) -> tuple[Dataset, ImportReport]:
    """Read a MovieLens folder or zip of any layout and keep it as ``name``.

    Raises:
        DatasetError: the name is not valid or taken (and ``replace`` is not set), or ``path`` cannot be read.
    """
    _check_name(name)
    if not replace and _read_meta(name) is not None:
        raise DatasetError(f"a data set {name!r} exists already: choose another --name, or give --replace")
    parsed = read_movielens(path)
    dataset = _dataset(name, parsed)
    _store(dataset, parsed.report)
    return dataset, parsed.report


def import_report(name: str = DEFAULT) -> ImportReport | None:
    """What was left out when the data set ``name`` was read; None for a copy that was kept without its report."""
    _check_name(name)
    known = (_read_meta(name) or {}).get("report")
    if known is not None:
        examples = {rule: tuple(own) for rule, own in known["examples"].items()}
        return ImportReport(**{**known, "examples": examples})
    source = asset_path(MOVIELENS_100K) if name == DEFAULT else None
    return None if source is None else read_movielens(source).report


def names() -> list[str]:
    """The names that :func:`load_dataset` knows, sorted."""
    found = {path.stem for path in _root().glob("[!.]*.json")}
    if asset_path(MOVIELENS_100K) is not None:
        found.add(DEFAULT)
    return sorted(found)


def describe(dataset: Dataset) -> dict[str, Any]:
    """Counts of a data set as plain data.

    ``density`` is interactions / (users x items), ``first`` and ``last`` are ISO dates (UTC), ``ratings`` maps stars to
    counts, ``per_user`` and ``per_item`` give minimum, median and maximum of the number of ratings (items: rated ones).
    """
    ratings, items = dataset.ratings, dataset.items
    users = ratings["user"].nunique()
    times = pd.to_datetime(ratings["timestamp"], unit="s", utc=True)
    genres = items["genre"].explode().dropna().value_counts()
    same = items.assign(key=items["title"].str.casefold()).duplicated(["key", "year"], keep=False)
    return {
        "name": dataset.name,
        "users": int(users),
        "items": len(items),
        "interactions": len(ratings),
        "density": len(ratings) / (users * len(items)),
        "first": times.min().date().isoformat(),
        "last": times.max().date().isoformat(),
        "mean_rating": round(float(ratings["rating"].mean()), 4),
        "ratings": {f"{stars:g}": int(n) for stars, n in ratings["rating"].value_counts().sort_index().items()},
        "per_user": _spread(ratings["user"]),
        "per_item": _spread(ratings["item"]),
        "years": [None if pd.isna(y) else int(y) for y in (items["year"].min(), items["year"].max())],
        "genres": {str(genre): int(n) for genre, n in genres.items()},
        "items_without_ratings": int((~items["item"].isin(ratings["item"])).sum()),
        "items_without_year": int(items["year"].isna().sum()),
        "items_without_genres": int((items["genre"].str.len() == 0).sum()),
        "items_of_same_title_and_year": int(same.sum()),
        "tags": 0 if dataset.tags is None else len(dataset.tags),
        "fingerprint": dataset.fingerprint,
    }


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that orders the numbers inside strings as numbers: "2" < "10" < "a1"."""
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", text) if p)


def _spread(column: pd.Series) -> dict[str, float]:
    counts = column.value_counts()
    return {"min": int(counts.min()), "median": float(counts.median()), "max": int(counts.max())}


def _dataset(name: str, parsed: Parsed) -> Dataset:
    user_of_row, users = pd.factorize(parsed.ratings["user"].to_numpy())
    rank = np.empty(len(users), dtype=np.int64)
    rank[sorted(range(len(users)), key=lambda row: natural_key(str(users[row])))] = np.arange(len(users))
    order = np.lexsort((parsed.ratings["timestamp"].to_numpy(), rank[user_of_row]))
    ratings = parsed.ratings.iloc[order].reset_index(drop=True)
    items = _natural(parsed.items, "item")
    known = parsed.users
    if known is not None:
        known = _natural(known, "user")
    return Dataset(name, ratings, items, known, parsed.tags, _fingerprint(ratings, items))


def _natural(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.sort_values(column, key=lambda ids: ids.map(natural_key), kind="stable").reset_index(drop=True)


def _fingerprint(ratings: pd.DataFrame, items: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for column in ("user", "item"):
        digest.update("\n".join(ratings[column]).encode())
    digest.update(ratings["rating"].to_numpy("<f8").tobytes() + ratings["timestamp"].to_numpy("<i8").tobytes())
    for item, title, year, genres, aliases in items.astype({"year": object}).to_numpy():
        digest.update(json.dumps([item, title, None if pd.isna(year) else int(year), genres, aliases]).encode())
    return digest.hexdigest()


# --- the cache -------------------------------------------------------------------------------------------------------
# NAME.json points at a folder whose name carries the fingerprint: replacing that one small file is the whole switch.


def _root() -> Path:
    return cache_dir() / "datasets"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise DatasetError(f"bad data set name {name!r}: use letters, digits, '-' and '_' (at most 64), no folder")


def _fix(name: str, again: bool = False) -> str:
    if name == DEFAULT:
        return "run `concierge data fetch`"
    return f"run `concierge data import PATH --name {name}{' --replace' if again else ''}`"


def _stored(name: str, meta: dict[str, Any]) -> Dataset | None:
    """The stored copy, or None if it is of another format or damaged."""
    if meta["format"] != _FORMAT:
        return None
    try:
        tables = {table: pd.read_parquet(_root() / meta["folder"] / f"{table}.parquet") for table in meta["tables"]}
    except (OSError, ArrowInvalid):
        return None
    items = tables["items"]
    for column in ("genre", "aliases"):
        items[column] = pd.Series([list(values) for values in items[column]], dtype=object)
    return Dataset(name, tables["ratings"], items, tables.get("users"), tables.get("tags"), meta["fingerprint"])


def _read_meta(name: str) -> dict[str, Any] | None:
    try:
        meta = json.loads((_root() / f"{name}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return meta if isinstance(meta, dict) and {"format", "folder", "tables", "fingerprint"} <= set(meta) else None


def _store(dataset: Dataset, report: ImportReport) -> None:
    root = _root()
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        old = _read_meta(dataset.name)
        temporary = Path(tempfile.mkdtemp(prefix=f".{dataset.name}-", dir=root))
        try:
            stored = []
            for table in _TABLES:
                frame = getattr(dataset, table)
                if frame is not None:
                    frame.to_parquet(temporary / f"{table}.parquet", index=False)
                    stored.append(table)
            folder = f"{dataset.name}-{dataset.fingerprint[:16]}-{temporary.name.rpartition('-')[2]}"
            meta = {"format": _FORMAT, "folder": folder, "tables": stored, "fingerprint": dataset.fingerprint}
            meta["report"] = dataclasses.asdict(report)
            temporary.rename(root / folder)
            pointer = root / f".{folder}.json"
            pointer.write_text(json.dumps(meta, indent=1), encoding="utf-8")
            os.replace(pointer, root / f"{dataset.name}.json")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if old is not None:
            shutil.rmtree(root / old["folder"], ignore_errors=True)
