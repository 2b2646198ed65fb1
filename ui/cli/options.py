"""Options that several verbs take, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[str, typer.Option(help="A data set: ml-100k, or the name that `concierge data import` gave it.")]
CataloguesOption = Annotated[
    list[str] | None,
    typer.Option("--data", help="A data set; may be repeated: the first is the default (default: ml-100k)."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="A Hugging Face causal LM by name or folder (default: the fetched SmolLM2-135M-Instruct)."),
]
AdapterOption = Annotated[
    Path | None,
    typer.Option(help="An adapter folder (default: the one in use; to train or evaluate, the released one)."),
]
