"""Policies compared in simulated sessions, with intervals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.data.dataset import Dataset
from eval.policy.sessions import SessionPolicyError, blind, compare, evaluate
from training.environments.session import SessionEnv, run_sessions
from training.environments.user_model import UserModel
from ui.cli.main import app


def test_the_verb_compares_policies_on_the_same_users(dataset: Dataset) -> None:
    arguments = ["eval", "sessions", "--policy", "random", "--policy", "popularity", "--sessions", "40", "--json"]
    result = CliRunner().invoke(app, arguments, prog_name="concierge")
    assert result.exit_code == 0, result.output
    table = json.loads(result.stdout)
    random, popularity = table["rows"]
    assert (random["policy"], popularity["policy"], table["sessions"]) == ("random", "popularity", 40)
    for row in table["rows"]:
        for measure in ("session_length", "satisfaction", "click_through", "conversion"):
            low, high = row["ci"][measure]
            assert low <= row[measure] <= high
        assert 0 <= row["conversion"] <= row["click_through"] <= 1
        assert row["session_length"] >= 1
    clicks = popularity["paired"]["click_through"]
    assert clicks["reference"] == "random"
    assert clicks["ci"][0] > 0
    assert clicks["mean"] == pytest.approx(popularity["click_through"] - random["click_through"])


def test_reports_of_other_users_are_not_compared(dataset: Dataset) -> None:
    env = SessionEnv(UserModel.of(dataset))
    reports = {f"{seed}": run_sessions(blind(), env, 3, seed) for seed in (0, 1)}
    with pytest.raises(ValueError, match="different simulated users"):
        compare(reports, "0")


def test_an_unknown_policy_is_refused(dataset: Dataset) -> None:
    with pytest.raises(SessionPolicyError, match="unknown policy 'best': use one of random, popularity"):
        evaluate(dataset, ["best"], lambda foundation: pytest.fail("not made"))


def test_random_scores_are_the_same_under_one_seed() -> None:
    candidates = [np.arange(5), np.arange(3)]
    first, second = (blind(1)([(), ()], candidates) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
