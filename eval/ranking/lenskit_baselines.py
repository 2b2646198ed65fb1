"""Library baselines: LensKit's recommenders (the extra ``baselines``), each with what is tried when it is tuned.

A baseline is asked what our policies are asked: a user's history (the latest part of it, where tuning says so), and
candidates to score. Those that have no way to take in a history, BPR, know the user by name, from the ratings that
they were fitted on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from agent.records.state import Event
from eval.ranking.cache import RankingCache, digest, digest_files
from eval.ranking.cases import Cases, CaseScorer
from eval.ranking.list_metrics import accuracy, first_choice
from eval.ranking.lists import rank_all
from training.progress import Progress

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LibraryBaseline:
    """A library's recommender.

    ``models`` are the settings of the model that are tried, ``recent`` how many of the latest events of a history it
    is shown (None: all); every pair is a trial. ``stars``: it predicts ratings; else it foresees what comes next.
    ``largest`` is the catalogue that it is still tried on.
    """

    name: str
    build: Callable[[Settings], Any]
    models: tuple[Settings, ...]
    recent: tuple[int | None, ...]
    stars: bool
    largest: int

    @property
    def trials(self) -> int:
        """How many settings are tried."""
        return len(self.models) * len(self.recent)


def _grid(**values: Sequence[Any]) -> tuple[Settings, ...]:
    return tuple(dict(zip(values, own, strict=True)) for own in itertools.product(*values.values()))


def _item_knn(feedback: Literal["implicit", "explicit"]) -> Callable[[Settings], Any]:
    def build(settings: Settings) -> Any:
        from lenskit.knn import ItemKNNScorer

        return ItemKNNScorer(feedback=feedback, **settings)

    return build


def _user_knn(feedback: Literal["implicit", "explicit"]) -> Callable[[Settings], Any]:
    def build(settings: Settings) -> Any:
        from lenskit.knn import UserKNNScorer

        return UserKNNScorer(feedback=feedback, **settings)

    return build


def _ease(settings: Settings) -> Any:
    from lenskit.knn import EASEScorer

    return EASEScorer(**settings)


def _implicit_als(settings: Settings) -> Any:
    from lenskit.als import ImplicitMFScorer

    return ImplicitMFScorer(epochs=15, **settings)


def _biased_als(settings: Settings) -> Any:
    from lenskit.als import BiasedMFScorer

    return BiasedMFScorer(epochs=20, **settings)


def _bpr(settings: Settings) -> Any:
    from lenskit.flexmf import FlexMFImplicitScorer

    return FlexMFImplicitScorer(preset="bpr", batch_size=2048, **settings)


_RECENT = (None, 20, 10, 5, 2)
_ANY = 10**9
_EASE_LIMIT = 20_000  # it inverts a square of the items: 1.6 GB there
BASELINES = (
    LibraryBaseline("ItemKNN", _item_knn("implicit"), _grid(max_nbrs=(5, 10, 20, 100)), _RECENT, False, _ANY),
    LibraryBaseline("EASE", _ease, _grid(regularization=(100.0, 400.0, 1600.0)), _RECENT, False, _EASE_LIMIT),
    LibraryBaseline(
        "implicit ALS",
        _implicit_als,
        _grid(embedding_size=(16, 32, 64), regularization=(0.1,), weight=(2.0, 8.0, 40.0)),
        (None, 20, 5),
        False,
        _ANY,
    ),
    LibraryBaseline(
        "BPR",
        _bpr,
        _grid(embedding_size=(64,), learning_rate=(0.001, 0.003), regularization=(0.01, 0.1), epochs=(30, 90)),
        (None,),
        False,
        _ANY,
    ),
    LibraryBaseline("UserKNN", _user_knn("implicit"), _grid(max_nbrs=(10, 20, 50, 200)), _RECENT, False, _ANY),
    LibraryBaseline(
        "matrix factorisation",
        _biased_als,
        _grid(embedding_size=(8, 16, 32, 64), regularization=(0.06, 0.1, 0.15)),
        (None,),
        True,
        _ANY,
    ),
    LibraryBaseline("ItemKNN on stars", _item_knn("explicit"), _grid(max_nbrs=(10, 20, 40, 80)), (None,), True, _ANY),
    LibraryBaseline("UserKNN on stars", _user_knn("explicit"), _grid(max_nbrs=(20, 40, 80, 160)), (None,), True, _ANY),
)


def library_version() -> str:
    """The version of LensKit that is installed."""
    return version("lenskit")


class FittedBaseline:
    """A baseline fitted on ratings; :meth:`scorer` asks it with so many of the latest events."""

    def __init__(self, baseline: LibraryBaseline, settings: Settings, ratings: pd.DataFrame, seed: int = 0) -> None:
        from lenskit.basic import BiasScorer
        from lenskit.data import from_interactions_df
        from lenskit.training import TrainingOptions

        data = from_interactions_df(
            pd.DataFrame({"user_id": ratings["user"], "item_id": ratings["item"], "rating": ratings["rating"]})
        )
        self.known = np.unique(ratings["item"].to_numpy(np.int64))
        self.model = baseline.build(settings)
        # Where a predictor of ratings has nothing to say, the biases of user and item answer, as in LensKit's own
        # pipelines.
        self.fallback = BiasScorer(damping=5) if baseline.stars else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's own notes on its dependencies
            for part in (self.model, self.fallback):
                if part is not None:
                    part.train(data, TrainingOptions(rng=seed))

    def scorer(self, recent: int | None = None) -> CaseScorer:
        """Scores of cases; what the model cannot score stands below all that it can."""
        ask = self._linear if hasattr(self.model, "weights") else self._one_by_one

        def score(cases: Cases) -> list[np.ndarray]:
            shown = [state.history if recent is None else state.history[-recent:] for state in cases.states]
            return [_complete(own) for own in ask(cases, shown)]

        return score

    def _one_by_one(self, cases: Cases, shown: Sequence[tuple[Event, ...]]) -> list[np.ndarray]:
        from lenskit.data import ItemList, RecQuery

        found = []
        for user, whole, items in zip(cases.users, shown, cases.candidates, strict=True):
            # ItemKNN breaks off on an item of the history that it was not fitted on.
            kept = np.isin([event.item for event in whole], self.known)
            history = [event for event, keep in zip(whole, kept, strict=True) if keep]
            stars = np.array([np.nan if event.rating is None else event.rating for event in history])
            past = ItemList(item_ids=np.array([event.item for event in history], dtype=np.int64), rating=stars)
            query, wanted = RecQuery(user_id=user, history_items=past), ItemList(item_ids=items)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scores = np.array(self.model(query, wanted).scores(), dtype=np.float64)
                if self.fallback is not None and np.isnan(scores).any():
                    other = np.asarray(self.fallback(query, wanted).scores(), dtype=np.float64)
                    scores = np.where(np.isnan(scores), other, scores)
            found.append(scores)
        return found

    def _linear(self, cases: Cases, shown: Sequence[tuple[Event, ...]]) -> list[np.ndarray]:
        """A model that is one matrix of weights: all histories in one product, as its own call does one by one."""
        items = self.model.items
        numbers = [items.numbers([event.item for event in history], missing="negative") for history in shown]
        rows = np.repeat(np.arange(len(shown)), [len(own) for own in numbers])
        columns = np.concatenate(numbers)
        known = columns >= 0
        ones = np.ones(int(known.sum()), dtype=np.float32)
        seen = sparse.csr_matrix((ones, (rows[known], columns[known])), shape=(len(shown), len(items)))
        product = np.asarray(seen @ self.model.weights, dtype=np.float64)
        found = []
        for own, candidates in zip(product, cases.candidates, strict=True):
            place = items.numbers(candidates, missing="negative")
            found.append(np.where(place >= 0, own[place], np.nan))
        return found


def _complete(scores: np.ndarray) -> np.ndarray:
    known = scores[~np.isnan(scores)]
    return np.where(np.isnan(scores), (known.min() if len(known) else 0.0) - 1.0, scores)


MOST_USERS = 300
"""So many validation users, drawn by a hash, judge the trials."""


@dataclass(frozen=True)
class Tuning:
    """What trials are judged on: models are fitted on ``past`` and rank ``cases``; the highest ``metric`` wins."""

    past: pd.DataFrame
    cases: Cases
    metric: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The settings that won, and in words how."""

    settings: dict[str, Any]
    recent: int | None
    value: float
    about: str


