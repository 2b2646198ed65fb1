"""The command ``concierge``: its root and the groups of its verbs.

Modules that take long to import (torch, transformers, gradio) are imported by the verbs that need them, so that
``concierge --help`` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

import prompts as templates
from ui.cli.terminal import ROOT
from ui.studio.template_lookup import SavedTemplates

app = ROOT

VERBS = (
    "serve", "bench", "recommend", "talk", "monitor", "doctor", "data", "prompts", "template_versions", "train",
    "train_ppo", "tagger", "eval", "eval_ranking", "eval_log", "eval_report", "eval_conversation", "adapters", "loop",
    "store", "keys",
)  # fmt: skip
"""The modules that hold the verbs, in the order of the help."""

for name in VERBS:
    import_module(f"ui.cli.{name}")


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"concierge {version('concierge-recommender')}")
        except PackageNotFoundError:
            typer.echo("concierge (not installed, run from its source)")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options of the command itself; and saved versions of templates are found by name, as in ``state@2``."""
    templates.attach(SavedTemplates())
    ctx.call_on_close(lambda: templates.attach(None))


def main() -> None:
    """The entry point of the console command."""
    app(prog_name="concierge")


if __name__ == "__main__":
    main()
