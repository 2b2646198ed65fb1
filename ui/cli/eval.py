"""The verbs ``concierge eval ...``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ui.cli.terminal import (
    EVAL,
    AdapterOption,
    DataOption,
    JsonOption,
    ModelOption,
    print_json,
    say,
    show_document,
    steps,
    working,
)


@EVAL.command(epilog="Example: concierge eval latency --turns 50")
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
        return print_json({"rows": [asdict(timing) for timing in timings]})
    for timing in timings:
        parts = ", ".join(f"{part} {value:.0f}" for part, value in timing.parts.items())
        say(
            f"{timing.about}: {timing.median:.0f} ms a turn (90th percentile {timing.p90:.0f}) over {timing.turns} "
            f"turns; medians of the parts: {parts}"
        )


@EVAL.command(epilog="Example: concierge eval handover support --off-topic eval/protocols/data/off_topic_questions.txt")
def handover(
    data: Annotated[str, typer.Argument(help="A data set with requests of known answers.")],
    off_topic: Annotated[Path, typer.Option(help="Questions about other things, one a line.", exists=True)],
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Count the held-out questions, and those about other things, that are handed to a person."""
    from agent.data.dataset import load_dataset
    from eval.adaptation import handed_over

    others = [line.strip() for line in off_topic.read_text(encoding="utf-8").splitlines() if line.strip()]
    with working("Reading the questions"):
        real, other = handed_over(load_dataset(data), others, seed)
    if as_json:
        return print_json({"held_out": asdict(real), "off_topic": asdict(other)})
    say(f"handed over: {real} of the held-out questions, {other} of {len(others):,} about other things")


@EVAL.command(epilog="Example: concierge eval speed --command sft --command ppo --steps 20")
def speed(
    command: Annotated[
        list[str] | None, typer.Option(help="sft, reward or ppo; may be repeated (default: all).")
    ] = None,
    count: Annotated[int, typer.Option("--steps", help="Training steps of each command.", min=3)] = 8,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time the training commands side by side on this machine: wall time, samples per second, and their ratios.

    Each runs with its defaults but for the number of steps, and writes nothing that stays. The probes of PPO are left
    out, as is the validation of the reward model but for one.
    """
    from eval.speed import COMMANDS, machine, measure_training

    with steps() as report:
        rows = list(measure_training(data, model, command or COMMANDS, count, report))
    document = {"data": data, "machine": machine(), "rows": [row.to_json(rows[0]) for row in rows]}
    if as_json:
        return print_json(document)
    show_document("speed", document)
