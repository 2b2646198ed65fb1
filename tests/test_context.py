"""Messages in a conversation: what stands, what is taken back, and what can be read off it at any turn."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.dialogue.description import condition_lines, describe
from agent.dialogue.dialogue_state import absorb, fresh_only, rewind, state_of
from agent.domains.glosses import gloss
from agent.domains.languages import language
from agent.records.answer import Answer, Recommendation
from agent.records.conversation import Conversation, Message
from agent.understanding.context import heard
from agent.understanding.spelling import mend, rewrite

if TYPE_CHECKING:
    from agent.understanding.parser import Understanding

SLATE = ("Alien (1979)", "Fargo (1996)", "Toy Story (1995)")


@pytest.fixture(scope="module")
def catalogue(dataset: Any) -> Catalogue:
    return Catalogue(dataset)


def id_of(catalogue: Catalogue, name: str) -> str:
    return next(item.item_id for item in catalogue.items if item.name == name)


class Chat:
    """A chat without a policy: every answer shows what the test says."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue, self.conversation = catalogue, Conversation()

    def say(self, message: str, *shown: str, choices: tuple[str, ...] = ()) -> Understanding:
        told = heard(message, self.conversation, self.catalogue)
        self.conversation.messages.append(Message("user", message))
        absorb(self.conversation, message, told, self.catalogue)
        films = [self.catalogue[self.catalogue.index(id_of(self.catalogue, name))] for name in shown]
        items = tuple(Recommendation(f.item_id, f.title, f.year, f.categories, 0.1, 1.0, "") for f in films)
        about = "recommend" if items else "ask"
        answer = Answer("Here.", items, {}, "p", {}, 1.0, choices=choices, about=about)
        self.conversation.messages.append(Message("assistant", "Here.", answer))
        self.conversation.shown += [item.item_id for item in items]
        return told

    def names(self, attitude: str) -> list[str]:
        held = [b for b in self.conversation.beliefs if b.attitude == attitude]
        return [self.catalogue[self.catalogue.index(b.item_id)].name for b in held]


@pytest.fixture
def chat(catalogue: Catalogue) -> Chat:
    return Chat(catalogue)


def test_a_correction_moves_what_was_believed(chat: Chat) -> None:
    chat.say("I hated Sabrina (1995)")
    assert chat.names("disliked") == ["Sabrina (1995)"]
    told = chat.say("no, I meant the 1954 one")
    assert told.corrections and chat.names("disliked") == ["Sabrina (1954)"]
    excluded = {chat.catalogue[item].name for item in chat.conversation.constraints.excluded}
    assert "Sabrina (1995)" not in excluded


def test_which_one_can_be_answered_in_words(chat: Chat) -> None:
    asked = chat.say("something like Sabrina", choices=("Sabrina (1995)", "Sabrina (1954)"))
    assert asked.ambiguities
    chat.say("the older one")
    assert chat.names("more") == ["Sabrina (1954)"]


def test_it_is_the_film_that_was_asked_about(chat: Chat) -> None:
    chat.say("a thriller", *SLATE)
    chat.say("who directed the second one?")
    chat.say("I've seen it")
    assert chat.names("seen") == ["Fargo (1996)"]


def test_rejected_films_stay_away_whatever_is_asked_next(chat: Chat) -> None:
    chat.say("a thriller", *SLATE)
    told = chat.say("none of these")
    rejected = {chat.catalogue.index(id_of(chat.catalogue, name)) for name in SLATE}
    assert told.intent == "reject" and rejected <= fresh_only(chat.conversation, told, chat.catalogue)
    chat.say("a comedy then")
    assert rejected <= chat.conversation.constraints.excluded


def test_what_is_liked_is_seen(chat: Chat) -> None:
    chat.say("a thriller", *SLATE)
    chat.say("loved the first one, the third was boring")
    state = state_of(chat.conversation, (), chat.catalogue)
    assert {chat.catalogue[item].name for item in state.seen} >= {"Alien (1979)", "Toy Story (1995)"}


def test_questions_change_no_condition(chat: Chat) -> None:
    chat.say("a thriller from the 90s", *SLATE)
    before = chat.conversation.constraints
    for question in ("is the third one a comedy?", "why the second one?", "what do you think I like?", "how are you?"):
        chat.say(question)
    assert chat.conversation.constraints == before


def test_taking_back_a_message_takes_back_its_meaning(chat: Chat) -> None:
    chat.say("a thriller", *SLATE)
    chat.say("no horror")
    rewind(chat.conversation, lambda text: heard(text, chat.conversation, chat.catalogue), chat.catalogue)
    assert chat.conversation.constraints.without_genres == frozenset()
    assert chat.conversation.heard == "recommend"


