"""MovieLens: readers for every layout in which it is handed out, from a folder or a zip."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from agent.data.archive import Files, folders
from agent.data.importers.titles import parse_title, parse_year
from agent.data.tables import DatasetError, Problems, Table, read_table

RATING_MIN, RATING_MAX = 0.5, 5.0

_GENRE_WORDS = (
    "unknown Action Adventure Animation Children Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
)
_FLAGS = tuple(_GENRE_WORDS.split())
_NO_GENRE = frozenset({"", "unknown", "(no genres listed)"})
_GENRE_NAMES = {"Children's": "Children"}
_OCCUPATION_WORDS = (
    "other academic/educator artist clerical/admin college/grad_student customer_service doctor/health_care "
    "executive/managerial farmer homemaker K-12_student lawyer programmer retired sales/marketing scientist "
    "self-employed technician/engineer tradesman/craftsman unemployed writer"
)
_OCCUPATIONS = {str(code): name for code, name in enumerate(_OCCUPATION_WORDS.split())}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import read and what it left out.

    Every rating row is in exactly one of ``kept``, ``malformed``, ``out_of_range`` (not 0.5 to 5 stars),
    ``unknown_items`` (rates an item that the item file does not have) and ``duplicates`` (the user rated the item
    again later). ``lost_tags`` are empty or of unknown items, ``lost_users`` are repeated or have no ratings that were
    kept. ``examples`` shows the first rows left out by each of these rules, with file and line.
    """

    layout: str
    rows: int
    kept: int
    malformed: int
    out_of_range: int
    unknown_items: int
    duplicates: int
    malformed_items: int
    malformed_others: int
    lost_tags: int
    lost_users: int
    examples: Mapping[str, tuple[str, ...]]

    @property
    def left_out(self) -> int:
        """Rating rows that were not kept."""
        return self.rows - self.kept


@dataclass(frozen=True)
class Parsed:
    """The tables of one MovieLens set, unsorted; columns as in :class:`agent.data.dataset.Dataset`."""

    ratings: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame | None
    tags: pd.DataFrame | None
    report: ImportReport


@dataclass(frozen=True, slots=True)
class _Layout:
    name: str
    required: tuple[str, ...]
    read: Callable[[Files, Problems], tuple[Table, pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]]


def read_movielens(path: str | Path) -> Parsed:
    """Read a MovieLens folder or zip of any layout, told by its file names.

    Raises:
        DatasetError: nothing is there, no layout is recognised (the message lists what was found and what is
            expected), or a file cannot be read (the message names file and line).
    """
    path = Path(path)
    found: list[str] = []
    for folder, files in folders(path):
        for layout in _LAYOUTS:
            if all(_match(files, pattern) for pattern in layout.required):
                problems = Problems()
                ratings, items, users, tags = layout.read(files, problems)
                return _checked(layout.name, ratings, items, users, tags, problems)
        found += [f"{folder}/{name}" if folder else name for name in files]
    listed = ", ".join(sorted(found)[:12]) + (", ..." if len(found) > 12 else "") if found else "no files"
    expected = "; ".join(f"{layout.name}: {' + '.join(layout.required)}" for layout in _LAYOUTS)
    raise DatasetError(f"{path} is no MovieLens data set: found {listed}; expected one of: {expected}")


def _match(files: Files, pattern: str) -> str | None:
    """The one file that fits ``pattern`` ("*.inter" or a plain name), or None."""
    if pattern.startswith("*"):
        hits = [name for name in files if name.endswith(pattern[1:])]
        return hits[0] if len(hits) == 1 else None
    return pattern if pattern in files else None


def _open(files: Files, pattern: str) -> tuple[str, bytes]:
    name = _match(files, pattern)
    assert name is not None
    return name, files[name]()


# --- the layouts -----------------------------------------------------------------------------------------------------


def _recbole(files: Files, problems: Problems) -> tuple[Table, pd.DataFrame, pd.DataFrame | None, None]:
    ratings = read_table(*_open(files, "*.inter"), "\t", None, problems).named(
        {"user_id": "user", "item_id": "item", "rating": "rating", "timestamp": "timestamp"}
    )
    raw = read_table(*_open(files, "*.item"), "\t", None, problems)
    genres = "class" if "class" in raw.frame else "genre"
    raw = raw.named({"item_id": "item", "movie_title": "title", "release_year": "year", genres: "genre"})
    # RecBole's copy misspells the one item that MovieLens 100K calls "unknown".
    titles = raw.frame["title"].replace("unkonwn", "unknown")
    items = _items(raw.frame["item"], titles, raw.frame["genre"].str.split(), raw.frame["year"].map(parse_year))
    users = None
    if _match(files, "*.user"):
        users = read_table(*_open(files, "*.user"), "\t", None, problems).frame.rename(columns={"user_id": "user"})
    return ratings, items, users, None


