"""Chat server: answers in JSON from any server that speaks OpenAI's chat protocol (vLLM, llama.cpp, Ollama, …).

Who asks has an answer of its own at hand: whatever goes wrong here is one exception, which comes within the deadline.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from typing import Any

import httpx

KEY_VARIABLE = "CONCIERGE_LLM_KEY"
"""Environment variable with the server's API key."""

SECONDS = 4.0
"""So long an answer may take, from the request to its last byte."""

PAUSE = 30.0
"""Seconds for which a server is left alone after so many failures in a row:"""
FAILURES = 2

LONGEST = 256 * 1024
"""Bytes of an answer that are read at most."""

_THREADS = 8
_REFUSED = frozenset({400, 404, 415, 422, 501})
"""What servers answer that do not know ``response_format``, or not this kind of it."""
_LOG = logging.getLogger("concierge.service")


class ChatServerError(RuntimeError):
    """The server gave no answer that can be used; the message says why, in a few words."""


class ServerAddressError(ValueError):
    """The server's address cannot be used; the message says how to write it."""


class ChatServer:
    """Asks ``POST {url}/chat/completions`` for JSON, and counts what came of it.

    ``url`` ends in the API's version (``http://localhost:8000/v1``, which is added where there is no path). ``key`` is
    sent as a bearer token and stands in no message. After :data:`FAILURES` failures in a row every question fails at
    once for :data:`PAUSE` seconds, so that a server that is away costs a conversation next to nothing. Threads share
    it.

    Raises:
        ServerAddressError: ``url`` is no address.
    """

    def __init__(
        self,
        url: str,
        model: str = "default",
        key: str | None = None,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        address = _address(url)
        self.name = f"{address.host}:{address.port}" if address.port else address.host
        self.model = model
        self.seconds = seconds
        self.counts: Counter[tuple[str, str]] = Counter()
        """(what was asked for, "used" or why its answer was not) -> how often."""
        self._url = f"{str(address).rstrip('/')}/chat/completions"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=seconds)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="chat-server")
        self._clock, self._lock = clock, threading.Lock()
        self._formats = 0  # how many of the ways to ask for JSON the server refused
        self._failures, self._away_until = 0, 0.0

    def ask(self, name: str, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Any:
        """The server's answer to ``messages`` as JSON; ``schema`` is asked for, and not checked here.

        Raises:
            ChatServerError: it did not answer in time, refused, or answered with something else.
        """
        with self._lock:
            if self._clock() < self._away_until:
                raise ChatServerError("paused after failures")
        until = time.monotonic() + self.seconds
        future = self._threads.submit(self._asked, name, messages, schema, until)
        try:
            content = future.result(self.seconds)
        except (OutOfTime, httpx.TimeoutException):
            future.cancel()
            self._failed()
            raise ChatServerError("timeout") from None
        except httpx.HTTPStatusError as error:
            self._failed()
            raise ChatServerError(f"status {error.response.status_code}") from None
        except httpx.HTTPError as error:
            self._failed()
            raise ChatServerError(f"no connection ({type(error).__name__})") from None
        except (ValueError, LookupError, TypeError):
            self._failed()
            raise ChatServerError("no chat completion") from None
        with self._lock:
            self._failures = 0
        return _json_of(content)

    def _asked(self, name: str, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any], until: float) -> str:
        """The content of the first choice; asks for JSON in plainer ways where the server refuses the better ones."""
        ways: tuple[dict[str, Any], ...] = (
            {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}},
            {"response_format": {"type": "json_object"}},
            {},
        )
        body = {"model": self.model, "messages": list(messages), "temperature": 0, "max_tokens": 600}
        for number in range(self._formats, len(ways)):
            try:
                answer = self._posted({**body, **ways[number]}, until)
            except httpx.HTTPStatusError as error:
                if error.response.status_code not in _REFUSED or number + 1 == len(ways):
                    raise
                continue
            self._formats = number
            content = answer["choices"][0]["message"]["content"]
            if not isinstance(content, str):
                raise TypeError(f"content is of type {type(content).__name__}")
            return content
        raise AssertionError("the last way either answers or raises")

    def _posted(self, body: Mapping[str, Any], until: float) -> Any:
        with self._client.stream("POST", self._url, json=body) as response:
            response.raise_for_status()
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LONGEST:
                    raise ValueError("too long")
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer came too slowly")
        return json.loads(content)

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                self._away_until = self._clock() + PAUSE

    def used(self, what: str) -> None:
        """Count an answer that was used."""
        with self._lock:
            self.counts[what, "used"] += 1

    def fell_back(self, what: str, error: ChatServerError) -> None:
        """Count, and log, that the product's own means were taken instead."""
        with self._lock:
            self.counts[what, str(error)] += 1
            asked = sum(number for (name, _), number in self.counts.items() if name == what)
            unused = asked - self.counts[what, "used"]
        _LOG.warning("%s by %s fell back: %s (%d of %d so far)", what, self.name, error, unused, asked)

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL("")
    if address.scheme not in ("http", "https") or not address.host:
        raise ServerAddressError(f"{url!r} is no address of a server: write it as http://localhost:8000/v1")
    return address if address.path.strip("/") else address.copy_with(path="/v1")


def _json_of(content: str) -> Any:
    """The first JSON object in a text; models also think aloud before it, or fence it in."""
    text = content.rpartition("</think>")[2]
    start = text.find("{")
    if start < 0:
        raise ChatServerError("no JSON")
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        raise ChatServerError("broken or partial JSON") from None
