"""The dialogue state as a fold over hand-made events: topics, scopes, judgements, questions, undo."""

from __future__ import annotations

from typing import Any

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.dialogue.state import DialogueState, context_of, fold, policy_state
from agent.records.acts import Act, Command, Judge, Pleasantry, Want, WhichItem
from agent.records.answer import Answer, Recommendation
from agent.records.conditions import Condition
from agent.records.conversation import (
    Brought,
    Conversation,
    Dropped,
    Event,
    Given,
    Pressed,
    Replied,
    Said,
    Told,
    undone,
)
from agent.records.state import Event as Past

COMEDY, HORROR = (Condition("genre", "is", (name,)) for name in ("Comedy", "Horror"))
EIGHTIES = Condition("year", "between", (1980, 1989))
NEVER = Condition("genre", "is_not", ("War",), scope="standing")


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def said(*acts: Act, text: str = "words", **more: Any) -> Said:
    return Said(text, acts, **more)


def shown(catalogue: Catalogue, *items: int, **more: Any) -> Replied:
    own = tuple(
        Recommendation(catalogue[item].item_id, catalogue[item].title, None, (), 0.1, 1.0, "") for item in items
    )
    return Replied(Answer("Here.", own, (), "p", {}, 1.0, slate_changed=True, **more))


def test_a_complete_wish_replaces_the_topic_and_a_fragment_refines_it(catalogue: Catalogue) -> None:
    first = said(Want((COMEDY, EIGHTIES, NEVER), ("tense",), (3,), count=2, opens_topic=True, request="a comedy"))
    refined = fold([first, said(Want((HORROR,), request="scary"))], catalogue)
    assert refined.conditions == (COMEDY, EIGHTIES, NEVER, HORROR) and refined.count == 2
    assert refined.hints == ("tense",) and refined.like == (3,) and refined.request == "a comedy; scary"
    opened = fold([first, said(Want((HORROR,), opens_topic=True, request="a horror film"))], catalogue)
    assert opened.conditions == (NEVER, HORROR) and opened.count is None
    assert not opened.hints and not opened.like and opened.request == "a horror film"
    dropped = fold([first, said(Want(drops=("year",)))], catalogue)
    assert dropped.conditions == (COMEDY, NEVER)


def test_a_condition_for_one_turn_goes_with_the_next_message(catalogue: Catalogue) -> None:
    once = Condition("year", "at_most", 1960, scope="turn")
    events: list[Event] = [said(Want((COMEDY, once), opens_topic=True))]
    assert once in fold(events, catalogue).conditions
    assert fold([*events, said(Pleasantry("thanks"))], catalogue).conditions == (COMEDY,)


def test_judgements_outlive_topics_and_restarts(catalogue: Catalogue) -> None:
    events: list[Event] = [
        said(Judge(1, "liked"), Judge(2, "disliked"), Judge(3, "seen"), Judge(4, "not_interested")),
        said(Want((COMEDY,), reject=(5,), opens_topic=True)),
        said(Command("restart"), Want((HORROR,), opens_topic=True)),
    ]
    state = fold(events, catalogue)
    assert state.conditions == (HORROR,) and not state.hints
    assert {item for item, own in state.judgements.items() if own.liked} == {1}
    assert {item for item, own in state.judgements.items() if own.disliked} == {2}
    assert {1, 2, 3, 4} <= state.left_out(catalogue)
    ranked = policy_state(state, (Past(9, 4.0), Past(1, 2.0)))
    assert [(event.item, event.rating) for event in ranked.history] == [(9, 4.0), (1, 5.0), (2, 1.0), (3, None)]
    assert ranked.excluded == {4} and ranked.spoken is None


def test_forgetting_everything_takes_the_judgements_along(catalogue: Catalogue) -> None:
    events: list[Event] = [
        said(Judge(1, "liked"), Judge(2, "disliked")),
        said(Want((Condition("genre", "is_not", ("Western",), scope="standing"),), opens_topic=True)),
        said(Command("forget")),
    ]
    state = fold(events, catalogue)
    assert not state.judgements and not state.conditions and not state.left_out(catalogue)