def _hundred_k(files: Files, problems: Problems) -> tuple[Table, pd.DataFrame, pd.DataFrame | None, None]:
    ratings = read_table(*_open(files, "u.data"), "\t", ("user", "item", "rating", "timestamp"), problems)
    columns = ("item", "title", "released", "video", "url", *_FLAGS)
    raw = read_table(*_open(files, "u.item"), "|", columns, problems).frame
    flags = raw[list(_FLAGS)].to_numpy() == "1"
    genres = pd.Series([[_FLAGS[i] for i in np.flatnonzero(row)] for row in flags], dtype=object)
    items = _items(raw["item"], raw["title"], genres, raw["released"].str[-4:].map(parse_year), prefer_title=True)
    users = None
    if "u.user" in files:
        users = read_table(
            *_open(files, "u.user"), "|", ("user", "age", "gender", "occupation", "zip_code"), problems
        ).frame
    return ratings, items, users, None


def _dat(files: Files, problems: Problems) -> tuple[Table, pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]:
    ratings = read_table(*_open(files, "ratings.dat"), "::", ("user", "item", "rating", "timestamp"), problems)
    raw = read_table(*_open(files, "movies.dat"), "::", ("item", "title", "genres"), problems).frame
    users = tags = None
    if "users.dat" in files:
        columns = ("user", "gender", "age", "occupation", "zip_code")
        users = read_table(*_open(files, "users.dat"), "::", columns, problems).frame
        users = users.assign(occupation=users["occupation"].map(lambda code: _OCCUPATIONS.get(code, code)))
    if "tags.dat" in files:
        tags = read_table(*_open(files, "tags.dat"), "::", ("user", "item", "tag", "timestamp"), problems).frame
    return ratings, _items(raw["item"], raw["title"], raw["genres"].str.split("|")), users, tags


def _csv(files: Files, problems: Problems) -> tuple[Table, pd.DataFrame, None, pd.DataFrame | None]:
    ratings = read_table(*_open(files, "ratings.csv"), ",", None, problems).named(
        {"userId": "user", "movieId": "item", "rating": "rating", "timestamp": "timestamp"}
    )
    raw = read_table(*_open(files, "movies.csv"), ",", None, problems).named(
        {"movieId": "item", "title": "title", "genres": "genres"}
    )
    tags = None
    if "tags.csv" in files:
        names = {"userId": "user", "movieId": "item", "tag": "tag"}
        tags = read_table(*_open(files, "tags.csv"), ",", None, problems).named(names).frame
    return ratings, _items(raw.frame["item"], raw.frame["title"], raw.frame["genres"].str.split("|")), None, tags


_LAYOUTS = (
    _Layout("MovieLens csv (latest, 20M, 25M, 32M)", ("ratings.csv", "movies.csv"), _csv),
    _Layout("MovieLens dat (1M, 10M)", ("ratings.dat", "movies.dat"), _dat),
    _Layout("MovieLens 100K", ("u.data", "u.item"), _hundred_k),
    _Layout("RecBole atomic files", ("*.inter", "*.item"), _recbole),
)


# --- the common form -------------------------------------------------------------------------------------------------


def _items(
    ids: pd.Series, titles: pd.Series, genres: pd.Series, years: pd.Series | None = None, prefer_title: bool = False
) -> pd.DataFrame:
    given = [None if year is None or pd.isna(year) else int(year) for year in years] if years is not None else None
    parsed = [
        parse_title(title, None if given is None or prefer_title else given[row]) for row, title in enumerate(titles)
    ]
    found = [p.year if p.year is not None or given is None else given[row] for row, p in enumerate(parsed)]
    cleaned = [[_GENRE_NAMES.get(g, g) for g in (g.strip() for g in names) if g not in _NO_GENRE] for names in genres]
    return pd.DataFrame(
        {
            "item": ids.to_numpy(dtype=object),
            "title": pd.Series([p.title for p in parsed], dtype=object),
            "year": pd.array(found, dtype="Int64"),
            "genre": pd.Series(cleaned, dtype=object),
            "aliases": pd.Series([list(p.aliases) for p in parsed], dtype=object),
        }
    )


