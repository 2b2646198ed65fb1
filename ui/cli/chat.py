"""The verbs ``concierge chat`` and ``concierge serve``."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ui.cli.options import AdapterOption, DataOption, ModelOption
from ui.cli.terminal import out

AUTH_VARIABLE = "CONCIERGE_AUTH"
"""Environment variable with accounts for ``concierge serve``, one ``user:password`` a line."""

Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port (default: 7860, or the next free one).", show_default=False),
]


class ServeError(Exception):
    """The chat cannot be served as asked; the message says what to change."""


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the root."""
    app.command(epilog="Example: concierge chat --port 8000 --no-open")(chat)
    app.command(epilog="Example: concierge serve --host 0.0.0.0 --auth accounts.txt")(serve)


def chat(
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    host: Annotated[str, typer.Option(help="An address of this machine alone.")] = "127.0.0.1",
    port: Port = None,
    browser: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open", help="Open the page in the browser (default: on a desktop).", show_default=False
        ),
    ] = None,
) -> None:
    """Open the chat on this machine."""
    if not is_loopback(host):
        raise ServeError(f"--host {host} lets other machines in: use `concierge serve --host {host} --auth FILE`")
    _run(data, model, adapter, host, port, _has_desktop() if browser is None else browser, [], ())


def serve(
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Port = None,
    auth: Annotated[
        Path | None,
        typer.Option(
            help=f"A file with one user:password a line (or the same in ${AUTH_VARIABLE}).", show_default=False
        ),
    ] = None,
    author: Annotated[
        list[str] | None,
        typer.Option(help="An account that may edit the prompts; may be repeated (default: none).", show_default=False),
    ] = None,
) -> None:
    """Serve the chat to other machines; whoever comes in needs an account."""
    accounts = read_accounts(auth, os.environ.get(AUTH_VARIABLE))
    strangers = sorted(set(author or ()) - {name for name, _ in accounts})
    if strangers:
        raise ServeError(f"--author {strangers[0]} has no account: add it to --auth, or leave it out")
    if not accounts and not is_loopback(host):
        raise ServeError(
            f"--host {host} lets other machines in, and nobody has an account: give --auth FILE or set {AUTH_VARIABLE},"
            " with one user:password a line"
        )
    _run(data, model, adapter, host, port, False, accounts, author or ())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_accounts(path: Path | None, variable: str | None) -> list[tuple[str, str]]:
    """The accounts in a file and an environment variable; blank lines and lines that start with # are left out.

    Raises:
        ServeError: no account where some were announced, or a line without a user or a password.
    """
    accounts: dict[str, str] = {}
    sources = [(AUTH_VARIABLE, variable)]
    if path is not None:
        try:
            sources.append((str(path), path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise ServeError(f"cannot read the accounts in {path}: {error}") from error
    for name, text in sources:
        if text is None:
            continue
        lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
        kept = [(n, line) for n, line in lines if line and not line.startswith("#")]
        if not kept:
            raise ServeError(f"{name} holds no account: write user:password on a line, or leave it out")
        for number, line in kept:
            user, colon, password = line.partition(":")
            if not (user.strip() and colon and password.strip()):
                raise ServeError(f"{name}, line {number}: write user:password, neither of them empty")
            accounts[user.strip()] = password
    return list(accounts.items())


def _has_desktop() -> bool:
    """Whether opening a browser makes sense: a person at a terminal, with a screen for windows."""
    screen = sys.platform in ("darwin", "win32") or any(os.environ.get(v) for v in ("DISPLAY", "WAYLAND_DISPLAY"))
    return sys.stdout.isatty() and screen


def _run(
    data: str,
    model: str | None,
    adapter: Path | None,
    host: str,
    port: int | None,
    browser: bool,
    accounts: list[tuple[str, str]],
    authors: Sequence[str],
) -> None:
    out().print("Starting Concierge …")
    from agent.data.assets import data_dir
    from agent.recommender import Recommender
    from agent.store.feedback import FeedbackLog
    from ui.app import build_app, launch

    with FeedbackLog(data_dir() / "feedback.db") as log:
        recommender = Recommender.load(data=data, model=model, adapter=adapter, log=log, explore=True, progress=True)
        app = build_app(recommender, log, authors if accounts else None)
        try:
            url = launch(app, host=host, port=port, open_browser=browser, accounts=accounts)
        except OSError as error:
            raise ServeError(f"cannot listen on {host}{f':{port}' if port else ''}: choose another --port") from error
        out().print(f"Concierge is at {url} (Ctrl-C stops it)", soft_wrap=True)
        app.block_thread()
