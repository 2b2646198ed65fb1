"""Remote speech: texts from any server that speaks OpenAI's chat protocol (vLLM, llama.cpp, Ollama, ...)."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from agent.generation.constrained import JsonForm

if TYPE_CHECKING:
    from agent.generation.local import Asked

KEY_VARIABLE = "CONCIERGE_WORDING_KEY"
"""Environment variable with the server's API key."""

PAUSE = 30.0
"""Seconds for which a server that failed is left alone."""

_LOG = logging.getLogger(__name__)


class SpeechError(RuntimeError):
    """A text could not be written; the message names the server and what was wrong."""


class RemoteSpeech:
    """Writes texts through ``POST {url}/chat/completions``.

    ``url`` ends in the API's version, as ``http://localhost:8000/v1``. After a failure every call fails at once for
    ``PAUSE`` seconds, so that a server that is away costs a chat one timeout and not one a turn.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: str | None = None,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise SpeechError(f"{url!r} is no address of a server: write it as http://localhost:8000/v1")
        self.url = url.rstrip("/")
        self.model = model
        key = key if key is not None else os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(timeout, connect=min(timeout, 3.0)))
        self._clock = clock
        self._away_until = 0.0

    def write(self, asked: Sequence[Asked]) -> list[str]:
        """The texts, one after the other.

        Raises:
            SpeechError: the server is away, refuses, or answers with something else.
        """
        return [self._write(each) for each in asked]

    def _write(self, asked: Asked) -> str:
        with self._failures():
            answer = self._client.post(f"{self.url}/chat/completions", json=self._body(asked, stream=False))
            answer.raise_for_status()
            text = answer.json()["choices"][0]["message"]["content"]
            if not isinstance(text, str):
                raise ValueError(f"content is {text!r:.60}")
            return text.strip()

    def stream(self, asked: Asked) -> Iterator[str]:
        """The pieces of one text as the server sends them.

        Raises:
            SpeechError: as :meth:`write`; also in the middle of a text.
        """
        body = self._body(asked, stream=True)
        with self._failures(), self._client.stream("POST", f"{self.url}/chat/completions", json=body) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                if data == "[DONE]":
                    return
                if data:
                    choices = json.loads(data)["choices"]
                    piece = choices[0]["delta"].get("content") if choices else None
                    if piece:
                        yield piece

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _body(self, asked: Asked, stream: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(asked.messages),
            "max_tokens": asked.max_tokens,
            "temperature": asked.temperature,
            "seed": asked.seed,
            "stream": stream,
        }
        if isinstance(asked.form, JsonForm):
            schema = {"name": "answer", "schema": asked.form.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    @contextmanager
    def _failures(self) -> Iterator[None]:
        if self._clock() < self._away_until:
            raise SpeechError(f"{self.url} failed a moment ago")
        try:
            yield
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
            self._away_until = self._clock() + PAUSE
            what = str(error) or type(error).__name__
            message = f"the wording server {self.url} failed ({what}): templates word the answers"
            _LOG.warning(message)
            raise SpeechError(message) from error
