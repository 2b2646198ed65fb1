"""The verbs ``concierge chat``, ``concierge serve`` (chat, service and tools in one process) and ``concierge mcp``."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Annotated, Literal

import typer

from ui.cli.terminal import (
    ROOT,
    AdapterOption,
    CataloguesOption,
    DataOption,
    Llm,
    ModelOption,
    say,
    with_options,
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
@with_options
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
    llm: Llm = Llm(),
) -> None:
    """Open the chat on this machine."""
    from agent.service.access import is_loopback

    if not is_loopback(host):
        raise ServeError(f"--host {host} lets other machines in: use `concierge serve --host {host} --auth FILE`")
    language = llm.language()
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


FIRST_PORT, PORTS = 7860, 20
"""Where a free port is looked for, and how many are tried."""

DRAIN_SECONDS = 30
"""How long requests that are being answered may take after the process was asked to end."""


@ROOT.command(
    epilog="Example: concierge keys create shop, then: concierge serve --host 0.0.0.0 --auth accounts.txt\n\n"
    "The routes are described at /v1/docs."
)
@with_options
def serve(
    data: CataloguesOption = None,
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
    chat: Annotated[bool, typer.Option("--chat/--no-chat", help="Serve the chat's page as well.")] = True,
    require_key: Annotated[
        bool, typer.Option("--require-key", help="Ask programs on this machine for an API key, too.")
    ] = False,
    turns: Annotated[int, typer.Option(help="Turns that are worked on at a time.", min=1, max=64)] = 2,
    queue: Annotated[int, typer.Option(help="Turns that may wait; more are refused.", min=0)] = 32,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="The least that is logged.")
    ] = "info",
    llm: Llm = Llm(),
) -> None:
    """Serve the chat, HTTP (/v1) and MCP (/mcp): people need an account, programs a key, unless they are local."""
    from agent.service.access import is_loopback

    accounts = read_accounts(auth, os.environ.get(AUTH_VARIABLE))
    strangers = sorted(set(author or ()) - {name for name, _ in accounts})
    if strangers:
        raise ServeError(f"--author {strangers[0]} has no account: add it to --auth, or leave it out")
    if chat and not accounts and not is_loopback(host):
        raise ServeError(
            f"--host {host} lets other machines in, and nobody has an account: give --auth FILE or set {AUTH_VARIABLE},"
            " with one user:password a line, or leave the chat out with --no-chat"
        )
    language = llm.language()
    say("Starting Concierge …")
    import uvicorn

    from agent.service.assembly import build_application, opened
    from agent.service.tracing import start_tracing
    from agent.service.watch import log_to_stderr

    log_to_stderr(log_level)
    with (
        ExitStack() as ending,
        listen(host, port) as held,
        opened(
            catalogues(data),
            model,
            adapter,
            require_key=require_key,
            threads=turns,
            waiting=queue,
            progress=True,
            language=language,
        ) as parts,
    ):
        ending.callback(start_tracing())
        page = None
        if chat:
            from ui.app import build_app, mounted

            app = build_app(parts.recommender, parts.log, author or () if accounts else None)
            page = mounted(app, parts.recommender, accounts)
        application = build_application(parts.service, page)
        name, number = held.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        say(f"Concierge is at http://{shown}:{number} (Ctrl-C stops it)")
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        signal.signal(signal.SIGTERM, _end)  # uvicorn raises it again when all requests have been answered
        uvicorn.Server(config).run(sockets=[held])


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)


def catalogues(data: list[str] | None) -> list[str]:
    """The data sets that were named, or the default one."""
    from agent.data.dataset import DEFAULT

    return list(data) if data else [DEFAULT]


def listen(host: str, port: int | None) -> socket.socket:
    """A socket on the port, or on the first free one from 7860 on.

    Raises:
        ServeError: the port, or every port tried, is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS):
        try:
            return socket.create_server((host, number), family=family, backlog=512)
        except OSError:
            continue
    raise ServeError(f"cannot listen on {host}{f':{port}' if port else ''}: choose another --port")


@ROOT.command(
    epilog="Example, in an agent's configuration: "
    '{"mcpServers": {"concierge": {"command": "concierge", "args": ["mcp"]}}}\n\n'
    "Over HTTP the same tools are at /mcp of `concierge serve`."
)
def mcp(data: CataloguesOption = None, model: ModelOption = None, adapter: AdapterOption = None) -> None:
    """Offer the recommender to an agent as tools (Model Context Protocol on standard input and output)."""
    import asyncio

    from agent.service.assembly import opened
    from agent.service.mcp_server import build_mcp
    from agent.service.watch import log_to_stderr

    log_to_stderr("warning")
    with redirect_stdout(sys.stderr):  # standard output belongs to the protocol
        holder = opened(catalogues(data), model, adapter)
        parts = holder.__enter__()
    try:
        asyncio.run(build_mcp(parts.service).run_stdio_async())
    finally:
        parts.service.close()
        holder.__exit__(None, None, None)
