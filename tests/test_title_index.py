"""Titles in free text, over MovieLens-100K and, for remakes, over ml-latest-small."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.title_index import TitleIndex

if TYPE_CHECKING:
    from agent.data.dataset import Dataset


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


@pytest.fixture(scope="module")
def large(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    from agent.data.dataset import import_dataset

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        imported = import_dataset(shared / "ml-latest-small", "latest")
    return Catalogue(imported)


def names(catalogue: Catalogue, text: str) -> list[str]:
    """The titles linked, alternatives joined by |."""
    return ["|".join(catalogue[item].name for item in link.options) for link in catalogue.link(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Godfather, The", ["The Godfather (1972)"]),
        ("the godfather II", ["The Godfather: Part II (1974)"]),
        ("Godfather part 2", ["The Godfather: Part II (1974)"]),
        ("The Empire Strikes Back", ["The Empire Strikes Back (1980)"]),
        ("empire strikes back", ["The Empire Strikes Back (1980)"]),
        ("terminator 2", ["Terminator 2: Judgment Day (1991)"]),
        ("terminator part 2", ["Terminator 2: Judgment Day (1991)"]),
        ("twelve angry men", ["12 Angry Men (1957)"]),
        ("batman and robin", ["Batman & Robin (1997)"]),
        ("mash and la confidential", ["M*A*S*H (1970)", "L.A. Confidential (1997)"]),
        ("starwars", ["Star Wars (1977)"]),
        ("les miserables", ["Les Misérables (1995)"]),
        ("la femme nikita", ["Nikita (1990)"]),
        ("Dr Strangelove", ["Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1963)"]),
        ("Romeo and Juliet", ["William Shakespeare's Romeo and Juliet (1996)"]),
        ("Termnator", ["The Terminator (1984)"]),
        ("Pulp Fictoin", ["Pulp Fiction (1994)"]),
        ("shawshank redemtion", ["The Shawshank Redemption (1994)"]),
        ("Silense of the lambs", ["The Silence of the Lambs (1991)"]),
        ("Forest Gump", ["Forrest Gump (1994)"]),
        ("Shindlers List", ["Schindler's List (1993)"]),
        ("Hamlet", ["Hamlet (1996)"]),  # two ids of one film
        ("Sabrina", ["Sabrina (1995)|Sabrina (1954)"]),
        ("Sabrina (1954)", ["Sabrina (1954)"]),
        ("the original Sabrina", ["Sabrina (1954)"]),
        ("Psycho (1998)", []),  # the remake is not in this catalogue
        ("Terminator 3", []),
        ("Star Trek Beyond", []),
    ],
)
def test_titles_in_other_forms(catalogue: Catalogue, text: str, found: list[str]) -> None:
    assert names(catalogue, text) == found


@pytest.mark.parametrize(
    "text",
    [
        "I want a big fast action film",
        "something for my kids",
        "it was fun",
        "a film set in a casino",
        "a movie with Jack Nicholson and Emma Thompson",
        "the heat is on",
        "full speed ahead, contact me",
        "I have nothing to lose",
        "now and then a good love story",
        "Speed is important to me",
        "romantic films for friday night",
        "a war about money and crime",
        "I'd like a fresh start",
        "set in Brazil or Casablanca",
    ],
)
def test_everyday_words_are_no_titles(catalogue: Catalogue, text: str) -> None:
    assert names(catalogue, text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("something like Alien but funny", ["Alien (1979)"]),
        ("i loved heat, it rocks", ["Heat (1995)"]),
        ('have you got "speed"?', ["Speed (1994)"]),
        ("crash (1996)", ["Crash (1996)"]),
        ("contact was boring", ["Contact (1997)"]),
        ("Aliens, not Alien", ["Aliens (1986)", "Alien (1979)"]),
        ("Alien or Aliens?", ["Alien (1979)", "Aliens (1986)"]),
        ("Big vs Twister", ["Twister (1996)"]),  # "big" stays a word
        ("heat, speed, casino", ["Heat (1995)", "Speed (1994)", "Casino (1995)"]),
    ],
)
def test_everyday_words_with_a_reason_are_titles(catalogue: Catalogue, text: str, found: list[str]) -> None:
    assert names(catalogue, text) == found


def test_every_title_with_its_year_links_to_itself(catalogue: Catalogue) -> None:
    wrong = []
    for item in catalogue.items:
        if item.year is None:
            continue
        links = catalogue.link(f'I loved "{item.title}" ({item.year})')
        same = [link for link in links if any(catalogue[i].name == item.name for i in link.options)]
        wrong += [] if len(links) == 1 and same else [item.name]
    assert len(wrong) <= 0.01 * len(catalogue), wrong


def test_spans_are_in_order_and_apart(catalogue: Catalogue) -> None:
    text = "I loved The Godfather, Part II of it, Star Wars and Star Trek: First Contact"
    links = catalogue.link(text)
    assert all(text[link.start : link.end] == link.text for link in links)
    assert all(left.end <= right.start for left, right in pairwise(links))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Psycho (1998)", ["Psycho (1998)"]),
        ("I saw Psycho", ["Psycho (1960)|Psycho (1998)"]),
        ("the original Psycho", ["Psycho (1960)"]),
        ("Titanic", ["Titanic (1997)"]),  # the one from 1953 is hardly ever rated
        ("Star Wars", ["Star Wars: Episode IV - A New Hope (1977)"]),
        ("star wars episode 5", ["Star Wars: Episode V - The Empire Strikes Back (1980)"]),
        ("Terminator 3", ["Terminator 3: Rise of the Machines (2003)"]),
        ("Amelie", ["Amelie (2001)"]),
        ("the two towers", ["The Lord of the Rings: The Two Towers (2002)"]),
    ],
)
def test_remakes_and_series(large: Catalogue, text: str, found: list[str]) -> None:
    assert names(large, text) == found


def test_the_years_given_decide_between_remakes(large: Catalogue) -> None:
    assert len(large.titles.link("Hamlet")[0].options) > 2
    (link,) = large.titles.link("Hamlet", (1945, 1950))
    assert [large[item].name for item in link.options] == ["Hamlet (1948)"]


def test_an_index_of_nothing_finds_nothing() -> None:
    assert TitleIndex([], [], [], []).link("Alien") == ()
