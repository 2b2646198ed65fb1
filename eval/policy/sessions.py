"""Sessions: policies side by side in the simulator of visits, on the same simulated users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from agent.data.interactions import indexed_ratings
from agent.policy.distribution import Policy
from agent.policy.loading import Foundation
from agent.records.state import Event
from eval.metrics import Row, Scorer, rows_of
from eval.ranking import baselines
from eval.ranking.baselines import history_scorer
from training.environments.session import SessionEnv, SessionReport, run_sessions
from training.environments.user_model import UserModel
from training.progress import Progress
from training.splits import past_and_future

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

Name = Literal["random", "popularity", "retriever", "policy"]
NAMES: tuple[Name, ...] = get_args(Name)


class SessionPolicyError(ValueError):
    """An unknown policy; the message lists the known ones."""


@dataclass(frozen=True, slots=True)
class SessionTable:
    """Rows of figures over ``sessions`` sessions, intervals clustered by simulated user, paired with ``reference``."""

    sessions: int
    reference: str
    rows: Sequence[Row]

    def to_json(self) -> list[dict[str, Any]]:
        """One object a policy: each measure's mean, and ``ci`` and ``paired`` by measure."""
        return [
            {
                "policy": row.policy,
                **{measure: figure.mean for measure, figure in row.figures.items()},
                "ci": {measure: [figure.low, figure.high] for measure, figure in row.figures.items()},
                "paired": {
                    measure: {"reference": self.reference, "mean": d.mean, "ci": [d.low, d.high]}
                    for measure, d in row.differences.items()
                },
            }
            for row in self.rows
        ]


def compare(reports: Mapping[str, SessionReport], reference: str = "random", seed: int = 0) -> SessionTable:
    """Session length, satisfaction, click-through, conversion and reward of each policy with 95 % intervals.

    Raises:
        ValueError: the reports are not of the same simulated users.
        KeyError: the reference is none of the policies.
    """
    users = {report.users for report in reports.values()}
    if len(users) != 1:
        raise ValueError("the reports are of different simulated users: run them with one seed and number of sessions")
    cases = {name: report.measures() for name, report in reports.items()}
    (names,) = users
    return SessionTable(len(names), reference, rows_of(cases, names, reference, seed))


def evaluate(
    dataset: Dataset,
    names: Sequence[str],
    make_policy: Callable[[Foundation], Policy],
    sessions: int = 200,
    reward: str = "click",
    seed: int = 0,
    progress: Progress | None = None,
) -> SessionTable:
    """Play sessions with each of the named policies; everything is fitted on the users' past alone.

    The paired differences are to the first of ``names``.

    Raises:
        SessionPolicyError: an unknown name, or none.
        RewardError: the reward is badly written.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise SessionPolicyError(f"unknown policy {(unknown or [''])[0]!r}: use one of {', '.join(NAMES)}")
    past = past_and_future(indexed_ratings(dataset)).past
    only = dataset.only(past)
    env = SessionEnv(UserModel.of(dataset, seed=seed), reward)
    reports = {}
    for name in dict.fromkeys(names):
        if name == "random":
            scorer = blind(seed)
        elif name == "popularity":
            scorer = baselines.popularity(past, len(dataset.items))
        else:
            foundation = Foundation.of(only)
            retriever = baselines.retriever(foundation.features)
            scorer = retriever if name == "retriever" else history_scorer(make_policy(foundation), "like")
        reports[name] = run_sessions(
            scorer, env, sessions, seed, progress=_named(progress, name) if progress is not None else None
        )
    return compare(reports, names[0], seed)


def blind(seed: int = 0) -> Scorer:
    """Scores drawn at random."""
    rng = np.random.default_rng(seed)

    def score(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [rng.random(len(items)) for items in candidates]

    return score


def _named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, of: progress(name, done, of)
