"""Training of a tagger's network, whole or by LoRA, and of the linear head, on transformers' Trainer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

from agent.policy.item_lm import best_device
from agent.policy.tagger import ENCODER, HEAD_FILE, WEIGHTS_FILE, Tuning, trainable, trained_weights
from agent.retrieval.text_encoder import LONGEST, TextEncoder
from training.checkpoints import ProgressReport, WholeCheckpoints, run_trainer
from training.progress import Progress

Floats = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class TaggerSettings:
    """How a tagger is trained.

    ``base`` is the network (the sentence encoder, ``lm``, or a model's name or folder), ``layers`` how many of its
    layers are used (None: all). ``rank`` is that of LoRA; 0 trains all layers, which the encoder is small enough for.
    ``checkpoints`` are kept over the run, which always goes through all ``epochs``: the head's and the network's
    probabilities are flattened afterwards, so the validation loss is no reason to stop early. ``valid_share`` of the
    rows is held out for the temperature and the thresholds: a label is given where so many of the like were right
    (``sure``).
    """

    base: str = ENCODER
    layers: int | None = None
    rank: int = 0
    rate: float = 1e-4
    head_rate: float = 2e-3
    batch: int = 32
    epochs: float = 3.0
    warmup: float = 0.06
    dropout: float = 0.1
    checkpoints: int = 6
    valid_share: float = 0.15
    sure: float = 0.9
    seed: int = 0

    @property
    def tuning(self) -> Tuning:
        """What of the network is trained."""
        return "lora" if self.rank else "whole"


def language_model(layers: int | None = None, **changed: Any) -> TaggerSettings:
    """Settings for the language model, which is too large to be trained whole."""
    return TaggerSettings(**{"base": "lm", "layers": layers, "rank": 16, "rate": 5e-4, **changed})


class Head(nn.Module):
    """The logits of the labels, from unit vectors."""

    def __init__(self, weights: Floats, bias: Floats) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights, dtype=torch.float32).contiguous())
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float32))

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, width) to (B, labels)."""
        logits: Tensor = vectors @ self.weights.T + self.bias
        return logits


class TaggerTrainer(WholeCheckpoints, Trainer):
    """Trainer of a model with a ``head``; batches are padded texts and their labels (B, labels)."""

    def __init__(self, *args: Any, encoder: TextEncoder, settings: TaggerSettings, multi: bool, **kwargs: Any) -> None:
        self.encoder, self.settings, self.multi = encoder, settings, multi
        super().__init__(*args, **kwargs)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Cross-entropy of the label, or of each label where there may be several."""
        labels = inputs["labels"]
        vectors = self.encoder.pooled({name: inputs[name] for name in ("input_ids", "attention_mask")})
        logits = self.accelerator.unwrap_model(model).head(F.dropout(vectors, self.settings.dropout, model.training))
        loss = F.binary_cross_entropy_with_logits(logits, labels) if self.multi else F.cross_entropy(logits, labels)
        return (loss, {"logits": logits}) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with a rate of its own for the head."""
        head = list(self.model.head.parameters())
        known = {id(p) for p in head}
        network = [p for p in self.model.parameters() if p.requires_grad and id(p) not in known]
        groups = [
            {"params": network, "lr": self.settings.rate, "weight_decay": 0.01},
            {"params": head, "lr": self.settings.head_rate, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups)
        return self.optimizer

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trained_weights(self.model), folder / WEIGHTS_FILE)
        head = {name: p.detach().cpu().contiguous() for name, p in self.model.head.named_parameters()}
        save_file(head, folder / HEAD_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        self.model.load_state_dict(load_file(folder / WEIGHTS_FILE), strict=False)
        self.model.head.load_state_dict(load_file(folder / HEAD_FILE))


@dataclass(frozen=True, slots=True)
class TextCollator:
    """Pads encoded texts and stacks their labels."""

    tokenizer: Any

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Rows with ``input_ids`` and ``labels`` to tensors."""
        inputs = self.tokenizer.pad({"input_ids": [row["input_ids"] for row in rows]}, return_tensors="pt")
        labels = torch.tensor([row["labels"] for row in rows], dtype=torch.float32)
        return {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"], "labels": labels}


def tune(
    encoder: TextEncoder,
    rows: tuple[Sequence[str], Floats],
    head: tuple[Floats, Floats],
    multi: bool,
    settings: TaggerSettings,
    output: Path,
    report: Progress,
    resume: bool = False,
) -> tuple[TextEncoder, Head]:
    """Train the network of ``encoder``, and the head on it.

    The head starts from one that was fitted to the network as it comes, so that its first steps do not undo what the
    network knows (Kumar et al., 2022, arXiv:2202.10054).

    ``rows``: texts, and 1 for each of their labels, (N, labels); ``head``: the weights (labels, width) and bias
    (labels,) to start from.
    """
    torch.manual_seed(settings.seed)
    model = trainable(encoder.model, settings.tuning, settings.rank, settings.dropout)
    model.head = Head(*head).to(model.device)
    network = TextEncoder(model, encoder.tokenizer)
    steps = max(1, math.ceil(len(rows[0]) / settings.batch * settings.epochs))
    args = TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=settings.batch,
        max_steps=steps,
        learning_rate=settings.rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup,
        max_grad_norm=1.0,
        logging_steps=max(1, min(20, steps)),
        save_steps=max(1, steps // settings.checkpoints),
        seed=settings.seed,
        report_to=[],
        remove_unused_columns=False,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        use_cpu=best_device() == "cpu",
        dataloader_pin_memory=False,
        disable_tqdm=True,
    )
    trainer = TaggerTrainer(
        model=model,
        args=args,
        train_dataset=_encoded(network, *rows),
        data_collator=TextCollator(encoder.tokenizer),
        callbacks=[ProgressReport(report)],
        encoder=network,
        settings=settings,
        multi=multi,
    )
    run_trainer(trainer, output, resume)
    model.eval()
    return network, model.head


def _encoded(encoder: TextEncoder, texts: Sequence[str], labels: Floats) -> Dataset:
    ids = encoder.tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
    return Dataset.from_dict({"input_ids": ids, "labels": labels.tolist(), "length": [len(own) for own in ids]})
