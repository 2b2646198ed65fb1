"""The verb ``concierge release``: a trained adapter with its model card, ready to be shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ui.cli.terminal import ROOT, JsonOption, OptionError, print_json, say


@ROOT.command(
    epilog="Example: concierge eval ranking --adapter runs/sft/adapter --json > figures.json && "
    "concierge release runs/sft/adapter agent/policy/adapters/ml-100k-sft --figures figures.json"
)
def release(
    adapter: Annotated[Path, typer.Argument(help="The folder that a `concierge train` wrote.")],
    target: Annotated[Path, typer.Argument(help="The folder to fill; what it held is replaced.")],
    figures: Annotated[
        Path,
        typer.Option(
            help="What `concierge eval ranking --json` printed for it (for a reward model: `eval reward --json`)."
        ),
    ],
    slates: Annotated[
        Path | None, typer.Option(help="What `concierge eval policy --json` printed, for a policy's card.")
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="The command that trained it, for the card (default: the plain one).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy an adapter to where it is shipped from and write its model card."""
    from training.release import release as write
    from training.release import release_reward
    from training.reward.model import REWARD_FILE

    judged = (adapter / REWARD_FILE).is_file()
    report = _read(figures, "eval reward" if judged else "eval ranking")
    if judged:
        folder = release_reward(adapter, target, report, command or "concierge train reward")
    else:
        folder = write(
            adapter,
            target,
            report["rows"],
            command or "concierge train sft",
            _read(slates, "eval policy") if slates else None,
        )
    if as_json:
        print_json({"folder": str(folder)})
    else:
        say(f"{folder}: adapter and model card")


def _read(path: Path, verb: str) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        report["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path} is not what `concierge {verb} --json` prints: {error}") from None
    return report
