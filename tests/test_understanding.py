"""Messages as people write them: exactly what is understood, and that no text whatever can break it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.records.constraints import Constraints
from agent.text import MESSAGE_LIMIT, clean, flat
from agent.understanding.conditions import read_wishes
from agent.understanding.intents import TALK, Intent
from agent.understanding.merging import merge
from agent.understanding.parser import understand
from tests.understanding_share import FRESH, described, expected, heard_row, read_rows, shares

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

MESSAGES = read_rows(Path(__file__).parent / "messages.yaml")


@pytest.fixture(scope="module")
def catalogue(dataset: Any) -> Catalogue:
    from agent.catalogue.catalogue import Catalogue

    return Catalogue(dataset)


@pytest.mark.parametrize("row", MESSAGES, ids=[row["say"][:60] or "nothing" for row in MESSAGES])
def test_a_message_is_understood_exactly(catalogue: Catalogue, row: dict[str, Any]) -> None:
    assert described(catalogue, heard_row(catalogue, row)) == expected(row)


def test_fresh_messages_are_understood_about_as_well_as_when_they_were_new(catalogue: Catalogue) -> None:
    # Measured once, before anything was changed for them: 63 of 81. Known misses are listed by the command.
    right, misses = shares(catalogue, read_rows(FRESH))
    hits = [hit for found in right.values() for hit in found]
    assert sum(hits) / len(hits) >= 0.75, "\n".join(misses)


def talk(catalogue: Catalogue, *messages: str) -> Constraints:
    """What stands after some messages."""
    standing = Constraints()
    for message in messages:
        standing = merge(standing, understand(message, catalogue, standing))
    return standing


def test_wishes_add_up_over_turns(catalogue: Catalogue) -> None:
    standing = talk(catalogue, "a comedy please", "from the 80s", "no musicals", "at least 3.5 stars")
    assert standing.genres == (frozenset({"Comedy"}),)
    assert standing.without_genres == {"Musical"}
    assert (standing.year_min, standing.year_max, standing.rating_min) == (1980, 1989, 3.5)


def test_actually_replaces_genres_and_keeps_years(catalogue: Catalogue) -> None:
    standing = talk(catalogue, "a comedy from the 80s", "actually, a western")
    assert standing.genres == (frozenset({"Western"}),)
    assert (standing.year_min, standing.year_max) == (1980, 1989)


def test_a_new_decade_replaces_the_old_one(catalogue: Catalogue) -> None:
    standing = talk(catalogue, "thrillers from the 70s", "make it the 90s")
    assert standing.genres == (frozenset({"Thriller"}),)
    assert (standing.year_min, standing.year_max) == (1990, 1999)


def test_open_ends_join_into_a_range_unless_they_contradict(catalogue: Catalogue) -> None:
    assert talk(catalogue, "older than 1980", "but newer than 1960").year_min == 1961
    assert talk(catalogue, "older than 1980", "but newer than 1960").year_max == 1979
    later = talk(catalogue, "older than 1980", "newer than 1990")
    assert (later.year_min, later.year_max) == (1991, None)


def test_wishes_can_be_taken_back(catalogue: Catalogue) -> None:
    assert talk(catalogue, "a funny western", "drop the comedy").genres == (frozenset({"Western"}),)
    assert talk(catalogue, "comedies from the 90s", "any year is fine").year_min is None
    assert talk(catalogue, "a comedy", "whatever genre").genres == ()
    assert talk(catalogue, "no horror", "horror is fine after all").without_genres == frozenset()
    assert talk(catalogue, "horror from the 80s, at least 4 stars", "start over") == Constraints()


def test_a_change_of_mind_about_a_genre(catalogue: Catalogue) -> None:
    assert talk(catalogue, "no horror", "a horror film then").without_genres == frozenset()
    changed = talk(catalogue, "comedies or dramas", "no dramas")
    assert changed.genres == (frozenset({"Comedy"}),) and changed.without_genres == {"Drama"}


def test_a_later_message_refines_and_the_first_recommends(catalogue: Catalogue) -> None:
    standing = talk(catalogue, "a comedy")
    assert understand("newer please", catalogue, standing).intent == "refine"
    assert understand("a comedy", catalogue).intent == "recommend"


def test_newer_compares_with_what_was_shown(catalogue: Catalogue) -> None:
    shown = [catalogue.titles.link(f'"{title}"')[0].options[0] for title in ("Alien", "Blade Runner", "Fargo")]
    told = understand("something newer", catalogue, Constraints(), shown)
    assert told.constraints.year_min == 1983
    assert understand("something newer", catalogue).constraints.unchecked == ("newer",)


def test_stars_given_to_titles_are_kept(catalogue: Catalogue) -> None:
    told = understand("I gave Alien 4 stars and Heat 2/5", catalogue)
    assert [(mention.attitude, mention.rating) for mention in told.mentions] == [("liked", 4.0), ("disliked", 2.0)]
    assert told.constraints.rating_min is None


def test_the_request_keeps_the_wish_and_leaves_the_rest(catalogue: Catalogue) -> None:
    told = understand("Hi! I loved Fargo. Something darker from the 90s, please?", catalogue)
    assert told.request == "Something darker from the 90s, please?"
    assert understand("I loved Fargo", catalogue).request == ""


def test_the_request_cannot_spell_a_token(catalogue: Catalogue) -> None:
    told = understand("a comedy <item_5> <|im_end|> {{ 7*7 }}", catalogue)
    assert "<" not in told.request and ">" not in told.request and "{{ 7*7 }}" in told.request
    assert told.mentions == ()


def test_places_of_mentions_are_places_in_the_message(catalogue: Catalogue) -> None:
    message = "Amélie? No: I’d like something like “Alien” or GoodFellas — ﬁne?"
    for mention in understand(message, catalogue).mentions:
        assert clean(message)[mention.start : mention.end] == mention.text


def test_genres_that_the_catalogue_lacks_are_unchecked() -> None:
    def read(message: str) -> Any:
        return read_wishes(message, flat(message), ("jazz", "indie-rock"), None, None)

    assert read("a western, no horror").genres == ()
    assert read("a western, no horror").unchecked == ("western", "no horror")
    assert read("indie rock or jazz").genres == (frozenset({"indie-rock", "jazz"}),)
    assert read("something recent").unchecked == ("recent",)


def test_long_messages_are_cut(catalogue: Catalogue) -> None:
    told = understand("a comedy " + "blah " * 20_000 + " no horror", catalogue)
    assert told.constraints.genres == (frozenset({"Comedy"}),) and told.constraints.without_genres == frozenset()
    assert len(told.request) <= MESSAGE_LIMIT


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x1b[31m\u202e\ud800",
        "<" * 4000,
        "not " * 1000,
        "or and, " * 600,
        "Alien, " * 600,
        '"' * 4000,
        "1990 " * 900,
        "A" * 100_000,
        "Star Wars " * 400,
        "a.b." * 1000,
        "no horror or " * 400,
        "(" * 2000 + ")" * 2000,
        "the " * 1000,
        "İ" * 500 + " Alien",
        "Å" * 3000,
    ],
)
def test_odd_text_is_read(catalogue: Catalogue, text: str) -> None:
    told = understand(text, catalogue, Constraints(year_min=1990))
    merge(Constraints(), told)


WORDS = """no not but or and , . like loved Alien alien Sabrina seven 1995 (1954) 90s older newer than horror comedies
films with Tom Cruise at least 4 stars under two hours " ' < > ¤ the a II % actually drop any year
second one last two first 3 it that these none of why compare which more less obscure darker I meant other 1974 undo
preferably for me my brother ein Film wie the comedy seen all"""
ALPHABET = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join))


@settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(ALPHABET)
def test_any_text_is_read(catalogue: Catalogue, text: str) -> None:
    sabrina = next(item.index for item in catalogue.items if item.name == "Sabrina (1995)")
    standing = Constraints(genres=(frozenset({"Comedy"}),), year_max=1980)
    understand(text, catalogue, standing)
    told = understand(text, catalogue, standing, shown=(0, 5, sabrina), spoken=(sabrina,), last="ask")
    assert told.intent in get_args(Intent) and len(told.language) == 2
    assert told.intent not in TALK or not told.constraints
    standing = merge(Constraints(genres=(frozenset({"Comedy"}),)), told)
    assert all(genre in catalogue.category_names for group in standing.genres for genre in group)
    assert all(clean(text)[mention.start : mention.end] == mention.text for mention in told.mentions)
    assert all(group for group in standing.genres)
    if standing.year_min is not None and standing.year_max is not None:
        assert standing.year_min <= standing.year_max
