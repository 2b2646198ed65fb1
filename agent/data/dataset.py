"""Data sets: events, items, users and a card under a name, kept in the user's cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock
from pyarrow import ArrowInvalid

from agent.data.archive import DatasetError, DatasetNotFoundError, is_zip
from agent.data.assets import MOVIELENS_100K, asset_path, cache_dir
from agent.data.card import FILE as CARD_FILE
from agent.data.card import TAG, Card, CardFacet, Joined, LeftOut, Sources, read_card
from agent.data.grades import Wanted
from agent.data.importers.events import Parsed
from agent.data.importers.joining import joined_items
from agent.data.importers.movielens import find_movielens, read_movielens
from agent.data.importers.recognition import overrides_of
from agent.data.importers.tables import Options, read_any
from agent.domains.domain import FOLDER, NAMED, Domain, Facet, domain_module

DEFAULT = "films"
"""What is loaded where no data set is named; it ships with its domain."""

BENCHMARK = "ml-100k"
"""MovieLens-100K, which is fetched: most figures are measured on it."""

# Raised when the parsing changes: a copy of another format is read anew from its source.
_FORMAT = 3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# In the folder of a data set that ships with a domain: what NAME.json is to one in the cache.
_SHIPPED_FILE = "dataset.json"
_TABLES = ("ratings", "items", "users", "tags", "requests")

__all__ = [
    "BENCHMARK",
    "DEFAULT",
    "Dataset",
    "DatasetError",
    "describe",
    "import_dataset",
    "join_dataset",
    "load_dataset",
    "names",
    "predict_facet",
    "reread_dataset",
]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set; all ids are strings.

    ``ratings`` has columns user, item, rating (float64, a grade from 0.5 to 5, NaN: had it, said nothing) and timestamp
    (int64, seconds since 1970; where the source has no times float64, all NaN), users in natural order ("2" before
    "10"), each user's rows by time (ties as in the source); it is empty where nothing but the items is known.
    ``items`` has item, title (as displayed: "The Godfather"), aliases (list of str; other titles), a column for each
    facet (lists of str, numbers, or texts) and identifiers, in natural order of the id; the row number is the catalogue
    index. ``users`` has user and what the source tells of them, or is None; ``tags`` has item, tag, user, or is None;
    ``requests`` has text and item, requests whose answer is known, or is None. ``card`` says what was made of the
    source. ``fingerprint`` is a SHA-256 over events and items.
    """

    name: str
    ratings: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame | None
    tags: pd.DataFrame | None
    fingerprint: str
    card: Card = field(default_factory=lambda: Card(name=""))
    requests: pd.DataFrame | None = None

    @cached_property
    def domain(self) -> Domain:
        """What the items are, and how people speak of them."""
        return self.card.load_domain()

    @cached_property
    def facets(self) -> Mapping[str, Facet]:
        """The facets that the items have, by name: the domain's in its order, then those that only the data have."""
        own = self.card.facets_in(self.domain)
        own |= {name: self.domain.facets[name] for name in self._derived if name not in own}
        if self.tags is not None and TAG not in own:
            own[TAG] = self.domain.facets.get(TAG) or Facet(name=TAG, label=TAG, plural=f"{TAG}s")
        order = [*(name for name in self.domain.facets if name in own), *own]
        return {name: own[name] for name in dict.fromkeys(order)}

    def names(self, facet: str) -> list[list[str]]:
        """Each item's names on a facet that holds names, in catalogue order."""
        if facet == TAG and self.tags is not None and facet not in self.items.columns:
            return self._tag_names
        if facet not in self.items.columns and facet in self._derived:
            return [list(own) for own in self._derived[facet]]
        return [list(own) for own in self.items[facet]]

    def numbers(self, facet: str) -> npt.NDArray[np.float64]:
        """Each item's number on a facet, (n_items,) in the facet's unit, NaN where unknown."""
        return pd.to_numeric(self.items[facet], errors="coerce").to_numpy(np.float64, na_value=np.nan)

    def texts(self, facet: str) -> list[str]:
        """Each item's text on a facet of kind text, "" where there is none."""
        return [str(text) if isinstance(text, str) else "" for text in self.items[facet]]

    @cached_property
    def _derived(self) -> Mapping[str, Sequence[tuple[str, ...]]]:
        """Facet -> each item's names, of what a shipped domain reads from titles; only where it finds something."""
        year = next((name for name, own in self.card.facets.items() if own.kind == "year"), None)
        years = [None] * len(self.items) if year is None else [None if pd.isna(y) else int(y) for y in self.items[year]]
        return derived_facets(self.domain.folder, tuple(self.items["title"]), tuple(years))

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


