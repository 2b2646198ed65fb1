"""Choice evidence: what a short history says about which item comes next among items drawn blindly.

Like :class:`agent.features.model.EvidenceModel` it gives the policy's logits a few numbers an item, but all of them
are about what is watched, none about stars, and each reads ten items: the popular, the neighbours, the users who
watched the same, and what goes on as it was (popularity, years, genres).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from agent.data.assets import cache_dir
from agent.data.atomic import building
from agent.data.interactions import item_sequences
from agent.features.user_features import ItemInfo
from agent.records.state import Event
from agent.retrieval.sequence_model import RetrieverConfig, SequenceRetriever

NAMES = (
    "next_film",
    "watched_together",
    "soon_after",
    "similar_users",
    "popularity",
    "late_popularity",
    "popularity_gap",
    "popularity_match",
    "year",
    "year_gap",
    "genre_share",
    "recent_genre_share",
)
"""The retrievers' mean log-probability; EASE (Steck, 2019, arXiv:1905.03375) on the fading history; a ridge regression
of what comes soon on the fading history (Choe et al., 2021, arXiv:2103.16104); what the nearest users watched; the
logarithm of the number of watchers, and of its share at the ends of sequences; its difference from the history's mean
and its product with that; the year and its distance from the last three items'; the likeness of genres with the
history, and with the last three items. The second to fourth are logarithms, relative to the mean item."""

Progress = Callable[[int, int], None]
_FILE = "choice.safetensors"
_FLOOR = 0.05

# Raised when the arithmetic changes: what was kept is fitted anew.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ChoiceConfig:
    """How the evidence is fitted.

    ``fades`` are the events after which an item of the history has lost its weight to 1/e, for EASE, the regression
    and the nearest users; ``ridges`` the penalties of the first two; ``ahead`` the items that the regression foresees,
    the later ones with weights that fade over ``ahead_fade``; ``nearest`` the users that are asked; ``recent`` the
    items at a sequence's end that count as late. ``retrievers`` are fitted with different seeds, and averaged.
    """

    retriever: RetrieverConfig = field(default_factory=lambda: RetrieverConfig(length=10, epochs=20, dropout=0.5))
    retrievers: int = 3
    fades: tuple[float, float, float] = (20.0, 5.0, 10.0)
    ridges: tuple[float, float] = (200.0, 150.0)
    ahead: int = 20
    ahead_fade: float = 8.0
    nearest: int = 100
    recent: float = 10.0


@dataclass(frozen=True)
class ChoiceEvidence:
    """The fitted evidence over n items and U users.

    ``together`` and ``after`` are (n, n) weights from an item watched to one foreseen; ``watched`` (U, n) is 1 where a
    user watched an item; ``late`` (n,) the faded counts at the ends of sequences; ``centre`` and ``scale`` (features,)
    standardise what :meth:`features` returns.
    """

    config: ChoiceConfig
    info: ItemInfo
    retrievers: tuple[SequenceRetriever, ...]
    together: np.ndarray
    after: np.ndarray
    watched: sparse.csr_matrix
    late: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(
        cls,
        histories: Mapping[str, Sequence[Event]],
        info: ItemInfo,
        config: ChoiceConfig | None = None,
        seed: int = 0,
        progress: Progress = lambda done, of: None,
    ) -> ChoiceEvidence:
        """Fit on whole sequences, oldest first. Nothing but these is read.

        Raises:
            ValueError: no sequence has two items.
        """
        config = config or ChoiceConfig()
        sequences, n_items = item_sequences(histories), len(info.years)
        retrievers = []
        for number in range(config.retrievers):

            def report(done: int, of: int, number: int = number) -> None:
                progress(number * of + done, config.retrievers * of)

            retrievers.append(SequenceRetriever.fit(sequences, n_items, seed + number, report, config.retriever))
        late: np.ndarray = np.zeros(n_items)
        for own in sequences:
            np.add.at(late, own, np.exp(-np.arange(len(own))[::-1] / config.recent))
        watched = sparse.csr_matrix(
            (np.ones(sum(map(len, sequences))), np.concatenate(sequences), np.cumsum([0, *map(len, sequences)])),
            shape=(len(sequences), n_items),
        )
        features = len(NAMES)
        return cls(
            config,
            info,
            tuple(retrievers),
            _together(watched, config.ridges[0]),
            _after(sequences, n_items, config),
            watched,
            late,
            np.zeros(features),
            np.ones(features),
        )

    @classmethod
    def cached(
        cls,
        histories: Mapping[str, Sequence[Event]],
        info: ItemInfo,
        config: ChoiceConfig | None = None,
        seed: int = 0,
        progress: Progress = lambda done, of: None,
    ) -> ChoiceEvidence:
        """What :meth:`fit` gives, fitted once and kept in the user's cache under a hash of all that it depends on."""
        config = config or ChoiceConfig()
        folder = cache_dir() / "protocols" / f"choice-{evidence_key(histories, info, config, seed)}"
        with building(folder, lambda: (folder / _FILE).is_file()) as temporary:
            if temporary is not None:
                cls.fit(histories, info, config, seed, progress).save(temporary)
        return cls.load(folder, info, config)

    def standardised(self, centre: np.ndarray, scale: np.ndarray) -> ChoiceEvidence:
        """The same evidence with other numbers to standardise by."""
        return replace(self, centre=centre, scale=scale)

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """NAMES of every item, (B, n_items, F) float32, or of candidates (B, C); histories are not empty."""
        items = [[event.item for event in history] for history in histories]
        together, after, users = (faded_matrix(items, len(self.late), fade) for fade in self.config.fades)
        near = self._of_users(users)
        mean, last = _shares(items, len(self.late)), _shares([own[-3:] for own in items], len(self.late))
        popularity = np.log1p(self._count)
        usual = (mean @ popularity)[:, None]
        years = self._years
        columns = (
            np.mean([own.scores(items) for own in self.retrievers], axis=0),
            _relative(together @ self.together),
            _relative(after @ self.after),
            _relative(near),
            popularity,
            np.log((self.late + 0.2) / (self._count * self.late.sum() / self._count.sum() + 0.2)),
            popularity - usual,
            popularity * usual,
            years,
            np.abs(years - (last @ years)[:, None]),
            (mean @ self._genres) @ self._genres.T,
            (last @ self._genres) @ self._genres.T,
        )
        out = np.empty((len(items), len(self.late), len(NAMES)), dtype=np.float32)
        for place, column in enumerate(columns):
            out[:, :, place] = (column - self.centre[place]) / self.scale[place]
        return out if candidates is None else np.take_along_axis(out, candidates[:, :, None], axis=1)

    def save(self, folder: Path) -> None:
        """Write the numbers into a folder; configuration and item features are the caller's to keep."""
        arrays = {name: getattr(self, name) for name in ("together", "after", "late", "centre", "scale")}
        arrays |= {f"watched.{name}": getattr(self.watched, name) for name in ("data", "indices", "indptr")}
        for number, own in enumerate(self.retrievers):
            own.save(folder / f"retriever-{number}")
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _FILE)

    @classmethod
    def load(cls, folder: Path, info: ItemInfo, config: ChoiceConfig) -> ChoiceEvidence:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: the folder holds none.
        """
        arrays = load_file(folder / _FILE)
        parts = [arrays.pop(f"watched.{name}") for name in ("data", "indices", "indptr")]
        watched = sparse.csr_matrix(tuple(parts), shape=(len(parts[2]) - 1, len(info.years)))
        retrievers = tuple(SequenceRetriever.load(folder / f"retriever-{k}") for k in range(config.retrievers))
        return cls(config, info, retrievers, watched=watched, **arrays)

    def _of_users(self, faded: sparse.csr_matrix) -> np.ndarray:
        """How much of each item the nearest users watched, by the cosine with rare items counting more."""
        size = np.sqrt(np.asarray(self.watched.sum(axis=1)).ravel())
        rare = np.log(self.watched.shape[0] / (1.0 + self._count))
        likeness = (faded.multiply(rare).tocsr() @ self.watched.T).toarray() / np.maximum(size, 1.0)
        kept = min(self.config.nearest, likeness.shape[1])
        least = np.partition(likeness, -kept, axis=1)[:, -kept][:, None]
        # The rarity of what everybody watched is below zero: such a likeness says nothing.
        likeness = np.where(likeness >= least, np.maximum(likeness, 0.0), 0.0)
        return np.asarray((self.watched.T @ likeness.T).T / np.maximum(likeness.sum(axis=1, keepdims=True), 1e-9))

    @cached_property
    def _count(self) -> np.ndarray:
        return np.asarray(self.watched.sum(axis=0)).ravel()

    @cached_property
    def _years(self) -> np.ndarray:
        """In decades; an unknown year is the mean one."""
        known = np.isfinite(self.info.years)
        usual = float(self.info.years[known].mean()) if known.any() else 0.0
        return np.asarray(np.where(known, self.info.years, usual) - usual) / 10.0

    @cached_property
    def _genres(self) -> np.ndarray:
        norm = np.sqrt(self.info.categories.sum(axis=1, keepdims=True))
        return np.asarray(self.info.categories / np.maximum(norm, 1.0), dtype=np.float64)


def evidence_key(
    histories: Mapping[str, Sequence[Event]], info: ItemInfo, config: ChoiceConfig, seed: int, more: object = None
) -> str:
    """A hash over all that a fit depends on, and ``more`` plain data."""
    content = hashlib.sha256(json.dumps([_FORMAT, NAMES, asdict(config), seed, more]).encode())
    for user, events in histories.items():
        content.update(json.dumps([user, [event.item for event in events]]).encode())
    content.update(np.ascontiguousarray(info.categories).tobytes() + np.ascontiguousarray(info.years).tobytes())
    return content.hexdigest()[:16]


def faded_matrix(items: Sequence[Sequence[int]], n_items: int, fade: float) -> sparse.csr_matrix:
    """Histories as rows (B, n_items): the last item weighs 1, each one before it exp(-1 / fade) of the next."""
    sizes = np.array([len(own) for own in items])
    weights = [np.exp(-np.arange(size)[::-1] / fade) for size in sizes]
    columns = np.concatenate([np.asarray(own, dtype=np.int64) for own in items])
    return sparse.csr_matrix((np.concatenate(weights), columns, np.cumsum([0, *sizes])), shape=(len(items), n_items))


def _shares(items: Sequence[Sequence[int]], n_items: int) -> sparse.csr_matrix:
    """Histories as rows (B, n_items) that sum to one."""
    matrix = faded_matrix(items, n_items, np.inf)
    return sparse.csr_matrix(sparse.diags_array(1.0 / np.diff(matrix.indptr)) @ matrix)


def _relative(scores: np.ndarray) -> np.ndarray:
    positive = np.maximum(np.asarray(scores), 0.0)
    return np.asarray(np.log(positive / np.maximum(positive.mean(axis=1, keepdims=True), 1e-9) + _FLOOR))


def _together(watched: sparse.csr_matrix, ridge: float) -> np.ndarray:
    gram = (watched.T @ watched).toarray()
    gram[np.diag_indices(len(gram))] += ridge
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    weights[np.diag_indices(len(weights))] = 0.0
    return np.asarray(weights, dtype=np.float32)


def _after(sequences: Sequence[np.ndarray], n_items: int, config: ChoiceConfig) -> np.ndarray:
    """Ridge regression of the next items on every faded beginning of the sequences."""
    length = config.retriever.length
    begun: list[list[int]] = []
    rows, columns, weights = [], [], []
    for own in sequences:
        for place in range(1, len(own)):
            following = own[place : place + config.ahead]
            rows += [len(begun)] * len(following)
            columns += following.tolist()
            weights += np.exp(-np.arange(len(following)) / config.ahead_fade).tolist()
            begun.append(own[max(0, place - length) : place].tolist())
    before = faded_matrix(begun, n_items, config.fades[1])
    soon = sparse.csr_matrix((weights, (rows, columns)), shape=before.shape)
    gram = (before.T @ before).toarray()
    gram[np.diag_indices(n_items)] += config.ridges[1]
    return np.asarray(np.linalg.solve(gram, (before.T @ soon).toarray()), dtype=np.float32)
