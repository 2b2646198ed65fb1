"""Promotion: may a new policy take the place of the one in use?

Two questions, both answered with a paired difference, new less old, and its 95 % interval:

- rated slates (:mod:`eval.protocols.rated_slates`): the click rate of the greedy pick on slates whose ratings are all
  known. They are cut from the last fifth of each user's ratings, which no training reads, for the half of the users
  on which choices are made (``user_part`` "valid"), so that the other half stays unread for reports; the evidence is
  fitted on the first four fifths. Asked for the goal "like" and for "request", by which the chat chooses.
- the chat's log, where there is one (:func:`eval.off_policy.paired`): the expected clicks on a slate, from impressions
  that the new policy was not trained on. Where the log cannot support an estimate, it says why and does not count.

The new policy is refused where it is worse on either: the interval lies below 0, or the difference is below 0 by more
than a margin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.data.rows import RowError
from agent.policy.distribution import Policy
from agent.policy.loading import Foundation
from agent.records.state import Goal
from agent.store.feedback import FeedbackLog
from eval.metrics import Interval
from eval.off_policy.report import Settings, paired
from eval.off_policy.samples import Unsupported
from eval.off_policy.target import PolicyTarget
from eval.protocols import rated_slates as protocol
from eval.protocols.requests import user_part
from eval.ranking.baselines import history_scorer
from eval.ranking.cases import by_history
from eval.ranking.table import compare_scorers
from training.progress import Progress, silent
from training.splits import past_and_future, rated_slates

MARGIN = 0.01
"""The click rate on rated slates may be lower by this, as long as that could be chance."""

LOG_MARGIN = 0.05
"""And the expected clicks on a slate of the chat by this."""

GOALS: tuple[Goal, ...] = ("like", "request")
ESTIMATORS = ("dr", "snips", "rips", "iips")
"""The first of these that the log supports is believed; named beforehand, so that nobody picks the kindest."""

PolicyMaker = Callable[[Foundation], Policy]
"""Makes a policy on top of what is fitted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison: ``about`` says of what, ``new`` and ``old`` are what each reaches.

    ``difference`` is None where nothing could be said; ``note`` then says why, and otherwise how it was measured.
    """

    about: str
    new: Interval | None
    old: Interval | None
    difference: Interval | None
    margin: float
    note: str

    @property
    def reason(self) -> str | None:
        """Why this speaks against the new policy; None where it does not."""
        if self.difference is None:
            return None
        if self.difference.high < 0:
            return f"{self.about}: worse, the difference is {self.difference} and the whole interval is below 0"
        if self.difference.mean < -self.margin:
            return f"{self.about}: the difference is {self.difference}, below 0 by more than {self.margin}"
        return None


@dataclass(frozen=True, slots=True)
class PromotionReport:
    """What was found, and what follows from it."""

    candidate: str
    current: str
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the candidate is refused; empty where it may be promoted."""
        return tuple(finding.reason for finding in self.findings if finding.reason is not None)

    @property
    def accepted(self) -> bool:
        """Whether the candidate may take the place of the current policy."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json`` and for the registry."""
        return {**asdict(self), "accepted": self.accepted, "reasons": list(self.reasons)}


def compare(
    candidate: PolicyMaker,
    current: PolicyMaker,
    dataset: Dataset,
    log: FeedbackLog | Path | None = None,
    since: float | None = None,
    report: Progress = silent,
) -> PromotionReport:
    """Compare two policies, the new one first.

    ``dataset``: what the chat recommends from, with the ratings that the slates are cut from; ``log``: the chat's log
    or its export (None: only the rated slates are asked); ``since``: leaves out impressions before this time, which the
    candidate was trained on.

    Raises:
        ValueError: the data set has no rated slates, so that nothing can be said.
    """
    report("rated slates", 0, 2)
    findings, names = on_rated_slates(candidate, current, dataset)
    report("the chat's log", 1, 2)
    if log is not None:
        whole = Foundation.of(dataset)
        targets = [PolicyTarget(make(whole), whole.catalogue) for make in (candidate, current)]
        findings.append(logged(targets[0], targets[1], log, since))
    report("the chat's log", 2, 2)
    return PromotionReport(names[0], names[1], tuple(findings))


def logged(
    new: PolicyTarget,
    old: PolicyTarget,
    log: FeedbackLog | Path,
    since: float | None = None,
    only: Collection[str] | None = None,
) -> Finding:
    """What the chat's log says of two policies; ``only``: ids of the impressions that are believed (None: all)."""
    about = "clicks on a slate of the chat"
    try:
        result = paired(log, new, old, "click", Settings(estimators=ESTIMATORS), since, only)
    except RowError as error:
        return Finding(about, None, None, None, LOG_MARGIN, f"nothing can be said: {error}")
    for row in result.rows:
        if isinstance(row.difference, Interval) and isinstance(row.new, Interval) and isinstance(row.old, Interval):
            rows = f"{row.estimator} over {result.diagnostics[0].rows} impressions"
            return Finding(about, row.new, row.old, row.difference, LOG_MARGIN, rows)
    why = next(row.difference.reason for row in result.rows if isinstance(row.difference, Unsupported))
    return Finding(about, None, None, None, LOG_MARGIN, f"the log cannot support an estimate: {why}")


def on_rated_slates(
    candidate: PolicyMaker, current: PolicyMaker, dataset: Dataset
) -> tuple[list[Finding], tuple[str, str]]:
    """A finding for each goal, and the names of the two policies."""
    parts = past_and_future(indexed_ratings(dataset))
    slates = [slate for slate in rated_slates(parts) if user_part(slate.user) == "valid"]
    if not slates:
        raise ValueError(f"{dataset.name!r} has too few ratings per user to cut slates from: nothing can be compared")
    foundation = Foundation.of(dataset.only(parts.past))
    new, old = candidate(foundation), current(foundation)
    findings = []
    for goal in GOALS:
        scorers = {"new": by_history(history_scorer(new, goal)), "old": by_history(history_scorer(old, goal))}
        by_name = compare_scorers(protocol.cases(slates), scorers, "old")
        findings.append(
            Finding(
                about=f"click rate on rated slates (goal {goal!r})",
                new=by_name["new"].figures["click_rate"],
                old=by_name["old"].figures["click_rate"],
                difference=by_name["new"].differences["click_rate"],
                margin=MARGIN,
                note=f"{len(slates)} slates of {len({slate.user for slate in slates})} people",
            )
        )
    return findings, (new.version, old.version)
