"""Tables of any kind come in: columns are recognised and shown, rows that do not fit are counted, other tables join."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.data.archive import DatasetError
from agent.data.dataset import (
    Dataset,
    card_path,
    describe,
    import_dataset,
    join_dataset,
    load_dataset,
    names,
    reread_dataset,
)
from agent.data.grades import Wanted
from agent.data.importers.recognition import parse_overrides
from agent.data.importers.tables import Options
from agent.data.interactions import indexed_ratings, user_histories
from agent.records.conditions import Condition
from tests.left_out import left_out
from ui.cli.main import app

SHOP = [
    ("p1", "Slate Teapot", "Kitchen", "19.90", "A heavy teapot of dark slate that keeps tea warm for hours on end."),
    (
        "p2",
        "Oak Tray",
        "Kitchen|Living room",
        "24.00",
        "A tray of oiled oak with two handles, made to carry breakfast.",
    ),
    ("p3", "Wool Rug", "Living room", "120", "A thick rug, woven by hand from the undyed wool of mountain sheep."),
    ("p4", "Desk Lamp", "Office", "", "A lamp with a long arm and a warm light that can be dimmed in five steps."),
]
HEAD = "sku,product_name,department,price,description"
ORDERS = [("anna", "p1"), ("anna", "p2"), ("ben", "p3"), ("ben", "p1"), ("ben", "p4")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.csv"
    path.write_text("\n".join([HEAD, *(",".join(f'"{own}"' for own in row) for row in SHOP)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("customer,product\n" + "".join(f"{user},{item}\n" for user, item in ORDERS), encoding="utf-8")
    return path


def brought(*paths: Path, name: str = "own", **said: Any) -> Dataset:
    columns = parse_overrides(said.pop("column", []))
    return import_dataset(list(paths), name, replace=True, options=Options(columns=columns, **said))


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


# --- what columns stand for ------------------------------------------------------------------------------------------


def test_columns_are_recognised_by_name_and_by_what_they_hold(shop: Path, orders: Path) -> None:
    dataset = brought(shop, orders)
    assert {own.column: own.taken_for for own in dataset.card.columns.items} == {
        "sku": "item",
        "product_name": "title",
        "department": "category",
        "price": "price",
        "description": "description",
    }
    assert {own.column: own.taken_for for own in dataset.card.columns.events} == {"customer": "user", "product": "item"}
    assert {name: facet.kind for name, facet in dataset.facets.items()} == {
        "category": "category",
        "price": "money",
        "description": "text",
    }
    catalogue = Catalogue(load_dataset("own"))
    assert catalogue[1].categories == ("Kitchen", "Living room")
    assert catalogue[0].attributes["price"] == 19.9
    assert "price" not in catalogue[3].attributes
    cheap = catalogue.mask((Condition("price", "at_most", 30.0),))
    assert cheap.tolist() == [True, True, False, False]


def test_unclaimed_columns_become_facets_by_type(tmp_path: Path) -> None:
    rows = "\n".join(
        f"{n},Wine number {n},{'Riesling;Merlot' if n % 3 else 'Merlot'},{1990 + n % 20},€{n + 5}.50,{n % 2},https://x.org/{n}"
        for n in range(60)
    )
    path = write(tmp_path / "cellar.csv", f"id,label,grapes,vintage,bottle,organic,picture\n{rows}\n")
    dataset = brought(path)
    kinds = {name: (facet.kind, facet.unit) for name, facet in dataset.facets.items()}
    assert kinds["grapes"] == ("category", None)
    assert ("year", None) in kinds.values()
    assert kinds["bottle"] == ("money", "€")
    assert dataset.names("grapes")[1] == ["Riesling", "Merlot"]
    assert dataset.names("organic")[:2] == [["no"], ["yes"]]
    assert {own.taken_for for own in dataset.card.columns.items if own.column == "picture"} == {"ignore"}
    assert len(dataset.ratings) == 0 and dataset.card.feedback.kind == "none"
    assert describe(dataset)["users"] == 0
    assert Catalogue(dataset).rating_count.sum() == 0


def test_flags_correct_what_was_taken_for_what(shop: Path, orders: Path) -> None:
    dataset = brought(shop, orders, column=["department=room", "description=ignore", "price=cost:number"])
    assert {name: facet.kind for name, facet in dataset.facets.items()} == {"room": "category", "cost": "number"}
    with pytest.raises(DatasetError, match=r"--column shelf=.*no such column"):
        brought(shop, orders, column=["shelf=room"])
    with pytest.raises(DatasetError, match="unknown kind 'colour'"):
        parse_overrides(["a=b:colour"])


def test_an_edited_card_counts_when_the_source_is_read_again(shop: Path, orders: Path, tmp_path: Path) -> None:
    brought(shop, orders)
    extra = write(tmp_path / "more.csv", "sku,colour\np1,grey\np3,white\n")
    join_dataset("own", extra, "sku")
    path = card_path("own")
    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    for column in card["columns"]["items"]:
        if column["column"] == "department":
            column["taken_for"] = "room"
    card["facets"]["room"] = card["facets"].pop("category")
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    again = reread_dataset("own")
    assert again.names("room")[1] == ["Kitchen", "Living room"]
    assert again.names("colour")[0] == ["grey"], "joined tables stay joined"
    card["facets"]["room"]["kind"] = "colour"
    card_path("own").write_text(yaml.safe_dump(card), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"card\.yaml: facets\.room\.kind"):
        load_dataset("own")


def test_rereading_without_a_change_changes_nothing(shop: Path, tmp_path: Path) -> None:
    events = write(tmp_path / "log.csv", "who,product,action\na,p1,purchase\na,p2,view\nb,p2,purchase\nb,p1,view\n")
    first = brought(shop, events, column=["who=user"])
    again = reread_dataset("own")
    assert again.fingerprint == first.fingerprint
    assert again.card.feedback.weights == first.card.feedback.weights


@pytest.mark.parametrize(
    ("header", "domain"),
    [("book_id,title,authors", "books"), ("artistID,name,url", "music"), ("id,name,price", "_base")],
)
def test_a_domain_is_guessed_only_where_names_are_sure(tmp_path: Path, header: str, domain: str) -> None:
    path = write(tmp_path / "table.csv", f"{header}\n1,One thing,a\n2,Another thing,b\n")
    assert brought(path).domain.name == domain
    assert brought(path, domain="games").domain.name == "games"


def test_a_users_own_domain_claims_columns_and_maps_values(shop: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    write(
        folder / "domain.yaml",
        "name: home\nnouns: {one: piece, many: pieces}\n"
        "facets: {room: {kind: category, primary: true, columns: [department], also: {living room: Lounge}}}\n",
    )
    dataset = brought(shop, domain=str(folder))
    assert dataset.domain.nouns.one == "piece"
    assert dataset.names("room")[1:3] == [["Kitchen", "Lounge"], ["Lounge"]]
    assert load_dataset("own").domain.name == "home"


# --- kinds of files --------------------------------------------------------------------------------------------------


def as_json_by_id(rows: list[dict[str, str]], path: Path) -> Path:
    return write(path.with_suffix(".json"), json.dumps({row.pop("sku"): row for row in rows}))


def as_json_list(rows: list[dict[str, str]], path: Path) -> Path:
    return write(path.with_suffix(".json"), json.dumps(rows))


def as_json_lines(rows: list[dict[str, str]], path: Path) -> Path:
    text = "\n\n".join(json.dumps(row | {"note": "a\u2028b"}, ensure_ascii=False) for row in rows)
    return write(path.with_suffix(".jsonl"), "\ufeff" + text)


def as_parquet(rows: list[dict[str, str]], path: Path) -> Path:
    frame = pd.DataFrame(rows)
    frame["department"] = [own.split("|") for own in frame["department"]]
    frame["price"] = pd.to_numeric(frame["price"])
    frame.to_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def as_tsv(rows: list[dict[str, str]], path: Path) -> Path:
    return write(path.with_suffix(".tsv"), pd.DataFrame(rows).to_csv(sep="\t", index=False))


def as_semicolons(rows: list[dict[str, str]], path: Path) -> Path:
    return write(path.with_suffix(".csv"), pd.DataFrame(rows).to_csv(sep=";", index=False))


def as_gzip(rows: list[dict[str, str]], path: Path) -> Path:
    path = path.with_suffix(".csv.gz")
    path.write_bytes(gzip.compress(pd.DataFrame(rows).to_csv(index=False).encode()))
    return path


def as_carriage_returns(rows: list[dict[str, str]], path: Path) -> Path:
    return write(path.with_suffix(".csv"), pd.DataFrame(rows).to_csv(index=False).replace("\n", "\r"))


def as_utf16(rows: list[dict[str, str]], path: Path) -> Path:
    return write(path.with_suffix(".csv"), pd.DataFrame(rows).to_csv(index=False), "utf-16")


def as_cp1252(rows: list[dict[str, str]], path: Path) -> Path:
    return write(path.with_suffix(".csv"), pd.DataFrame(rows).to_csv(index=False), "cp1252")


@pytest.mark.parametrize(
    "form",
    [as_json_by_id, as_json_list, as_json_lines, as_parquet, as_tsv, as_semicolons, as_gzip, as_carriage_returns,
     as_utf16, as_cp1252],
)  # fmt: skip
def test_every_kind_of_file_gives_the_same_items(
    shop: Path, tmp_path: Path, form: Callable[[list[dict[str, str]], Path], Path]
) -> None:
    rows = [dict(zip(HEAD.split(","), row, strict=True)) for row in SHOP]
    rows[0]["product_name"] = "Théière d’ardoise"
    expected = brought(write(shop, pd.DataFrame(rows).to_csv(index=False))).items
    path = form([dict(row) for row in rows], tmp_path / "other")
    found = brought(path, name="other").items
    pd.testing.assert_frame_equal(found[expected.columns], expected)


def test_quoted_line_breaks_are_no_malformed_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 'id,name\n1,"Two\nlines"\n2,"The ""Burbs"""\n3,Last\n')
    dataset = brought(path)
    assert dataset.items["title"].tolist() == ["Two lines", 'The "Burbs"', "Last"]
    assert dataset.card.left_out == ()


