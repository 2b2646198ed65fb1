"""Picture of the loop: click-through by round and arm with intervals, and the difference that holds at every look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from agent.data.atomic import write_whole
from agent.store.loop_rounds import LoopRound
from eval.report import charts

ARMS = ("in use", "learning")


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
    kind = path.suffix.removeprefix(".")
    if kind not in charts.PICTURES:
        raise PictureError(f"{path}: unknown kind of picture {kind!r}: use one of {', '.join(charts.PICTURES)}")
    served = [own for own in rounds if arms_of(own)]
    if not served:
        raise PictureError("no round has served anybody yet: there is nothing to draw")
    x = alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0))
    arms = [
        {"round": k + 1, "series": name, **arm["click_through"]}
        for k, own in enumerate(served)
        for name, arm in arms_of(own).items()
    ]
    standing = [
        {"round": k + 1, **difference}
        for k, own in enumerate(served)
        if (difference := (own.document["served"].get("all_rounds") or {}).get("difference"))
    ]
    parts = (
        (charts.lines(arms, x, "share of shown items taken up", ARMS), "Click-through of a person by round, 95 %"),
        (
            charts.lines(standing, x, "difference", marks=[charts.rule(y=0.0)]),
            "Learning less in use, all rounds so far, valid at every look at once (95 %)",
        ),
    )
    whole = {"vconcat": [{**chart, "title": title, "width": charts.WIDTH[False]} for chart, title in parts]}
    write_whole(path, charts.drawn(whole, kind))
    return path
