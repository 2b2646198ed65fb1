"""PPO schedule: which rows each step meets, and what TRL is told of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from torch.utils.data import Sampler
from trl import GRPOConfig

from agent.policy.item_lm import best_device
from training.ppo.settings import PpoSettings, SettingsError


class RunSampler(Sampler[int]):
    """The whole run as one epoch: ``slates`` rows a step, each ``generations`` times, each step ``repeat`` times.

    Rows are shuffled anew each time all have been seen, from the seed alone, so a resumed run meets the same rows.

    Raises:
        SettingsError: there are fewer rows than slates in a step.
    """

    def __init__(self, n_rows: int, slates: int, generations: int, steps: int, repeat: int, seed: int) -> None:
        if n_rows < slates:
            raise SettingsError(f"{n_rows} rows are fewer than the {slates} slates of one step: lower slates")
        self.shape = (n_rows, slates, generations, steps, repeat)
        self.seed = seed

    def batches(self) -> Iterator[list[int]]:
        """The distinct rows of each batch of picks."""
        n_rows, slates, _, steps, repeat = self.shape
        per_pass = n_rows // slates
        order = np.empty(0, np.int64)
        for batch in range(steps // repeat):
            if batch % per_pass == 0:
                order = np.random.default_rng([self.seed, batch // per_pass]).permutation(n_rows)
            start = batch % per_pass * slates
            yield order[start : start + slates].tolist()

    def __iter__(self) -> Iterator[int]:
        _, _, generations, _, repeat = self.shape
        for batch in self.batches():
            yield from [row for _ in range(repeat) for row in batch for _ in range(generations)]

    def __len__(self) -> int:
        _, slates, generations, steps, _ = self.shape
        return slates * generations * steps


def run_sampler(settings: PpoSettings, n_rows: int) -> RunSampler:
    """The order in which a run with these settings visits its rows."""
    s = settings
    return RunSampler(n_rows, s.slates, s.generations, s.steps, s.num_iterations, s.seed)


def trl_config(settings: PpoSettings, folder: Path) -> GRPOConfig:
    """What TRL is told.

    Raises:
        SettingsError: the slates of a step cannot be shared out evenly over the processes.
    """
    s = settings
    config: dict[str, Any] = {
        "output_dir": str(folder),
        "max_steps": s.steps,
        "num_generations": s.generations,
        "num_iterations": s.num_iterations,
        "max_completion_length": s.length,
        "epsilon": s.epsilon,
        "beta": 0.0,
        "entropy_coef": s.entropy_weight,
        "loss_type": "dr_grpo",
        "scale_rewards": "none",
        "learning_rate": s.lora_rate,
        "lr_scheduler_type": s.schedule if s.schedule != "constant" else "constant_with_warmup",
        "warmup_steps": s.warmup,
        "max_grad_norm": s.max_grad_norm,
        "logging_steps": 1,
        "save_steps": s.save_steps,
        "seed": s.seed,
        "report_to": [],
        "bf16": False,
        "activation_checkpointing": False,
        "use_cpu": best_device() == "cpu",
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "ddp_find_unused_parameters": False,
    }
    processes = PartialState(cpu=bool(config["use_cpu"])).num_processes
    if s.slates % processes:
        raise SettingsError(f"slates = {s.slates} cannot be shared by {processes} processes: give a multiple")
    return GRPOConfig(per_device_train_batch_size=s.slates * s.generations // processes, **config)
