"""Speech over HTTP: the language adapter behind the part of OpenAI's chat protocol that a wording server needs."""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.generation.constrained import JsonForm
from agent.generation.local import Asked, Speech

MOST_TOKENS = 400
"""A text may be asked for with at most so many tokens."""


def speech_app(speech: Speech, key: str | None = None) -> Starlette:
    """The routes ``/v1/models`` and ``/v1/chat/completions`` (also streamed, also held to a JSON schema).

    With a ``key`` every request must carry it as ``Authorization: Bearer KEY``.
    """
    name = speech.card.version

    def refused(request: Request) -> Response | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
            return _error(401, "the API key is missing or wrong: send `Authorization: Bearer KEY`")
        return None

    async def models(request: Request) -> Response:
        return refused(request) or JSONResponse({"object": "list", "data": [{"id": name, "object": "model"}]})

    async def completions(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        try:
            body = json.loads(await request.body())
            asked = read_request(body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _error(400, f"the request cannot be read: {error}")
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
        if body.get("stream"):
            return StreamingResponse(_events(speech, asked, head), media_type="text/event-stream")
        try:
            (text,) = await run_in_threadpool(speech.write, [asked])
        except ValueError as error:
            return _error(400, str(error))
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice]})

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/chat/completions", completions, methods=["POST"]),
        ]
    )


def read_request(body: Any) -> Asked:
    """One request of the protocol.

    Raises:
        ValueError: a field is missing, of the wrong type or out of range.
    """
    messages = [{"role": str(m["role"]), "content": str(m["content"])} for m in body["messages"]]
    if not messages or any(m["role"] not in ("system", "user", "assistant") for m in messages):
        raise ValueError("messages must be a list of {role: system, user or assistant, content}")
    tokens = int(body.get("max_completion_tokens") or body.get("max_tokens") or 80)
    temperature = float(body.get("temperature") or 0.0)
    if not 1 <= tokens <= MOST_TOKENS or not 0 <= temperature <= 5:
        raise ValueError(f"max_tokens must be 1 to {MOST_TOKENS} and temperature 0 to 5")
    wanted = body.get("response_format") or {}
    form = JsonForm(wanted["json_schema"]["schema"]) if wanted.get("type") == "json_schema" else None
    return Asked(messages, form, tokens, temperature, int(body.get("seed") or 0))


def _events(speech: Speech, asked: Asked, head: dict[str, Any]) -> Iterator[str]:
    def event(delta: dict[str, str], reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"

    yield event({"role": "assistant"}, None)
    for piece in speech.stream(asked):
        yield event({"content": piece}, None)
    yield event({}, "stop")
    yield "data: [DONE]\n\n"


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, status)
