"""The exact policy gradient: the yardstick for PPO, where the reward of every candidate is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.ppo.trainer import PPOTrainer


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
