"""PPO against the exact policy gradient on rated slates: reward reached per sample and per minute.

Run as ``python -m eval.policy.ppo_check --steps 100 --output check``. Both start from the same adapter and meet the
same slates in the same order; PPO draws picks and learns a critic, the other goes along the gradient of the expected
reward itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from training.ppo.recipe import train_ppo
from training.ppo.run import PpoRun
from training.ppo.settings import PpoSettings

SMOOTHED = 10
"""Steps that a gain is averaged over: each step has other slates."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One run, step by step.

    ``gain`` is the expected reward less that of the policy before training on the same slates, averaged over the
    last ``SMOOTHED`` steps; ``samples`` counts rewards that were looked up: picks drawn, or every candidate of a slate.
    """

    estimator: str
    seconds: tuple[float, ...]
    samples: tuple[int, ...]
    gain: tuple[float, ...]

    def reached(self, level: float) -> dict[str, float] | None:
        """Step, seconds and samples at which the gain first reached ``level``; None where it never did."""
        for step, gain in enumerate(self.gain):
            if gain >= level:
                return {"step": step + 1, "seconds": round(self.seconds[step], 1), "samples": self.samples[step]}
        return None


def curve(run: PpoRun) -> Curve:
    """The curve of a finished run."""
    settings = run.trainer.settings
    steps = [entry for entry in run.history if "gain" in entry]
    exact = settings.estimator == "exact"
    candidates = float(run.trainer.rows.allowed.sum(dim=1).float().mean())
    each = settings.slates * (candidates if exact else settings.generations / settings.num_iterations)
    return Curve(
        settings.estimator,
        tuple(entry["seconds"] for entry in steps),
        tuple(round(each * (k + 1)) for k in range(len(steps))),
        smoothed([entry["gain"] for entry in steps]),
    )


def smoothed(gains: Sequence[float]) -> tuple[float, ...]:
    """Means over the last ``SMOOTHED`` values, fewer at the beginning."""
    return tuple(float(np.mean(gains[max(0, k + 1 - SMOOTHED) : k + 1])) for k in range(len(gains)))


def compare(ppo: Curve, exact: Curve) -> dict[str, Any]:
    """The last gain of each, and what each took to half and to nine tenths of the exact gradient's."""
    goal = exact.gain[-1]
    return {
        "gain": {each.estimator: round(each.gain[-1], 4) for each in (ppo, exact)},
        "seconds": {each.estimator: round(each.seconds[-1], 1) for each in (ppo, exact)},
        "samples": {each.estimator: each.samples[-1] for each in (ppo, exact)},
        **{
            f"to_{share:.0%}": {each.estimator: each.reached(share * goal) for each in (ppo, exact)}
            for share in (0.5, 0.9)
        },
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Train both, print and return the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.policy.ppo_check", description="PPO against the exact gradient"
    )
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--output", type=Path, required=True, help="folder for both runs")
    parser.add_argument("--config", type=Path, help="PPO settings as YAML, TOML or JSON")
    parser.add_argument("--reward", default="click")
    chosen = parser.parse_args(arguments)
    overrides = {"steps": chosen.steps, "save_steps": chosen.steps, "probe_every": chosen.steps}
    settings = PpoSettings.from_file(chosen.config, overrides) if chosen.config else PpoSettings.of(overrides)
    curves = []
    for estimator in ("ppo", "exact"):
        own = replace(settings, estimator=estimator)
        curves.append(curve(train_ppo(chosen.output / estimator, reward=chosen.reward, settings=own).run))
    result = compare(*curves)
    print(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
