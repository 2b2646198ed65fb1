"""Reward-model report: figures, slices, reliability and best-of-n of one model, or of two with their differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset, load_dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import EvidenceModel
from eval.metrics import Interval
from eval.resampling import Statistic, UserBootstrap
from eval.reward.best_of_n import best_of_n, curve_json, step_statistics
from eval.reward.figures import BINS, LEAST, predicted_stars, probabilities_of, slices, statistics
from eval.reward.pairs import RatedPairs, ScoreError, Scores
from eval.reward.sources import score_model
from training.progress import Progress, silent
from training.reward.calibration import reliability
from training.splits import past_and_future, rated_slates

SLICE_RESAMPLES = 500
"""Draws of users in slices, of which there are many."""


@dataclass(frozen=True)
class RewardReport:
    """What was measured: one entry a model in ``rows``, and ``paired`` (first less second) where there are two.

    ``missing`` counts, by model, the pairs without a score that were left out for all.
    """

    pairs: int
    slates: int
    users: int
    missing: dict[str, int]
    rows: list[dict[str, Any]]
    paired: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


def evaluate_reward(
    models: Sequence[Scores],
    pairs: RatedPairs,
    catalogue: Catalogue,
    allow_missing: bool = False,
    resamples: int = 2000,
    seed: int = 0,
) -> RewardReport:
    """Judge one model, or two side by side, on the same pairs.

    ``models``: the scores; with two, the second is what the first is compared with; ``allow_missing``: leave out the
    pairs that a model does not score (counted), instead of refusing.

    Raises:
        ScoreError: a pair has no score and ``allow_missing`` is not set, or there is nothing left to judge; a model
            gives another number of scores than there are pairs, or a probability outside [0, 1].
        ValueError: there are not one or two models.
    """
    if len(models) not in (1, 2):
        raise ValueError(f"{len(models)} models: give one, or two to compare")
    missing = {}
    for scores in models:
        if len(scores.values) != len(pairs):
            raise ScoreError(f"{scores.model}: {len(scores.values)} scores for {len(pairs)} pairs: give one for each")
        if scores.missing and not allow_missing:
            first = int(np.flatnonzero(np.isnan(scores.values))[0])
            item = catalogue[int(pairs.items[first])].item_id
            raise ScoreError(
                f"{scores.model}: {scores.missing:,} of {len(pairs):,} pairs have no score, the first is user "
                f"{str(pairs.users[first])!r}, item {item!r}: add them, or leave them out for all with --allow-missing"
            )
        missing[scores.model] = scores.missing
    kept = ~np.any([np.isnan(scores.values) for scores in models], axis=0)
    if not kept.all():
        models, pairs = [scores.only(kept) for scores in models], pairs.only(kept)
    if not len(pairs) or pairs.likes.all() or not pairs.likes.any():
        raise ScoreError(f"{len(pairs)} pairs are left, all on one side of four stars or none: nothing can be judged")
    users = UserBootstrap(pairs.users.tolist(), resamples, seed)
    judged = [_Judged(scores, pairs, users) for scores in models]
    paired = _paired(judged[0], judged[1], pairs, users) if len(judged) == 2 else None
    rows = [own.row(catalogue, seed) for own in judged]
    return RewardReport(len(pairs), len(pairs.rows_of_slates()), len(users.names), missing, rows, paired)


class _Judged:
    """One model's scores with what follows from them."""

    def __init__(self, scores: Scores, pairs: RatedPairs, users: UserBootstrap) -> None:
        self.scores, self.pairs, self.users = scores, pairs, users
        self.probabilities, self.whose = probabilities_of(scores, pairs)
        self.stars = predicted_stars(self.probabilities, pairs)
        self.statistics = statistics(scores.values, self.probabilities, self.stars, pairs, users)
        self.curve = best_of_n(scores.values, self.probabilities, pairs)

    def row(self, catalogue: Catalogue, seed: int) -> dict[str, Any]:
        """The model's entry in the report."""
        figures = _intervals(self.statistics, self.users)
        curve = reliability(self.probabilities, self.pairs.likes, BINS)
        return {
            "model": self.scores.model,
            "probabilities": self.whose,
            "notes": list(self.scores.notes),
            **_flat(figures),
            "reliability": [bin_._asdict() for bin_ in curve],
            "best_of_n": curve_json(self.curve, self.pairs, self.users),
            "slices": [self._slice(own.kind, own.name, own.rows, seed) for own in slices(self.pairs, catalogue)],
        }

    def _slice(self, kind: str, name: str, rows: np.ndarray, seed: int) -> dict[str, Any]:
        pairs = self.pairs.only(rows)
        head = {"slice": kind, "group": name, "pairs": len(pairs), "users": len(np.unique(pairs.users))}
        if len(pairs) < LEAST or pairs.likes.all() or not pairs.likes.any():
            return {**head, "note": f"under {LEAST} pairs, or all on one side of four stars: no figures"}
        users = UserBootstrap(pairs.users.tolist(), SLICE_RESAMPLES, seed)
        chosen = (self.scores.values[rows], self.probabilities[rows], self.stars[rows])
        found = statistics(*chosen, pairs, users, agreement=False)
        return {**head, **_flat(_intervals(found, users))}


