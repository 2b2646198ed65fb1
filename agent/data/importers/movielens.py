"""MovieLens: readers for every layout in which it is handed out, from a folder or a zip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from agent.data.archive import DatasetError, Files, folders
from agent.data.card import Card, CardFacet, Column, Columns
from agent.data.grades import STAR_SCALES
from agent.data.importers.events import Findings, Parsed, checked_items, graduated
from agent.data.importers.tables import Options, read_tables
from agent.data.importers.titles import parse_title, parse_year
from agent.data.tables import Problems, Table, first_rows, read_table
from agent.data.values import plain_ids

DOMAIN = "films"

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


_FACETS = {
    "year": CardFacet(kind="year", column="title"),
    "genre": CardFacet(kind="category", column="genres", separator="|", primary=True),
}


@dataclass(frozen=True)
class _Read:
    """The tables of one layout before the checks of their rows."""

    ratings: Table
    items: pd.DataFrame
    users: pd.DataFrame | None = None
    tags: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    name: str
    required: tuple[str, ...]
    read: Callable[[str, Files, Options], Parsed]
    fits: Callable[[Files], bool] = lambda files: True


def read_movielens(path: str | Path, options: Options | None = None) -> Parsed:
    """Read a MovieLens folder or zip of any layout, told by its file names.

    Raises:
        DatasetError: nothing is there, no layout is recognised (the message lists what was found and what is
            expected), or a file cannot be read (the message names file and line).
    """
    path = Path(path)
    parsed = find_movielens(path, options or Options())
    if parsed is not None:
        return parsed
    found = [f"{folder}/{name}" if folder else name for folder, files in folders(path) for name in files]
    listed = ", ".join(sorted(found)[:12]) + (", ..." if len(found) > 12 else "") if found else "no files"
    expected = "; ".join(f"{layout.name}: {' + '.join(layout.required)}" for layout in _LAYOUTS)
    raise DatasetError(f"{path} is no MovieLens data set: found {listed}; expected one of: {expected}")


def find_movielens(path: Path, options: Options) -> Parsed | None:
    """The same, or None where no layout is recognised."""
    for _, files in folders(path):
        for layout in _LAYOUTS:
            if all(_match(files, pattern) for pattern in layout.required) and layout.fits(files):
                return layout.read(layout.name, files, options)
    return None


def _match(files: Files, pattern: str) -> str | None:
    """The one file that fits ``pattern`` ("*.inter" or a plain name), or None."""
    if pattern.startswith("*"):
        hits = [name for name in files if name.endswith(pattern[1:])]
        return hits[0] if len(hits) == 1 else None
    return pattern if pattern in files else None


def _open(files: Files, pattern: str, delimiter: str, columns: tuple[str, ...] | None, problems: Problems) -> Table:
    name = _match(files, pattern)
    assert name is not None
    return read_table(files[name], problems, delimiter, columns)


# --- the layouts -----------------------------------------------------------------------------------------------------


def _recbole(name: str, files: Files, options: Options) -> Parsed:
    problems = Problems()
    ratings = _open(files, "*.inter", "\t", None, problems).named(
        {"user_id": "user", "item_id": "item", "rating": "rating", "timestamp": "timestamp"}
    )
    raw = _open(files, "*.item", "\t", None, problems)
    genres = "class" if "class" in raw.frame else "genre"
    raw = raw.named({"item_id": "item", "movie_title": "title", "release_year": "year", genres: "genre"})
    # RecBole's copy misspells the one item that MovieLens 100K calls "unknown".
    titles = raw.frame["title"].replace("unkonwn", "unknown")
    items = _items(raw.frame["item"], titles, raw.frame["genre"].str.split(), raw.frame["year"].map(parse_year))
    users = None
    if _match(files, "*.user"):
        users = _open(files, "*.user", "\t", None, problems).frame.rename(columns={"user_id": "user"})
    return _checked(name, _Read(ratings, items, users), problems, options)


def _of_films(files: Files) -> bool:
    """Whether RecBole's files are those of a MovieLens set."""
    name = _match(files, "*.item")
    return name is not None and {"movie_title", "release_year"} <= set(first_rows(files[name]).frame.columns)


