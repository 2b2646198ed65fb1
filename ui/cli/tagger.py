"""The verbs ``concierge train tagger`` and ``concierge eval tagger``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli.terminal import EVAL, TRAIN, JsonOption, print_json, say, show_table, steps, with_options

if TYPE_CHECKING:
    from training.tagger.rows import LabelledTexts


@dataclass(frozen=True)
class Texts:
    """The options that name labelled texts; see :func:`ui.cli.terminal.with_options`."""

    rows: Annotated[
        Path | None, typer.Option(help="A CSV, TSV, Parquet or JSON lines file of texts.", show_default=False)
    ] = None
    data: Annotated[
        str | None,
        typer.Option(help="Instead of --rows: a data set whose own facets are the labels.", show_default=False),
    ] = None
    text: Annotated[str, typer.Option(help="The column, or the data set's facet, of the texts.")] = "text"
    label: Annotated[
        str | None,
        typer.Option(
            help="The column of the labels; with --data one or more facets (tag,keyword).", show_default=False
        ),
    ] = None
    fewest: Annotated[int, typer.Option(help="Labels with fewer texts are left out.", min=2)] = 10

    def labelled(self, multi: bool = False, separator: str = "|") -> LabelledTexts:
        """The texts with their labels.

        Raises:
            TaggerError: not just one of --rows and --data is given, or no --label.
        """
        from agent.data.dataset import load_dataset
        from agent.policy.tagger import TaggerError
        from training.tagger.rows import from_dataset, labelled, read_columns

        if self.label is None or (self.rows is None) == (self.data is None):
            raise TaggerError("give --label, and the texts with either --rows or --data")
        if self.data is not None:
            return from_dataset(load_dataset(self.data), self.text, self.label.split(","), self.fewest)
        texts, cells = read_columns(Path(str(self.rows)), self.text, self.label)
        return labelled(texts, cells, multi, separator, self.fewest)


@TRAIN.command(
    "tagger", epilog="Example: concierge train tagger --rows tones.csv --text text --label tone --output runs/tone"
)
@with_options
def train_tagger(
    given: Texts = Texts(),
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
    from training.tagger.recipe import train_tagger as train
    from training.tagger.rows import by_words, read_columns
    from training.tagger.trainer import TaggerSettings, language_model

    if words is None:
        known = given.labelled(multi, separator)
    else:
        if given.rows is None or given.data is not None or given.label is not None:
            raise TaggerError("--words takes the place of --label, and searches the texts of --rows")
        domain, _, name = words.rpartition("/")
        facets = load_domain(domain or "_base").facets
        if name not in facets:
            raise TaggerError(f"the domain {domain!r} has no facet {name!r}: it has {', '.join(facets)}")
        (texts,) = read_columns(given.rows, given.text)
        known = by_words(texts, facets[name], fewest=max(given.fewest, 30))
    of_base = TaggerSettings() if base == ENCODER else language_model(layers or None, base=base)
    settings = replace(of_base, epochs=epochs, sure=sure, seed=seed)
    with steps() as report:
        result = train(known, output, settings, version or output.name, tune, report, resume)
    figures = result.figures
    if as_json:
        return print_json({"tagger": str(result.folder), **figures})
    say(f"{result.folder}: {figures['rows']:,} texts, {len(known.names)} labels, {figures['seconds']:,.0f} s")
    for reason, count in figures["left_out"].items():
        say(f"  left out: {count:,} {reason}")
    for name, own in figures["validation"].items():
        used = " (used)" if name == figures["chosen"] else ""
        say(
            f"  {name}{used}: accuracy {own['accuracy']:.3f}, macro F1 {own['macro_f1']:.3f}; "
            f"unsure of {own['unsure']:.0%}, right in {own['decided']:.0%} of the others"
        )
    say(f"Use it: concierge data enrich NAME --facet FACET --tagger {result.folder}")


@EVAL.command(
    "tagger", epilog="Example: concierge eval tagger --rows tones.csv --text text --label tone --with linear,tuned"
)
@with_options
def eval_tagger(
    given: Texts = Texts(),
    methods: Annotated[
        str,
        typer.Option(
            "--with",
            help="Of words, ngrams, linear, tuned, lm-untuned, lm-LAYERS (lm-12); --data: similarity, linear, tuned.",
        ),
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

    known = given.labelled()
    names = [name.strip() for name in methods.split(",") if name.strip()]
    with steps() as report:
        found = tagging_table(known, names, output, range(first or folds), folds, seed, report)
    if as_json:
        return print_json({"texts": len(known), "labels": list(known.names), "rows": [row.to_json() for row in found]})
    columns = ("method", "texts", *found[0].figures, "log-loss", "texts a second")
    shown = [
        (row.method, f"{row.texts:,}", *row.figures.values(), f"{row.log_loss:.3f}", f"{row.texts_per_second:,.0f}")
        for row in found
    ]
    show_table(columns, shown, lines=False)