def _intervals(figures: Mapping[str, Statistic], users: UserBootstrap) -> dict[str, Interval]:
    return {
        name: users.centred_interval(own) if name == "ece" else users.interval(own) for name, own in figures.items()
    }


def _flat(figures: dict[str, Interval]) -> dict[str, Any]:
    """Each figure under its name, None where it is not defined, and the intervals under ``ci``."""
    return {
        **{name: _number(figure.mean) for name, figure in figures.items()},
        "ci": {name: [_number(figure.low), _number(figure.high)] for name, figure in figures.items()},
    }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _paired(first: _Judged, second: _Judged, pairs: RatedPairs, users: UserBootstrap) -> dict[str, Any]:
    """Differences, first less second, on the same draws of users: ``mean``, ``ci`` and ``p`` by figure."""

    def difference(one: Any, two: Any) -> dict[str, Any]:
        found = users.difference(one, two)
        return {"mean": _number(found.mean), "ci": [_number(found.low), _number(found.high)], "p": _number(found.p)}

    figures = {name: difference(one, second.statistics[name]) for name, one in first.statistics.items()}
    steps = []
    for one, two in zip(first.curve, second.curve, strict=True):
        ours, theirs = step_statistics(one, pairs, users), step_statistics(two, pairs, users)
        steps.append({"n": one.n, **{name: difference(ours[name], theirs[name]) for name in ours}})
    return {"first": first.scores.model, "second": second.scores.model, **figures, "best_of_n": steps}


def rated_pairs(data: str) -> tuple[Dataset, RatedPairs]:
    """The past of a data set (the first four fifths of each user's events), and the pairs that models are judged on.

    Raises:
        ScoreError: the data set has no slates.
        DatasetError: there is no such data set.
    """
    dataset = load_dataset(data)
    parts = past_and_future(indexed_ratings(dataset))
    future = parts.future
    times = {
        (str(user), int(item)): float(when)
        for user, item, when in zip(future["user"], future["item"], future["timestamp"], strict=True)
    }
    pairs = RatedPairs.of(rated_slates(parts), times)
    if not len(pairs):
        raise ScoreError(f"{data!r} has no user with ten ratings in the last fifth: there are no slates to judge on")
    return dataset.only(parts.past), pairs


def write_pairs(data: str, path: Path) -> int:
    """Write a CSV file of the pairs to be scored, ``user,item`` with a score to be filled in; returns how many.

    Raises:
        ScoreError: the data set has no slates, or the file cannot be written.
    """
    past, pairs = rated_pairs(data)
    ids = past.items["item"].astype(str).to_numpy()[pairs.items]
    try:
        pd.DataFrame({"user": pairs.users, "item": ids, "score": ""}).to_csv(path, index=False)
    except OSError as error:
        raise ScoreError(f"{path} cannot be written: {error.strerror}") from None
    return len(pairs)


def judge(
    models: Sequence[str],
    data: str = "ml-100k",
    base: str | None = None,
    template: str = "reward-text",
    max_history: int = 10,
    allow_missing: bool = False,
    resamples: int = 2000,
    seed: int = 0,
    report: Progress = silent,
) -> RewardReport:
    """Score the rated slates with one or two models (see :func:`eval.reward.sources.score_model`) and compare them.

    Models see each user's past (the first four fifths) and may use the statistics of all pasts; the ratings of the
    slates are read by the figures alone.

    Raises:
        ScoreError: scores are malformed or missing, the same model is given twice, or the data set has no slates.
        AssetError, ValueError: data or model are missing or do not fit; the message says what to do.
    """
    if len(set(models)) < len(models):
        raise ScoreError(f"{models[0]!r} is given twice: compare two different models")
    past, pairs = rated_pairs(data)
    catalogue = Catalogue(past)
    evidence = cache(lambda: EvidenceModel.cached(past))
    scores = [score_model(name, pairs, catalogue, evidence, base, template, max_history, report) for name in models]
    return evaluate_reward(scores, pairs, catalogue, allow_missing, resamples, seed)
