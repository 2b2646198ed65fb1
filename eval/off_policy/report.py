"""Report: what a log says a target policy is worth, with intervals, or why it cannot say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from agent.data.rows import RowError
from agent.store.feedback import FeedbackLog
from eval.metrics import Interval
from eval.off_policy.diagnostics import Diagnostics, Limits, Weights, diagnose, refusal, weigh
from eval.off_policy.estimators import CLIP, ESTIMATORS, THRESHOLD, Problem, Terms
from eval.off_policy.intervals import RESAMPLES, Method, Resampling
from eval.off_policy.log import LoggedSlate, read_log
from eval.off_policy.reward_models import REFITS, ItemMeanReward, RewardModel, RidgeReward, cross_fitted, refitted
from eval.off_policy.samples import Cluster, Samples, Unsupported, assemble
from eval.off_policy.target import Target, evidence_features, probabilities


@dataclass(frozen=True, slots=True)
class Settings:
    """How a log is evaluated.

    ``model`` guesses rewards for DM and DR (None: ridge regression, or item means where there are no features). For
    the interval of DM it is fitted anew to ``refits`` resampled logs; 0 takes the model as given.
    """

    estimators: tuple[str, ...] = tuple(ESTIMATORS)
    cluster: Cluster = "conversation"
    clip: float = CLIP
    threshold: float = THRESHOLD
    resamples: int = RESAMPLES
    method: Method = "bca"
    level: float = 0.95
    seed: int = 0
    model: RewardModel | None = None
    refits: int = REFITS
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Check the names."""
        unknown = [name for name in self.estimators if name not in ESTIMATORS]
        if self.refits < 0 or self.refits == 1:
            raise ValueError(f"{self.refits} refits: give at least 2, or 0 for a model that is taken as given")
        if unknown:
            raise RowError(f"unknown estimator {unknown[0]!r}: use one of {', '.join(ESTIMATORS)}")


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimator's word: the reward of a slate with its interval, or why there is none."""

    estimator: str
    value: Interval | Unsupported
    weights: Weights | None


