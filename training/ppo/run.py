"""A PPO run from an adapter to an adapter: load, train, survive, write."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerCallback

from agent.policy.item_embeddings import ItemFeatures, ItemLike
from agent.policy.item_lm import ItemLanguageModel, PolicyCard, best_device
from agent.policy.weights import ADAPTER_FILE, POLICY_FILE
from training.adapter import write_tuned_adapter
from training.checkpoints import Deadline, ProgressReport, last_checkpoint
from training.curves import HISTORY_FILE, write_curves
from training.ppo.guards import NonFinite, Stop
from training.ppo.rows import EMPTY, SlateRows
from training.ppo.schedule import run_sampler
from training.ppo.settings import PpoSettings, SettingsError
from training.ppo.slate_policy import load_slate_policy, load_trained_state, read_once, slate_logits
from training.ppo.trainer import ExactGradientTrainer, PPOTrainer
from training.progress import Progress, silent, tensorboard_callback
from training.sft.packing import GOALS

Watch = Callable[[dict[str, float]], None]
"""Called with each new entry of the history."""

LOGGED = {
    name: {"kl_weight": "kl_coef"}.get(name, name)
    for name in (
        "reward", "expected_reward", "gain", "kl", "kl_weight", "entropy", "value_loss", "clip_fraction", "distinct",
        "probe", "probe_error", "seconds", "samples_per_second", "loss", "grad_norm",
    )
}  # fmt: skip
"""What the history holds: names in the trainer's log, and what they are called in the history."""


@dataclass(frozen=True)
class PpoRun:
    """What a run leaves.

    ``history`` has one entry a step (and one for the probe before the first); ``stopped`` says why the run ended early,
    None where it did not; ``kept`` is the step whose weights the adapter in ``folder`` holds.
    """

    trainer: PPOTrainer
    history: list[dict[str, float]]
    stop: Stop | None
    kept: int
    folder: Path
    card: PolicyCard

    @property
    def stopped(self) -> str | None:
        """Why the run ended early, in words."""
        return str(self.stop) if self.stop else None


class History(TrainerCallback):
    """Writes the trainer's log to ``history.jsonl``, one line a step; a resumed run goes on where it was."""

    def __init__(self, path: Path, watch: Watch) -> None:
        self.path, self.watch = path, watch

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start with the steps that a resumed checkpoint has behind it."""
        if state.is_world_process_zero:
            self.path.write_text("".join(_line(entry) for entry in entries(state.log_history)), encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After each step."""
        if state.is_world_process_zero:
            latest = entries(state.log_history[-1:])
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(_line(entry) for entry in latest)
            for entry in latest:
                self.watch(entry)


