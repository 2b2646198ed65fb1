"""Propensities: the policy that anybody makes over the same data gives the logged chances again, in any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from agent.data.assets import base_model_path
from agent.data.dataset import Dataset
from agent.dialogue.slate import EXPLORATION
from agent.policy.loading import RELEASED, Foundation
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.records.state import State
from agent.store.feedback import FeedbackLog
from training.ppo.feedback import place_rows
from training.ppo.replay import replay_rows
from training.ppo.rows import SlateRows
from training.ppo.slate_policy import load_slate_policy, slate_logits

OPENINGS = ("a comedy", "I loved Alien and hated Titanic", "something feel-good", "hello", "surprise me")


def test_every_logged_chance_comes_again(recommender: Recommender, dataset: Dataset, tmp_path: Path) -> None:
    foundation = Foundation.of(dataset)
    policy = foundation.policy()
    with FeedbackLog(tmp_path / "feedback.db") as log:
        histories = {user: recommender.history(user) for user in recommender.users()[:3]}
        writer = Recommender(recommender.catalogue, recommender.policy, histories, log, explore=True, seed=0)
        for number, opening in enumerate(OPENINGS * 2):
            users = list(histories)
            conversation = Conversation(user=users[number % 3] if number >= len(OPENINGS) else None)
            answer = writer.reply(conversation, opening)
            if answer.items and number % 2:
                writer.react(conversation, answer.items[0].item_id, "liked")
                writer.reply(conversation, "more like that, but mind-bending")
        rows = replay_rows(log, policy, foundation.catalogue).rows
    assert any(row.state.spoken for row in rows) and any(row.state.history for row in rows)
    for row in rows:
        np.testing.assert_allclose(row.current, row.propensities, rtol=1e-4)

    # What training from feedback starts from is what was served, for strangers too.
    placed = SlateRows.of(place_rows(rows, policy))
    heat = policy.temperature * EXPLORATION
    lm = load_slate_policy(RELEASED, base_model_path(), foundation.catalogue.items, None, heat, dtype=torch.float32)
    logits = slate_logits(lm.model, placed, range(len(placed)), lm.tokenizer.pad_token_id)
    trained = logits.double().log_softmax(dim=1).exp()[torch.arange(len(placed)), placed.logged]
    logged = np.concatenate([row.propensities for row in rows])
    np.testing.assert_allclose(trained.numpy(), logged, rtol=1e-3)


def test_a_choice_does_not_depend_on_what_else_is_ranked(recommender: Recommender) -> None:
    policy, rng = recommender.policy, np.random.default_rng(0)
    past = recommender.history(recommender.users()[0])
    states = [State(past[:length], goal="like") for length in (1, 4, 9, 30)]
    states += [State(past[:6], wish, goal="request") for wish in ("a comedy", "a slow, sad film about growing old")]
    states += [State((), "war", goal="request"), State(request="x", like=(3,), goal="request", hints=("mind-bending",))]
    candidates = [
        rng.choice(len(recommender.catalogue), size, replace=False) for size in (20, 3, 100, 7, 50, 20, 5, 60)
    ]
    alone = [policy.rank(state, own) for state, own in zip(states, candidates, strict=True)]
    for _ in range(2):
        order = rng.permutation(len(states))
        together = policy.rank_many([states[k] for k in order], [candidates[k] for k in order])
        for place, ranking in zip(order, together, strict=True):
            np.testing.assert_allclose(ranking.probabilities, alone[place].probabilities, rtol=1e-4)
    evidence, lm = policy.scores(states)
    for row, ranking in enumerate(alone):
        np.testing.assert_allclose((evidence + lm)[row, ranking.candidates], ranking.logits, atol=1e-4)


def test_without_the_lm_only_its_part_is_gone(recommender: Recommender) -> None:
    policy = recommender.policy
    wish = State((), "a comedy", goal="request", hints=("mind-bending",))
    evidence, lm = policy.scores([wish])
    without, nothing = policy.without_lm().scores([wish])
    np.testing.assert_array_equal(without, evidence)
    assert lm.any() and not nothing.any()