def test_quotes_that_swallow_rows_do_not_go_uncounted(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 'id,name\n1,"Unclosed\n2,Second\n3,Third\n4,"Again\n5,Fifth\n')
    dataset = brought(path)
    assert len(dataset.items) + left_out(dataset.card, "malformed_items") == 5


@pytest.mark.parametrize(
    ("stamps", "first"),
    [
        (["2005-04-02 23:53:47", "2009-01-01T01:13:49Z"], 1112486027),
        (["964982703000", "964982704000"], 964982703),
        (["964982703", "1e30"], 964982703),
        (["20150607", "20150608"], 1433635200),
        (["31/12/2023", "13/01/2024"], 1703980800),
    ],
)
def test_times_in_any_form(shop: Path, tmp_path: Path, stamps: list[str], first: int) -> None:
    events = write(tmp_path / "e.csv", f"user_id,sku,timestamp\na,p1,{stamps[0]}\na,p2,{stamps[1]}\n")
    dataset = brought(shop, events)
    assert dataset.ratings["timestamp"].dtype == np.int64
    assert dataset.ratings["timestamp"].iloc[0] == first
    assert dataset.ratings["item"].tolist() == ["p1", "p2"]


def test_without_times_the_order_of_the_file_stands(shop: Path, orders: Path) -> None:
    dataset = brought(shop, orders)
    assert dataset.ratings["timestamp"].isna().all()
    histories = user_histories(indexed_ratings(load_dataset("own")))
    assert [event.item for event in histories["ben"]] == [2, 0, 3]
    assert {event.timestamp for event in histories["ben"]} == {None}
    assert describe(dataset)["first"] is None


