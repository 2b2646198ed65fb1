"""Tagger: which values of a facet a text speaks of, with probabilities.

A text is read by a network (the sentence encoder, or the language model's first layers), the mean of its tokens'
vectors is scaled to length one, and a linear head gives a logit for each label. Where training found that the network
as it comes does as well as a tuned one, the folder holds the head alone.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ConfigDict, TypeAdapter
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_weights
from torch import Tensor

from agent.data.assets import MINILM, AssetNotFoundError, resolve_model
from agent.policy.item_lm import backbone, best_device, load_base
from agent.retrieval.text_encoder import TextEncoder, encoder_path

CARD_FILE = "tagger.json"
HEAD_FILE = "head.safetensors"
WEIGHTS_FILE = "weights.safetensors"
ENCODER = "encoder"
"""The name of the sentence encoder among bases; ``lm`` is the default language model, any other a model's folder."""

Array = npt.NDArray[np.float64]
Tuning = Literal["none", "whole", "lora"]


class TaggerError(ValueError):
    """A tagger cannot be trained or used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TaggerCard:
    """``tagger.json``: what goes with the weights.

    Attributes:
        version: its name in data cards.
        labels: the values that it tells apart.
        multi: whether a text may have several labels, or none.
        base, layers: the network that reads, and how many of its layers (None: all).
        tuning: whether the network reads as it comes (``none``), all its layers were trained (``whole``), or LoRA
            matrices of this ``rank`` beside them (``lora``).
        temperature: the logits are divided by it.
        thresholds: the least probability of each label (of the most probable one, where a text has just one label);
            below it the tagger is unsure.
        figures: what training measured.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    version: str
    labels: tuple[str, ...]
    multi: bool
    base: str = ENCODER
    layers: int | None = None
    tuning: Tuning = "none"
    rank: int = 0
    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> TaggerCard:
        """A folder's card.

        Raises:
            TaggerError: the file is missing, or has missing or unknown keys.
        """
        path = folder / CARD_FILE
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise TaggerError(
                f"{path} is no tagger's card ({error}): give a folder made by `concierge train tagger`"
            ) from error

    def write(self, folder: Path) -> None:
        """Write the card into a folder."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def load_network(base: str = ENCODER, layers: int | None = None) -> TextEncoder:
    """The network that reads texts, as it comes.

    Raises:
        TaggerError: the encoder has not been fetched.
        AssetNotFoundError, AdapterError: the language model is not there.
    """
    if base == ENCODER:
        folder = encoder_path()
        if folder is None:
            raise TaggerError(f"the sentence encoder {MINILM} is not here yet: run `concierge data fetch`")
        network = TextEncoder.load(folder)
        network.model.to(best_device())
        return network
    path = resolve_model(None if base == "lm" else base)
    model, tokenizer = load_base(path, layers, torch.float32, best_device())
    reader = backbone(model)
    reader.config.use_cache = False  # each text is read once
    return TextEncoder(reader, tokenizer)


def trainable(model: Any, tuning: Tuning, rank: int = 0, dropout: float = 0.0) -> Any:
    """The model with its trained weights free and all others frozen: those of all layers, or new LoRA matrices.

    Embeddings stay as they are: a few thousand texts have too few words to move them.
    """
    if tuning == "whole":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("embed" not in name)
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules="all-linear")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(model, config)


def trained_weights(model: Any) -> dict[str, Tensor]:
    """The weights of :func:`trainable` that training changes, by name, without those of a head."""
    named = {name: own for name, own in model.named_parameters() if own.requires_grad and not name.startswith("head.")}
    return {name: own.detach().cpu().contiguous() for name, own in named.items()}


def tuned(network: TextEncoder, card: TaggerCard, weights: Mapping[str, Tensor]) -> TextEncoder:
    """A network with its trained weights; the given one must not be used any more.

    Raises:
        TaggerError: the weights are not those of such a network.
    """
    model = trainable(network.model, card.tuning, card.rank)
    outcome = model.load_state_dict({name: own.float() for name, own in weights.items()}, strict=False)
    missing = set(trained_weights(model)) - set(weights)
    if outcome.unexpected_keys or missing:
        wrong = next(iter([*outcome.unexpected_keys, *sorted(missing)]))
        raise TaggerError(f"the weights of tagger {card.version!r} do not fit {card.base} ({wrong}): train it again")
    if card.tuning == "lora":
        model = model.merge_and_unload()
    return TextEncoder(model.requires_grad_(False).eval(), network.tokenizer)


@dataclass(frozen=True, eq=False)
class Tagger:
    """A trained tagger; reading changes no state.

    ``weights`` is (labels, width), ``bias`` (labels,).
    """

    card: TaggerCard
    network: TextEncoder = field(repr=False)
    weights: npt.NDArray[np.float32] = field(repr=False)
    bias: npt.NDArray[np.float32] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Tagger:
        """The tagger in a folder that `concierge train tagger` made.

        Raises:
            TaggerError: a file is missing or damaged, or the network that it needs is not here.
        """
        card = TaggerCard.read(folder)
        try:
            network = load_network(card.base, card.layers)
            if card.tuning != "none":
                network = tuned(network, card, load_weights(folder / WEIGHTS_FILE))
            head = load_file(folder / HEAD_FILE)
            weights, bias = head["weights"], head["bias"]
        except (OSError, KeyError, AssetNotFoundError) as error:
            raise TaggerError(
                f"the tagger in {folder} cannot be loaded ({error}): train it again with `concierge train tagger`"
            ) from error
        if weights.shape != (len(card.labels), network.width):
            raise TaggerError(f"{folder / HEAD_FILE} has weights {weights.shape}, not for {card.labels} on {card.base}")
        return cls(card, network, weights, bias)

    def save(self, folder: Path) -> None:
        """Write head and card into a folder; the network's weights, if it was tuned, are written by its training."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {"weights": np.ascontiguousarray(self.weights), "bias": np.ascontiguousarray(self.bias)}
        save_file(head, folder / HEAD_FILE)
        if self.card.tuning == "none":
            (folder / WEIGHTS_FILE).unlink(missing_ok=True)
        self.card.write(folder)

    def probabilities(
        self, texts: Sequence[str], report: Callable[[int, int], None] = lambda done, of: None, chunk: int = 512
    ) -> Array:
        """The probability of each label, (len(texts), labels); each row sums to one unless there may be several."""
        found = np.zeros((len(texts), len(self.card.labels)))
        for start in range(0, len(texts), chunk):
            vectors = self.network.encode(texts[start : start + chunk])
            logits = vectors @ self.weights.T + self.bias
            found[start : start + chunk] = calibrated(logits, self.card.temperature, self.card.multi)
            report(min(start + chunk, len(texts)), len(texts))
        return found


def calibrated(logits: npt.NDArray[Any], temperature: float, multi: bool) -> Array:
    """Probabilities of logits (N, labels): each on its own, or one of all."""
    scaled = np.asarray(logits, np.float64) / temperature
    if multi:
        independent: Array = 1 / (1 + np.exp(-np.clip(scaled, -60, 60)))
        return independent
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    one: Array = scaled / scaled.sum(axis=1, keepdims=True)
    return one


def decided(probabilities: Array, card: TaggerCard) -> list[tuple[str, ...]]:
    """The labels that a card's thresholds make of probabilities (N, labels)."""
    thresholds = np.asarray(card.thresholds)
    if card.multi:
        return [tuple(card.labels[column] for column in np.flatnonzero(row >= thresholds)) for row in probabilities]
    best = probabilities.argmax(axis=1)
    return [
        (card.labels[column],) if row[column] >= thresholds[column] else ()
        for row, column in zip(probabilities, best, strict=True)
    ]
