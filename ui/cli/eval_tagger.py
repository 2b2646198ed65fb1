"""The verb ``concierge eval tagger``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ui.cli.terminal import JsonOption, out, print_json, steps


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the group ``eval``."""
    app.command(epilog="Example: concierge eval tagger --rows tones.csv --text text --label tone --with linear,tuned")(
        tagger
    )


def tagger(
    rows: Annotated[Path, typer.Option(help="A CSV, TSV, Parquet or JSON lines file of texts.")],
    text: Annotated[str, typer.Option(help="The column of the texts.")],
    label: Annotated[str, typer.Option(help="The column of the labels.")],
    methods: Annotated[
        str,
        typer.Option("--with", help="Of words, ngrams, linear, tuned, lm-untuned, lm-LAYERS (lm-12)."),
    ] = "linear,ngrams,tuned",
    output: Annotated[Path, typer.Option(help="The folder that keeps what is done; a second run goes on.")] = Path(
        "runs/tagging"
    ),
    folds: Annotated[int, typer.Option(help="Into how many folds the rows are cut.", min=2)] = 5,
    first: Annotated[int, typer.Option(help="Hold out only the first so many folds (0: all).", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare ways to read a value out of texts, on held-out folds."""
    from eval.tagging import tagging_table
    from training.tagger.rows import labelled, read_columns

    texts, cells = read_columns(rows, text, label)
    known = labelled(texts, cells)
    names = [name.strip() for name in methods.split(",") if name.strip()]
    with steps() as report:
        found = tagging_table(known, names, output, range(first or folds), folds, seed, report)
    if as_json:
        print_json({"texts": len(known), "labels": list(known.names), "rows": [row.to_json() for row in found]})
        return
    table = Table("method", "texts", "accuracy", "macro F1", "log-loss", "texts a second", box=None, pad_edge=False)
    for row in found:
        rate = f"{row.texts_per_second:,.0f}"
        table.add_row(row.method, f"{row.texts:,}", str(row.accuracy), str(row.macro_f1), f"{row.log_loss:.3f}", rate)
    out().print(table)
