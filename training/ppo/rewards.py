"""Rewards: small named functions of what came of showing one item, and mixtures of them.

Every named reward lies in [-1, 1], so the weights of a mixture can be compared. What some of them
need to know of items beside their ratings are :class:`ItemTraits`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from agent.records.state import POSITIVE, Event
from training.splits import Slate

RECENT = 10
"""Events of the history that a first place is compared with for its diversity."""


class RewardError(ValueError):
    """A reward is unknown, badly written, or lacks what it is computed from; the message says what to give."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of showing ``item``, a catalogue index.

    ``rating`` is in stars (None: not rated). ``slate`` holds the items shown together, from the top, and ``place``
    says where in it the item stood (0: first). ``history`` is the user's past, oldest first. ``traits`` is read by the
    rewards "diversity" and "novelty" only.
    """

    item: int
    rating: float | None
    clicked: bool
    slate: tuple[int, ...] = ()
    place: int = 0
    history: tuple[Event, ...] = ()
    traits: ItemTraits | None = None


Reward = Callable[[Outcome], float]
"""Maps an outcome to a number."""


def click(outcome: Outcome) -> float:
    """+1 for a click, -1 for none."""
    return 1.0 if outcome.clicked else -1.0


def rating(outcome: Outcome) -> float:
    """The stars scaled so that 1 gives -1, 3 gives 0 and 5 gives 1; 0 where there is no rating."""
    return 0.0 if outcome.rating is None else max(-1.0, (outcome.rating - 3.0) / 2.0)


def diversity(outcome: Outcome) -> float:
    """How far the item is from those above it in the slate: their mean distance, scaled from [0, 1] to [-1, 1].

    At the first place it is compared with the latest ``RECENT`` items of the history; with nothing there, 0.

    Raises:
        RewardError: the outcome has no item traits.
    """
    traits = _traits(outcome, "diversity")
    others = outcome.slate[: outcome.place] or tuple(event.item for event in outcome.history[-RECENT:])
    return 2.0 * float(traits.distance(outcome.item, np.array(others)).mean()) - 1.0 if others else 0.0


def novelty(outcome: Outcome) -> float:
    """How little known the item is: its scaled ``-log2`` popularity, brought from [0, 1] to [-1, 1].

    Raises:
        RewardError: the outcome has no item traits.
    """
    return 2.0 * float(_traits(outcome, "novelty").novelty[outcome.item]) - 1.0


REWARDS: Mapping[str, Reward] = MappingProxyType(
    {"click": click, "rating": rating, "diversity": diversity, "novelty": novelty}
)
"""The named rewards."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """A weighted sum of named rewards, itself a reward; weights may be negative and are taken as they are.

    Raises:
        RewardError: no reward, an unknown one, or a weight that is not a finite number or is zero.
    """

    weights: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if not self.weights:
            raise RewardError(f"a mixture of nothing: name at least one of {', '.join(REWARDS)}")
        for name, weight in self.weights:
            if name not in REWARDS:
                raise RewardError(f"unknown reward {name!r}: use one of {', '.join(REWARDS)}")
            if not math.isfinite(weight) or weight == 0:
                raise RewardError(f"weight {weight} of reward {name!r}: give a number that is finite and not zero")
        if len({name for name, _ in self.weights}) < len(self.weights):
            raise RewardError(f"reward named twice in {str(self)!r}: add its weights up")

    def __call__(self, outcome: Outcome) -> float:
        """The weighted sum."""
        return sum(weight * REWARDS[name](outcome) for name, weight in self.weights)

    def __str__(self) -> str:
        """As it is written on the command line: ``click:0.7,diversity:0.3``."""
        return ",".join(f"{name}:{weight:g}" for name, weight in self.weights)

    @property
    def needs_traits(self) -> bool:
        """Whether outcomes must carry item traits."""
        return any(name in ("diversity", "novelty") for name, _ in self.weights)


def parse_reward(text: str) -> Mixture:
    """Read ``click``, or ``click:0.7,diversity:0.3``; a name without a weight has weight 1.

    Raises:
        RewardError: an empty part, a weight that is no number, or what :class:`Mixture` refuses.
    """
    weights: list[tuple[str, float]] = []
    for part in text.split(","):
        name, colon, number = (piece.strip() for piece in part.partition(":"))
        if not name:
            raise RewardError(f"no reward named in {part!r} of {text!r}: write it like click:0.7,diversity:0.3")
        try:
            weights.append((name, float(number) if colon else 1.0))
        except ValueError:
            raise RewardError(f"weight {number!r} of reward {name!r} is no number: write it like {name}:0.5") from None
    return Mixture(tuple(weights))


def reward_table(slates: Sequence[Slate], reward: Reward | str, traits: ItemTraits | None = None) -> list[np.ndarray]:
    """The reward of every item of every slate, were it the one item chosen; one (len(items),) float64 array a slate.

    ``reward`` may be written as for :func:`parse_reward`. A click is a grade of at least ``POSITIVE``.

    Raises:
        RewardError: the reward is badly written, or needs traits that are not given.
    """
    function = parse_reward(reward) if isinstance(reward, str) else reward
    return [
        np.array(
            [
                function(Outcome(item, stars, stars >= POSITIVE, (item,), 0, slate.history, traits))
                for item, stars in zip(slate.items, slate.ratings, strict=True)
            ]
        )
        for slate in slates
    ]


def _traits(outcome: Outcome, name: str) -> ItemTraits:
    if outcome.traits is None:
        raise RewardError(f"reward {name!r} needs item traits: give traits=ItemTraits.of(items, ratings)")
    return outcome.traits


@dataclass(frozen=True)
class ItemTraits:
    """How far apart items are, and how little known.

    ``categories`` (n_items, G) float32, rows of norm 1 (0 where none is known). ``novelty`` (n_items,) float64 is 0
    where everyone knows the item and 1 where nobody does.
    """

    categories: np.ndarray
    novelty: np.ndarray

    @classmethod
    def of(cls, categories: np.ndarray, ratings: pd.DataFrame) -> ItemTraits:
        """From the items' categories, (n_items, G) of 0 and 1, and the training events (``item`` as catalogue index).

        Novelty is an item's self-information ``-log2 p``, where p is the share of users who rated it (Zhou et al.,
        2010, doi:10.1073/pnas.1000488107), with one user added on both sides and divided by its largest value.
        """
        users = ratings["user"].nunique()
        count = np.bincount(ratings["item"].to_numpy(np.int64), minlength=len(categories))
        novelty = np.log2((users + 1) / (count + 1)) / np.log2(users + 1) if users else np.ones(len(categories))
        norm = np.linalg.norm(categories, axis=1, keepdims=True)
        unit = np.divide(categories, norm, out=np.zeros(categories.shape), where=norm > 0).astype(np.float32)
        return cls(unit, np.clip(novelty, 0.0, 1.0))

    def distance(self, item: int, others: np.ndarray) -> np.ndarray:
        """Distances of ``item`` to ``others`` (m,), each from 0 to 1, (m,) float64.

        It is ``1 - cosine`` of the categories. The mean over the pairs of a list is its intra-list distance (Ziegler et
        al., 2005).
        """
        others = np.asarray(others, dtype=np.int64)
        apart: np.ndarray = np.clip(1.0 - self.categories[others].astype(np.float64) @ self.categories[item], 0.0, 1.0)
        return apart
