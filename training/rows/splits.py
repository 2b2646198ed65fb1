"""Row splits: which events of which users the rows of a split may be made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import pandas as pd

from agent.data.interactions import user_histories
from agent.records.state import Event
from training.sft.rows import RowPlan
from training.splits import held_out_users, leave_one_out, past_and_future

Split = Literal["train", "later", "new_users"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class RowSettings:
    """How rows are made.

    ``held_users`` is the share of users that only the split ``new_users`` sees; ``later`` the share at the end of the
    other users' past that only the split ``later`` has targets from. ``pairs`` preference pairs are made a state, of
    films at most ``near`` ratings and ``days`` days apart. ``slate`` is the (least, most) films of a slate to choose
    from. ``plan`` is for the demonstrations.
    """

    template: str = "state"
    max_history: int = 15
    held_users: float = 0.1
    later: float = 0.2
    pairs: int = 3
    near: int = 10
    days: float = 30.0
    slate: tuple[int, int] = (10, 20)
    plan: RowPlan = field(default_factory=RowPlan)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SplitHistory:
    """One user's events in a split, oldest first; what is chosen stands at ``start`` or later."""

    user: str
    events: tuple[Event, ...]
    start: int


def split_histories(ratings: pd.DataFrame, settings: RowSettings) -> dict[Split, list[SplitHistory]]:
    """The users' events by split, from ratings with catalogue indices.

    Of every user only what lies in the first 80 % and is neither of the last two ratings is used: the rated slates'
    future and the leave-one-out films stay unseen whatever the length of a history. ``train`` has the beginnings of
    the training users, ``later`` the rest of their past, and ``new_users`` the past of users who are in no other split.
    """
    past = past_and_future(ratings).past
    kept = leave_one_out(ratings).train
    usable = past.merge(kept[["user", "item"]].drop_duplicates(), on=["user", "item"])
    held = held_out_users(ratings["user"].unique().tolist(), settings.held_users, settings.seed)
    parts: dict[Split, list[SplitHistory]] = {split: [] for split in SPLITS}
    for user, events in user_histories(usable).items():
        if user in held:
            parts["new_users"].append(SplitHistory(user, events, 0))
            continue
        start = int(len(events) * (1.0 - settings.later) + 1e-9)
        parts["train"].append(SplitHistory(user, events[:start], 0))
        parts["later"].append(SplitHistory(user, events, start))
    return parts
