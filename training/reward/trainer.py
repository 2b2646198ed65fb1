"""Training of the reward model: LoRA, the scalar head and the evidence weights, on TRL's RewardTrainer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import EarlyStoppingCallback
from trl import RewardConfig, RewardTrainer

from agent.records.state import POSITIVE
from training.checkpoints import ProgressReport, WholeCheckpoints, packed_row_arguments, run_trainer
from training.progress import Progress
from training.reward.model import lm_logits
from training.reward.rows import RewardCollator, RewardRows, encode_reward_rows

HEAD_FILE = "reward_head.safetensors"


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """How the reward model is trained.

    ``layers`` keeps the first layers of the base model (None: as many as the policy adapter that it starts from);
    ``batch`` counts slates; ``pair_weight`` is explained at :func:`reward_loss`; ``evidence`` False lets the LM stand
    alone. The validation loss is taken ``evaluations`` times over the run, which ends early after ``patience`` of them
    without a better one. ``share`` is the part of a user's past before the first slate, ``valid_share`` the share of
    users who are held out for validation and calibration.
    """

    layers: int | None = 8
    batch: int = 8
    epochs: float = 1.0
    max_steps: int = -1
    lora_rate: float = 4e-4
    head_rate: float = 1e-4
    weights_rate: float = 1e-3
    warmup: float = 0.05
    pair_weight: float = 0.5
    evidence: bool = True
    max_history: int = 15
    share: float = 0.3
    valid_share: float = 0.15
    evaluations: int = 4
    patience: int = 2
    seed: int = 0


class RewardHead(nn.Module):
    """What stands beside the LM in the logit of a like: a weight per evidence feature (F,), and a bias."""

    def __init__(self, weights: np.ndarray, bias: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights, dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float32))

    def forward(self, lm: Tensor, evidence: Tensor) -> Tensor:
        """The logits (R,) for the LM's part (R,) and the evidence (R, F)."""
        total: Tensor = lm + evidence @ self.weights + self.bias
        return total


def fit_evidence(rows: RewardRows) -> tuple[np.ndarray, float]:
    """Weights (F,) and bias of the evidence alone: logistic regression of likes, where the training starts.

    Without features the bias is the log-odds of a like.

    Raises:
        ValueError: all items are liked, or none.
    """
    features, likes = np.concatenate(rows.evidence), np.concatenate(rows.likes)
    if likes.all() or not likes.any():
        raise ValueError(f"all {len(likes)} ratings are on one side of {POSITIVE:g} stars: a reward model needs both")
    if not features.shape[1]:
        return np.zeros(0), math.log(likes.mean() / (1 - likes.mean()))
    model = LogisticRegression(C=10.0, max_iter=500).fit(features, likes)
    return model.coef_[0], float(model.intercept_[0])


def reward_loss(logits: Tensor, stars: Tensor, slate: Tensor, pair_weight: float) -> Tensor:
    """Log-loss of like or not, plus ``pair_weight`` times the Bradley-Terry loss of the pairs within a slate.

    RewardTrainer's own loss is the second alone. It says nothing about the level, so a probability needs the first; the
    second (for every pair with different stars, not only across the like line) keeps to what one user prefers.

    ``logits``: (R,) of a like; ``stars``: (R,); ``slate``: (R,) which slate each row is of.
    """
    loss = F.binary_cross_entropy_with_logits(logits, (stars >= POSITIVE).float())
    better = (slate[:, None] == slate[None, :]) & (stars[:, None] > stars[None, :])
    if pair_weight and better.any():
        loss = loss - pair_weight * F.logsigmoid(logits[:, None] - logits[None, :])[better].mean()
    return loss


class ItemRewardTrainer(WholeCheckpoints, RewardTrainer):
    """RewardTrainer over packed slates, with :func:`reward_loss`; its model has a ``reward_head``."""

    def __init__(self, *args: Any, settings: RewardSettings, **kwargs: Any) -> None:
        self.settings = settings
        super().__init__(*args, **kwargs)

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:
        return dataset  # encoded already: slates, not pairs of texts

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """:func:`reward_loss` of a batch of :class:`training.reward.rows.RewardCollator`."""
        core = self.accelerator.unwrap_model(model)
        logits = core.reward_head(lm_logits(core, inputs), inputs["evidence"])
        loss = reward_loss(logits, inputs["stars"], inputs["places"][:, 0], self.settings.pair_weight)
        return (loss, {"logits": logits}) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with a rate of its own for LoRA, the scalar head and the evidence weights."""
        beside = list(self.model.reward_head.parameters())
        known = {id(p) for p in beside}
        named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad and id(p) not in known]
        s = self.settings
        groups = [
            {"params": [p for n, p in named if "lora_" in n], "lr": s.lora_rate, "weight_decay": 0.01},
            {"params": [p for n, p in named if "lora_" not in n], "lr": s.head_rate, "weight_decay": 0.0},
            {"params": beside, "lr": s.weights_rate, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        return self.optimizer

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        self.model.save_pretrained(folder, save_embedding_layers=False)  # item rows are frozen
        head = {name: p.detach().cpu().contiguous() for name, p in self.model.reward_head.named_parameters()}
        save_file(head, folder / HEAD_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.model.reward_head.load_state_dict(load_file(Path(resume_from_checkpoint) / HEAD_FILE))

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)


def train_network(
    network: Any,
    tokenizer: Any,
    rows: RewardRows,
    valid: RewardRows,
    encode: Callable[[RewardRows], list[list[int]]],
    token_ids: np.ndarray,
    settings: RewardSettings,
    output: Path,
    report: Progress,
    resume: bool = False,
) -> ItemRewardTrainer:
    """Train ``network`` (of :func:`training.reward.model.adapted_classifier`); it gets a ``reward_head``.

    ``encode`` gives the token ids of the prompts of rows. The weights left in it are those of the lowest validation
    loss. With ``resume`` it goes on from the newest checkpoint in ``output``; where there is none yet, from the
    beginning.
    """
    torch.manual_seed(settings.seed)
    network.reward_head = RewardHead(*fit_evidence(rows))
    steps = settings.max_steps
    if steps < 0:
        steps = math.ceil(len(rows) / settings.batch * settings.epochs)
    every = max(1, steps // settings.evaluations)
    args = RewardConfig(
        output_dir=str(output),
        per_device_train_batch_size=settings.batch,
        per_device_eval_batch_size=2 * settings.batch,
        max_steps=steps,
        learning_rate=settings.lora_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        max_grad_norm=1.0,
        logging_steps=max(1, min(20, every)),
        eval_strategy="steps",
        eval_steps=every,
        save_steps=every,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        seed=settings.seed,
        **packed_row_arguments(),
    )
    trainer = ItemRewardTrainer(
        model=network,
        args=args,
        train_dataset=encode_reward_rows(rows, encode(rows), token_ids),
        eval_dataset=encode_reward_rows(valid, encode(valid), token_ids),
        data_collator=RewardCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
        callbacks=[ProgressReport(report), EarlyStoppingCallback(settings.patience)],
        settings=settings,
    )
    run_trainer(trainer, output, resume)
    return trainer
