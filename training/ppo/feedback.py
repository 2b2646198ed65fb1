"""The whole path of training on the chat's own feedback: log, replayed slates, PPO, a new version of the adapter."""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import Dataset, load_dataset
from agent.data.interactions import indexed_ratings
from agent.dialogue.slate import EXPLORATION
from agent.features.user_features import ItemInfo
from agent.policy.conversational_policy import SAID
from agent.policy.conversational_ranker import RANKER_FILE, ConversationalRanker
from agent.policy.distribution import Parts, Policy
from agent.policy.item_embeddings import item_keys
from agent.policy.item_lm import PolicyCard
from agent.policy.loading import Foundation, new_item_features, registry
from agent.policy.registry import AdapterRegistry
from agent.policy.taken import TAKEN, Taken
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import read_impressions
from training.ppo.log_guards import GuardSettings
from training.ppo.replay import CLIP, ReplayRow, replay_rows
from training.ppo.rewards import ItemTraits, parse_reward
from training.ppo.rows import rows_dataset
from training.ppo.run import Watch, train_ppo_policy
from training.ppo.settings import DEFAULT_REWARD, PpoSettings
from training.progress import Progress, silent
from training.release import TRAINING_FILE

HOW = "concierge train ppo --from-feedback"
FIXED = {
    "mode": "a logged place is one pick",
    "estimator": "a logged pick has one known reward",
    "k": "a logged place is one pick",
    "steps": "they follow from the log: give --passes",
    "generations": "a logged pick is the same however often it is repeated",
    "num_iterations": "a logged pick is the same however often it is repeated",
    "temperature": "the policy is trained as the chat draws",
    "weight_cap": "the log's weights are cut where replay cuts them",
    "probe_every": "people's later ratings are not known",
    "probe_tolerance": "people's later ratings are not known",
    "probe_errors": "people's later ratings are not known",
    "keep": "people's later ratings are not known",
}
"""PPO settings that do not go with a chat's log, and why."""

FOLDS = 4
"""Parts of the people, of which three tell how often an item was taken up where the fourth is trained on."""

_BATCH = 32


class FeedbackError(ValueError):
    """The log cannot be trained on; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """How the feedback is trained on.

    ``reward``: a mixture of named rewards. ``clip``: largest importance weight. ``since``: leaves out older impressions
    (seconds since 1970). ``holdout``: share of the impressions, the latest, that is kept for comparing the new policy
    with the one in use. ``passes`` over the rows, one a place; ``least``: fewer impressions are not trained on;
    ``kept``: how much what was taken up before still counts beside this log. ``guards``: what of the log is not
    believed (None: all is); ``only``: ids of the impressions that are trained on (None: all but the held-out ones).
    ``ppo`` holds the rest: its rates, KL and guards; what concerns picks and their number follows from the log.

    Raises:
        ValueError: a value is out of range.
    """

    reward: str = DEFAULT_REWARD
    clip: float = CLIP
    since: float | None = None
    holdout: float = 0.2
    passes: int = 4
    least: int = 30
    kept: float = 0.8
    guards: GuardSettings | None = field(default_factory=GuardSettings)
    only: frozenset[str] | None = None
    ppo: PpoSettings = field(default_factory=PpoSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout {self.holdout}: give a share from 0 to below 1")
        if self.passes < 1 or self.least < 2:
            raise ValueError(f"passes {self.passes}, least {self.least}: give at least 1 and at least 2")


@dataclass(frozen=True)
class Ground:
    """What feedback is trained over: the data set, what is fitted on it, and where the versions are kept."""

    dataset: Dataset
    foundation: Foundation
    registry: AdapterRegistry
    model: str | None = None
    with_lm: bool = True

    @classmethod
    def of(cls, data: str, model: str | None = None, with_lm: bool = True) -> Ground:
        """By the name of the data set; the registry is the user's own."""
        dataset = load_dataset(data)
        return cls(dataset, Foundation.of(dataset), registry(data), model, with_lm)

    def policy(self, version: str) -> Policy:
        """The policy that serves as this version."""
        return self.foundation.policy(self.registry.verified(version).folder, self.model, self.with_lm)


