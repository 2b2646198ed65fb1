"""Checkpoints of a PPO run: what they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from training.checkpoints import WholeCheckpoints
from training.ppo.slate_policy import load_trained_state, trained_state

if TYPE_CHECKING:
    from torch import Tensor

    from training.ppo.guards import AdaptiveKl, Guards

WEIGHTS_FILE = "slate_policy.safetensors"
BEST_FILE = "best.safetensors"
STATE_FILE = "ppo_state.json"


class PpoCheckpoints(WholeCheckpoints):
    """What a trainer's checkpoint holds: the trained parameters, the best probed ones, the KL weight and the guards.

    The optimiser, the schedule, the random states and the log are the `transformers.Trainer`'s own.
    """

    guards: Guards
    kl: AdaptiveKl
    best: dict[str, Tensor]

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
