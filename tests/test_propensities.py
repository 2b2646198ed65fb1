"""Propensities: the policy that anybody makes over the same data gives the logged chances again, in any batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

import prompts
from agent.data.assets import base_model_path
from agent.data.dataset import Dataset
from agent.dialogue.slate import EXPLORATION
from agent.policy.loading import RELEASED, Foundation, registry
from agent.policy.serving import ActivePolicy
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.records.state import State
from agent.store.feedback import FeedbackLog
from training.ppo.feedback import Ground, place_rows
from training.ppo.propensities import check_propensities
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


def test_the_versions_that_served_give_every_chance_again(
    recommender: Recommender, dataset: Dataset, tmp_path: Path
) -> None:
    known = registry("ml-100k", tmp_path / "adapters")
    ground = Ground(dataset, Foundation.of(dataset), known)
    histories = {user: recommender.history(user) for user in recommender.users()[:2]}
    with FeedbackLog(tmp_path / "feedback.db") as log:
        source = ActivePolicy(known.active, ground.policy, experiment=known.experiment)
        writer = Recommender(recommender.catalogue, source, histories, log, explore=True, seed=0)
        assert writer.templates is not None
        text = prompts.load("state").source
        edited = writer.templates.store.save(text.replace("Wish:", "Wants:"), "ann", parent=1).version
        writer.templates.experiment("state@1", edited.reference, 0.5, "ann")
        for number, opening in enumerate(OPENINGS[:4] * 2):
            if number == 4:
                known.promote("sft")
            conversation = Conversation(f"c-{number}", user=[*histories, None][number % 3])
            answer = writer.reply(conversation, opening)
            if answer.items:
                writer.react(conversation, answer.items[0].item_id, ("more", "disliked", "less", "liked")[number % 4])
            writer.reply(conversation, "from the 90s, feel-good")
            writer.reply(conversation, "undo")
        written = list(log.impressions())
        assert {own.policy for own in written} == {"ppo", "sft"} and len({own.template_hash for own in written}) == 2
        for batch in (1, 32):
            found = check_propensities(log, ground, batch=batch)
            assert found.checked >= len(written) - 4 and found.wrong == () and found.largest < 1e-4, found
        # A log whose propensities were written by hand is found out.
        log.export(tmp_path / "log.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
        for line in lines:
            line["propensities"] = [own * 0.9 for own in line["propensities"]]
        (tmp_path / "forged.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        with FeedbackLog(tmp_path / "forged.db") as forged:
            forged.take_in(tmp_path / "forged.jsonl")
            assert len(check_propensities(forged, ground, most=5).wrong) >= 4


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