def _checked(
    layout: str,
    table: Table,
    items: pd.DataFrame,
    users: pd.DataFrame | None,
    tags: pd.DataFrame | None,
    problems: Problems,
) -> Parsed:
    """Apply the row checks, counting what they leave out."""
    empty_item = (items["item"] == "") | (items["title"] == "")
    double_item = items["item"].duplicated()
    for row in np.flatnonzero(empty_item | double_item):
        why = "no id or title" if empty_item[row] else "repeated item"
        problems.example("malformed_items", f"item {items['item'][row]!r}, {items['title'][row]!r}: {why}")
    items = items[~empty_item & ~double_item].reset_index(drop=True)

    frame = table.frame
    ratings = pd.DataFrame(
        {
            "user": frame["user"].to_numpy(dtype=object),
            "item": frame["item"].to_numpy(dtype=object),
            "rating": pd.to_numeric(frame["rating"], errors="coerce").to_numpy(dtype=np.float64),
        }
    )
    times = pd.to_numeric(frame["timestamp"], errors="coerce").to_numpy(dtype=np.float64)
    bad = (ratings["user"] == "") | (ratings["item"] == "") | ratings["rating"].isna() | ~np.isfinite(times)
    off = ~bad & ~ratings["rating"].between(RATING_MIN, RATING_MAX)
    lost = ~bad & ~off & ~ratings["item"].isin(items["item"])
    rules = {"malformed": (bad, "malformed"), "out_of_range": (off, "rating out of range")}
    rules["unknown_items"] = (lost, "unknown item")

    def show(rule: str, rows: np.ndarray, why: str) -> None:
        for row in rows[:3]:
            line = table.first_line + int(row)
            problems.example(rule, f"{table.name}, about line {line}: {why}: {frame.iloc[row].tolist()}")

    for rule, (mask, why) in rules.items():
        show(rule, np.flatnonzero(mask), why)
    keep = ~(bad | off | lost)
    if 2 * int(bad.sum()) > len(frame) or not keep.any():
        shown = next((own[0] for own in problems.examples.values()), None)
        shown = shown or f"{table.name}, line {table.first_line}: no row follows"
        raise DatasetError(
            f"{table.name} holds no readable ratings ({int(bad.sum())} of {len(frame)} malformed): {shown}"
        )
    ratings = ratings[keep].assign(timestamp=times[keep].astype(np.int64))
    # The later rating of an item stands; equal times leave it to the order of the file.
    order = np.argsort(ratings["timestamp"].to_numpy(), kind="stable")
    again = ratings.iloc[order].duplicated(["user", "item"], keep="last").sort_index()
    show("duplicates", ratings.index[again].to_numpy(), "rated again later")
    ratings = ratings[~again].reset_index(drop=True)

    lost_tags = lost_users = 0
    if tags is not None:
        fits = tags["item"].isin(items["item"]) & (tags["tag"].str.strip() != "")
        lost_tags = int((~fits).sum())
        for item, tag in tags.loc[~fits, ["item", "tag"]].head(3).itertuples(index=False):
            problems.example("lost_tags", f"tag {tag!r} of item {item!r}: empty, or the item is unknown")
        tags = tags.loc[fits, ["item", "tag", "user"]].reset_index(drop=True)
    if users is not None:
        fits = users["user"].isin(ratings["user"]) & ~users["user"].duplicated()
        lost_users = int((~fits).sum())
        for user in users.loc[~fits, "user"].head(3):
            problems.example("lost_users", f"user {user!r}: repeated, or without ratings")
        users = users[fits].reset_index(drop=True)
    malformed = problems.skipped.pop(table.name, 0)
    item_name = next((name for name in problems.skipped if re.search(r"\.item$|^movies\.", name)), "")
    names = {table.name: "malformed", item_name: "malformed_items"}
    examples: dict[str, tuple[str, ...]] = {}
    for source, own in problems.examples.items():
        rule = names.get(source, source if source in ImportReport.__slots__ else "malformed_others")
        examples[rule] = (*examples.get(rule, ()), *own)
    report = ImportReport(
        layout=layout,
        rows=len(frame) + malformed,
        kept=len(ratings),
        malformed=malformed + int(bad.sum()),
        out_of_range=int(off.sum()),
        unknown_items=int(lost.sum()),
        duplicates=int(again.sum()),
        malformed_items=problems.skipped.pop(item_name, 0) + int((empty_item | double_item).sum()),
        malformed_others=sum(problems.skipped.values()),
        lost_tags=lost_tags,
        lost_users=lost_users,
        examples=examples,
    )
    return Parsed(ratings, items, users, tags, report)
