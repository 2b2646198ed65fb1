"""Calibration: how much the LM may say where there are no words, decided on rows that its training never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.features.model import EvidenceModel
from agent.policy.item_lm import ItemLanguageModel
from agent.policy.state_prompt import StatePrompt
from agent.records.state import POSITIVE, Goal, State
from training.progress import Progress, silent
from training.splits import leave_one_out, past_and_future, rated_slates

GRID = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""The weights of the LM's logits that are tried."""

SMALLEST = 4
"""Slates of so many items or more are used."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One case: which of ``candidates`` (catalogue indices) were ``chosen``, places among the candidates."""

    state: State
    candidates: np.ndarray
    chosen: np.ndarray


def next_choices(dataset: Dataset) -> tuple[Dataset, list[Choice]]:
    """Leave-one-out's validation items among all unseen ones, and the data that evidence may be fitted on."""
    held = leave_one_out(indexed_ratings(dataset))
    histories = user_histories(held.train)
    everything = np.arange(len(dataset.items))
    cases = []
    for user, item in zip(held.valid["user"], held.valid["item"], strict=True):
        history = histories[str(user)]
        unseen = np.setdiff1d(everything, [event.item for event in history])
        cases.append(Choice(State(history, goal="next"), unseen, np.flatnonzero(unseen == item)))
    return dataset.only(held.train), [case for case in cases if len(case.chosen)]


def like_choices(dataset: Dataset) -> tuple[Dataset, list[Choice]]:
    """Slates of what the test slates leave over: each user's rest that is too short for one of them."""
    parts = past_and_future(indexed_ratings(dataset))
    used = {(slate.user, item) for slate in rated_slates(parts) for item in slate.items}
    histories = user_histories(parts.past)
    cases = []
    for user, events in user_histories(parts.future).items():
        rest = [event for event in events if (user, event.item) not in used]
        liked = np.flatnonzero([(event.rating or 0.0) >= POSITIVE for event in rest])
        if len(rest) >= SMALLEST and 0 < len(liked) < len(rest):
            items = np.array([event.item for event in rest])
            cases.append(Choice(State(histories[user], goal="like"), items, liked))
    return dataset.only(parts.past), cases


def calibrate(
    dataset: Dataset,
    lm: ItemLanguageModel,
    prompt: StatePrompt,
    weights: dict[Goal, np.ndarray],
    report: Progress = silent,
) -> tuple[dict[str, float], dict[str, dict[float, float]]]:
    """The LM's weight for the goals without words, by the likelihood of validation choices.

    ``dataset``: all ratings; the test items of leave-one-out and the test slates are not read; ``weights``: the
    evidence weights by goal, (n_features,) each.

    Returns the weight by goal (1 for ``request``), and the mean log-likelihood by goal and tried weight.
    """
    chosen: dict[str, float] = {"request": 1.0}
    tried: dict[str, dict[float, float]] = {}
    sources: Sequence[tuple[Goal, tuple[Dataset, list[Choice]]]] = (
        ("next", next_choices(dataset)),
        ("like", like_choices(dataset)),
    )
    for goal, (past, cases) in sources:
        evidence = EvidenceModel.cached(past)
        likelihood = np.zeros(len(GRID))
        for start in range(0, len(cases), 64):
            report(f"calibration ({goal})", start, len(cases))
            batch = cases[start : start + 64]
            features = evidence.features([case.state.history for case in batch])
            offsets = features @ weights[goal].astype(np.float32)
            scores = lm.scores(prompt.encode([case.state for case in batch]))
            for case, offset, score in zip(batch, offsets, scores, strict=True):
                own = offset[case.candidates] + np.array(GRID)[:, None] * score[case.candidates]
                top = own.max(axis=1, keepdims=True)
                log_probability = own - top - np.log(np.exp(own - top).sum(axis=1, keepdims=True))
                likelihood += log_probability[:, case.chosen].mean(axis=1)
        tried[goal] = dict(zip(GRID, (likelihood / len(cases)).round(4).tolist(), strict=True))
        chosen[goal] = GRID[int(np.argmax(likelihood))]
    return chosen, tried
