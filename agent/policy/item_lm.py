"""The language model with item tokens: loading, LoRA adapters, and scores of items in one forward pass."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter
from safetensors.torch import load_file
from torch import Tensor

from agent.policy.item_embeddings import ItemFeatures, ItemLike, RowMaker, add_item_tokens, item_keys
from agent.policy.weights import (
    ADAPTER_FILE,
    POLICY_FILE,
    ROW_MAKER_FILE,
    WeightsError,
    base_digest,
    check_adapter,
    check_base,
    check_memory,
)
from agent.retrieval.text_encoder import quiet_transformers


class AdapterError(ValueError):
    """An adapter folder cannot be used; the message says why and what to do."""


def best_device() -> str:
    """This process's own GPU where CUDA has one, else the CPU.

    `accelerate launch` numbers the processes and, with ``--cpu``, keeps them on the CPU.
    """
    forced = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() and not forced else "cpu"


def best_dtype(device: str = "cpu") -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively (twice as fast on CPU with AVX-512 BF16), else float32."""
    if device.startswith("cuda"):
        return torch.bfloat16
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def load_base(
    name: str | Path,
    layers: int | None = None,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    scalar: bool = False,
) -> tuple[Any, Any]:
    """Load any Hugging Face causal LM and its tokenizer by name or folder.

    ``layers`` keeps only the first so many transformer layers (None: all), which an adapter may ask for. ``scalar``
    puts a sequence classifier's head of one number (fresh, for reward models) in the place of the output layer.

    Raises:
        AdapterError: the model cannot be loaded (the message names it and the reason).
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    kind = AutoModelForSequenceClassification if scalar else AutoModelForCausalLM
    dtype = dtype or best_dtype(device)
    try:
        check_base(name)
        if device == "cpu":
            check_memory(name, dtype.itemsize, layers=layers)
    except WeightsError as error:
        raise AdapterError(str(error)) from error
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(name)
            config = AutoConfig.from_pretrained(name)
            if layers is not None and layers < config.num_hidden_layers:
                config.num_hidden_layers = layers
                if getattr(config, "layer_types", None):
                    config.layer_types = config.layer_types[:layers]
            if scalar:
                config.num_labels = 1
            model = kind.from_pretrained(name, config=config, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise AdapterError(
            f"the language model {str(name)!r} cannot be loaded: {error}. Give the name of a Hugging Face causal LM, a "
            "folder that holds one, or run `concierge data fetch` for the default one."
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return model.to(device).eval(), tokenizer


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """``policy.json`` of an adapter folder: what goes with the weights.

    ``weights`` maps a goal to one weight per evidence feature (``features`` names them), ``lm_weights`` to the weight
    of the LM's logits; ``layers`` is the number of transformer layers that the adapter was trained on; ``items`` holds
    the ``item_keys`` of the trained rows, in their order; ``version`` names the policy in logs.
    ``semantic_weight`` is the weight of the text similarity (None: the usual one), which reads whole requests where
    ``reads_requests``, else only what no facet decides.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    version: str
    base: str
    base_sha256: str
    layers: int | None
    template: str
    features: tuple[str, ...]
    weights: dict[str, tuple[float, ...]]
    lm_weights: dict[str, float]
    temperature: float
    items: tuple[str, ...]
    max_history: int = 15
    semantic_weight: float | None = None
    reads_requests: bool = False

    @classmethod
    def read(cls, folder: Path) -> PolicyCard:
        """Read an adapter folder's card.

        Raises:
            AdapterError: the file is missing or has missing or unknown keys.
        """
        path = folder / POLICY_FILE
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise AdapterError(
                f"{path} is not a policy card: {error}. Point --adapter at a folder made by `concierge train sft`."
            ) from error

    def write(self, folder: Path) -> None:
        """Write the card into an adapter folder."""
        (folder / POLICY_FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def backbone(model: Any) -> Any:
    """The network under the output layer, of a causal LM or of a PEFT model around one."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    return causal.base_model


class ItemLanguageModel:
    """A causal LM whose vocabulary holds the catalogue's items.

    ``token_ids`` is (n_items,) int64. ``model`` is a plain Hugging Face causal LM, or a PEFT model around one.
    """

    def __init__(self, model: Any, tokenizer: Any, token_ids: np.ndarray) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.token_ids = torch.from_numpy(token_ids).to(model.device)

    @classmethod
    def from_adapter(
        cls,
        folder: Path,
        base: str | Path,
        items: Sequence[ItemLike],
        features: ItemFeatures | None,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> ItemLanguageModel:
        """The base LM with a policy adapter, for any catalogue.

        An item that the adapter was trained on (same title and year) gets its trained row; any other gets one from its
        text and co-occurrences through the adapter's row maker. ``features`` may be None when every item was trained.

        Raises:
            AdapterError: the adapter is incomplete, or does not fit the base model.
        """
        from peft import set_peft_model_state_dict

        card = PolicyCard.read(folder)
        check_same_base(folder, card.base, card.base_sha256, base)
        state, model, tokenizer, token_ids = base_with_items(
            folder, card.items, base, items, features, card.layers, dtype, device
        )
        wrapped = with_lora(model, folder, "policy")
        lora = {name: tensor for name, tensor in state.items() if "lora_" in name}
        outcome = set_peft_model_state_dict(wrapped, lora, adapter_name="policy")
        if outcome.unexpected_keys:
            raise AdapterError(
                f"the adapter {folder.name!r} does not fit {card.base}: {outcome.unexpected_keys[0]} is not in it"
            )
        return cls(wrapped.eval(), tokenizer, token_ids)

    @torch.inference_mode()
    def scores(self, prompts: Sequence[Sequence[int]], batch_tokens: int = 4096) -> np.ndarray:
        """Logits of every item after each prompt, the same whatever else is in the batch.

        Only prompts of one length share a pass, so nothing is padded; what is left of the batch in float32 is the
        rounding of its matrix products.

        ``batch_tokens``: at most so many tokens go through the model at once.

        Returns (B, n_items) float32.
        """
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        out = np.empty((len(prompts), len(self.token_ids)), np.float32)
        batch: list[int] = []
        for place, index in enumerate(order):
            batch.append(index)
            longer = place + 1 == len(order) or len(prompts[order[place + 1]]) > len(prompts[index])
            if longer or len(prompts[index]) * (len(batch) + 1) > batch_tokens:
                hidden = self.last_hidden([prompts[i] for i in batch])
                rows = self.model.get_input_embeddings().weight if self._tied() else self._head()
                logits = hidden.float() @ rows[self.token_ids].float().T
                out[batch] = logits.cpu().numpy()
                batch = []
        return out

    def last_hidden(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Hidden state after each prompt's last token: (B, hidden), in the model's dtype."""
        inputs = self.tokenizer.pad({"input_ids": [list(p) for p in prompts]}, return_tensors="pt").to(
            self.model.device
        )
        places = (inputs["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
        hidden: Tensor = backbone(self.model)(**inputs, position_ids=places, use_cache=False).last_hidden_state[:, -1]
        return hidden

    def _tied(self) -> bool:
        return self._head() is self.model.get_input_embeddings().weight

    def _head(self) -> Tensor:
        head: Tensor = self.model.get_output_embeddings().weight
        return head


def base_with_items(
    folder: Path,
    keys: Sequence[str],
    base: str | Path,
    items: Sequence[ItemLike],
    features: ItemFeatures | None,
    layers: int | None,
    dtype: torch.dtype | None,
    device: str,
    scalar: bool = False,
) -> tuple[dict[str, Tensor], Any, Any, np.ndarray]:
    """What an adapter's folder holds, the base LM with item tokens and their rows, its tokenizer and the token ids.

    ``keys`` are the ``item_keys`` of the folder's trained rows; ``scalar`` as in :func:`load_base`.

    Raises:
        AdapterError: a file is broken, or the adapter does not fit the base model or the items.
    """
    try:
        check_adapter(folder, (ADAPTER_FILE, ROW_MAKER_FILE, "adapter_config.json"))
    except WeightsError as error:
        raise AdapterError(str(error)) from error
    state = load_file(folder / ADAPTER_FILE)
    trained = trained_rows(state)
    rows = item_rows(folder, keys, trained, items, features)
    model, tokenizer = load_base(base, layers, dtype, device, scalar)
    if model.config.hidden_size != rows.shape[1]:
        raise AdapterError(
            f"the adapter {folder.name!r} was trained on a hidden size of {rows.shape[1]}, {str(base)!r} has "
            f"{model.config.hidden_size}: give the base model that it names, or train one for this with "
            "`concierge train sft --model`"
        )
    token_ids = add_item_tokens(model, tokenizer, [item.item_id for item in items], rows.to(model.device))
    return state, model, tokenizer, token_ids


def with_lora(model: Any, folder: Path, name: str = "default", **changes: Any) -> Any:
    """The model under fresh LoRA matrices as an adapter's configuration has them, with ``changes`` to that."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig.from_pretrained(str(folder))
    for key, value in {
        "trainable_token_indices": None,
        "inference_mode": True,
        "base_model_name_or_path": None,
        **changes,
    }.items():
        setattr(config, key, value)
    with warnings.catch_warnings():
        # peft reads an old alias of transformers; nobody who starts a chat can do anything about it.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(model, config, adapter_name=name)


def check_same_base(folder: Path, name: str, digest: str, base: str | Path) -> None:
    """Refuse a base LM whose weights are others than those that an adapter was trained on, where both are known.

    Raises:
        AdapterError: they differ.
    """
    there = base_digest(base) if digest else ""
    if there and there != digest:
        raise AdapterError(
            f"the adapter {folder.name!r} was trained on {name} (SHA-256 {digest[:12]}), and {str(base)!r} holds other "
            f"weights ({there[:12]}): give --model {name}, or train an adapter for this model with "
            "`concierge adapt NAME --model`"
        )


def trained_rows(state: Mapping[str, Tensor]) -> Tensor:
    """The rows of an adapter's items, (items, hidden) float32, from what its weights' file holds."""
    return next(tensor for name, tensor in state.items() if "trainable_tokens_delta" in name).float()


def item_rows(
    folder: Path, keys: Sequence[str], trained: Tensor, items: Sequence[ItemLike], features: ItemFeatures | None
) -> Tensor:
    """Rows for a catalogue, (n_items, hidden): trained where title and year are known, else from the row maker.

    ``keys`` are the ``item_keys`` of the ``trained`` rows, in their order.
    """
    place = {key: row for row, key in enumerate(keys)}
    known = [place.get(key, -1) for key in item_keys(items)]
    if all(row >= 0 for row in known):
        return trained[known]
    if features is None:
        raise AdapterError(f"{known.count(-1)} items are new to {folder.name!r}: give their features")
    maker = RowMaker(features)
    maker.change.data = load_file(folder / ROW_MAKER_FILE)["change"].float()
    with torch.no_grad():
        rows: Tensor = maker()
    mask = torch.tensor([row >= 0 for row in known])
    rows[mask] = trained[[row for row in known if row >= 0]]
    return rows
