"""Constrained decoding: an LM's text is held to a JSON schema token by token (llguidance)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from llguidance import LLMatcher


@dataclass(frozen=True, slots=True)
class JsonForm:
    """JSON that a JSON schema describes, with one blank after each comma and colon."""

    schema: Mapping[str, Any]


class Held:
    """One text that is being written in a form."""

    def __init__(self, matcher: LLMatcher, size: int) -> None:
        self._matcher = matcher
        self._size = size

    def mask(self) -> np.ndarray:
        """Which tokens may come next, (vocabulary,) bool."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._size].astype(bool)

    def forced(self) -> list[int]:
        """The tokens that come next because nothing else may."""
        return self._matcher.compute_ff_tokens()

    def take(self, token: int) -> bool:
        """Take the token that was chosen; returns whether the text is complete."""
        self._matcher.consume_token(token)
        return bool(self._matcher.is_stopped())


class Grammars:
    """Makes held texts for a tokenizer of Hugging Face's; ``size`` is the LM's vocabulary. Threads may share it."""

    def __init__(self, tokenizer: Any, size: int) -> None:
        from llguidance.hf import from_tokenizer

        self._tokenizer = from_tokenizer(tokenizer, n_vocab=size)
        self._size = size

    def start(self, form: JsonForm) -> Held:
        """A new text.

        Raises:
            ValueError: the form's schema is none, or uses what llguidance does not know.
        """
        from llguidance import LLMatcher

        source = LLMatcher.grammar_from_json_schema(
            json.dumps(form.schema),
            {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
        )
        matcher = LLMatcher(self._tokenizer, source)
        if matcher.is_error():
            raise ValueError(f"no text can be held to this form: {matcher.get_error()}")
        return Held(matcher, self._size)
