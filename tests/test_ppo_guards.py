"""Guards: what stops a PPO run, that a planted exploitable reward is seen, and that a killed run always resumes."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agent.data.dataset import Dataset
from agent.policy.item_lm import PolicyCard
from tests.conftest import ROOT
from tests.small_policy import SmallPolicy, make_small_policy, save_small_policy, small_run
from training.ppo.critic import value_loss
from training.ppo.guards import AdaptiveKl, Guards, paired_fall
from training.ppo.settings import PpoSettings

USERS = [str(k) for k in range(100)]


@pytest.fixture(scope="module")
def small(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> SmallPolicy:
    return make_small_policy(dataset, tmp_path_factory.mktemp("small") / "adapter", users=80)


def _guards(**settings: Any) -> Guards:
    return Guards(PpoSettings.of({"distinct_window": 8, **settings}), USERS)


def _step(guards: Guards, kl: float = 0.1, entropy: float = 0.5, gain: float = 0.1, picks: Any = ()) -> str | None:
    stop = guards.after_step(7, kl, entropy, gain, picks)
    return stop.kind if stop else None


def test_the_kl_weight_follows_the_divergence() -> None:
    kl = AdaptiveKl(0.1, target=0.5)
    kl.update(0.5)
    assert kl.weight == pytest.approx(0.1)
    kl.update(100.0)
    assert kl.weight == pytest.approx(0.102)
    kl.update(0.0)
    assert kl.weight == pytest.approx(0.102 * 0.98)
    fast = AdaptiveKl(0.1, target=0.5, speed=0.5)
    fast.update(100.0)
    assert fast.weight == pytest.approx(0.11)
    constant = AdaptiveKl(0.1, target=None)
    constant.update(100.0)
    assert constant.weight == 0.1


def test_each_limit_stops_the_run_and_says_why() -> None:
    assert _step(_guards(kl_limit=1.0), kl=0.99) is None
    guards = _guards(kl_limit=1.0)
    assert _step(guards, kl=1.01) == "kl" and "1.01 nats" in str(guards.stop) and "step 7" in str(guards.stop)
    assert _step(_guards(entropy_floor=0.2), entropy=0.19) == "entropy"
    # Eight prompts, five distinct picks before, two now: below half, but only once the window is full.
    before = [1, 2, 3, 4, 5, 5, 5, 5]
    now = [1, 2, 1, 2, 1, 2, 1, 2]
    guards = _guards(distinct_floor=0.5)
    assert _step(guards, picks=list(zip(now, before, strict=True))[:7]) is None
    assert _step(guards, picks=list(zip(now, before, strict=True))[7:]) == "distinct"
    assert _step(_guards(distinct_floor=0.4), picks=list(zip(now, before, strict=True))) is None


def test_a_fall_of_the_real_reward_counts_where_the_training_reward_rose() -> None:
    liked, disliked = [1.0] * 60 + [0.0] * 40, [1.0] * 30 + [0.0] * 70
    guards = _guards()
    assert guards.after_probe(0, liked)
    _step(guards, gain=0.4)
    assert not guards.after_probe(10, disliked)
    assert guards.stop and guards.stop.kind == "reward_hacking" and guards.best and guards.best.step == 0
    assert "rose from +0.000 to +0.400" in guards.stop.text and "0.600 at step 0" in guards.stop.text
    # The training reward fell too: the policy is worse, but not by hacking.
    guards = _guards()
    guards.after_probe(0, liked)
    _step(guards, gain=-0.4)
    guards.after_probe(10, disliked)
    assert guards.stop is None
    # A fall within the noise of a hundred users is none.
    guards = _guards()
    guards.after_probe(0, liked)
    _step(guards, gain=0.4)
    guards.after_probe(10, [1.0] * 57 + [0.0] * 43)
    assert guards.stop is None


def test_errors_of_the_probe_are_clustered_by_user() -> None:
    before, now = [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]
    fall, error = paired_fall(before, now, ["a", "a", "b", "b"])
    # Two users whose means are 1 and 0: the standard error of their mean is .5.
    assert fall == 0.5 and error == pytest.approx(0.5)
    assert paired_fall(before, now, ["a", "b", "c", "d"])[1] == pytest.approx(0.5 / math.sqrt(3))
    assert paired_fall(before, now, ["a"] * 4)[1] == math.inf


def test_the_guards_survive_a_checkpoint() -> None:
    guards = _guards()
    guards.after_probe(0, [1.0, 0.0])
    _step(guards, gain=0.25, picks=[(1, 2)])
    other = _guards()
    other.load(guards.state())
    assert other == guards


def test_a_planted_reward_for_obscure_films_is_caught(small: SmallPolicy, tmp_path: Path) -> None:
    """A reward model that likes films few have rated, whatever people think of them."""
    ratings = small.catalogue.rating_count
    obscure = [np.where(ratings[list(slate.items)] < 60, 1.0, -1.0) for slate in small.train_slates]
    settings: dict[str, Any] = {"steps": 60, "slates": 8, "weights_rate": 0.1, "lora_rate": 0.0, "probe_every": 5}
    settings |= {"kl_limit": 20.0, "kl_target": None, "kl_weight": 0.0}
    run = small_run(small, tmp_path / "planted", small.paid(obscure), **settings)
    assert run.stop is not None and run.stop.kind == "reward_hacking", run.history
    best = run.trainer.guards.best
    assert best is not None and run.kept == best.step < run.stop.step < 60
    probes = {entry["step"]: entry["probe"] for entry in run.history if "probe" in entry}
    assert probes[run.stop.step] < probes[best.step] - 0.1 and run.history[-1]["gain"] > 0.1
    card = PolicyCard.read(run.folder)
    kept = PolicyCard.read(small.adapter).weights["like"] if best.step == 0 else tuple(
        round(w, 6) for w in run.trainer.best["slate_head.weights"][1].tolist()
    )  # fmt: skip
    assert card.weights["like"] == kept
    # The honest reward, under the same settings, is let through.
    honest = small_run(small, tmp_path / "honest", **{**settings, "steps": 20})
    assert honest.stop is None


def test_a_loss_that_is_not_finite_ends_the_run_before_it_harms(
    small: SmallPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        loss = value_loss(*arguments)
        return loss * math.nan if len(calls) == 3 else loss

    monkeypatch.setattr("training.ppo.trainer.value_loss", broken)
    run = small_run(small, tmp_path, probe_every=1)
    assert run.stopped is not None and run.stopped.startswith("non_finite at step 3: the loss is nan")
    assert all(torch.isfinite(p).all() for p in run.trainer.model.parameters())
    assert [entry["step"] for entry in run.history] == [0, 1, 2] and (run.folder / "policy.json").is_file()


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes(small: SmallPolicy, tmp_path: Path) -> None:
    save_small_policy(small, tmp_path)
    settings = ["steps=12", "slates=4", "generations=4", "save_steps=1", "probe_every=3"]
    rng = np.random.default_rng(0)

    def start(output: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.ppo_child", str(tmp_path), str(small.base), str(output), *settings]
        return subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)

    killed = tmp_path / "killed"
    for kill in range(3):
        with start(killed) as child:
            assert child.stdout is not None
            # Some moment from the first new step on; a checkpoint is written after each step.
            next(line for line in child.stdout if line.startswith("training"))
            time.sleep(float(rng.uniform(0.0, 1.0)))
            child.send_signal(signal.SIGKILL)
        assert child.returncode in (-signal.SIGKILL, 0), f"kill {kill}"
    for output in (killed, tmp_path / "unbroken"):
        with start(output) as child:
            child.communicate()
        assert child.returncode == 0
    cards = [PolicyCard.read(folder / "adapter") for folder in (killed, tmp_path / "unbroken")]
    np.testing.assert_allclose(cards[0].weights["like"], cards[1].weights["like"], rtol=1e-4, atol=2e-6)
