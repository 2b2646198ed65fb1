"""What all trainers share: arguments, progress, checkpoints that are there whole or not at all, going on from them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint, rotate_checkpoints

from agent.policy.item_lm import best_device
from training.progress import Progress

KEPT = 2
"""Checkpoints that are kept (the best one beyond them, where a trainer knows a best one)."""

TRAINER_STATE_FILE = "trainer_state.json"


def packed_row_arguments() -> dict[str, Any]:
    """Arguments of all trainers of ready rows: batches of like lengths, nothing on standard output."""
    return {
        "report_to": [],
        "remove_unused_columns": False,
        "train_sampling_strategy": "group_by_length",
        "length_column_name": "length",
        "max_length": None,
        "bf16": False,
        "activation_checkpointing": False,
        "use_cpu": best_device() == "cpu",
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
    }


class ProgressReport(TrainerCallback):
    """Passes a trainer's steps on."""

    def __init__(self, report: Progress) -> None:
        self.report = report

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After each optimiser step."""
        self.report("training", state.global_step, state.max_steps)


class Deadline(TrainerCallback):
    """Ends a training after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = time.perf_counter()

    @property
    def share(self) -> float:
        """The part of the time that is over, 1 at the end."""
        return min(1.0, (time.perf_counter() - self.started) / max(self.seconds, 1e-9))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """What was prepared before does not count."""
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After each optimiser step."""
        if self.share >= 1.0:
            control.should_training_stop = True


class WholeCheckpoints:
    """Put before a `transformers.Trainer` in the bases of a class, so that a killed run always resumes.

    A checkpoint is written into a hidden folder and renamed when it is complete.
    """

    _saving = False

    def _get_output_dir(self, trial: Any) -> str:
        run = Path(super()._get_output_dir(trial))  # type: ignore[misc]
        return str(run / ".saving" if self._saving else run)

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:
        from transformers import Trainer

        run = Path(self._get_output_dir(trial))
        temporary = run / ".saving"
        if self.args.should_save:
            shutil.rmtree(temporary, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self._saving = True
        try:
            # Not TRL's own: it writes a model card beside each checkpoint.
            Trainer._save_checkpoint(self, model, trial)
        finally:
            self._saving = False
        self.accelerator.wait_for_everyone()
        best = self.state.best_model_checkpoint
        if best is not None and Path(best).parent == temporary:
            self.state.best_model_checkpoint = str(run / Path(best).name)
        if self.args.should_save:
            (made,) = temporary.iterdir()
            self.state.save_to_json(str(made / TRAINER_STATE_FILE))
            place_folder(made, run / made.name)
            temporary.rmdir()
            rotate_checkpoints(
                output_dir=str(run), save_total_limit=KEPT, best_model_checkpoint=self.state.best_model_checkpoint
            )
        self.accelerator.wait_for_everyone()


def place_folder(made: Path, folder: Path) -> None:
    """Give a complete folder its final name, its bytes on the disk first; one of that name is replaced."""
    if os.name == "posix":
        for path in [*made.rglob("*"), made]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
        os.replace(made, folder)
        shutil.rmtree(old)
    else:
        os.replace(made, folder)


def run_trainer(trainer: Any, output: Path, resume: bool) -> None:
    """Train; with ``resume``, from the newest complete checkpoint in ``output``, where there is one."""
    trainer.remove_callback(PrinterCallback)  # standard output belongs to --json
    checkpoint = last_checkpoint(output) if resume else None
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


class CheckpointError(ValueError):
    """There is no checkpoint to go on from; the message says where one was looked for."""


def need_checkpoint(run: Path) -> Path:
    """The newest complete checkpoint of a run.

    Raises:
        CheckpointError: there is none.
    """
    found = last_checkpoint(run)
    if found is None:
        raise CheckpointError(f"{run} holds no checkpoint to go on from: leave --resume out, or name another --output")
    return found


def last_checkpoint(run: Path) -> Path | None:
    """The newest complete checkpoint of a run, None where there is none yet."""
    found = get_last_checkpoint(str(run)) if run.is_dir() else None
    return Path(found) if found else None
