"""The whole path of `concierge train ppo`: slates of the past, rewards, cross-fitted evidence, PPO, adapter."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import Dataset, load_dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import FEATURES, EvidenceModel, cross_fit
from agent.features.user_features import ItemInfo
from agent.policy.item_embeddings import item_token
from agent.policy.item_lm import AdapterError, PolicyCard, best_device
from agent.policy.loading import BEFORE_PPO, new_item_features
from agent.policy.state_prompt import StatePrompt
from agent.records.state import State
from training.ppo.rewards import ItemTraits, reward_table
from training.ppo.rows import slate_rows, split_probe
from training.ppo.run import PpoRun, Watch, train_ppo_policy
from training.ppo.settings import DEFAULT_REWARD, PpoSettings
from training.progress import Progress, need_tensorboard, silent
from training.release import TRAINING_FILE
from training.reward.model import RewardModel
from training.sft.recipe import past_only
from training.splits import Slate, past_slates

START = 0.3
"""The first training slate of a user begins after this share of the user's past."""

PROBE = 0.15
"""Share of the users whose slates are not trained on: the real-reward probe."""


@dataclass(frozen=True)
class PpoResult:
    """What a run leaves: the run itself, and the figures of it for the model card (also in ``training.json``)."""

    run: PpoRun
    figures: dict[str, Any]


def train_ppo(
    output: Path,
    data: str = "ml-100k",
    model: str | None = None,
    adapter: Path | None = None,
    reward: str = DEFAULT_REWARD,
    settings: PpoSettings | None = None,
    version: str = "ppo",
    resume: bool = False,
    report: Progress = silent,
    watch: Watch = lambda entry: None,
    tensorboard: bool = False,
) -> PpoResult:
    """Train a policy on rewards from rated slates of the users' past; writes ``output / "adapter"``.

    Nothing of the last fifth of each user's ratings is read, so the test slates stay unseen.

    ``output``: receives the adapter, checkpoints and the history; see :func:`training.ppo.run.train_ppo_policy`;
    ``adapter``: the policy to start from (None: the released one before PPO); ``reward``: a mixture of named rewards
    (see :func:`training.ppo.rewards.parse_reward`), or ``model:FOLDER`` for the predictions of a reward model;
    ``resume``: go on from the last checkpoint in ``output``; ``watch``: called with each new entry of the history;
    ``tensorboard``: also log to TensorBoard, in ``output / "tensorboard"``.

    Raises:
        AdapterError, AssetError, RewardError, ValueError: something is missing or does not fit; the message says what
            to do.
        MissingTensorBoard: it is asked for but not installed.
    """
    started = time.perf_counter()
    settings, adapter = settings or PpoSettings(), adapter or BEFORE_PPO
    if tensorboard:
        need_tensorboard()
    dataset, base = load_dataset(data), resolve_model(model)
    card = PolicyCard.read(adapter)
    if card.features != FEATURES:
        raise AdapterError(f"{adapter} weighs other evidence ({', '.join(card.features)}): train it again")
    past = past_only(dataset)
    catalogue = Catalogue(past)
    features = new_item_features(card, catalogue, EvidenceModel.cached(past), base)
    prompt = state_prompt(card, catalogue, base)
    train, probe = split_probe(past_slates(indexed_ratings(past), START), PROBE, settings.seed)
    sources = (
        slate_rows(dataset, train, slate_rewards(reward, train, past, catalogue, base, report), prompt, report=report),
        slate_rows(dataset, probe, reward_table(probe, "click"), prompt, report=report),
    )
    prepared = time.perf_counter()
    run = train_ppo_policy(
        adapter,
        base,
        catalogue.items,
        *sources,
        settings,
        output,
        report,
        resume,
        version,
        features,
        watch=watch,
        tensorboard=tensorboard,
    )
    trained = time.perf_counter()
    samples = run.trainer.state.global_step // settings.num_iterations * settings.slates * settings.generations
    figures = {
        **json.loads((adapter / TRAINING_FILE).read_text(encoding="utf-8")),
        "ppo": {
            "data": data,
            "data_fingerprint": dataset.fingerprint,
            "from": card.version,
            "reward": reward,
            "settings": settings.plain(),
            "slates": len(train),
            "probe_slates": len(probe),
            "steps": run.trainer.state.global_step,
            "kept": run.kept,
            "stopped": run.stopped,
            "samples": samples,
            "seconds_preparing": round(prepared - started, 1),
            "seconds_training": round(trained - prepared, 1),
            "samples_per_second": round(samples / (trained - prepared), 1),
            "history": run.history,
        },
    }
    if run.trainer.accelerator.is_main_process:
        (run.folder / TRAINING_FILE).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return PpoResult(run, figures["ppo"])


def slate_rewards(
    reward: str, slates: Sequence[Slate], past: Dataset, catalogue: Catalogue, base: str | Path, report: Progress
) -> list[np.ndarray]:
    """What training pays for each item of each slate: named rewards of the real ratings, or a reward model's."""
    if not reward.startswith("model:"):
        return reward_table(slates, reward, ItemTraits.of(ItemInfo.of(past).categories, indexed_ratings(past)))
    rewards: list[np.ndarray | None] = [None] * len(slates)
    judge, done = None, 0
    # A user's rewards come with evidence fitted without that user: the model may not know the ratings it predicts.
    for evidence, unseen in cross_fit(past, progress=False):
        judge = judge or RewardModel.load(
            Path(reward.removeprefix("model:")), base, catalogue.items, evidence, device=best_device()
        )
        judge.evidence = evidence if judge.card.features else None
        places = [place for place, slate in enumerate(slates) if slate.user in set(unseen)]
        for start in range(0, len(places), 64):
            report("rewards by the reward model", done, len(slates))
            part = places[start : start + 64]
            states = [State(slates[place].history, goal="like") for place in part]
            own = judge.rewards(states, [slates[place].items for place in part])
            for place, values in zip(part, own, strict=True):
                rewards[place] = values
            done += len(part)
    return [values for values in rewards if values is not None]


def state_prompt(card: PolicyCard, catalogue: Catalogue, base: str | Path) -> StatePrompt:
    """How an adapter's policy reads states of this catalogue."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens([item_token(item.item_id) for item in catalogue.items])
    return StatePrompt(prompts.load(card.template), tokenizer, catalogue.items, card.max_history)
