"""Experiments: what people did with the items that each version of a template chose or spoke of, from the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agent.records.impression import Impression
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import LoggedImpression, read_impressions
from agent.store.template_serving import ServedTemplates
from eval.metrics import Interval, cluster_bootstrap, cluster_difference

EXPERIMENT_METRICS: Mapping[str, str] = {
    "click_through": "share of slates with at least one item taken up",
    "clicks": "items taken up a slate",
    "rejections": "items turned down a slate",
}
"""What is measured of one slate; an item is taken up when it is clicked, liked or graded 4 or more."""


POLICY = "policy"
"""In the place of a template's role: the versions of the policy are compared."""


class NoSlatesError(ValueError):
    """Nothing was shown in the time that was asked for."""


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


def report(
    log: FeedbackLog,
    since: float | None = None,
    hashes: Sequence[str] | None = None,
    served: ServedTemplates | None = None,
    role: str = "state",
) -> Report:
    """The figures of every version of a role that served since a time (seconds since 1970; None: ever).

    Conversations are drawn whole for the 95 % intervals. A conversation belongs to one version while an experiment
    runs; the differences therefore compare two groups of conversations. Empty slates are left out. ``hashes`` leaves
    only these versions, in this order (of the policy: their names). Roles other than ``state`` and ``POLICY`` need
    ``served``: what served is then told from its history.

    Raises:
        NoSlatesError: no slate was shown in that time.
        TemplateError: the role has no template.
        ValueError: another role than ``state``, and no ``served``.
    """
    version_of = _version_of(served, role)
    names: dict[str, str] = {}
    groups: dict[str, list[LoggedImpression]] = {}
    for slate in read_impressions(log, since):
        name, own = version_of(slate.impression)
        if slate.impression.slate and (hashes is None or own in hashes):
            names.setdefault(own, name)
            groups.setdefault(own, []).append(slate)
    if not groups:
        raise NoSlatesError("no slate was shown in that time: chat first, or give an earlier time")
    order = [own for own in hashes if own in groups] if hashes is not None else list(groups)
    values = {own: _values(groups[own]) for own in order}
    clusters = {own: [slate.impression.conversation_id for slate in groups[own]] for own in order}
    arms = tuple(
        Arm(
            names[own],
            own,
            len(groups[own]),
            len(set(clusters[own])),
            {metric: cluster_bootstrap(values[own][metric], clusters[own]) for metric in EXPERIMENT_METRICS},
        )
        for own in order
    )
    base = order[0]
    differences = tuple(
        {
            metric: cluster_difference(values[own][metric], clusters[own], values[base][metric], clusters[base])
            for metric in EXPERIMENT_METRICS
        }
        for own in order[1:]
    )
    return Report(arms, differences)


def running(served: ServedTemplates, role: str) -> tuple[float | None, tuple[str, ...] | None]:
    """When the experiment began that runs now, and the hashes of its versions, for :func:`report`.

    What was shown before would be compared with another time. Both are None where no experiment runs.
    """
    now = served.current(role)
    if len(now.shares) < 2:
        return None, None
    return now.timestamp, tuple(served.store.get(share.reference).hash for share in now.shares)


def _version_of(served: ServedTemplates | None, role: str) -> Callable[[Impression], tuple[str, str]]:
    """A function that tells the version (its name and hash) that an impression belongs to."""
    if role == POLICY:
        return lambda shown: (shown.policy, shown.policy)
    if role == "state":
        return lambda shown: (f"{shown.template_name}@{shown.template_version}", shown.template_hash)
    if served is None:
        raise ValueError(f"role {role!r}: only the served templates know which version served whom")
    find = served.served(role)

    def version(shown: Impression) -> tuple[str, str]:
        found = find(shown.conversation_id, shown.timestamp)
        return found.reference, found.hash

    return version


def _values(slates: Sequence[LoggedImpression]) -> dict[str, np.ndarray]:
    verdicts = [slate.verdicts() for slate in slates]
    clicks = np.array([sum(verdict.clicked for verdict in own) for own in verdicts], dtype=np.float64)
    turned_down = [sum(not v.clicked and v.stars is not None for v in own) for own in verdicts]
    return {
        "click_through": (clicks > 0).astype(np.float64),
        "clicks": clicks,
        "rejections": np.array(turned_down, dtype=np.float64),
    }
