"""The whole path of `concierge eval reward`: the rated slates of a data set, the past alone, and the models' scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import EvidenceModel
from eval.reward.pairs import RatedPairs, ScoreError
from eval.reward.report import RewardReport, evaluate_reward
from eval.reward.sources import score_model
from training.progress import Progress, silent
from training.splits import past_and_future, rated_slates


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
    past = dataset.only(parts.past)
    catalogue = Catalogue(past)
    evidence = cache(lambda: EvidenceModel.cached(past))
    scores = [score_model(name, pairs, catalogue, evidence, base, template, max_history, report) for name in models]
    return evaluate_reward(scores, pairs, catalogue, allow_missing, resamples, seed)
