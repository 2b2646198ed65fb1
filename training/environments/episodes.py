"""Episodes: whole sessions of a policy with simulated users, and what came of each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.records.state import Event
from training.environments.session import SessionEnv

SessionPolicy = Callable[[Sequence[Sequence[Event]], Sequence[np.ndarray]], Sequence[np.ndarray]]
"""Maps B histories and, for each, its candidates (catalogue indices) to as many scores per candidate; the highest are
shown, best first. A policy that draws its slates adds its own Gumbel noise to log-probabilities."""


@dataclass(frozen=True)
class SessionReport:
    """What came of n sessions; every array is (n,), one number a session.

    ``users`` are the names of the simulated users; ``turns`` slates shown; ``shown``, ``clicks`` and ``conversions``
    count films (a conversion is a click on a film that then gets five stars); ``satisfaction`` is the mean of the
    turns' satisfaction, -1 to 1; ``reward`` the mean reward of a turn; ``left`` is false where the session was cut
    short.
    """

    users: tuple[str, ...]
    turns: np.ndarray
    shown: np.ndarray
    clicks: np.ndarray
    conversions: np.ndarray
    satisfaction: np.ndarray
    reward: np.ndarray
    left: np.ndarray

    @property
    def click_through(self) -> np.ndarray:
        """Clicks per film shown, (n,)."""
        return np.asarray(self.clicks / self.shown)

    @property
    def conversion(self) -> np.ndarray:
        """Conversions per film shown, (n,)."""
        return np.asarray(self.conversions / self.shown)

    def measures(self) -> Mapping[str, np.ndarray]:
        """The figures to report by name: per-session arrays, to be averaged."""
        return {
            "session_length": self.turns.astype(np.float64),
            "satisfaction": self.satisfaction,
            "click_through": self.click_through,
            "conversion": self.conversion,
            "reward": self.reward,
        }


def run_sessions(
    policy: SessionPolicy,
    env: SessionEnv,
    n: int,
    seed: int = 0,
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> SessionReport:
    """Play ``n`` sessions, ``batch`` of them side by side so that the policy scores many states at once.

    Session i has the same user with the same opinions under every policy: compare policies pairwise. ``env`` itself is
    left as it was. ``progress`` is called with (sessions done, sessions in all).

    Raises:
        ValueError: ``n`` or ``batch`` is below 1, the policy gave another number of scores than candidates, or no
            number, or fewer films are left than a slate has.
    """
    if n < 1 or batch < 1:
        raise ValueError(f"{n} sessions, {batch} at once: give at least 1")
    reports = []
    for start in range(0, n, batch):
        reports += _play(policy, env, range(start, min(start + batch, n)), seed)
        if progress:
            progress(len(reports), n)
    columns = {name: np.array([report[name] for report in reports]) for name in reports[0] if name != "user"}
    return SessionReport(tuple(str(report["user"]) for report in reports), **columns)


def _play(policy: SessionPolicy, env: SessionEnv, sessions: range, seed: int) -> list[dict[str, Any]]:
    envs, infos = [], []
    for session in sessions:
        own = copy.copy(env)
        _, info = own.reset(seed=int(np.random.SeedSequence([seed, session]).generate_state(1)[0]))
        envs.append(own)
        infos.append(info)
    turns: list[list[tuple[float, dict[str, Any]]]] = [[] for _ in sessions]
    going = list(range(len(envs)))
    while going:
        candidates = [np.flatnonzero(infos[row]["action_mask"]) for row in going]
        scores = policy([infos[row]["state"].history for row in going], candidates)
        after = []
        for row, items, given in zip(going, candidates, scores, strict=True):
            _, reward, terminated, truncated, infos[row] = envs[row].step(_best(items, given, env.places))
            turns[row].append((reward, infos[row]))
            if not (terminated or truncated):
                after.append(row)
        going = after
    return [
        {
            "user": infos[row]["user"],
            "turns": len(own),
            "shown": len(own) * env.places,
            "clicks": sum(int(info["clicks"].sum()) for _, info in own),
            "conversions": sum(info["conversions"] for _, info in own),
            "satisfaction": float(np.mean([info["satisfaction"] for _, info in own])),
            "reward": float(np.mean([reward for reward, _ in own])),
            "left": infos[row]["left"],
        }
        for row, own in enumerate(turns)
    ]


def _best(items: np.ndarray, scores: np.ndarray, places: int) -> np.ndarray:
    own = np.asarray(scores, dtype=np.float64)
    if own.shape != items.shape or np.isnan(own).any():
        raise ValueError(f"{own.shape} scores for {items.shape} candidates, or NaN: fix the policy")
    if len(items) < places:
        raise ValueError(f"{len(items)} films are left for a slate of {places}: shorten the sessions with max_turns")
    best: np.ndarray = items[np.argsort(-own, kind="stable")[:places]]
    return best
