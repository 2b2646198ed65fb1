"""Policies in an experiment: what people did with what each version of the policy showed them, and when to stop."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from agent.policy.registry import Experiment
from agent.store.logged_impression import LoggedImpression
from eval.live.confidence import confidence_sequence
from eval.metrics import Interval, cluster_bootstrap

LEAST = 50
"""Fewer people of each version decide nothing: the interval is one of large numbers."""

MOST = 20_000
"""After so many people an experiment that decided nothing ends, and what was in use stays."""

Decided = Literal["challenger", "control", "no difference", "open"]


@dataclass(frozen=True, slots=True)
class PolicyArm:
    """One version: its people and slates, and the figures of a person, with 95 % bootstrap intervals over people.

    ``click_through``: share of the shown items that were taken up; ``satisfaction``: share of the opinions that are
    favourable (None: there are none); ``length``: slates.
    """

    version: str
    people: int
    slates: int
    click_through: Interval
    satisfaction: Interval | None
    length: Interval


@dataclass(frozen=True, slots=True)
class PolicyResults:
    """Two versions side by side: ``difference`` is of the click-through of a person, challenger less control.

    It is an anytime-valid interval (:mod:`eval.live.confidence`); None where a version has fewer than two people.
    ``verdict`` follows the stopping rule: the version for which the interval leaves out 0, ``no difference`` after
    ``MOST`` people, ``open`` until then and below ``LEAST`` people of each.
    """

    arms: tuple[PolicyArm, ...]
    weight: float
    difference: Interval | None
    verdict: Decided

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


def results(experiment: Experiment, log: Iterable[LoggedImpression], least: int = LEAST) -> PolicyResults:
    """The figures of an experiment, from what was shown since it began."""
    shown = [own for own in log if own.impression.slate]
    return compare_arms(shown, {experiment.challenger}, {experiment.control}, experiment.weight, least)


def compare_arms(
    shown: Sequence[LoggedImpression],
    challengers: Collection[str],
    controls: Collection[str],
    weight: float,
    least: int = LEAST,
) -> PolicyResults:
    """Two groups of versions side by side; a person counts for the group that they met first."""
    names = (sorted(challengers), sorted(controls))
    people: tuple[dict[str, Person], dict[str, Person]] = ({}, {})
    for own in shown:
        who = own.impression.user or own.impression.conversation_id
        side = 0 if own.impression.policy in challengers else 1 if own.impression.policy in controls else None
        if side is not None and who not in people[1 - side]:
            people[side].setdefault(who, Person()).add(own)
    groups = [[one.click_through for one in own.values()] for own in people]
    difference: Interval | None = None
    verdict: Decided = "open"
    if min(map(len, groups)) >= 2:
        difference = confidence_sequence(np.array(groups[0]), np.array(groups[1]), weight)
        verdict = _verdict(difference, min(map(len, groups)), sum(map(len, groups)), least)
    arms = tuple(arm(" ".join(name), own) for name, own in zip(names, people, strict=True) if own)
    return PolicyResults(arms, weight, difference, verdict)


def _verdict(difference: Interval, smaller: int, people: int, least: int) -> Decided:
    if smaller >= least and difference.low > 0:
        return "challenger"
    if smaller >= least and difference.high < 0:
        return "control"
    return "no difference" if people >= MOST else "open"


@dataclass(slots=True)
class Person:
    """What one person was shown and did."""

    slates: int = 0
    items: int = 0
    taken: int = 0
    opinions: int = 0
    favourable: int = 0

    def add(self, own: LoggedImpression) -> None:
        """Another slate."""
        verdicts = own.verdicts()
        self.slates += 1
        self.items += len(verdicts)
        self.taken += sum(v.clicked for v in verdicts)
        self.opinions += sum(v.stars is not None for v in verdicts)
        self.favourable += sum(v.clicked for v in verdicts if v.stars is not None)

    @property
    def click_through(self) -> float:
        """Share of the items that were taken up."""
        return self.taken / self.items


def arm(name: str, people: Mapping[str, Person]) -> PolicyArm:
    """The figures of a group of people, none of whom was shown nothing."""
    own = list(people.values())

    def mean(values: Sequence[float]) -> Interval:
        return cluster_bootstrap(np.array(values, dtype=np.float64), [str(k) for k in range(len(values))])

    told = [one.favourable / one.opinions for one in own if one.opinions]
    return PolicyArm(
        name,
        len(own),
        sum(one.slates for one in own),
        mean([one.click_through for one in own]),
        mean(told) if told else None,
        mean([one.slates for one in own]),
    )


DECIDED = {
    "challenger": "the new one is better: promote it",
    "control": "the new one is worse: stop it",
    "no difference": "no difference was shown in all this time: stop it",
    "open": "nothing is decided yet",
}
"""What follows from a verdict, in words."""


def in_words(found: PolicyResults) -> list[str]:
    """Lines for people."""
    lines = []
    for own in found.arms:
        told = "no opinions" if own.satisfaction is None else f"satisfaction {own.satisfaction}"
        figures = f"click-through {own.click_through}, {told}, {own.length} slates each"
        lines.append(f"{own.version}: {own.people:,} people; {figures}")
    if found.difference is not None:
        lines.append(f"difference in click-through, valid at every look at once: {found.difference}")
    return [*lines, DECIDED[found.verdict]]
