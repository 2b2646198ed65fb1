"""A chat server that answers as a test tells it, in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import loopback

Answer = Callable[[dict[str, Any]], tuple[int, Any]]
"""A request's body -> status, and what the first choice says (bytes: the whole body as it is)."""


class FakeChat:
    """``asked`` are the bodies and ``keys`` the authorisations that came in; ``answer`` says what goes out."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer: Answer = lambda body: (200, "{}")
        self.url = ""

    def says(self, what: Any, status: int = 200, after: float = 0.0) -> None:
        """Answer everything with this; text and bytes as they are, else as JSON."""

        def answer(body: dict[str, Any]) -> tuple[int, Any]:
            time.sleep(after)
            return status, what if isinstance(what, str | bytes) else json.dumps(what)

        self.answer = answer


@contextmanager
def fake_chat() -> Iterator[FakeChat]:
    """A server while the block runs."""
    fake = FakeChat()

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        fake.asked.append(body)
        fake.keys.append(request.headers.get("Authorization"))
        status, content = fake.answer(body)
        if not isinstance(content, bytes):
            content = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()
        return status, content

    with loopback(answer) as origin:
        fake.url = f"{origin}/v1"
        yield fake
