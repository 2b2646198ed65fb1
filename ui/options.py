"""Options that several verbs take, worded once."""

from __future__ import annotations

from typing import Annotated

import typer

DataOption = Annotated[str, typer.Option(help="A data set: ml-100k, or the name of an imported one.")]
ModelOption = Annotated[
    str | None, typer.Option(help="A Hugging Face causal LM by name or folder (default: SmolLM2-135M-Instruct).")
]
AdapterOption = Annotated[str | None, typer.Option(help="An adapter folder (default: the released one).")]
