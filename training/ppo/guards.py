"""Guards: what stops a run before it does harm, and the controller that keeps it near where it started."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from training.ppo.settings import PpoSettings


class NonFinite(ArithmeticError):
    """A loss, reward or gradient is not a finite number; raised before any weight has changed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run ended early: ``kind`` is "reward_hacking", "kl", "entropy", "distinct" or "non_finite"."""

    kind: str
    step: int
    text: str

    def __str__(self) -> str:
        return f"{self.kind} at step {self.step}: {self.text}"


@dataclass(frozen=True, slots=True)
class Probe:
    """The greedy picks on the probe rows judged by real ratings, and what training paid since the probe before.

    ``gain`` is the mean of the policy's expected training reward less that of the policy before training.
    """

    step: int
    clicks: tuple[float, ...]
    gain: float

    @property
    def click_rate(self) -> float:
        """Share of the greedy picks that the user graded 4 or more."""
        return float(np.mean(self.clicks))


@dataclass
class AdaptiveKl:
    """The weight of the KL divergence, adapted so that the divergence stays near ``target`` (None: constant).

    ``weight *= 1 + speed clip(kl / target - 1, -0.2, 0.2)`` after each step (Ziegler et al., 2019, arXiv:1909.08593,
    section 2.2, where the speed is 0.1).
    """

    weight: float
    target: float | None
    speed: float = 0.1

    def update(self, kl: float) -> None:
        """After a step whose batch had this divergence, in nats."""
        if self.target is not None:
            self.weight *= 1.0 + self.speed * min(max(kl / self.target - 1.0, -0.2), 0.2)


@dataclass
class Guards:
    """Watches a run; the first finding stops it. Everything here but ``users`` belongs to a checkpoint.

    ``users`` names whose slate each probe row is: errors are clustered by user. ``picks`` are the latest pairs of top
    picks (now, before training), ``gains`` what training paid since the last probe, ``best`` the best probe so far.
    """

    settings: PpoSettings
    users: Sequence[str] = ()
    picks: list[tuple[int, int]] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    best: Probe | None = None
    stop: Stop | None = None

    @property
    def distinct(self) -> tuple[int, int]:
        """Distinct top picks over the latest prompts: now, and by the policy before training on the same prompts."""
        return len({now for now, _ in self.picks}), len({before for _, before in self.picks})

    def after_step(
        self, step: int, kl: float, entropy: float, gain: float, picks: Sequence[tuple[int, int]]
    ) -> Stop | None:
        """Judge one step; ``entropy`` is a share of the largest possible one, ``picks`` are pairs as above."""
        s = self.settings
        self.gains.append(gain)
        self.picks = [*self.picks, *((int(now), int(before)) for now, before in picks)][-s.distinct_window :]
        now, before = self.distinct
        if kl > s.kl_limit:
            self._found("kl", step, f"the policy is {kl:.2f} nats from where it started, the limit is {s.kl_limit}")
        elif entropy < s.entropy_floor:
            text = f"the entropy is {entropy:.3f} of the largest possible, the floor is {s.entropy_floor}"
            self._found("entropy", step, text)
        elif len(self.picks) >= s.distinct_window and now < s.distinct_floor * before:
            text = f"{now} distinct top picks over {len(self.picks)} prompts, {before} before training"
            self._found("distinct", step, f"{text}; the floor is {s.distinct_floor} of that")
        return self.stop

    def after_probe(self, step: int, clicks: Sequence[float]) -> bool:
        """Judge the real reward of the greedy picks on the probe rows; says whether it is the best so far.

        Reward hacking is a training reward above what it was at the best probe while the real click rate is below that
        probe's by more than the tolerance and ``probe_errors`` standard errors of the paired difference.
        """
        probe = Probe(step, tuple(float(click) for click in clicks), float(np.mean(self.gains)) if self.gains else 0.0)
        self.gains = []
        best = self.best
        if best is None or probe.click_rate > best.click_rate:
            self.best = probe
            return True
        fall, error = paired_fall(best.clicks, probe.clicks, self.users)
        allowed = self.settings.probe_tolerance + self.settings.probe_errors * error
        if fall > allowed and probe.gain > best.gain:
            self._found(
                "reward_hacking",
                step,
                f"the training reward rose from {best.gain:+.3f} to {probe.gain:+.3f} over the policy before training, "
                f"but the real click rate fell by {fall:.3f} from {best.click_rate:.3f} at step {best.step}, more than "
                f"{allowed:.3f}: the reward pays for something that people do not like",
            )
        return False

    def state(self) -> dict[str, Any]:
        """Plain values of all that a resumed run needs."""
        return {
            "picks": self.picks,
            "gains": self.gains,
            "best": asdict(self.best) if self.best else None,
            "stop": asdict(self.stop) if self.stop else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state` gave."""
        self.picks = [(now, before) for now, before in state["picks"]]
        self.gains = list(state["gains"])
        best = state["best"]
        self.best = Probe(best["step"], tuple(best["clicks"]), best["gain"]) if best else None
        self.stop = Stop(**state["stop"]) if state["stop"] else None

    def _found(self, kind: str, step: int, text: str) -> None:
        self.stop = self.stop or Stop(kind, step, text)


def paired_fall(before: Sequence[float], now: Sequence[float], users: Sequence[str]) -> tuple[float, float]:
    """Mean of ``before - now`` over rows, and its standard error clustered by user."""
    differences = np.asarray(before, np.float64) - np.asarray(now, np.float64)
    mean = float(differences.mean())
    _, cluster = np.unique(np.asarray(users), return_inverse=True)
    sums = np.bincount(cluster, weights=differences - mean)
    n = len(sums)
    if n < 2:
        return mean, math.inf
    return mean, float(np.sqrt(n / (n - 1) * np.square(sums).sum()) / len(differences))
