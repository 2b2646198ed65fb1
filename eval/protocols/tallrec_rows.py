"""TALLRec rows: windows of ten rated items and the next one of MovieLens-100K, liked or not.

Bao et al. (2023), "TALLRec", doi:10.1145/3604915.3608857, and its repository's preprocessing: users in order of first
appearance in the interaction file, each user's ratings by time, a window at every rating from the eleventh on, and of
all these windows the last 10,000: 8,000 to train on, 1,000 to choose by, 1,000 to report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agent.data.assets import MOVIELENS_100K, asset_path
from agent.data.dataset import Dataset
from agent.data.importers.movielens import read_movielens
from agent.data.interactions import indexed_ratings, user_histories
from agent.records.state import Event

LENGTH = 10
SIZES = (8000, 1000, 1000)
ABOVE = 3.0
"""Stars above which an item counts as liked."""


@dataclass(frozen=True, slots=True)
class Window:
    """Ten rated items, oldest first, and the rating that followed; ``place`` counts the user's ratings before it."""

    user: str
    place: int
    history: tuple[Event, ...]
    target: Event

    @property
    def liked(self) -> bool:
        """Whether the target got more than three stars."""
        return (self.target.rating or 0.0) > ABOVE


@dataclass(frozen=True)
class TallrecSplit:
    """The three parts, and the ``ratings`` of everyone (user, item as catalogue index, rating, timestamp)."""

    train: tuple[Window, ...]
    valid: tuple[Window, ...]
    test: tuple[Window, ...]
    ratings: pd.DataFrame

    @property
    def held_out(self) -> frozenset[str]:
        """Users with a window in the validation or test part."""
        return frozenset(window.user for window in (*self.valid, *self.test))

    def shown(self, windows: Sequence[Window]) -> pd.DataFrame:
        """The ratings that training windows show, without those of :attr:`held_out` users.

        One user's windows lie on both sides of the cut: what they rated early is history of what is asked later, and
        an item's statistics must not know the user who is asked about.
        """
        return shown_ratings([window for window in windows if window.user not in self.held_out])

    def background(self) -> pd.DataFrame:
        """All ratings of users without a window in any part: more than the published rows show, and of other people."""
        asked = {window.user for window in self.train} | self.held_out
        return self.ratings[~self.ratings["user"].isin(asked)].reset_index(drop=True)

    def few(self, rows: int, seed: int = 0) -> tuple[Window, ...]:
        """``rows`` training windows drawn by the seed, in their order.

        Raises:
            ValueError: more are asked for than there are, or fewer than two.
        """
        if not 2 <= rows <= len(self.train):
            raise ValueError(f"{rows} training rows: give 2 to {len(self.train)}")
        kept = np.sort(np.random.default_rng([rows, seed]).permutation(len(self.train))[:rows])
        return tuple(self.train[k] for k in kept)


def load_tallrec(dataset: Dataset) -> TallrecSplit:
    """The windows of MovieLens-100K.

    Raises:
        ValueError: another data set, or its interaction file is not here: the order of users is that of the file.
    """
    source = asset_path(MOVIELENS_100K)
    if dataset.name != MOVIELENS_100K or source is None:
        raise ValueError(
            f"the windows are those of {MOVIELENS_100K!r} in the order of its interaction file, not of "
            f"{dataset.name!r}: run `concierge data fetch` and use --data {MOVIELENS_100K}"
        )
    order = [str(user) for user in read_movielens(source).ratings["user"].unique()]
    ratings = indexed_ratings(dataset)
    histories = user_histories(ratings)
    windows = [
        Window(user, place, histories[user][place - LENGTH : place], histories[user][place])
        for user in order
        for place in range(LENGTH, len(histories[user]))
    ][-sum(SIZES) :]
    first, second = SIZES[0], SIZES[0] + SIZES[1]
    return TallrecSplit(tuple(windows[:first]), tuple(windows[first:second]), tuple(windows[second:]), ratings)


def shown_ratings(windows: Sequence[Window]) -> pd.DataFrame:
    """The ratings that windows show, histories and targets, each once: user, item, rating, timestamp."""
    shown = {
        (window.user, event.item): (window.user, event.item, event.rating, event.timestamp)
        for window in windows
        for event in (*window.history, window.target)
    }
    return pd.DataFrame(list(shown.values()), columns=["user", "item", "rating", "timestamp"])