@lru_cache(maxsize=4)
def derived_facets(
    folder: Path, titles: tuple[str, ...], years: tuple[int | None, ...]
) -> Mapping[str, Sequence[tuple[str, ...]]]:
    """What the ``derived.py`` of a shipped domain reads from titles, by facet; nothing for a domain of a user's."""
    module = domain_module(folder, "derived")
    if module is None:
        return {}
    found: Mapping[str, Sequence[tuple[str, ...]]] = module.derive(titles, years)
    return {name: values for name, values in found.items() if any(values)}


def load_dataset(name: str = DEFAULT) -> Dataset:
    """The data set called ``name``, from the user's cache, or one that ships with a domain and has its name.

    ``"ml-100k"`` is made in the cache from the fetched files once.

    Raises:
        DatasetError: the name is not valid or not known (the message lists the known ones and the fix).
    """
    _check_name(name)
    meta, stored = _read_meta(name), None
    if meta is not None and (stored := _stored(name, meta, _root() / meta["folder"])) is not None:
        return stored
    shipped = _shipped().get(name)
    if meta is None and shipped is not None:
        shipped_meta = json.loads((shipped / _SHIPPED_FILE).read_text(encoding="utf-8"))
        if (stored := _stored(name, shipped_meta, shipped)) is not None:
            return stored
    source = asset_path(MOVIELENS_100K) if name == BENCHMARK else None
    if source is not None:
        return _store(_dataset(name, read_movielens(source), Sources(items=(str(source),))))
    if meta is not None:
        raise DatasetError(
            f"data set {name!r} is damaged or from another version of Concierge: {_fix(name, again=True)}"
        )
    if name == BENCHMARK:
        raise DatasetNotFoundError(f"MovieLens-100K is not here yet: {_fix(name)}")
    raise DatasetNotFoundError(f"unknown data set {name!r} (known: {', '.join(names()) or 'none yet'}): {_fix(name)}")


def import_dataset(
    paths: str | Path | Sequence[str | Path], name: str, replace: bool = False, options: Options | None = None
) -> Dataset:
    """Read tables and keep them as ``name``: one folder or zip, or a table of items and tables of events.

    Folders may hold a MovieLens set of any layout, RecBole's files, or tables in whatever columns. An import that fails
    leaves nothing behind.

    Raises:
        DatasetError: the name is not valid or taken (and ``replace`` is not set), or something cannot be read.
    """
    _check_name(name)
    if not replace and name in names():
        raise DatasetError(f"a data set {name!r} exists already: choose another --name, or give --replace")
    given = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    options = options or Options()
    absolute = [str(path.expanduser().resolve()) for path in given]
    sources = Sources(
        items=tuple(absolute[:1]),
        events=tuple(absolute[1:]),
        requests=None if options.requests is None else str(options.requests.expanduser().resolve()),
        request_text=options.request_text,
        request_item=options.request_item,
    )
    return _store(_dataset(name, _read(given, options), sources))


def join_dataset(
    name: str, path: str | Path, on: str, only: Sequence[str] = (), names_from: str | Path | None = None
) -> tuple[Dataset, str]:
    """Add what another table knows of the items, matched on a column, and say how many items it knew.

    ``on``: the column that both have; ids may be written in different ways; ``only``: the facets to take (default: all
    that are recognised); ``names_from``: a table that gives names to ids in the other one (tagID -> tagValue).

    Raises:
        DatasetError: the data set, the table or the column is not there, or nothing fits.
    """
    dataset = load_dataset(name)
    items, card, told = joined_items(
        dataset.items,
        dataset.card,
        dataset.domain,
        Path(path),
        on,
        tuple(only),
        None if names_from is None else Path(names_from),
    )
    join = Joined(
        path=str(Path(path).expanduser().resolve()),
        on=on,
        only=tuple(only),
        names_from=None if names_from is None else str(Path(names_from).expanduser().resolve()),
    )
    sources = card.sources.model_copy(update={"joined": (*card.sources.joined, join)})
    card = card.model_copy(update={"sources": sources, "notes": (*card.notes, told)})
    changed = dataclasses.replace(
        dataset, items=items, card=card, fingerprint=_fingerprint(dataset.ratings, items, card)
    )
    return _store(changed), told


