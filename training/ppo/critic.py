"""Critic: what a slate will still pay, and the advantages that follow from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Critic(nn.Module):
    """The value of a state: of the LM's hidden state and of the candidates that are still to be had.

    The head reads the hidden state (detached: the value does not move the policy), normalised, and a summary of the
    evidence over the remaining candidates: mean, spread, largest, and mean under the policy; and how many remain.
    It starts at the value 0 everywhere.
    """

    def __init__(self, hidden: int, features: int, width: int = 64) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden + 4 * features + 1, width)
        self.value = nn.Linear(width, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(self, hidden: Tensor, evidence: Tensor, probabilities: Tensor, remaining: Tensor) -> Tensor:
        """Values (B, T).

        ``hidden``: (B, hidden) after the prompt; ``evidence``: (B, C, F) at the candidates; ``probabilities``: (B, T,
        C) of the policy at each step; ``remaining``: (B, T, C) bool, the candidates still to be had at each step; at
        least one.
        """
        share = remaining.float() / remaining.sum(dim=-1, keepdim=True)
        mean = share @ evidence
        spread = (share @ evidence.square() - mean.square()).clamp(min=0.0).sqrt()
        largest = evidence[:, None].masked_fill(~remaining[..., None], -torch.inf).amax(dim=2)
        expected = probabilities @ evidence
        count = remaining.float().mean(dim=-1, keepdim=True)
        state = F.layer_norm(hidden, hidden.shape[-1:])[:, None].expand(-1, remaining.shape[1], -1)
        summary = torch.cat([state, mean, spread, largest, expected, count], dim=-1).detach()
        values: Tensor = self.value(F.gelu(self.inner(summary)))[..., 0]
        return values


def gae(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al., 2016, arXiv:1506.02438) of episodes that end after T steps.

    ``delta_t = r_t + gamma V_{t+1} - V_t`` with ``V_T = 0``, and ``A_t = delta_t + gamma lam A_{t+1}``.

    ``rewards``: (B, T); ``values``: (B, T); ``lam``: lambda; 1 gives the return minus the value, 0 the one-step
    difference.

    Returns advantages and returns ``A + V``, each (B, T).
    """
    advantages = torch.zeros_like(rewards)
    following = rewards.new_zeros(len(rewards))
    for t in range(rewards.shape[1] - 1, -1, -1):
        ahead = values[:, t + 1] if t + 1 < rewards.shape[1] else torch.zeros_like(following)
        following = rewards[:, t] + gamma * ahead - values[:, t] + gamma * lam * following
        advantages[:, t] = following
    return advantages, advantages + values


def value_loss(values: Tensor, before: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Half the squared error, the larger of that of the value and of the value clipped around what it was before.

    As in the first PPO implementations (Schulman et al., 2017, arXiv:1707.06347, baselines/ppo2). Mean over (B, T).
    """
    clipped = before + (values - before).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns).square(), (clipped - returns).square()).mean()