def entries(log: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """The steps of a trainer's log under the names of the history; other entries are left out."""
    steps = [entry for entry in log if "reward" in entry or "probe" in entry]
    return [
        {"step": entry["step"], **{new: entry[old] for old, new in LOGGED.items() if entry.get(old) is not None}}
        for entry in steps
    ]


def train_ppo_policy(
    adapter: Path,
    base: str | Path,
    items: Sequence[ItemLike],
    rows: Any,
    probe_rows: Any | None,
    settings: PpoSettings,
    output: Path,
    report: Progress = silent,
    resume: bool = False,
    version: str = "ppo",
    features: ItemFeatures | None = None,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    watch: Watch = lambda entry: None,
    tensorboard: bool = False,
    seconds: float | None = None,
) -> PpoRun:
    """Train an adapter's policy on rewards, and write the new adapter to ``output / "adapter"``.

    ``adapter``: the folder of the policy to start from; also the reference of the KL divergence; ``rows``: what to
    train on, see :func:`training.ppo.rows.rows_dataset`; ``probe_rows``: rows of other users with real ratings; None:
    no real-reward probe; ``output``: also receives the checkpoints (``run``), ``history.jsonl`` and the curves (see
    :func:`training.curves.write_curves`); ``resume``: go on from the newest checkpoint in ``output``; where there is
    none yet, from the beginning; ``features``: what item rows are made from; needed only for items that the adapter was
    not trained on; ``device``: where the LM runs (None: on a GPU where there is one); ``dtype``: of the LM (None:
    bfloat16 where the hardware has it); ``watch``: called with each new entry of the history; ``tensorboard``: also log
    to TensorBoard, in ``output / "tensorboard"``; ``seconds``: training ends after so many (None: after all steps).

    A guard's stop is no error: see :attr:`PpoRun.stopped`. The best probed weights are then what is written.

    Raises:
        AdapterError, ValueError: adapter, rows or settings do not fit; the message says what to do.
        MissingTensorBoard: it is asked for but not installed.
    """
    loggers: list[TrainerCallback] = [tensorboard_callback(output / "tensorboard")] if tensorboard else []
    if seconds is not None:
        loggers.append(Deadline(seconds))
    device = device or best_device()
    train, probe = SlateRows.of(rows), SlateRows.of(probe_rows) if probe_rows is not None else None
    exact = settings.estimator == "exact"
    if settings.mode == "slate" and int(train.allowed.sum(dim=1).min()) < settings.k:
        raise SettingsError(f"k = {settings.k} is more than the candidates of the smallest slate: lower k")
    if bool((train.logged != EMPTY).any()) and (exact or settings.mode == "slate"):
        raise SettingsError(
            "rows replayed from a log hold one shown item each: use the estimator ppo and the mode pick"
        )
    frozen = settings.lora_rate == 0 and probe is None
    lm = load_slate_policy(
        adapter,
        base,
        items,
        features,
        settings.temperature,
        not exact,
        settings.seed,
        device,
        dtype,
        train.said.shape[2],
        not frozen,
    )
    hidden = read_once(lm, train, report) if frozen else None
    run = output / "run"
    run.mkdir(parents=True, exist_ok=True)
    trainer = (ExactGradientTrainer if exact else PPOTrainer)(
        lm,
        train,
        probe,
        settings,
        reference_logits(lm, train, settings, adapter, run, report, hidden),
        run,
        [ProgressReport(report), History(output / HISTORY_FILE, watch), *loggers],
        hidden,
    )
    checkpoint = last_checkpoint(run) if resume else None
    try:
        with warnings.catch_warnings():
            # TRL asks transformers by an old name at each step.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except NonFinite as error:
        trainer.guards.stop = Stop("non_finite", trainer.state.global_step + 1, str(error))
    stop, kept = trainer.guards.stop, trainer.state.global_step
    if trainer.best and trainer.guards.best and (stop or settings.keep == "best"):
        load_trained_state(trainer.model, trainer.best)
        kept = trainer.guards.best.step
    card = PolicyCard.read(adapter)
    if trainer.accelerator.is_main_process:
        head = trainer.model.slate_head
        card = write_tuned_adapter(
            output / "adapter",
            adapter,
            trainer.model,
            version,
            dict(zip(GOALS, head.weights.tolist(), strict=True)),
            dict(zip(GOALS, head.lm_weights.tolist(), strict=True)),
            head.temperature,
        )
        if any("reward" in entry for entry in entries(trainer.state.log_history)):
            write_curves(output)
    trainer.accelerator.wait_for_everyone()
    return PpoRun(trainer, entries(trainer.state.log_history), stop, kept, output / "adapter", card)


def reference_logits(
    lm: ItemLanguageModel,
    rows: SlateRows,
    settings: PpoSettings,
    adapter: Path,
    run: Path,
    report: Progress,
    hidden: Tensor | None = None,
) -> Tensor:
    """Logits (N, C) of the policy before training, for the rows that the run will visit; NaN for the others.

    They are kept in the run's folder, so that a resumed run measures the KL divergence to the same policy.
    """
    visited = sorted({row for batch in run_sampler(settings, len(rows)).batches() for row in batch})
    parts = [visited, settings.temperature, rows.prompts, rows.candidates.tolist(), str(lm.model.dtype)]
    key = hashlib.sha256(json.dumps(parts).encode())
    for served in (rows.evidence, rows.offset, rows.evidence_scale, rows.lm_scale, rows.said):
        key.update(served.numpy().tobytes())
    for name in (ADAPTER_FILE, POLICY_FILE):
        key.update((adapter / name).read_bytes())
    path = run / f"reference-{key.hexdigest()[:16]}.safetensors"
    if path.is_file():
        return load_file(path)["logits"]
    logits = torch.full(rows.candidates.shape, torch.nan)
    for start in range(0, len(visited), 256):
        report("the policy before training", start, len(visited))
        part = visited[start : start + 256]
        logits[part] = slate_logits(lm.model, rows, part, lm.tokenizer.pad_token_id, hidden=hidden)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    save_file({"logits": logits}, temporary)
    os.replace(temporary, path)
    return logits


def _line(entry: dict[str, float]) -> str:
    return json.dumps(entry) + "\n"
