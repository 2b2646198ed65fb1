"""Conversion: a GGUF model file into a Hugging Face folder."""

from __future__ import annotations

import contextlib
import io
import logging as levels
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging


def convert_gguf(source: Path, folder: Path, label: str, progress: bool = True) -> None:
    """Write model (float32 safetensors), tokenizer and chat template of the GGUF file ``source`` into ``folder``.

    The weights are kept in float32: each Q4_1 block has its own scale and offset, which bfloat16 would round.
    """
    # transformers and tqdm draw their own bars on standard error; the console keeps the real one.
    console = Console(file=sys.stderr, quiet=not progress)
    started = time.monotonic()
    with (
        console.status(f"Converting {label} for transformers (once, about half a minute)"),
        contextlib.redirect_stderr(io.StringIO()),
        _quiet(),
    ):
        options = {"gguf_file": source.name}
        tokenizer = AutoTokenizer.from_pretrained(source.parent, **options)
        model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **options)
        # The weights are plain by now, but the model still says that it is quantised, which save_pretrained refuses.
        for attribute, value in (("hf_quantizer", None), ("is_quantized", False)):
            setattr(model, attribute, value)
        for mark in ("quantization_config", "_pre_quantization_dtype"):
            if hasattr(model.config, mark):
                delattr(model.config, mark)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    console.print(f"{label} converted in {time.monotonic() - started:.0f} s")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(levels.ERROR)
    _bars(False)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        _bars(bars)


def _bars(shown: bool) -> None:
    switch: Callable[[], None] = logging.enable_progress_bar if shown else logging.disable_progress_bar
    switch()
