"""The whole path of training on the chat's own feedback: log, replayed slates, PPO, a new version of the adapter."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from agent.data.assets import resolve_model
from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings
from agent.dialogue.slate import EXPLORATION
from agent.features.user_features import ItemInfo
from agent.policy.distribution import Policy
from agent.policy.item_lm import PolicyCard
from agent.policy.loading import Foundation, new_item_features, registry
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import read_impressions
from training.ppo.replay import CLIP, ReplayRow, replay_rows
from training.ppo.rewards import ItemTraits, parse_reward
from training.ppo.rows import rows_dataset
from training.ppo.run import train_ppo_policy
from training.ppo.settings import DEFAULT_REWARD, PpoSettings
from training.progress import Progress, silent
from training.release import TRAINING_FILE

HOW = "concierge train ppo --from-feedback"
_BATCH = 32


class FeedbackError(ValueError):
    """The log cannot be trained on; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """How the feedback is trained on.

    ``reward``: a mixture of named rewards. ``clip``: largest importance weight. ``since``: leaves out older impressions
    (seconds since 1970). ``holdout``: share of the impressions, the latest, that is kept for comparing the new policy
    with the one in use. ``passes`` over the rows, one a place; ``least``: fewer impressions are not trained on.
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
    ppo: PpoSettings = field(default_factory=PpoSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout {self.holdout}: give a share from 0 to below 1")
        if self.passes < 1 or self.least < 2:
            raise ValueError(f"passes {self.passes}, least {self.least}: give at least 1 and at least 2")


def train_from_feedback(
    log: FeedbackLog | Path,
    data: str = "ml-100k",
    adapter: Path | None = None,
    output: Path = Path("runs/feedback"),
    settings: FeedbackSettings | None = None,
    report: Progress = silent,
    model: str | None = None,
    resume: bool = False,
) -> Path:
    """Train the policy on what people did in the chat; returns the folder of the new version in the registry.

    The new version is not in use yet: `concierge adapters promote` compares it first.

    ``adapter``: the policy to start from (None: the one in use); ``resume``: go on from the newest checkpoint in
    ``output``.

    Raises:
        FeedbackError: the log has too few impressions that can be trained on, or nothing in them differs.
        AdapterError, AssetError, RewardError, ValueError: something is missing or does not fit.
    """
    started = time.perf_counter()
    settings = settings or FeedbackSettings()
    known, dataset, base = registry(data), load_dataset(data), resolve_model(model)
    source = adapter or known.verified(known.active()).folder
    card, foundation = PolicyCard.read(source), Foundation.of(dataset)
    catalogue, policy = foundation.catalogue, foundation.policy(source, model)
    until = held_out_from(log, settings)
    traits = (
        ItemTraits.of(ItemInfo.of(dataset).categories, indexed_ratings(dataset))
        if parse_reward(settings.reward).needs_traits
        else None
    )
    replayed = replay_rows(
        log, policy, catalogue, settings.reward, settings.clip, settings.since, until, traits, report
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
    rows = place_rows(replayed.rows, policy)
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
    run = train_ppo_policy(source, base, catalogue.items, rows, None, ppo, output, report, resume, version, features)
    if run.stop is not None and run.stop.kind == "non_finite":
        raise FeedbackError(f"training broke off, nothing was added: {run.stopped}; lower the rates")
    # It was trained at the temperature at which the chat draws, and serves at its own.
    replace(run.card, temperature=card.temperature).write(run.folder)
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


def place_rows(rows: Sequence[ReplayRow], policy: Policy) -> Any:
    """One PPO row for each place of each replayed slate; see :func:`training.ppo.rows.rows_dataset`.

    The candidates are those that were still to be had at the place. What was shown pays its reward less the mean at
    its place, so that a place that few people look at is not held against its items, and what was not shown, whose
    reward nobody knows, pays that mean (0). A place with one candidate left, where nothing was chosen, gives no row.

    Raises:
        ValueError: the policy has no LM.
    """
    if policy.prompt is None:
        raise ValueError("a policy without an LM cannot be trained: give one with its adapter")
    places = range(max((len(row.shown) for row in rows), default=0))
    means = [float(np.mean([row.rewards[k] for row in rows if len(row.shown) > k])) for k in places]
    columns: dict[str, list[Any]] = {
        name: [] for name in ("users", "prompts", "candidates", "evidence", "rewards", "weights", "logged", "states")
    }
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        encoded = policy.prompt.encode([row.state for row in part])
        served = policy.parts([row.state for row in part], [np.array(row.candidates) for row in part])
        for row, prompt, parts in zip(part, encoded, served, strict=True):
            for place, item in enumerate(row.shown):
                kept = [k for k, each in enumerate(row.candidates) if each not in row.shown[:place]]
                if len(kept) < 2:
                    continue
                left = [row.candidates[k] for k in kept]
                rewards = np.zeros(len(left))
                rewards[left.index(item)] = row.rewards[place] - means[place]
                own = replace(parts, features=parts.features[kept], offset=parts.offset[kept])
                values = (row.owner, prompt, left, own, rewards, row.weights[place], left.index(item))
                for name, value in zip(columns, (*values, row.state), strict=True):
                    columns[name].append(value)
    return rows_dataset(**columns)


def held_out_from(log: FeedbackLog | Path, settings: FeedbackSettings) -> float | None:
    """When the latest impressions begin that are not trained on, in seconds since 1970; None where all are."""
    times = [logged.impression.timestamp for logged in read_impressions(log, settings.since)]
    return float(np.quantile(times, 1 - settings.holdout)) if times and settings.holdout else None
