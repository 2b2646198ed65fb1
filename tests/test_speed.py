"""`concierge eval speed`: arithmetic of the stopwatch; the whole measurement is a slow test."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from agent.data.dataset import Dataset
from eval.speed import SpeedError, Stopwatch, measure_training
from ui.cli.main import app


def test_the_first_step_and_what_surrounds_training_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 125.0, 127.0, 129.0, 139.0])
    monkeypatch.setattr("eval.speed.time.perf_counter", lambda: next(clock))
    passed: list[str] = []
    watch = Stopwatch(lambda what, done, of: passed.append(what))
    watch("rows", 1, 1)
    for step in (1, 2, 3):
        watch("training", step, 3)
    speed = watch.speed("ppo", "pick", samples=64, whole=100)
    assert passed == ["rows", "training", "training", "training"]
    # 23 s before the first step, three of 2 s, 10 s afterwards.
    assert (speed.seconds_preparing, speed.seconds_a_step, speed.seconds_after) == (23.0, 2.0, 10.0)
    assert speed.wall_seconds == 39.0 and speed.samples_per_second == 32.0 and speed.steps == 3
    assert speed.whole_run_seconds == 23 + 100 * 2 + 10
    told = speed.to_json(speed)
    assert told["samples_per_second_ratio"] == 1.0 and told["seconds_a_step_ratio"] == 1.0


def test_unknown_commands_and_too_few_steps_are_refused() -> None:
    with pytest.raises(SpeedError, match="unknown command 'dpo': use one of sft, reward, ppo"):
        next(measure_training(commands=["dpo"]))
    with pytest.raises(SpeedError, match="2 steps are too few"):
        next(measure_training(steps=2))


@pytest.mark.slow
def test_every_training_command_is_timed(dataset: Dataset) -> None:
    result = CliRunner().invoke(app, ["eval", "speed", "--steps", "3", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [row["command"] for row in told["rows"]] == ["sft", "reward", "ppo"]
    for row in told["rows"]:
        assert row["steps"] == 3 and row["samples_per_second"] > 0 and row["seconds_after"] > 0
        parts = row["seconds_preparing"] + 3 * row["seconds_a_step"] + row["seconds_after"]
        assert parts == pytest.approx(row["wall_seconds"], rel=0.01)
    assert told["machine"]["device"] in ("cpu", "cuda:0")
