"""Rated slates as a Gymnasium environment: every reward is what the user really thought of the film."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from agent.records.state import POSITIVE, State
from training.environments.orders import Orders
from training.item_traits import ItemTraits
from training.ppo.rewards import Outcome, Reward, order_rewards, parse_reward, place_weights
from training.splits import Slate

Mode = Literal["pick", "slate", "steps"]
MODES: tuple[Mode, ...] = get_args(Mode)
Observation = dict[str, Any]

INVALID = -1.0
"""The reward of an action outside the mask, which ends the episode: no named reward is lower."""


class RatedSlateEnv(gym.Env[Observation, Any]):
    """One slate an episode: choose from films whose rating by this user is known.

    Modes. ``pick``: the action is one position of the slate, then the episode ends. ``slate``: the action is an order
    of ``places`` positions; the reward is the mean of the places' rewards under
    :func:`training.ppo.rewards.place_weights`. ``steps``: one position a step, top first, ``places`` steps; the rewards
    add up to that of ``slate``.

    Observation: ``history`` int64 (max_history,) catalogue indices of the latest films, oldest first, -1 in front where
    there are fewer; ``history_ratings`` float32 (max_history,) stars, 0 where unknown; ``slate`` int64 (width,)
    catalogue indices by position, -1 where the slate is shorter and, in mode ``steps``, where a film is placed already.

    Info: ``action_mask`` int8 (width,), 1 where a position may be chosen; ``state`` the
    :class:`agent.records.state.State` for policies of this project; ``user``; ``row``, which slate it is; after a step
    also ``valid``, ``items``, ``clicks``, ``stars`` and ``rewards`` of what was shown in that step. An action outside
    the mask earns ``INVALID``, ends the episode and is marked ``valid: False``.

    Args:
        slates: the rated slates; an episode takes one at random, or the one of ``reset(options={"row": 3})``.
        reward: a reward, or how one is written for :func:`training.ppo.rewards.parse_reward`.
        n_items: the size of the catalogue.
        mode: see above.
        places: how many places are filled in the modes ``slate`` and ``steps``.
        max_history: how many films of the history are observed.
        traits: what the rewards "diversity" and "novelty" are computed from.
        threshold: stars from which a film counts as clicked.

    Raises:
        ValueError: there is no slate, the mode is unknown, or ``places`` is more than the shortest slate has.
        RewardError: the reward is badly written or lacks its traits.
    """

    def __init__(
        self,
        slates: Sequence[Slate],
        reward: Reward | str = "click",
        *,
        n_items: int,
        mode: Mode = "pick",
        places: int = 5,
        max_history: int = 15,
        traits: ItemTraits | None = None,
        threshold: float = POSITIVE,
    ) -> None:
        if not slates:
            raise ValueError("no slates: cut some with training.splits.rated_slates or past_slates")
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}: use one of {', '.join(MODES)}")
        shortest = min(len(slate.items) for slate in slates)
        if mode != "pick" and not 1 <= places <= shortest:
            raise ValueError(f"{places} places, but the shortest slate has {shortest} films: give 1 to {shortest}")
        self.slates = slates
        self.reward = parse_reward(reward) if isinstance(reward, str) else reward
        self.mode = mode
        self.places = 1 if mode == "pick" else places
        self.max_history = max_history
        self.traits = traits
        self.threshold = threshold
        self.width = max(len(slate.items) for slate in slates)
        first = slates[0]
        self.reward(Outcome(first.items[0], first.ratings[0], False, first.items[:1], 0, first.history, traits))
        items = spaces.Box(-1, n_items - 1, (self.width,), np.int64)
        self.observation_space = spaces.Dict(
            {
                "history": spaces.Box(-1, n_items - 1, (max_history,), np.int64),
                "history_ratings": spaces.Box(0.0, 5.0, (max_history,), np.float32),
                "slate": items,
            }
        )
        self.action_space = Orders(self.width, places) if mode == "slate" else spaces.Discrete(self.width)
        self._row = 0
        self._order: list[int] = []
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Take up a slate.

        Raises:
            IndexError: ``options["row"]`` is none of the slates.
        """
        super().reset(seed=seed)
        row = int((options or {}).get("row", self.np_random.integers(len(self.slates))))
        if not 0 <= row < len(self.slates):
            raise IndexError(f"row {row}: there are {len(self.slates)} slates, give 0 to {len(self.slates) - 1}")
        self._row, self._order, self._over = row, [], False
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Show what the action names; see the class for rewards and info.

        Raises:
            RuntimeError: the episode is over, or none was begun.
        """
        if self._over:
            raise RuntimeError("the episode is over: call reset() before step()")
        chosen = [int(position) for position in np.atleast_1d(action)]
        length, wanted = len(self.slate.items), self.places if self.mode == "slate" else 1
        free = set(range(length)) - set(self._order)
        if len(chosen) != wanted or len(set(chosen)) != wanted or not free.issuperset(chosen):
            self._over = True
            return self._observation(), INVALID, True, False, self._info() | {"valid": False}
        start = len(self._order)
        self._order += chosen
        rewards = order_rewards(self.slate, self._order, self.reward, self.traits, self.threshold)[start:]
        total = float(rewards @ place_weights(self.places)[start : len(self._order)])
        self._over = len(self._order) == self.places
        stars = np.array([self.slate.ratings[position] for position in chosen])
        shown = {
            "valid": True,
            "items": np.array([self.slate.items[position] for position in chosen]),
            "clicks": stars >= self.threshold,
            "stars": stars,
            "rewards": rewards,
        }
        return self._observation(), total, self._over, False, self._info() | shown

    @property
    def slate(self) -> Slate:
        """The slate of this episode."""
        return self.slates[self._row]

    def action_masks(self) -> npt.NDArray[np.int8]:
        """Which positions may be chosen, int8 (width,)."""
        mask = np.zeros(self.width, dtype=np.int8)
        mask[: len(self.slate.items)] = 1
        mask[self._order] = 0
        return mask

    def _observation(self) -> Observation:
        recent = self.slate.history[-self.max_history :] if self.max_history else ()
        history = np.full(self.max_history, -1, dtype=np.int64)
        stars = np.zeros(self.max_history, dtype=np.float32)
        if recent:
            history[-len(recent) :] = [event.item for event in recent]
            stars[-len(recent) :] = [event.rating or 0.0 for event in recent]
        slate = np.full(self.width, -1, dtype=np.int64)
        slate[: len(self.slate.items)] = self.slate.items
        slate[self._order] = -1
        return {"history": history, "history_ratings": stars, "slate": slate}

    def _info(self) -> dict[str, Any]:
        state = State(self.slate.history, goal="like")
        return {"action_mask": self.action_masks(), "state": state, "user": self.slate.user, "row": self._row}
