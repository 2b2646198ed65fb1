"""Promotion: a worse policy is refused with its reasons, an equal one is not; the command line says and records it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.data.dataset import Dataset
from agent.policy.distribution import Policy
from agent.policy.item_lm import PolicyCard
from agent.policy.loading import RELEASED, Foundation, registry
from agent.recommender import Recommender
from agent.store.feedback import FeedbackLog
from eval.metrics import Interval
from eval.off_policy.target import PolicyTarget
from eval.policy.promotion import LOG_MARGIN, MARGIN, Finding, PolicyMaker, PromotionReport, compare, logged
from tests.chat_log import chat
from ui.cli.main import app

TURNS = 60


def evidence_policy(scale: Mapping[str, float] | None = None, version: str = "evidence") -> PolicyMaker:
    """The released policy without its LM, which is quick; the evidence of some goals weighs ``scale`` times as much."""
    card = PolicyCard.read(RELEASED)

    def make(foundation: Foundation) -> Policy:
        weights = {goal: np.array(own, np.float32) * (scale or {}).get(goal, 1.0) for goal, own in card.weights.items()}
        return Policy(foundation.features, weights, version=version)

    return make


@pytest.fixture(scope="module")
def log(recommender: Recommender, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeedbackLog]:
    """Written by the policy without its LM."""
    policy = evidence_policy()(Foundation.of(dataset))
    with FeedbackLog(tmp_path_factory.mktemp("log") / "feedback.db") as log:
        chat(recommender, dataset, log, TURNS, policy=policy)
        yield log


def test_an_equal_policy_is_accepted_and_a_worse_one_refused_for_the_goal_it_is_worse_at(
    recommender: Recommender, dataset: Dataset
) -> None:
    current = evidence_policy()
    same = compare(evidence_policy(version="copy"), current, dataset)
    assert same.accepted and not same.reasons and (same.candidate, same.current) == ("copy", "evidence")
    assert len(same.findings) == 2
    for finding in same.findings:
        assert finding.difference == Interval(0.0, 0.0, 0.0) and finding.new == finding.old
        assert finding.new is not None and finding.new.mean > 0.5
    worse = compare(evidence_policy({"request": -1.0}, "worse"), current, dataset)
    assert not worse.accepted and len(worse.reasons) == 1
    assert "goal 'request'" in worse.reasons[0] and "the whole interval is below 0" in worse.reasons[0]
    assert worse.findings[0].difference == Interval(0.0, 0.0, 0.0)
    other_way = compare(current, evidence_policy({"request": -1.0}, "worse"), dataset)
    assert other_way.accepted and other_way.findings[1].difference is not None
    assert worse.findings[1].difference is not None
    assert other_way.findings[1].difference.mean == pytest.approx(-worse.findings[1].difference.mean)
    json.dumps(worse.to_json(), allow_nan=False)


def test_the_log_is_asked_where_it_can_answer(dataset: Dataset, log: FeedbackLog, tmp_path: Path) -> None:
    foundation = Foundation.of(dataset)

    def target(scale: float) -> PolicyTarget:
        return PolicyTarget(evidence_policy({"request": scale})(foundation), foundation.catalogue)

    same = logged(target(1.0), target(1.0), log)
    assert same.difference is not None and same.new is not None and same.old is not None
    assert same.difference.mean == same.difference.low == same.difference.high == 0.0 and same.reason is None
    assert 0 < same.new.mean < 5 and "impressions" in same.note
    near = logged(target(1.02), target(1.0), log)
    assert near.difference is not None and near.difference.low < near.difference.high
    far = logged(target(-5.0), target(1.0), log)
    assert far.difference is None and far.reason is None and "cannot support" in far.note
    with FeedbackLog(tmp_path / "empty.db") as empty:
        nothing = logged(target(1.0), target(1.0), empty)
    assert nothing.difference is None and "nothing can be said" in nothing.note
    last = max(impression.timestamp for impression in log.impressions())
    assert logged(target(1.0), target(1.0), log, since=last).difference is None


def finding(low: float, mean: float, high: float, margin: float = MARGIN) -> Finding:
    other = Interval(0.7, 0.6, 0.8)
    return Finding("click rate", other, other, Interval(mean, low, high), margin, "")


def test_the_rule() -> None:
    assert finding(-0.03, -0.005, 0.02).reason is None
    assert finding(-0.02, -0.001, 0.018).reason is None
    assert "interval is below 0" in str(finding(-0.009, -0.005, -0.001).reason)
    assert "more than 0.01" in str(finding(-0.05, -0.02, 0.01).reason)
    assert finding(-0.05, -0.02, 0.01, LOG_MARGIN).reason is None
    unknown = replace(finding(0, 0, 0), difference=None)
    assert unknown.reason is None
    report = PromotionReport("new", "old", (finding(-0.05, -0.02, 0.01), finding(0.1, 0.2, 0.3)))
    assert not report.accepted and len(report.reasons) == 1
    assert report.to_json()["accepted"] is False and report.to_json()["reasons"] == list(report.reasons)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["adapters", *arguments])
    return result.exit_code, result.output


@pytest.mark.slow
def test_the_command_line_from_adding_to_rolling_back(dataset: Dataset, tmp_path: Path) -> None:
    known = registry("ml-100k")
    before = known.active()
    worse = tmp_path / "worse"
    shutil.copytree(RELEASED, worse)
    card = json.loads((worse / "policy.json").read_text(encoding="utf-8"))
    card["weights"]["like"] = [-weight for weight in card["weights"]["like"]]
    (worse / "policy.json").write_text(json.dumps(card), encoding="utf-8")
    for folder, name in ((RELEASED, "cli-1"), (worse, "cli-2")):
        code, text = run("add", str(folder), "--name", name, "--from", before, "--how", "by hand", "--json")
        assert code == 0 and json.loads(text)["parent"] == before
    listed = {entry["version"]: entry["active"] for entry in json.loads(run("list", "--json")[1])}
    assert listed[before] and not listed["cli-1"]
    assert "by hand" in run("show", "cli-1")[1]

    code, text = run("promote", "cli-2")
    assert code == 1 and "against it: click rate" in text and known.active() == before
    code, text = run("promote", "cli-2", "--force", "--json")
    assert code == 0 and json.loads(text)["forced"] and json.loads(text)["reasons"]
    step = known.steps()[-1]
    assert known.active() == "cli-2" and step.forced and step.note["reasons"] == json.loads(text)["reasons"]
    code, text = run("promote", "cli-2")
    assert code == 2 and "in use already" in text
    code, text = run("rollback", "--json")
    assert code == 0 and json.loads(text) == {"active": before, "left": "cli-2"} and known.active() == before

    code, _ = run("promote", "cli-1")  # the same policy under another name
    assert code == 0 and known.active() == "cli-1" and not known.steps()[-1].forced
    assert run("rollback")[0] == 0


def test_what_cannot_be_promoted_or_rolled_back_is_said() -> None:
    code, text = run("rollback")
    assert code == 2 and "nothing to roll back" in text
    code, text = run("promote", "no-such")
    assert code == 2 and "no adapter 'no-such'" in text
