"""Every MovieLens layout is read alike, and what is left out is counted."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from agent.data.assets import MOVIELENS_100K, asset_path
from agent.data.dataset import Dataset, DatasetError, describe, import_dataset, load_dataset
from agent.data.importers.movielens import read_movielens
from tests.left_out import left_out

GENRE_WORDS = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CONCIERGE_CACHE", str(folder))
    return folder


@pytest.fixture
def csv_folder(tmp_path: Path) -> Path:
    """A tiny set of the "latest" layout."""
    folder = tmp_path / "ml-tiny"
    folder.mkdir()
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n"
        '10,"Godfather, The (1972)",Crime|Drama\n'
        "2,Jumanji (1995),Adventure|Children's\n"
        "33,Paterson,(no genres listed)\n",
        encoding="utf-8",
    )
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n10,2,4.0,300\n2,2,0.5,200\n2,10,5.0,100\n10,33,3.5,300\n", encoding="utf-8"
    )
    return folder


def read_atomic(part: str) -> list[dict[str, str]]:
    folder = asset_path(MOVIELENS_100K)
    assert folder is not None
    with (folder / f"ml-100k.{part}").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [dict(zip([name.split(":")[0] for name in rows[0]], row, strict=True)) for row in rows[1:]]


# --- real data -------------------------------------------------------------------------------------------------------


def test_movielens_100k_is_whole(dataset: Dataset) -> None:
    facts = describe(dataset)
    assert (facts["users"], facts["items"], facts["interactions"]) == (943, 1682, 100_000)
    # The histogram that the set's own README and every paper on it give.
    assert facts["ratings"] == {"1": 6110, "2": 11370, "3": 27145, "4": 34174, "5": 21201}
    assert (facts["first"], facts["last"]) == ("1997-09-20", "1998-04-22")
    assert facts["per_user"] == {"min": 20, "median": 65.0, "max": 737}
    assert facts["items_of_same_title_and_year"] == 36
    assert facts["density"] == pytest.approx(0.063047, abs=1e-6)


def test_titles_years_and_genres_are_as_displayed(dataset: Dataset) -> None:
    items = dataset.items.set_index("item")
    assert list(items.index) == [str(number) for number in range(1, 1683)]
    assert list(items.loc["127", ["title", "year", "genre"]]) == [
        "The Godfather",
        1972,
        ["Action", "Crime", "Drama"],
    ]
    assert items.loc["8", "genre"] == ["Children", "Comedy", "Drama"]
    assert items.loc["113", "aliases"] == ["Le Hussard sur le toit"]
    assert list(items.loc["1412", ["title", "year"]]) == ["Land Before Time III: The Time of the Great Giving", 1995]
    assert items.loc["267", "title"] == "unknown"
    assert items.loc["267", "year"] is pd.NA
    assert items.loc["267", "genre"] == []
    assert items["year"].isna().sum() == 1


def test_ratings_are_ordered_by_user_and_time(dataset: Dataset) -> None:
    ratings = dataset.ratings
    assert list(dict.fromkeys(ratings["user"])) == [str(number) for number in range(1, 944)]
    assert (ratings.groupby("user", sort=False)["timestamp"].diff().dropna() >= 0).all()
    assert list(map(str, ratings.dtypes)) == ["object", "object", "float64", "int64"]
    assert not ratings.duplicated(["user", "item"]).any()
    assert dataset.users is not None
    assert dataset.users.iloc[0].to_dict() == {
        "user": "1", "age": "24", "gender": "M", "occupation": "technician", "zip_code": "85711",
    }  # fmt: skip


@pytest.fixture(scope="module")
def original_100k(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """The files u.data, u.item and u.user as GroupLens hands them out, written from the fetched copy."""
    folder = tmp_path_factory.mktemp("groups") / "ml-100k"
    folder.mkdir()
    rows = ["\t".join(row.values()) for row in read_atomic("inter")]
    (folder / "u.data").write_text("\n".join(rows) + "\n", encoding="latin-1")
    rows = ["|".join(row.values()) for row in read_atomic("user")]
    (folder / "u.user").write_text("\n".join(rows) + "\n", encoding="latin-1")
    rows = []
    for row in read_atomic("item"):
        title, year = row["movie_title"].replace("unkonwn", "unknown"), row["release_year"]
        dated = title if title == "unknown" else f"{title} ({year})"
        released = f"01-Jan-{year}" if year.isdecimal() else ""
        flags = "|".join(str(int(genre in row["class"].split())) for genre in GENRE_WORDS.split())
        rows.append(f"{row['item_id']}|{dated}|{released}||http://example.org/{row['item_id']}|{flags}")
    (folder / "u.item").write_text("\n".join(rows) + "\n", encoding="latin-1")
    return folder


@pytest.mark.parametrize("form", ["folder", "zip", "zip with folder", "parent folder"])
def test_the_original_100k_layout_gives_the_same_data(
    dataset: Dataset, original_100k: Path, tmp_path: Path, cache: Path, form: str
) -> None:
    source = original_100k
    if form == "parent folder":
        source = original_100k.parent
    elif form.startswith("zip"):
        source = tmp_path / "original.zip"
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in original_100k.iterdir():
                archive.write(path, f"ml-100k/{path.name}" if "folder" in form else path.name)
    imported = import_dataset(source, "original")
    pd.testing.assert_frame_equal(imported.ratings, dataset.ratings)
    pd.testing.assert_frame_equal(imported.items, dataset.items)
    assert imported.users is not None
    assert dataset.users is not None
    pd.testing.assert_frame_equal(imported.users, dataset.users)
    assert imported.fingerprint == dataset.fingerprint
    assert (imported.card.layout, imported.card.rows, imported.card.kept) == ("MovieLens 100K", 100_000, 100_000)


def test_ml_latest_small(shared: Path, cache: Path) -> None:
    imported = import_dataset(shared / "ml-latest-small", "latest")
    assert (imported.card.rows, imported.card.kept, imported.card.left_out) == (100_836, 100_836, ())
    stored = load_dataset("latest")
    pd.testing.assert_frame_equal(stored.ratings, imported.ratings)
    pd.testing.assert_frame_equal(stored.items, imported.items)
    assert stored.tags is not None
    assert list(stored.tags.columns) == ["item", "tag", "user"]
    facts = describe(stored)
    assert (facts["users"], facts["items"], facts["tags"]) == (610, 9742, 3683)
    assert facts["ratings"]["0.5"] == 1370
    assert (facts["facets"]["year"]["known"], facts["facets"]["genre"]["known"]) == (9742 - 12, 9742 - 34)
    items = stored.items.set_index("item")
    assert list(items.loc["293", ["title", "aliases"]]) == ["Léon: The Professional", ["The Professional", "Léon"]]
    assert list(items.loc["171749", ["title", "year", "genre"]]) == ["Death Note: Desu nôto", 2006, []]
    assert list(items.loc["1", ["imdb_id", "tmdb_id"]]) == ["tt0114709", "862"]
    assert stored.domain.name == "films"
    assert {"genre", "year", "tag"} <= set(stored.facets)
    assert stored.users is None


# --- the other layouts -----------------------------------------------------------------------------------------------


def test_the_1m_layout(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "movies.dat").write_bytes(
        "1::Toy Story (1995)::Animation|Children's|Comedy\n"
        "29::City of Lost Children, The (Cité des enfants perdus, La) (1995)::Adventure|Sci-Fi\n".encode("latin-1")
    )
    (folder / "ratings.dat").write_text("1::29::5::978300760\n1::1::4::978300759\n2::1::3::978300000\n")
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    imported = import_dataset(folder, "ml-1m")
    assert imported.items["title"].tolist() == ["Toy Story", "The City of Lost Children"]
    assert imported.items["aliases"].tolist() == [[], ["La Cité des enfants perdus"]]
    assert imported.items["genre"].tolist() == [["Animation", "Children", "Comedy"], ["Adventure", "Sci-Fi"]]
    assert imported.ratings.to_numpy().tolist() == [
        ["1", "1", 4.0, 978300759], ["1", "29", 5.0, 978300760], ["2", "1", 3.0, 978300000],
    ]  # fmt: skip
    assert imported.users is not None
    assert imported.users["occupation"].tolist() == ["K-12_student", "self-employed"]
    assert imported.card.layout == "MovieLens dat (1M, 10M)"


def test_the_10m_layout_has_tags_and_no_users(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "ml-10m"
    folder.mkdir()
    (folder / "movies.dat").write_text("122::Amélie (2001)::Comedy|Romance\n", encoding="utf-8")
    (folder / "ratings.dat").write_text("1::122::4.5::838985046\n")
    (folder / "tags.dat").write_text("15::122::excellent!::1215184630\n15::999::of no item::1215184630\n")
    imported = import_dataset(folder, "ml-10m")
    assert imported.items["title"].tolist() == ["Amélie"]
    assert imported.users is None
    assert imported.tags is not None
    assert imported.tags.to_numpy().tolist() == [["122", "excellent!", "15"]]


def test_ids_are_in_natural_order_and_stay_strings(csv_folder: Path, cache: Path) -> None:
    imported = import_dataset(csv_folder, "tiny")
    assert imported.items["item"].tolist() == ["2", "10", "33"]
    assert imported.items["year"].tolist() == [1995, 1972, pd.NA]
    assert imported.items["genre"].tolist() == [["Adventure", "Children"], ["Crime", "Drama"], []]
    # User 10 rated two films in the same second: the order of the file stands.
    assert imported.ratings[["user", "item"]].to_numpy().tolist() == [
        ["2", "10"],
        ["2", "2"],
        ["10", "2"],
        ["10", "33"],
    ]


# --- bad rows and bad files ------------------------------------------------------------------------------------------


def test_every_row_left_out_is_counted_once(csv_folder: Path, cache: Path) -> None:
    with (csv_folder / "ratings.csv").open("a", encoding="utf-8") as file:
        file.write(
            "3,2,4.0,500\n3,2,2.0,400\n"  # rated again: the later one stands, though it comes first in the file
            "3,33,nan,500\n"  # had it, said nothing
            "4,10,4.0,soon\n"  # no time: the neighbour's stands for it
            "4,2,four,500\n4,2,4.0\n,2,4.0,500\n"
            "4,777,4.0,500\n"  # an item that movies.csv does not have
        )
    with (csv_folder / "movies.csv").open("a", encoding="utf-8") as file:
        file.write("2,Jumanji again (1995),Drama\n34,,Drama\n35,Too,many,columns\n")
    imported = import_dataset(csv_folder, "tiny")
    card = imported.card
    assert (card.rows, card.kept) == (12, 7)
    assert {own.rule: own.rows for own in card.left_out} == {
        "malformed": 3,
        "unknown_items": 1,
        "duplicates": 1,
        "malformed_items": 3,
    }
    assert imported.ratings.query("user == '3'")["rating"].isna().tolist() == [False, True]
    assert imported.ratings.query("user == '4'")["timestamp"].tolist() == [500]
    assert imported.items["title"].tolist() == ["Jumanji", "The Godfather", "Paterson"]
    text = "\n".join(example for own in card.left_out for example in own.examples)
    for part in ("ratings.csv, about line 10", "'four'", "777", "movies.csv: 4 columns instead of 3"):
        assert part in text


def test_a_stray_quote_does_not_hide_the_rows_it_swallows(csv_folder: Path, cache: Path) -> None:
    with (csv_folder / "movies.csv").open("a", encoding="utf-8") as file:
        file.write('50,"Unclosed (1990),Drama\n51,Next (1991),Drama\n52,Last (1992),Drama\n')
    imported = import_dataset(csv_folder, "tiny")
    lost = left_out(imported.card, "malformed_items")
    assert len(imported.items) + lost == 6
    assert lost >= 1


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("ratings.csv", b"", ["ratings.csv, line 1", "empty"]),
        (
            "ratings.csv",
            "userId,movieId,rating,timestamp\né,2,4,5\n".encode() + b"1,\xff,4,5\n",
            ["ratings.csv, line 3", "UTF-8"],
        ),
        ("ratings.csv", b"userId,movieId,rating,timestamp\n1,2,4\x00,5\n", ["ratings.csv, line 2", "binary"]),
        ("ratings.csv", b"a,b,c,d\n1,99,4,5\n", ["ratings.csv", "a, b, c, d", "--column NAME=item"]),
        (
            "ratings.csv",
            b"userId,movieId,rating,timestamp\na,2,c,1\ne,2,g,2\ne,2,5,2\n",
            ["ratings.csv, about line 2", "2 of 3"],
        ),
        ("ratings.csv", b"userId,movieId,rating,timestamp\n", ["ratings.csv", "no readable ratings"]),
    ],
)
def test_an_unreadable_file_is_named_with_its_line(csv_folder: Path, name: str, data: bytes, words: list[str]) -> None:
    (csv_folder / name).write_bytes(data)
    with pytest.raises(DatasetError) as caught:
        read_movielens(csv_folder)
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_folder_says_what_was_found_and_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text("id,title\n1,Emma\n")
    with pytest.raises(DatasetError, match=r"books\.csv.*ratings\.csv \+ movies\.csv.*u\.data \+ u\.item"):
        read_movielens(tmp_path)
    with pytest.raises(DatasetError, match=r"books\.csv is neither a folder nor a zip"):
        read_movielens(tmp_path / "books.csv")
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        read_movielens(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../ratings.csv", "/etc/ratings.csv", "a/../../ratings.csv", "..\\ratings.csv"])
def test_a_zip_that_points_outside_itself_is_refused(csv_folder: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "forged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(csv_folder / "movies.csv", "movies.csv")
        archive.writestr(name, (csv_folder / "ratings.csv").read_text())
    with pytest.raises(DatasetError, match="unsafe member name"):
        read_movielens(path)


def test_a_damaged_zip_is_named(csv_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in ("movies.csv", "ratings.csv"):
            archive.write(csv_folder / part, part)
    data = bytearray(path.read_bytes())
    position = data.index(b"10,2,4.0,300")
    data[position] = ord("9")
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match=r"member ratings\.csv cannot be read"):
        read_movielens(path)


# --- names and the cache ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "-x", "x" * 65, "ünder"])
def test_bad_names_are_refused(csv_folder: Path, cache: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="bad data set name"):
        import_dataset(csv_folder, name)
    with pytest.raises(DatasetError, match="bad data set name"):
        load_dataset(name)


def test_an_unknown_name_lists_the_known_ones_and_the_fix(csv_folder: Path, cache: Path) -> None:
    import_dataset(csv_folder, "tiny")
    with pytest.raises(
        DatasetError, match=r"'nope' \(known: films, tiny\): run `concierge data import PATH --name nope`"
    ):
        load_dataset("nope")
    with pytest.raises(FileNotFoundError, match="concierge data fetch"):
        load_dataset("ml-100k")


def test_a_taken_name_is_replaced_only_when_asked(csv_folder: Path, cache: Path) -> None:
    first = import_dataset(csv_folder, "tiny")
    with (csv_folder / "ratings.csv").open("a") as file:
        file.write("2,33,1.0,400\n")
    with pytest.raises(DatasetError, match="exists already"):
        import_dataset(csv_folder, "tiny")
    assert load_dataset("tiny").fingerprint == first.fingerprint
    second = import_dataset(csv_folder, "tiny", replace=True)
    assert load_dataset("tiny").fingerprint == second.fingerprint != first.fingerprint
    folders = [path.name for path in (cache / "datasets").iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_a_damaged_copy_is_told_from_a_whole_one(csv_folder: Path, cache: Path) -> None:
    import_dataset(csv_folder, "tiny")
    next((cache / "datasets").glob("tiny-*/items.parquet")).write_bytes(b"cut off")
    with pytest.raises(DatasetError, match=r"damaged.*--name tiny --replace"):
        load_dataset("tiny")
