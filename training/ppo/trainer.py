"""PPO for the policy: a learned critic, exact KL divergence and guards, on TRL's GRPOTrainer.

From TRL come the clipped surrogate, the entropy bonus, repeated steps on the same picks, and the work with PEFT and
several processes. Its KL penalty is not used: with a few candidates the divergence needs no samples, it is exact.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset as ArrowDataset
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Sampler
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOTrainer

from agent.policy.item_lm import ItemLanguageModel
from agent.records.state import POSITIVE
from training.checkpoints import WholeCheckpoints
from training.ppo.critic import gae, value_loss
from training.ppo.guards import AdaptiveKl, Guards, NonFinite, paired_fall
from training.ppo.rows import EMPTY, SlateRows
from training.ppo.schedule import run_sampler, trl_config
from training.ppo.settings import PpoSettings
from training.ppo.slate_policy import SlateBatch, load_trained_state, slate_logits, trained_state

WEIGHTS_FILE = "slate_policy.safetensors"
BEST_FILE = "best.safetensors"
STATE_FILE = "ppo_state.json"


class PpoCheckpoints(WholeCheckpoints):
    """What a trainer's checkpoint holds: the trained parameters, the best probed ones, the KL weight and the guards.

    The optimiser, the schedule, the random states and the log are the `transformers.Trainer`'s own.
    """

    guards: Guards
    kl: AdaptiveKl
    best: dict[str, Tensor]

    def _save(self: Any, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trained_state(self.model), folder / WEIGHTS_FILE)
        if self.best:
            save_file(self.best, folder / BEST_FILE)
        state = {"kl_weight": self.kl.weight, "guards": self.guards.state(), "seconds": self.seconds()}
        (folder / STATE_FILE).write_text(json.dumps(state) + "\n", encoding="utf-8")

    def _load_from_checkpoint(self: Any, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        load_trained_state(self.model, load_file(folder / WEIGHTS_FILE))
        self.best = load_file(folder / BEST_FILE) if (folder / BEST_FILE).is_file() else {}
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        self.kl.weight = state["kl_weight"]
        self.guards.load(state["guards"])
        self.seconds_before = state["seconds"]


class PPOTrainer(PpoCheckpoints, GRPOTrainer):
    """TRL's trainer with a critic. A prompt is the index of a row of ``rows``; a completion is an order of candidates.

    ``lm``: what :func:`training.ppo.slate_policy.load_slate_policy` gave; ``probe``: rows of other users, whose real
    ratings judge the greedy picks; None: no probes; ``reference``: (N, C) logits of the policy before training, for the
    rows that :func:`run_sampler` visits; ``folder``: where checkpoints go; ``hidden``: see
    :func:`training.ppo.slate_policy.read_once`.
    """

    def __init__(
        self,
        lm: ItemLanguageModel,
        rows: SlateRows,
        probe: SlateRows | None,
        settings: PpoSettings,
        reference: Tensor,
        folder: Path,
        callbacks: Sequence[TrainerCallback] = (),
        hidden: Tensor | None = None,
    ) -> None:
        self.hidden = hidden
        self.rows, self.probe, self.settings, self.reference = rows, probe, settings, reference
        self.kl = AdaptiveKl(settings.kl_weight, settings.kl_target, settings.kl_speed)
        self.guards = Guards(settings, probe.users if probe else ())
        self.best: dict[str, Tensor] = {}
        self.seconds_before = 0.0
        self.started = self.stepped = time.perf_counter()
        self.figures: dict[str, Any] = {}
        self.drawn: dict[str, Tensor] = {}
        self.scored: dict[str, Tensor] | None = None
        self.outputs: dict[str, Tensor] = {}

        def slate_reward(prompts: list[int], completions: list[list[int]], **_: Any) -> list[float]:
            return [float(rows.rewards[row, order].sum()) for row, order in zip(prompts, completions, strict=True)]

        super().__init__(
            model=lm.model,
            reward_funcs=[slate_reward],
            args=trl_config(settings, folder),
            train_dataset=ArrowDataset.from_dict({"prompt": list(range(len(rows)))}),
            processing_class=lm.tokenizer,
            callbacks=[Watch(self), *callbacks],
        )
        self.remove_callback(PrinterCallback)

    def seconds(self) -> float:
        """Seconds of training, those before a resumption included."""
        seconds: float = self.seconds_before + time.perf_counter() - self.started
        return seconds

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:
        return run_sampler(self.settings, len(self.rows))

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with a rate of its own for LoRA, the evidence weights, the LM's weight and the critic."""
        head, s = self.model.slate_head, self.settings
        lora = [p for name, p in self.model.named_parameters() if p.requires_grad and "slate_head" not in name]
        groups = [
            {"params": lora, "lr": s.lora_rate},
            {"params": [head.weights], "lr": s.weights_rate},
            {"params": [head.lm_weights], "lr": s.lm_weight_rate},
            {"params": [head.said], "lr": s.ranker_rate},
        ]
        if head.critic is not None:
            groups.append({"params": list(head.critic.parameters()), "lr": s.critic_rate})
        self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        return self.optimizer

    def _generate(self, prompts: list[int]) -> tuple[Any, ...]:
        """Draw orders for the rows, in the one pass through the LM that the loss then goes back through as well.

        The noise comes from (seed, batch, row) alone, so any number of processes draws the same.
        """
        s, device = self.settings, self.accelerator.device
        rows = torch.tensor(prompts)
        places, owners = torch.unique(rows, return_inverse=True)
        batch = self.state.global_step // s.num_iterations
        noise = torch.empty(len(prompts), self.rows.candidates.shape[1])
        for place, row in enumerate(places.tolist()):
            mine = (owners == place).nonzero().flatten()
            drawn = np.random.default_rng([s.seed, batch, row]).gumbel(size=(len(mine), noise.shape[1]))
            noise[mine] = torch.from_numpy(drawn).float()
        orders = self.rows.logged[rows][:, None].expand(-1, s.length)
        out = self._forward(self.model_wrapped, places, orders.to(device), owners.to(device), noise.to(device))
        self.drawn = {**out, "rows": rows, "orders": out["orders"].cpu()}
        tokens = self.model.slate_head.token_ids.cpu()[self.rows.candidates[rows].gather(1, self.drawn["orders"])]
        own = [self.rows.prompts[row] for row in prompts]
        return own, tokens.tolist(), None, self.drawn["orders"].tolist(), None, {}, None, []

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.scored = None
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        s, device, rows, orders = self.settings, self.accelerator.device, self.drawn["rows"], self.drawn["orders"]
        values = self.drawn["values"].detach()
        rewards = self.rows.rewards[rows].gather(1, orders).to(device)
        advantages, returns = gae(rewards, values, s.gamma, s.gae_lambda)
        every = self.accelerator.gather(advantages)
        advantages = (advantages - every.mean()) / (every.std() + 1e-8)
        output["advantages"] = advantages * self._weights_now(rows).to(device)[:, None]
        return output | {
            "returns": returns,
            "old_values": values,
            "rows": rows.to(device),
            "orders": orders.to(device),
            "sample": torch.arange(len(rows), device=device),
        }

    def _weights_now(self, rows: Tensor) -> Tensor:
        """Importance weights (B,); those of logged rows follow the policy away from where it started, up to a cap."""
        weights, logged = self.rows.weights[rows], self.rows.logged[rows]
        before = self.reference[rows].log_softmax(dim=1).gather(1, logged.clamp(min=0)[:, None])[:, 0]
        moved = (self.drawn["log_probs"].detach().cpu()[:, 0] - before).exp()
        return torch.where(logged == EMPTY, weights, (weights * moved).clamp(max=self.settings.weight_cap))

    def _get_per_token_logps_and_entropies(
        self, model: Any, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Of each place of the orders in hand: its log-probability and the exact entropy, (B, T) each."""
        if self.scored is None:  # TRL asks for the log-probabilities at the time of drawing
            return self.drawn["log_probs"].detach(), None, None
        if self.drawn:
            order = self.scored["sample"]
            out = {name: self.drawn[name][order] for name in ("log_probs", "entropies", "kls", "values")}
            self.outputs = {**self.drawn, **out}
            self.drawn = {}
        else:
            places, owners = torch.unique(self.scored["rows"].cpu(), return_inverse=True)
            self.outputs = self._forward(model, places, self.scored["orders"], owners.to(self.accelerator.device))
        return self.outputs["log_probs"], self.outputs["entropies"], None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """TRL's clipped surrogate and entropy bonus, the exact KL divergence, and the critic's clipped loss."""
        self.scored = inputs
        loss: Tensor = super()._compute_loss(model, inputs)
        s, out = self.settings, self.outputs
        of_values = value_loss(out["values"], inputs["old_values"], inputs["returns"], s.value_clip)
        loss = loss + self.kl.weight * out["kls"].mean() + s.value_weight * of_values
        clipped = self._metrics["train"]["clip_ratio/region_mean"][-1]
        reward = self.rows.rewards[inputs["rows"].cpu()].gather(1, inputs["orders"].cpu()).sum(dim=1).mean()
        self._observe(loss, reward, value_loss=of_values.detach(), clip_fraction=torch.tensor(clipped))
        return loss

    def _forward(
        self, model: Any, places: Tensor, orders: Tensor, owners: Tensor, noise: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The network on the distinct rows ``places`` (on the CPU), with their reference."""
        device = self.accelerator.device
        slates = SlateBatch.of(self.rows, places.tolist(), self._tokenizer.pad_token_id, device, self.hidden)
        out: dict[str, Tensor] = model(slates, orders, owners, self.reference[places].to(device), noise)
        return out | {"places": places}

    def _observe(self, loss: Tensor, reward: Tensor, **more: Tensor) -> None:
        """Keep the figures of a step, means over all processes, for the guards and the log."""
        places = self.outputs["places"]
        logits, before, allowed = (
            self.outputs["logits"].detach().cpu(),
            self.reference[places],
            self.rows.allowed[places],
        )
        rewards, weights = self.rows.rewards[places], self.rows.weights[places]
        now, then = logits.softmax(dim=1), before.softmax(dim=1)
        # Where one reward of a row is known, its worth is estimated from how much likelier that pick has become.
        shown = self.rows.logged[places].clamp(min=0)[:, None]
        likelier = (rewards * (now - then) / then).gather(1, shown)[:, 0]
        expected = (now * rewards).sum(dim=1)
        gain = torch.where(self.rows.logged[places] == EMPTY, expected - (then * rewards).sum(dim=1), likelier)
        share = self.outputs["entropies"].detach()[:, 0].mean().cpu() / allowed.sum(dim=1).log().mean()
        figures = {
            "loss": loss.detach(),
            "reward": reward,
            "expected_reward": expected.mean(),
            "gain": (gain * weights).mean() / weights.mean(),
            "kl": self.outputs["kls"].detach().mean(),
            "entropy": self.outputs["entropies"].detach().mean(),
            "entropy_share": share,
            **more,
        }
        device = self.accelerator.device
        values = torch.stack([value.float().to(device) for value in figures.values()])
        mean = self.accelerator.gather(values[None]).mean(dim=0)
        self.figures = dict(zip(figures, mean.tolist(), strict=True))
        if not bool(mean.isfinite().all()):
            bad = next(name for name, value in self.figures.items() if not np.isfinite(value))
            raise NonFinite(f"the {bad} is {self.figures[bad]}")
        candidates = self.rows.candidates[places]
        top = [candidates.gather(1, scores.argmax(dim=1, keepdim=True)) for scores in (logits, before)]
        self.figures["picks"] = self.accelerator.gather(torch.cat(top, dim=1).to(device)).tolist()

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        if not np.isfinite(float(norm)):
            raise NonFinite(f"the norm of the gradients is {float(norm)}")
        return norm

    def after_step(self, step: int) -> bool:
        """Adapt the KL weight, ask the guards, probe where it is time; says whether to stop."""
        figures = self.figures
        metrics = self._metrics["train"]
        for name, value in figures.items():
            if name not in ("picks", "loss"):
                metrics[name] = [value]
        metrics["kl_weight"] = [self.kl.weight]
        self.kl.update(figures["kl"])
        self.guards.after_step(step, figures["kl"], figures["entropy_share"], figures["gain"], figures["picks"])
        metrics["distinct"] = [float(self.guards.distinct[0])]
        metrics["seconds"] = [self.seconds()]
        samples = self.settings.slates * self.settings.generations
        metrics["samples_per_second"] = [samples / (time.perf_counter() - self.stepped)]
        self.stepped = time.perf_counter()
        every = self.settings.probe_every
        if every and self.probe is not None and (step % every == 0 or step == self.settings.steps):
            metrics.update({name: [value] for name, value in self.take_probe(step).items()})
            self.stepped = time.perf_counter()
        return self.guards.stop is not None

    def take_probe(self, step: int) -> dict[str, float]:
        """The real click rate of the greedy picks on the probe rows, with its standard error by user.

        The weights of the best probe are kept aside.
        """
        assert self.probe is not None
        count, index = self.accelerator.num_processes, self.accelerator.process_index
        mine = list(range(len(self.probe)))[index::count]
        logits = slate_logits(self.model, self.probe, mine, self._tokenizer.pad_token_id)
        picked = self.probe.ratings[mine].gather(1, logits.argmax(dim=1, keepdim=True))[:, 0]
        clicks = torch.full((len(self.probe),), 0.0, device=self.accelerator.device)
        clicks[mine] = (picked >= POSITIVE).float().to(clicks)
        clicks = self.accelerator.reduce(clicks, reduction="sum").cpu()
        if self.guards.after_probe(step, clicks.tolist()):
            self.best = trained_state(self.model)
        error = paired_fall(clicks.tolist(), [0.0] * len(clicks), self.probe.users)[1]
        return {"probe": float(clicks.mean()), **({"probe_error": error} if np.isfinite(error) else {})}


class Watch(TrainerCallback):
    """Hands each step to the trainer's guards, and ends the run where they say so."""

    def __init__(self, trainer: PPOTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before the first step: what the policy before training is worth on the probe rows."""
        trainer = self.trainer
        trainer.started = time.perf_counter()
        if trainer.probe is not None and trainer.settings.probe_every and trainer.guards.best is None:
            trainer.log({**trainer.take_probe(0), "seconds": trainer.seconds()})
        trainer.stepped = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After each optimiser step."""
        if self.trainer.after_step(state.global_step):
            # No checkpoint of a stopped run: resumed, it comes to the same stop.
            control.should_training_stop, control.should_save, control.should_log = True, False, True


class ExactGradientTrainer(PPOTrainer):
    """Moves the same parameters by the gradient of the expected reward itself; nothing is drawn, there is no critic.

    The loss is ``-sum_a pi(a) r(a) + beta KL(pi || ref) - c H(pi)``, a mean over the slates of a step; everything
    else (rows, optimiser, guards, checkpoints) is the PPO trainer's.
    """

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        rows = torch.unique(torch.tensor([example["prompt"] for example in inputs]))
        return {"rows": rows.to(self.accelerator.device)}

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        places = torch.sort(inputs["rows"].cpu()).values
        device = self.accelerator.device
        first = torch.zeros(len(places), 1, dtype=torch.long, device=device)
        # Every place keeps its whole slate, so the entropy and the divergence of the first pick are the policy's own.
        self.outputs = self._forward(model, places, first, torch.arange(len(places), device=device))
        out, s = self.outputs, self.settings
        expected = (out["logits"].softmax(dim=1) * self.rows.rewards[places].to(device)).sum(dim=1)
        loss = -(expected * self.rows.weights[places].to(device)).mean()
        loss = loss + self.kl.weight * out["kls"].mean() - s.entropy_weight * out["entropies"].mean()
        self._observe(loss, expected.detach().mean())
        return loss
