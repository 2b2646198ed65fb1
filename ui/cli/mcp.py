"""The verb ``concierge mcp``: the recommender as tools for agents, over standard input and output."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import typer

from ui.cli.terminal import AdapterOption, CataloguesOption, ModelOption


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the root command."""
    app.command(
        epilog="Example, in an agent's configuration: "
        '{"mcpServers": {"concierge": {"command": "concierge", "args": ["mcp"]}}}\n\n'
        "Over HTTP the same tools are at /mcp of `concierge serve`."
    )(mcp)


def mcp(data: CataloguesOption = None, model: ModelOption = None, adapter: AdapterOption = None) -> None:
    """Offer the recommender to an agent as tools (Model Context Protocol on standard input and output)."""
    import asyncio

    from agent.service.assembly import opened
    from agent.service.mcp_server import build_mcp
    from agent.service.watch import log_to_stderr
    from ui.cli.serve import catalogues

    log_to_stderr("warning")
    with redirect_stdout(sys.stderr):  # standard output belongs to the protocol
        holder = opened(catalogues(data), model, adapter)
        parts = holder.__enter__()
    try:
        asyncio.run(build_mcp(parts.service).run_stdio_async())
    finally:
        parts.service.close()
        holder.__exit__(None, None, None)
