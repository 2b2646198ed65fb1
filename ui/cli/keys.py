"""The verbs ``concierge keys``: API keys of the service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli.terminal import KEYS, JsonOption, print_json, say, show_table

if TYPE_CHECKING:
    from agent.store.api_keys import ApiKey, KeyStore

IdArgument = Annotated[str, typer.Argument(help="The key's id, as `concierge keys list` shows it.")]


@KEYS.command(epilog="Example: concierge keys create shop --allow recommend --allow feedback --catalogue books")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is; keys of one name are one caller.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(help="recommend, feedback, items, people or metrics; may be repeated (default: the first two)."),
    ] = None,
    catalogue: Annotated[
        list[str] | None, typer.Option(help="A catalogue; may be repeated (default: every one).", show_default=False)
    ] = None,
    person: Annotated[str | None, typer.Option(help="The one person whom it is for (default: any).")] = None,
    per_minute: Annotated[int, typer.Option(help="Requests in a minute.")] = 600,
    days: Annotated[float | None, typer.Option(help="How long it lasts (default: until it is revoked).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it; it cannot be read again."""
    with _keys() as keys:
        verbs = allow or ["recommend", "feedback"]
        secret, key = keys.create(name, verbs, catalogue or (), person, per_minute, days)
    _show_secret(secret, key, as_json)


@KEYS.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """List the keys, without their secrets."""
    with _keys() as keys:
        known = keys.list()
    if as_json:
        return print_json([asdict(key) for key in known])
    rows = []
    for key in known:
        until = "revoked" if key.revoked else _date(key.expires) if key.expires else "you end it"
        scope = ", ".join(key.catalogues) or "every one"
        rows.append((key.id, key.name, ", ".join(key.verbs), scope, key.person or "", key.per_minute, until))
    show_table(("Id", "Name", "Allows", "Catalogues", "Person", "A minute", "Until"), rows, words=7)


@KEYS.command()
def rotate(
    id: IdArgument,
    grace: Annotated[float, typer.Option(help="Minutes for which the old one still works.", min=0)] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Replace a key by a new one with the same rights, and print that."""
    with _keys() as keys:
        secret, key = keys.rotate(id, grace)
    _show_secret(secret, key, as_json)


@KEYS.command()
def revoke(id: IdArgument) -> None:
    """End a key at once."""
    with _keys() as keys:
        key = keys.revoke(id)
    say(f"Key {key.id} of {key.name} is revoked")


@KEYS.command()
def audit(
    latest: Annotated[int, typer.Option(help="How many changes.", min=1)] = 50, as_json: JsonOption = False
) -> None:
    """Show who changed keys, items and people, the latest first."""
    from agent.store.database import audit_log

    with _keys() as keys:
        changes = audit_log(keys.engine, latest)
    if as_json:
        return print_json(changes)
    names = ("actor", "action", "subject")
    rows = [(_date(float(str(own["timestamp"]))), *(own[name] for name in names)) for own in changes]
    show_table(("When", "Who", "What", "Of"), rows, words=4)


@contextmanager
def _keys() -> Iterator[KeyStore]:
    from agent.store.api_keys import KeyStore
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog

    with FeedbackLog(store_place()) as log:
        yield KeyStore(log.engine)


def _show_secret(secret: str, key: ApiKey, as_json: bool) -> None:
    if as_json:
        return print_json({"key": secret, **asdict(key)})
    say(secret)
    say(f"Key {key.id} of {key.name}: {', '.join(key.verbs)}. Keep it safe: it is not shown again.")


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
