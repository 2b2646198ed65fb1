"""Worker: the other end of ``prompts.isolation``; answers one request after another under the system's limits."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from functools import lru_cache
from typing import Any

from prompts.errors import PromptError
from prompts.isolation import MAX_ANSWER, MEMORY, SECONDS
from prompts.template import Template, parse

_STDIN, _STDOUT = 0, 1
_OUT_OF_MEMORY = {
    "error": f"needs more than {MEMORY >> 20} MB of memory: shorten its loops and texts",
    "line": None,
    "last": True,
}


@lru_cache(maxsize=16)
def _parse(source: str, file: str) -> Template:
    return parse(source, file)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request: messages, or an error with its file and line."""
    try:
        template = _parse(request["source"], request["file"])
        reply: dict[str, Any] = {"name": template.name, "version": template.version}
        if request["do"] == "check":
            template.check()
        else:
            reply["messages"] = template.render(**request["inputs"]).messages
        return reply
    except PromptError as error:
        return {"error": error.message, "file": error.file, "line": error.line}
    except RecursionError:
        return {"error": "is nested too deep: simplify it", "file": request["file"], "line": None}


def serve() -> None:
    """Answer requests (four bytes of length, then JSON) from standard input until it closes."""
    _warm_up()
    _limit()
    _send({})
    while (head := _receive(4)) is not None:
        body = _receive(min(int.from_bytes(head, "big"), 2 * MAX_ANSWER))
        if body is None:
            return
        # The signal's default action ends the process even inside a long C call, and even if nobody waits for it.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        request = json.loads(body)
        try:
            _send(answer(request))
        except MemoryError:
            _parse.cache_clear()
            _send({**_OUT_OF_MEMORY, "file": request["file"]})
            return  # the allocator may be in pieces: let a fresh process take over
        signal.setitimer(signal.ITIMER_PROF, 0)


def _warm_up() -> None:
    """Take every path once, so that nothing has to be imported when files can no longer be opened."""
    head = "---\nname: x\nversion: 1\nrole: reply\ndescription: x\nexamples: [{name: x}]\n---\n"
    for body in ("x", "{{ 1 // 0 }}", "{{ x }}", "{{ 'a'|upper|title|truncate(1)|wordcount }}", "{% x %}"):
        answer({"do": "check", "source": head + body, "file": "x"})
    answer({"do": "check", "source": "---\n: -\n---\n", "file": "x"})


def _limit() -> None:
    os.closerange(3, 256)
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_NPROC, 0),
    ):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError) as error:  # macOS knows no limit on address space
            if sys.platform == "linux":
                raise SystemExit(f"cannot set limit {kind}: {error}") from error


def _send(reply: dict[str, Any]) -> None:
    data = json.dumps(reply).encode("ascii")
    data = len(data).to_bytes(4, "big") + data
    while data:
        data = data[os.write(_STDOUT, data) :]


def _receive(size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(_STDIN, min(size, 1 << 16))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
