"""Replay: the chat's own log as rows to train on, each place of a slate weighed by how likely it is by now.

The log was written by the policies of its time. For a shown item the importance weight is
``w = pi(item at its place | items above) / mu(item at its place | items above)``, with the present policy ``pi`` as it
would draw slates in the chat and the logged propensity ``mu`` (Precup et al., 2000, per-decision importance sampling),
cut at ``clip`` (Ionides, 2008, truncated importance sampling), which bounds its variance for some bias.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.lookup import RequestError
from agent.dialogue.slate import EXPLORATION
from agent.policy.distribution import Parts, Policy
from agent.records.state import State
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import LoggedImpression, read_impressions
from agent.store.logged_state import logged_state
from training.ppo.log_guards import GuardError, GuardSettings, guard
from training.ppo.rewards import Outcome, Reward, parse_reward
from training.ppo.settings import DEFAULT_REWARD
from training.progress import Progress, silent

if TYPE_CHECKING:
    from training.ppo.rewards import ItemTraits

CLIP = 10.0
"""Importance weights are cut here."""

GREEDY = "not drawn at random: what else could have been shown has no chance in the log"
EMPTY = "nothing was shown"
INEXACT = "the state is not in the log (written by an earlier version)"
UNKNOWN = "an item or a field that this data set does not have"
NO_CHOICE = "only one candidate: there was nothing to choose"

_BATCH = 32


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One logged slate of L items out of C candidates.

    ``owner`` is the data set's user, or the conversation where there was none: rows of one owner belong together.
    ``candidates`` and ``shown`` hold catalogue indices, ``rewards`` what each shown item paid, ``taken`` whether it was
    taken up (a click, see :func:`agent.records.impression.verdict`), ``propensities`` the logged chance of each place
    given those above it, ``current`` the present policy's at the temperature at which it would draw, ``weights`` their
    ratio, clipped; ``parts`` what its logits at the candidates are made of. What the items that were not shown would
    have paid is not known.
    """

    impression: str
    owner: str
    state: State
    candidates: tuple[int, ...]
    shown: tuple[int, ...]
    rewards: tuple[float, ...]
    taken: tuple[bool, ...]
    propensities: tuple[float, ...]
    current: tuple[float, ...]
    weights: tuple[float, ...]
    parts: Parts = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReplayRows:
    """Rows in the order of the log, and what became of every impression.

    ``left_out`` counts the impressions that give no row, by reason; ``told`` counts the shown items that somebody did
    something with; ``clipped`` the places whose weight was above ``clip``.
    """

    rows: tuple[ReplayRow, ...]
    left_out: Mapping[str, int]
    told: int
    clipped: int
    clip: float

    @property
    def places(self) -> int:
        """Shown items in all."""
        return sum(len(row.shown) for row in self.rows)

    @property
    def effective(self) -> float:
        """Effective number of places, ``(sum w)^2 / sum w^2`` (Kish, 1965)."""
        weights = np.array([weight for row in self.rows for weight in row.weights])
        return float(weights.sum() ** 2 / np.square(weights).sum()) if len(weights) else 0.0

    def report(self) -> dict[str, Any]:
        """Plain data: what was used, what was left out and why, and how far the policy is from the log."""
        rewards = [reward for row in self.rows for reward in row.rewards]
        return {
            "impressions": len(self.rows) + sum(self.left_out.values()),
            "used": len(self.rows),
            "left_out": dict(self.left_out),
            "owners": len({row.owner for row in self.rows}),
            "places": self.places,
            "with_a_reaction": self.told,
            "mean_reward": round(float(np.mean(rewards)), 4) if rewards else None,
            "clip": self.clip,
            "clipped_places": self.clipped,
            "effective_places": round(self.effective, 1),
        }


