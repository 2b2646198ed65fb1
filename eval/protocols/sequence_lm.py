"""Sequence LM: a small LM that reads what one person watched as item tokens and answers after each of them.

It is the protocols' LM: the first layers of the base model under LoRA, one trained row an item, made from its words,
from what the same people watch and, where there are any, from a retriever's vectors. One pass over a sequence trains
every position of it. What it adds to the evidence is all that it has to learn: the evidence joins as an offset.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agent.policy.item_embeddings import ROW_NORM, ItemFeatures, RowMaker
from agent.policy.item_lm import backbone, load_base

Report = Callable[[str, int, int], None]
PADDING = -1


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """How the LM is trained: the first ``layers`` of the base (None: all), ``steps`` of ``batch`` sequences each."""

    layers: int | None = 6
    lora_rank: int = 16
    steps: int = 200
    batch: int = 16
    lora_rate: float = 8e-4
    rows_rate: float = 1e-3
    change_rate: float = 5e-4
    seed: int = 0


class SequenceLm(nn.Module):
    """The base LM under LoRA, with item rows and two rows for "yes" and "no".

    Sequences are token ids in which ``item(i)`` stands for item i; PADDING may follow on the right. Causal attention
    keeps it out of every answer.
    """

    def __init__(self, base: str | Path, features: ItemFeatures, settings: SequenceSettings) -> None:
        """Load the base and start untrained; the global random state of PyTorch is left as it was."""
        from peft import LoraConfig, get_peft_model

        super().__init__()
        network, self.tokenizer = load_base(base, settings.layers)
        self.first_item = len(self.tokenizer)
        own = LoraConfig(r=settings.lora_rank, lora_alpha=2 * settings.lora_rank, target_modules="all-linear")
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # peft reads an old alias of transformers.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            torch.manual_seed(settings.seed)
            self.network = get_peft_model(network, own)
        self.rows = RowMaker(features)
        words = self.network.get_input_embeddings().weight.detach().float()
        answers = words[[self.word(" no"), self.word(" yes")]]
        self.answers = nn.Parameter(ROW_NORM * answers / answers.norm(dim=1, keepdim=True))

    def word(self, text: str) -> int:
        """The first token of a text."""
        return int(self.words(text)[0])

    def words(self, text: str) -> list[int]:
        """The tokens of a text."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def item(self, index: int) -> int:
        """The token that stands for an item."""
        return self.first_item + index

    def hidden(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The last hidden state after every token of ``ids`` (B, T), (B, T, hidden), and the item rows (n, hidden)."""
        rows = self.rows()
        is_item = ids >= self.first_item
        words = self.network.get_input_embeddings()(torch.where(is_item, 0, ids).clamp_min(0))
        items = rows[(ids - self.first_item).clamp_min(0)].to(words.dtype)
        embedded = torch.where(is_item[..., None], items, words)
        states: Tensor = backbone(self.network)(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return states.float(), rows

    def likes(self, states: Tensor) -> Tensor:
        """Log-odds of "yes" against "no" after each state, (..., hidden) to (...)."""
        return states @ (self.answers[1] - self.answers[0])

    def trained(self) -> dict[str, Tensor]:
        """All that is trained, by name."""
        return {name: tensor for name, tensor in self.named_parameters() if tensor.requires_grad}

    def save(self, path: Path) -> None:
        """Write what was trained."""
        save_file({name: tensor.detach().contiguous() for name, tensor in self.trained().items()}, path)

    def restore(self, path: Path) -> SequenceLm:
        """Read what :meth:`save` wrote by the same base, features and settings; returns itself, ready to answer."""
        with torch.no_grad():
            kept = load_file(path)
            for name, tensor in self.trained().items():
                tensor.copy_(kept[name])
        return self.eval()


def train_sequence_lm(
    lm: SequenceLm,
    loss: Callable[[SequenceLm, np.ndarray], Tensor],
    count: int,
    settings: SequenceSettings,
    report: Report = lambda what, done, of: None,
) -> SequenceLm:
    """Train by AdamW with a cosine schedule, over ``count`` sequences in an order drawn by the seed.

    Args:
        lm: as it starts; it is changed.
        loss: the mean loss of some of the sequences, given by their places.
        count: how many sequences there are.
        settings: rates and steps.
        report: called with (what is being done, steps done, steps in all).
    """
    own = {id(p) for p in (*lm.rows.parameters(), lm.answers)}
    groups = [
        {"params": [p for p in lm.trained().values() if id(p) not in own], "lr": settings.lora_rate},
        {"params": [lm.rows.own, lm.answers], "lr": settings.rows_rate, "weight_decay": 0.05},
        {"params": [lm.rows.change], "lr": settings.change_rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)
    warm = max(1, settings.steps // 20)

    def rate(step: int) -> float:
        rest = max(0.0, 1 - (step - warm) / max(1, settings.steps - warm))
        return min((step + 1) / warm, 0.5 * (1 - float(np.cos(np.pi * rest))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    lm.train()
    for step, places in enumerate(_batches(count, settings)):
        optimizer.zero_grad(set_to_none=True)
        loss(lm, places).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(lm.trained().values(), 1.0)
        optimizer.step()
        schedule.step()
        report("training the LM", step + 1, settings.steps)
    return lm.eval()


def _batches(count: int, settings: SequenceSettings) -> Iterator[np.ndarray]:
    """Places of each step's sequences: every one is seen as often as every other, give or take one."""
    rng = np.random.default_rng(settings.seed)
    size = min(settings.batch, count)
    left: np.ndarray = np.empty(0, dtype=np.int64)
    for _ in range(settings.steps):
        if len(left) < size:
            left = np.concatenate([left, rng.permutation(count)])
        yield left[:size]
        left = left[size:]


def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Token ids as one (B, T) array with PADDING on the right."""
    longest = max(map(len, sequences))
    return torch.tensor([[*own, *[PADDING] * (longest - len(own))] for own in sequences])


def with_vectors(features: ItemFeatures, vectors: np.ndarray) -> ItemFeatures:
    """Item features with more columns: vectors (n, width) of another model, centred, of a mean norm of one."""
    centred = vectors - vectors.mean(axis=0)
    scaled = centred / max(float(np.linalg.norm(centred, axis=1).mean()), 1e-9)
    return ItemFeatures(np.concatenate([features.values, scaled], axis=1).astype(np.float32), features.text_width)