def test_what_was_refused_may_be_wanted_again(catalogue: Catalogue) -> None:
    refused = said(Want(reject=(5,)))
    assert 5 in fold([refused], catalogue).left_out(catalogue)
    state = fold([refused, said(Want(like=(5,), opens_topic=True))], catalogue)
    assert not state.refused and state.like == (5,)


def test_more_leaves_out_what_was_shown_in_the_topic(catalogue: Catalogue) -> None:
    events: list[Event] = [said(Want((COMEDY,), opens_topic=True)), shown(catalogue, 10, 11)]
    assert not {10, 11} & fold([*events, said(Want((EIGHTIES,)))], catalogue).left_out(catalogue)
    events += [said(Command("more")), shown(catalogue, 12)]
    assert {10, 11, 12} <= fold([*events, said(Command("next"))], catalogue).left_out(catalogue)
    assert {10, 11} <= fold([*events[:2], Pressed(catalogue[10].item_id, "more")], catalogue).left_out(catalogue)
    fresh = fold([*events, said(Want((HORROR,), opens_topic=True)), said(Command("more"))], catalogue)
    assert not {10, 11, 12} & fresh.left_out(catalogue)


def test_questions_leave_the_slate_and_say_what_it_stands_for(catalogue: Catalogue) -> None:
    events: list[Event] = [
        said(Want((COMEDY,), opens_topic=True)),
        shown(catalogue, 10, 11),
        said(spoken=(11,), ids={11: catalogue[11].item_id}),
    ]
    state = fold(events, catalogue)
    assert state.slate == (10, 11) and context_of(state).spoken == (11,) and context_of(state).begun
    again = fold([*events, shown(catalogue, 12)], catalogue)
    assert again.slate == (12,) and not context_of(again).spoken


def test_names_of_several_items_are_asked_about_one_after_the_other(catalogue: Catalogue) -> None:
    two = (WhichItem("Cape Fear", (1, 2), Judge(1, "disliked")), WhichItem("Sabrina", (3, 4), Judge(3, "disliked")))
    state = fold([said(*two)], catalogue)
    assert state.which == two
    question = context_of(state).question
    assert question is not None and question.which == two[0]
    state = fold([said(*two), said(Judge(2, "disliked"))], catalogue)
    assert state.which == two[1:] and state.judgements[2].disliked
    state = fold([said(*two), said(Judge(2, "disliked")), said(Judge(3, "disliked"))], catalogue)
    assert not state.which and {2, 3} <= set(state.judgements)
    assert not fold([said(*two), said(Want((COMEDY,), opens_topic=True))], catalogue).which


def test_undo_drops_a_message_and_keeps_what_was_done_elsewhere(catalogue: Catalogue) -> None:
    star = Condition("genre", "is", ("Drama",))
    first, second = said(Want((COMEDY, star), opens_topic=True), text="one"), said(Want((EIGHTIES,)), text="two")
    pressed, removed = Pressed(catalogue[10].item_id, "liked"), Dropped("genre:is:Drama")
    events: list[Event] = [first, shown(catalogue, 10), removed, second, shown(catalogue, 11), pressed]
    kept, text = undone(events, ("want",))
    assert text == "two"
    state = fold(kept, catalogue)
    assert state.conditions == (COMEDY,) and state.judgements[10].liked and state.slate == (10,)
    asked = said(text="who made it?")
    kept, text = undone([*events, asked, Replied(Answer("", (), (), "p", {}, 1.0, about="facet"))], ("want",))
    assert text == "two", "a question between is taken back with it"
    assert undone([], None) == ([], None)


