"""Adapting to a data set: from imported tables to a tuned policy in its registry, within a budget of time.

One path for any data: features fitted on each user's past, a part of the users left out; supervised fine-tuning on what
those users had next, liked, and would ask for; PPO on their own feedback (slates of known grades where there are grades
of several kinds, else the next event among drawn items); the weights of the LM and of the text similarity chosen on
validation events. Each user's last two events are never trained on.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.features.model import FEATURES, EvidenceModel
from agent.policy.distribution import Parts, Policy
from agent.policy.item_embeddings import RowMaker, item_token
from agent.policy.item_lm import PolicyCard, best_device, load_base
from agent.policy.loading import BEFORE_PPO, Foundation, catalogue_features, new_item_features, registry
from agent.policy.registry import AdapterEntry
from agent.policy.semantic import SemanticSimilarity
from agent.policy.state_prompt import StatePrompt
from agent.policy.weights import check_memory
from agent.records.state import POSITIVE, Goal, State
from training.adapter import write_adapter
from training.checkpoints import last_checkpoint
from training.ppo.rewards import reward_table
from training.ppo.rows import rows_dataset, split_probe
from training.ppo.run import train_ppo_policy
from training.ppo.settings import PpoSettings
from training.progress import Progress, silent
from training.release import TRAINING_FILE
from training.requests.facet_writer import request_writer
from training.sft.packing import GOALS
from training.sft.rows import RowPlan, SftRows, build_rows
from training.sft.trainer import SftSettings, can_start_from, fit_evidence_weights, train_policy
from training.splits import LeaveOneOut, Slate, held_out_users, leave_one_out, past_slates

HOW = "concierge adapt"

LEFT_OUT = 0.3
"""Share of the users (at most MOST_USERS) whose events give the training rows, with features that never saw them."""

MOST_USERS = 3_000
USERS_A_MINUTE, SLATES_A_MINUTE = 100, 60
"""How much is made for each minute of the budget: people whose events give rows, and slates for PPO."""

SHARES = {"sft": 0.5, "ppo": 0.2}
"""Parts of the budget; the rest is for features, calibration and the table."""

ENOUGH_SLATES = 60
"""With fewer slates of known grades PPO is paid for the next event instead."""

DRAWN = 19
"""Items that the next event stands among."""

VALIDATION = 200
"""Users on whose validation events weights are chosen."""

LM_GRID = (0.0, 0.1, 0.3, 0.6, 1.0)
SEMANTIC_GRID = (0.0, 0.2, 0.6, 1.2, 2.0)

LEAST_EVENTS = 3
"""An item with fewer events keeps no row: the row maker knows as much of it."""

PROBE = 0.15
"""Share of the users whose slates are not trained on: they say when to stop."""
_BATCH = 32


class AdaptError(ValueError):
    """A data set cannot be adapted to; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class AdaptSettings:
    """How a data set is adapted to.

    ``minutes`` is the whole budget, without the fit of the features for serving; ``layers`` and ``lora_rank`` as in
    :class:`training.sft.trainer.SftSettings`.
    """

    minutes: float = 30.0
    layers: int | None = 18
    lora_rank: int = 16
    template: str = "state"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise AdaptError(f"minutes {self.minutes}: give a number above 0")


@dataclass(frozen=True)
class Adapted:
    """What adapting leaves: the version that is in use now, the folders before and after PPO, and the run's figures."""

    entry: AdapterEntry
    before: Path
    after: Path
    figures: dict[str, Any]


