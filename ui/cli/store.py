"""The verbs ``concierge store ...`` and ``concierge log ...``: where everything is kept, and the log as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.terminal import ROOT, JsonOption, print_json, say, show_table, working

STORE = typer.Typer(help="Look at the database of conversations and feedback, and move it.", no_args_is_help=True)
ROOT.add_typer(STORE, name="store")

ABOUT_PLACE = "A file (.db), or postgresql://user@host/database with ?schema=NAME where it is not `concierge`"


@STORE.command("copy", epilog="Example: concierge store copy postgresql://concierge@db.internal/concierge")
def copy(
    target: Annotated[str, typer.Argument(help=f"Where to: {ABOUT_PLACE}; it must be empty.")],
    source: Annotated[str | None, typer.Option(help=f"Where from: {ABOUT_PLACE} (default: the one in use).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy everything stored into an empty database, whole or not at all: from SQLite to PostgreSQL, or back.

    CONCIERGE_DATABASE=URL makes every verb use the PostgreSQL database from then on.
    """
    from agent.store.database import copy_store, shown_place, store_place
    from agent.store.feedback import FeedbackLog

    origin = source or store_place()
    if not (isinstance(origin, str) and "://" in origin) and not Path(origin).is_file():
        raise ValueError(f"{origin} is no file: name the database to copy with --source")
    with FeedbackLog(origin) as read, FeedbackLog(target) as written, working("Copying"):
        copied = copy_store(read.engine, written.engine)
    if as_json:
        return print_json({"rows": copied})
    show_table(("table", "rows"), [(name, f"{number:,}") for name, number in copied.items() if number])
    say(f"Copied to {shown_place(target if '://' in target else Path(target))}.")


LOG = typer.Typer(
    help="The chat's log: write it as JSON lines, take it in again, check its propensities.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ROOT.add_typer(LOG, name="log")

SCHEMA = """A line is one slate that was shown:

id, conversation_id, turn, timestamp (seconds since 1970), user (of the data set, or null): who and when.

request, constraints, state: what was asked for and known.

candidates, candidate_propensities: item ids, and the chance of each to come first (null: nothing was drawn).

slate, propensities, scores: item ids from the top, the chance of each at its place given those above, in (0, 1].

policy, template_name, template_version, template_hash, temperature, latency_ms: what chose.

outcomes: a list of {id, item_id, kind, value, position, timestamp}; kind is clicked, liked, disliked, seen, rated
(value: 1 to 5), more, less or removed.

format: 1."""

Log = Annotated[Path | None, typer.Option("--log", help="A feedback database (default: the chat's own).")]


@LOG.command(epilog=SCHEMA + "\n\nExample: concierge log export chat.jsonl")
def export(
    path: Annotated[Path, typer.Argument(help="The file to write.")], log: Log = None, as_json: JsonOption = False
) -> None:
    """Write what was shown and what people did with it as JSON lines."""
    from agent.store.database import existing_place
    from agent.store.feedback import FeedbackLog

    with FeedbackLog(existing_place(log)) as opened:
        count = opened.export(path)
    if as_json:
        return print_json({"file": str(path), "impressions": count})
    say(f"{path}: {count:,} impressions with what came of them")


@LOG.command("import", epilog=SCHEMA + "\n\nExample: concierge log import chat.jsonl --log copy.db")
def import_(
    path: Annotated[Path, typer.Argument(help="A file that `concierge log export` wrote.")],
    log: Log = None,
    as_json: JsonOption = False,
) -> None:
    """Take impressions and outcomes in from JSON lines; what is there already is left as it is."""
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog

    with FeedbackLog(log or store_place()) as opened:
        added, there = opened.take_in(path)
    if as_json:
        return print_json({"file": str(path), "added": added, "there_already": there})
    say(f"{path}: {added:,} impressions added, {there:,} were there already")


@LOG.command(epilog="Example: concierge log check --data ml-100k")
def check(
    log: Log = None,
    data: Annotated[str, typer.Option(help="The data set that the log comes from.")] = "films",
    most: Annotated[int, typer.Option(help="At most so many of the latest impressions.", min=1)] = 200,
    as_json: JsonOption = False,
) -> None:
    """Ask the versions that served again: are the logged propensities theirs, to 1e-4? Exit status 1 where not."""
    from agent.store.database import existing_place
    from agent.store.feedback import FeedbackLog
    from training.ppo.feedback import Ground
    from training.ppo.propensities import check_propensities

    with FeedbackLog(existing_place(log)) as opened:
        found = check_propensities(opened, Ground.of(data), most)
    if as_json:
        print_json(found.to_json())
    else:
        say(f"{found.checked:,} impressions asked again: the largest relative error is {found.largest:.1e}")
        for reason, count in found.left_out.items():
            say(f"not checked, {count:,}: {reason}")
        for id in found.wrong[:10]:
            say(f"not what was drawn with: impression {id}")
    if found.wrong:
        raise typer.Exit(1)
