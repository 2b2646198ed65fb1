"""A person's own export, or a plain list, becomes that person's history; what was not found is listed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.person_history import PersonHistory, read_history
from agent.data.archive import DatasetError
from agent.data.dataset import load_dataset

LETTERBOXD = (
    "Date,Name,Year,Letterboxd URI,Rating\n"
    "2023-12-25,Home Alone,1990,https://boxd.it/2,5\n"
    '2023-10-06,"Crouching Tiger, Hidden Dragon",2000,https://boxd.it/1,4.5\n'
    "2024-03-20,Birdman or (The Unexpected Virtue of Ignorance),2014,https://boxd.it/4,1.5\n"
    '2023-10-01,"Red, White & Royal Blue",2023,https://boxd.it/3,3\n'
)
IMDB = (
    "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year\n"
    "tt0114709,9,2021-03-04,Another Name,Toy Story,https://x,Movie,8.3,81,1995\n"
    "tt9999999,3,2021-03-05,Unknown Thing,Unknown Thing,https://x,Movie,5,90,2022\n"
)
TRAKT = [
    {"rated_at": "2020-01-02T10:00:00.000Z", "rating": 8, "movie": {"title": "Inception", "year": 2010, "ids": {}}},
    {"rated_at": "2020-01-01T10:00:00.000Z", "rating": 3, "movie": {"title": "x", "ids": {"imdb": "tt0078748"}}},
]
GOODREADS = (
    "Book Id,Title,Author,My Rating,Exclusive Shelf,Date Read,Date Added,ISBN\n"
    '1,Jumanji,A,4,read,2020/01/02,2019/01/01,"=""0439"""\n2,Heat,B,0,read,,2018/01/01,\n3,Casino,C,0,to-read,,2018/01/01,\n'
)
NETFLIX = 'Title,Date\n"Breaking Bad: Season 1: Pilot","12/31/23"\n"Inception","1/2/22"\n"The Matrix","5/6/21"\n'
LINES = (
    "# my list\nAlien (1979), 4.5\n- Crouching Tiger, Hidden Dragon\nTitanic: 2\n300\nThe Godfather ★★★★½\n"
    "3. Amelie 5/5\n2001: A Space Odyssey\nNo Such Thing At All (2020)\n"
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(load_dataset("films"))


def read(history: PersonHistory, catalogue: Catalogue) -> list[tuple[str, float | None]]:
    return [(catalogue[event.item].title, event.rating) for event in history.events]


@pytest.mark.parametrize(
    ("name", "text", "events", "unmatched"),
    [
        (
            "ratings.csv",
            LETTERBOXD,
            [
                ("Crouching Tiger, Hidden Dragon", 4.5),
                ("Home Alone", 5.0),
                ("Birdman: Or (The Unexpected Virtue of Ignorance)", 1.5),
            ],
            ("Red, White & Royal Blue (2023)",),
        ),
        ("imdb.csv", IMDB, [("Toy Story", 4.5)], ("Unknown Thing (2022)",)),
        ("trakt.json", json.dumps(TRAKT), [("Alien", 1.5), ("Inception", 4.0)], ()),
        ("goodreads.csv", GOODREADS, [("Heat", None), ("Jumanji", 4.0)], ()),
        ("NetflixViewingHistory.csv", NETFLIX, [("The Matrix", None), ("Inception", None)], ("Breaking Bad",)),
        (
            "mine.txt",
            LINES,
            [
                ("Alien", 4.5),
                ("Crouching Tiger, Hidden Dragon", None),
                ("Titanic", 2.0),
                ("300", None),
                ("The Godfather", 4.5),
                ("Amelie", 5.0),
                ("2001: A Space Odyssey", None),
            ],
            ("No Such Thing At All (2020)",),
        ),
        ("mine.csv", "title,rating\nAlien (1979),9\nHeat,2\n", [("Alien", 4.5), ("Heat", 1.0)], ()),
        ("mine.json", '["Alien", "Heat (1995)"]', [("Alien", None), ("Heat", None)], ()),
    ],
)
def test_an_export_becomes_a_history(
    catalogue: Catalogue,
    tmp_path: Path,
    name: str,
    text: str,
    events: list[tuple[str, float | None]],
    unmatched: tuple[str, ...],
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    history = read_history(tmp_path / name, catalogue)
    assert read(history, catalogue) == events
    assert history.unmatched == unmatched


def test_years_tell_films_of_one_name_apart(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Sabrina (1954)\nSabrina (1995)\nSabrina (1970)\n")
    history = read_history(tmp_path / "mine.txt", catalogue)
    assert [catalogue[event.item].year for event in history.events] == [1954, 1995]
    assert history.unmatched == ("Sabrina (1970)",)


def test_a_whole_export_as_folder_and_as_zip(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "likes").mkdir(parents=True)
    head = "Date,Name,Year,Letterboxd URI\n"
    files = {
        "ratings.csv": LETTERBOXD,
        "watched.csv": f"{head}2023-10-06,Home Alone,1990,https://boxd.it/2\n2022-01-01,Heat,1995,https://boxd.it/9\n",
        "watchlist.csv": f"{head}2023-10-06,Casino,1995,https://boxd.it/8\n",
        "profile.csv": "Date Joined,Username\n2020-01-01,sample\n",
        "likes/films.csv": f"{head}2024-10-06,Alien,1979,https://boxd.it/7\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    history = read_history(folder, catalogue)
    assert read(history, catalogue) == read(read_history(tmp_path / "export.zip", catalogue), catalogue)
    found = dict(read(history, catalogue))
    assert found["Home Alone"] == 5.0, "a grade stands beside the mere watching"
    assert found["Heat"] is None
    assert (found["Alien"] or 0) >= 4, "a like is positive"
    assert "Casino" not in found


@pytest.mark.parametrize(("name", "data"), [("a.txt", b"\n\n"), ("a.json", b"{"), ("a.bin", b"\x00\x01\x00")])
def test_what_is_no_history_is_refused(catalogue: Catalogue, tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=name.replace(".", r"\.")):
        read_history(tmp_path / name, catalogue)


def test_a_zip_that_unpacks_to_far_more_than_an_export_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ratings.csv", b"0" * 201_000_000)
    with pytest.raises(DatasetError, match=r"bomb\.zip"):
        read_history(tmp_path / "bomb.zip", catalogue)
