"""PPO on two layers of the real model and real rated slates: what it learns, survives, refuses, and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agent.data.dataset import Dataset
from agent.policy.item_lm import ItemLanguageModel, PolicyCard
from tests.small_policy import SmallPolicy, make_small_policy, small_run
from training.ppo.rows import EMPTY, SlateRows, rows_dataset
from training.ppo.run import PpoRun
from training.ppo.slate_policy import SlateBatch, follow, load_slate_policy
from training.sft.packing import GOALS


def _weights(run: PpoRun) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in run.trainer.model.named_parameters() if p.requires_grad}


def _same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-4, atol=1e-7, msg=name)


@pytest.fixture(scope="module")
def small(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> SmallPolicy:
    return make_small_policy(dataset, tmp_path_factory.mktemp("small") / "adapter")


@pytest.fixture(scope="module")
def whole(small: SmallPolicy, tmp_path_factory: pytest.TempPathFactory) -> PpoRun:
    return small_run(small, tmp_path_factory.mktemp("whole"))


def test_a_run_moves_lora_weights_and_critic_and_nothing_else(whole: PpoRun, small: SmallPolicy) -> None:
    fresh = load_slate_policy(small.adapter, small.base, small.catalogue.items, dtype=torch.float32).model
    before = {name: p.detach().clone() for name, p in fresh.named_parameters()}
    moved = {
        name
        for name, p in whole.trainer.model.named_parameters()
        if name not in before or not torch.equal(p.detach(), before[name])
    }
    assert any("lora_B" in name for name in moved) and any("critic" in name for name in moved)
    assert "slate_head.weights" in moved
    assert all("lora_" in name or "slate_head" in name for name in moved)
    head = whole.trainer.model.slate_head
    others = [place for place, goal in enumerate(GOALS) if goal != "like"]
    assert torch.equal(head.weights[others], before["slate_head.weights"][others])


def test_the_history_has_every_figure_of_every_step(whole: PpoRun) -> None:
    lines = (whole.folder.parent / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == whole.history
    assert [entry["step"] for entry in whole.history] == [0, 1, 2, 3, 4]
    wanted = {"reward", "kl", "kl_coef", "entropy", "value_loss", "clip_fraction", "distinct", "seconds", "loss"}
    for entry in whole.history[1:]:
        assert wanted | {"samples_per_second"} <= entry.keys() and np.isfinite(list(entry.values())).all()
    assert [entry["step"] for entry in whole.history if "probe" in entry] == [0, 2, 4]
    assert whole.history[1]["kl"] == pytest.approx(0.0, abs=1e-6) and whole.history[-1]["kl"] > 0


def test_the_written_adapter_is_the_trained_policy(whole: PpoRun, small: SmallPolicy) -> None:
    card = PolicyCard.read(whole.folder)
    before = PolicyCard.read(small.adapter)
    assert card == whole.card and card.version == "ppo" and card.items == before.items
    assert card.weights["next"] == before.weights["next"] and card.weights["like"] != before.weights["like"]
    lm = ItemLanguageModel.from_adapter(whole.folder, small.base, small.catalogue.items, None, dtype=torch.float32)
    rows = SlateRows.of(small.probe)
    scores = torch.from_numpy(lm.scores(rows.prompts[:3])).gather(1, rows.candidates[:3].clamp(min=0))
    logits = card.lm_weights["like"] * scores + rows.evidence[:3] @ torch.tensor(card.weights["like"])
    slates = SlateBatch.of(rows, [0, 1, 2], lm.tokenizer.pad_token_id, "cpu")
    with torch.no_grad():
        trained = whole.trainer.model(slates)["logits"]
    np.testing.assert_allclose(logits[rows.allowed[:3]], trained[rows.allowed[:3]], atol=2e-3)


def test_a_resumed_run_equals_an_unbroken_one(whole: PpoRun, small: SmallPolicy, tmp_path: Path) -> None:
    def stop(what: str, done: int, of: int) -> None:
        if what == "training" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_run(small, tmp_path, report=stop)
    assert sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*")) == ["checkpoint-2"]
    resumed = small_run(small, tmp_path, resume=True)
    _same(_weights(whole), _weights(resumed))
    assert resumed.trainer.kl == whole.trainer.kl and resumed.trainer.guards.state() == whole.trainer.guards.state()
    _same(whole.trainer.best, resumed.trainer.best)
    timing = {"seconds", "samples_per_second"}
    for entry, other in zip(whole.history, resumed.history, strict=True):
        assert entry == pytest.approx({**other, **{name: entry[name] for name in timing & entry.keys()}}, rel=1e-4)
    again = small_run(small, tmp_path, resume=True)
    _same(_weights(whole), _weights(again))


def test_a_half_written_checkpoint_is_never_resumed_from(
    whole: PpoRun, small: SmallPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves = []

    def fail(self: Any, output_dir: str) -> None:
        saves.append(output_dir)
        if len(saves) == 2:
            raise OSError("no space left on device")
        original(self, output_dir)

    from transformers import Trainer

    original = Trainer._save_rng_state
    monkeypatch.setattr(Trainer, "_save_rng_state", fail)
    with pytest.raises(OSError, match="no space left"):
        small_run(small, tmp_path)
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-2"]
    assert (tmp_path / "run" / ".saving").exists()
    monkeypatch.undo()
    _same(_weights(whole), _weights(small_run(small, tmp_path, resume=True)))
    assert not (tmp_path / "run" / ".saving").exists()


def test_resuming_before_the_first_checkpoint_starts_anew(whole: PpoRun, small: SmallPolicy, tmp_path: Path) -> None:
    _same(_weights(whole), _weights(small_run(small, tmp_path, resume=True)))


def test_repeated_steps_on_the_same_picks_clip_the_ratio(small: SmallPolicy, tmp_path: Path) -> None:
    rates: dict[str, Any] = {"weights_rate": 0.5, "lora_rate": 1e-2, "lm_weight_rate": 1e-2, "warmup": 0.0}
    run = small_run(small, tmp_path, num_iterations=2, epsilon=0.05, **rates)
    assert [entry["clip_fraction"] > 0 for entry in run.history[1:]] == [False, True, False, True]
    assert run.card.lm_weights["like"] != 1.0 and run.card.lm_weights["request"] == 1.0


def test_a_whole_slate_is_an_action(small: SmallPolicy, tmp_path: Path) -> None:
    run = small_run(small, tmp_path, mode="slate", k=3, gamma=0.9)
    assert run.stopped is None and all(np.isfinite(entry["kl"]) for entry in run.history[1:])
    with pytest.raises(ValueError, match=r"k = 21 is more than the candidates"):
        small_run(small, tmp_path / "long", mode="slate", k=21)


def test_both_estimators_raise_the_reward_of_a_clear_case(small: SmallPolicy, tmp_path: Path) -> None:
    """One feature of the evidence is the reward: both must find it, and by about the same way."""
    rows = small.paid([np.sign(np.stack(list(row))[:, 0]) for row in small.rows.with_format("numpy")["evidence"]])
    settings: dict[str, Any] = {"steps": 8, "slates": 8, "weights_rate": 0.3, "lora_rate": 0.0, "warmup": 0.0}
    gains = {
        name: [
            entry["gain"] for entry in small_run(small, tmp_path / name, rows, estimator=name, **settings).history[1:]
        ]
        for name in ("ppo", "exact")
    }
    assert gains["exact"][-1] > 0.3 and gains["ppo"][-1] > 0.3


def test_rows_replayed_from_a_log_teach_what_was_shown(small: SmallPolicy, tmp_path: Path) -> None:
    """Logged by a uniform policy; what pays is a positive first feature: its weight must rise."""
    table = small.rows.with_format("numpy")[:]
    rng = np.random.default_rng(0)
    sizes = [int((row != EMPTY).sum()) for row in table["candidates"]]
    logged = [int(rng.integers(n)) for n in sizes]
    features = [np.asarray(row)[:n] for row, n in zip(table["evidence"], sizes, strict=True)]
    lm = load_slate_policy(small.adapter, small.base, small.catalogue.items, dtype=torch.float32)
    from training.ppo.slate_policy import slate_logits

    rows = SlateRows.of(small.rows)
    chances = slate_logits(lm.model, rows, range(len(rows)), lm.tokenizer.pad_token_id).softmax(dim=1)
    replayed = rows_dataset(
        rows.users,
        rows.prompts,
        [row[row != EMPTY] for row in table["candidates"]],
        features,
        [np.where(np.arange(n) == k, np.sign(f[:, 0]), 0) for n, k, f in zip(sizes, logged, features, strict=True)],
        weights=[min(10.0, float(chances[row, k]) * sizes[row]) for row, k in enumerate(logged)],
        logged=logged,
    )
    settings: dict[str, Any] = {"steps": 8, "slates": 8, "generations": 2, "weights_rate": 0.3, "lora_rate": 0.0}
    run = small_run(small, tmp_path, replayed, **settings)
    assert run.stopped is None
    rise = np.array(run.card.weights["like"]) - PolicyCard.read(small.adapter).weights["like"]
    assert rise[0] > 0.2 and rise[0] == max(rise)
    with pytest.raises(ValueError, match="replayed from a log"):
        small_run(small, tmp_path / "exact", replayed, estimator="exact")


def test_orders_have_the_probability_of_drawing_without_replacement() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0, -1e9]])
    orders = torch.tensor([[2, 0]])
    steps = follow(logits, orders, torch.zeros_like(logits).masked_fill(logits < -1e8, -1e9))
    p = logits[0, :3].softmax(dim=0)
    expected = [p[2].log(), (p[0] / (p[0] + p[1])).log()]
    torch.testing.assert_close(steps.log_probs, torch.stack(expected)[None])
    rest = p[:2] / p[:2].sum()
    torch.testing.assert_close(steps.entropies[0, 1], -(rest * rest.log()).sum())
    assert steps.kls is not None
    torch.testing.assert_close(steps.kls[0, 0], (p * (p * 3).log()).sum())
    torch.testing.assert_close(steps.kls[0, 1], (rest * (rest * 2).log()).sum())


def test_rows_refuse_what_cannot_be_trained_on(small: SmallPolicy) -> None:
    def one(**changed: Any) -> Any:
        parts: dict[str, Any] = {
            "users": ["1"],
            "prompts": [[1, 2]],
            "candidates": [[3, 4]],
            "evidence": [np.zeros((2, 2))],
            "rewards": [np.zeros(2)],
        }
        return rows_dataset(**{**parts, **changed})

    assert len(SlateRows.of(one())) == 1
    with pytest.raises(ValueError, match=r"row 0 .* reward that is not finite"):
        SlateRows.of(one(rewards=[np.array([1.0, np.nan])]))
    with pytest.raises(ValueError, match="not a positive number"):
        SlateRows.of(one(weights=[0.0]))
    with pytest.raises(ValueError, match="fewer than two candidates"):
        SlateRows.of(one(candidates=[[3]], evidence=[np.zeros((1, 2))], rewards=[np.zeros(1)]))
    with pytest.raises(ValueError, match="2 candidates but evidence for 1"):
        one(evidence=[np.zeros((1, 2))])
    with pytest.raises(ValueError, match="no slates"):
        SlateRows.of(one(users=[], prompts=[], candidates=[], evidence=[], rewards=[]))
