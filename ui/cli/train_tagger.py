"""The verb ``concierge train tagger``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ui.cli.terminal import JsonOption, out, print_json, steps


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the group ``train``."""
    app.command(epilog="Example: concierge train tagger --rows tones.csv --text text --label tone --output runs/tone")(
        tagger
    )


def tagger(
    rows: Annotated[Path, typer.Option(help="A CSV, TSV, Parquet or JSON lines file of texts.")],
    text: Annotated[str, typer.Option(help="The column of the texts.")],
    label: Annotated[str | None, typer.Option(help="The column of the labels.", show_default=False)] = None,
    words: Annotated[
        str | None,
        typer.Option(
            help="Instead of --label: DOMAIN/FACET, whose words for its values are searched in the texts (news/topic).",
            show_default=False,
        ),
    ] = None,
    multi: Annotated[bool, typer.Option("--multi", help="A text may have several labels, with --separator.")] = False,
    separator: Annotated[str, typer.Option(help="What stands between several labels.")] = "|",
    output: Annotated[Path, typer.Option(help="The folder for checkpoints and the tagger.")] = Path("runs/tagger"),
    base: Annotated[
        str, typer.Option(help="The network that reads: encoder, lm, or a model's name or folder.")
    ] = "encoder",
    layers: Annotated[int, typer.Option(help="Use the first so many layers of --base lm (0: all).", min=0)] = 0,
    epochs: Annotated[float, typer.Option(help="Passes over the rows.")] = 3.0,
    tune: Annotated[
        bool, typer.Option("--tune/--linear", help="Train the network too (minutes), or a linear head alone (seconds).")
    ] = True,
    sure: Annotated[
        float, typer.Option(help="A label is given where so many like it were right.", min=0.0, max=1.0)
    ] = 0.9,
    version: Annotated[
        str | None, typer.Option(help="Its name in data cards (default: that of --output).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of split and training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Learn from labelled texts which values of a facet a text speaks of; writes a folder for `data enrich`."""
    from agent.domains.domain import load_domain
    from agent.policy.tagger import ENCODER, TaggerError
    from training.tagger.recipe import train_tagger
    from training.tagger.rows import by_words, labelled, read_columns
    from training.tagger.trainer import TaggerSettings, language_model

    if (label is None) == (words is None):
        raise TaggerError("give either --label COLUMN or --words DOMAIN/FACET")
    if label is not None:
        texts, cells = read_columns(rows, text, label)
        known = labelled(texts, cells, multi, separator)
    else:
        domain, _, name = str(words).rpartition("/")
        facets = load_domain(domain or "_base").facets
        if name not in facets:
            raise TaggerError(f"the domain {domain!r} has no facet {name!r}: it has {', '.join(facets)}")
        (texts,) = read_columns(rows, text)
        known = by_words(texts, facets[name])
    of_base = TaggerSettings() if base == ENCODER else language_model(layers or None, base=base)
    settings = replace(of_base, epochs=epochs, sure=sure, seed=seed)
    with steps() as report:
        result = train_tagger(known, output, settings, version or output.name, tune, report, resume)
    figures = result.figures
    if as_json:
        print_json({"tagger": str(result.folder), **figures})
        return
    console = out()
    console.print(f"{result.folder}: {figures['rows']:,} texts, {len(known.names)} labels, {figures['seconds']:,.0f} s")
    for reason, count in figures["left_out"].items():
        console.print(f"  left out: {count:,} {reason}")
    for name, own in figures["validation"].items():
        used = " (used)" if name == figures["chosen"] else ""
        console.print(
            f"  {name}{used}: accuracy {own['accuracy']:.3f}, macro F1 {own['macro_f1']:.3f}; "
            f"unsure of {own['unsure']:.0%}, right in {own['decided']:.0%} of the others"
        )
    console.print(f"Use it: concierge data enrich NAME --facet FACET --tagger {result.folder}", soft_wrap=True)
