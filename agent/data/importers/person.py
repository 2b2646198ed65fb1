"""A person's own history: the export of a site that keeps one, or a plain list of titles."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from agent.data.archive import DatasetError, Files, Source, file_source, folders, is_zip
from agent.data.grades import HIGHEST, LOWEST
from agent.data.tables import Problems, Table, cell, read_table
from agent.data.values import clean_name, is_blank, number_in, times, year_in

_SITES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "person_exports.yaml").read_text(encoding="utf-8"))
_GRADE_WORDS = "|".join(_SITES.pop("grade_words").split())
_LIKED_GRADE = 4.5
"""The grade of what was marked as liked and not graded."""
_LARGEST = 200_000_000
"""Bytes that an export may unpack to: it may come from anybody who opens the chat."""
_YEAR = re.compile(r"^(?P<title>.+?)\s*[(\[](?P<year>(?:1[5-9]|20)\d\d)[)\]]\s*$")
_MARKS = re.compile(r"\s*(?P<full>[★⭐*]{1,5})(?P<half>½|1/2)?\s*$")
_GRADE = re.compile(
    rf"(?:\t|\s*[;|:]\s*|\s*,\s*|\s+[-–—=]\s*|\s+(?=\d+(?:\.\d+)?\s*/))"
    rf"(?P<grade>\d+(?:[.,]\d+)?)(?:\s*/\s*(?P<of>\d+)|\s*(?:{_GRADE_WORDS})\b.*)?\s*$",
    re.IGNORECASE,
)
_TITLE_COLUMNS = ("title", "name", "item", "what")
_GRADE_COLUMNS = ("rating", "grade", "score", "mine", "vote", "your rating", "my rating")


@dataclass(frozen=True)
class Had:
    """One thing that a person had.

    Attributes:
        title: its name, ``also`` another one.
        year: of the item; None where it is not said.
        grade: from 0.5 to 5; None: had it, said nothing.
        timestamp: seconds since 1970; None where it is not said.
        identifiers: what it is called elsewhere, by our names of identifiers.
    """

    title: str
    also: str = ""
    year: int | None = None
    grade: float | None = None
    timestamp: float | None = None
    identifiers: Mapping[str, str] = field(default_factory=dict)


def read_person(path: Path) -> tuple[Had, ...]:
    """What the person had, oldest first as far as times are known, from a file, a folder or a zip.

    Letterboxd, IMDb, Trakt, Goodreads and Netflix are told by their columns; any table with titles is read, and text
    with a title a line, each perhaps with a year and a grade ("Alien (1979), 4.5").

    Raises:
        DatasetError: nothing there can be read as a history.
    """
    if is_zip(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > _LARGEST:
            raise DatasetError(
                f"{path.name} unpacks to {size:,} bytes, which is more than one person has: give the export"
            )
    if path.is_dir() or is_zip(path):
        found: list[Had] = []
        seen: list[str] = []
        for folder, files in folders(path):
            seen += files
            found += _of_folder(folder, files)
        if not found:
            shown = ", ".join(seen[:8]) or "no files"
            raise DatasetError(f"{path} holds no history of a person (found {shown}): give the export as it came")
        return _in_order(found)
    return _in_order(_of_file(file_source(path)))


def site_of(columns: Iterable[str]) -> str | None:
    """The site whose export has such columns; None for any other table."""
    there = [str(column) for column in columns]
    for site, says in _SITES.items():
        fits = all(any(own in there for own in need.split("|")) for need in says["needs"])
        if fits and (not says.get("exactly") or len(there) == len(says["needs"])):
            return site
    return None


def _of_folder(folder: str, files: Files) -> list[Had]:
    """The tables of one folder of an export; a folder of likes grades what it lists."""
    found = []
    for name, source in files.items():
        if source.suffix not in (".csv", ".json") or not source.read().strip():
            continue
        liked = "like" in folder.casefold()
        if any(word in f"{folder}/{name}".casefold() for word in ("watchlist", "deleted", "orphaned", "comments")):
            continue
        try:
            if source.suffix == ".csv":
                table = read_table(source, Problems(), ",")
                site = site_of(table.frame.columns)
                rows = [] if site is None else _of_site(table, _SITES[site])
            else:
                rows = _of_json(source)
        except DatasetError:
            continue
        found += [Had(**{**vars(own), "grade": own.grade or _LIKED_GRADE}) for own in rows] if liked else rows
    return found


def _of_file(source: Source) -> list[Had]:
    if source.suffix == ".json":
        found = _of_json(source)
    elif source.suffix in (".csv", ".tsv"):
        table = read_table(source, Problems())
        site = site_of(table.frame.columns)
        if site is not None:
            found = _of_site(table, _SITES[site])
        elif any(str(own).casefold() in _TITLE_COLUMNS for own in table.frame.columns):
            found = _of_any_table(table)
        else:
            found = _of_lines(source)
    else:
        found = _of_lines(source)
    if not found:
        raise DatasetError(f"{source.name} holds no titles: give an export, or a text with a title a line")
    return found


# --- tables ----------------------------------------------------------------------------------------------------------


def _of_site(table: Table, says: Mapping[str, Any]) -> list[Had]:
    frame = table.frame

    def column(name: str | None) -> list[str]:
        if name is None or name not in frame:
            return [""] * len(frame)
        # Goodreads writes numbers as formulas: ="0439023483".
        return ["" if is_blank(own) else own.removeprefix("=").strip('"') for own in frame[name]]

    stamps = [""] * len(frame)
    for name in says.get("time", ()):
        stamps = [own or other for own, other in zip(stamps, column(name), strict=True)]
    moments = times(stamps)
    shelves = column(says.get("shelf"))
    part = re.compile(says["part"]) if "part" in says else None
    identifiers = {name: column(own) for name, own in says.get("identifiers", {}).items()}
    found = []
    rows = zip(*(column(says.get(own)) for own in ("title", "also", "year", "grade")), strict=True)
    for row, (title, also, year, grade) in enumerate(rows):
        if not title or shelves[row] in says.get("not_had", ()):
            continue
        if part is not None and (begins := part.search(title)):
            title = title[: begins.start()]
        given = None if grade == says.get("unrated") else _graded(number_in(grade), float(says.get("out_of", HIGHEST)))
        known = {name: values[row] for name, values in identifiers.items() if values[row]}
        moment = None if np.isnan(moments[row]) else float(moments[row])
        found.append(Had(clean_name(title), clean_name(also), year_in(year), given, moment, known))
    return found


def _of_any_table(table: Table) -> list[Had]:
    names = {str(own).casefold(): str(own) for own in table.frame.columns}
    title = next(names[own] for own in _TITLE_COLUMNS if own in names)
    grade = next((names[own] for own in _GRADE_COLUMNS if own in names), None)
    values = [number_in(own) for own in table.frame[grade]] if grade is not None else [float("nan")] * len(table.frame)
    out_of = _out_of(values)
    years = table.frame[names["year"]] if "year" in names else [""] * len(table.frame)
    found = []
    for text, value, year in zip(table.frame[title], values, years, strict=True):
        if not is_blank(text):
            name, own = _title_and_year(clean_name(text))
            found.append(Had(name, year=year_in(year) or own, grade=_graded(value, out_of)))
    return found


def _of_json(source: Source) -> list[Had]:
    """Trakt's lists: what was rated or watched stands in an object of its own, beside the grade and the time."""
    try:
        data = json.loads(source.read().decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError) as error:
        raise DatasetError(f"{source.name} is not JSON: {error}") from error
    entries = (
        data if isinstance(data, list) else [own for value in data.values() if isinstance(value, list) for own in value]
    )
    found = []
    for entry in entries:
        if isinstance(entry, str):
            name, year = _title_and_year(clean_name(entry))
            found.append(Had(name, year=year))
        if not isinstance(entry, dict):
            continue
        whole = next((own for own in entry.values() if isinstance(own, dict) and "title" in own), entry)
        if not whole.get("title"):
            continue
        grade = number_in(cell(entry.get("rating", entry.get("grade"))))
        stamp = next((str(own) for key, own in entry.items() if key.endswith("_at") and own), "")
        moment = float(times([stamp])[0])
        ids: Any = whole.get("ids")
        ids = ids if isinstance(ids, dict) else {}
        known = {f"{name}_id": cell(ids[name]) for name in ("imdb", "tmdb") if ids.get(name)}
        name, year = _title_and_year(clean_name(str(whole["title"])))
        given = year_in(cell(whole.get("year"))) or year
        out_of = 2 * HIGHEST if stamp or known or grade > HIGHEST else HIGHEST
        found.append(Had(name, "", given, _graded(grade, out_of), None if np.isnan(moment) else moment, known))
    return found


