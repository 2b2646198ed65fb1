"""A PPO run in a process of its own, for the tests that launch several or kill one; says each step as it is done.

``python -m tests.ppo_child FOLDER BASE OUTPUT [SETTING=VALUE ...]``, the folder as
:func:`tests.small_policy.save_small_policy` fills it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import datasets
import torch
import yaml

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import load_dataset
from training.ppo.run import train_ppo_policy
from training.ppo.settings import PpoSettings


def main(folder: Path, base: Path, output: Path, *settings: str) -> None:
    """Run, resuming what is there."""
    values = dict(setting.split("=", 1) for setting in settings)
    run = train_ppo_policy(
        folder / "adapter",
        base,
        Catalogue(load_dataset("ml-100k")).items,
        datasets.load_from_disk(folder / "rows"),
        datasets.load_from_disk(folder / "probe"),
        PpoSettings.of({name: yaml.safe_load(value) for name, value in values.items()}),
        output,
        lambda what, done, of: print(what, done, flush=True),
        resume=True,
        dtype=torch.float32,
    )
    # A file of each process: the lines of two processes mingle on standard output.
    ranks = run.trainer.accelerator
    (output / f"process-{ranks.process_index}-of-{ranks.num_processes}").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
