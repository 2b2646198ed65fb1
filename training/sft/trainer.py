"""Supervised fine-tuning of the policy: LoRA, item rows and evidence weights together, on TRL's SFTTrainer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from trl import SFTConfig, SFTTrainer

from agent.policy.item_embeddings import ItemLike, RowMaker, item_keys
from agent.policy.item_lm import PolicyCard, backbone, trained_rows
from agent.policy.state_prompt import StatePrompt
from agent.policy.weights import ADAPTER_FILE, ROW_MAKER_FILE, base_digest
from training.checkpoints import Deadline, ProgressReport, WholeCheckpoints, packed_row_arguments, run_trainer
from training.progress import Progress
from training.sft.packing import GOALS, PolicyCollator, encode_rows
from training.sft.rows import SftRows

NOT_ALLOWED = -1e9
"""Logit of an item that may not be chosen: as good as minus infinity, but zero times it is zero."""

HEAD_FILE = "policy_head.safetensors"


@dataclass(frozen=True, slots=True)
class SftSettings:
    """How the policy is fine-tuned.

    ``layers`` keeps the first layers of the base model (None: all of them); ``batch`` counts groups of rows that share
    a state, about five rows each; ``teacher`` is explained at :func:`row_targets`; a checkpoint is written every
    ``save_steps`` steps. Training ends after ``seconds`` (None: no limit), the rate falling as if it ended there.
    """

    layers: int | None = 18
    lora_rank: int = 16
    batch: int = 5
    epochs: float = 1.0
    max_steps: int = -1
    lora_rate: float = 8e-4
    rows_rate: float = 1e-3
    change_rate: float = 5e-4
    weights_rate: float = 2e-3
    warmup: float = 0.03
    teacher: float = 0.7
    max_history: int = 15
    save_steps: int = 200
    seed: int = 0
    seconds: float | None = None


class PolicyHead(nn.Module):
    """What is trained beside LoRA: the item rows, and one weight per goal and evidence feature (3, n_features)."""

    def __init__(self, rows: RowMaker, weights: Tensor) -> None:
        super().__init__()
        self.rows = rows
        self.weights = nn.Parameter(weights)


def fit_evidence_weights(data: SftRows, n_goals: int = len(GOALS), steps: int = 60, decay: float = 1e-4) -> Tensor:
    """The evidence weights that explain the rows best without any LM: softmax regression by L-BFGS.

    This is the policy "without the LM", and where fine-tuning starts.

    Returns (n_goals, n_features) float32.
    """
    rng = np.random.default_rng(0)
    weights = torch.zeros(n_goals, data.evidence.shape[2])
    for goal_index, goal in enumerate(GOALS):
        rows = [row for row in data.rows if row.state.goal == goal]
        if not rows:
            continue
        if len(rows) > 2000:
            rows = [rows[i] for i in rng.choice(len(rows), 2000, replace=False)]
        features = torch.from_numpy(data.evidence[[row.place for row in rows]].astype(np.float32))
        allowed = torch.from_numpy(np.stack([data.allowed(row) for row in rows]))
        correction = torch.from_numpy(np.stack([data.correction(row) for row in rows]))
        targets = torch.tensor([data.target(row) for row in rows])
        w = torch.zeros(data.evidence.shape[2], requires_grad=True)
        optimizer = torch.optim.LBFGS([w], max_iter=steps, line_search_fn="strong_wolfe")

        def closure(
            w: Tensor = w,
            features: Tensor = features,
            allowed: Tensor = allowed,
            correction: Tensor = correction,
            targets: Tensor = targets,
            optimizer: torch.optim.LBFGS = optimizer,
        ) -> Tensor:
            optimizer.zero_grad()
            logits = (features @ w + correction).masked_fill(~allowed, NOT_ALLOWED)
            loss = F.cross_entropy(logits, targets) + decay * w.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        weights[goal_index] = w.detach()
    return weights


class PolicyTrainer(WholeCheckpoints, SFTTrainer):
    """SFTTrainer whose loss is the policy's: cross-entropy of the chosen item over the candidates.

    The LM's hidden state after the prompt meets the item rows; the evidence joins as an offset with trained weights.
    """

    def __init__(self, *args: Any, first_item: int, settings: SftSettings, **kwargs: Any) -> None:
        self.first_item = first_item
        self.settings = settings
        self.deadline = None if settings.seconds is None else Deadline(settings.seconds)
        super().__init__(*args, **kwargs)
        if self.deadline is not None:
            self.add_callback(self.deadline)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean over the batch's rows of the cross-entropy, with the target of each as :func:`row_targets` says."""
        core = self.accelerator.unwrap_model(model)
        logits = policy_logits(core, core.policy_head, inputs, self.first_item)
        loss = F.cross_entropy(logits, row_targets(core.policy_head, inputs, self.settings.teacher))
        return (loss, {"logits": logits}) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with a rate of its own for LoRA, item rows, the row maker and the evidence weights."""
        head = self.model.policy_head
        own = {id(p) for p in head.parameters()}
        lora = [p for p in self.model.parameters() if p.requires_grad and id(p) not in own]
        s = self.settings
        groups = [
            {"params": lora, "lr": s.lora_rate, "weight_decay": 0.01},
            {"params": [head.rows.own], "lr": s.rows_rate, "weight_decay": 0.05},
            {"params": [head.rows.change], "lr": s.change_rate, "weight_decay": 0.0},
            {"params": [head.weights], "lr": s.weights_rate, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The cosine of the steps done, or of the time where that is over first."""
        if self.deadline is None:
            return super().create_scheduler(num_training_steps, optimizer)
        deadline, warmup = self.deadline, max(1, round(self.settings.warmup * num_training_steps))

        def factor(step: int) -> float:
            done = max(step / max(num_training_steps, 1), deadline.share)
            rising = max(step / warmup, deadline.share / self.settings.warmup)
            return min(1.0, rising) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        head = {k: v.detach().cpu().contiguous() for k, v in self.model.policy_head.named_parameters()}
        save_file(head, Path(output_dir or self.args.output_dir) / HEAD_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.model.policy_head.load_state_dict(load_file(Path(resume_from_checkpoint) / HEAD_FILE), strict=False)


def row_targets(head: PolicyHead, inputs: dict[str, Tensor], teacher: float) -> Tensor:
    """What each row is trained towards, (R, C): the item that was chosen, mixed with a teacher for requests.

    The teacher knows what the request was written from: it is the evidence alone over the items that meet it, which is
    what an exact reading of the words would give. It says of every item what one chosen item says of one, so the words
    are learned from far fewer rows. ``teacher`` is its share, and 0 for rows without a request.
    """
    chosen = F.one_hot(inputs["targets"], inputs["allowed"].shape[1]).float()
    with torch.no_grad():
        offset = torch.einsum("bnf,bf->bn", inputs["evidence"], head.weights[inputs["goals"]]) + inputs["correction"]
        reading = offset.masked_fill(~(inputs["allowed"] & inputs["fitting"]), -torch.inf).softmax(dim=1)
    share = teacher * (inputs["goals"] == GOALS.index("request")).float()[:, None]
    return (1 - share) * chosen + share * reading


def policy_logits(model: Any, head: PolicyHead, inputs: dict[str, Tensor], first_item: int) -> Tensor:
    """Logits of the candidates for a batch of :class:`PolicyCollator`, (R, C) float32, corrected for what was drawn.

    ``first_item`` is the token id of item 0; item tokens in the prompt read their row from ``head``.
    """
    ids, candidates = inputs["input_ids"], inputs["candidates"]
    is_item = ids >= first_item
    words = model.get_input_embeddings()(ids.clamp(max=first_item - 1))
    read = (ids - first_item).clamp(min=0)
    # Of a large catalogue only the rows that the batch needs are made.
    needed, place = torch.unique(torch.cat([read.flatten(), candidates.flatten()]), return_inverse=True)
    rows = head.rows(needed)
    items = rows[place[: read.numel()].reshape(read.shape)].to(words.dtype)
    embedded = torch.where(is_item[..., None], items, words)
    hidden = backbone(model)(
        inputs_embeds=embedded,
        attention_mask=inputs["attention_mask"],
        position_ids=inputs["position_ids"],
        use_cache=False,
    ).last_hidden_state
    group, end = inputs["ends"].unbind(dim=1)
    chosen = place[read.numel() :].reshape(candidates.shape)
    logits = (hidden[group, end].float() @ rows.T).gather(1, chosen)
    offset = torch.einsum("bnf,bf->bn", inputs["evidence"], head.weights[inputs["goals"]]) + inputs["correction"]
    allowed: Tensor = (logits + offset).masked_fill(~inputs["allowed"], NOT_ALLOWED)
    return allowed


def train_policy(
    model: Any,
    tokenizer: Any,
    rows: RowMaker,
    data: SftRows,
    prompt: StatePrompt,
    first_item: int,
    settings: SftSettings,
    output: Path,
    report: Progress,
    resume: bool = False,
    start: Path | None = None,
) -> PolicyTrainer:
    """Fine-tune; returns the trainer, whose ``model`` holds LoRA and ``policy_head``.

    ``model`` is the base LM before item tokens were added, ``tokenizer`` knows them already. With ``resume`` it goes on
    from the newest checkpoint in ``output``; where there is none yet, from the beginning: from the adapter ``start``,
    where there is one (see :func:`start_from`).
    """
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(settings.seed)
    wrapped = get_peft_model(
        model, LoraConfig(r=settings.lora_rank, lora_alpha=2 * settings.lora_rank, target_modules="all-linear")
    )
    wrapped.policy_head = PolicyHead(rows, fit_evidence_weights(data))
    if start is not None:
        start_from(start, wrapped, rows, prompt.items)
    args = SFTConfig(
        output_dir=str(output),
        per_device_train_batch_size=settings.batch,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps,
        learning_rate=settings.lora_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        max_grad_norm=1.0,
        logging_steps=20,
        save_steps=settings.save_steps,
        seed=settings.seed,
        dataset_kwargs={"skip_prepare_dataset": True},
        **packed_row_arguments(),
    )
    trainer = PolicyTrainer(
        model=wrapped,
        args=args,
        train_dataset=encode_rows(data, prompt),
        data_collator=PolicyCollator(data, tokenizer.pad_token_id),
        processing_class=tokenizer,
        callbacks=[ProgressReport(report)],
        first_item=first_item,
        settings=settings,
    )
    run_trainer(trainer, output, resume)
    return trainer


def can_start_from(folder: Path, base: str | Path, layers: int | None, lora_rank: int, features: int) -> bool:
    """Whether an adapter stands on the same weights, layers, rank and width of item features as a training to come."""
    from peft import LoraConfig

    card = PolicyCard.read(folder)
    with safe_open(folder / ROW_MAKER_FILE, "pt") as stored:
        width = stored.get_slice("change").get_shape()[0]
    rank = LoraConfig.from_pretrained(str(folder)).r
    same = (card.layers, rank, width) == (layers, lora_rank, features)
    return same and bool(card.base_sha256) and base_digest(base) == card.base_sha256


def start_from(folder: Path, model: Any, rows: RowMaker, items: Sequence[ItemLike]) -> None:
    """Give a new model an adapter's LoRA, its row maker, and its rows of the items that both know.

    What another catalogue taught the LM about reading a state serves this one: fewer steps are needed.
    """
    from peft import set_peft_model_state_dict

    state = load_file(folder / ADAPTER_FILE)
    set_peft_model_state_dict(model, {name: tensor for name, tensor in state.items() if "lora_" in name})
    trained = trained_rows(state)
    place = {key: row for row, key in enumerate(PolicyCard.read(folder).items)}
    known = [(row, place[key]) for row, key in enumerate(item_keys(items)) if key in place]
    with torch.no_grad():
        rows.change.copy_(load_file(folder / ROW_MAKER_FILE)["change"].float())
        if known:
            here, there = map(list, zip(*known, strict=True))
            rows.own[here] = trained[there].to(rows.own.device) - rows(torch.tensor(here, device=rows.own.device))
