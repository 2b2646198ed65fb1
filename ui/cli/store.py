"""The verbs ``concierge store ...``: where conversations, feedback, templates, keys and alerts are kept."""

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
