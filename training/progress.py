"""Progress: how long work says how far it is, on a terminal and to TensorBoard."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""


class MissingTensorBoard(ImportError):
    """TensorBoard is asked for but not installed; the message says how to install it."""


def need_tensorboard() -> None:
    """Check that TensorBoard is there, before any long work.

    Raises:
        MissingTensorBoard: it is not installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingTensorBoard(
            "TensorBoard is not installed: pip install 'concierge-recommender[tensorboard]', or train without it"
        )


def tensorboard_callback(folder: Path) -> Any:
    """The Trainer's own TensorBoardCallback, which writes to ``folder``; a resumed run adds a file there.

    Raises:
        MissingTensorBoard: it is not installed.
    """
    need_tensorboard()
    from transformers.integrations import TensorBoardCallback

    callback = TensorBoardCallback()
    callback.logging_dir = str(folder)
    return callback
