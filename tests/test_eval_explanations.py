"""The judgement of explanations: it finds what is wrong, and finds nothing wrong with what the chat says."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.recommender import Recommender
from agent.records.answer import Answer, Evidence, Recommendation
from agent.records.constraints import Constraints
from agent.records.state import Event, State
from eval.conversation.clarifying import ask_users, summary
from eval.explanations.forms import check
from eval.explanations.judges import Said
from eval.explanations.measuring import Bench, hold_chats, variety
from eval.explanations.truth import Truth
from training.splits import past_and_future
from ui.cli.main import app

HISTORY = {"Fargo (1996)": 5.0, "Brazil (1985)": 4.0, "Titanic (1997)": 2.0}


@pytest.fixture(scope="module")
def truth(dataset: Dataset) -> Truth:
    return Truth(dataset.items, dataset.ratings)


@pytest.fixture
def said(recommender: Recommender, truth: Truth) -> Said:
    catalogue = recommender.catalogue
    ids = {item.name: item for item in catalogue.items}
    state = State(
        tuple(Event(ids[name].index, stars) for name, stars in HISTORY.items()),
        **Constraints((frozenset({"Horror"}),), year_max=1979).parts(),
    )
    alien = ids["Alien (1979)"]
    item = Recommendation(alien.item_id, "Alien", 1979, alien.categories, 0.07, 1.0, "", (Evidence("genre", 0.0),))
    answer = Answer("", (item,), {}, "p", {}, 0.0)
    return Said(
        truth, catalogue, recommender.policy.without_lm(), state,
        {ids[name].item_id: stars for name, stars in HISTORY.items()}, answer, answer, lambda *_: 2, item=alien.item_id,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Picked because you liked “Fargo” and “Brazil”.", "Picked because you liked “Fargo” and “Titanic”."),
        ("You watched “Titanic”, which speaks for it.", "You watched “Jaws”, which speaks for it."),
        ("It is a horror film from 1979, as you asked.", "It is an action film from 1979, as you asked."),
        ("291 viewers give it 4 stars on average.", "291 viewers give it 4.3 stars on average."),
        ("It averages 4.0 stars from 291 viewers.", "It averages 4.0 stars from 290 viewers."),
        ("“Alien” is a horror film and a thriller from 1979.", "“Alien” is a comedy from 1979."),
        ("Here is one horror film from 1979 or earlier.", "Here is one horror film from 1980 or later."),
        ("I know only one film, without comedy or war.", "I know only one film, without comedy or horror."),
        ("“Alien” stands first, with 7% of the probability.", "“Alien” stands first, with 8% of the probability."),
        ("“Alien” is a horror film, and you asked for no horror films.", "“Alien” is from 1979, and you asked for "
         "films from 1979."),
        ("You have seen “Fargo”, so I leave it out.", "You have seen “Jaws”, so I leave it out."),
        ("You go for comedies: 0% of what you like, against 30% of what everybody likes.", "A masterpiece of cinema!"),
        ("Most of what you like is from the 1990s and the 1980s.", "Most of what you like is from the 1970s."),
    ],
)  # fmt: skip
def test_right_and_wrong_are_told_apart(said: Said, right: str, wrong: str) -> None:
    if "0% of what you like" not in right:  # nobody's share is worked out by hand: this one is wrong too
        assert [one.true for one in check(right, said)] == [True]
    else:
        assert [(one.form, one.true) for one in check(right, said)] == [("taste", False)]
    assert [one.true for one in check(wrong, said)] == [False]


def test_titles_with_full_stops_do_not_break_sentences(said: Said) -> None:
    text = "You have seen “Dr. No! A. B.?”, so I leave it out. 291 viewers give it 4 stars on average. Great stuff."
    assert [(one.form, one.true) for one in check(text, said)] == [("seen", False), ("stars", True), ("plain", False)]


@pytest.mark.parametrize(
    ("wish", "meets"),
    [
        ("films", True),
        ("horror films from 1970 to 1979", True),
        ("horror films that are also thrillers, without comedy", True),
        ("films of comedy or horror", True),
        ("westerns", False),
        ("horror films that are also comedies", False),
        ("films, rated 4.5 stars or higher", False),
        ("films, not from 1970 to 1979", False),
        ("films, rated by 100 viewers or fewer", False),
        ("no horror films", False),
        ("gripping films", None),
    ],
)
def test_wishes_are_read_from_the_tables(truth: Truth, wish: str, meets: bool | None) -> None:
    assert truth.meets(truth.by_title["Alien"][0], wish) is meets


def test_variety_leaves_titles_and_numbers_out() -> None:
    figures = variety(["You liked “A”.", "You liked “B”.", "5 viewers give it 4 stars.", "6 viewers give it 3 stars."])
    assert figures["distinct"] == 1.0 and figures["templates"] == 2


def test_a_chat_with_a_held_out_user_is_all_true(recommender: Recommender, dataset: Dataset, truth: Truth) -> None:
    parts = past_and_future(indexed_ratings(dataset))
    past, future = user_histories(parts.past), user_histories(parts.future)
    known = dataset.only(parts.past)
    from agent.catalogue.catalogue import Catalogue

    policy = recommender.policy.without_lm()
    bench = Bench(Recommender(Catalogue(known), policy, past), Truth(known.items, known.ratings), past, future, 0)
    users = bench.users("valid", 2)
    figures = hold_chats(bench, users).to_json()
    assert figures["not_verified"] == [] and figures["sentences"] > 60
    assert {"found", "stars", "place", "item"} <= set(figures["forms"])
    assert figures["deletion"]["difference"] > 0
    assert figures["counterfactual"]["asked"] and figures["counterfactual"]["valid"] in (None, 1.0)
    strangers = hold_chats(bench, users, strangers=True).to_json()
    assert strangers["not_verified"] == [] and strangers["sentences"] > 50
    asked = ask_users(bench, users)
    assert {row.past for row in asked} == {True, False} and sum(row.best for row in asked) == 4
    assert all(0 <= row["hit_before"] <= 1 for row in summary(asked).values())


def test_a_wrong_part_is_named() -> None:
    result = CliRunner().invoke(app, ["eval", "explanations", "--part", "train"])
    assert result.exit_code == 2 and "unknown part 'train': use valid or test" in result.output
