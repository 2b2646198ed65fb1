"""Rounds of the loop: serve, estimate, train, compare, and promote or refuse, each written down before the next.

A round serves the people (a chat in another process, or simulated ones), looks at the experiment that runs, trains a
candidate on what was logged since the last round, asks the log off-policy what it would have earned, and lets the
candidate serve a share of the people beside the version in use where nothing speaks against it. What then decides is
the experiment: the version in use is replaced when the anytime-valid interval of the difference lies above 0, and the
candidate is rolled back when it lies below.

What is fitted anew in a round: the counts of what was taken up (incremental, older ones fade), the weights of the
features and of the ranker of conversations (PPO from where they stand), and LoRA where its rate is not 0. The sequence
model, the trees and the texts' vectors are not: they are fitted on the data set, anew and whole, when that is imported
again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from typing import Any

from agent.policy.conversational_ranker import RANKER_FILE, ConversationalRanker
from agent.policy.item_lm import PolicyCard
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import LoggedImpression, read_impressions
from agent.store.loop_rounds import LoopRound, LoopRounds
from eval.live.experiments import POLICY
from eval.live.experiments import report as by_version
from eval.live.policies import PolicyResults, compare_arms, results
from eval.metrics import Interval
from eval.off_policy.target import PolicyTarget
from eval.policy.promotion import Finding, logged, on_rated_slates
from training.ppo.feedback import FeedbackError, FeedbackSettings, Ground, train_from_feedback
from training.ppo.log_guards import Guarded, guard, owner
from training.ppo.settings import PpoSettings
from training.progress import Progress, silent

STEPS = (1.0, 0.5, 0.25, 0.1)
"""A candidate that the log cannot judge is drawn back towards the version it was trained from, to these parts."""

CHEAP = PpoSettings(
    lora_rate=0.0, weights_rate=3e-3, ranker_rate=6e-3, critic_rate=3e-3, slates=64, kl_weight=0.1, kl_target=0.15,
    kl_limit=3.0, probe_every=0, save_steps=100_000, entropy_floor=0.0, distinct_floor=0.0,
)  # fmt: skip
"""What trains in a round on two cores: the weights of the features and of the ranker, not the LM."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the loop serves, trains and judges.

    ``share`` of the people that a candidate serves; ``keep_control``: the version in use at the start stays the control
    for good, so that all rounds can be measured against it; ``rated``: rated slates are asked too. ``held_out``: the
    part of the people that nothing is ever trained on, by a hash; what they did in the last ``window`` rounds is what
    the log is asked on. ``feedback``: how a round trains.

    Raises:
        ValueError: a value is out of range.
    """

    share: float = 0.5
    keep_control: bool = False
    rated: bool = True
    window: int = 2
    held_out: float = 0.4
    feedback: FeedbackSettings = field(default_factory=lambda: FeedbackSettings(holdout=0.0, passes=4, ppo=CHEAP))

    def __post_init__(self) -> None:
        for name in ("share", "held_out"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: give a part of the people, between 0 and 1")
        if self.window < 1:
            raise ValueError(f"window {self.window}: the log is asked on one round at least")


class Loop:
    """The loop over one data set and one log; ``output`` receives the runs of the trainings."""

    def __init__(
        self,
        log: FeedbackLog,
        ground: Ground,
        settings: LoopSettings | None = None,
        output: Path = Path("runs/loop"),
        report: Progress = silent,
    ) -> None:
        self.log, self.ground, self.settings = log, ground, settings or LoopSettings()
        self.output, self.report = output, report
        self.rounds = LoopRounds(log, ground.dataset.name)

    def round(self, serve: Callable[[LoopRound], None]) -> LoopRound:
        """One round; one that was broken off goes on where it stood.

        ``serve`` returns when enough was shown. Whatever is refused is written into the round with its reason.
        """
        own = self.rounds.open()
        if own.phase == "serving":
            serve(own)
            own = self.rounds.keep(own, "training", served=self.served(own))
        if own.phase == "training":
            own = self.rounds.keep(own, "comparing", trained=self._trained(own))
        return self.rounds.keep(own, "done", **self._decided(own))

    def outlook(self) -> dict[str, Any]:
        """What a round would learn from if it ended now; nothing is changed."""
        last = self.rounds.all()[-1:]
        since = last[0].started if last and last[0].phase != "done" else (last[0].ended or 0.0) if last else 0.0
        found = self.believed(since)
        train, judges = self.held_out(since, found.kept)
        return {
            "trained_from": self._current(),
            "impressions": len(found.kept) + sum(found.left_out.values()),
            "to_train_on": len(train),
            "to_judge_by": len(judges),
            "left_out": dict(found.left_out),
            "refused": found.refused,
        }

    def believed(self, since: float) -> Guarded:
        """What the guards say of the log from a time on."""
        return guard(list(read_impressions(self.log, since)), self.settings.feedback.guards)

    def held_out(self, since: float, kept: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Of the ids that are believed, those to train on and those to judge by, of people never trained on."""
        people = {own.impression.id: owner(own) for own in read_impressions(self.log, since)}
        held = frozenset(id for id in kept if zlib.crc32(people[id].encode()) % 1000 < 1000 * self.settings.held_out)
        return frozenset(kept) - held, held

    def served(self, own: LoopRound) -> dict[str, Any]:
        """What was shown in the round: the guards' findings, each version's figures, the experiment as it stands."""
        shown = [slate for slate in read_impressions(self.log, own.started) if slate.impression.slate]
        found = guard(shown, self.settings.feedback.guards)
        arms = sorted({slate.impression.policy for slate in shown})
        experiment = self.ground.registry.experiment()
        told: dict[str, Any] = {
            "impressions": len(shown),
            "until": time.time(),
            "guards": {"kept": len(found.kept), "left_out": dict(found.left_out), "refused": found.refused},
            "versions": arms,
            "in_use": self.ground.registry.active(),
            "experiment": None if experiment is None else asdict(experiment),
        }
        if experiment is not None and found.kept:
            told["round"] = self._of_round(shown, found, experiment.challenger, experiment.control, experiment.weight)
            told["standing"] = results(experiment, read_impressions(self.log, experiment.began)).to_json()
            told["all_rounds"] = self._all_rounds(experiment.control, experiment.weight).to_json()
        elif shown:
            told["round"] = {"arms": compare_arms(shown, arms, (), self.settings.share).to_json()["arms"]}
        return told

    def _of_round(
        self, shown: Sequence[LoggedImpression], found: Guarded, challenger: str, control: str, weight: float
    ) -> dict[str, Any]:
        """The two versions in this round alone, and the difference in clicks a slate that the log had promised."""
        believed = [slate for slate in shown if slate.impression.id in found.kept]
        told: dict[str, Any] = compare_arms(believed, {challenger}, {control}, weight).to_json()
        first = min((slate.impression.timestamp for slate in believed), default=0.0)
        arms = by_version(self.log, first, (control, challenger), role=POLICY)
        measured = arms.differences[0]["clicks"] if arms.differences else None
        told["clicks_difference"] = None if measured is None else asdict(measured)
        before = self.rounds.all()[-2:-1]
        promised = before[0].document.get("promise") if before else None
        if promised is not None and measured is not None and before[0].document.get("candidate") == challenger:
            low, high = promised["low"], promised["high"]
            told["promise"] = promised
            told["promise_held"] = low <= measured.mean <= high
            told["promise_compatible"] = low <= measured.high and measured.low <= high
        return told

    def _all_rounds(self, control: str, weight: float) -> PolicyResults:
        """Every version that the loop made against the control, since the first of them served."""
        rounds = self.rounds.all()
        served = (later.started for one, later in pairwise(rounds) if one.document.get("candidate"))
        began = next(served, rounds[-1].started)
        shown = [slate for slate in read_impressions(self.log, began) if slate.impression.slate]
        made = {own.document["candidate"] for own in rounds if own.document.get("candidate")}
        return compare_arms([s for s in shown if s.impression.policy in made | {control}], made, {control}, weight)

    def _trained(self, own: LoopRound) -> dict[str, Any]:
        """The candidate of the round, or why there is none; the experiment is judged first."""
        told: dict[str, Any] = {"stopped": self._judge()}
        current = self._current()
        told["from"] = current
        if not self.settings.keep_control and self.ground.registry.experiment() is not None:
            return {**told, "candidate": None, "why": f"the experiment of {current} is not decided yet"}
        since = own.started
        found = self.believed(since)
        if found.refused is not None:
            why = f"the log is not learnt from: {found.refused} (left out: {dict(found.left_out) or 'none'})"
            return {**told, "candidate": None, "why": why}
        train, _ = self.held_out(since, found.kept)
        settings = replace(self.settings.feedback, since=since, only=train, guards=None)
        folder = self.ground.registry.verified(current).folder
        place = self.output / f"round-{own.number}"
        try:
            made = train_from_feedback(self.log, self.ground, folder, place, settings, self.report)
        except FeedbackError as error:
            return {**told, "candidate": None, "why": str(error)}
        entry = self.ground.registry.entry(made.name)
        return {**told, "candidate": made.name, "figures": dict(entry.figures)}

    def _current(self) -> str:
        """The version that a round trains from: what a new one would take the place of."""
        experiment = self.ground.registry.experiment()
        return self.ground.registry.active() if experiment is None else experiment.challenger

    def _judge(self) -> str | None:
        """End the experiment that runs where it is decided; says how."""
        known, experiment = self.ground.registry, self.ground.registry.experiment()
        if experiment is None:
            return None
        since = experiment.began
        kept = self.believed(since).kept
        standing = results(experiment, [s for s in read_impressions(self.log, since) if s.impression.id in kept])
        note = standing.to_json()
        if standing.verdict == "control" or standing.verdict == "no difference":
            known.stop_experiment(note)
            return f"{experiment.challenger} is rolled back, {experiment.control} serves all: {_why(standing)}"
        if standing.verdict == "challenger" and not self.settings.keep_control:
            known.promote(experiment.challenger, note=note)
            return f"{experiment.challenger} is in use, in the place of {experiment.control}: {_why(standing)}"
        return None

    def _decided(self, own: LoopRound) -> dict[str, Any]:
        """Promotion into an experiment, or refusal, with what was found and why."""
        trained = own.document["trained"]
        name, current = trained.get("candidate"), trained["from"]
        if name is None:
            return {"candidate": None, "decision": "refused", "why": trained["why"]}
        known = self.ground.registry
        since = self.rounds.all()[-self.settings.window :][0].started
        _, judges = self.held_out(since, self.believed(since).kept)
        before = self._target(current)
        finding: Finding | None = None
        # LoRA is no sum of parts: what trained it is taken whole or not at all.
        parts = STEPS if self.settings.feedback.ppo.lora_rate == 0 else STEPS[:1]
        for part in parts:
            version = name if part == 1.0 else self._drawn_back(name, current, part)
            self.report("asking the log", parts.index(part), len(parts))
            target = self._target(version)
            finding = logged(target, before, self.log, since, judges)
            name = version
            if finding.difference is not None:
                break
        assert finding is not None
        told: dict[str, Any] = {"candidate": None, "finding": asdict(finding), "part": part}
        if finding.difference is None:
            return {**told, "decision": "refused", "why": finding.note}
        findings = [finding]
        if self.settings.rated:
            makers = [lambda f, v=v: f.policy(known.verified(v).folder, self.ground.model) for v in (name, current)]
            findings += on_rated_slates(makers[0], makers[1], self.ground.dataset)[0]
            told["rated"] = [asdict(own) for own in findings[1:]]
        against = [own.reason for own in findings if own.reason is not None]
        if against:
            return {**told, "decision": "refused", "why": "; ".join(against)}
        control = known.active()
        promise: Interval | None = finding.difference
        if control != current:
            target = self._target(name)
            beside = self._target(control)
            promise = logged(target, beside, self.log, since, judges).difference
        known.begin_experiment(name, self.settings.share, {"finding": asdict(finding)})
        why = f"{finding.about}: {finding.difference} ({finding.note})"
        return {
            **told,
            "candidate": name,
            "decision": "serves a share",
            "why": why,
            "promise": None if promise is None else asdict(promise),
        }

    def _target(self, version: str) -> PolicyTarget:
        # A candidate is a small step from what was logged: what it could bring in from outside weighs next to nothing.
        return PolicyTarget(self.ground.policy(version), self.ground.foundation.catalogue, among_logged=True)

    def _drawn_back(self, name: str, current: str, part: float) -> str:
        """A version between two of one line: its weights are ``part`` of the way from the current to the new one."""
        known = self.ground.registry
        version = f"{name.split('x')[0]}x{part:g}"
        new, old = (known.verified(own).folder for own in (name.split("x")[0], current))
        place = self.output / version
        card, before = PolicyCard.read(new), PolicyCard.read(old)
        if version not in {entry.version for entry in known.entries()}:
            between = _between(before.weights, card.weights, part)
            copytree(new, place, dirs_exist_ok=True)
            replace(card, weights=between).write(place)
            if (new / RANKER_FILE).is_file():
                after = ConversationalRanker.load(new)
                usual = self.ground.foundation.conversational
                start = (
                    ConversationalRanker.load(old)
                    if (old / RANKER_FILE).is_file()
                    else (after if usual is None else usual.ranker)
                )
                mixed = {
                    key: start.weights.get(key, 0.0) + part * (value - start.weights.get(key, 0.0))
                    for key, value in after.weights.items()
                }
                replace(after, weights=mixed).save(place)
            known.add(place, version, current, f"{part:g} of the way to {name.split('x')[0]}")
        return version


def _between(
    old: Mapping[str, Sequence[float]], new: Mapping[str, Sequence[float]], part: float
) -> dict[str, tuple[float, ...]]:
    return {
        goal: tuple(a + part * (b - a) for a, b in zip(old[goal], values, strict=True)) for goal, values in new.items()
    }


def _why(standing: PolicyResults) -> str:
    people = sum(arm.people for arm in standing.arms)
    difference: Interval | None = standing.difference
    return f"the difference in click-through is {difference}, at every look at once, over {people:,} people"
