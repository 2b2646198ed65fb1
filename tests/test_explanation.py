"""Explanations: the evidence is what leaving out shows, and nothing is said that it does not bear out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent.explanation.attribution import attribute, flaws, gather, plain_reason, reason
from agent.policy.distribution import Ranking
from agent.recommender import Recommender
from agent.records.answer import Evidence
from agent.records.state import Event, State


def _index(recommender: Recommender, name: str) -> int:
    return next(item.index for item in recommender.catalogue.items if item.name == name)


@pytest.fixture(scope="module")
def state(recommender: Recommender) -> State:
    liked = [_index(recommender, name) for name in ("Alien (1979)", "Toy Story (1995)", "Casablanca (1942)")]
    return State(tuple(Event(item, 5.0) for item in liked), "robots in space", goal="request")


def _ranked(recommender: Recommender, state: State) -> Ranking:
    candidates = np.flatnonzero(recommender.catalogue.mask(state.constraints, left_out=state.seen))
    return recommender.policy.rank(state, candidates)


def test_weights_are_what_leaving_out_changes(recommender: Recommender, state: State) -> None:
    ranking = _ranked(recommender, state)
    shown = list(ranking.slate(3).items)
    attribution = attribute(recommender.policy, state, ranking, shown)
    place = {int(item): row for row, item in enumerate(ranking.candidates)}
    for position in range(3):
        without = recommender.policy.rank(state.without(position), ranking.candidates)
        for item in shown:
            change = ranking.log_probabilities[place[item]] - without.log_probabilities[place[item]]
            assert attribution.history[position][item] == pytest.approx(change, abs=0.05)
    silent = recommender.policy.rank(replace(state, request=""), ranking.candidates)
    for item in shown:
        change = ranking.log_probabilities[place[item]] - silent.log_probabilities[place[item]]
        assert attribution.request[item] == pytest.approx(change, abs=0.05)


def test_every_shown_reason_holds(recommender: Recommender, state: State) -> None:
    catalogue = recommender.catalogue
    ranking = _ranked(recommender, state)
    shown = list(ranking.slate(20).items)
    attribution = attribute(recommender.policy, state, ranking, shown)
    for index in shown:
        facts = gather(state, catalogue[index], catalogue, attribution)
        text = reason(catalogue[index], facts, catalogue)
        assert not flaws(text, catalogue[index], facts, catalogue)
        assert text != plain_reason(catalogue[index])


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("Picked because you liked “Titanic”.", "title “Titanic”"),
        ("It is a thriller from 1979.", "number 1979"),
        ("It is a western.", "genre Western"),
        ("211 viewers give it 4.9 stars on average.", "number 4.9"),
        ("A masterpiece by Kubrick.", "name Kubrick"),
    ],
)
def test_a_made_up_fact_is_found(recommender: Recommender, text: str, flaw: str) -> None:
    catalogue = recommender.catalogue
    item = catalogue[_index(recommender, "Fargo (1996)")]
    facts = (Evidence("rating", 0.0, value=4.2), Evidence("viewers", 0.0, value=211))
    assert flaw in flaws(text, item, facts, catalogue)


def test_true_sentences_pass(recommender: Recommender) -> None:
    catalogue = recommender.catalogue
    item = catalogue[_index(recommender, "Fargo (1996)")]
    toy_story = catalogue[_index(recommender, "Toy Story (1995)")].item_id
    facts = (Evidence("history", 0.4, toy_story, 5.0), Evidence("rating", 0.0, value=4.2))
    text = "Picked because you liked “Toy Story”. A thriller from 1996 with 4.2 stars."
    assert flaws(text, item, facts, catalogue) == []