def predict_facet(
    name: str,
    facet: str,
    own: CardFacet,
    values: Sequence[Sequence[str]],
    probabilities: npt.NDArray[np.float64],
    left_out: Sequence[LeftOut] = (),
) -> Dataset:
    """Keep what a tagger read out of the items' texts as a facet of names; a facet of that name is replaced.

    ``own``: what the card says of it; ``predicted`` names the tagger; ``values``: each item's names, in catalogue
    order; none where the tagger was unsure; ``probabilities``: of each item's most probable name, (n_items,), NaN where
    the text was not read; they are kept as the column ``FACET_probability``.

    Raises:
        DatasetError: the data set is not there, or its own data give the facet (the fix is another name).
    """
    dataset = load_dataset(name)
    known = dataset.card.facets.get(facet)
    if known is not None and known.predicted is None:
        raise DatasetError(f"the data of {name!r} give {facet!r} themselves, in {known.column}: choose another --facet")
    items = dataset.items.copy()
    items[facet] = pd.Series([list(names) for names in values], dtype=object)
    items[f"{facet}_probability"] = probabilities
    kept = [part for part in dataset.card.left_out if not part.rule.startswith(f"{facet}: ")]
    facets = {**dataset.card.facets, facet: own}
    card = dataset.card.model_copy(update={"facets": facets, "left_out": (*kept, *left_out)})
    changed = dataclasses.replace(
        dataset, items=items, card=card, fingerprint=_fingerprint(dataset.ratings, items, card)
    )
    return _store(changed)


def reread_dataset(name: str) -> Dataset:
    """Read a data set's source again as its card now says, joined tables included.

    Raises:
        DatasetError: there is no such data set, its source has moved, or the card says what cannot be.
    """
    _check_name(name)
    meta = _read_meta(name)
    if meta is None:
        raise DatasetNotFoundError(
            f"unknown data set {name!r} (known: {', '.join(names()) or 'none yet'}): {_fix(name)}"
        )
    card = read_card(card_path(name))
    paths = [Path(path) for path in (*card.sources.items, *card.sources.events)]
    gone = next((path for path in paths if not path.exists()), None)
    if gone is not None or not paths:
        raise DatasetError(f"the source of {name!r} is not at {gone} any more: {_fix(name, again=True)}")
    rule = card.feedback
    weights = ", ".join(f"{kind}: {weight:g}" for kind, weight in rule.weights.items())
    options = Options(
        domain=card.domain,
        columns=overrides_of(card.columns.items, card.facets),
        event_columns=overrides_of(card.columns.events, {}),
        wanted=Wanted(
            scale="counts" if rule.kind == "counts" else None if rule.scale == "words" else rule.scale,
            positive=weights or (None if rule.scale in ("thumbs", "yes-no", "words") else rule.positive),
        ),
        requests=None if card.sources.requests is None else Path(card.sources.requests),
        request_text=card.sources.request_text,
        request_item=card.sources.request_item,
    )
    dataset = _dataset(name, _read(paths, options), card.sources.model_copy(update={"joined": ()}))
    _store(dataset)
    for join in card.sources.joined:
        dataset, _ = join_dataset(name, join.path, join.on, join.only, join.names_from)
    return dataset


def card_path(name: str) -> Path:
    """Where the card of a data set lies; that of an imported one may be edited.

    Raises:
        DatasetError: there is no such data set.
    """
    meta, shipped = _read_meta(name), _shipped().get(name)
    if meta is None and shipped is None:
        raise DatasetNotFoundError(f"no card of {name!r} (known: {', '.join(names()) or 'none yet'})")
    return (shipped if meta is None and shipped is not None else _root() / str((meta or {})["folder"])) / CARD_FILE


