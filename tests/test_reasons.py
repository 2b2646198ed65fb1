"""Reasons: over many slates each says why in words that its evidence and the catalogue bear out, no two alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.catalogue.conditions import kind_of, noun_phrase
from agent.data.dataset import load_dataset
from agent.records.conditions import Condition
from agent.records.conversation import Conversation
from tests.plain_policy import plain_recommender

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.records.answer import Recommendation

KINDS = ("comedy", "western", "war film", "documentary", "film noir", "musical", "animated film", "romcom", "imax film")
MESSAGES = (
    *(f"a {kind} from the {decade}s" for kind in KINDS for decade in (80, 90)),
    "a courtroom drama", "something about loneliness", "a film with Tom Hanks", "films by Sidney Lumet", "sad films",
    "I loved Fargo", "something like Alien but funny", "I liked Heat and Casino", "at most 95 minutes",
    "a film in German", "less about love", "a comedy, but not about love", "no violence please", "hidden gems",
    "a thriller not from the United States", "surprise me", "something weird and dreamlike",
)  # fmt: skip
KEPT_BOOKS = re.compile(r"netflix|seen at|owned|not seen|imdb top|to see", re.I)


@pytest.fixture(scope="module")
def films() -> Recommender:
    return plain_recommender(load_dataset("films"))


@pytest.fixture(scope="module")
def slates(films: Recommender) -> list[tuple[str, tuple[Recommendation, ...]]]:
    return [(message, films.reply(Conversation(), message).items) for message in MESSAGES]


def test_no_two_cards_of_a_slate_read_alike(slates: list[tuple[str, tuple[Recommendation, ...]]]) -> None:
    for message, items in slates:
        shapes = [re.sub(r"\d+(?:[.,]\d+)*", "0", item.reason.replace(item.title, "")) for item in items]
        assert all(shapes) and len(set(shapes)) == len(shapes), (message, shapes)
    openers = {tuple(item.reason.split()[0] for item in items) for _, items in slates if len(items) == 5}
    assert len(openers) > len(slates) / 2, "lists do not all begin their cards in the same words"


def test_what_a_reason_quotes_is_cited_or_known_of_the_item(
    films: Recommender, slates: list[tuple[str, tuple[Recommendation, ...]]]
) -> None:
    catalogue = films.catalogue
    for message, items in slates:
        for item in items:
            cited = {catalogue[catalogue.index(fact.item_id)].title for fact in item.evidence if fact.item_id}
            hints = {str(fact.value) for fact in item.evidence if fact.kind == "hint"}
            tags = set(item.attributes.get("tag", ()))
            for quote in re.findall(r"“([^”]*)”", item.reason):
                assert quote in cited | hints | tags, (message, item.title, item.reason)
                assert not (quote in tags and KEPT_BOOKS.search(quote)), item.reason
            for number in re.findall(r"(?<![\w“’-])\d+(?:\.\d+)?(?= on average| minutes)", item.reason):
                mean = float(catalogue.mean_rating[catalogue.index(item.item_id)])
                assert number in (f"{round(mean, 1):g}", str(item.attributes.get("minutes"))), item.reason


def test_what_is_said_to_be_shared_both_have(films: Recommender) -> None:
    catalogue = films.catalogue
    said = 0
    for title in ("Dunkirk", "Memento", "Pulp Fiction", "The Social Network"):
        items = films.reply(Conversation(), f"something like {title}").items
        (other,) = (own for own in catalogue.items if own.title == title)
        for item in items:
            mine = catalogue[catalogue.index(item.item_id)]
            for name in ("director", "star", "writer"):
                phrase = catalogue.facets[name].phrase.format(value="")
                for person in catalogue.items_by(name):
                    if f"also {phrase}{person.casefold()}" in item.reason.casefold():
                        said += 1
                        having = catalogue.items_by(name)[person]
                        assert {other.index, mine.index} <= having, item.reason
    assert said


def test_a_wish_against_something_is_never_a_reason(films: Recommender) -> None:
    for message in ("less about love", "a drama, not about war", "no dogs", "a comedy without singing"):
        for item in films.reply(Conversation(), message).items:
            assert not any(word in item.reason for word in ("“less", "“not", "“no ", "“without", "“love”", "“dogs”"))


def test_tags_that_bear_out_a_wish_are_evidence_and_lead(films: Recommender) -> None:
    items = films.reply(Conversation(), "courtroom films").items
    tagged = [item for item in items if any(fact.kind == "attribute" for fact in item.evidence)]
    assert tagged
    for item in tagged:
        assert any(f"“{fact.value}”" in item.reason for fact in item.evidence if fact.kind == "attribute")


@pytest.mark.parametrize(
    "message",
    ["Ich möchte bitte einen Western", "Je voudrais une comédie", "Quiero una comedia por favor",
     "Vorrei un western per favore", "Ik wil graag een western", "Eu quero uma comédia por favor"],
)  # fmt: skip
def test_reasons_are_in_the_language_of_the_replies(films: Recommender, message: str) -> None:
    answer = films.reply(Conversation(), message)
    assert answer.items
    for item in answer.items:
        plain = re.sub(r"“[^”]*”", "", item.reason)
        assert item.reason and not re.search(r"\b(?:you|average|viewers?|tag it|tagged|because|like)\b", plain), plain


def test_kinds_are_named_as_people_name_them(films: Recommender) -> None:
    catalogue = films.catalogue

    def wish(*kinds: str) -> str:
        return noun_phrase([Condition("genre", "is", (kind,)) for kind in kinds], catalogue)

    assert wish("Comedy", "Romance") == "romantic comedies" and wish("Drama") == "dramas"
    assert wish("Children") == "children's films" and "imax" not in {
        word for item in catalogue.items[:2000] for word in kind_of(item.index, catalogue).casefold().split()
    }
    assert noun_phrase([Condition("genre", "is", ("Drama",))], catalogue, words=["courtroom"]) == "courtroom dramas"
    unrated = catalogue[min(catalogue.items_by("content_rating")["Not Rated"])]
    answer = films.reply(Conversation(), f"what is {unrated.name} rated?")
    assert "rated Not Rated" not in answer.reply
