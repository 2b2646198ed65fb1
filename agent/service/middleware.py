"""Envelope: what surrounds every request: its id, its limit of size, its line of log, and the last resort."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.service.problems import Problem
from agent.service.tracing import request_span
from agent.service.watch import LOGGER, Metrics, request_id

MOST_BYTES = 1 << 20
"""Largest body of a request."""

LIMITED = ("/v1/", "/mcp")
"""Where that holds; the chat's own routes have limits of their own."""

_ID = re.compile(r"[\w.:-]{1,64}")


class Envelope:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(id)
        start, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", id.encode())]
            await send(message)

        with request_span(headers, scope["method"]) as traced:
            try:
                limited = scope["path"].startswith(LIMITED)
                await self._app(scope, await _whole(receive) if limited else receive, sending)
            except Problem as problem:  # from reading the body, before the application's own handlers
                if status == 0:
                    await problem_response(problem)(scope, receive, sending)
            except Exception:
                LOGGER.exception("failed", extra={"fields": {"path": _route(scope)}})
                if status == 0:
                    failure = Problem("internal", f"this is a fault of the service: report it with the request id {id}")
                    await problem_response(failure)(scope, receive, sending)
            finally:
                traced(_route(scope), status)
                self._account(scope, status, time.perf_counter() - start)
                request_id.reset(token)

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self._metrics.requests.labels(route, scope["method"], str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if route in ("/healthz", "/readyz", "/metrics", "chat") and status < 400:
            return
        fields = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "caller": scope.get("state", {}).get("caller"),
        }
        LOGGER.info("request", extra={"fields": fields})


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A refusal as a response."""
    return JSONResponse(
        problem.document(request_id.get()),
        problem.status,
        {**(headers or {}), **problem.headers},
        media_type="application/problem+json",
    )


async def _whole(receive: Receive) -> Receive:
    """The body, read up to the limit, as one message; then whatever else comes.

    Raises:
        Problem: it is larger.
    """
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise Problem("too-large", f"a body of more than {MOST_BYTES:,} bytes: send it in parts")
        if not message.get("more_body", False):
            break
    first = message if message["type"] == "http.disconnect" else {"type": "http.request", "body": body}
    waiting: list[Message] = [first]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving


def _route(scope: Scope) -> str:
    """The route's template, so that ids are neither labels nor in the log."""
    route = scope.get("route")
    path = getattr(route, "path", "")
    if path:
        return str(path)
    return "other" if scope["path"].startswith(LIMITED) else "chat"
