"""Options that several verbs take, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[str, typer.Option(help="A data set: ml-100k, or the name that `concierge data import` gave it.")]
ModelOption = Annotated[
    str | None,
    typer.Option(help="A Hugging Face causal LM by name or folder (default: the fetched SmolLM2-135M-Instruct)."),
]
AdapterOption = Annotated[
    Path | None,
    typer.Option(help="An adapter folder (default: the one in use; to train or evaluate, the released one)."),
]
WordingOption = Annotated[
    str,
    typer.Option(
        help="Who words replies: templates, lm (the language adapter), or a server's address such as "
        "http://localhost:8000/v1 (vLLM, llama.cpp, Ollama, concierge speak; its key in $CONCIERGE_WORDING_KEY)."
    ),
]
WordingModelOption = Annotated[
    str, typer.Option(help="The model to ask a --wording server for.", show_default="the server's own")
]
WordCardsOption = Annotated[
    bool, typer.Option("--word-cards/--plain-cards", help="Let --wording reword the reasons on the cards too.")
]
LanguageOption = Annotated[
    Path | None, typer.Option("--language", help="A language adapter's folder (default: the shipped one).")
]
ReadingOption = Annotated[
    bool, typer.Option("--reading/--no-reading", help="Let the LM read messages that the grammar cannot.")
]
