"""The verb ``concierge eval reward``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.terminal import EVAL, DataOption, JsonOption, print_json, say, show_document, steps


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
