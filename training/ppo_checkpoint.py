"""Checkpoints of a PPO run: small, and there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file
from transformers.trainer_utils import get_last_checkpoint, rotate_checkpoints

from training.slate_policy import load_trained_state, trained_state

if TYPE_CHECKING:
    from torch import Tensor

    from training.guards import AdaptiveKl, Guards

WEIGHTS_FILE = "slate_policy.safetensors"
BEST_FILE = "best.safetensors"
STATE_FILE = "ppo_state.json"
KEPT = 2
"""Checkpoints that are kept."""


class WholeCheckpoints:
    """What a trainer's checkpoint holds: the trained parameters, the best probed ones, the KL weight and the guards.

    Put before a `transformers.Trainer` in the bases of a class. The optimiser, the schedule, the random states and the
    log are the Trainer's own. A checkpoint is written into a hidden folder and renamed when it is complete.
    """

    guards: Guards
    kl: AdaptiveKl
    best: dict[str, Tensor]
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
        if self.args.should_save:
            (made,) = temporary.iterdir()
            place_folder(made, run / made.name)
            temporary.rmdir()
            rotate_checkpoints(output_dir=str(run), save_total_limit=KEPT)
        self.accelerator.wait_for_everyone()

    def _save(self: Any, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trained_state(self.model), folder / WEIGHTS_FILE)
        if self.best:
            save_file(self.best, folder / BEST_FILE)
        state = {"kl_weight": self.kl.weight, "guards": self.guards.state(), "seconds": self.seconds()}
        (folder / STATE_FILE).write_text(json.dumps(state) + "\n", encoding="utf-8")

    def _load_from_checkpoint(self: Any, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        load_trained_state(self.model, load_file(folder / WEIGHTS_FILE))
        self.best = load_file(folder / BEST_FILE) if (folder / BEST_FILE).is_file() else {}
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        self.kl.weight = state["kl_weight"]
        self.guards.load(state["guards"])
        self.seconds_before = state["seconds"]


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


def last_checkpoint(run: Path) -> Path | None:
    """The newest complete checkpoint of a run, None where there is none yet."""
    found = get_last_checkpoint(str(run)) if run.is_dir() else None
    return Path(found) if found else None
