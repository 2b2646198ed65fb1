"""The verb ``concierge eval reward``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as Grid

from ui.cli.terminal import DataOption, JsonOption, out, print_json, steps

if TYPE_CHECKING:
    from eval.reward.report import RewardReport

_HIDDEN = ("model", "probabilities", "notes", "ci", "reliability", "best_of_n", "slices", "first", "second")
_SLICE_FIGURES = ("auc_within_user", "ece", "rating_rmse")


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the group ``eval``."""
    app.command(
        epilog="Example: concierge eval reward --model runs/reward/adapter --against evidence; somebody else's scores: "
        'concierge eval reward --model scores.jsonl, with lines like {"user": "12", "item": "50", "score": 0.8}'
    )(reward)


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
    console = out()
    console.print(f"{report.pairs:,} rated pairs in {report.slates:,} slates of {report.users:,} users")
    for name, count in report.missing.items():
        if count:
            console.print(f"{name}: {count:,} pairs without a score were left out for all", soft_wrap=True)
    for row in report.rows:
        for note in row["notes"]:
            console.print(f"{row['model']}: {note}", soft_wrap=True)
    console.print(_figures(report))
    for row in report.rows:
        console.print(_curve(row))
        console.print(_slices(row))


def _figures(report: RewardReport) -> Grid:
    grid = Grid(title="Figures, with 95 % intervals over users", title_justify="left")
    grid.add_column("figure")
    for row in report.rows:
        grid.add_column(row["model"], justify="right")
    if report.paired:
        grid.add_column("difference", justify="right")
        grid.add_column("p", justify="right")
    for name in (name for name in report.rows[0] if name not in _HIDDEN):
        cells = [_cell(row[name], row["ci"][name]) for row in report.rows]
        if report.paired:
            own = report.paired[name]
            cells += [_cell(own["mean"], own["ci"]), f"{own['p']:.3f}"]
        grid.add_row(name, *cells)
    return grid


def _curve(row: dict[str, Any]) -> Grid:
    title = f"{row['model']}: the best of n random candidates"
    grid = Grid(title=title, title_justify="left")
    for name in ("n", "click_rate", "mean_rating", "belief", "gap"):
        grid.add_column(name, justify="right")
    for step in row["best_of_n"]:
        names = ("click_rate", "mean_rating", "belief", "gap")
        grid.add_row(str(step["n"]), *(_cell(step[name], step["ci"][name], 3) for name in names))
    return grid


def _slices(row: dict[str, Any]) -> Grid:
    grid = Grid(title=f"{row['model']}: by slice (intervals: --json)", title_justify="left")
    for name in ("slice", "group"):
        grid.add_column(name)
    for name in ("pairs", *_SLICE_FIGURES):
        grid.add_column(name, justify="right")
    for own in row["slices"]:
        cells = ["-" if own.get(name) is None else f"{own[name]:.3f}" for name in _SLICE_FIGURES]
        grid.add_row(own["slice"], own["group"], f"{own['pairs']:,}", *cells)
    return grid


def _cell(value: float | None, ci: list[float | None], places: int = 4) -> str:
    if value is None:
        return "-"
    low, high = ci
    text = f"{value:.{places}f}"
    return text if low is None or high is None else f"{text} [{low:.{places}f}, {high:.{places}f}]"
