"""Text that is held to a JSON schema while it is drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agent.data.assets import base_model_path
from agent.generation.constrained import Grammars, JsonForm


def test_whatever_is_drawn_fits_the_schema() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_model_path(progress=False))
    grammars = Grammars(tokenizer, len(tokenizer))
    schema = {
        "type": "object",
        "properties": {"a": {"enum": ["x", "yy"]}, "b": {"type": "array", "items": {"enum": ["z"]}, "maxItems": 2}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    for seed in range(5):
        rng = np.random.default_rng(seed)
        held = grammars.start(JsonForm(schema))
        tokens: list[int] = []
        complete = False
        while not complete:
            tokens.append(int(rng.choice(np.flatnonzero(held.mask()))))
            complete = held.take(tokens[-1])
        data = json.loads(tokenizer.decode(tokens, skip_special_tokens=True))
        assert set(data) == {"a", "b"} and data["a"] in ("x", "yy") and set(data["b"]) <= {"z"}
    with pytest.raises(ValueError, match="no text can be held"):
        grammars.start(JsonForm({"type": "no such type"}))