def tune(baseline: LibraryBaseline, tuning: Tuning, cache: RankingCache, report: Progress, seed: int = 0) -> Chosen:
    """Try all of a baseline's settings, or recall what was found before on the same ratings with the same code."""
    cases = tuning.cases.of_some_users(MOST_USERS, seed)
    rows = pd.util.hash_pandas_object(tuning.past[["user", "item", "rating"]], index=False).to_numpy().tobytes()
    key = "tuned-" + digest(
        baseline.name,
        [dict(settings) for settings in baseline.models],
        baseline.recent,
        tuning.metric,
        hashlib.sha256(rows).hexdigest(),
        [cases.protocol, cases.about, sorted(set(cases.users))],
        library_version(),
        digest_files([Path(__file__)]),
        seed,
    )
    found = cache.note(key)
    if found is None:
        found = _try_all(baseline, tuning, cases, report, seed)
        cache.keep_note(key, found)
    about = (
        f"{baseline.name} (LensKit {library_version()}): {_words(found)}, the best of {baseline.trials} trials "
        f"by {tuning.metric} ({found['value']:.4f}) on {len(set(cases.users))} validation users"
    )
    return Chosen(found["settings"], found["recent"], found["value"], about)


def _try_all(baseline: LibraryBaseline, tuning: Tuning, cases: Cases, report: Progress, seed: int) -> dict[str, Any]:
    best: dict[str, Any] = {}
    for number, settings in enumerate(baseline.models):
        report(f"tuning {baseline.name}", number, len(baseline.models))
        fitted = FittedBaseline(baseline, settings, tuning.past, seed)
        lists = rank_all(cases, {str(recent): fitted.scorer(recent) for recent in baseline.recent})
        for recent in baseline.recent:
            own = lists[str(recent)]
            figures = accuracy(own, len(cases)) | (first_choice(own, len(cases)) if cases.ratings is not None else {})
            value = float(np.nanmean(figures[tuning.metric]))
            if not best or value > best["value"]:
                best = {"settings": dict(settings), "recent": recent, "value": value}
    report(f"tuning {baseline.name}", len(baseline.models), len(baseline.models))
    return best


def _words(found: dict[str, Any]) -> str:
    parts = [f"{name.replace('_', ' ')} {value:g}" for name, value in found["settings"].items()]
    if found["recent"] is not None:
        parts.append(f"the last {found['recent']} events")
    return ", ".join(parts)


def available() -> bool:
    """Whether the extra ``baselines`` is installed."""
    return importlib.util.find_spec("lenskit") is not None
