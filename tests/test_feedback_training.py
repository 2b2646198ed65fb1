"""Training on the chat's own log: a new version that prefers what people liked; refusals say what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.data.dataset import Dataset
from agent.policy.item_lm import PolicyCard
from agent.policy.loading import RELEASED, Foundation, registry
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.store.feedback import FeedbackLog
from tests.chat_log import chat
from training.ppo.feedback import FeedbackError, FeedbackSettings, held_out_from, place_rows, train_from_feedback
from training.ppo.log_guards import GuardError
from training.ppo.replay import replay_rows
from training.ppo.rows import EMPTY
from training.ppo.settings import PpoSettings

TURNS = 10


@pytest.fixture(scope="module")
def log(recommender: Recommender, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path_factory.mktemp("log") / "feedback.db") as log:
        chat(recommender, dataset, log, TURNS)
        yield log


def test_each_place_of_a_slate_is_a_row_among_what_was_left(recommender: Recommender, log: FeedbackLog) -> None:
    replayed = replay_rows(log, recommender.policy, recommender.catalogue)
    rows = place_rows(replayed.rows, recommender.policy)
    assert len(rows) == replayed.places
    first, third = rows[0], rows[2]
    slate = replayed.rows[0]
    assert first["candidates"][first["logged"]] == slate.shown[0]
    assert third["candidates"][third["logged"]] == slate.shown[2]
    assert set(slate.shown[:2]) <= set(first["candidates"]) and not set(slate.shown[:2]) & set(third["candidates"])
    assert third["candidates"][-2:] == [EMPTY, EMPTY]
    assert (first["user"], first["goal"], first["weight"]) == (slate.owner, "request", slate.weights[0])
    mean = np.mean([row.rewards[0] for row in replayed.rows])
    assert first["rewards"][first["logged"]] == pytest.approx(slate.rewards[0] - mean, abs=1e-6)
    assert np.count_nonzero(first["rewards"]) <= 1
    silent = [row.state for row in replayed.rows if not (row.state.request or row.state.like or row.state.unlike)]
    assert sum(not row["lm_scale"] for row in rows) == sum(
        len(row.shown) for row in replayed.rows if row.state in silent
    )
    assert not any(row["lm_scale"] for row in place_rows(replayed.rows, recommender.policy.without_lm()))


def test_training_gives_a_new_version_that_prefers_what_people_liked(
    recommender: Recommender, dataset: Dataset, log: FeedbackLog, tmp_path: Path
) -> None:
    settings = FeedbackSettings(
        passes=2,
        least=5,
        guards=None,
        ppo=PpoSettings(lora_rate=3e-4, weights_rate=3e-2, lm_weight_rate=3e-2, warmup=0.0, seed=0),
    )
    folder = train_from_feedback(log.path, "ml-100k", RELEASED, tmp_path, settings)
    known = registry("ml-100k")
    before, after = PolicyCard.read(RELEASED), PolicyCard.read(folder)
    entry = known.verified(after.version)
    assert entry.folder == folder and entry.parent == before.version and after.version == "feedback-1"
    assert entry.how == "concierge train ppo --from-feedback" and known.active() != after.version
    assert after.temperature == before.temperature
    assert after.weights["request"] != before.weights["request"]
    assert all(np.allclose(after.weights[goal], before.weights[goal], atol=1e-5) for goal in ("next", "like"))
    until = held_out_from(log, settings)
    assert until is not None and entry.figures["trained_until"] == until
    assert entry.figures["used"] == sum(i.timestamp < until for i in log.impressions()) < TURNS + TURNS // 4
    told = json.loads((folder / "training.json").read_text("utf-8"))
    assert told["feedback"]["from"] == before.version and told["feedback"]["ppo"]["weight_cap"] == settings.clip

    trained = Foundation.of(dataset).policy(folder)
    rows = replay_rows(log, trained, recommender.catalogue, until=until).rows
    moved = np.concatenate([np.log(row.current) - np.log(row.propensities) for row in rows])
    rewards = np.concatenate([row.rewards for row in rows])
    assert moved[rewards > 0].mean() > moved[rewards <= 0].mean()


def test_a_log_that_cannot_be_trained_on_is_refused(
    recommender: Recommender, dataset: Dataset, log: FeedbackLog, tmp_path: Path
) -> None:
    with pytest.raises(FeedbackError, match="impressions can be trained on, at least 30"):
        train_from_feedback(log, "ml-100k", RELEASED, tmp_path, FeedbackSettings(guards=None))
    with pytest.raises(GuardError, match="people are left"):
        train_from_feedback(log, "ml-100k", RELEASED, tmp_path)
    with FeedbackLog(tmp_path / "greedy.db") as greedy:
        chat(recommender, dataset, greedy, 2, explore=False)
        with pytest.raises(FeedbackError, match="not drawn at random"):
            train_from_feedback(greedy, "ml-100k", RELEASED, tmp_path, FeedbackSettings(guards=None))
    with FeedbackLog(tmp_path / "silent.db") as silent:
        writer = Recommender(recommender.catalogue, recommender.policy, {}, silent, explore=True)
        for _ in range(3):
            writer.reply(Conversation(), "a comedy")
        with pytest.raises(FeedbackError, match="paid the same"):
            train_from_feedback(silent, "ml-100k", RELEASED, tmp_path, FeedbackSettings(least=2, guards=None))
    assert not (tmp_path / "adapter").exists()


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="holdout 1"):
        FeedbackSettings(holdout=1)
    with pytest.raises(ValueError, match="passes 0"):
        FeedbackSettings(passes=0)
