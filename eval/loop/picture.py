"""Picture of the loop: click-through by round and arm with intervals, and the difference that holds at every look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.store.loop_rounds import LoopRound
from training.curves import BLUE, GREY, ORANGE, STYLE

KINDS = (".png", ".svg", ".pdf")


class PictureError(ValueError):
    """The picture cannot be drawn; the message says why."""


def arms_of(own: LoopRound) -> dict[str, Mapping[str, Any]]:
    """The figures of a round by arm: ``learning`` (a version that the loop made) and ``in use``."""
    served = own.document.get("served", {})
    experiment, arms = served.get("experiment"), served.get("round", {}).get("arms", ())
    challenger = None if experiment is None else experiment["challenger"]
    return {"learning" if arm["version"] == challenger else "in use": arm for arm in arms}


def write_picture(rounds: Sequence[LoopRound], path: Path) -> Path:
    """Draw the rounds that were served into a file, by its ending a PNG, SVG or PDF.

    Raises:
        PictureError: another ending, or nothing was served yet.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    if path.suffix not in KINDS:
        raise PictureError(f"{path}: unknown kind of picture {path.suffix!r}: use one of {', '.join(KINDS)}")
    served = [own for own in rounds if arms_of(own)]
    if not served:
        raise PictureError("no round has served anybody yet: there is nothing to draw")
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 5.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for name, colour, shift in (("in use", GREY, -0.06), ("learning", BLUE, 0.06)):
            points = [(k + 1 + shift, arms_of(own)[name]) for k, own in enumerate(served) if name in arms_of(own)]
            if points:
                _bars(above, [(x, arm["click_through"]) for x, arm in points], colour, f"{name} (95 %)")
        above.set_ylabel("share of shown items taken up")
        above.set_title("Click-through of a person, by round")
        above.legend(fontsize=8)
        standing = [(k + 1.0, own.document["served"]["all_rounds"]["difference"]) for k, own in enumerate(served)
                    if own.document["served"].get("all_rounds", {}).get("difference")]  # fmt: skip
        _bars(below, standing, ORANGE, "all rounds so far, valid at every look at once (95 %)")
        below.axhline(0.0, color=GREY, linewidth=0.8)
        below.set_ylabel("difference")
        below.set_xlabel("round")
        below.set_xticks(range(1, len(served) + 1))
        below.set_title("Learning less in use")
        below.legend(fontsize=8)
        figure.savefig(path, dpi=160)
    return path


def _bars(axis: Any, points: Sequence[tuple[float, Mapping[str, float]]], colour: str, label: str) -> None:
    x, means = [place for place, _ in points], [own["mean"] for _, own in points]
    errors = [[own["mean"] - own["low"] for _, own in points], [own["high"] - own["mean"] for _, own in points]]
    axis.errorbar(x, means, errors, color=colour, marker="o", markersize=4, capsize=2, linewidth=1.2, label=label)