def train_from_feedback(
    log: FeedbackLog | Path,
    data: str | Ground = "films",
    adapter: Path | None = None,
    output: Path = Path("runs/feedback"),
    settings: FeedbackSettings | None = None,
    report: Progress = silent,
    model: str | None = None,
    resume: bool = False,
    watch: Watch = lambda entry: None,
) -> Path:
    """Train the policy on what people did in the chat; returns the folder of the new version in the registry.

    The new version is not in use yet: `concierge adapters promote` compares it first.

    ``data``: the name of the data set, or what is loaded of it; ``adapter``: the policy to start from (None: the one in
    use); ``resume``: go on from the newest checkpoint in ``output``; ``watch``: called with each entry of the history.

    Raises:
        FeedbackError: the log has too few impressions that can be trained on, or nothing in them differs.
        GuardError: none of the log is believed.
        AdapterError, AssetError, CheckpointError, RewardError, ValueError: something is missing or does not fit.
    """
    started = time.perf_counter()
    settings = settings or FeedbackSettings()
    ground = data if isinstance(data, Ground) else Ground.of(data, model)
    known, dataset, base = ground.registry, ground.dataset, resolve_model(ground.model)
    source = adapter or known.verified(known.active()).folder
    card, foundation = PolicyCard.read(source), ground.foundation
    catalogue, policy = foundation.catalogue, foundation.policy(source, ground.model, ground.with_lm)
    until = held_out_from(log, settings)
    traits = (
        ItemTraits.of(ItemInfo.of(dataset).categories, indexed_ratings(dataset))
        if parse_reward(settings.reward).needs_traits
        else None
    )
    replayed = replay_rows(
        log,
        policy,
        catalogue,
        settings.reward,
        settings.clip,
        settings.since,
        until,
        traits,
        report,
        settings.guards,
        settings.only,
    )
    facts = replayed.report()
    if len(replayed.rows) < settings.least:
        raise FeedbackError(
            f"{facts['used']} of {facts['impressions']} impressions can be trained on, at least {settings.least} are "
            f"needed (left out: {facts['left_out'] or 'none'}; the latest {settings.holdout:.0%} are kept for the "
            "comparison): chat more, or lower the least number"
        )
    if len({reward for row in replayed.rows for reward in row.rewards}) < 2:
        raise FeedbackError("every item shown paid the same: nobody did anything with any of them, or all the same")
    chat = ChatFeatures.of(replayed.rows, policy, catalogue, settings.kept)
    rows = place_rows(replayed.rows, policy, chat)
    slates = min(settings.ppo.slates, len(rows))
    ppo = replace(
        settings.ppo,
        mode="pick",
        estimator="ppo",
        generations=2,  # a logged pick is the same however often it is repeated
        num_iterations=1,
        slates=slates,
        steps=math.ceil(settings.passes * len(rows) / slates),
        temperature=policy.temperature * EXPLORATION,
        weight_cap=settings.clip,
    )
    features = new_item_features(card, catalogue, foundation.features, base)
    version = known.free_version("feedback")
    run = train_ppo_policy(
        source, base, catalogue.items, rows, None, ppo, output, report, resume, version, features, watch=watch
    )
    if run.stop is not None and run.stop.kind == "non_finite":
        raise FeedbackError(f"training broke off, nothing was added: {run.stopped}; lower the rates")
    # It was trained at the temperature at which the chat draws, and serves at its own.
    replace(run.card, temperature=card.temperature).write(run.folder)
    if chat is not None:
        chat.ranker(run.trainer.model.slate_head.said.detach().cpu().numpy(), version).save(run.folder)
    elif policy.conversational is not None and (source / RANKER_FILE).is_file():
        policy.conversational.ranker.save(run.folder)
    figures: dict[str, Any] = {
        **facts,
        "reward": settings.reward,
        "trained_until": until,
        "rows": len(rows),
        "steps": run.trainer.state.global_step,
        "stopped": run.stopped,
        "kl": run.history[-1]["kl"],
        "seconds": round(time.perf_counter() - started, 1),
    }
    before = source / TRAINING_FILE
    told = json.loads(before.read_text(encoding="utf-8")) if before.is_file() else {}
    told["feedback"] = {"from": card.version, "data_fingerprint": dataset.fingerprint, **figures, "ppo": ppo.plain()}
    (run.folder / TRAINING_FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return known.add(run.folder, version, card.version, HOW, figures).folder


@dataclass(frozen=True)
class ChatFeatures:
    """What a ranker of conversations may weigh, brought up to a chat's log and to one scale for training.

    ``taken`` holds what was taken up (:class:`agent.policy.taken.Taken`), the log of now included; for training, the
    columns of ``unseen`` (folds, 2, n_items) hold it without the fold of the row's owner, whose own takings would
    otherwise foretell themselves. ``scale`` (G,) is the spread of each feature among the candidates of a slate.
    """

    before: ConversationalRanker
    taken: Taken
    unseen: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[ReplayRow], policy: Policy, catalogue: Catalogue, kept: float) -> ChatFeatures | None:
        """From the rows of a log; None where the policy ranks no conversations, or none was held without a past."""
        said = [row.parts.said.std(axis=0) for row in rows if row.parts.said is not None]
        if policy.conversational is None or not said:
            return None
        ranker, keys, means = policy.conversational.ranker, item_keys(catalogue.items), _place_means(rows)
        folds = [_taken([row for row in rows if _fold(row) != fold], keys, means) for fold in range(FOLDS)]
        unseen = np.stack([ranker.chat.plus(own, kept).columns(catalogue) for own in folds])
        spread = np.mean(said, axis=0)
        spread[-len(TAKEN) :] = np.maximum(unseen.std(axis=(0, 2)), spread[-len(TAKEN) :])
        scale = np.where(spread > 1e-4, spread, np.inf).astype(np.float32)
        return cls(ranker, ranker.chat.plus(_taken(rows, keys, means), kept), unseen, scale)

    def parts(self, row: ReplayRow) -> Parts:
        """A row's parts for training: what was taken up brought up to now, features on one scale (0: do not vary)."""
        parts = row.parts
        if parts.said is None:
            return parts
        own = parts.said.copy()
        own[:, -len(TAKEN) :] = self.unseen[_fold(row)][:, list(row.candidates)].T
        shift = (own - parts.said) @ self.before.vector(SAID)
        return replace(parts, offset=parts.offset + shift, said=np.asarray(own / self.scale, dtype=np.float32))

    def ranker(self, moved: np.ndarray, version: str) -> ConversationalRanker:
        """The ranker whose weights moved by ``moved`` (G,) on the scale of training."""
        weights = self.before.vector(SAID) + moved / self.scale
        named = dict(zip(SAID, np.round(weights, 6).tolist(), strict=True))
        about = f"{self.before.about}; then the log of a chat ({version})".removeprefix("; ")
        return replace(self.before, weights={**self.before.weights, **named}, about=about, chat=self.taken)


