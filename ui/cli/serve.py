"""The verbs ``concierge serve`` (chat, service and tools in one process) and ``concierge mcp`` (tools on stdio)."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Annotated, Literal

import typer

from ui.cli.chat import AUTH_VARIABLE, Port, ServeError, is_loopback, read_accounts
from ui.cli.terminal import (
    ROOT,
    AdapterOption,
    CataloguesOption,
    LlmModelOption,
    LlmOption,
    LlmPartOption,
    LlmSecondsOption,
    ModelOption,
    language_of,
    say,
)

FIRST_PORT, PORTS = 7860, 20
"""Where a free port is looked for, and how many are tried."""

DRAIN_SECONDS = 30
"""How long requests that are being answered may take after the process was asked to end."""


@ROOT.command(
    epilog="Example: concierge keys create shop, then: concierge serve --host 0.0.0.0 --auth accounts.txt\n\n"
    "The routes are described at /v1/docs."
)
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
    llm: LlmOption = None,
    llm_model: LlmModelOption = "default",
    llm_part: LlmPartOption = "both",
    llm_seconds: LlmSecondsOption = 4.0,
) -> None:
    """Serve the chat, HTTP (/v1) and MCP (/mcp): people need an account, programs a key, unless they are local."""
    accounts = read_accounts(auth, os.environ.get(AUTH_VARIABLE))
    strangers = sorted(set(author or ()) - {name for name, _ in accounts})
    if strangers:
        raise ServeError(f"--author {strangers[0]} has no account: add it to --auth, or leave it out")
    if chat and not accounts and not is_loopback(host):
        raise ServeError(
            f"--host {host} lets other machines in, and nobody has an account: give --auth FILE or set {AUTH_VARIABLE},"
            " with one user:password a line, or leave the chat out with --no-chat"
        )
    language = language_of(llm, llm_model, llm_part, llm_seconds)
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
