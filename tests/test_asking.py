"""Asking back: a question is worth what it is expected to bring, and nobody is pestered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.dialogue.clarifying import (
    LEAST_GAIN,
    MOST_IGNORED,
    SURPRISE,
    Candidate,
    best_question,
    ignored,
    may_ask,
    questions,
    worth,
)
from agent.policy.distribution import Ranking
from agent.recommender import Recommender
from agent.records.answer import Answer, Question
from agent.records.constraints import Constraints
from agent.records.conversation import Conversation, Message
from agent.records.state import State
from agent.understanding.parser import understand


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def ranking(catalogue: Catalogue, sharpness: float = 0.5) -> Ranking:
    """Better-known films are likelier; ``sharpness`` says by how much."""
    logits = sharpness * np.log1p(catalogue.rating_count).astype(np.float32)
    return Ranking(np.arange(len(catalogue)), np.zeros_like(logits), logits)


def said(*texts: str, question: Question | None = None, choices: tuple[str, ...] = ()) -> Conversation:
    """A chat in which each text was answered with the question."""
    answer = Answer("…", (), {}, "p", {}, 0.0, choices=choices, question=question)
    messages = [part for text in texts for part in (Message("user", text), Message("assistant", "…", answer))]
    return Conversation(messages=messages[:-1])


def test_the_gain_is_the_expected_rise_of_the_slates_mass() -> None:
    probabilities = np.array([0.3, 0.3, 0.2, 0.2])
    halves = Candidate("genre", ("a", "b"), ("a", "b"), np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]]))
    assert worth(halves, probabilities, 1).gain == pytest.approx(0.3)
    assert worth(halves, probabilities, 2).gain == pytest.approx(0.4)
    assert worth(halves, probabilities, 1).information == pytest.approx(1.0)
    useless = Candidate("genre", ("a", "b"), ("a", "b"), np.full((2, 4), 0.5))
    assert worth(useless, probabilities, 2).gain == pytest.approx(0.0)
    assert worth(useless, probabilities, 2).information == pytest.approx(0.0)
    silent = Candidate("genre", ("a", "b"), ("a", "b"), np.zeros((2, 4)))
    assert worth(silent, probabilities, 1).gain == pytest.approx(0.0), "no answer fits: nothing is learnt"


def test_every_quick_reply_is_a_condition_that_the_grammar_reads(catalogue: Catalogue) -> None:
    slate = np.argsort(abs(catalogue.rating_count - 250), kind="stable")[:5].tolist()
    found = list(questions(Constraints(), ranking(catalogue), catalogue, slate))
    assert {own.aspect for own in found} == {"genre", "time", "known"}
    for own in found:
        assert (own.likelihood.sum(axis=0) <= 1 + 1e-9).all()
        for place, choice in enumerate(own.choices):
            if choice == SURPRISE:
                continue
            told = understand(choice, catalogue, None, slate)
            meant = own.likelihood[place] > 0
            assert (catalogue.mask(told.constraints) >= meant).all() and meant.any()


def test_what_is_settled_or_was_asked_is_not_asked(catalogue: Catalogue) -> None:
    own = ranking(catalogue)
    settled = Constraints((frozenset({"Comedy"}),), year_min=1990)
    assert {q.aspect for q in questions(settled, own, catalogue, (49,))} <= {"known"}
    assert not list(questions(Constraints(), own, catalogue, (), {"genre", "time", "known"}))


def test_nobody_is_pestered() -> None:
    question, choices = Question("genre", "Would a comedy or a drama suit you best?"), ("A comedy", "A drama")
    assert may_ask(said("something to watch"), State())
    assert not may_ask(said("surprise me"), State())
    assert not may_ask(said("x"), State(like=(3,))), "an example is specific"
    assert not may_ask(said("x"), State(**Constraints((frozenset({"Drama"}),), year_min=1990).parts()))
    asked = said("hello", "with Tom Hanks", "no idea", question=question, choices=choices)
    assert ignored(asked) == MOST_IGNORED and not may_ask(asked, State())
    assert ignored(said("hello", "a comedy, but an old one", question=question, choices=choices)) == 0


def test_a_question_must_pay(catalogue: Catalogue) -> None:
    flat, conversation = ranking(catalogue, 0.0), said("what now?")
    wide = best_question(conversation, State(), flat, catalogue, (), 5)
    assert wide is None, "where all is equally likely no answer lifts five films by much"
    sharp = best_question(conversation, State(), ranking(catalogue, 2.0), catalogue, (49,), 5)
    assert sharp is not None and sharp.gain >= LEAST_GAIN


def test_the_chat_asks_beside_the_films_and_understands_the_button(recommender: Recommender) -> None:
    conversation = Conversation(user="12")
    first = recommender.reply(conversation, "what should I watch?")
    assert len(first.items) == 5 and first.question is not None
    assert first.reply.endswith(first.question.text) and len(first.choices) >= 2
    second = recommender.reply(conversation, first.choices[0])
    wanted = understand(first.choices[0], recommender.catalogue).constraints
    met = recommender.catalogue.mask(wanted)
    assert all(met[recommender.catalogue.index(item.item_id)] for item in second.items)
    assert second.question is None or second.question.aspect != first.question.aspect
    third = recommender.reply(conversation, SURPRISE)
    assert third.items and third.question is None
    stored = Conversation.from_json(conversation.to_json())
    assert stored == conversation and replace(first, question=None) != first
    assert not recommender.recommend(user="12").choices, "one answer without a chat asks nothing"