def test_events_without_a_grade_are_kept_as_had(shop: Path, orders: Path) -> None:
    dataset = brought(shop, orders, wanted=Wanted(positive="none"))
    assert dataset.ratings["rating"].isna().all()
    assert {event.rating for event in user_histories(indexed_ratings(dataset))["anna"]} == {None}
    assert Catalogue(dataset).rating_count.tolist() == [2, 1, 1, 1]


def test_sessions_stand_for_people_that_are_not_known(shop: Path, tmp_path: Path) -> None:
    events = write(tmp_path / "e.csv", "session_id,sku\ns1,p1\ns1,p2\ns2,p3\n")
    assert brought(shop, events).ratings["user"].nunique() == 2
    events = write(tmp_path / "f.csv", "sku,when\np1,2020-01-01\np2,2020-01-02\n")
    dataset = brought(shop, events)
    assert len(dataset.ratings) == 0
    assert any("users or sessions" in note for note in dataset.card.notes)


def test_the_strongest_event_of_one_person_with_one_item_stands(shop: Path, tmp_path: Path) -> None:
    events = write(
        tmp_path / "e.csv", "user,sku,event\na,p1,purchase\na,p1,view\na,p2,view\nb,p2,purchase\nb,p3,remove\n"
    )
    grades = brought(shop, events).ratings.set_index(["user", "item"])["rating"]
    assert grades["a", "p1"] == 5 and np.isnan(grades["a", "p2"]) and grades["b", "p3"] == 1


