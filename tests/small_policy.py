"""A policy small enough to train in a test: two layers of the real model, and real rated slates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from scipy.sparse import csr_matrix

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import base_model_path
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.policy.item_embeddings import ItemFeatures, RowMaker, item_token
from agent.policy.item_lm import load_base
from agent.policy.state_prompt import StatePrompt
from agent.records.state import State
from training.adapter import write_adapter
from training.ppo.rows import rows_dataset, split_probe
from training.ppo.run import PpoRun, train_ppo_policy
from training.ppo.settings import PpoSettings
from training.progress import Progress, silent
from training.sft.trainer import PolicyHead
from training.splits import Slate, past_and_future, past_slates

FEATURES = ("noise", "like_rate", "popularity")


@dataclass(frozen=True)
class SmallPolicy:
    """An adapter of two layers, its base and catalogue, and rows to train on and to probe with."""

    adapter: Path
    base: Path
    catalogue: Catalogue
    rows: Any
    probe: Any
    train_slates: list[Slate]

    def paid(self, rewards: Sequence[np.ndarray]) -> Any:
        """The rows with other rewards, one array a row."""
        width = len(self.rows[0]["rewards"])
        padded = [np.pad(np.asarray(own, np.float64), (0, width - len(own))).tolist() for own in rewards]
        return self.rows.remove_columns("rewards").add_column("rewards", padded)


TINY = {"steps": 4, "slates": 4, "generations": 4, "save_steps": 2, "probe_every": 2}


def small_run(
    small: SmallPolicy,
    output: Path,
    rows: Any = None,
    resume: bool = False,
    report: Progress = silent,
    watch: Callable[[dict[str, float]], None] = lambda entry: None,
    tensorboard: bool = False,
    **settings: Any,
) -> PpoRun:
    """Four steps with checkpoints and probes every two, unless told otherwise."""
    return train_ppo_policy(
        small.adapter,
        small.base,
        small.catalogue.items,
        small.rows if rows is None else rows,
        small.probe,
        PpoSettings.of({**TINY, **settings}),
        output,
        report,
        resume=resume,
        dtype=torch.float32,
        watch=watch,
        tensorboard=tensorboard,
    )


def make_small_policy(dataset: Dataset, folder: Path, users: int = 24) -> SmallPolicy:
    """Untrained LoRA on two layers; evidence that needs no fitting: noise, the like rate, the number of ratings."""
    base = base_model_path()
    catalogue = Catalogue(dataset)
    torch.manual_seed(0)
    model, tokenizer = load_base(base, layers=2, dtype=torch.float32)
    features = ItemFeatures.build(
        catalogue.items,
        tokenizer,
        model.get_input_embeddings().weight.detach().numpy(),
        csr_matrix(np.roll(np.eye(len(catalogue)), 1, axis=1)),
        catalogue.rating_count,
        catalogue.mean_rating,
    )
    first_item = len(tokenizer)
    wrapped = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    write_adapter(
        folder,
        wrapped,
        PolicyHead(RowMaker(features), torch.full((3, len(FEATURES)), 0.1)),
        catalogue.items,
        first_item,
        base=base.name,
        base_weights=base,
        layers=2,
        features=FEATURES,
        template="state@1",
        version="small",
        temperature=1.0,
        max_history=15,
    )
    tokenizer.add_tokens([item_token(item.item_id) for item in catalogue.items])
    prompt = StatePrompt(prompts.load("state@1"), tokenizer, catalogue.items)
    past = past_and_future(indexed_ratings(dataset)).past
    slates = past_slates(past[past["user"].isin(past["user"].unique()[:users])], per_user=3)
    train, probe = split_probe(slates, share=0.25)
    return SmallPolicy(folder, base, catalogue, _rows(train, catalogue, prompt), _rows(probe, catalogue, prompt), train)


def save_small_policy(small: SmallPolicy, folder: Path) -> None:
    """Put a policy and its rows where :mod:`tests.ppo_child` finds them."""
    if small.adapter != folder / "adapter":
        (folder / "adapter").symlink_to(small.adapter, target_is_directory=True)
    small.rows.save_to_disk(folder / "rows")
    small.probe.save_to_disk(folder / "probe")


def _rows(slates: list[Slate], catalogue: Catalogue, prompt: StatePrompt) -> Any:
    rng = np.random.default_rng(0)
    liked = np.nan_to_num(catalogue.mean_rating, nan=3.0) - 3.5
    popular = np.log1p(catalogue.rating_count) / 3 - 1.0
    items = [np.array(slate.items) for slate in slates]
    return rows_dataset(
        [slate.user for slate in slates],
        prompt.encode([State(slate.history, goal="like") for slate in slates]),
        [slate.items for slate in slates],
        [np.stack([rng.normal(size=len(i)), liked[i], popular[i]], axis=1) for i in items],
        [np.where(np.array(slate.ratings) >= 4, 1.0, -1.0) for slate in slates],
        ratings=[slate.ratings for slate in slates],
    )