def test_a_correction_takes_the_place_of_the_message_before(catalogue: Catalogue) -> None:
    events: list[Event] = [said(Judge(1, "liked")), said(Judge(2, "liked"), corrects=True)]
    assert set(fold(events, catalogue).judgements) == {2}


def test_presses_act_at_once_and_can_be_taken_back(catalogue: Catalogue) -> None:
    ids = [catalogue[item].item_id for item in range(6)]
    events = [Pressed(ids[0], "liked"), Pressed(ids[1], "rated", 2.0), Pressed(ids[2], "seen"), Pressed(ids[3], "more")]
    state = fold(events, catalogue)
    assert state.judgements[0].liked and state.judgements[1].disliked and state.judgements[1].rating == 2.0
    assert state.judgements[2].seen and state.like == (3,)
    state = fold([*events, *(Pressed(own, "removed") for own in ids[:4])], catalogue)
    assert state.judgements == {} and state.like == () and state.named == {}
    assert fold([Pressed("nowhere", "liked")], catalogue) == DialogueState()


def test_what_was_brought_is_the_past_until_it_is_taken_back(catalogue: Catalogue) -> None:
    one, two = catalogue[1].item_id, catalogue[2].item_id
    film, list_ = (
        Brought("a.csv", ((one, 4.0), (two, None), ("gone", 5.0)), ("No Such",)),
        Brought("b.txt", ((one, None),)),
    )
    events: list[Event] = [film, said(Want((COMEDY,), opens_topic=True)), list_]
    state = policy_state(fold(events, catalogue), [Past(2, 1.0), Past(3, 5.0)])
    assert state.history == (Past(3, 5.0), Past(2, None), Past(1, 4.0))
    kept = Conversation.from_json(Conversation("c", None, undone(events)[0]).to_json())
    assert fold(kept, catalogue).past == (Past(2, None), Past(1, 4.0)), "to undo a message leaves it"
    assert fold([*events, said(Command("restart"))], catalogue).past == (Past(2, None), Past(1, 4.0))
    kept.events.append(Dropped(film.key))
    assert fold(kept, catalogue).past == (Past(1, None),)
    assert kept.brought == (list_,)


def test_what_a_program_set_outlives_topics(catalogue: Catalogue) -> None:
    state = fold([Given((EIGHTIES,)), said(Want((COMEDY,), opens_topic=True))], catalogue)
    assert {own.facet for own in state.conditions} == {"year", "genre"}


def test_what_either_side_named_is_kept_where_nothing_else_is_known(catalogue: Catalogue) -> None:
    told = Told("Have you seen it?", (catalogue[7].item_id,))
    state = fold([said(Judge(1, "liked"), Judge(2, "disliked"), text="I loved it"), told], catalogue)
    spoken = policy_state(state, ()).spoken
    assert (
        spoken is not None
        and dict(spoken.named)[1] == 1.0
        and dict(spoken.named)[2] < 0
        and dict(spoken.named)[7] == 1.0
    )
    assert "I loved it" in spoken.said and state.shown == (7,)


def test_a_conversation_round_trips_and_survives_another_numbering(catalogue: Catalogue) -> None:
    ids = {10: catalogue[10].item_id, 11: catalogue[11].item_id}
    events: list[Event] = [
        said(Want((COMEDY,), like=(10,)), WhichItem("x", (10, 11), Judge(10, "liked")), ids=ids),
        shown(catalogue, 11),
        Pressed(ids[11], "rated", 4.0, 1),
        Dropped("genre"),
        Told("hello", (ids[10],)),
        Given((EIGHTIES,)),
    ]
    conversation = Conversation(user="7", events=events)
    assert Conversation.from_json(conversation.to_json()) == conversation
    moved = [said(Judge(0, "liked"), ids={0: catalogue[5].item_id})]
    assert set(fold(moved, catalogue).judgements) == {5}, "the id counts, not the number"
    assert fold([said(Judge(0, "liked"), ids={0: "gone"})], catalogue).judgements == {}
