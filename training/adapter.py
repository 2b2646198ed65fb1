"""Adapter: a trained policy as a folder that plain PEFT can load."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor

from agent.policy.item_embeddings import ItemLike, item_keys
from agent.policy.item_lm import PolicyCard
from agent.policy.weights import ADAPTER_FILE, ROW_MAKER_FILE, base_digest
from training.sft.packing import GOALS
from training.sft.trainer import PolicyHead


def write_adapter(
    folder: Path,
    model: Any,
    head: PolicyHead,
    items: Sequence[ItemLike],
    first_item: int,
    base: str,
    base_weights: str | Path,
    layers: int | None,
    features: Sequence[str],
    template: str,
    version: str,
    temperature: float,
    max_history: int,
    kept: Sequence[int] | None = None,
) -> PolicyCard:
    """Write LoRA and item rows (float16), the row maker and the policy card.

    The folder is a PEFT adapter: `PeftModel.from_pretrained`, on the base with the item tokens added, gives this model.

    ``base_weights`` is the base LM as it was loaded, by name or folder; ``kept`` are the catalogue indices whose rows
    are written (None: all), any other item's row is made by the row maker when it is loaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = range(len(items)) if kept is None else kept
    rows = head.rows()[torch.tensor(kept)]
    keys = item_keys(items)
    write_peft_files(folder, model, rows, [first_item + index for index in kept], base)
    save_file({"change": head.rows.change.detach().cpu().to(torch.float16)}, folder / ROW_MAKER_FILE)
    card = PolicyCard(
        version=version,
        base=base,
        base_sha256=base_digest(base_weights),
        layers=layers,
        template=template,
        features=tuple(features),
        weights={goal: tuple(round(w, 6) for w in head.weights[index].tolist()) for index, goal in enumerate(GOALS)},
        lm_weights=dict.fromkeys(GOALS, 1.0),
        temperature=temperature,
        items=tuple(keys[index] for index in kept),
        max_history=max_history,
    )
    card.write(folder)
    return card


def write_tuned_adapter(
    folder: Path,
    source: Path,
    model: Any,
    version: str,
    weights: Mapping[str, Sequence[float]],
    lm_weights: Mapping[str, float],
    temperature: float,
) -> PolicyCard:
    """Write an adapter whose LoRA and weights were trained further; the rest is that of ``source``.

    The folder appears whole or not at all; one of that name is replaced.

    ``source``: the adapter that ``model`` was loaded from; its item rows and row maker are kept; ``weights``: the
    evidence weights by goal, (n_features,) each.
    """
    state = load_file(source / ADAPTER_FILE)
    trained = get_peft_model_state_dict(model, adapter_name="policy", save_embedding_layers=False)
    lora = {name: tensor for name, tensor in trained.items() if "lora_" in name}
    state |= {name: tensor.detach().cpu().to(torch.float16).contiguous() for name, tensor in lora.items()}
    card = PolicyCard.read(source)
    card = replace(
        card,
        version=version,
        weights={goal: tuple(round(w, 6) for w in own) for goal, own in weights.items()},
        lm_weights={goal: round(w, 6) for goal, w in lm_weights.items()},
        temperature=temperature,
    )
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(state, temporary / ADAPTER_FILE, metadata={"format": "pt"})
    for name in (ROW_MAKER_FILE, "adapter_config.json"):
        shutil.copyfile(source / name, temporary / name)
    card.write(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
    return card


def write_peft_files(folder: Path, model: Any, rows: Tensor, tokens: Sequence[int], base: str) -> None:
    """Write what PEFT reads: LoRA, a classifier's head where there is one, and the item rows, all as float16.

    ``rows``: (n_items, hidden) rows of the item tokens; ``tokens``: (n_items,) their token ids.
    """
    state = {
        name: tensor.detach().cpu().to(torch.float16).contiguous()
        for name, tensor in get_peft_model_state_dict(model, save_embedding_layers=False).items()
        if "lora_" in name or name.endswith(".score.weight")
    }
    inner = model.get_base_model()
    embedding = next(name for name, module in inner.named_modules() if module is inner.get_input_embeddings())
    state[f"base_model.model.{embedding}.token_adapter.trainable_tokens_delta"] = (
        rows.detach().cpu().to(torch.float16).contiguous()
    )
    save_file(state, folder / ADAPTER_FILE, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config.update(
        base_model_name_or_path=base,
        inference_mode=True,
        trainable_token_indices={embedding.rpartition(".")[2]: list(tokens)},
        target_modules=sorted(config["target_modules"]),
    )
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, default=str) + "\n", encoding="utf-8")
    LoraConfig.from_pretrained(str(folder))
