"""PPO settings: read from files, refused where they are wrong; the critic's arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from training.ppo.critic import Critic, gae, value_loss
from training.ppo.schedule import RunSampler
from training.ppo.settings import FIELDS, PpoSettings
from ui.cli.main import app


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "steps: 40\nkl_target: null\nlora_rate: 1e-5\nmode: slate\nk: 3\n"),
        ("a.toml", 'steps = 40\nlora_rate = 1e-5\nmode = "slate"\nk = 3\n'),
        ("a.json", json.dumps({"steps": 40, "kl_target": None, "lora_rate": 1e-5, "mode": "slate", "k": 3})),
    ],
)
def test_settings_from_a_file_with_overrides(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    settings = PpoSettings.from_file(path, {"steps": 60, "kl_weight": 1})
    assert (settings.steps, settings.lora_rate, settings.kl_weight) == (60, 1e-5, 1.0)
    assert settings.length == 3 and settings.kl_target == (PpoSettings().kl_target if name == "a.toml" else None)
    assert PpoSettings.of(settings.plain()) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz: 4", "unknown PPO setting 'stepz'"),
        ("steps: four", "steps = 'four': input should be a valid integer"),
        ("steps: true", "steps = True: input should be a valid integer"),
        ("gamma: 2", "gamma = 2: input should be less than or equal to 1"),
        ("generations: 1", "generations = 1: input should be greater than or equal to 2"),
        ("num_iterations: 4\nsave_steps: 50", "save_steps = 50: give a multiple of num_iterations"),
        ("estimator: exact\nmode: slate", "mode = 'slate': give pick"),
        ("estimator: reinforce", "estimator = 'reinforce': input should be 'ppo' or 'exact'"),
        ("lora_rate: fast", "lora_rate = 'fast': input should be a valid number"),
        ("- 4", "holds no settings"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ppo.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        PpoSettings.from_file(path)
    assert str(path) in str(error.value)


def test_a_settings_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ppo.ini").write_text("")
    with pytest.raises(ValueError, match=r"ends in \.yaml, \.toml or \.json"):
        PpoSettings.from_file(tmp_path / "ppo.ini")
    with pytest.raises(ValueError, match="No such file"):
        PpoSettings.from_file(tmp_path / "ppo.yaml")


def test_the_command_refuses_a_wrong_setting_in_one_line() -> None:
    result = CliRunner().invoke(app, ["train", "ppo", "--gamma", "2"])
    assert result.exit_code == 2 and "gamma = 2.0: input should be less than or equal to 1" in result.stderr


def test_every_setting_has_help() -> None:
    assert all(len(field.description or "") > 10 for field in FIELDS.values())


def test_gae_is_the_sum_of_discounted_differences() -> None:
    rng = np.random.default_rng(0)
    rewards, values = torch.tensor(rng.normal(size=(2, 5, 4)))
    gamma, lam = 0.9, 0.7
    after = torch.cat([values[:, 1:], torch.zeros(5, 1)], dim=1)
    deltas = rewards + gamma * after - values
    advantages, returns = gae(rewards, values, gamma, lam)
    for t in range(4):
        expected = sum((gamma * lam) ** k * deltas[:, t + k] for k in range(4 - t))
        torch.testing.assert_close(advantages[:, t], expected)
    torch.testing.assert_close(returns, advantages + values)
    # With lambda 1 it is the discounted return less the value.
    total = sum(gamma**t * rewards[:, t] for t in range(4))
    torch.testing.assert_close(gae(rewards, values, gamma, 1.0)[0][:, 0], total - values[:, 0])


def test_the_value_may_not_run_away_from_what_it_was() -> None:
    before, returns = torch.zeros(1, 1), torch.ones(1, 1)
    values = torch.full((1, 1), 0.5, requires_grad=True)
    loss = value_loss(values, before, returns, clip=0.2)
    assert loss.item() == pytest.approx(0.5 * 0.8**2)
    (slope,) = torch.autograd.grad(loss, values)
    assert slope.item() == 0.0


def test_the_critic_reads_only_what_remains_and_moves_only_itself() -> None:
    torch.manual_seed(0)
    critic = Critic(hidden=8, features=3)
    torch.nn.init.normal_(critic.value.weight)
    hidden, evidence = torch.randn(2, 8, requires_grad=True), torch.randn(2, 4, 3)
    remaining = torch.ones(2, 2, 4, dtype=torch.bool)
    remaining[:, 1, 0] = False
    chances = remaining.float() / remaining.sum(dim=-1, keepdim=True)
    values = critic(hidden, evidence, chances, remaining)
    changed = evidence.clone()
    changed[:, 0] += 1.0
    again = critic(hidden, changed, chances, remaining)
    assert values.shape == (2, 2)
    torch.testing.assert_close(values[:, 1], again[:, 1])
    assert (values[:, 0] != again[:, 0]).all()
    values.sum().backward()
    assert hidden.grad is None


def test_every_row_is_met_before_any_is_met_again() -> None:
    sampler = RunSampler(10, slates=4, generations=3, steps=8, repeat=2, seed=1)
    batches = list(sampler.batches())
    assert len(batches) == 4 and all(len(set(batch)) == 4 for batch in batches)
    assert len(set(batches[0] + batches[1])) == 8 and batches[:2] != batches[2:]
    order = list(sampler)
    assert len(order) == len(sampler) == 4 * 3 * 8
    assert order[:12] == order[12:24] == [row for row in batches[0] for _ in range(3)]
    with pytest.raises(ValueError, match="3 rows are fewer than the 4 slates"):
        RunSampler(3, 4, 2, 2, 1, 0)
