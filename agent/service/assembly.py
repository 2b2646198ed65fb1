"""Assembly: recommenders, stores and routes put together into one application."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from agent.recommender import BUILT_IN, Language, Recommender
from agent.service.access import Gate
from agent.service.catalogue_service import CatalogueService
from agent.service.chat_completions import add_chat_completions
from agent.service.facade import Facade
from agent.service.http import Service, build_http
from agent.service.mcp_server import PATH, McpGuard, build_mcp, mcp_routes
from agent.service.middleware import Envelope
from agent.service.workers import Workers
from agent.store.api_keys import KeyStore
from agent.store.database import store_place
from agent.store.feedback import FeedbackLog

OURS = ("/v1", "/healthz", "/readyz", "/metrics", PATH)
"""Paths of the service; all others are the chat's."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A service, and the first catalogue's recommender and store, which the chat uses too."""

    service: Service
    recommender: Recommender
    log: FeedbackLog


@contextmanager
def opened(
    data: Sequence[str],
    model: str | None = None,
    adapter: Path | None = None,
    *,
    require_key: bool = False,
    threads: int = 2,
    waiting: int = 32,
    progress: bool = False,
    language: Language = BUILT_IN,
) -> Iterator[Opened]:
    """Load a recommender for each catalogue, with a store each: the first one shares the chat's.

    ``data``: names of data sets; the first is the default; ``adapter``: an adapter folder of the first (None: the
    active one); ``language``: who reads and words.

    Raises:
        AssetError, ValueError: something is missing or does not fit; the message names it and the fix.
    """
    with ExitStack() as stack:
        parts: list[tuple[Recommender, FeedbackLog]] = []
        for place, name in enumerate(dict.fromkeys(data)):
            log = stack.enter_context(FeedbackLog(store_place("" if place == 0 else name)))
            own = adapter if place == 0 else None
            recommender = Recommender.load(name, model, own, log, explore=True, progress=progress, language=language)
            parts.append((recommender, log))
        catalogues = [CatalogueService(Facade(recommender), log) for recommender, log in parts]
        gate = Gate(KeyStore(parts[0][1].engine), require_key)
        service = Service({own.name: own for own in catalogues}, gate, Workers(threads, waiting))
        yield Opened(service, *parts[0])


def build_application(service: Service, chat: Any | None = None) -> ASGIApp:
    """HTTP and MCP, and the chat under all paths that are not theirs.

    ``chat`` is an ASGI application with a ``router.lifespan_context``, as FastAPI's and Starlette's are.
    """
    server = build_mcp(service)
    tools = mcp_routes(server)
    held: list[Callable[[], Any]] = [server.session_manager.run]
    if chat is not None:
        held.append(lambda: chat.router.lifespan_context(chat))
    http = build_http(service, tuple(held))
    add_chat_completions(http, service)
    return Paths(http, Envelope(McpGuard(tools, service), service.metrics), chat)


class Paths:
    """Sends each request where its path belongs."""

    def __init__(self, http: ASGIApp, tools: ASGIApp, chat: ASGIApp | None) -> None:
        self.http = http
        self._tools = tools
        self._chat = chat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's lifespan."""
        path = scope.get("path", "")
        if scope["type"] == "http" and (path == PATH or path.startswith(f"{PATH}/")):
            await self._tools(scope, receive, send)
        elif scope["type"] == "lifespan" or self._chat is None or _is_ours(path):
            await self.http(scope, receive, send)
        else:
            await self._chat(scope, receive, send)


def _is_ours(path: str) -> bool:
    return any(path == own or path.startswith(f"{own}/") for own in OURS)
