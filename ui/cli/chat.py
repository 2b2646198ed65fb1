"""The verb ``concierge chat``, and the accounts of those who come from other machines."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ui.cli.terminal import (
    ROOT,
    AdapterOption,
    DataOption,
    LlmModelOption,
    LlmOption,
    LlmPartOption,
    LlmSecondsOption,
    ModelOption,
    language_of,
    say,
)

AUTH_VARIABLE = "CONCIERGE_AUTH"
"""Environment variable with accounts for ``concierge serve``, one ``user:password`` a line."""

Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port (default: 7860, or the next free one).", show_default=False),
]


class ServeError(Exception):
    """The chat cannot be served as asked; the message says what to change."""


@ROOT.command(epilog="Example: concierge chat --port 8000 --no-open")
def chat(
    data: DataOption = "films",
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
    llm: LlmOption = None,
    llm_model: LlmModelOption = "default",
    llm_part: LlmPartOption = "both",
    llm_seconds: LlmSecondsOption = 4.0,
) -> None:
    """Open the chat on this machine."""
    if not is_loopback(host):
        raise ServeError(f"--host {host} lets other machines in: use `concierge serve --host {host} --auth FILE`")
    language = language_of(llm, llm_model, llm_part, llm_seconds)
    say("Starting Concierge …")
    from agent.recommender import Recommender
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog
    from ui.app import build_app, launch

    with FeedbackLog(store_place()) as log:
        recommender = Recommender.load(data, model, adapter, log, explore=True, progress=True, language=language)
        app = build_app(recommender, log)
        try:
            url = launch(
                app, recommender, host=host, port=port, open_browser=_has_desktop() if browser is None else browser
            )
        except OSError as error:
            raise ServeError(f"cannot listen on {host}{f':{port}' if port else ''}: choose another --port") from error
        say(f"Concierge is at {url} (Ctrl-C stops it)")
        app.block_thread()


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
