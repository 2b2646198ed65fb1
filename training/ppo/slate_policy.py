"""Slate policy: the policy as a trainable network over the candidates of rated slates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from agent.policy.item_embeddings import ItemFeatures, ItemLike
from agent.policy.item_lm import ItemLanguageModel, PolicyCard, backbone
from training.ppo.critic import Critic
from training.ppo.rows import EMPTY, SlateRows
from training.progress import Progress, silent
from training.sft.packing import GOALS

NOT_ALLOWED = -1e9
"""Logit of an empty place: as good as minus infinity, but zero times it is zero."""


class SlateHead(nn.Module):
    """What is trained beside LoRA: evidence weights (goals, F), the weights of the LM's logits (goals,), the critic.

    ``said`` (G,) is how far the weights of the ranker of conversations have moved from where they started.
    """

    token_ids: Tensor

    def __init__(
        self, card: PolicyCard, temperature: float | None, token_ids: Tensor, critic: Critic | None, said: int
    ) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([card.weights[goal] for goal in GOALS]))
        self.lm_weights = nn.Parameter(torch.tensor([float(card.lm_weights.get(goal, 1.0)) for goal in GOALS]))
        self.said = nn.Parameter(torch.zeros(said))
        self.temperature = temperature or card.temperature
        self.critic = critic
        self.register_buffer("token_ids", token_ids, persistent=False)


@dataclass(frozen=True, slots=True)
class SlateBatch:
    """S slates as the network reads them; prompts are padded on the left.

    ``hidden`` (S, hidden) is what the LM made of the prompts, where it is not trained; else None.
    """

    input_ids: Tensor
    attention_mask: Tensor
    candidates: Tensor
    allowed: Tensor
    evidence: Tensor
    goals: Tensor
    offset: Tensor
    evidence_scale: Tensor
    lm_scale: Tensor
    said: Tensor
    hidden: Tensor | None = field(default=None, kw_only=True)

    @classmethod
    def of(
        cls, rows: SlateRows, places: Sequence[int], pad: int, device: Any, hidden: Tensor | None = None
    ) -> SlateBatch:
        """The rows at ``places``; ``hidden`` (N, hidden): see :func:`read_once`."""
        prompts = [rows.prompts[place] for place in places]
        longest = max(len(prompt) for prompt in prompts)
        ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        index = torch.tensor(places)
        own = (
            *(rows.candidates, rows.allowed, rows.evidence, rows.goals),
            *(rows.offset, rows.evidence_scale, rows.lm_scale, rows.said),
        )
        read = None if hidden is None else hidden[index].to(device)
        return cls(*(part.to(device) for part in (ids, mask, *(values[index] for values in own))), hidden=read)


@dataclass(frozen=True, slots=True)
class Steps:
    """Each of B orders, place by place: all (B, T), the probabilities and the remaining candidates (B, T, C)."""

    log_probs: Tensor
    entropies: Tensor
    probabilities: Tensor
    remaining: Tensor
    kls: Tensor | None


def load_slate_policy(
    adapter: Path,
    base: str | Path,
    items: Sequence[ItemLike],
    features: ItemFeatures | None = None,
    temperature: float | None = None,
    with_critic: bool = True,
    seed: int = 0,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    said: int = 0,
    lora: bool = True,
) -> ItemLanguageModel:
    """The policy of an adapter folder with LoRA and a :class:`SlateHead` to be trained, everything else frozen.

    ``said``: how many features a ranker of conversations weighs; without ``lora`` the head alone is trained. The PEFT
    model's ``forward`` takes slates (see :func:`slate_forward`), so that wrappers for several processes see every
    trained parameter.

    Raises:
        AdapterError: the adapter is incomplete, or does not fit the base model.
    """
    card = PolicyCard.read(adapter)
    lm = ItemLanguageModel.from_adapter(adapter, base, items, features, device, dtype)
    model = lm.model
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(lora and "lora_" in name)
    torch.manual_seed(seed)
    critic = Critic(model.config.hidden_size, len(card.features)) if with_critic else None
    model.slate_head = SlateHead(card, temperature, lm.token_ids, critic, said).to(device)
    model.forward = partial(slate_forward, model)
    return lm


def slate_forward(
    model: Any,
    slates: SlateBatch,
    orders: Tensor | None = None,
    owners: Tensor | None = None,
    reference: Tensor | None = None,
    noise: Tensor | None = None,
) -> dict[str, Tensor]:
    """One pass through the LM for S slates, and what B orders over them are worth.

    ``orders``: (B, T) places among the candidates, in the order they are shown; ``EMPTY`` throughout where an order is
    to be drawn here. None: only the logits. ``owners``: (B,) the slate of each order. ``reference``: (S, C) logits to
    measure the KL divergence to. ``noise``: (B, C) Gumbel noise to draw with: the largest sums of logit and noise are a
    draw without replacement (Kool et al., 2019, arXiv:1903.06059).

    Returns ``logits`` (S, C), divided by the temperature, ``NOT_ALLOWED`` in empty places; ``hidden`` (S, hidden); and
    with orders ``log_probs``, ``entropies``, ``kls`` (with a reference) and ``values`` (with a critic), each (B, T),
    and the ``orders`` themselves.
    """
    head: SlateHead = model.slate_head
    if slates.hidden is None:
        positions = (slates.attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        hidden = backbone(model)(
            input_ids=slates.input_ids, attention_mask=slates.attention_mask, position_ids=positions, use_cache=False
        ).last_hidden_state[:, -1]
        hidden = hidden.float()
    else:
        hidden = slates.hidden
    tokens = head.token_ids[slates.candidates.clamp(min=EMPTY + 1)]
    rows = model.get_output_embeddings().weight[tokens].float()
    spoken = torch.einsum("sh,sch->sc", hidden, rows)
    spoken = (head.lm_weights[slates.goals] * slates.lm_scale)[:, None] * spoken
    weighed = torch.einsum("scf,sf->sc", slates.evidence, head.weights[slates.goals])
    moved = torch.einsum("scg,g->sc", slates.said, head.said)
    logits = (spoken + slates.offset + moved + slates.evidence_scale[:, None] * weighed) / head.temperature
    logits = logits.masked_fill(~slates.allowed, NOT_ALLOWED)
    out = {"logits": logits, "hidden": hidden}
    if orders is not None and owners is not None:
        if noise is not None:
            drawn = (logits.detach()[owners] + noise).argsort(dim=1, descending=True)[:, : orders.shape[1]]
            orders = torch.where(orders == EMPTY, drawn, orders)
        steps = follow(logits[owners], orders, None if reference is None else reference[owners])
        out |= {"orders": orders, "log_probs": steps.log_probs, "entropies": steps.entropies}
        if steps.kls is not None:
            out["kls"] = steps.kls
        if head.critic is not None:
            out["values"] = head.critic(hidden[owners], slates.evidence[owners], steps.probabilities, steps.remaining)
    return out


def follow(logits: Tensor, orders: Tensor, reference: Tensor | None = None) -> Steps:
    """What happens place by place when items are drawn without replacement (Plackett-Luce).

    ``logits``: (B, C), ``NOT_ALLOWED`` in empty places; ``orders``: (B, T) places among the candidates; ``reference``:
    (B, C) logits of the policy before training.

    The entropy and the KL divergence of a place are those over what remains there, exactly.
    """
    length = orders.shape[1]
    taken = torch.zeros_like(logits, dtype=torch.bool)
    remaining = []
    for t in range(length):
        remaining.append((logits > NOT_ALLOWED / 2) & ~taken)
        taken = taken.scatter(1, orders[:, t : t + 1], True)
    left = torch.stack(remaining, dim=1)
    log_p = logits[:, None].expand(-1, length, -1).masked_fill(~left, NOT_ALLOWED).log_softmax(dim=-1)
    probabilities = log_p.exp()
    kls = None
    if reference is not None:
        log_q = reference[:, None].expand(-1, length, -1).masked_fill(~left, NOT_ALLOWED).log_softmax(dim=-1)
        kls = (probabilities * (log_p - log_q).masked_fill(~left, 0.0)).sum(dim=-1)
    return Steps(
        log_probs=log_p.gather(2, orders[..., None])[..., 0],
        entropies=-(probabilities * log_p.masked_fill(~left, 0.0)).sum(dim=-1),
        probabilities=probabilities,
        remaining=left,
        kls=kls,
    )


@torch.no_grad()
def read_once(lm: ItemLanguageModel, rows: SlateRows, report: Progress = silent, batch: int = 16) -> Tensor:
    """What an LM that is not trained makes of each row's prompt, (N, hidden) on the CPU; zeros where it has no say.

    Each prompt is read once, however many places of its slate are rows.
    """
    spoken = [row for row, scale in enumerate(rows.lm_scale.tolist()) if scale]
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for row in spoken:
        by_prompt.setdefault(tuple(rows.prompts[row]), []).append(row)
    out = torch.zeros(len(rows), lm.model.config.hidden_size)
    prompts = sorted(by_prompt, key=len)
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        for prompt, hidden in zip(part, lm.last_hidden(part).float().cpu(), strict=True):
            out[by_prompt[prompt]] = hidden
        report("reading the prompts", start + len(part), len(prompts))
    return out


@torch.no_grad()
def slate_logits(
    model: Any, rows: SlateRows, places: Sequence[int], pad: int, batch: int = 32, hidden: Tensor | None = None
) -> Tensor:
    """Logits of the rows at ``places``, (len(places), C) on the CPU, prompts of like length together."""
    out = torch.full((len(places), rows.candidates.shape[1]), NOT_ALLOWED)
    by_length = sorted(range(len(places)), key=lambda k: len(rows.prompts[places[k]]))
    for start in range(0, len(by_length), batch):
        part = by_length[start : start + batch]
        slates = SlateBatch.of(rows, [places[k] for k in part], pad, model.device, hidden)
        out[part] = model(slates)["logits"].cpu()
    return out


def trained_state(model: Any) -> dict[str, Tensor]:
    """Copies of the parameters that are trained, on the CPU."""
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad}


def load_trained_state(model: Any, state: dict[str, Tensor]) -> None:
    """Put back what :func:`trained_state` copied.

    Raises:
        KeyError: a trained parameter is missing from ``state``.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(state[name])
