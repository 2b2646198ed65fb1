"""A chat server that answers as a test tells it, in this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.asked.append(body)
            fake.keys.append(self.headers.get("Authorization"))
            status, content = fake.answer(body)
            if not isinstance(content, bytes):
                content = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the other side did not wait

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
