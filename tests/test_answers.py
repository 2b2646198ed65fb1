"""Answers without films: about, compare, why, why not, taste, undo; each on the real policy and data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.dialogue.about import about
from agent.dialogue.comparison import compare
from agent.dialogue.profile import leanings, liked_items, profile
from agent.explanation.counterfactual import Standing, obstacles, why_not
from agent.generation.realizer import Voice, reply_flaws
from agent.recommender import Recommender
from agent.records.constraints import Constraints
from agent.records.conversation import Conversation
from agent.records.state import Event, State
from agent.store.feedback import FeedbackLog
from tests.chat_log import pasts_of


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


@pytest.fixture
def chat(recommender: Recommender, tmp_path: Path) -> Iterator[Recommender]:
    with FeedbackLog(tmp_path / "concierge.db") as log:
        policy = recommender.policy.without_lm()
        yield Recommender(recommender.catalogue, policy, pasts_of(recommender), log)


def index(catalogue: Catalogue, name: str) -> int:
    return next(item.index for item in catalogue.items if item.name == name)


def words(catalogue: Catalogue, sentences: list[dict[str, object]]) -> str:
    """The paragraph; every sentence passes the check by its own facts."""
    voice = Voice(catalogue)
    for facts in sentences:
        assert reply_flaws(voice.tell(**facts), facts, catalogue) == []
    return voice.all_of(sentences)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What is Fargo?", "“Fargo” is a crime film, a drama and a thriller from 1996. 508 viewers give it 4.2 stars on"
         " average. You gave it 5 stars."),
        ("Who directed Fargo and how long is it?", "My data does not say who directed it or how long it is. “Fargo” is "
         "a crime film, a drama and a thriller from 1996. You gave it 5 stars."),
        ("When was Fargo released?", "“Fargo” is a crime film, a drama and a thriller from 1996. You gave it 5 stars."),
    ],
)  # fmt: skip
def test_about_a_film(catalogue: Catalogue, question: str, text: str) -> None:
    fargo = index(catalogue, "Fargo (1996)")
    assert words(catalogue, about([fargo], question, State((Event(fargo, 5.0),)), catalogue)) == text


def test_a_comparison_gives_the_policys_chances(recommender: Recommender) -> None:
    catalogue = recommender.catalogue
    alien, brazil = index(catalogue, "Alien (1979)"), index(catalogue, "Brazil (1985)")
    state = State(recommender.history("7"), goal="request")
    text = words(catalogue, compare([alien, brazil], state, recommender.policy, catalogue))
    ranking = recommender.policy.rank(state, [alien, brazil])
    for chance in ranking.probabilities:
        assert f"{chance:.0%}" in text
    assert text.startswith("“Alien” is") and "“Brazil” is" in text
    with pytest.raises(ValueError, match="1 items to compare"):
        compare([alien, alien], state, recommender.policy, catalogue)


def test_obstacles_are_the_conditions_that_are_not_met(catalogue: Catalogue) -> None:
    alien = index(catalogue, "Alien (1979)")
    wanted = Constraints(
        (frozenset({"Comedy"}), frozenset({"Sci-Fi"})), frozenset({"Horror"}), 1990, None, 4.5, viewers_max=100
    )
    text = words(catalogue, obstacles(alien, wanted, catalogue))
    assert [re.sub(r"“Alien” is ", "", part) for part in text.split(". ")] == [
        "an action film, a horror film, a science fiction film and a thriller, and you asked for comedies",
        "a horror film, and you asked for no horror films",
        "from 1979, and you asked for films from 1990 or later",
        "rated 4 stars, and you asked for films, rated 4.5 stars or higher",
        "rated by 291 viewers, and you asked for films, rated by 100 viewers or fewer.",
    ]
    assert obstacles(alien, Constraints((frozenset({"Sci-Fi"}),)), catalogue) == []


@pytest.mark.parametrize("title", ["Alien (1979)", "Casablanca (1942)", "Clueless (1995)", "Gattaca (1997)"])
def test_what_is_said_to_bring_a_film_brings_it(recommender: Recommender, title: str) -> None:
    catalogue, policy = recommender.catalogue, recommender.policy.without_lm()
    recommender = Recommender(catalogue, policy, pasts_of(recommender))
    conversation = Conversation(user="12")
    recommender.reply(conversation, "a comedy from the 90s")
    standing = Standing(conversation, recommender.history("12"), policy, catalogue, 5)
    sentences, change = why_not(index(catalogue, title), standing)
    text = words(catalogue, sentences)
    if change is None:
        assert "no single change" in text or "among those I show" in text
        return
    answer = recommender.reply(deepcopy(conversation), change.message)
    names = [catalogue[catalogue.index(item.item_id)].name for item in answer.items]
    assert names.index(title) == change.place


def test_taste_is_told_against_everybodys(recommender: Recommender) -> None:
    catalogue = recommender.catalogue
    horror = [item.index for item in catalogue.items if item.categories == ("Horror",)][:6]
    state = State(tuple(Event(item, 5.0) for item in horror), **Constraints(year_min=1980).parts())
    assert leanings(liked_items(state), catalogue)[0].genre == "Horror"
    text = words(catalogue, profile(state, catalogue))
    assert text.startswith("You go for horror films: over 99% of what you like, against ")
    assert text.endswith("Right now you want films from 1980 or later.")
    assert words(catalogue, profile(State(), catalogue)).startswith("I know too little of you yet.")
    few = State((Event(horror[0], 5.0), Event(horror[1], 2.0)))
    assert words(catalogue, profile(few, catalogue)) == f"I know that you liked “{catalogue[horror[0]].title}”."


def test_questions_in_the_chat_keep_the_films_and_change_nothing(chat: Recommender) -> None:
    conversation = Conversation(user="7")
    slate = chat.reply(conversation, "a thriller")
    before = (conversation.constraints, conversation.request, conversation.beliefs)
    for message, kind, part in (
        ("why the second one?", "why", f"“{slate.items[1].title}” stands second"),
        ("what do you think I like?", "profile", "You go for"),
        ("why not Titanic?", "why_not", "“Titanic” is"),
        ("which is better, Fargo or Brazil?", "compare", "For you "),
        ("what's the weather like in Paris?", "off_topic", "I only know films"),
    ):
        answer = chat.reply(conversation, message)
        assert (answer.about, answer.items) == (kind, ()), message
        assert part in answer.reply
        assert conversation.slate == slate
    assert (conversation.constraints, conversation.request, conversation.beliefs) == before
    assert chat.log is not None and len(list(chat.log.impressions())) == 1


def test_undo_in_words_takes_back_what_changed_something(chat: Recommender) -> None:
    conversation = Conversation()
    first = chat.reply(conversation, "a comedy")
    chat.reply(conversation, "only from the 80s")
    chat.reply(conversation, "why the first one?")
    answer = chat.reply(conversation, "undo that")
    assert answer.reply == "I took back “only from the 80s” and what it changed."
    standing = conversation.slate
    assert conversation.constraints == Constraints((frozenset({"Comedy"}),)) and standing == first
    assert "a comedy" in chat.reply(conversation, "undo that").reply
    standing = conversation.slate
    assert not conversation.constraints and standing is None
    assert chat.reply(conversation, "undo that").reply == "There is nothing to take back."
