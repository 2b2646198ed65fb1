"""Whole conversations with checks for every turn, on the real reader and policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.data.dataset import import_dataset, join_dataset, load_dataset
from agent.data.importers.tables import Options
from agent.generation.realizer import LANGUAGES, Wording
from agent.recommender import Recommender
from eval.conversation.checks import ChecksError, flaws, read_dialogues, run
from eval.conversation.scripted import TurnError, hold
from tests.plain_policy import plain_recommender

FOLDER = Path(__file__).with_name("dialogues")
FILMS = read_dialogues(FOLDER / "films.yaml")


BOOKS = read_dialogues(FOLDER / "books.yaml")
GAMES = read_dialogues(FOLDER / "games.yaml")
MUSIC = read_dialogues(FOLDER / "music.yaml")
OFFICE = read_dialogues(FOLDER / "office.yaml")
FACTS = read_dialogues(FOLDER / "film-facts.yaml")


def _shop(
    shared: Path, folder: str, domain: str | None, cache: Path, *joined: tuple[str, str, str | None]
) -> Recommender:
    """A recommender over a data set that is imported into a cache of its own; it needs no fitting."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(cache))
        dataset = import_dataset(shared / folder, domain or "office", options=Options(domain=domain))
        for table, on, names in joined:
            given = None if names is None else shared / folder / names
            dataset, _ = join_dataset(dataset.name, shared / folder / table, on, names_from=given)
    return plain_recommender(dataset)


