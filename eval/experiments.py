"""Experiments: what people did with the films that each version of the state template chose, from the feedback log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agent.feedback import FeedbackLog
from agent.logged_impression import LoggedImpression, read_impressions
from eval.metrics import Interval, cluster_bootstrap, cluster_difference

METRICS: Mapping[str, str] = {
    "click_through": "share of slates with at least one film taken up",
    "clicks": "films taken up a slate",
    "rejections": "films turned down a slate",
}
"""What is measured of one slate; a film is taken up when it is clicked, liked or rated four stars or more."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One version: how many slates it chose in how many conversations, and the figures, by conversation."""

    template: str
    hash: str
    slates: int
    conversations: int
    figures: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Report:
    """The versions in the order of their first slate; ``differences`` are each one's to the first, by metric."""

    arms: tuple[Arm, ...]
    differences: tuple[Mapping[str, Interval], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


def report(log: FeedbackLog, since: float | None = None, hashes: Sequence[str] | None = None) -> Report:
    """The figures of every version that served since a time (seconds since 1970; None: ever).

    Conversations are drawn whole for the 95 % intervals. A conversation belongs to one version while an experiment
    runs; the differences therefore compare two groups of conversations. Empty slates are left out. ``hashes`` leaves
    only these versions, in this order.

    Raises:
        ValueError: no slate was shown in that time.
    """
    groups: dict[str, list[LoggedImpression]] = {}
    for slate in read_impressions(log, since):
        if slate.impression.slate and (hashes is None or slate.impression.template_hash in hashes):
            groups.setdefault(slate.impression.template_hash, []).append(slate)
    if not groups:
        raise ValueError("no slate was shown in that time: chat first, or give an earlier time")
    order = [own for own in hashes if own in groups] if hashes is not None else list(groups)
    values = {own: _values(groups[own]) for own in order}
    clusters = {own: [slate.impression.conversation_id for slate in groups[own]] for own in order}
    arms = []
    for own in order:
        first = groups[own][0].impression
        arms.append(
            Arm(
                f"{first.template_name}@{first.template_version}",
                own,
                len(groups[own]),
                len(set(clusters[own])),
                {metric: cluster_bootstrap(values[own][metric], clusters[own]) for metric in METRICS},
            )
        )
    base = order[0]
    differences = tuple(
        {
            metric: cluster_difference(values[own][metric], clusters[own], values[base][metric], clusters[base])
            for metric in METRICS
        }
        for own in order[1:]
    )
    return Report(tuple(arms), differences)


def _values(slates: Sequence[LoggedImpression]) -> dict[str, np.ndarray]:
    verdicts = [slate.verdicts() for slate in slates]
    clicks = np.array([sum(verdict.clicked for verdict in own) for own in verdicts], dtype=np.float64)
    turned_down = [sum(not v.clicked and v.stars is not None for v in own) for own in verdicts]
    return {
        "click_through": (clicks > 0).astype(np.float64),
        "clicks": clicks,
        "rejections": np.array(turned_down, dtype=np.float64),
    }
