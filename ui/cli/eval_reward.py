"""The verb ``concierge eval reward``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import EVAL, DataOption, JsonOption, print_json, say, show_table, steps

if TYPE_CHECKING:
    from eval.reward.report import RewardReport

_HIDDEN = ("model", "probabilities", "notes", "ci", "reliability", "best_of_n", "slices", "first", "second")
_SLICE_FIGURES = ("auc_within_user", "ece", "rating_rmse")


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
    if as_json:
        print_json({"data": data, "seed": seed, "resamples": resamples, **found.to_json()})
    else:
        _show(found)


def _show(report: RewardReport) -> None:
    say(f"{report.pairs:,} rated pairs in {report.slates:,} slates of {report.users:,} users")
    for name, count in report.missing.items():
        if count:
            say(f"{name}: {count:,} pairs without a score were left out for all")
    for row in report.rows:
        for note in row["notes"]:
            say(f"{row['model']}: {note}")
    _show_figures(report)
    for row in report.rows:
        _show_curve(row)
        _show_slices(row)


def _show_figures(report: RewardReport) -> None:
    rows = []
    for name in (name for name in report.rows[0] if name not in _HIDDEN):
        cells = [_cell(row[name], row["ci"][name]) for row in report.rows]
        if report.paired:
            own = report.paired[name]
            cells += [_cell(own["mean"], own["ci"]), f"{own['p']:.3f}"]
        rows.append((name, *cells))
    columns = ["figure", *(row["model"] for row in report.rows), *(("difference", "p") if report.paired else ())]
    show_table(columns, rows, "Figures, with 95 % intervals over users")


def _show_curve(row: dict[str, Any]) -> None:
    names = ("click_rate", "mean_rating", "belief", "gap")
    rows = [(own["n"], *(_cell(own[name], own["ci"][name], 3) for name in names)) for own in row["best_of_n"]]
    show_table(("n", *names), rows, f"{row['model']}: the best of n random candidates", words=0)


def _show_slices(row: dict[str, Any]) -> None:
    rows = []
    for own in row["slices"]:
        cells = (None if own.get(name) is None else f"{own[name]:.3f}" for name in _SLICE_FIGURES)
        rows.append((own["slice"], own["group"], f"{own['pairs']:,}", *cells))
    title = f"{row['model']}: by slice (intervals: --json)"
    show_table(("slice", "group", "pairs", *_SLICE_FIGURES), rows, title, words=2)


def _cell(value: float | None, ci: list[float | None], places: int = 4) -> str:
    if value is None:
        return "-"
    low, high = ci
    text = f"{value:.{places}f}"
    return text if low is None or high is None else f"{text} [{low:.{places}f}, {high:.{places}f}]"