@dataclass(frozen=True, slots=True)
class OffPolicyResult:
    """The value of ``target``; ``logged`` is that of the policy that wrote the log, its plain mean.

    Values are the expected reward of a slate, summed over its places. The diagnostics hold for all estimates.
    """

    target: str
    reward: str
    logged: Interval
    rows: tuple[Estimate, ...]
    diagnostics: Diagnostics

    @property
    def supported(self) -> bool:
        """Whether the log supports any of the estimates."""
        return any(isinstance(row.value, Interval) for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """One estimator's word on two targets: the value of the first less that of the second, on the same rows."""

    estimator: str
    new: Interval | Unsupported
    old: Interval | Unsupported
    difference: Interval | Unsupported


@dataclass(frozen=True, slots=True)
class PairedResult:
    """Two target policies on one log; ``diagnostics`` are the new one's and the old one's."""

    new: str
    old: str
    reward: str
    logged: Interval
    rows: tuple[Difference, ...]
    diagnostics: tuple[Diagnostics, Diagnostics]

    @property
    def supported(self) -> bool:
        """Whether the log supports any of the differences."""
        return any(isinstance(row.difference, Interval) for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


def evaluate_log(
    log: Path | str | FeedbackLog,
    target: Target = "columns",
    reward: str = "click",
    settings: Settings | None = None,
    since: float | None = None,
) -> OffPolicyResult:
    """The value of a target policy by every estimator of ``settings``.

    ``log``: a feedback database, its export, or a file as :mod:`eval.off_policy.log` describes it; ``target``: a
    :class:`~eval.off_policy.target.PolicyTarget`, or ``columns``: its probabilities stand in the file; ``reward``:
    click, signed-click or rating, made from the outcomes; a file's own ``rewards`` are taken as they are; ``since``:
    leaves out what was shown before (seconds since 1970).

    Raises:
        RowError: the log is malformed, empty, or lacks what the target needs; names the row and the field.
    """
    settings = settings or Settings()
    rows, empty = _rows(log, reward, since)
    features = _features(rows, target, settings)
    samples = assemble(rows, probabilities(target, rows), settings.cluster, features)
    return evaluate_samples(samples, settings, reward, empty)


def paired(
    log: Path | str | FeedbackLog,
    new: Target,
    old: Target,
    reward: str = "click",
    settings: Settings | None = None,
    since: float | None = None,
    only: Collection[str] | None = None,
) -> PairedResult:
    """The value of ``new`` less that of ``old`` by every estimator, from the same rows and the same resamples.

    See :func:`evaluate_log` for the arguments and errors; ``only``: ids of the rows that count (None: all).
    """
    settings = settings or Settings()
    rows, empty = _rows(log, reward, since, only)
    features = _features(rows, new, settings)
    both = [
        assemble(rows, replace(probabilities(target, rows), name=name), settings.cluster, features)
        for target, name in zip((new, old), _names(new, old), strict=True)
    ]
    resampling = Resampling.draw(both[0].clusters, settings.resamples, settings.seed)
    terms = [_terms(samples, settings) for samples in both]
    results = [
        _result(samples, own, settings, reward, empty, resampling) for samples, own in zip(both, terms, strict=True)
    ]
    differences = []
    for own, other in zip(results[0].rows, results[1].rows, strict=True):
        name = own.estimator
        refused = next((value for value in (own.value, other.value) if isinstance(value, Unsupported)), None)
        difference: Interval | Unsupported
        if refused is not None:
            difference = refused
        else:
            first, second = terms[0][name], terms[1][name]
            assert isinstance(first, Terms) and isinstance(second, Terms)
            difference = resampling.interval(first, second, settings.method, settings.level)
        differences.append(Difference(name, own.value, other.value, difference))
    return PairedResult(
        results[0].target,
        results[1].target,
        reward,
        results[0].logged,
        tuple(differences),
        (results[0].diagnostics, results[1].diagnostics),
    )


def evaluate_samples(
    samples: Samples, settings: Settings, reward: str, empty: int = 0, resampling: Resampling | None = None
) -> OffPolicyResult:
    """The same from samples that are at hand; ``resampling`` shares the draws with another evaluation."""
    drawn = resampling or Resampling.draw(samples.clusters, settings.resamples, settings.seed)
    return _result(samples, _terms(samples, settings), settings, reward, empty, drawn)


def _result(
    samples: Samples,
    by_name: Mapping[str, Terms | Unsupported],
    settings: Settings,
    reward: str,
    empty: int,
    drawn: Resampling,
) -> OffPolicyResult:
    found = diagnose(samples, empty)
    estimates = []
    for name, terms in by_name.items():
        if isinstance(terms, Unsupported):
            estimates.append(Estimate(name, terms, None))
            continue
        weights = weigh(terms, samples.clusters, samples.logged)
        refused = refusal(terms, weights, found, settings.limits)
        value = refused or drawn.interval(terms, None, settings.method, settings.level)
        estimates.append(Estimate(name, value, weights))
    total = samples.rewards.sum(axis=1, keepdims=True)
    logged = drawn.interval(Terms(total, np.ones_like(total)), None, settings.method, settings.level)
    return OffPolicyResult(samples.target.name, reward, logged, tuple(estimates), found)


def _terms(samples: Samples, settings: Settings) -> dict[str, Terms | Unsupported]:
    q: np.ndarray | Unsupported = Unsupported("cross-fitting the reward model needs at least two clusters")
    deviations: np.ndarray | None = None
    places = samples.target_places if {"dm", "dr", "switch-dr"} & set(settings.estimators) else Unsupported("not asked")
    if not isinstance(places, Unsupported) and samples.clusters.max() > 0:
        model = settings.model or (ItemMeanReward() if samples.features is None else RidgeReward())
        q = cross_fitted(model, samples, seed=settings.seed)
        if "dm" in settings.estimators and settings.refits:
            deviations = refitted(model, samples, places, settings.refits, settings.seed)
    problem = Problem(samples, q, settings.clip, settings.threshold, deviations)
    return {name: ESTIMATORS[name](problem) for name in settings.estimators}


def _rows(
    log: Path | str | FeedbackLog, reward: str, since: float | None, only: Collection[str] | None = None
) -> tuple[list[LoggedSlate], int]:
    rows = [row for row in read_log(log, reward, since) if only is None or row.id in only]
    shown = [row for row in rows if row.slate]
    if not shown:
        raise RowError(f"the log has {len(rows)} rows, none with a slate: there is nothing to evaluate")
    return shown, len(rows) - len(shown)


def _features(rows: Sequence[LoggedSlate], target: Target, settings: Settings) -> np.ndarray | None:
    """The candidates' features from the log, or our own evidence."""
    widths = {len(row.candidate_features[0]) for row in rows if row.candidate_features}
    if widths:
        for row in rows:
            if row.candidate_features is None or len(row.candidate_features[0]) != max(widths):
                raise RowError(
                    f"{row.where}: field 'candidate_features': give {max(widths)} numbers a candidate, or none"
                )
        result = np.zeros((len(rows), max(len(row.candidates) for row in rows), max(widths)))
        for n, row in enumerate(rows):
            result[n, : len(row.candidates)] = row.candidate_features
        return result
    if isinstance(target, str) or not {"dm", "dr", "switch-dr"} & set(settings.estimators):
        return None
    return evidence_features(target, rows)


def _names(new: Target, old: Target) -> tuple[str, str]:
    names = ["columns" if isinstance(target, str) else target.policy.version for target in (new, old)]
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (new)", f"{names[1]} (old)")
