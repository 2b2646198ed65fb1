"""Chat completions: the recommender behind OpenAI's chat protocol, so that any chat front end can be put before it.

The front end keeps the conversation and sends all of it each time; the recommender reads it anew and logs nothing.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent.service.http import STREAM_SECONDS, STREAMED, Asking, Service, pieces, sse
from agent.service.problems import Problem
from agent.service.schemas import AnswerOut
from agent.text import MESSAGE_LIMIT

MODEL = "concierge"
"""The model that stands for the default catalogue; ``concierge/NAME`` for another one."""

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|!~$])")


class TextPart(BaseModel):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: Annotated[str, StringConstraints(max_length=MESSAGE_LIMIT)]


class ChatMessage(BaseModel):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str, StringConstraints(max_length=MESSAGE_LIMIT)] | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The message in words."""
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(BaseModel):
    """A request of the protocol; fields that only concern a language model are accepted and have no effect."""

    model: Annotated[str, StringConstraints(max_length=100)] = MODEL
    messages: list[ChatMessage] = Field(min_length=1, max_length=100)
    stream: bool = False
    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"model": MODEL, "messages": [{"role": "user", "content": "Something funny"}]}]
        },
    )


def add_chat_completions(app: FastAPI, service: Service) -> None:
    """Add ``/v1/models`` and ``/v1/chat/completions``."""

    @app.get("/v1/models", tags=["chat"], summary="Catalogues as models of OpenAI's protocol")
    def models(caller: Asking) -> dict[str, Any]:
        names = [MODEL, *(f"{MODEL}/{name}" for name in service.catalogues if caller.sees(name))]
        return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": MODEL} for name in names]}

    @app.post(
        "/v1/chat/completions",
        tags=["chat"],
        summary="OpenAI's chat protocol",
        responses=STREAMED,
    )
    async def completions(request: ChatRequest, caller: Asking) -> Any:
        head, _, name = request.model.partition("/")
        if head != MODEL:
            raise Problem("not-found", f"no model {request.model!r}: GET /v1/models lists them")
        own = service.pick(caller, "recommend", name or None, caller.key.person if caller.key else None)
        said = [(message.role, message.text) for message in request.messages if message.role in ("user", "assistant")]
        if not said or said[-1][0] != "user" or not said[-1][1].strip():
            raise Problem("invalid-request", "the last message must be the user's, with words in it")
        answer = await service.workers.run(lambda: own.complete(said, 5))
        text = as_markdown(answer)
        top = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": request.model}
        if request.stream:
            return StreamingResponse(_chunks(text, top), media_type="text/event-stream")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return {**top, "object": "chat.completion", "choices": [choice], "usage": usage}


def as_markdown(answer: AnswerOut) -> str:
    """An answer as one text: the reply, then the items with their reasons; titles are no markup."""
    lines = [answer.reply]
    for place, item in enumerate(answer.items, 1):
        year = item.attributes.get("year")
        name = item.title if year is None else f"{item.title} ({year})"
        lines.append(f"{place}. **{plain(name)}**: {plain(item.reason)}")
    return "\n\n".join([lines[0], "\n".join(lines[1:])]) if answer.items else lines[0]


def plain(text: str) -> str:
    """``text`` with nothing in it that Markdown or HTML would act on."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


async def _chunks(text: str, top: dict[str, Any]) -> AsyncIterator[str]:
    def chunk(delta: dict[str, str], reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return sse({**top, "object": "chat.completion.chunk", "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""}, None)
    for piece in pieces(text):
        yield chunk({"content": piece}, None)
        await asyncio.sleep(STREAM_SECONDS)
    yield chunk({}, "stop")
    yield "data: [DONE]\n\n"