def place_rows(rows: Sequence[ReplayRow], policy: Policy, chat: ChatFeatures | None = None) -> Any:
    """One PPO row for each place of each replayed slate; see :func:`training.ppo.rows.rows_dataset`.

    The candidates are those that were still to be had at the place. What was shown pays its reward less the mean at
    its place, so that a place that few people look at is not held against its items, and what was not shown, whose
    reward nobody knows, pays that mean (0). A place with one candidate left, where nothing was chosen, gives no row.
    ``chat``: the features of a ranker of conversations that is to be trained (None: it is not). Where the policy serves
    without its LM, that has no part in the rows either.
    """
    places = range(max((len(row.shown) for row in rows), default=0))
    means = [float(np.mean([row.rewards[k] for row in rows if len(row.shown) > k])) for k in places]
    columns: dict[str, list[Any]] = {
        name: [] for name in ("users", "prompts", "candidates", "evidence", "rewards", "weights", "logged", "states")
    }
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        states = [row.state for row in part]
        encoded = [[0]] * len(part) if policy.prompt is None else policy.prompt.encode(states)
        for row, prompt in zip(part, encoded, strict=True):
            known = replace(row.parts, said=None) if chat is None else chat.parts(row)
            for place, item in enumerate(row.shown):
                kept = [k for k, each in enumerate(row.candidates) if each not in row.shown[:place]]
                if len(kept) < 2:
                    continue
                left = [row.candidates[k] for k in kept]
                rewards = np.zeros(len(left))
                rewards[left.index(item)] = row.rewards[place] - means[place]
                own = Parts(
                    known.features[kept],
                    known.offset[kept],
                    known.evidence_scale,
                    0.0 if policy.prompt is None else known.lm_scale,
                    None if known.said is None else known.said[kept],
                )
                values = (row.owner, prompt, left, own, rewards, row.weights[place], left.index(item))
                for name, value in zip(columns, (*values, row.state), strict=True):
                    columns[name].append(value)
    return rows_dataset(**columns)


def _place_means(rows: Sequence[ReplayRow]) -> list[float]:
    """The share of the items at each place that were taken up."""
    longest = max((len(row.shown) for row in rows), default=0)
    return [float(np.mean([row.taken[k] for row in rows if len(row.shown) > k])) for k in range(longest)]


def _taken(rows: Sequence[ReplayRow], keys: Sequence[str], means: Sequence[float]) -> Taken:
    taken: dict[str, float] = {}
    expected: dict[str, float] = {}
    for row in rows:
        for item, yes, mean in zip(row.shown, row.taken, means, strict=False):
            expected[keys[item]] = expected.get(keys[item], 0.0) + mean
            if yes:
                taken[keys[item]] = taken.get(keys[item], 0.0) + 1.0
    return Taken(taken, expected)


def _fold(row: ReplayRow) -> int:
    return zlib.crc32(row.owner.encode("utf-8", "replace")) % FOLDS


def held_out_from(log: FeedbackLog | Path, settings: FeedbackSettings) -> float | None:
    """When the latest impressions begin that are not trained on, in seconds since 1970; None where all are."""
    times = [logged.impression.timestamp for logged in read_impressions(log, settings.since)]
    return float(np.quantile(times, 1 - settings.holdout)) if times and settings.holdout else None
