"""The shipped domains: their files hang together, and fit the data that they were written for."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.domains.books import derived as books_derived
from agent.domains.domain import BASE, FOLDER, POPULARITY, RATING, Domain, DomainError, domain_names, load_domain
from agent.domains.games import derived as games_derived
from tests.content_words import content_words
from training.requests.phrases import PhraseBank

WINES = Path(__file__).parent / "data" / "wines"
OFF_TOPIC = Path(__file__).parents[1] / "eval" / "protocols" / "data" / "off_topic_questions.txt"
WITH_PHRASES = [
    name
    for name in domain_names()
    if load_domain(name).phrasebook and PhraseBank.load("train", load_domain(name)) is None
]


def known_values(domain: Domain, facet: str) -> set[str]:
    return set(domain.facets[facet].words) | set(domain.facets[facet].also.values())


def articles() -> list[dict[str, str]]:
    lines = (FOLDER / "support" / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", [BASE, *domain_names()])
def test_what_a_domain_names_exists(name: str) -> None:
    domain = load_domain(name)
    facets = {*domain.facets, POPULARITY, RATING}
    used: list[tuple[str, str, tuple[str, ...]]] = []
    for key, critique in domain.critiques.items():
        assert critique.facet in facets, key
        asks = (critique.direction is not None) + (critique.value is not None) + bool(critique.without)
        assert asks == 1, f"{key}: one of direction, value and without"
        used.append((key, critique.facet, critique.without + ((critique.value,) if critique.value else ())))
    for key, sensitivity in domain.sensitivities.items():
        used += [
            (key, facet, values) for part in (sensitivity.want, sensitivity.without) for facet, values in part.items()
        ]
    for key, question in domain.questions.items():
        assert question.facet is None or question.facet in facets, key
        assert question.facet or question.judge or question.none, f"{key}: nothing answers it"
        used += [(key, facet, values) for facet, values in question.judge.items()]
    for facet_name, facet in domain.facets.items():
        used += [(expression, facet_name, values) for expression, values in facet.compounds.items()]
    if name == "films":
        return  # its values are those of MovieLens and need no words
    for key, facet_name, values in used:
        if values:
            assert set(values) <= known_values(domain, facet_name), f"{key}: {values}"


def test_a_domains_facets_claim_columns_before_those_of_the_base() -> None:
    music, games = load_domain("music"), load_domain("games")
    assert [facet and facet.name for facet in map(music.facet_for_column, ("label", "tagValue"))] == [
        "record_label",
        "tag",
    ]
    assert [facet and facet.name for facet in map(games.facet_for_column, ("Genre", "publisher"))] == [
        "kind",
        "publisher",
    ]


def test_a_null_takes_a_key_of_the_base_out(tmp_path: Path) -> None:
    (tmp_path / "domain.yaml").write_text(
        "name: pens\nquestions: {price: null}\nfacets: {nib: null}\n", encoding="utf-8"
    )
    pens, base = load_domain(tmp_path), load_domain()
    assert set(base.questions) - set(pens.questions) == {"price"}
    assert pens.facets["nib"].kind == "category", "a facet that the base lacks may be left empty"


def test_every_domain_says_how_to_begin() -> None:
    for name in set(domain_names()) - {"films"}:
        domain = load_domain(name)
        assert 4 <= len(domain.starters) <= 5
        assert domain.primary is not None
        assert domain.nouns.one != domain.nouns.many


def test_age_and_new_zealand_are_no_wishes_for_a_time() -> None:
    for name in (BASE, "books", "games", "music"):
        words = [
            word for word, bound in load_domain(name).facets["year"].words.items() if "old" in word or "new" in word
        ]
        for text in ("a present for a 12 year old", "something from new zealand"):
            assert not any(re.search(rf"(?<!\w)(?:{word})(?!\w)", text) for word in words), (name, text)
        assert any(re.search(rf"(?<!\w)(?:{word})(?!\w)", "something old") for word in words), name


@pytest.mark.parametrize("name", WITH_PHRASES)
def test_held_out_phrases_are_not_those_of_training(name: str) -> None:
    domain = load_domain(name)
    books: list[dict[str, Any]] = [
        yaml.safe_load((domain.folder / str(domain.phrasebook) / f"{part}.yaml").read_text(encoding="utf-8"))
        for part in ("train", "heldout")
    ]
    train, heldout = books
    assert set(train) == set(heldout)
    values = set().union(*(known_values(domain, facet) for facet in domain.facets))
    assert set(train) <= values
    for value, phrases in train.items():
        assert len(phrases["soft"]) >= 5
        assert phrases["plain"]
        shared = set(content_words(phrases["soft"])) & set(content_words(heldout[value]["soft"]))
        assert not shared, f"{value}: {shared}"


def test_every_kind_of_question_has_an_article_of_one_topic() -> None:
    written = articles()
    assert len({article["item"] for article in written}) == len(written) == 77
    assert {article["topic"] for article in written} == known_values(load_domain("support"), "topic")
    for article in written:
        assert 50 <= len(article["text"].split()) <= 110, article["item"]
        assert article["title"]


def test_the_articles_are_for_the_kinds_of_banking77(shared: Path) -> None:
    kinds = json.loads((shared / "support-banking77" / "categories.json").read_text(encoding="utf-8"))
    assert {article["item"] for article in articles()} == set(kinds)


def test_shelf_names_of_readers_come_down_to_genres_with_words(shared: Path) -> None:
    genre = load_domain("books").facets["genre"]
    with (shared / "goodbooks-10k" / "book_genres.csv").open(encoding="utf-8") as file:
        shelves = {shelf for row in csv.DictReader(file) for shelf in row["genres"].split(genre.separator)}
    genres = {genre.also.get(shelf, shelf) for shelf in shelves}
    assert len(genres) < len(shelves) / 5
    assert len(genres - set(genre.words)) <= 3


def test_questions_about_other_things_are_five_hundred_different_ones() -> None:
    questions = OFF_TOPIC.read_text(encoding="utf-8").splitlines()
    assert len(questions) == 500
    assert len({question.casefold() for question in questions}) == 500
    assert all(question == question.strip() != "" for question in questions)


def test_titles_of_a_games_shop_say_what_they_are_for() -> None:
    titles = [
        "Mario Party 5 - Nintendo Wii U",
        "PS2 Wireless Controller",
        "Tekken 6 - Sony PSP",
        "AV Cable for PS3 Console",
    ]
    found = games_derived.derive([*titles, "Saints Row &amp; more"], [None] * 5)
    assert found["platform"] == [("Wii U",), ("PlayStation 2",), ("PSP",), ("PlayStation 3",), ()]
    assert found["kind"] == [("party",), ("controller",), ("fighting",), ("cable",), ()]
    assert found["series"][0] == ("Mario",)


def test_titles_of_books_say_their_series() -> None:
    titles = ["Catching Fire (The Hunger Games, #2)", "Guards! Guards! (Discworld, #8; City Watch, #1)", "Emma"]
    assert books_derived.derive(titles, [None] * 3) == {
        "series": [("The Hunger Games",), ("Discworld", "City Watch"), ()],
    }


def test_the_tables_of_the_wine_shop_fit_each_other() -> None:
    with (WINES / "wines.csv").open(encoding="utf-8") as file:
        wines = {row["id"]: row for row in csv.DictReader(file)}
    with (WINES / "orders.csv").open(encoding="utf-8") as file:
        orders = [(row["customer"], row["wine"]) for row in csv.DictReader(file)]
    assert {wine for _, wine in orders} <= set(wines)
    assert len(set(orders)) == len(orders) > 300


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "domain.yaml").write_text("name: pens\nfacets: {nib: {sort: category}}\n", encoding="utf-8")
    with pytest.raises(DomainError, match=r"facets\.nib\.sort"):
        load_domain(tmp_path)
