"""Features: what the events say about each item, given a history.

A handful of numbers per item that the policy's logits start from. All of them are worked out from the history alone,
so they serve users of the data set, users left out of the fit (see :func:`cross_fit`) and people in a chat alike.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rich.progress
from safetensors.numpy import load_file, save_file

from agent.data.assets import fitted_folder
from agent.data.atomic import building
from agent.data.interactions import indexed_ratings, item_sequences, rating_matrix, user_folds, user_histories
from agent.features.like_classifier import fit_like_trees
from agent.features.trees import BoostedTrees
from agent.features.user_features import TASTE_FEATURES, ItemInfo, Taste, all_rated
from agent.features.user_neighbours import SimilarUsers
from agent.records.state import Event
from agent.retrieval.sequence_model import RetrieverConfig, SequenceRetriever

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

FEATURES = (
    "next_item",
    "predicted_rating",
    "like_rate",
    "like_probability",
    "neighbours",
    "popularity",
    "item_mean",
    "category_affinity",
    "category_share",
    "neighbour_residual",
    "rated_alike",
    "similar_users",
    "history_effect",
)
"""The retriever's log-probability, the grade by matrix factorisation, the item's share of positive feedback, log-odds
of positive feedback, how near the item is to the recent history, the logarithm of its number of events, its mean grade;
how the user's grades of its categories differ from expectation and the share of those in the user's positive feedback;
how the grades of its neighbours differ, by who had both and by who graded both alike; what similar users gave it, and
what having had the history tells of it whatever the grades. Each is standardised; a part for which the data are too
thin is zero (see :attr:`EvidenceModel.notes`)."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""

# Raised when the features change: a cached model of another format is fitted anew.
_FORMAT = 5
_PREDICTED, _LIKE_RATE, _COUNT, _NEIGHBOURS = (
    TASTE_FEATURES.index(name) for name in ("predicted_rating", "item_like_rate", "item_count", "recent_neighbours")
)
_SAME_NAME = tuple(TASTE_FEATURES.index(name) for name in FEATURES[6:11])

STANDARDISED_OVER = 20_000
"""Items over which features are standardised, drawn at random where there are more."""

NUMBERS_AT_ONCE = 8_000_000
"""Numbers of one feature that are held at once."""


@dataclass(frozen=True, slots=True)
class EvidenceConfig:
    """How evidence is fitted.

    The trees learn from states cut at ``cuts`` (events, or shares of the user's events where below 1) with the ``span``
    events that follow; their features are made by a fit without the user (``folds`` groups). ``retriever`` is None for
    the configuration that suits the size of the data.
    """

    retriever: RetrieverConfig | None = None
    folds: int = 4
    cuts: tuple[float, ...] = (5, 15, 0.4, 0.6, 0.8)
    span: int = 40
    trees: int = 150