def test_counts_of_one_person_and_item_are_added_up(shop: Path, tmp_path: Path) -> None:
    events = write(tmp_path / "e.csv", "user,sku,plays\na,p1,30\na,p1,30\na,p2,50\na,p3,1\n")
    grades = brought(shop, events).ratings.set_index("item")["rating"]
    assert grades["p1"] > grades["p2"] > grades["p3"]


def test_rows_that_hold_histories_are_put_together_in_order(tmp_path: Path) -> None:
    items = write(
        tmp_path / "x.item", "item_id:token\ttitle:token_seq\n" + "".join(f"{n}\tThing {n}\n" for n in range(9))
    )
    events = write(
        tmp_path / "x.inter",
        "user_id:token\titem_id_list:token_seq\titem_id:token\nu\t0 1\t2\nu\t0 1 2\t3\nv\t5\t6\nu\t2 3\t4\n",
    )
    dataset = brought(items, events)
    assert dataset.ratings.query("user == 'u'")["item"].tolist() == ["0", "1", "2", "3", "4"]
    assert dataset.ratings.query("user == 'v'")["item"].tolist() == ["5", "6"]


def test_a_folder_and_a_zip_of_tables_are_sorted_out(shop: Path, orders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "deep" / "deeper"
    folder.mkdir(parents=True)
    for path in (shop, orders):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "README.md").write_text("what this is")
    (folder / "README.txt").write_text("what,this\nis,not\n")
    dataset = brought(tmp_path / "data")
    assert (len(dataset.items), len(dataset.ratings)) == (4, 5)
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.iterdir():
            file.write(path, f"deep/deeper/{path.name}")
    assert brought(archive, name="zipped").fingerprint == dataset.fingerprint


def test_ids_written_in_other_ways_are_found(tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "id,title\n0068646,One\n0078748,Two\n")
    events = write(tmp_path / "e.csv", "user,id,rating\na,68646,5\na,tt0078748,1\nb,78748.0,4\n")
    assert brought(items, events).ratings["item"].tolist() == ["0068646", "0078748", "0078748"]


# --- what cannot be read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "events", "words"),
    [
        ("", None, ["shop.csv, line 1", "empty"]),
        ("colour,size\nred,2\nred,2\n", None, ["no column of item ids", "--column NAME=item"]),
        (None, "a,b\n1,x\n", ["no column among a, b", "--column NAME=item"]),
        (None, "user,sku\na,x9\n", ["events.csv", "about line 2", "unknown item", "x9"]),
        (None, "user,sku,rating\na,p1,3\na,p2,4\n", ["scale of rating", "--scale 1-5"]),
    ],
)
def test_a_failed_import_names_the_fix_and_leaves_nothing(
    shop: Path, tmp_path: Path, cache: Path, items: str | None, events: str | None, words: list[str]
) -> None:
    if items is not None:
        write(shop, items)
    paths = [shop] if events is None else [shop, write(tmp_path / "events.csv", events)]
    known = names()
    with pytest.raises(DatasetError) as caught:
        brought(*paths)
    for word in words:
        assert word in str(caught.value)
    assert names() == known
    assert not [path for path in (cache / "datasets").glob("*") if path.is_dir()]


def test_a_failed_import_leaves_the_old_set_as_it_was(shop: Path, orders: Path) -> None:
    first = brought(shop, orders)
    write(orders, "user,sku,rating\na,p1,3\na,p2,4\n")
    with pytest.raises(DatasetError):
        brought(shop, orders)
    assert load_dataset("own").fingerprint == first.fingerprint


# --- joining and requests --------------------------------------------------------------------------------------------


