"""The verbs ``concierge eval ...``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ui.cli import (
    eval_dialogue,
    eval_explanations,
    eval_log,
    eval_policy,
    eval_ranking,
    eval_report,
    eval_reward,
    eval_sessions,
    eval_speed,
)
from ui.cli.options import AdapterOption, DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, sub_app, working

app = sub_app("Measure the policy beside baselines, and reward models.")
eval_ranking.add_to(app)
eval_policy.add_to(app)
eval_reward.add_to(app)
eval_log.add_to(app)
eval_sessions.add_to(app)
eval_speed.add_to(app)
eval_explanations.add_to(app)
eval_report.add_to(app)
eval_dialogue.add_to(app)


@app.command(epilog="Example: concierge eval latency --turns 50")
def latency(
    turns: Annotated[int, typer.Option(help="Turns of each kind.", min=1)] = 20,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time a turn on this machine, and say where the time goes."""
    from agent.recommender import Recommender
    from eval.speed import measure_turns

    with working("Timing turns"):
        timings = measure_turns(Recommender.load(data, model, adapter), turns)
    if as_json:
        print_json({"rows": [asdict(timing) for timing in timings]})
        return
    for timing in timings:
        parts = ", ".join(f"{part} {value:.0f}" for part, value in timing.parts.items())
        out().print(
            f"{timing.about}: {timing.median:.0f} ms a turn (90th percentile {timing.p90:.0f}) over {timing.turns} "
            f"turns; medians of the parts: {parts}",
            soft_wrap=True,
        )
