"""Reward model: the probability that a user in a state likes an item (a grade of 4 or more)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor

import prompts
from agent.features.model import FEATURES
from agent.policy.item_embeddings import ItemFeatures, ItemLike
from agent.policy.item_lm import AdapterError, backbone, base_with_items, with_lora
from agent.policy.state_prompt import StatePrompt
from agent.records.state import State
from training.reward.calibration import Calibration
from training.reward.rows import CandidateEvidence, candidate_evidence, pack_candidates

REWARD_FILE = "reward.json"
_TOKENS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class RewardCard:
    """``reward.json`` of a reward model's folder: what goes with the weights.

    The logit of a like is ``lm_weight * LM + weights . evidence + bias``; ``features`` names the evidence (empty: the
    LM stands alone) and ``calibration`` makes a probability of it. ``layers``, ``items`` and ``max_history`` are as in
    :class:`agent.policy.item_lm.PolicyCard`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    version: str
    base: str
    base_sha256: str
    layers: int | None
    template: str
    features: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    lm_weight: float
    calibration: Calibration
    items: tuple[str, ...]
    max_history: int

    @classmethod
    def read(cls, folder: Path) -> RewardCard:
        """Read a folder's card.

        Raises:
            AdapterError: the file is missing or has missing or unknown keys.
        """
        path = folder / REWARD_FILE
        try:
            card = TypeAdapter(cls).validate_json(path.read_bytes())
            if len(card.features) != len(card.weights):
                raise ValueError(f"{len(card.weights)} weights for {len(card.features)} features")
            return card
        except (OSError, ValueError) as error:
            raise AdapterError(
                f"{path} is not a reward model's card: {error}. Give a folder made by `concierge train reward`."
            ) from error

    def write(self, folder: Path) -> None:
        """Write the card into a folder."""
        (folder / REWARD_FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def adapted_classifier(
    folder: Path,
    keys: Sequence[str],
    base: str | Path,
    items: Sequence[ItemLike],
    features: ItemFeatures | None,
    layers: int | None,
    trainable: bool = False,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
) -> tuple[Any, Any, np.ndarray]:
    """A sequence classifier with one output, item tokens and LoRA, from a policy's or a reward model's adapter folder.

    ``keys`` are the ``item_keys`` of the folder's trained rows; the rows are frozen. A policy's folder has no head: it
    starts at zero. LoRA of layers beyond ``layers`` is dropped.

    Returns the PEFT model, its tokenizer and the token ids of the items (n_items,) int64.

    Raises:
        AdapterError: the adapter does not fit the base model or the items.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    state, model, tokenizer, token_ids = base_with_items(
        folder, keys, base, items, features, layers, dtype, device, scalar=True
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    torch.nn.init.zeros_(model.score.weight)
    model.score.float()
    wrapped = with_lora(model, folder, task_type="SEQ_CLS", inference_mode=not trainable)
    own = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    if not any("lora_" in name for name in own.keys() & state.keys()):
        raise AdapterError(f"the adapter {folder.name!r} does not fit {str(base)!r}: no LoRA matrix of it has a place")
    set_peft_model_state_dict(wrapped, {name: state.get(name, fresh) for name, fresh in own.items()})
    return wrapped, tokenizer, token_ids


def lm_logits(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """The head's output at each packed candidate, (R,) float32; see :func:`training.reward.rows.pack_candidates`."""
    hidden = backbone(model)(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        position_ids=inputs["position_ids"],
        use_cache=False,
    ).last_hidden_state
    row, place = inputs["places"].unbind(dim=1)
    score: Tensor = model.get_base_model().score(hidden[row, place].float()).squeeze(-1)
    return score


class RewardModel:
    """P(like | state, item) for any states and candidates, all candidates of a state in one forward pass.

    ``network`` is the PEFT model of :func:`adapted_classifier`, ``evidence`` may be None where the card names none.
    """

    def __init__(
        self,
        network: Any,
        prompt: StatePrompt,
        token_ids: np.ndarray,
        card: RewardCard,
        evidence: CandidateEvidence | None,
    ) -> None:
        if card.features and evidence is None:
            raise AdapterError(
                f"the reward model {card.version!r} weighs evidence ({', '.join(card.features)}): give `evidence`, "
                "as agent.features.model.EvidenceModel.cached makes it"
            )
        unknown = [name for name in card.features if name not in FEATURES]
        if unknown:
            raise AdapterError(
                f"the reward model {card.version!r} weighs the evidence {unknown[0]!r}; this version has "
                f"{', '.join(FEATURES)}: train it again with `concierge train reward`"
            )
        self.network = network.eval()
        self.prompt = prompt
        self.token_ids = token_ids
        self.card = card
        self.evidence = evidence if card.features else None
        # By name: this version may know more evidence than the model was trained on.
        self.columns = [FEATURES.index(name) for name in card.features]

    @classmethod
    def load(
        cls,
        folder: Path,
        base: str | Path | None,
        items: Sequence[ItemLike],
        evidence: CandidateEvidence | None = None,
        features: ItemFeatures | None = None,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> RewardModel:
        """The reward model of a folder over a catalogue.

        ``base``: the base LM by name or folder; None: the fetched default one; ``device``: where the LM runs;
        ``dtype``: the LM's numbers; None: the fastest that the device multiplies natively.

        Raises:
            AdapterError: the folder is incomplete, does not fit, or weighs evidence that was not given.
        """
        from agent.data.assets import resolve_model

        card = RewardCard.read(folder)
        network, tokenizer, token_ids = adapted_classifier(
            folder,
            card.items,
            base if base is not None else resolve_model(None),
            items,
            features,
            card.layers,
            device=device,
            dtype=dtype,
        )
        prompt = StatePrompt(prompts.load(card.template), tokenizer, items, card.max_history)
        return cls(network, prompt, token_ids, card, evidence)

    def probabilities(
        self, states: Sequence[State], candidates: Sequence[Sequence[int] | np.ndarray]
    ) -> list[np.ndarray]:
        """P(like) of each state's candidates (catalogue indices), calibrated, (C_k,) float64 each.

        Raises:
            ValueError: there is not one list of candidates a state.
            IndexError: a candidate is outside the catalogue.
        """
        return [self.card.calibration(logits) for logits in self.logits(states, candidates)]

    def rewards(self, states: Sequence[State], candidates: Sequence[Sequence[int] | np.ndarray]) -> list[np.ndarray]:
        """``2 P(like) - 1``: the expected click reward of +1 or -1, (C_k,) float64 each."""
        return [2 * own - 1 for own in self.probabilities(states, candidates)]

    def logits(self, states: Sequence[State], candidates: Sequence[Sequence[int] | np.ndarray]) -> list[np.ndarray]:
        """The logits of a like before calibration, (C_k,) float64 each."""
        if len(states) != len(candidates):
            raise ValueError(f"{len(states)} states but {len(candidates)} lists of candidates: give one list a state")
        chosen = [np.asarray(own, dtype=np.int64) for own in candidates]
        for own in chosen:
            if len(own) and not 0 <= own.min() <= own.max() < len(self.token_ids):
                raise IndexError(f"a candidate is outside the catalogue of {len(self.token_ids)}: {own.tolist()}")
        total = [np.full(len(own), self.card.bias) for own in chosen]
        if self.evidence is not None and states:
            weights = np.array(self.card.weights)
            known = candidate_evidence(self.evidence, states, chosen)
            total = [own + features[:, self.columns] @ weights for own, features in zip(total, known, strict=True)]
        if self.card.lm_weight:
            lm = self.lm_scores(states, chosen)
            total = [own + self.card.lm_weight * scores for own, scores in zip(total, lm, strict=True)]
        return total

    @torch.inference_mode()
    def lm_scores(self, states: Sequence[State], candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The LM's part of the logits, unweighted, (C_k,) float32 each."""
        encoded = self.prompt.encode(states) if states else []
        out = [np.empty(len(own), np.float32) for own in candidates]
        sizes = [len(ids) + len(own) for ids, own in zip(encoded, candidates, strict=True)]
        order = sorted((k for k in range(len(states)) if len(candidates[k])), key=sizes.__getitem__)
        batch: list[int] = []
        for place, k in enumerate(order):
            batch.append(k)
            last = place + 1 == len(order)
            if last or sizes[order[place + 1]] * (len(batch) + 1) > _TOKENS_AT_ONCE:
                inputs = pack_candidates(
                    [encoded[b] for b in batch],
                    [self.token_ids[candidates[b]].tolist() for b in batch],
                    self.prompt.tokenizer.pad_token_id,
                )
                inputs = {name: tensor.to(self.network.device) for name, tensor in inputs.items()}
                scores = lm_logits(self.network, inputs).cpu().numpy()
                ends = np.cumsum([len(candidates[b]) for b in batch])[:-1]
                for b, own in zip(batch, np.split(scores, ends), strict=True):
                    out[b] = own
                batch = []
        return out