def test_a_conversation_comes_back_from_the_store_with_its_subject(chat: Chat) -> None:
    chat.say("tell me about Fargo")
    again = Conversation.from_json(chat.conversation.to_json())
    assert again.spoken == chat.conversation.spoken and again.heard == "ask"
    old = {k: v for k, v in chat.conversation.to_json().items() if k not in ("spoken", "heard")}
    assert Conversation.from_json(old).spoken == []


def test_the_state_can_be_printed(chat: Chat) -> None:
    assert describe(chat.conversation, chat.catalogue) == "Nothing is known yet."
    chat.say("I loved Casablanca. A thriller, ideally from the 70s or the 90s, no horror", *SLATE)
    chat.say("more obscure")
    lines = describe(chat.conversation, chat.catalogue).splitlines()
    assert lines[0] == "Liked: Casablanca (1942)"
    assert {"Genre: Thriller", "Genre: not Horror", "Year: 1970 or later (preferred)"} <= set(lines)
    assert "Year: not 1980 to 1989" in lines and any(line.startswith("Ratings: ") for line in lines)
    assert f"Shown: {', '.join(SLATE)}" in lines


@pytest.fixture
def tagged(dataset: Dataset) -> Catalogue:
    """The first films, with tags."""
    tags = [("1", "Tom Hanks"), ("2", "tom  hanks"), ("3", "Tom Hanks"), ("1", "toys"), ("4", "space"), ("5", "space")]
    frame = pd.DataFrame([(item, tag, "u") for item, tag in tags], columns=["item", "tag", "user"])
    return Catalogue(replace(dataset, tags=frame))


def test_tags_decide_people_and_subjects(tagged: Catalogue) -> None:
    chat = Chat(tagged)
    told = chat.say("a comedy starring Tom Hanks")
    assert told.constraints.tags == ("tom hanks",) and told.constraints.soft == {"tom hanks"}
    assert told.constraints.unchecked == ()
    allowed = {item for item in range(len(tagged)) if tagged.mask(replace(told.constraints, genres=()))[item]}
    assert allowed == tagged.items_by("tag")["tom hanks"]
    without = chat.say("without Hanks please")
    assert without.constraints.without_tags == {"tom hanks"} and chat.conversation.constraints.tags == ()
    assert not tagged.mask(without.constraints)[list(allowed)].any()
    # Too few films have these: the words stay a wish that cannot be checked.
    assert chat.say("a film about space").constraints.unchecked == ("about space",)
    assert ("without_tags", "Tag: not tom hanks") in condition_lines(chat.conversation.constraints, tagged)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a comedy please", "en"),
        ("me too", "en"),
        ("I want the one on DVD", "en"),
        ("etwas wie Alien, aber lustiger", "de"),
        ("je voudrais une comédie", "fr"),
        ("no me gusta", "es"),
        ("vorrei qualcosa di divertente", "it"),
        ("não gosto de terror", "pt"),
        ("ik zoek een leuke film", "nl"),
        ("посоветуй что-нибудь", "ru"),
        ("面白い映画を教えて", "ja"),
        ("推荐一部电影", "zh"),
        ("", "en"),
        ("?!", "en"),
    ],
)
def test_languages_are_told(text: str, code: str) -> None:
    assert language(text) == code


def test_words_are_mended_and_names_are_not() -> None:
    assert mend("can u recomend a scarry moive") == "can you recommend a scary movie"
    assert mend("something by Horor and Marty Comedi") == "something by Horor and Marty Comedi"
    text, places = rewrite("plz Alien or smth", [(4, 9)], mend)
    assert text == "please Alien or something" and [text[start:end] for start, end in places] == ["Alien"]
    assert gloss("kein Horror", "de") == "no horror" and gloss("kein Horror", "xx") == "kein Horror"


def test_comparisons_reach_what_is_chosen(chat: Chat) -> None:
    chat.say("a thriller", *SLATE)
    counts = sorted(int(chat.catalogue.rating_count[chat.catalogue.index(id_of(chat.catalogue, n))]) for n in SLATE)

    def bounds() -> tuple[int | None, int | None]:
        return chat.conversation.constraints.viewers_min, chat.conversation.constraints.viewers_max

    chat.say("something more obscure")
    assert bounds() == (None, counts[1] - 1)
    chat.say("no, better known")
    assert bounds() == (counts[1] + 1, None)
    chat.say("a bit lighter")
    assert "War" in chat.conversation.constraints.without_genres & chat.conversation.constraints.soft
    assert "Thriller" not in chat.conversation.constraints.without_genres
    assert re.search("lighter", chat.conversation.request)