@pytest.fixture(scope="module")
def books(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    genres = ("book_genres.csv", "book_id", None)
    return _shop(shared, "goodbooks-10k", "books", tmp_path_factory.mktemp("books"), genres)


@pytest.fixture(scope="module")
def games(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return _shop(shared, "amazon-games", "games", tmp_path_factory.mktemp("games"))


@pytest.fixture(scope="module")
def music(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    tags = ("user_taggedartists.dat", "artistID", "tags.dat")
    return _shop(shared, "lastfm-2k", "music", tmp_path_factory.mktemp("music"), tags)


@pytest.fixture(scope="module")
def office(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return _shop(shared, "amazon-office", None, tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="module")
def films() -> Recommender:
    return plain_recommender(load_dataset("films"))


@pytest.mark.parametrize("dialogue", FACTS, ids=lambda own: str(own["id"]))
def test_every_turn_about_facts_of_films_is_right(films: Recommender, dialogue: dict[str, Any]) -> None:
    checked = run([dialogue], films)
    assert [f"turn {own.turn} ({own.said}): {own.what}" for own in checked.flaws] == []


@pytest.mark.parametrize("dialogue", MUSIC, ids=lambda own: str(own["id"]))
def test_every_turn_about_music_is_right(music: Recommender, dialogue: dict[str, Any]) -> None:
    checked = run([dialogue], music)
    assert [f"turn {own.turn} ({own.said}): {own.what}" for own in checked.flaws] == []


@pytest.mark.parametrize("dialogue", OFFICE, ids=lambda own: str(own["id"]))
def test_every_turn_without_a_domain_is_right(office: Recommender, dialogue: dict[str, Any]) -> None:
    checked = run([dialogue], office)
    assert [f"turn {own.turn} ({own.said}): {own.what}" for own in checked.flaws] == []


@pytest.mark.parametrize("dialogue", BOOKS, ids=lambda own: str(own["id"]))
def test_every_turn_about_books_is_right(books: Recommender, dialogue: dict[str, Any]) -> None:
    checked = run([dialogue], books)
    assert [f"turn {own.turn} ({own.said}): {own.what}" for own in checked.flaws] == []


@pytest.mark.parametrize("dialogue", GAMES, ids=lambda own: str(own["id"]))
def test_every_turn_about_games_is_right(games: Recommender, dialogue: dict[str, Any]) -> None:
    checked = run([dialogue], games)
    assert [f"turn {own.turn} ({own.said}): {own.what}" for own in checked.flaws] == []


@pytest.mark.parametrize("dialogue", FILMS, ids=lambda own: str(own["id"]))
def test_every_turn_is_right(recommender: Recommender, dialogue: dict[str, Any]) -> None:
    checked = run([dialogue], recommender)
    assert [f"turn {own.turn} ({own.said}): {own.what}" for own in checked.flaws] == []


def test_the_figures_count_turns_and_kinds_of_checks(recommender: Recommender) -> None:
    dialogues = [
        {"id": "right", "turns": [{"say": "a comedy", "slate": "new", "all": {"genre": "Comedy"}}]},
        {"id": "wrong", "turns": [{"say": "a comedy", "slate": "none"}, {"say": "thanks", "slate": "same"}]},
    ]
    figures = run(dialogues, recommender).to_json()
    assert (figures["turns"]["right"], figures["turns"]["of"]) == (2, 3)
    assert figures["conversations"] == {"whole": 1, "of": 2}
    assert figures["kinds"]["slate"]["right"] == 2 and figures["kinds"]["all"]["share"] == 1.0
    assert [own["conversation"] for own in figures["flaws"]] == ["wrong"]


def test_the_machine_contract(recommender: Recommender) -> None:
    turns = [
        "a comedy from the 80s",
        {"react": "rate", "position": 1, "stars": 5},
        {"remove": "year"},
        "why the first?",
    ]
    held = hold(recommender, {"id": "a", "turns": turns})
    wish, press, removed, question = held["turns"]
    assert set(wish) == {
        "reply", "acts", "slate", "slate_changed", "conditions", "believed", "unmet", "question", "latency_ms",
    }  # fmt: skip
    assert set(wish["slate"][0]) == {
        "item_id", "title", "attributes", "raters", "score", "propensity", "reason", "evidence",
    }  # fmt: skip
    assert wish["slate"][0]["attributes"]["genre"] and wish["conditions"][0]["scope"] == "topic"
    assert press["slate"] == [] and not press["slate_changed"] and len(press["believed"]["liked"]) == 1
    assert removed["slate_changed"] and [own["facet"] for own in removed["conditions"]] == ["genre"]
    assert question["slate"] == [] and not question["slate_changed"]
    for bad, message in (
        ({"react": "like", "position": 9}, "position 9"),
        ({"react": "hug", "position": 1}, "unknown reaction 'hug'"),
        ({"react": "rate", "position": 1}, "give stars"),
        (7, "7 is no turn"),
    ):
        with pytest.raises(TurnError, match=message):
            hold(recommender, {"id": "a", "turns": ["a comedy", bad]})
    with pytest.raises(ValueError, match="no user 'nobody'"):
        hold(recommender, {"id": "a", "user": "nobody", "turns": []})


def test_a_bad_file_of_checks_is_named(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    for text, message in (
        ("- {id: a, turns: [{say: x, slat: new}]}", "turn 1: unknown check 'slat'"),
        ("- {id: a, turns: [{count: 3}]}", "turn 1: give say"),
        ("a: b", "no list"),
        ("[", "cannot be read"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ChecksError, match=message):
            read_dialogues(file)


def test_numbers_and_titles_are_compared_as_people_do() -> None:
    item = {"title": "Alien", "raters": 12, "attributes": {"year": 1979, "genre": ["Horror", "Sci-Fi"], "minutes": 117}}
    answer = {
        "slate": [item], "slate_changed": True, "reply": "Here.", "conditions": [], "unmet": [],
        "believed": {"liked": ["Fargo (1996)"]},
    }  # fmt: skip
    right = {
        "slate": "new", "count": 1, "all": {"genre": ["horror", "Sci-Fi"], "year": [1970, 1979], "minutes": [0, 120]},
        "none": {"title": ["Alien (1992)"], "raters_max": 5}, "liked": ["Fargo"], "believes_nothing_of": ["It"],
        "unmet": False,
    }  # fmt: skip
    assert list(flaws(right, answer)) == []
    wrong = {"slate": "same", "none": {"genre": "Horror"}, "seen": ["Fargo"], "keeps": ["genre"], "reply_has": ["you"]}
    assert [kind for kind, _ in flaws(wrong, answer)] == ["slate", "none", "keeps", "seen", "reply_has"]


@pytest.mark.parametrize("language", [path.stem for path in sorted(LANGUAGES.glob("*.yaml"))])
def test_replies_frame_the_slate_in_the_persons_language(recommender: Recommender, language: str) -> None:
    words = Wording(recommender.catalogue, language=language)
    english = Wording(recommender.catalogue)
    facts: dict[str, Any] = {
        "found": 5, "number": "five", "asked": 5, "wish": "films", "given": ["x"], "value": "2023", "least": "1902",
        "most": "2018", "words": ["x"], "total": "9", "said": "x", "title": "X", "options": ["a", "b"], "titles": ["x"],
    }  # fmt: skip
    for kind in yaml.safe_load((LANGUAGES / f"{language}.yaml").read_text("utf-8")):
        if kind.startswith("noted_"):
            assert "Alien" in words.tell(kind="noted", **{kind.removeprefix("noted_"): ["Alien"]}), kind
        elif not kind.endswith("_one") and not kind.startswith("reason_"):
            text = words.tell(kind=kind, **facts)
            assert text and "{" not in text and text != english.tell(kind=kind, **facts), kind
    assert words.tell(kind="missing", missing="the data do not say it"), "the rest is said in English"


def test_a_wish_in_german_is_met_and_answered_in_german(recommender: Recommender) -> None:
    checks = {"slate": "new", "all": {"genre": "Horror", "year": [1970, 1979]}, "reply_lacks": ["films"]}
    dialogue = {"id": "german", "turns": [{"say": "Ich möchte einen Horrorfilm aus den 70ern", **checks}]}
    assert run([dialogue], recommender).flaws == []
