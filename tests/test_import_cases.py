"""Inputs that once failed, as people brought them: read where it can be told what is meant, else refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.archive import DatasetError
from agent.data.dataset import Dataset, describe, import_dataset, names
from agent.data.grades import Wanted
from agent.data.importers.tables import Options
from agent.data.interactions import indexed_ratings, user_histories
from tests.left_out import left_out

ROOT = Path(__file__).resolve().parent.parent
MOVIES = (
    "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation|Children|Comedy|Fantasy\n"
    '2,"American President, The (1995)",Comedy|Drama|Romance\n3,"Cité des enfants perdus, La (1995)",Fantasy\n'
)
RATINGS = (
    "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,2,3.5,964982704\n2,3,5.0,964982705\n2,1,2.0,964982706\n"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "set"
    found.mkdir()
    (found / "movies.csv").write_text(MOVIES, encoding="utf-8")
    (found / "ratings.csv").write_text(RATINGS, encoding="utf-8")
    return found


def grades(dataset: Dataset) -> list[float]:
    return [float(own) for own in dataset.ratings["rating"]]


@pytest.mark.parametrize(
    ("case", "events", "items"),
    [
        ("isotime", 4, 3),
        ("mstime", 3, 3),
        ("hugetime", 3, 3),
        ("headless", 4, 3),
        ("latin1csv", 4, 3),
        ("newline", 4, 5),
        ("nested", 4, 3),
        ("thumbs", 4, 3),
        ("tmdb", 4, 3),
        ("oneuser", 15, 20),
        ("movietweetings_nousers", 11, 7),
    ],
)
def test_every_case_of_an_import_is_read_whole(case: str, events: int, items: int) -> None:
    path = ROOT.parent / "shared" / "cases" / "imports" / case
    if not path.is_dir():
        pytest.skip(f"needs the collected cases in {path}")
    dataset = import_dataset(path, "case")
    assert (len(dataset.ratings), len(dataset.items)) == (events, items)
    assert dataset.card.left_out == ()
    assert dataset.domain.name == "films"
    assert dataset.card.feedback.stated


def test_ten_points_are_no_five_stars(tmp_path: Path) -> None:
    folder = tmp_path / "tweets"
    folder.mkdir()
    (folder / "movies.dat").write_text("0068646::The Godfather (1972)::Crime|Drama\n0078748::Alien (1979)::Horror\n")
    (folder / "ratings.dat").write_text("1::0068646::10::1\n1::0078748::2::2\n2::0068646::8::1\n2::0078748::0::2\n")
    dataset = import_dataset(folder, "tweets")
    assert grades(dataset) == [5, 1, 4, 0.5]
    assert dataset.card.feedback.scale == "0-10"
    again = import_dataset(folder, "seven", options=Options(wanted=Wanted(positive="rating >= 9")))
    assert [own >= 4 for own in grades(again)] == [True, False, False, False]


def test_a_thumb_down_is_no_like(folder: Path) -> None:
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,1,1\n1,2,0,2\n2,3,1,3\n2,1,-1,4\n")
    dataset = import_dataset(folder, "thumbs")
    assert [own if own == own else None for own in grades(dataset)] == [5, None, 5, 1]
    assert Catalogue(dataset).like_count.tolist() == [1, 0, 1]


@pytest.mark.parametrize("values", [["5", "5", "5", "5"], ["1", "1", "1", "1"]])
def test_one_grade_for_all_is_read_and_its_limits_told(folder: Path, values: list[str]) -> None:
    rows = [f"{user},{item},{value},{user}" for user, item, value in zip("1122", "1231", values, strict=True)]
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "\n".join(rows))
    dataset = import_dataset(folder, "even")
    assert any("cannot be told from" in note for note in dataset.card.notes)
    assert describe(dataset)["interactions"] == 4


def test_one_person_only_and_one_event_each_are_told(folder: Path) -> None:
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4,1\n1,2,2,2\n")
    assert any("one person only" in note for note in import_dataset(folder, "one").card.notes)
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4,1\n2,2,2,2\n")
    assert any("hardly anybody" in note for note in import_dataset(folder, "thin").card.notes)


def test_a_missing_header_a_strange_time_and_one_folder_too_many(folder: Path) -> None:
    expected = import_dataset(folder, "plain")
    (folder / "ratings.csv").write_text(RATINGS.split("\n", 1)[1])
    assert grades(import_dataset(folder, "headless")) == grades(expected)
    assert import_dataset(folder.parent, "nested").fingerprint == expected.fingerprint
    (folder / "ratings.csv").write_text(RATINGS.replace("964982704", "1e30"))
    strange = import_dataset(folder, "huge")
    assert user_histories(indexed_ratings(strange)).keys() == {"1", "2"}
    assert "ratings.csv, about line 3" in strange.card.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(folder: Path, encoding: str, ending: str) -> None:
    for name, text in (("movies.csv", MOVIES), ("ratings.csv", RATINGS)):
        (folder / name).write_bytes(text.replace("\n", ending).encode(encoding))
    dataset = import_dataset(folder, "encoded")
    assert dataset.items["title"].tolist() == ["Toy Story", "The American President", "La Cité des enfants perdus"]
    assert grades(dataset) == [4.0, 3.5, 5.0, 2.0]
    assert dataset.card.left_out == ()


def test_lists_of_objects_lists_of_names_and_a_column_of_years(folder: Path) -> None:
    (folder / "movies.csv").write_text(
        "movieId,title,genres,year\n"
        "1,Toy Story,\"[{'id': 16, 'name': 'Animation'}, {'id': 35, 'name': 'Comedy'}]\",1995\n"
        "2,Heat,\"['Action', 'Crime']\",1995\n"
        '3,Sabrina,"Comedy, Romance",1954\n'
    )
    dataset = import_dataset(folder, "tmdb")
    assert dataset.names("genre") == [["Animation", "Comedy"], ["Action", "Crime"], ["Comedy", "Romance"]]
    assert [item.name for item in Catalogue(dataset).items] == ["Toy Story (1995)", "Heat (1995)", "Sabrina (1954)"]


def test_one_persons_export_is_no_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "letterboxd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ratings.csv", "Date,Name,Year,Letterboxd URI,Rating\n2023-10-06,Alien,1979,https://x/1,4.5\n")
    known = names()
    with pytest.raises(DatasetError, match="recommend --history"):
        import_dataset(path, "mine")
    assert names() == known


# --- the real sets ---------------------------------------------------------------------------------------------------


def test_last_fm(shared: Path) -> None:
    files = shared / "lastfm-2k"
    dataset = import_dataset([files / "artists.dat", files / "user_artists.dat"], "lastfm")
    assert (len(dataset.items), dataset.ratings["user"].nunique(), len(dataset.ratings)) == (17_632, 1892, 92_834)
    assert (dataset.domain.name, dataset.card.feedback.kind) == ("music", "counts")
    assert 0.45 < (dataset.card.positive_share or 0) < 0.55


def test_amazon_games(shared: Path) -> None:
    dataset = import_dataset(shared / "amazon-games", "games")
    assert (len(dataset.items), dataset.ratings["user"].nunique(), len(dataset.ratings)) == (16_859, 50_546, 440_264)
    assert dataset.domain.name == "games"
    assert dataset.facets["platform"].primary
    assert not dataset.items["title"].str.contains("&amp;").any()


def test_amazon_office(shared: Path) -> None:
    dataset = import_dataset(shared / "amazon-office", "office")
    assert (len(dataset.items), dataset.ratings["user"].nunique()) == (3459, 3231)
    assert len(dataset.ratings) == 21_188
    one = dataset.ratings.query("user == 'A1179'")["item"].tolist()
    assert one == ["384", "289", "151", "809", "406", "227", "0", "2432", "1595", "1465"]


def test_banking_questions(shared: Path) -> None:
    articles = ROOT / "agent" / "domains" / "support" / "articles.jsonl"
    asked = shared / "support-banking77" / "train.csv"
    dataset = import_dataset(articles, "support", options=Options(domain="support", requests=asked))
    assert dataset.requests is not None
    assert (len(dataset.items), len(dataset.requests), dataset.requests["item"].nunique()) == (77, 10_003, 77)


@pytest.mark.slow
def test_goodbooks(shared: Path) -> None:
    files = shared / "goodbooks-10k"
    dataset = import_dataset([files / "books_v2.csv", files / "ratings_v1.csv"], "goodbooks")
    assert (len(dataset.items), len(dataset.ratings)) == (10_000, 979_478)
    assert left_out(dataset.card, "duplicates") == 2278
    assert dataset.domain.name == "books"