def test_joining_adds_facets_and_keeps_what_is_there(shop: Path, orders: Path, tmp_path: Path) -> None:
    brought(shop, orders)
    more = write(
        tmp_path / "more.csv",
        "SKU,product_name,price,material,weight_kg\np1,Teapot,99,slate,1.5\np3,Rug,99,wool,4\np4,Lamp,59,steel,2\nq,?,1,tin,1\n",
    )
    dataset, told = join_dataset("own", more, "sku")
    assert "3 of 4 items" in told
    assert dataset.numbers("price").tolist() == [19.9, 24.0, 120.0, 59.0]
    assert dataset.names("material") == [["slate"], [], ["wool"], ["steel"]]
    stored = load_dataset("own")
    assert stored.names("material") == dataset.names("material")
    assert stored.items["title"].tolist()[0] == "Slate Teapot"
    with pytest.raises(DatasetError, match="no column 'colour'"):
        join_dataset("own", more, "colour")
    with pytest.raises(DatasetError, match="no facet 'smell'"):
        join_dataset("own", more, "sku", only=["smell"])


def test_many_rows_of_one_item_give_the_names_that_are_said_most(shop: Path, orders: Path, tmp_path: Path) -> None:
    brought(shop, orders)
    said = write(tmp_path / "said.tsv", "user\tsku\ttag\n1\tp1\t7\n2\tp1\t7\n3\tp1\t8\n1\tp2\t8\n2\tp2\t8\n3\tp2\t8\n")
    labels = write(tmp_path / "tags.tsv", "tag\tvalue\n7\tcosy\n8\tlight\n")
    dataset, _ = join_dataset("own", said, "sku", names_from=labels)
    assert dataset.names("value")[:2] == [["cosy"], ["light"]]


def test_identifiers_are_kept_and_joined_on(tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "id,title,imdbId\n1,One,0114709\n2,Two,0113497\n")
    brought(items)
    facts = write(tmp_path / "f.csv", "imdb_id,director\ntt0114709,A. Person\n113497,B. Person\n")
    dataset, _ = join_dataset("own", facts, "imdb_id")
    assert dataset.names("director") == [["A. Person"], ["B. Person"]]


def test_requests_with_a_known_answer_are_kept(tmp_path: Path) -> None:
    items = write(
        tmp_path / "articles.jsonl", '{"item": "late", "title": "It is late"}\n{"item": "lost", "title": "Lost"}\n'
    )
    asked = write(tmp_path / "train.csv", "text,category\nWhere is it?,late\nI lost it,lost\nHm,none such\n")
    dataset = brought(items, requests=asked, request_text="text", request_item="category")
    assert dataset.requests is not None
    assert dataset.requests.to_numpy().tolist() == [["Where is it?", "late"], ["I lost it", "lost"]]
    assert left_out(dataset.card, "lost_requests") == 1
    stored = load_dataset("own").requests
    assert stored is not None and len(stored) == 2
    assert brought(items, requests=asked).requests is not None, "the columns are recognised"
    with pytest.raises(DatasetError, match="--request-item answer"):
        brought(items, requests=asked, request_item="answer")


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_verbs_show_the_columns_and_the_rule(shop: Path, orders: Path, tmp_path: Path) -> None:
    run = CliRunner()
    result = run.invoke(
        app, ["data", "import", str(shop), str(orders), "--name", "shop", "--column", "price=cost:number"]
    )
    assert result.exit_code == 0, result.output
    for part in ("product_name", "title", "cost (number)", "feedback: an event counts in full", "2 users, 4 items"):
        assert part in result.stdout
    more = write(tmp_path / "more.csv", "sku,material\np1,slate\n")
    result = run.invoke(app, ["data", "join", "shop", str(more), "--on", "sku", "--json"])
    assert json.loads(result.stdout)["facets"]["material"]["known"] == 1
    result = run.invoke(app, ["data", "reread", "shop", "--json"])
    assert json.loads(result.stdout)["facets"]["cost"]["kind"] == "number"
    facts = json.loads(run.invoke(app, ["data", "describe", "shop", "--json"]).stdout)
    assert Path(facts["card_path"]).is_file() and facts["card"]["domain"] == "_base"


def test_films_are_there_without_any_download() -> None:
    films = load_dataset("films")
    assert (len(films.items), films.ratings["user"].nunique(), len(films.ratings)) == (9742, 610, 100_836)
    assert films.domain.name == "films"
    item = Catalogue(films)[0]
    assert item.name == "Toy Story (1995)"
    assert item.attributes["director"] == ("John Lasseter",)
    assert {"plot", "plot_keywords"}.isdisjoint(films.items.columns)
    with pytest.raises(DatasetError, match="exists already"):
        import_dataset("nowhere", "films")
