"""Self-check: do the intervals cover the truth as often as they say, and do the diagnostics fire when they must?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eval.metrics import Interval
from eval.off_policy.intervals import Resampling
from eval.off_policy.report import Settings, evaluate_samples
from eval.off_policy.samples import Samples
from eval.off_policy.synthetic import Bandit

CONVERSATIONS = 300
RESAMPLES = 1000
COVERED = (0.93, 0.97)
"""The share of 95 % intervals that must hold the true value."""

FIRED = 0.99
"""The share of broken logs that must be refused."""

_WEIGHTED = ("ips", "clipped-ips", "snips", "dr", "switch-dr", "rips")
CASES: Mapping[str, tuple[Bandit, tuple[str, ...]]] = {
    "one item a slate": (Bandit(), ("dm", *_WEIGHTED, "iips")),
    "slates, items seen independently": (Bandit(places=3, items=6, seed=1), ("dm", *_WEIGHTED, "iips")),
    "slates, items seen from the top": (Bandit(places=3, items=6, cascade=True, seed=1), _WEIGHTED),
}
"""Bandits that meet the assumptions, and the estimators whose assumptions they meet."""

FAULTS: Mapping[str, Bandit] = {
    "a greedy log": Bandit(fault="greedy"),
    "propensities of another temperature": Bandit(fault="wrong propensities"),
    "items that the log never shows": Bandit(fault="no support"),
    "a target too far away": Bandit(places=3, items=8, fault="too far"),
}


@dataclass(frozen=True, slots=True)
class Coverage:
    """How one estimator did over ``replications`` logs of one bandit; ``refused`` ones count as not covered."""

    case: str
    estimator: str
    replications: int
    truth: float
    mean: float
    covered: float
    refused: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """How often the estimates by weights were refused where the log is broken, and one of the reasons given."""

    case: str
    replications: int
    refused: float
    reason: str
    passed: bool


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """All of it."""

    coverage: tuple[Coverage, ...]
    alarms: tuple[Alarm, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is as it must be."""
        return all(row.passed for row in self.coverage) and all(row.passed for row in self.alarms)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {"passed": self.passed, **asdict(self)}


class _TrueRewards:
    """A reward model that knows the bandit: the direct method assumes that its model is right."""

    def __init__(self, rewards: np.ndarray) -> None:
        self.rewards = rewards

    def fit_predict(self, samples: Samples, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return np.asarray(self.rewards[asked])


def self_check(
    replications: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SelfCheck:
    """Draw logs of every bandit and count.

    With fewer than 1,000 replications the band of coverage is wider, by what three standard errors grow.
    """
    total = replications * (len(CASES) + len(FAULTS))
    coverage: list[Coverage] = []
    alarms = []
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    for case, (bandit, names) in CASES.items():
        coverage += _coverage(case, bandit, names, replications, seed, step)
    for case, bandit in FAULTS.items():
        alarms.append(_alarm(case, bandit, replications, seed, step))
    return SelfCheck(tuple(coverage), tuple(alarms))


def _coverage(
    case: str,
    bandit: Bandit,
    names: tuple[str, ...],
    replications: int,
    seed: int,
    step: Callable[[], None],
) -> list[Coverage]:
    rng = np.random.default_rng([seed, 1])
    values: dict[str, list[Interval | None]] = {name: [] for name in names}
    resampling: Resampling | None = None
    for _ in range(replications):
        samples, states = bandit.draw(CONVERSATIONS, rng)
        # One set of resamples serves all replications: they are independent of the logs.
        resampling = resampling or Resampling.draw(samples.clusters, RESAMPLES, seed)
        rest = tuple(name for name in names if name != "dm")
        results = [evaluate_samples(samples, Settings(rest), "click", 0, resampling)]
        if "dm" in names:
            known = Settings(("dm",), model=_TrueRewards(bandit.true_rewards(states)), refits=0)
            results.append(evaluate_samples(samples, known, "click", 0, resampling))
        for result in results:
            for row in result.rows:
                values[row.estimator].append(row.value if isinstance(row.value, Interval) else None)
        step()
    rows = []
    margin = max(0.0, 3 * (0.05 * 0.95) ** 0.5 * (replications**-0.5 - 1000**-0.5))
    for name, found in values.items():
        given = [value for value in found if value is not None]
        covered = sum(value.low <= bandit.value <= value.high for value in given) / replications
        mean = float(np.mean([value.mean for value in given])) if given else float("nan")
        passed = COVERED[0] - margin <= covered <= COVERED[1] + margin
        refused = 1 - len(given) / replications
        rows.append(Coverage(case, name, replications, bandit.value, mean, covered, refused, passed))
    return rows


def _alarm(case: str, bandit: Bandit, replications: int, seed: int, step: Callable[[], None]) -> Alarm:
    rng = np.random.default_rng([seed, 2])
    refused, reason = 0, ""
    resampling: Resampling | None = None
    for _ in range(replications):
        samples, _states = bandit.draw(CONVERSATIONS, rng)
        resampling = resampling or Resampling.draw(samples.clusters, 100, seed)
        result = evaluate_samples(samples, Settings(("ips", "snips", "rips", "dr")), "click", 0, resampling)
        reasons = [row.value.reason for row in result.rows if not isinstance(row.value, Interval)]
        refused += len(reasons) == len(result.rows)
        reason = reasons[0] if reasons else reason
        step()
    share = refused / replications
    return Alarm(case, replications, share, reason, share >= FIRED)