def _hundred_k(name: str, files: Files, options: Options) -> Parsed:
    problems = Problems()
    ratings = _open(files, "u.data", "\t", ("user", "item", "rating", "timestamp"), problems)
    columns = ("item", "title", "released", "video", "url", *_FLAGS)
    raw = _open(files, "u.item", "|", columns, problems).frame
    flags = raw[list(_FLAGS)].to_numpy() == "1"
    genres = pd.Series([[_FLAGS[i] for i in np.flatnonzero(row)] for row in flags], dtype=object)
    items = _items(raw["item"], raw["title"], genres, raw["released"].str[-4:].map(parse_year), prefer_title=True)
    users = None
    if "u.user" in files:
        users = _open(files, "u.user", "|", ("user", "age", "gender", "occupation", "zip_code"), problems).frame
    return _checked(name, _Read(ratings, items, users), problems, options)


def _dat(name: str, files: Files, options: Options) -> Parsed:
    problems = Problems()
    ratings = _open(files, "ratings.dat", "::", ("user", "item", "rating", "timestamp"), problems)
    raw = _open(files, "movies.dat", "::", ("item", "title", "genres"), problems).frame
    users = tags = None
    if "users.dat" in files:
        columns = ("user", "gender", "age", "occupation", "zip_code")
        users = _open(files, "users.dat", "::", columns, problems).frame
        users = users.assign(occupation=users["occupation"].map(lambda code: _OCCUPATIONS.get(code, code)))
    if "tags.dat" in files:
        tags = _open(files, "tags.dat", "::", ("user", "item", "tag", "timestamp"), problems).frame
    items = _items(raw["item"], raw["title"], raw["genres"].str.split("|"))
    return _checked(name, _Read(ratings, items, users, tags), problems, options)


def _csv(name: str, files: Files, options: Options) -> Parsed:
    """The newer sets; their columns may have other names, and more of them may be there."""
    parsed = read_tables(
        files["movies.csv"], [files["ratings.csv"]], options,
        domain=DOMAIN, dated=True, usual=STAR_SCALES, layout=name,
    )  # fmt: skip
    items, card = parsed.items, parsed.card
    if "genre" in card.facets:
        items = items.assign(genre=pd.Series([_cleaned(names) for names in items["genre"]], dtype=object))
    tags, findings = None, Findings()
    if "tags.csv" in files:
        problems = Problems()
        raw = read_table(files["tags.csv"], problems, ",")
        tags = _checked_tags(raw.named({"userId": "user", "movieId": "item", "tag": "tag"}).frame, items, findings)
        findings.add("malformed_others", problems.skipped.get(raw.name, 0), problems.examples.get(raw.name, []))
    if "links.csv" in files:
        links = read_table(files["links.csv"], Problems(), ",").frame
        items = items.assign(**_links(links, items["item"]))
        known = [own for own in ("imdb_id", "tmdb_id") if own in items]
        card = card.model_copy(update={"identifiers": (*card.identifiers, *known)})
    card = card.model_copy(update={"left_out": (*card.left_out, *findings.left_out())})
    return replace(parsed, items=items, tags=tags, card=card)


_LAYOUTS = (
    _Layout("MovieLens csv (latest, 20M, 25M, 32M)", ("ratings.csv", "movies.csv"), _csv),
    _Layout("MovieLens dat (1M, 10M)", ("ratings.dat", "movies.dat"), _dat),
    _Layout("MovieLens 100K", ("u.data", "u.item"), _hundred_k),
    _Layout("RecBole atomic files", ("*.inter", "*.item"), _recbole, _of_films),
)


