"""Speech: text from the language adapter, on the base LM that the policy already holds in memory.

The speaking network has modules of its own. Layers that the language adapter leaves alone use the policy's tensors, and
the layers that it tunes are merged with it (LoRA's small products would double the time of a token). So no weight is in
memory twice without need, there is no adapter to switch, and forward passes of policy and speech may run side by side
in different threads. A policy of the first 18 layers and an adapter on the other 12 share all that they have in common.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file

from agent.generation.language_card import LanguageCard
from agent.policy.item_lm import ADAPTER_FILE, AdapterError, load_base

if TYPE_CHECKING:
    from agent.generation.constrained import Form, Grammars

LANGUAGE = Path(__file__).parent.parent / "policy" / "adapters" / "ml-100k-language"
"""The language adapter that this version ships."""

LONGEST_PROMPT = 1024
"""A prompt keeps its last so many tokens."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One text to be written: the prompt as chat messages, and the form that the text is held to (None: anything).

    ``max_tokens`` does not count tokens that the form leaves no choice about. ``temperature`` 0 takes the most probable
    token; ``seed`` is of the draws above that.
    """

    messages: Sequence[dict[str, str]]
    form: Form | None = None
    max_tokens: int = 80
    temperature: float = 0.0
    seed: int = 0


class Speech:
    """Writes texts with a causal LM and its tokenizer; no state between calls, so threads may share it."""

    def __init__(self, model: Any, tokenizer: Any, card: LanguageCard, tuned: frozenset[str] = frozenset()) -> None:
        self.model = model
        self._tuned = tuned
        self.tokenizer = tokenizer
        self.card = card
        self._grammars: Grammars | None = None
        eos = model.generation_config.eos_token_id
        self._stops = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])} - {None}

    @classmethod
    def load(cls, folder: Path, base: Path, shared: Any = None, dtype: torch.dtype | None = None) -> Speech:
        """The base LM with a language adapter.

        Args:
            folder: the adapter.
            base: the base LM's folder.
            shared: a model around the same base LM, as a whole or its first layers (such as the policy's), whose
                weights are used instead of a second copy.
            dtype: of the weights (None: of ``shared``, else the fastest here).

        Raises:
            AdapterError: the folder is no language adapter, or is not for this base LM.
        """
        from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

        card = LanguageCard.read(folder)
        if card.base != Path(base).name:
            raise AdapterError(
                f"the language adapter {folder.name!r} was trained on {card.base}, not on {Path(base).name}: train one "
                "with `concierge train language --model`, or choose `--wording templates`"
            )
        if shared is not None:
            weight = shared.get_input_embeddings().weight
            dtype, device = dtype or weight.dtype, str(weight.device)
        else:
            device = "cpu"
        model, tokenizer = load_base(base, dtype=dtype, device=device)
        state = load_file(folder / ADAPTER_FILE)
        config = LoraConfig.from_pretrained(str(folder))
        config.inference_mode = True
        config.base_model_name_or_path = None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            wrapped = get_peft_model(model, config, autocast_adapter_dtype=False)
        outcome = set_peft_model_state_dict(wrapped, state)
        if outcome.unexpected_keys:
            raise AdapterError(
                f"the adapter {folder.name!r} does not fit {card.base}: {outcome.unexpected_keys[0]} is not in it"
            )
        speech = cls(wrapped.merge_and_unload().eval(), tokenizer, card, _tuned(state))
        if shared is not None:
            speech.share(shared)
        return speech

    def share(self, holder: Any) -> int:
        """Use the base weights of ``holder`` wherever the adapter left them alone; returns how many bytes that saves.

        ``holder`` may be a PEFT model, have fewer layers, and more rows of embeddings (its first ones are then used).
        """
        inner = holder.get_base_model() if hasattr(holder, "get_base_model") else holder
        theirs = {name.replace(".base_layer.", "."): tensor for name, tensor in inner.named_parameters()}
        saved = 0
        for name, own in self.model.named_parameters():
            other = None if name in self._tuned else theirs.get(name)
            if other is None or other.dtype != own.dtype or other.shape[1:] != own.shape[1:] or len(other) < len(own):
                continue
            own.data = other.data[: len(own)]
            saved += own.numel() * own.element_size()
        return saved

    @property
    def grammars(self) -> Grammars:
        """What texts can be held to, for this tokenizer; made when first used (half a second)."""
        if self._grammars is None:
            from agent.generation.constrained import Grammars

            self._grammars = Grammars(self.tokenizer, self.model.config.vocab_size)
        return self._grammars

    def write(self, asked: Sequence[Asked]) -> list[str]:
        """The texts, written side by side: five take little longer than one."""
        tokens: list[list[int]] = [[] for _ in asked]
        for step in self._steps(asked):
            for row, token in step:
                tokens[row].append(token)
        return [self._text(own).strip() for own in tokens]

    def stream(self, asked: Asked) -> Iterator[str]:
        """The pieces of one text as they are written."""
        tokens: list[int] = []
        said = ""
        for step in self._steps([asked]):
            tokens += [token for _, token in step]
            text = self._text(tokens)
            if not text.endswith("\ufffd"):  # half a character is not shown
                yield text[len(said) :]
                said = text

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    @torch.inference_mode()
    def _steps(self, asked: Sequence[Asked]) -> Iterator[list[tuple[int, int]]]:
        """The tokens of each step as (row, token); rows that are finished are written no longer."""
        from transformers import DynamicCache

        if not asked:
            return
        ids = [self.ids(each.messages) for each in asked]
        held = [None if each.form is None else self.grammars.start(each.form) for each in asked]
        dice = [np.random.default_rng(each.seed) for each in asked]
        batch = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self.model.device)
        fed, mask = batch["input_ids"], batch["attention_mask"]
        cache = DynamicCache(config=self.model.config)
        rows = list(range(len(asked)))
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        for written in range(max(each.max_tokens for each in asked)):
            output = self.model(
                input_ids=fed, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
            step: list[tuple[int, int]] = []
            kept = []
            for place, row in enumerate(rows):
                form = held[row]
                allowed = None if form is None else form.mask()
                logits = output.logits[place, -1].float().cpu().numpy()
                token = _choose(logits, allowed, asked[row].temperature, dice[row])
                if token in self._stops:
                    continue
                step.append((row, token))
                complete = form is not None and form.take(token)
                if form is not None and not complete and len(rows) == 1:
                    for forced in form.forced():  # what must come next is read with the token before it
                        step.append((row, forced))
                        complete = form.take(forced)
                if not complete and written + 1 < asked[row].max_tokens:
                    kept.append(place)
            yield step
            if not kept:
                return
            if len(kept) < len(rows):
                cache.batch_select_indices(torch.tensor(kept, device=mask.device))
                mask, positions = mask[kept], positions[kept]
                rows = [rows[place] for place in kept]
            fed = torch.tensor([[token for own, token in step if own == row] for row in rows], device=mask.device)
            mask = torch.cat([mask, torch.ones_like(fed)], dim=1)
            positions = positions[:, -1:] + torch.arange(1, fed.shape[1] + 1, device=mask.device)

    def ids(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of a prompt, up to where the answer begins."""
        text = self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found[-LONGEST_PROMPT:]


def _tuned(state: Mapping[str, Any]) -> frozenset[str]:
    """Names of the base LM's weights that a PEFT adapter changes."""
    modules = {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in state}
    return frozenset(f"{module}.weight" for module in modules)


def _choose(logits: np.ndarray, allowed: np.ndarray | None, temperature: float, rng: np.random.Generator) -> int:
    """The next token: the most probable that is allowed, or drawn at a temperature (Gumbel-max)."""
    if allowed is not None:
        logits = np.where(allowed, logits[: len(allowed)], -np.inf)
    if temperature > 0:
        # Only the likeliest are drawn from: the long tail of a small LM is noise.
        best = np.argpartition(-logits, 20)[:20]
        noisy = logits[best] / temperature + rng.gumbel(size=len(best))
        return int(best[np.argmax(noisy)])
    return int(np.argmax(logits))