# --- plain lists -----------------------------------------------------------------------------------------------------


def _of_lines(source: Source) -> list[Had]:
    """A title a line, with or without a year, a number or marks behind it."""
    text = _text(source)
    rows: list[tuple[str, int | None, float, float | None]] = []
    for line in text.splitlines():
        line = re.sub(r"^\s*(?:[-*•·]|\d{1,3}[.)])\s+", "", line).strip()
        if not line or line.startswith("#"):
            continue
        value, out_of = float("nan"), None
        marks = _MARKS.search(line)
        grade = _GRADE.search(line)
        if marks is not None and marks.start():
            value = len(marks["full"]) + 0.5 * bool(marks["half"])
            out_of, line = HIGHEST, line[: marks.start()]
        elif grade is not None and grade.start() and float(grade["grade"].replace(",", ".")) <= 100:
            value = float(grade["grade"].replace(",", "."))
            out_of, line = float(grade["of"]) if grade["of"] else None, line[: grade.start()]
        name, year = _title_and_year(clean_name(line.strip().strip('"“”').rstrip(" ,;:-–")))
        if name:
            rows.append((name, year, value, out_of))
    usual = _out_of([value for _, _, value, out_of in rows if out_of is None])
    return [Had(name, year=year, grade=_graded(value, out_of or usual)) for name, year, value, out_of in rows]


def _text(source: Source) -> str:
    data = source.read()
    if b"\x00" in data[:4000] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DatasetError(f"{source.name} is no text: give an export, or a text with a title a line")
    for encoding in ("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _title_and_year(text: str) -> tuple[str, int | None]:
    match = _YEAR.match(text)
    return (match["title"], int(match["year"])) if match else (text, None)


def _out_of(values: Sequence[float]) -> float:
    """The end of the scale of a person's numbers: 5, 10 or 100."""
    most = max((value for value in values if value == value), default=0.0)
    return HIGHEST if most <= 5 else 10.0 if most <= 10 else 100.0


def _graded(value: float, out_of: float) -> float | None:
    if value != value:
        return None
    return float(np.clip(value * HIGHEST / out_of, LOWEST, HIGHEST))


def _in_order(found: Sequence[Had]) -> tuple[Had, ...]:
    """By time; what has none comes first, as it stands in the file."""
    return tuple(sorted(found, key=lambda own: own.timestamp if own.timestamp is not None else float("-inf")))
