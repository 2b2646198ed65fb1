"""The verbs ``concierge eval`` ``latency``, ``speed``, ``handover``, ``reward`` and ``reward-pairs``."""

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


@EVAL.command(epilog="Example: concierge eval reward-pairs scores.csv --data ml-100k")
def reward_pairs(
    output: Annotated[Path, typer.Argument(help="Where the CSV file goes: user, item, and an empty column score.")],
    data: DataOption = "ml-100k",
    as_json: JsonOption = False,
) -> None:
    """Write the pairs that `concierge eval reward` wants scores of, for a system of your own to fill in."""
    from eval.reward.report import write_pairs

    count = write_pairs(data, output)
    if as_json:
        print_json({"data": data, "pairs": count, "path": str(output)})
    else:
        say(f"{count:,} pairs in {output}: fill in the column score")


@EVAL.command(
    epilog="Example: concierge eval reward --model runs/reward/adapter --against evidence; somebody else's scores: "
    'concierge eval reward --model scores.jsonl, with lines like {"user": "12", "item": "50", "score": 0.8}'
)
def reward(
    model: Annotated[
        str,
        typer.Option(
            help="A folder of `concierge train reward`; a file of scores (.jsonl, .csv or .parquet of user, item, "
            "score); a Hugging Face sequence classification model by name or folder; or: evidence."
        ),
    ],
    against: Annotated[
        str | None, typer.Option(help="A second model, judged on the same pairs; differences are paired.")
    ] = None,
    data: DataOption = "ml-100k",
    base: Annotated[
        str | None, typer.Option(help="The base LM of our reward models (default: the fetched one).")
    ] = None,
    template: Annotated[
        str, typer.Option(help="The prompt template of text classifiers, NAME or NAME@VERSION, of role reward-text.")
    ] = "reward-text",
    max_history: Annotated[int, typer.Option(help="How many of the latest items a text classifier reads.", min=0)] = 10,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out pairs without a score (counted) instead of refusing.")
    ] = False,
    resamples: Annotated[int, typer.Option(help="Draws of users for the intervals.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Judge a reward model on the rated slates: who is told apart, how true its probabilities are, where it leads."""
    from eval.reward.report import judge

    models = [model] if against is None else [model, against]
    with steps() as report:
        found = judge(models, data, base, template, max_history, allow_missing, resamples, seed, report)
    document = {"data": data, "seed": seed, "resamples": resamples, **found.to_json()}
    if as_json:
        return print_json(document)
    show_document("reward", document)