@dataclass(frozen=True)
class EvidenceModel:
    """The fitted evidence; ``centre`` and ``scale`` (features,) standardise what :meth:`features` returns."""

    retriever: SequenceRetriever
    taste: Taste
    trees: BoostedTrees | None
    users: SimilarUsers
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(
        cls,
        ratings: pd.DataFrame,
        info: ItemInfo,
        seed: int = 0,
        progress: Progress | None = None,
        config: EvidenceConfig | None = None,
    ) -> EvidenceModel:
        """Fit on rows of (user, item as catalogue index, rating, timestamp); see ``indexed_ratings``.

        Data that are too thin for a part (no events, one user, no grades or all alike) are fitted without it.

        Raises:
            IndexError: an item is outside ``info``.
        """
        config = config or EvidenceConfig()
        n_items = len(info.years)
        histories = user_histories(ratings)
        # In the progress one fold counts as much as a fiftieth of the retriever, roughly what it costs.
        shares = config.folds + 1
        trees = fit_like_trees(
            ratings, histories, info, seed, config.folds, config.cuts, config.span, config.trees,
            lambda k: progress and progress(k, shares + 50),
        )  # fmt: skip
        taste = Taste.fit(ratings, info, seed)
        users = SimilarUsers.fit(rating_matrix(ratings, n_items), seed)

        def retriever_progress(done: int, total: int) -> None:
            if progress is not None:
                progress(shares + done * 50 // total, shares + 50)

        size = config.retriever or RetrieverConfig.of_size(len(ratings), n_items)
        retriever = SequenceRetriever.fit(item_sequences(histories), n_items, seed, retriever_progress, size)
        model = cls(retriever, taste, trees, users, np.zeros(len(FEATURES)), np.ones(len(FEATURES)))
        # Standardised over the catalogue, for a sample of users at the end of their history.
        rng = np.random.default_rng(seed)
        sample = rng.permutation(len(histories))[:64]
        every = list(histories.values())
        some = None
        if n_items > STANDARDISED_OVER:
            some = np.sort(rng.choice(n_items, STANDARDISED_OVER, replace=False))
        raw = model.features([every[k] for k in sample] or [()], some).reshape(-1, len(FEATURES)).astype(np.float64)
        spread = raw.std(axis=0)
        # A part that says the same of every item here keeps its unit: rounding is not blown up.
        return dataclasses.replace(model, centre=raw.mean(axis=0), scale=np.where(spread > 1e-6, spread, 1.0))

    @classmethod
    def cached(
        cls,
        dataset: Dataset,
        ratings: pd.DataFrame | None = None,
        seed: int = 0,
        progress: bool = True,
        config: EvidenceConfig | None = None,
    ) -> EvidenceModel:
        """The model for these ratings (all of the data set's by default), fitted once and kept in the user's cache.

        The key is a hash over the ratings, the items' categories and years, the seed and the configuration.
        """
        config = config or EvidenceConfig()
        rows = indexed_ratings(dataset) if ratings is None else ratings
        info = ItemInfo.of(dataset)
        folder = fitted_folder("evidence", f"{dataset.name}-{_key(rows, info, seed, config)}")
        with building(folder, lambda: (folder / "evidence.safetensors").is_file()) as temporary:
            if temporary is not None:
                bar = rich.progress.Progress(disable=not progress)
                with bar if progress else nullcontext():
                    task = bar.add_task(f"Fitting the evidence on {dataset.name} ({len(rows):,} ratings)", total=None)
                    model = cls.fit(
                        rows, info, seed, lambda done, total: bar.update(task, completed=done, total=total), config
                    )
                model.save(temporary)
        return cls.load(folder)

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """FEATURES of every item, (B, n_items, F) float32; with ``candidates`` (C,) or (B, C) of those: (B, C, F).

        Histories are oldest first. An event without a rating counts as watched, with the user's mean rating. Seen
        items are not masked. An empty history gives an average user's figures.

        Raises:
            IndexError: an item index is outside the catalogue.
        """
        n_items = len(self.taste.mean)
        step = max(1, NUMBERS_AT_ONCE // n_items)
        chosen = None
        if candidates is not None:
            chosen = np.broadcast_to(candidates, (len(histories), np.shape(candidates)[-1]))
        width = n_items if chosen is None else chosen.shape[1]
        out = np.empty((len(histories), width, len(FEATURES)), dtype=np.float32)
        for start in range(0, len(histories), step):
            part = slice(start, start + step)
            out[part] = self._features(histories[part], None if chosen is None else chosen[part])
        return out

    def _features(self, histories: Sequence[Sequence[Event]], chosen: np.ndarray | None) -> np.ndarray:
        next_item = self.retriever.scores([[event.item for event in history] for history in histories])
        taste = self.taste.features(histories, chosen)
        rated = [all_rated(history, self.taste.factors.mean) for history in histories]
        users = self.users.features(rated, chosen)
        if chosen is not None:
            next_item = np.take_along_axis(next_item, chosen, axis=1)
        like = np.zeros(taste.shape[:2], dtype=np.float32)
        if self.trees is not None:
            like = self.trees.logits(taste.reshape(-1, taste.shape[-1])).reshape(taste.shape[:2])
        columns = (
            next_item,
            taste[:, :, _PREDICTED],
            taste[:, :, _LIKE_RATE],
            like,
            taste[:, :, _NEIGHBOURS],
            taste[:, :, _COUNT],
            *(taste[:, :, place] for place in _SAME_NAME),
            *(users[:, :, place] for place in range(2)),
        )
        standard: np.ndarray = (np.stack(columns, axis=-1) - self.centre) / self.scale
        return standard.astype(np.float32)

    def like_probability(self, features: np.ndarray) -> np.ndarray:
        """The probability of positive feedback, from what :meth:`features` returned; its leading shape."""
        place = FEATURES.index("like_probability")
        probability: np.ndarray = 1.0 / (1.0 + np.exp(-(features[..., place] * self.scale[place] + self.centre[place])))
        return probability

    @property
    def notes(self) -> tuple[str, ...]:
        """What the data were too thin for, in words; empty where every part was fitted."""
        if not self.taste.count.any():
            return ("There are no events: only what is known of the items ranks them.",)
        said = []
        if not self.retriever.trained:
            said.append("Nobody has two events: what comes next is told by popularity.")
        if not len(self.users.inverse):
            said.append("No event has a grade: every event counts as positive, and no grade is predicted.")
        elif self.trees is None:
            said.append("The grades are too few or all alike: what is liked is told without a classifier.")
        return tuple(said)

    def save(self, folder: Path) -> None:
        """Write the model into the folder (made if missing): safetensors and JSON, no pickle."""
        self.retriever.save(folder)
        arrays = {f"taste.{name}": array for name, array in self.taste.arrays().items()}
        if self.trees is not None:
            arrays |= {f"trees.{name}": array for name, array in self.trees.arrays().items()}
        arrays |= {f"users.{name}": array for name, array in self.users.arrays().items()}
        arrays |= {"centre": self.centre, "scale": self.scale}
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "evidence.safetensors"
        )

    @classmethod
    def load(cls, folder: Path) -> EvidenceModel:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: the folder holds no evidence model.
        """
        if not (folder / "evidence.safetensors").is_file():
            raise FileNotFoundError(f"no evidence model in {folder}: fit one and save it there")
        arrays = load_file(folder / "evidence.safetensors")
        return cls(
            SequenceRetriever.load(folder),
            Taste.of(_under(arrays, "taste.")),
            BoostedTrees.of(trees) if (trees := _under(arrays, "trees.")) else None,
            SimilarUsers.of(_under(arrays, "users.")),
            arrays["centre"],
            arrays["scale"],
        )


def cross_fit(
    dataset: Dataset,
    ratings: pd.DataFrame | None = None,
    folds: int = 4,
    seed: int = 0,
    progress: bool = True,
    config: EvidenceConfig | None = None,
) -> list[tuple[EvidenceModel, tuple[str, ...]]]:
    """Evidence for training on: one model per group of users, fitted (and cached) without that group.

    Returns (model, users whom it has not seen) per fold.

    Raises:
        ValueError: ``folds`` is below 2 or above the number of users.
    """
    rows = indexed_ratings(dataset) if ratings is None else ratings
    return [
        (EvidenceModel.cached(dataset, rows[~rows["user"].isin(unseen)], seed, progress, config), unseen)
        for unseen in user_folds(rows["user"].unique().tolist(), folds, seed)
    ]


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _key(rows: pd.DataFrame, info: ItemInfo, seed: int, config: EvidenceConfig) -> str:
    content = hashlib.sha256(json.dumps([_FORMAT, seed, asdict(config)]).encode())
    content.update(
        pd.util.hash_pandas_object(rows[["user", "item", "rating", "timestamp"]], index=False).to_numpy().tobytes()
    )
    content.update(np.ascontiguousarray(info.categories).tobytes() + np.ascontiguousarray(info.years).tobytes())
    return content.hexdigest()[:16]