def _links(links: pd.DataFrame, items: pd.Series) -> dict[str, pd.Series]:
    """IMDb's and TMDB's ids of the items, "" where there is none; IMDb's as it writes them: tt0114709."""
    found = {}
    for column, name in (("imdbId", "imdb_id"), ("tmdbId", "tmdb_id")):
        if {"movieId", column} <= set(links.columns):
            ids = dict(zip(links["movieId"], plain_ids(links[column]), strict=True))
            own = items.map(ids).fillna("")
            found[name] = own.map(lambda text: f"tt{text:0>7}" if text else "") if name == "imdb_id" else own
    return found


# --- the common form -------------------------------------------------------------------------------------------------


def _cleaned(names: list[str]) -> list[str]:
    return [_GENRE_NAMES.get(g, g) for g in (g.strip() for g in names) if g not in _NO_GENRE]


def _items(
    ids: pd.Series, titles: pd.Series, genres: pd.Series, years: pd.Series | None = None, prefer_title: bool = False
) -> pd.DataFrame:
    given = [None if year is None or pd.isna(year) else int(year) for year in years] if years is not None else None
    parsed = [
        parse_title(title, None if given is None or prefer_title else given[row]) for row, title in enumerate(titles)
    ]
    found = [p.year if p.year is not None or given is None else given[row] for row, p in enumerate(parsed)]
    cleaned = [_cleaned(names) for names in genres]
    return pd.DataFrame(
        {
            "item": ids.to_numpy(dtype=object),
            "title": pd.Series([p.title for p in parsed], dtype=object),
            "year": pd.array(found, dtype="Int64"),
            "genre": pd.Series(cleaned, dtype=object),
            "aliases": pd.Series([list(p.aliases) for p in parsed], dtype=object),
        }
    )


def _checked(name: str, read: _Read, problems: Problems, options: Options) -> Parsed:
    """Apply the row checks, counting what they leave out."""
    findings = Findings()
    items = checked_items(read.items, findings)
    roles = {"user": "user", "item": "item", "rating": "rating", "time": "timestamp"}
    outcome = graduated(read.ratings, roles, items["item"], options.wanted, problems, findings, STAR_SCALES)
    tags = None if read.tags is None else _checked_tags(read.tags, items, findings)
    users = read.users
    if users is not None:
        fits = users["user"].isin(outcome.ratings["user"]) & ~users["user"].duplicated()
        examples = [f"user {user!r}: repeated, or without ratings" for user in users.loc[~fits, "user"].head(3)]
        findings.add("lost_users", int((~fits).sum()), examples)
        users = users[fits].reset_index(drop=True)
    for file, rows in problems.skipped.items():
        of_items = file.endswith(".item") or file.startswith("movies.")
        findings.add("malformed_items" if of_items else "malformed_others", rows, problems.examples.get(file, []))
    taken = {"user": "user", "item": "item", "rating": "rating", "timestamp": "time"}
    card = Card(
        name="",
        layout=name,
        domain=options.domain or DOMAIN,
        domain_why="as given" if options.domain else "the domain of such files",
        columns=Columns(events=tuple(Column(column=column, taken_for=role) for column, role in taken.items())),
        facets=_FACETS,
        feedback=outcome.feedback,
        rows=outcome.rows,
        kept=len(outcome.ratings),
        positive_share=outcome.positive_share,
        left_out=findings.left_out(),
        notes=tuple(findings.notes),
    )
    return Parsed(outcome.ratings, items, users, tags, None, card)


def _checked_tags(tags: pd.DataFrame, items: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Item, tag and user of the tags that are not empty and of known items."""
    fits = tags["item"].isin(items["item"]) & (tags["tag"].str.strip() != "")
    lost = tags.loc[~fits, ["item", "tag"]].head(3).itertuples(index=False)
    examples = [f"tag {tag!r} of item {item!r}: empty, or the item is unknown" for item, tag in lost]
    findings.add("lost_tags", int((~fits).sum()), examples)
    return tags.loc[fits, ["item", "tag", "user"]].reset_index(drop=True)