def names() -> list[str]:
    """The names that :func:`load_dataset` knows, sorted."""
    found = {path.stem for path in _root().glob("[!.]*.json")} | set(_shipped())
    if asset_path(MOVIELENS_100K) is not None:
        found.add(BENCHMARK)
    return sorted(found)


def _read(paths: Sequence[Path], options: Options) -> Parsed:
    if len(paths) == 1 and (paths[0].is_dir() or is_zip(paths[0])):
        parsed = find_movielens(paths[0], options)
        if parsed is not None:
            return parsed
    return read_any(paths, options)


def describe(dataset: Dataset) -> dict[str, Any]:
    """Counts of a data set as plain data.

    ``density`` is interactions / (users x items), ``first`` and ``last`` are ISO dates (UTC; None without times),
    ``ratings`` maps grades to counts, ``per_user`` and ``per_item`` give minimum, median and maximum of the number of
    events (items: those with one), ``facets`` what is known of the items: kind, label, how many items have a value,
    and the most frequent values or the range.
    """
    ratings, items, card = dataset.ratings, dataset.items, dataset.card
    users = ratings["user"].nunique()
    dated = ratings["timestamp"].notna().any()
    times = pd.to_datetime(ratings["timestamp"], unit="s", utc=True) if dated else None
    grades = ratings["rating"].dropna()
    keys = items["title"].str.casefold().to_frame()
    year = next((name for name, facet in dataset.facets.items() if facet.kind == "year"), None)
    if year is not None:
        keys[year] = items[year]
    return {
        "name": dataset.name,
        "domain": dataset.domain.name,
        "users": int(users),
        "items": len(items),
        "interactions": len(ratings),
        "density": len(ratings) / (users * len(items)) if users else 0.0,
        "first": None if times is None else times.min().date().isoformat(),
        "last": None if times is None else times.max().date().isoformat(),
        "mean_rating": round(float(grades.mean()), 4) if len(grades) else None,
        "positive_share": card.positive_share,
        "without_grade": int(ratings["rating"].isna().sum()),
        "ratings": {f"{grade:g}": int(n) for grade, n in grades.value_counts().sort_index().items()},
        "per_user": _spread(ratings["user"]),
        "per_item": _spread(ratings["item"]),
        "facets": {name: _facet_facts(dataset, name, facet) for name, facet in dataset.facets.items()},
        "items_without_ratings": int((~items["item"].isin(ratings["item"])).sum()),
        "items_of_same_title_and_year": int(keys.duplicated(keep=False).sum()),
        "tags": 0 if dataset.tags is None else len(dataset.tags),
        "requests": 0 if dataset.requests is None else len(dataset.requests),
        "fingerprint": dataset.fingerprint,
        "card": card.model_dump(mode="json"),
    }


