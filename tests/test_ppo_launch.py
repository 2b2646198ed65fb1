"""`accelerate launch`: two processes on the CPU train what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from agent.data.dataset import Dataset
from tests.conftest import ROOT
from tests.small_policy import SmallPolicy, make_small_policy, save_small_policy
from training.ppo.trainer import WEIGHTS_FILE

STEPS = 4
SETTINGS = {"steps": STEPS, "slates": 4, "generations": 4, "save_steps": 2, "probe_every": 2, "distinct_window": 16}
RTOL = 1e-3
"""Sums over two halves round differently from one sum over all; Adam's first steps magnify that."""


@pytest.fixture(scope="module")
def saved(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallPolicy, Path]:
    folder = tmp_path_factory.mktemp("launch")
    small = make_small_policy(dataset, folder / "adapter")
    save_small_policy(small, folder)
    return small, folder


def _launch(saved: tuple[SmallPolicy, Path], output: Path, processes: int, **settings: object) -> None:
    small, folder = saved
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # accelerate starts several CPU processes by mpirun or, as here, by torchrun, which its flag calls --multi_gpu.
    kind = "--cpu" if processes == 1 else "--multi_gpu"
    command = [sys.executable, "-m", "accelerate.commands.launch", kind, "--num_processes", str(processes)]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", str(port), "-m", "tests.ppo_child", str(folder), str(small.base), str(output)]
    command += [f"{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    ran = sorted(path.name for path in output.glob("process-*"))
    assert ran == [f"process-{rank}-of-{processes}" for rank in range(processes)]


@pytest.mark.parametrize("estimator", ["ppo", pytest.param("exact", marks=pytest.mark.slow)])
def test_two_processes_train_what_one_does(saved: tuple[SmallPolicy, Path], tmp_path: Path, estimator: str) -> None:
    runs = []
    for processes in (1, 2):
        output = tmp_path / str(processes)
        _launch(saved, output, processes, estimator=estimator)
        history = [json.loads(line) for line in (output / "history.jsonl").read_text().splitlines()]
        runs.append((history, load_file(output / "run" / f"checkpoint-{STEPS}" / WEIGHTS_FILE)))
    (one, weights_one), (two, weights_two) = runs
    assert [entry["step"] for entry in two] == [0, 1, 2, 3, 4]
    for entry, other in zip(one, two, strict=True):
        assert entry.keys() == other.keys()
        for name in entry.keys() - {"seconds", "samples_per_second"}:
            assert other[name] == pytest.approx(entry[name], rel=RTOL, abs=1e-5), (entry["step"], name)
    assert weights_one.keys() == weights_two.keys()
    for name, tensor in weights_one.items():
        np.testing.assert_allclose(weights_two[name], tensor, rtol=RTOL, atol=1e-5, err_msg=name)
