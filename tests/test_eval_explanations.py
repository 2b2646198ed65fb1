"""The judgement of explanations: it finds what is wrong, and finds nothing wrong with what the chat says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.recommender import Recommender
from agent.records.answer import Answer, Evidence
from agent.records.conversation import Conversation
from agent.records.state import Event
from eval.conversation.held_out import HeldOut
from eval.explanations.faithfulness import Judge
from training.splits import past_and_future
from ui.cli.main import app


class Lying(Recommender):
    """A recommender whose every recommendation has one fact that is not so."""

    lie = Evidence("raters", 0.0, value=1)

    def reply(
        self,
        conversation: Conversation,
        message: str,
        k: int = 5,
        past: Sequence[Event] = (),
        stopped: Callable[[], bool] | None = None,
        saved: Sequence[str] | None = None,
    ) -> Answer:
        answer = super().reply(conversation, message, k, past, stopped, saved)
        items = tuple(replace(item, evidence=(*item.evidence, self.lie)) for item in answer.items)
        return replace(answer, items=items)


@pytest.fixture(scope="module")
def held_out(recommender: Recommender, dataset: Dataset) -> HeldOut:
    parts = past_and_future(indexed_ratings(dataset))
    past, future = user_histories(parts.past), user_histories(parts.future)
    known = dataset.only(parts.past)
    policy = recommender.policy.without_lm()
    return HeldOut(Recommender(Catalogue(known), policy, past), known, past, future, 0)


def test_what_the_chat_says_is_true_and_carries_the_choice(held_out: HeldOut) -> None:
    users = held_out.users("valid", 2)
    judge = Judge(held_out)
    for strangers in (False, True):
        figures = judge.judge(users, strangers).to_json()
        assert figures["not_true"] == [] and figures["facts"]["share"] == 1.0
        assert {"title", "year", "genre", "rating", "raters"} <= set(figures["facts"]["kinds"])
        right, total = figures["direction"]["kinds"]["history"]
        assert right / total > 0.9  # reasons are sought among the likeliest items, and judged here among all
        assert figures["deletion"]["difference"] > 0
        assert figures["counterfactual"]["asked"] and figures["counterfactual"]["valid"] in (None, 1.0)


@pytest.mark.parametrize(
    "lie",
    [
        Evidence("raters", 0.0, value=1),
        Evidence("rating", 0.0, value=1.3),
        Evidence("condition", 0.0, value="Opera", facet="genre"),
        Evidence("history", 0.5, "1", 0.5),
        Evidence("like", 0.5, "2"),
        Evidence("hint", 0.5, value="nobody said this"),
    ],
    ids=lambda lie: lie.kind,
)
def test_a_wrong_fact_is_found(held_out: HeldOut, lie: Evidence) -> None:
    lying = Lying(held_out.catalogue, held_out.recommender.policy, held_out.past)
    lying.lie = lie
    figures = Judge(replace(held_out, recommender=lying)).judge(held_out.users("valid", 1)).to_json()
    wrong = figures["not_true"]
    assert wrong and {one["kind"] for one in wrong} == {lie.kind}


def test_a_wrong_part_is_named() -> None:
    result = CliRunner().invoke(app, ["eval", "explanations", "--part", "train"])
    assert result.exit_code == 2 and "train" in result.output and "valid" in result.output
