"""Sessions with simulated users as a Gymnasium environment: several slates in a row, until the user leaves.

:func:`run_sessions` has a policy play whole sessions and reports what came of each.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from agent.records.state import Event, State
from training.environments.user_model import Person, UserModel
from training.ppo.rewards import Outcome, Reward, parse_reward, place_weights

CONVERTED = 5.0
"""The grade from which a clicked item counts as a conversion: the user loved what was recommended."""

NOTHING = -0.5
"""Satisfaction of a turn in which nothing was clicked, on the scale where a grade of 1 is -1 and one of 5 is 1."""


class SessionEnv(gym.Env[dict[str, Any], npt.NDArray[np.int64]]):
    """One visit of a simulated user an episode; see :class:`training.environments.user_model.UserSettings`.

    Action: a slate, int64 (places,) catalogue indices from the top. Items that the user has watched, or that stand
    higher in the same slate, are never clicked. A clicked item is watched, rated and joins the history.

    The reward of a turn is the mean of the places' rewards under :func:`training.ppo.rewards.place_weights`. A turn's
    satisfaction is the mean of (stars - 3) / 2 over the items clicked in it, ``NOTHING`` without a click; a turn at 0
    or below is unsatisfying. The episode terminates when the user leaves and is truncated after ``max_turns``.

    Observation: ``history`` int64 (max_history,) the latest items, oldest first, -1 in front; ``history_ratings``
    float32 (max_history,) stars, 0 where unknown; ``slate`` int64 (places,) what was shown last, -1 before the first
    turn; ``clicks`` int8 (places,) which of it was clicked; ``turn`` int64 (1,) turns so far.

    Info: ``action_mask`` int8 (n_items,), 1 for items neither watched nor shown in this session; ``state`` the
    :class:`agent.records.state.State`; ``user``; after a step ``clicks`` bool (places,), ``stars`` float64 (places,),
    0 where not clicked, ``rewards`` (places,), ``satisfaction``, ``conversions`` and ``left``.

    Args:
        users: the fitted user model.
        reward: a reward, or how one is written for :func:`training.ppo.rewards.parse_reward`.
        places: items a slate.
        max_turns: turns after which a session ends even if the user would stay.
        max_history: how many items of the history are observed.

    Raises:
        ValueError: ``places`` or ``max_turns`` is below 1, or the catalogue has fewer items than a slate.
        RewardError: the reward is badly written.
    """

    def __init__(
        self,
        users: UserModel,
        reward: Reward | str = "click",
        *,
        places: int = 5,
        max_turns: int = 20,
        max_history: int = 15,
    ) -> None:
        if not 1 <= places <= users.n_items or max_turns < 1:
            raise ValueError(f"{max_turns} turns of {places} items: give at least 1, and at most {users.n_items} items")
        self.users = users
        self.reward = parse_reward(reward) if isinstance(reward, str) else reward
        self.places = places
        self.max_turns = max_turns
        self.max_history = max_history
        self._names = sorted(users.histories)
        last = users.n_items - 1
        self.observation_space = spaces.Dict(
            {
                "history": spaces.Box(-1, last, (max_history,), np.int64),
                "history_ratings": spaces.Box(0.0, 5.0, (max_history,), np.float32),
                "slate": spaces.Box(-1, last, (places,), np.int64),
                "clicks": spaces.MultiBinary(places),
                "turn": spaces.Box(0, max_turns, (1,), np.int64),
            }
        )
        self.action_space = spaces.MultiDiscrete(np.full(places, users.n_items))
        self._person: Person | None = None
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Let a user come in: a random one of the training users, or the one of ``options["user"]``.

        Raises:
            KeyError: no such user was fitted on.
        """
        super().reset(seed=seed)
        name = str((options or {}).get("user", self._names[int(self.np_random.integers(len(self._names)))]))
        self._person = self.users.person(name, self.np_random)
        self._history = list(self._person.history)
        self._watched = {event.item for event in self._history}
        self._shown: list[int] = []
        self._slate = np.full(self.places, -1, dtype=np.int64)
        self._clicks = np.zeros(self.places, dtype=np.int8)
        self._turn = self._unsatisfying = 0
        self._over = False
        return self._observation(), self._info()

    def step(self, action: npt.NDArray[np.int64]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Show a slate; see the class for rewards and info.

        Raises:
            RuntimeError: the session is over, or none was begun.
            ValueError: the action is no slate of ``places`` catalogue indices.
        """
        person = self._person
        if self._over or person is None:
            raise RuntimeError("the session is over: call reset() before step()")
        slate = [int(item) for item in np.atleast_1d(action)]
        if len(slate) != self.places or not all(0 <= item < self.users.n_items for item in slate):
            raise ValueError(f"{slate} is no slate: give {self.places} catalogue indices below {self.users.n_items}")
        before = tuple(self._history)
        # All numbers of a turn are drawn at once, so that two policies meet the same luck at the same turn.
        luck = self.np_random.random((2, self.places))
        stay = self.np_random.random()
        looked = luck[0] < self.users.examination(self.places)
        drawn = self.users.attraction.probabilities(before)
        stars = np.zeros(self.places)
        for place, item in enumerate(slate):
            wish = self.users.settings.appetite * drawn[item] * person.appeal[item]
            wish *= self.users.interest(item, self._shown)
            if looked[place] and item not in self._watched and item not in slate[:place] and luck[1, place] < wish:
                stars[place] = person.stars[item]
            self._shown.append(item)
        clicked = stars > 0
        for item, given in zip(slate, stars, strict=True):
            if given > 0:
                self._history.append(Event(item, float(given)))
                self._watched.add(item)
        satisfaction = float((stars[clicked].mean() - 3.0) / 2.0) if clicked.any() else NOTHING
        self._unsatisfying = 0 if satisfaction > 0 else self._unsatisfying + 1
        self._turn += 1
        left = bool(stay < self.users.leaving(self._unsatisfying))
        truncated = not left and self._turn >= self.max_turns
        self._over = left or truncated
        self._slate, self._clicks = np.array(slate, dtype=np.int64), clicked.astype(np.int8)
        rewards = self._rewards(slate, stars, clicked, before)
        info = self._info() | {
            "clicks": clicked,
            "stars": stars,
            "rewards": rewards,
            "satisfaction": satisfaction,
            "conversions": int((stars[clicked] >= CONVERTED).sum()),
            "left": left,
        }
        return self._observation(), float(rewards @ place_weights(self.places)), left, truncated, info

    def _rewards(
        self, slate: Sequence[int], stars: np.ndarray, clicked: np.ndarray, before: tuple[Event, ...]
    ) -> np.ndarray:
        shown = tuple(slate)
        return np.array(
            [
                self.reward(
                    Outcome(
                        item,
                        float(stars[place]) if clicked[place] else None,
                        bool(clicked[place]),
                        shown,
                        place,
                        before,
                        self.users.traits,
                    )
                )
                for place, item in enumerate(shown)
            ]
        )

    def action_masks(self) -> npt.NDArray[np.int8]:
        """Which items may be shown, int8 (n_items,)."""
        mask = np.ones(self.users.n_items, dtype=np.int8)
        mask[list(self._watched)] = 0
        mask[self._shown] = 0
        return mask

    def _observation(self) -> dict[str, Any]:
        recent = self._history[-self.max_history :] if self.max_history else []
        history = np.full(self.max_history, -1, dtype=np.int64)
        stars = np.zeros(self.max_history, dtype=np.float32)
        if recent:
            history[-len(recent) :] = [event.item for event in recent]
            stars[-len(recent) :] = [event.rating or 0.0 for event in recent]
        return {
            "history": history,
            "history_ratings": stars,
            "slate": self._slate.copy(),
            "clicks": self._clicks.copy(),
            "turn": np.array([self._turn], dtype=np.int64),
        }

    def _info(self) -> dict[str, Any]:
        assert self._person is not None
        state = State(tuple(self._history), goal="like")
        return {"action_mask": self.action_masks(), "state": state, "user": self._person.name}


SessionPolicy = Callable[[Sequence[Sequence[Event]], Sequence[np.ndarray]], Sequence[np.ndarray]]
"""Maps B histories and, for each, its candidates (catalogue indices) to as many scores per candidate; the highest are
shown, best first. A policy that draws its slates adds its own Gumbel noise to log-probabilities."""


@dataclass(frozen=True)
class SessionReport:
    """What came of n sessions; every array is (n,), one number a session.

    ``users`` are the names of the simulated users; ``turns`` slates shown; ``shown``, ``clicks`` and ``conversions``
    count items (a conversion is a click on an item that then gets a 5); ``satisfaction`` is the mean of the
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
        """Clicks per item shown, (n,)."""
        return np.asarray(self.clicks / self.shown)

    @property
    def conversion(self) -> np.ndarray:
        """Conversions per item shown, (n,)."""
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
            number, or fewer items are left than a slate has.
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
        raise ValueError(f"{len(items)} items are left for a slate of {places}: shorten the sessions with max_turns")
    best: np.ndarray = items[np.argsort(-own, kind="stable")[:places]]
    return best
