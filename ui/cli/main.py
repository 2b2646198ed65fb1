"""The command ``concierge``: its root and the groups of its verbs.

Modules that take long to import (torch, transformers, gradio) are imported by the verbs that need them, so that
``concierge --help`` answers at once.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

import prompts as templates
from ui.cli import (
    adapt,
    adapters,
    chat,
    data,
    doctor,
    eval,
    keys,
    mcp,
    monitor,
    prompts,
    recommend,
    release,
    serve,
    talk,
    train,
    understand,
)
from ui.cli.terminal import Group
from ui.studio.template_lookup import SavedTemplates

app = typer.Typer(
    name="concierge",
    cls=Group,
    help="Recommendations in conversation, by a language model that picks from a real catalogue and says why.",
    epilog="Start with: concierge data fetch, then: concierge chat",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.add_typer(prompts.app, name="prompts")
app.add_typer(train.app, name="train")
app.add_typer(eval.app, name="eval")
app.add_typer(adapters.app, name="adapters")
app.add_typer(keys.app, name="keys")
chat.add_to(app)
serve.add_to(app)
mcp.add_to(app)
adapt.add_to(app)
monitor.add_to(app)
recommend.add_to(app)
talk.add_to(app)
understand.add_to(app)
release.add_to(app)
doctor.add_to(app)


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