def replay_rows(
    log: FeedbackLog | Path,
    policy: Policy,
    catalogue: Catalogue,
    reward: Reward | str = DEFAULT_REWARD,
    clip: float = CLIP,
    since: float | None = None,
    until: float | None = None,
    traits: ItemTraits | None = None,
    report: Progress = silent,
    guards: GuardSettings | None = None,
    only: Collection[str] | None = None,
) -> ReplayRows:
    """Rows from the feedback log or from its export.

    ``log``: the log, or the file that :meth:`agent.store.feedback.FeedbackLog.export` wrote. ``policy``: the policy
    that will be trained; its chances are those over the logged candidates. ``reward``: what an item's outcome pays, see
    :mod:`training.ppo.rewards`. Nothing done with an item is no click. likes and dislikes read as grades of 5 and 1.
    ``since``: only impressions from this time on, in seconds since 1970. ``until``: only impressions before this time.
    ``guards``: what is not believed is left out (:mod:`training.ppo.log_guards`; None: all is believed); ``only``:
    ids of the impressions that are wanted (None: all).

    Raises:
        GuardError: none of the log is believed.
        ValueError: ``clip`` is not above 0, or the reward or a line of the export cannot be read.
    """
    if not clip > 0:
        raise ValueError(f"clip {clip}: give a number above 0 (weights are 1 where the policy has not changed)")
    pay = parse_reward(reward) if isinstance(reward, str) else reward
    left_out: Counter[str] = Counter()
    kept: list[tuple[LoggedImpression, State, tuple[int, ...], tuple[int, ...]]] = []
    slates = [s for s in read_impressions(log, since) if until is None or s.impression.timestamp < until]
    if guards is not None:
        guarded = guard(slates, guards)
        left_out.update(guarded.left_out)
        if guarded.refused is not None:
            raise GuardError(f"the log is not learnt from: {guarded.refused} (left out: {dict(left_out) or 'none'})")
        slates = [s for s in slates if s.impression.id in guarded.kept]
    if only is not None:
        slates = [s for s in slates if s.impression.id in only]
    for slate in slates:
        found = usable(slate, catalogue)
        if isinstance(found, str):
            left_out[found] += 1
        else:
            kept.append((slate, *found))
    rows: list[ReplayRow] = []
    told = clipped = 0
    chances = _current(policy, [(state, candidates, shown) for _, state, candidates, shown in kept], report)
    for (slate, state, candidates, shown), (current, parts) in zip(kept, chances, strict=True):
        told += slate.told
        verdicts = slate.verdicts()
        rewards = tuple(
            pay(Outcome(item, each.stars, each.clicked, shown, place, state.history, traits))
            for place, (item, each) in enumerate(zip(shown, verdicts, strict=True))
        )
        logged = np.array(slate.impression.propensities)
        ratio = current / logged
        clipped += int((ratio > clip).sum())
        rows.append(
            ReplayRow(
                impression=slate.impression.id,
                owner=slate.impression.user or slate.impression.conversation_id,
                state=state,
                candidates=candidates,
                shown=shown,
                rewards=rewards,
                taken=tuple(each.clicked for each in verdicts),
                propensities=tuple(logged.tolist()),
                current=tuple(current.tolist()),
                weights=tuple(np.minimum(ratio, clip).tolist()),
                parts=parts,
            )
        )
    return ReplayRows(tuple(rows), dict(left_out), told, clipped, clip)


def usable(logged: LoggedImpression, catalogue: Catalogue) -> str | tuple[State, tuple[int, ...], tuple[int, ...]]:
    """State, candidates and shown items of an impression, or why it cannot be used."""
    impression = logged.impression
    if not impression.slate:
        return EMPTY
    if len(impression.candidates) < 2:
        return NO_CHOICE
    if all(propensity == 1.0 for propensity in impression.propensities):
        return GREEDY
    if any(item not in catalogue for item in impression.candidates):
        return UNKNOWN
    try:
        found = logged_state(impression, catalogue)
    except RequestError:
        return INEXACT if impression.state is None else UNKNOWN
    if not found.exact:
        return INEXACT
    candidates, shown = (
        tuple(catalogue.index(item) for item in ids) for ids in (impression.candidates, impression.slate)
    )
    return found.state, candidates, shown


def _current(
    policy: Policy,
    cases: Sequence[tuple[State, tuple[int, ...], tuple[int, ...]]],
    report: Progress,
) -> Iterator[tuple[np.ndarray, Parts]]:
    """The policy's chance of each shown item at its place, as the chat would draw it, and the parts of its logits."""
    for start in range(0, len(cases), _BATCH):
        part = cases[start : start + _BATCH]
        states, candidates = [state for state, _, _ in part], [np.array(own, np.int64) for _, own, _ in part]
        made = policy.parts(states, candidates)
        rankings = policy.rank_many(states, candidates, made)
        for ranking, parts, (_, _, shown) in zip(rankings, made, part, strict=True):
            yield replace(ranking, temperature=policy.temperature * EXPLORATION).propensities(shown), parts
        report("logged slates", start + len(part), len(cases))
