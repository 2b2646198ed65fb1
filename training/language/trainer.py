"""Fine-tuning of the language adapter: LoRA on the base LM's upper layers, with TRL's SFTTrainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F
from trl import SFTConfig, SFTTrainer

from agent.policy.item_lm import backbone
from training.checkpoints import WholeCheckpoints, packed_row_arguments, run_trainer
from training.language.rows import LanguageRow
from training.sft.trainer import ProgressReport

IGNORED = -100
"""Label of tokens that are read and not learned."""


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """How the language adapter is fine-tuned.

    ``tuned_layers`` counts the layers that get LoRA, from the top down: the words are made there, and the layers below
    then need no backward pass. ``batch`` counts rows. A checkpoint is written every ``save_steps`` steps.
    """

    tuned_layers: int = 12
    lora_rank: int = 16
    batch: int = 16
    epochs: float = 1.0
    max_steps: int = -1
    rate: float = 1e-3
    warmup: float = 0.05
    save_steps: int = 40
    seed: int = 0


class LanguageTrainer(WholeCheckpoints, SFTTrainer):
    """SFTTrainer that makes logits only where something is learned: the vocabulary is a quarter of this LM's work."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross-entropy over the batch's answer tokens."""
        core = self.accelerator.unwrap_model(model)
        hidden = backbone(core)(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False
        ).last_hidden_state
        labels = inputs["labels"][:, 1:]
        learned = labels != IGNORED
        logits = core.get_output_embeddings()(hidden[:, :-1][learned]).float()
        loss = F.cross_entropy(logits, labels[learned])
        return (loss, {"logits": logits}) if return_outputs else loss


def encode_language_rows(rows: Sequence[LanguageRow], tokenizer: Any) -> Dataset:
    """Token ids, labels (the answer and the mark that ends it) and lengths of rows."""
    encoded = []
    for row in rows:
        prompt = tokenizer.apply_chat_template(row.messages, tokenize=False, add_generation_prompt=True)
        start = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        answer = [*tokenizer(row.answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        ids = start + answer
        encoded.append({"input_ids": ids, "labels": [IGNORED] * len(start) + answer, "length": len(ids)})
    return Dataset.from_list(encoded)


@dataclass(frozen=True, slots=True)
class LanguageCollator:
    """Pads rows to the longest of a batch, on the right."""

    pad: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """``input_ids``, ``attention_mask`` and ``labels``, each (B, T) int64."""
        longest = max(len(row["input_ids"]) for row in rows)

        def padded(values: Sequence[Sequence[int]], fill: int) -> Tensor:
            return torch.tensor([[*value, *[fill] * (longest - len(value))] for value in values])

        return {
            "input_ids": padded([row["input_ids"] for row in rows], self.pad),
            "attention_mask": padded([[1] * len(row["input_ids"]) for row in rows], 0),
            "labels": padded([row["labels"] for row in rows], IGNORED),
        }


def train_adapter(
    model: Any,
    tokenizer: Any,
    rows: Sequence[LanguageRow],
    settings: LanguageSettings,
    output: Path,
    report: Callable[[str, int, int], None],
    resume: bool = False,
) -> LanguageTrainer:
    """Fine-tune ``model`` (the base LM); returns the trainer, whose ``model`` is the PEFT model.

    With ``resume`` it goes on from the newest checkpoint in ``output``; where there is none yet, from the beginning.

    Raises:
        ValueError: ``tuned_layers`` is more than the model has, or less than one.
    """
    from peft import LoraConfig, get_peft_model

    depth = model.config.num_hidden_layers
    if not 1 <= settings.tuned_layers <= depth:
        raise ValueError(f"{settings.tuned_layers} tuned layers: give 1 to {depth}, which this model has")
    torch.manual_seed(settings.seed)
    linear = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=2 * settings.lora_rank,
        target_modules=sorted({name.rpartition(".")[2] for name, part in linear if ".layers." in name}),
        layers_to_transform=list(range(depth - settings.tuned_layers, depth)),
    )
    args = SFTConfig(
        output_dir=str(output),
        per_device_train_batch_size=settings.batch,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps,
        learning_rate=settings.rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        max_grad_norm=1.0,
        logging_steps=10,
        save_steps=settings.save_steps,
        seed=settings.seed,
        dataset_kwargs={"skip_prepare_dataset": True},
        **packed_row_arguments(),
    )
    trainer = LanguageTrainer(
        model=get_peft_model(model, config),
        args=args,
        train_dataset=encode_language_rows(rows, tokenizer),
        data_collator=LanguageCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
        callbacks=[ProgressReport(report)],
    )
    run_trainer(trainer, output, resume)
    return trainer
