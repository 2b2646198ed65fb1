"""Replay: the chat's log gives rows with the right state, rewards and importance weights; nothing is lost silently."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.data.dataset import Dataset
from agent.data.rows import RowError
from agent.policy.distribution import Policy
from agent.recommender import Recommender
from agent.records.impression import Impression
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import read_impressions
from tests.chat_log import chat
from training.ppo.replay import GREEDY, INEXACT, UNKNOWN, ReplayRows, replay_rows
from training.ppo.rewards import RewardError

TURNS = 8


@pytest.fixture(scope="module")
def log(recommender: Recommender, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path_factory.mktemp("log") / "feedback.db") as log:
        chat(recommender, dataset, log, TURNS)
        yield log


@pytest.fixture(scope="module")
def own(recommender: Recommender, log: FeedbackLog) -> ReplayRows:
    """Replayed for the policy that wrote the log."""
    return replay_rows(log, recommender.policy, recommender.catalogue)


def altered(policy: Policy, scale: float) -> Policy:
    """The policy with another weight on all evidence."""
    weights = {goal: own * scale for goal, own in policy.weights.items()}
    other = copy.copy(policy)
    other.weights, other.version = weights, "altered"
    return other


def test_for_the_policy_that_wrote_the_log_every_weight_is_one(own: ReplayRows) -> None:
    # The 4th, 8th, ... person opened with a message of its own, which was answered too.
    assert len(own.rows) == TURNS + TURNS // 4 and not own.left_out
    for row in own.rows:
        np.testing.assert_allclose(row.current, row.propensities, rtol=1e-4)
        np.testing.assert_allclose(row.weights, 1.0, rtol=1e-4)
    assert own.clipped == 0 and own.effective == pytest.approx(own.places, rel=1e-4)


def test_another_policy_weighs_places_by_the_ratio_of_the_chances(
    recommender: Recommender, log: FeedbackLog, own: ReplayRows
) -> None:
    other = altered(recommender.policy, 1.5)
    rows = replay_rows(log, other, recommender.catalogue, clip=1e9)
    ratios = np.concatenate([row.weights for row in rows.rows])
    assert ratios.max() > 1.5 and ratios.min() < 0.5
    for row, mine in zip(rows.rows, own.rows, strict=True):
        assert row.propensities == mine.propensities and row.rewards == mine.rewards
        np.testing.assert_allclose(row.weights, np.array(row.current) / row.propensities)
    cut = replay_rows(log, other, recommender.catalogue, clip=1.2)
    assert cut.clipped == int((ratios > 1.2).sum()) > 0
    assert max(max(row.weights) for row in cut.rows) == 1.2
    assert cut.report()["clipped_places"] == cut.clipped and cut.report()["clip"] == 1.2
    assert cut.effective < cut.places


def test_the_weights_are_unbiased_for_another_policy(recommender: Recommender, own: ReplayRows) -> None:
    """Over slates drawn again from the logged policy, the mean weight of a first place is 1 (sum over pi is 1)."""
    row = own.rows[0]
    policy = recommender.policy
    hot, other = (
        replace(each.rank(row.state, row.candidates), temperature=each.temperature)
        for each in (policy, altered(policy, 1.2))
    )
    exact = hot.probabilities @ (other.probabilities / hot.probabilities)
    rng = np.random.default_rng(0)
    drawn = [hot.slate(1, rng) for _ in range(2000)]
    weights = [float(other.propensities(slate.items)[0]) / slate.propensities[0] for slate in drawn]
    assert exact == pytest.approx(1.0)
    assert np.mean(weights) == pytest.approx(1.0, abs=4 * np.std(weights) / np.sqrt(len(weights)))


def test_rewards_come_from_what_people_did(recommender: Recommender, log: FeedbackLog, own: ReplayRows) -> None:
    outcomes = {(o.impression_id, o.item_id): o for o in log.outcomes()}
    seen = set()
    for row in own.rows:
        for item, reward in zip(row.shown, row.rewards, strict=True):
            outcome = outcomes.get((row.impression, recommender.catalogue[item].item_id))
            if outcome is None:
                wanted = -0.5
            elif outcome.kind == "rated":
                assert outcome.value is not None
                wanted = (0.5 if outcome.value >= 4 else -0.5) + (outcome.value - 3) / 4
            else:
                wanted = {"liked": 1.0, "disliked": -1.0}[outcome.kind]
            assert reward == pytest.approx(wanted)
            seen.add(outcome.kind if outcome else "nothing")
    assert {"liked", "nothing"} <= seen
    assert own.report()["with_a_reaction"] == len(outcomes)
    clicks = replay_rows(log, recommender.policy, recommender.catalogue, reward="click")
    assert {reward for row in clicks.rows for reward in row.rewards} == {1.0, -1.0}


def test_the_export_gives_the_same_rows(
    recommender: Recommender, log: FeedbackLog, own: ReplayRows, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    log.export(path)
    assert replay_rows(path, recommender.policy, recommender.catalogue) == own
    last = max(logged.impression.timestamp for logged in read_impressions(path))
    assert len(replay_rows(path, recommender.policy, recommender.catalogue, since=last).rows) == 1
    assert len(replay_rows(log, recommender.policy, recommender.catalogue, since=last).rows) == 1
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([lines[0], json.dumps({**json.loads(lines[1]), "format": 99})]), encoding="utf-8")
    with pytest.raises(RowError, match=r"log\.jsonl, line 2: format 99"):
        list(read_impressions(path))
    path.write_text("{", encoding="utf-8")
    with pytest.raises(RowError, match="line 1"):
        list(read_impressions(path))


def test_what_cannot_be_used_is_counted_by_reason(
    recommender: Recommender, dataset: Dataset, log: FeedbackLog, tmp_path: Path
) -> None:
    good = next(log.impressions())
    with FeedbackLog(tmp_path / "feedback.db") as mixed:
        chat(recommender, dataset, mixed, 1, explore=False)

        def also(**changes: object) -> None:
            fields = {name: getattr(good, name) for name in good.__slots__}
            mixed.record_impression(Impression(**{**fields, **changes}))

        also(id="empty", slate=(), propensities=(), scores=())
        also(id="old", state=None)
        also(id="other catalogue", candidates=(*good.candidates, "no-such-film"), candidate_propensities=None)
        also(id="broken", state={"history": []})
        also(id="fine")
        found = replay_rows(mixed, recommender.policy, recommender.catalogue)
    assert [row.impression for row in found.rows] == ["fine"]
    assert found.left_out == {GREEDY: 1, "nothing was shown": 1, INEXACT: 1, UNKNOWN: 2}
    report = found.report()
    assert report["impressions"] == 6 and report["used"] == 1 and sum(report["left_out"].values()) == 5
    json.dumps(report)


def test_an_empty_log_and_bad_arguments(recommender: Recommender, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "feedback.db") as empty:
        found = replay_rows(empty, recommender.policy, recommender.catalogue)
        assert found.report()["used"] == 0 and found.effective == 0.0
        with pytest.raises(ValueError, match="clip 0"):
            replay_rows(empty, recommender.policy, recommender.catalogue, clip=0)
        with pytest.raises(RewardError, match="unknown reward 'applause'"):
            replay_rows(empty, recommender.policy, recommender.catalogue, reward="applause")