def adapt(
    dataset: Dataset,
    output: Path,
    settings: AdaptSettings | None = None,
    model: str | None = None,
    resume: bool = False,
    report: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> Adapted:
    """Train a policy for a data set and put it to use.

    Args:
        dataset: the data set, whole.
        output: receives checkpoints and adapters.
        settings: the budget and the rest.
        model: the base LM by name or folder (None: the fetched default).
        resume: go on from what ``output`` holds.
        report: called with (what is being done, steps done, steps in all).
        say: called with what somebody should know at once.

    Raises:
        AdaptError, AssetError, ValueError: the data are too thin to train on, or the model does not fit in memory.
    """
    started = time.perf_counter()
    settings = settings or AdaptSettings()
    base = resolve_model(model)
    check_memory(base, training=True, layers=settings.layers)
    held = leave_one_out(indexed_ratings(dataset))
    if held.train.empty and (dataset.requests is None or not len(dataset.requests)):
        raise AdaptError(
            f"{dataset.name!r} has no events and no requests of known answers: chat with it as it is, there is nothing "
            "to train on"
        )
    run = _Run(dataset, held, output, settings, base, report, say)
    for note in run.foundation.features.notes:
        say(note)
    before = run.sft(resume)
    run.calibrate(before)
    after = run.ppo(before, resume)
    if after != before:
        run.calibrate(after)
    figures = {**run.figures, "seconds": round(time.perf_counter() - started, 1)}
    known = registry(dataset.name)
    version = known.free_version("adapt")
    figures["data_fingerprint"] = dataset.fingerprint
    (after / TRAINING_FILE).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    entry = known.add(
        after, version, how=HOW, figures={"data_fingerprint": dataset.fingerprint, "seconds": figures["seconds"]}
    )
    known.promote(version, note={"how": HOW})
    report("features for serving", 0, 1)
    Foundation.of(dataset)
    report("features for serving", 1, 1)
    return Adapted(entry, before, after, figures)


class _Run:
    """One adaptation, phase by phase."""

    def __init__(
        self,
        dataset: Dataset,
        held: LeaveOneOut,
        output: Path,
        settings: AdaptSettings,
        base: str | Path,
        report: Progress,
        say: Callable[[str], None],
    ) -> None:
        self.dataset, self.held, self.output, self.settings = dataset, held, output, settings
        self.base, self.report, self.say = base, report, say
        self.figures: dict[str, Any] = {"data": dataset.name, "settings": asdict(settings), "phases": {}}
        report("features", 0, 2)
        self.asked = split_requests(dataset)
        self.past = replace(dataset.only(held.train), requests=self.asked.train)
        self.foundation = Foundation.of(self.past)
        self.catalogue: Catalogue = self.foundation.catalogue
        self.histories = user_histories(held.train)
        report("features", 1, 2)
        self.users, self.apart = self._apart() if len(self.histories) else ((), self.foundation.features)
        report("features", 2, 2)
        self.rng = np.random.default_rng(settings.seed)
        self._rows: SftRows | None = None

    def _apart(self) -> tuple[tuple[str, ...], EvidenceModel]:
        """The users that rows are made from, and features that were fitted without them."""
        names = [user for user, history in self.histories.items() if len(history) >= 3]
        if len(names) < 2:
            raise AdaptError(f"{self.dataset.name!r} has {len(names)} users with three events: two or more are needed")
        share = min(LEFT_OUT, MOST_USERS / len(names))
        users = tuple(sorted(held_out_users(names, max(share, 1.0 / len(names)), self.settings.seed)))
        rest = self.held.train[~self.held.train["user"].isin(users)]
        return users, EvidenceModel.cached(self.past, rest, self.settings.seed, progress=False)

    @property
    def rows(self) -> SftRows:
        """The training rows; the same for the same data and seed."""
        if self._rows is None:
            self._rows = build_rows(
                self.histories,
                [(self.apart, self.users)],
                self.catalogue,
                self.foundation.features.taste.watched_with.neighbours,
                request_writer(self.catalogue),
                RowPlan(users=self._people(), seed=self.settings.seed, least=8),
                lambda done, of: self.report("rows", done, of),
                self._answered(self.asked.train),
            )
        return self._rows

    def _people(self) -> int:
        """How many people's rows the budget is enough for; each gives about twenty."""
        return int(np.clip(USERS_A_MINUTE * self.settings.minutes, 50, MOST_USERS))

    def _answered(self, requests: pd.DataFrame | None) -> list[tuple[str, int]]:
        """Requests with the catalogue index of their answer."""
        if requests is None:
            return []
        pairs = zip(requests["text"].astype(str), requests["item"].astype(str), strict=True)
        return [(text, self.catalogue.index(item)) for text, item in pairs if item in self.catalogue]

    def sft(self, resume: bool) -> Path:
        """Fine-tune; returns the adapter's folder."""
        folder, run = self.output / "sft" / "adapter", self.output / "sft" / "run"
        if resume and (folder / TRAINING_FILE).is_file():
            self.say(f"Fine-tuning is done already: {folder}.")
            return folder
        self._say_resume("Fine-tuning", run, resume)
        started = time.perf_counter()
        network, tokenizer = load_base(self.base, self.settings.layers, device=best_device())
        layers = network.config.num_hidden_layers
        features = catalogue_features(self.catalogue, self.foundation.features, self.base, layers)
        first_item = len(tokenizer)
        tokenizer.add_tokens([item_token(item.item_id) for item in self.catalogue.items])
        template = prompts.pinned(self.settings.template)
        prompt = StatePrompt(prompts.load(template), tokenizer, self.catalogue.items)
        settings = SftSettings(
            layers,
            self.settings.lora_rank,
            epochs=3.0,
            save_steps=50,
            seed=self.settings.seed,
            seconds=60 * self.settings.minutes * SHARES["sft"],
        )
        rows = self.rows
        start = (
            BEFORE_PPO
            if can_start_from(BEFORE_PPO, self.base, layers, self.settings.lora_rank, features.width)
            else None
        )
        if start is not None:
            self.say(f"Fine-tuning starts from the adapter {start.name!r}.")
        maker = RowMaker(features).to(network.device)
        trainer = train_policy(
            network, tokenizer, maker, rows, prompt, first_item, settings, run, self.report, resume, start
        )
        write_adapter(
            folder,
            trainer.model,
            trainer.model.policy_head,
            self.catalogue.items,
            first_item,
            base=Path(self.base).name if Path(self.base).exists() else str(self.base),
            base_weights=self.base,
            layers=layers,
            features=FEATURES,
            template=template,
            version="sft",
            temperature=1.0,
            max_history=prompt.max_history,
            kept=self._trained(),
        )
        card = PolicyCard.read(folder)
        alone = dict(zip(GOALS, fit_evidence_weights(rows).tolist(), strict=True))
        # Where there are no words the features speak for themselves; the LM's weight is chosen afterwards.
        weights = card.weights | {goal: tuple(round(w, 6) for w in alone[goal]) for goal in ("next", "like")}
        replace(card, weights=weights).write(folder)
        self.figures["phases"]["sft"] = {
            "rows": len(rows.rows),
            "steps": trainer.state.global_step,
            "started_from": start.name if start is not None else None,
            "passes": round(trainer.state.epoch or 0.0, 2),
            "seconds": round(time.perf_counter() - started, 1),
        }
        (folder / TRAINING_FILE).write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")
        return folder

    def _trained(self) -> list[int] | None:
        """Items of which training saw enough for a row of their own; None: too few, so that all are kept."""
        seen = [
            self.held.train["item"].to_numpy(np.int64),
            np.array([item for _, item in self._answered(self.asked.train)], np.int64),
        ]
        counts = np.bincount(np.concatenate(seen), minlength=len(self.catalogue))
        return np.flatnonzero(counts >= LEAST_EVENTS).tolist() or None

    def slates(self) -> tuple[list[Slate], Goal, str]:
        """What PPO is paid for: slates, the goal that the states have, and in words."""
        if not self.users:
            return self._answer_slates(), "request", f"the answer that helped among {DRAWN + 1} items"
        own = self.held.train[self.held.train["user"].isin(self.users)]
        graded = [
            slate for slate in past_slates(own, 0.3, per_user=6) if 0 < sum(slate.clicks(POSITIVE)) < len(slate.items)
        ]
        if len(graded) >= ENOUGH_SLATES:
            return graded, "like", "slates of known grades"
        return self._next_slates(own), "next", f"the next event among {DRAWN + 1} items"

    def _next_slates(self, events: pd.DataFrame, each: int = 4) -> list[Slate]:
        """The event that came next among items that did not: half from the retriever's best, half from all."""
        found = []
        for user, history in user_histories(events).items():
            places = self.rng.choice(np.arange(1, len(history)), min(each, len(history) - 1), replace=False)
            for place in sorted(int(own) for own in places):
                target = history[place].item
                seen = np.array([event.item for event in history[: place + 1]])
                scores = self.apart.retriever.scores([[event.item for event in history[:place]]])[0]
                scores[seen] = -np.inf
                best = np.argsort(-scores)[:100]
                rest = np.setdiff1d(np.arange(len(self.catalogue)), np.concatenate([seen, best]))
                number = min(DRAWN // 2, len(best))
                drawn = [
                    *self.rng.choice(best, number, replace=False),
                    *self.rng.choice(rest, min(DRAWN - number, len(rest)), replace=False),
                ]
                items = self.rng.permutation([target, *(int(own) for own in drawn)])
                grades = tuple(5.0 if item == target else 1.0 for item in items)
                found.append(Slate(user, history[:place], tuple(int(item) for item in items), grades))
        return found

    @cached_property
    def _similarities(self) -> tuple[SemanticSimilarity, ...]:
        """Text similarities that each learned from one half of the requests, to be asked about the other."""
        plain, asked = self.foundation.semantic, self.asked.train
        if plain is None or asked is None:
            return ()
        place = np.array([_half(str(text)) for text in asked["text"]])
        ids = [item.item_id for item in self.catalogue.items]
        return tuple(plain.with_answers(asked[place != half], ids) for half in (0, 1))

    def _answer_slates(self) -> list[Slate]:
        """Requests as slates whose user is the text: the answer among items that did not help, half of them near."""
        found: list[Slate] = []
        if not self._similarities:
            return found
        for text, target in self._answered(self.asked.train):
            order = np.argsort(-self._similarities[_half(text)].scores([text]))
            others = order[order != target]
            near = others[: DRAWN // 2]
            drawn = self.rng.choice(others[len(near) :], min(DRAWN - len(near), len(others) - len(near)), replace=False)
            items = self.rng.permutation([target, *near, *drawn])
            grades = tuple(5.0 if item == target else 1.0 for item in items)
            found.append(Slate(text, (), tuple(int(item) for item in items), grades))
        return found

    def ppo(self, start: Path, resume: bool) -> Path:
        """PPO from an adapter; returns the folder of the policy after it (``start`` where there is too little)."""
        folder, run = self.output / "ppo" / "adapter", self.output / "ppo"
        if resume and (folder / TRAINING_FILE).is_file():
            self.say(f"PPO is done already: {folder}.")
            return folder
        slates, goal, about = self.slates()
        most = max(ENOUGH_SLATES, round(SLATES_A_MINUTE * self.settings.minutes))
        if len(slates) > most:
            slates = [slates[k] for k in sorted(self.rng.choice(len(slates), most, replace=False))]
        if len(slates) < 20:
            self.say(f"PPO is left out: {len(slates)} slates are too few.")
            return start
        self._say_resume("PPO", run / "run", resume)
        self.say(f"PPO is paid for {about} ({len(slates):,} slates).")
        started = time.perf_counter()
        train, probe = split_probe(slates, PROBE, self.settings.seed)
        settings = PpoSettings(steps=400, keep="best", probe_every=20, save_steps=20, seed=self.settings.seed)
        prompt = self._prompt(start)
        result = train_ppo_policy(
            start,
            self.base,
            self.catalogue.items,
            self._slate_rows(train, goal, prompt, start),
            self._slate_rows(probe, goal, prompt, start) if probe else None,
            settings,
            run,
            self.report,
            resume,
            "ppo",
            new_item_features(PolicyCard.read(start), self.catalogue, self.foundation.features, self.base),
            seconds=60 * self.settings.minutes * SHARES["ppo"],
        )
        self.figures["phases"]["ppo"] = {
            "paid_for": about,
            "slates": len(train),
            "steps": result.trainer.state.global_step,
            "kept": result.kept,
            "stopped": result.stopped,
            "probe": [[entry["step"], entry["probe"]] for entry in result.history if "probe" in entry],
            "seconds": round(time.perf_counter() - started, 1),
        }
        (folder / TRAINING_FILE).write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")
        return folder

    def _prompt(self, folder: Path) -> StatePrompt:
        from transformers import AutoTokenizer

        card = PolicyCard.read(folder)
        tokenizer = AutoTokenizer.from_pretrained(self.base)
        tokenizer.add_tokens([item_token(item.item_id) for item in self.catalogue.items])
        return StatePrompt(prompts.load(card.template), tokenizer, self.catalogue.items, card.max_history)

    def _slate_rows(self, slates: Sequence[Slate], goal: Goal, prompt: StatePrompt, start: Path) -> Any:
        states = [State(slate.history, slate.user if goal == "request" else "", goal=goal) for slate in slates]
        evidence: list[np.ndarray | Parts] = []
        policy = self.foundation.policy(start, self.base)
        for begin in range(0, len(slates), _BATCH):
            self.report("features of the slates", begin, len(slates))
            part = slates[begin : begin + _BATCH]
            if goal == "request":
                for slate, state in zip(part, states[begin : begin + _BATCH], strict=True):
                    policy.semantic = self._similarities[_half(slate.user)]
                    evidence += policy.parts([state], [np.array(slate.items)])
                continue
            chosen = np.zeros((len(part), max(len(slate.items) for slate in part)), np.int64)
            for row, slate in enumerate(part):
                chosen[row, : len(slate.items)] = slate.items
            block = self.apart.features([slate.history for slate in part], chosen)
            evidence += [own[: len(slate.items)] for own, slate in zip(block, part, strict=True)]
        return rows_dataset(
            users=[slate.user for slate in slates],
            prompts=prompt.encode(states),
            candidates=[slate.items for slate in slates],
            evidence=evidence,
            rewards=reward_table(slates, "click"),
            ratings=[slate.ratings for slate in slates],
            states=states,
        )

    def calibrate(self, folder: Path) -> None:
        """Choose by the likelihood of validation events how much the LM and the text similarity may say."""
        policy = self.foundation.policy(folder, self.base)
        users = sorted(set(self.held.valid["user"]))
        chosen = users
        if len(users) > VALIDATION:
            # The same people before and after PPO.
            drawn = np.random.default_rng(self.settings.seed).choice(len(users), VALIDATION, replace=False)
            chosen = [users[k] for k in drawn]
        events = self.held.valid[self.held.valid["user"].isin(chosen)]
        cases = [
            (self.histories.get(str(user), ()), int(item), rating)
            for user, item, rating in zip(events["user"], events["item"], events["rating"], strict=True)
        ]
        weights = dict(policy.lm_weights)
        tried: dict[str, Any] = {}
        plain = [(State(history, goal="next"), item) for history, item, _ in cases]
        if plain:
            weights["next"], tried["next"] = self._best_lm_weight(policy, plain)
            weights["like"] = weights["next"]
        writer, rng = request_writer(self.catalogue), np.random.default_rng(self.settings.seed + 1)
        asked = []
        for history, item, rating in cases:
            if rating != rating or rating >= POSITIVE:
                request = writer.write(item, rng, "mixed", False)
                if request is not None:
                    asked.append((State(history, request.text, goal="request"), item))
        asked += [
            (State((), text, goal="request"), item) for text, item in self._answered(self.asked.valid)[:VALIDATION]
        ]
        card = PolicyCard.read(folder)
        if asked:
            weights["request"], semantic, tried["request"] = self._best_request_weights(policy, asked)
            card = replace(card, semantic_weight=semantic, reads_requests=True)
        replace(card, lm_weights={goal: round(w, 4) for goal, w in weights.items()}).write(folder)
        self.figures["phases"].setdefault("calibration", {})[folder.parent.name] = tried

    def _best_lm_weight(self, policy: Policy, cases: Sequence[tuple[State, int]]) -> tuple[float, dict[str, float]]:
        likelihood = np.zeros(len(LM_GRID))
        unit = at_full_weight(policy)
        for start in range(0, len(cases), 8):
            self.report("calibration", start, len(cases))
            part = cases[start : start + 8]
            evidence, lm = unit.scores([state for state, _ in part])
            for row, (state, item) in enumerate(part):
                likelihood += [_log_chance(evidence[row] + v * lm[row], state, item) for v in LM_GRID]
        best = LM_GRID[int(np.argmax(likelihood))] if cases else 0.0
        return best, dict(zip(map(str, LM_GRID), (likelihood / max(len(cases), 1)).round(4).tolist(), strict=True))

    def _best_request_weights(
        self, policy: Policy, cases: Sequence[tuple[State, int]]
    ) -> tuple[float, float, dict[str, float]]:
        grid = [(v, s) for v in LM_GRID for s in (SEMANTIC_GRID if policy.semantic is not None else (0.0,))]
        likelihood = np.zeros(len(grid))
        unit = at_full_weight(policy)
        for start in range(0, len(cases), 8):
            self.report("calibration of requests", start, len(cases))
            part = cases[start : start + 8]
            states = [state for state, _ in part]
            evidence, lm = unit.without_semantic().scores(states)
            for row, (state, item) in enumerate(part):
                wish = (
                    policy.semantic.scores([state.request]) if policy.semantic is not None else np.zeros(1, np.float32)
                )
                likelihood += [_log_chance(evidence[row] + v * lm[row] + s * wish, state, item) for v, s in grid]
        lm_weight, semantic = grid[int(np.argmax(likelihood))]
        named = {f"{v}, {s}": round(float(own) / len(cases), 4) for (v, s), own in zip(grid, likelihood, strict=True)}
        return lm_weight, semantic, named

    def _say_resume(self, what: str, run: Path, resume: bool) -> None:
        if resume:
            checkpoint = last_checkpoint(run)
            self.say(
                f"{what} goes on from {checkpoint}." if checkpoint else f"{what} has no checkpoint: it begins anew."
            )


@dataclass(frozen=True)
class AskedParts:
    """Requests of known answers: to fit on, to choose on, and to judge by; None where there are none."""

    train: pd.DataFrame | None
    valid: pd.DataFrame | None
    test: pd.DataFrame | None


def split_requests(dataset: Dataset) -> AskedParts:
    """A fifth of the requests to judge by and a tenth to choose on, by a hash of the text: the same on any machine."""
    requests = dataset.requests
    if requests is None or requests.empty:
        return AskedParts(None, None, None)
    place = np.array([hashlib.sha256(str(text).encode()).digest()[0] for text in requests["text"]])
    test, valid = place < 51, (place >= 51) & (place < 77)
    return AskedParts(*(requests[part].reset_index(drop=True) for part in (~(test | valid), valid, test)))


def _half(text: str) -> int:
    """Which half of the requests a text belongs to: the same on any machine."""
    return hashlib.sha256(text.encode()).digest()[1] % 2


def at_full_weight(policy: Policy) -> Policy:
    """The same policy with a weight of 1 for the LM's logits."""
    other = copy.copy(policy)
    other.lm_weights = dict.fromkeys(GOALS, 1.0)
    return other


def _log_chance(logits: np.ndarray, state: State, item: int) -> float:
    """Log-probability of an item among all that the state has not seen."""
    own = logits.astype(np.float64)
    seen = [event.item for event in state.history if event.item != item]
    own[seen] = -np.inf
    top = own.max()
    return float(own[item] - top - np.log(np.exp(own - top).sum()))
