"""``concierge serve`` as a process: chat, HTTP and MCP on one port, keys, a read-only tree, SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.service.client import Concierge
from ui.cli.serve import ServeError, listen

if TYPE_CHECKING:
    from agent.recommender import Recommender

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 600.0


@contextmanager
def served(home: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The running command's address and process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ui.cli.main", "serve", "--port", str(port), *options]
    environment = {**os.environ, "CONCIERGE_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        try:
            while True:
                try:
                    if httpx.get(f"{url}/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert process.poll() is None and time.monotonic() < end, (home / "log").read_text()
                time.sleep(0.2)
            yield url, process
        finally:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_one_process_serves_the_chat_other_programs_and_agents(recommender: Recommender, tmp_path: Path) -> None:
    create = [sys.executable, "-m", "ui.cli.main", "keys", "create", "shop", "--allow", "recommend", "--json"]
    environment = {**os.environ, "CONCIERGE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    made = json.loads(subprocess.run(create, env=environment, check=True, capture_output=True).stdout)
    with served(tmp_path, "--require-key") as (url, process):
        page = httpx.get(url)
        assert page.status_code == 200 and "gradio" in page.text and "content-security-policy" in page.headers
        assert httpx.get(f"{url}/v1/items").status_code == 401
        assert httpx.post(f"{url}/mcp", json={}).status_code == 401
        with Concierge(url, key=made["key"]) as concierge:
            assert concierge.search("alien").items
        headers = {"Authorization": f"Bearer {made['key']}"}
        stream = httpx.stream(
            "POST", f"{url}/v1/converse", json={"message": "a comedy", "stream": True}, headers=headers, timeout=60
        )
        with stream as response:
            lines = response.iter_lines()
            assert next(lines).startswith("event: delta")
            process.send_signal(signal.SIGTERM)  # what has begun is finished
            assert any(line.startswith("event: answer") for line in lines)
        assert process.wait(30) == 0
    logged = (tmp_path / "log").read_text()
    assert '"route": "/v1/items"' in logged and made["key"] not in logged


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(ServeError, match=str(port)):
            listen("127.0.0.1", port)
    free = listen("127.0.0.1", None)
    free.close()
