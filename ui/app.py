"""App: the Gradio page, one module per tab, and how it is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from html import escape
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.monitor.trends import watched
from agent.recommender import Recommender
from agent.store.feedback import FeedbackLog
from agent.store.template_serving import ServedTemplates
from agent.store.template_versions import TemplateStore
from ui import theme
from ui.chat import turns
from ui.chat.images import ImageStore
from ui.chat.session import Desk
from ui.live.tab import LiveTab
from ui.studio.tab import StudioTab
from ui.trends.tab import TrendsTab

TITLE = "Concierge"

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio builds its page from inline scripts and templates; everything is still from this server only.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
"""Content-Security-Policy: whatever a message or a title holds, the browser loads nothing from another host."""

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]


class SafeHeaders:
    """ASGI middleware that adds :data:`HEADERS` to every response."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_safely(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self.app(scope, receive, send_safely if scope["type"] == "http" else send)


def build_app(recommender: Recommender, log: FeedbackLog, authors: Collection[str] | None = None) -> gr.Blocks:
    """The whole page; the same app serves any number of people.

    ``authors`` are the accounts that see and use the tabs behind the chat; None where there are no accounts: everybody
    does.
    """
    desk = Desk(log)
    served = recommender.templates or ServedTemplates(TemplateStore(log))
    watch = watched(recommender.catalogue)
    app = gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True)
    with app:
        # The value is only kept in the visitor's own browser. The key is no secret (the page holds it): it is fixed so
        # that a restart of the server can still read what an earlier one stored.
        store = gr.BrowserState(None, storage_key="concierge", secret="concierge-browser-state")
        with gr.Row(elem_classes=["top-bar"]):
            many = escape(recommender.catalogue.domain.nouns.many.capitalize())
            gr.HTML(f"<h1>Concierge</h1><p>{many} for you, and why</p>", elem_classes=["brand"])
            toggle = gr.Button("Light / dark", size="sm", min_width=0, scale=0, elem_id="theme-toggle")
        toggle.click(fn=None, js=theme.TOGGLE)
        with gr.Tabs(elem_classes=["pages"]):
            with gr.Tab("Chat", id="chat"):
                tab = turns.ChatTab(recommender, desk, store)
            if authors is None or authors:
                with gr.Tab("Prompts", id="prompts", visible=authors is None) as prompts_tab:
                    author_desk = StudioTab(recommender, served, store, authors)
                author_desk.open_with(prompts_tab, store)
                with gr.Tab("Live", id="live", visible=authors is None) as live_tab:
                    figures = LiveTab(log, authors, lambda: recommender.experiment)
                figures.open_with(live_tab)
                if watch is not None:
                    with gr.Tab("Trends", id="trends", visible=authors is None) as trends_tab:
                        trends = TrendsTab(watch, log, authors)
                    trends.open_with(trends_tab)
                    if authors is not None:
                        app.load(trends.on_visit, None, [trends_tab], api_visibility="private")
                if authors is not None:
                    app.load(author_desk.on_visit, None, [prompts_tab], api_visibility="private")
                    app.load(figures.on_visit, None, [live_tab], api_visibility="private")
        app.load(
            tab.on_load,
            [store],
            tab.page.components,
            js=theme.OWN_CHAT,
            concurrency_limit=16,
            concurrency_id="quick",
            show_progress="hidden",
            api_visibility="private",
        )
    return app


async def _alive(_: Request) -> Response:
    """Nothing: only that there is a server."""
    return Response(status_code=204)


def _serving(recommender: Recommender) -> dict[str, Any]:
    """How Gradio serves the page: nothing that the page does not need, everything under the safe headers."""
    return {
        "footer_links": [],
        "run_history": False,
        "allowed_paths": [],
        "max_file_size": "8mb",
        "enable_monitoring": False,
        "ssr_mode": False,
        "mcp_server": False,
        "pwa": False,
        "theme": theme.theme(),
        "css_paths": [theme.STYLE, theme.STUDIO_STYLE, theme.LIVE_STYLE, theme.TRENDS_STYLE],
        "js": theme.SCRIPT,
        "app_kwargs": {
            "middleware": [Middleware(SafeHeaders)],
            "routes": [ImageStore(recommender).route(), Route("/alive", _alive)],
            "docs_url": None,
            "redoc_url": None,
        },
    }


def mounted(app: gr.Blocks, recommender: Recommender, accounts: Sequence[tuple[str, str]] = ()) -> FastAPI:
    """The app as a web application that another server runs; with ``accounts`` a visitor has to log in."""
    app.queue(max_size=128, default_concurrency_limit=16, api_open=False)
    page = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})
    gr.mount_gradio_app(
        page,
        app,
        path="",
        auth=list(accounts) or None,
        **_serving(recommender),
    )
    return page


def launch(
    app: gr.Blocks,
    recommender: Recommender,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = False,
    accounts: Sequence[tuple[str, str]] = (),
) -> str:
    """Serve the app from a thread of its own and return its address.

    ``port`` None means 7860 or the next free one. With ``accounts`` (user, password) a visitor has to log in.

    Raises:
        OSError: the port, or every port tried, is in use.
    """
    app.queue(max_size=128, default_concurrency_limit=16, api_open=False)
    _, url, _ = app.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        auth=list(accounts) or None,
        share=False,
        quiet=True,
        show_error=True,
        strict_cors=True,
        prevent_thread_lock=True,
        **_serving(recommender),
    )
    return str(url)
