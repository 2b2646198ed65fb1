"""Isolation: templates that people edit are read and rendered in a process of their own, which limits can end."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from prompts.errors import PromptError
from prompts.inputs import plain
from prompts.template import MAX_SOURCE, Rendered, Template

SECONDS = 0.9
"""Most processor time for one template; a machine that is busy elsewhere does not count against it."""
MEMORY = 256 * 1024 * 1024
"""Largest address space of the rendering process, in bytes (the interpreter's own 60 MB included)."""
MAX_ANSWER = 4 * 1024 * 1024
"""Longest answer that is read from the process, in bytes; rendered output is limited more tightly before."""
_PATIENCE = 5.0  # wall time for an answer before the process counts as stuck
_START_PATIENCE = 60.0


class _Worker:
    """One process that runs ``prompts.worker``; it is used by one thread at a time and never again after a fault."""

    def __init__(self) -> None:
        # Neither the environment (it may hold keys) nor the user's site-packages settings go along.
        root = str(Path(__file__).parent.parent)
        command = "import sys; sys.path.insert(0, sys.argv[1]); from prompts.worker import serve; serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", command, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self.stdin, False)
        self.ready = False

    def ask(self, request: bytes) -> bytes:
        """The answer to one request.

        Raises:
            TimeoutError: none came in time.
            EOFError, BrokenPipeError: the process ended.
        """
        if not self.ready:
            self._receive(time.monotonic() + _START_PATIENCE)
            self.ready = True
        deadline = time.monotonic() + _PATIENCE
        message = memoryview(len(request).to_bytes(4, "big") + request)
        while message:
            self._wait((), (self.stdin,), deadline)
            message = message[os.write(self.stdin, message) :]
        return self._receive(deadline)

    def _receive(self, deadline: float) -> bytes:
        size = int.from_bytes(self._read(4, deadline), "big")
        if size > MAX_ANSWER:
            raise EOFError
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size:
            self._wait((self.stdout,), (), deadline)
            part = os.read(self.stdout, min(size - len(data), 1 << 16))
            if not part:
                raise EOFError
            data += part
        return data

    def _wait(self, reading: tuple[int, ...], writing: tuple[int, ...], deadline: float) -> None:
        if not any(select.select(reading, writing, (), max(0.0, deadline - time.monotonic()))):
            raise TimeoutError

    def close(self) -> int:
        """End the process, take back what it holds, and return how it ended (negative: by which signal)."""
        self.process.kill()
        self.process.communicate()
        return self.process.returncode


_lock = threading.Lock()
_workers: list[_Worker] = []


def render_isolated(source: str, inputs: dict[str, Any], file: str = "<draft>") -> Rendered:
    """Render a template that is not trusted, given as the text of a whole template file.

    It is read, compiled and rendered in another process without this one's environment, under limits on time
    (``SECONDS``), memory (``MEMORY``), open files, file sizes and output. The process is kept for the next call and
    replaced when a limit ends it; the next one starts at once in the background. Safe to call from several threads.

    Raises:
        PromptError: the template or an input is wrong, or a limit was passed (the message says which).
    """
    answer = _ask({"do": "render", "source": source, "file": file, "inputs": inputs})
    messages = [{"role": str(m["role"]), "content": str(m["content"])} for m in answer["messages"]]
    return Rendered(messages, str(answer["name"]), int(answer["version"]), _hash(source))


def check_isolated(source: str, file: str = "<draft>") -> tuple[str, int]:
    """Read a template that is not trusted and render all its examples, under the limits of :func:`render_isolated`.

    Returns the template's name and version.

    Raises:
        PromptError: the first thing that is wrong.
    """
    answer = _ask({"do": "check", "source": source, "file": file})
    return str(answer["name"]), int(answer["version"])


class IsolatedTemplate(Template):
    """A template that is not trusted: used like any other, and rendered by :func:`render_isolated`.

    Raises:
        PromptError: from ``render``, ``fit`` and ``check``, also when a limit is passed.
    """

    @classmethod
    def of(cls, template: Template) -> IsolatedTemplate:
        """The same template, no longer trusted."""
        return cls(template.header, template.source, template.file, template.body_line)

    def render(self, **inputs: Any) -> Rendered:
        """Fill the template in the other process."""
        return render_isolated(self.source, inputs, self.file)

    def check(self) -> None:
        """Compile and render every example in the other process."""
        check_isolated(self.source, self.file)


def _hash(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    file = request["file"]
    if len(request["source"]) > MAX_SOURCE:
        raise PromptError(f"is {len(request['source']):,} characters long: the limit is {MAX_SOURCE:,}", file)
    for name, value in request.get("inputs", {}).items():
        try:
            plain(value, name)
        except ValueError as error:
            raise PromptError(f"input {error}", file) from None
    data = json.dumps(request).encode("ascii")
    if len(data) > MAX_ANSWER:
        raise PromptError(f"the inputs take {len(data):,} bytes: the limit is {MAX_ANSWER:,}", file)
    with _lock:
        if _workers and _workers[0].process.poll() is not None:  # somebody ended it between two calls
            _workers.pop().close()
        if not _workers:
            _workers.append(_Worker())
        try:
            answer = _workers[0].ask(data)
        except (TimeoutError, EOFError, BrokenPipeError) as error:
            status = _replace()
            late = isinstance(error, TimeoutError) or status == -signal.SIGPROF
            problem = f"takes longer than {SECONDS:g} s" if late else "ended the rendering process"
            raise PromptError(f"{problem}: shorten its loops and nesting", file) from None
        reply: dict[str, Any] = json.loads(answer)
        if reply.pop("last", False):
            _replace()
    if "error" in reply:
        raise PromptError(str(reply["error"]), reply["file"], reply["line"])
    return reply


def _replace() -> int:
    status = _workers.pop().close()
    _workers.append(_Worker())  # it gets ready while nobody waits
    return status


@atexit.register
def close() -> None:
    """End the rendering process, if there is one; a later call starts another."""
    with _lock:
        while _workers:
            _workers.pop().close()


def _after_fork() -> None:
    """A forked child starts its own process: the inherited one answers the parent."""
    global _lock
    _lock = threading.Lock()
    for worker in _workers:
        worker.process.returncode = 0
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
