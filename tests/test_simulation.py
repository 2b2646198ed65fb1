"""Simulated users: what they say follows from a real person's ratings; what goes wrong is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.catalogue.catalogue import Catalogue
from agent.dialogue.state import state_after
from agent.recommender import Recommender
from agent.records.answer import Answer, Recommendation
from agent.records.conditions import bounds, wanted
from agent.records.state import Event
from eval.conversation.simulated_user import Persona, SimulatedUser, personas
from eval.conversation.simulation import Tally, converse, judge, summary

if TYPE_CHECKING:
    from agent.data.dataset import Dataset


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def _shown(catalogue: Catalogue, *items: int, unmet: tuple[str, ...] = ()) -> Answer:
    own = tuple(
        Recommendation(
            catalogue[i].item_id, catalogue[i].title, catalogue[i].year, catalogue[i].categories, 0.1, 1.0, ""
        )
        for i in items
    )
    return Answer("Here.", own, (), "test", {}, 1.0, unmet=unmet, slate_changed=True)


def test_people_wish_for_what_they_liked_later(catalogue: Catalogue) -> None:
    pasts = {"a": (Event(0, 5.0), Event(1, 2.0))}
    futures = {"a": (Event(10, 5.0), Event(11, 1.0)), "b": (Event(3, 2.0),)}
    people = personas(pasts, futures, catalogue, 20, seed=3)
    assert {own.user for own in people} == {"a"}, "who liked nothing later cannot be made happy"
    for own in people:
        assert own.wanted == {10} and own.unwanted == {11} and own.past == {0: 5.0, 1: 2.0}
        assert own.category in catalogue[10].categories
        year = catalogue[10].year
        assert own.years is None or (year is not None and own.years[0] <= year <= own.years[1])
    assert people == personas(pasts, futures, catalogue, 20, seed=3)
    with pytest.raises(ValueError, match="nobody"):
        personas({}, {"b": (Event(3, 2.0),)}, catalogue, 1)


def test_what_people_open_with_is_understood(catalogue: Catalogue) -> None:
    marked = next(item.index for item in catalogue.items if item.name == "When Harry Met Sally... (1989)")
    people = [Persona("a", {marked: 5.0, 49: 5.0}, frozenset(), frozenset(), "Comedy", (1990, 1999))] * 40
    for number, persona in enumerate(people):
        message = SimulatedUser(persona, catalogue, np.random.default_rng(number)).opening()
        told = state_after(message, catalogue).conditions
        assert wanted(told, "genre") == (("Comedy",),), message
        assert bounds(told, "year") == (1990, 1999), message


def test_a_person_takes_what_they_liked_later_and_tells_what_they_know(catalogue: Catalogue) -> None:
    persona = Persona("a", {5: 5.0}, frozenset({9}), frozenset({7}), "Drama", None)
    user = SimulatedUser(persona, catalogue, np.random.default_rng(0))
    assert "drama" in user.opening().lower()
    said = [user.reply(_shown(catalogue, 7, 8)) for _ in range(4)]
    assert all(own == f"I don't like {catalogue[7].name}" for own in said) and 7 in user.told
    assert user.reply(_shown(catalogue, 8, 9)) is None and user.accepted == 9


def test_what_must_not_happen_is_counted_and_open_relaxation_is_none(catalogue: Catalogue) -> None:
    drama = next(item.index for item in catalogue.items if item.categories == ("Drama",))
    comedy = next(item.index for item in catalogue.items if item.categories == ("Comedy",))
    persona = Persona("a", {}, frozenset(), frozenset(), "Drama", None)
    tally = Tally("a")
    judge(_shown(catalogue, drama, comedy), persona, frozenset({drama}), catalogue, tally)
    assert (tally.violations, tally.repeated, tally.unknown) == (1, 1, 0)
    judge(_shown(catalogue, comedy, unmet=("drama",)), persona, frozenset(), catalogue, tally)
    assert tally.violations == 1
    outside = Answer("", (Recommendation("nowhere", "X", None, (), 0.1, 1.0, ""),), (), "test", {}, 1.0)
    judge(outside, persona, frozenset(), catalogue, tally)
    assert tally.unknown == 1


def test_conversations_with_the_real_recommender_keep_every_promise(
    recommender: Recommender, catalogue: Catalogue, dataset: Dataset
) -> None:
    from agent.data.interactions import indexed_ratings, user_histories
    from training.splits import past_and_future

    cut = past_and_future(indexed_ratings(dataset))
    people = personas(user_histories(cut.past), user_histories(cut.future), catalogue, 12, seed=5)
    alone = Recommender(catalogue, recommender.policy.without_lm(), {}, seed=1)
    tallies = [converse(alone, own, 5, np.random.default_rng(n)) for n, own in enumerate(people)]
    found = summary("test", tallies, 5)
    assert found.crashes == 0, found.errors
    assert (found.violations, found.repeated, found.unknown) == (0, 0, 0)
    assert found.turns == sum(own.turns for own in tallies) and 1 <= found.turns / 12 <= 5
    assert 0.0 <= found.figures["success within 5"].mean <= 1.0


def test_a_film_that_is_listed_twice_is_refused_with_its_twin(catalogue: Catalogue, recommender: Recommender) -> None:
    twins = [item.index for item in catalogue.items if item.name == "Ulee's Gold (1997)"]
    assert len(twins) == 2 and catalogue.with_twins([twins[0], 0]) == frozenset({*twins, 0})
    alone = Recommender(catalogue, recommender.policy.without_lm(), {}, seed=1)
    asked = "A drama from 1997"
    shown = {own.title for own in alone.recommend(ask=asked, k=300).items}
    refused = [{"role": "user", "content": f"{asked}, but not Ulee's Gold (1997)"}]
    assert "Ulee's Gold" in shown
    assert "Ulee's Gold" not in {own.title for own in alone.recommend(messages=refused, k=300).items}


@pytest.mark.slow
def test_ten_thousand_turns_keep_every_promise() -> None:
    from eval.conversation.simulation import SimulationRun, simulate

    (found,) = simulate(SimulationRun("ml-100k", 3600, lm=False, seed=100), lambda *_: None)
    assert found.turns >= 10_000
    assert (found.crashes, found.unknown, found.violations, found.repeated) == (0, 0, 0, 0), found.errors
