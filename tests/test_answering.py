"""A catalogue of answers: a message is a question, what helped is noted, what nothing fits goes to a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.data.dataset import Dataset, import_dataset
from agent.data.importers.tables import Options
from agent.domains.domain import FOLDER
from agent.features.request_classifier import HANDED_OVER, nearness
from agent.policy.loading import Foundation
from agent.recommender import Recommender
from agent.records.answer import Answer
from agent.records.conversation import Conversation
from eval.adaptation import handed_over
from training.adapt import split_requests

OFF_TOPIC = Path(__file__).parents[1] / "eval" / "protocols" / "data" / "off_topic_questions.txt"


@pytest.fixture(scope="module")
def questions(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The shipped articles and twelve questions of each kind."""
    folder = tmp_path_factory.mktemp("support")
    asked = pd.read_csv(shared / "support-banking77" / "train.csv").groupby("category").head(12)
    asked.to_csv(folder / "questions.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(folder / "cache"))
        options = Options(domain="support", requests=folder / "questions.csv")
        return import_dataset(FOLDER / "support" / "articles.jsonl", "support", options=options)


@pytest.fixture(scope="module")
def support(questions: Dataset) -> Recommender:
    foundation = Foundation.of(questions)
    return Recommender(foundation.catalogue, foundation.policy(), {})


def _told(recommender: Recommender, *messages: str) -> Answer:
    conversation = Conversation()
    for message in messages[:-1]:
        recommender.reply(conversation, message)
    return recommender.reply(conversation, messages[-1])


@pytest.mark.parametrize(
    ("message", "article"),
    [
        ("my card has not come yet", "card_arrival"),
        ("hi, I think somebody has stolen my card!!", "lost_or_stolen_card"),
        ("thanks but my top up is still pending", "pending_top_up"),
        ("The ATM swallowed my card this morning", "card_swallowed"),
    ],
)
def test_a_problem_in_words_of_its_own_gets_the_article_in_full(
    support: Recommender, message: str, article: str
) -> None:
    answer = _told(support, message)
    assert answer.items[0].item_id == article and len(answer.items) <= 3
    text = support.catalogue.texts["text"][support.catalogue.index(article)]
    assert " ".join(text.split()) in answer.reply


@pytest.mark.parametrize(
    "message", ["which shoes go with a blue suit?", "will it snow in Oslo on Friday", "book me a table for two"]
)
def test_what_nothing_fits_goes_to_a_person_and_keeps_the_slate(support: Recommender, message: str) -> None:
    answer = _told(support, "my card has not come yet", message)
    assert not answer.items and answer.about == "handed_over" and answer.unmet == (message,)
    assert str(support.catalogue.domain.hand_over) in answer.reply


def test_verdicts_are_about_answers_that_were_shown(support: Recommender) -> None:
    asked = "Why was I charged a fee when I took out cash?"
    first = _told(support, asked).items
    after = _told(support, asked, "that did not help")
    assert after.items and first[0].item_id not in {item.item_id for item in after.items}
    assert _told(support, asked, "that did not help", "none of these helped").about == "handed_over"
    helped = _told(support, asked, "thanks, that helped")
    assert not helped.items and helped.about == "judge"
    again = _told(support, asked, "that did not help, I lost my phone and fear for my account")
    assert again.items[0].item_id == "lost_or_stolen_phone"


@pytest.mark.parametrize(
    ("message", "about"),
    [("hello", "social"), ("what can you do?", "agent"), ("Wie geht das mit der Karte?", "unclear")],
)
def test_what_is_no_question_to_an_article_is_none(support: Recommender, message: str, about: str) -> None:
    answer = _told(support, message)
    assert answer.about == about and not answer.items


def test_most_real_questions_are_answered_and_most_others_handed_over(questions: Dataset) -> None:
    real, other = handed_over(questions, OFF_TOPIC.read_text(encoding="utf-8").splitlines()[::5])
    held_out = split_requests(questions).test
    assert held_out is not None and len(held_out) > 100
    assert real.mean < 0.15 and other.mean > 0.8


def test_the_nearest_other_request_tells_what_is_of_their_kind() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(5, 32))
    vectors = np.repeat(kinds, 40, axis=0) + 0.3 * rng.normal(size=(200, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T - 2 * np.eye(200)
    least = nearness(vectors.astype(np.float32))
    assert abs((cosines.max(axis=1) < least).mean() - HANDED_OVER) < 0.01