def _facet_facts(dataset: Dataset, name: str, facet: Facet) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": facet.kind, "label": facet.label, "unit": facet.unit, "primary": facet.primary}
    if facet.kind == "text":
        return facts | {"known": sum(bool(text) for text in dataset.texts(name))}
    if facet.numeric:
        known = dataset.numbers(name)
        known = known[np.isfinite(known)]
        return facts | {"known": len(known), "range": [float(known.min()), float(known.max())] if len(known) else None}
    own = dataset.names(name)
    counts = pd.Series([value for values in own for value in values], dtype=object).value_counts()
    top = {str(value): int(n) for value, n in counts.head(20).items()}
    return facts | {"known": sum(bool(values) for values in own), "values": len(counts), "most": top}


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that orders the numbers inside strings as numbers: "2" < "10" < "a1"."""
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", text) if p)


def _spread(column: pd.Series) -> dict[str, float]:
    counts = column.value_counts()
    if counts.empty:
        return {"min": 0, "median": 0.0, "max": 0}
    return {"min": int(counts.min()), "median": float(counts.median()), "max": int(counts.max())}


def _dataset(name: str, parsed: Parsed, sources: Sources) -> Dataset:
    user_of_row, users = pd.factorize(parsed.ratings["user"].to_numpy())
    rank = np.empty(len(users), dtype=np.int64)
    rank[sorted(range(len(users)), key=lambda row: natural_key(str(users[row])))] = np.arange(len(users))
    order = np.lexsort((parsed.ratings["timestamp"].to_numpy(), rank[user_of_row]))
    ratings = parsed.ratings.iloc[order].reset_index(drop=True)
    items = _natural(parsed.items, "item")
    known = parsed.users
    if known is not None:
        known = _natural(known, "user")
    card = parsed.card.model_copy(update={"name": name, "sources": sources})
    return Dataset(name, ratings, items, known, parsed.tags, _fingerprint(ratings, items, card), card, parsed.requests)


def _natural(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.sort_values(column, key=lambda ids: ids.map(natural_key), kind="stable").reset_index(drop=True)


def _fingerprint(ratings: pd.DataFrame, items: pd.DataFrame, card: Card) -> str:
    digest = hashlib.sha256()
    for column in ("user", "item"):
        digest.update("\n".join(ratings[column]).encode())
    times = ratings["timestamp"]
    stamps = times.to_numpy("<i8") if times.dtype == np.int64 else times.to_numpy("<f8")
    digest.update(ratings["rating"].to_numpy("<f8").tobytes() + stamps.tobytes())
    empty = pd.Series([None] * len(items), dtype=object)
    year = next((name for name, facet in card.facets.items() if facet.kind == "year"), "")
    sort = next((name for name, facet in card.facets.items() if facet.primary), "")
    columns = [items.get(column, empty).astype(object) for column in ("item", "title", year, sort, "aliases")]
    for item, title, released, sorts, aliases in zip(*columns, strict=True):
        digest.update(json.dumps([item, title, None if pd.isna(released) else int(released), sorts, aliases]).encode())
    for name in sorted(set(card.facets) - {year, sort}):
        values = [None if not isinstance(value, list | str) and pd.isna(value) else value for value in items[name]]
        digest.update(json.dumps([name, values]).encode())
    return digest.hexdigest()


# --- the cache -------------------------------------------------------------------------------------------------------
# NAME.json points at a folder whose name carries the fingerprint: replacing that one small file is the whole switch.


def _root() -> Path:
    return cache_dir() / "datasets"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise DatasetError(f"bad data set name {name!r}: use letters, digits, '-' and '_' (at most 64), no folder")


def _fix(name: str, again: bool = False) -> str:
    if name == BENCHMARK:
        return "run `concierge data fetch`"
    return f"run `concierge data import PATH --name {name}{' --replace' if again else ''}`"


def _shipped() -> dict[str, Path]:
    """Name -> folder of the data sets that lie beside their domain."""
    return {path.parent.parent.name: path.parent for path in FOLDER.glob(f"*/data/{_SHIPPED_FILE}")}


def _stored(name: str, meta: dict[str, Any], folder: Path) -> Dataset | None:
    """The stored copy, or None if it is of another format or damaged."""
    if meta["format"] != _FORMAT:
        return None
    try:
        tables = {table: pd.read_parquet(folder / f"{table}.parquet") for table in meta["tables"]}
    except (OSError, ArrowInvalid):
        return None
    card = read_card(folder / CARD_FILE)
    items = tables["items"]
    for column in ("aliases", *(own for own, facet in card.facets.items() if facet.kind in NAMED)):
        items[column] = pd.Series([list(values) for values in items[column]], dtype=object)
    ratings = tables["ratings"].astype({"user": object, "item": object})
    parts = (tables.get("users"), tables.get("tags"), meta["fingerprint"], card, tables.get("requests"))
    return Dataset(name, ratings, items, *parts)


def _read_meta(name: str) -> dict[str, Any] | None:
    try:
        meta = json.loads((_root() / f"{name}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return meta if isinstance(meta, dict) and {"format", "folder", "tables", "fingerprint"} <= set(meta) else None


def _store(dataset: Dataset) -> Dataset:
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
            dataset.card.write(temporary)
            folder = f"{dataset.name}-{dataset.fingerprint[:16]}-{temporary.name.rpartition('-')[2]}"
            meta = {"format": _FORMAT, "folder": folder, "tables": stored, "fingerprint": dataset.fingerprint}
            temporary.rename(root / folder)
            pointer = root / f".{folder}.json"
            pointer.write_text(json.dumps(meta, indent=1), encoding="utf-8")
            os.replace(pointer, root / f"{dataset.name}.json")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if old is not None:
            shutil.rmtree(root / old["folder"], ignore_errors=True)
    return dataset
