"""The verb ``concierge train curves``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.terminal import JsonOption, out, print_json


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the group ``train``."""
    app.command(epilog="Example: concierge train curves runs/ppo")(curves)


def curves(
    run: Annotated[Path, typer.Argument(help="The --output folder of a `concierge train ppo`; it may still go on.")],
    as_json: JsonOption = False,
) -> None:
    """Draw the curves of a PPO run, and its real reward against its training reward; also as JSON."""
    from training.curves import OVER_OPTIMISATION_FILE, write_curves

    written = write_curves(run)
    if as_json:
        print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        out().print(str(path), soft_wrap=True)
    if run / OVER_OPTIMISATION_FILE not in written:
        out().print("No picture of over-optimisation: the run has fewer than two probes (--probe-every).")
