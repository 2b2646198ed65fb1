"""Processes: a cold start, and a served chat: when it is up, what it holds, and fifty people at once."""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
import psutil

from agent.recommender import Recommender
from agent.store.database import DATABASE
from eval.bench.rows import Row, median_seconds

COLD_BEFORE = 8.4
"""Seconds of a cold `concierge recommend` before fitted features were kept in files, on two quiet cores."""

UP_BEFORE = 9.4
"""Seconds until `concierge chat` answered before that, everything fetched."""

MEMORY_BEFORE = 1_300.0
"""Megabytes that it held after four messages before that."""

PEOPLE = 50
"""So many people ask at once."""

TURNS_EACH = 2

_LONGEST_START = 300


def bench_processes(recommender: Recommender, repeats: int) -> Iterator[Row]:
    """The rows of processes of their own, which serve the recommender's data by the policy that is the default there.

    Raises:
        RuntimeError: the service does not come up, or an answer is an error.
    """
    name = recommender.catalogue.name
    popular = recommender.catalogue[int(np.argmax(recommender.catalogue.rating_count))].item_id
    command = _command("recommend", "--likes", popular, "--json", "--data", name)
    cold = median_seconds(lambda: subprocess.run(command, check=True, capture_output=True), repeats)
    yield Row("a cold `concierge recommend`, against that of before", cold, COLD_BEFORE, 0.35)
    with _served(name) as (url, process, seconds):
        yield Row("chat up, everything fetched, against that of before", seconds, UP_BEFORE, 0.5)
        wishes = list(recommender.catalogue.domain.starters) or ["something new"]
        one = asyncio.run(_ask(url, wishes, people=1, each=4 * TURNS_EACH))
        held = process.memory_info().rss / 1e6
        yield Row("memory after a few messages, against that of before", held, MEMORY_BEFORE, 0.6, "MB")
        cores = os.cpu_count() or 1
        start = time.perf_counter()
        many = asyncio.run(_ask(url, wishes, people=PEOPLE, each=TURNS_EACH))
        rate = len(many) / (time.perf_counter() - start)
        yield Row(
            f"{PEOPLE} people at once, turns, against one person's times the cores",
            rate,
            cores / statistics.median(one),
            0.9,
            "per s",
            at_least=True,
        )
        slowest, middle = float(np.quantile(many, 0.99)), statistics.median(many)
        yield Row(f"{PEOPLE} people at once, slowest of a hundred, against the median", slowest, middle, 5)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ui.cli.main", *words]


@contextmanager
def _served(name: str) -> Iterator[tuple[str, psutil.Process, float]]:
    """The address of a chat and its service, its process and after how many seconds the page answered."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="concierge-bench-") as folder, (Path(folder) / "log").open("wb") as log:
        command = _command("serve", "--data", name, "--port", str(port), "--queue", str(PEOPLE))
        start = time.perf_counter()
        with subprocess.Popen(command, env=_environment(Path(folder)), stdout=log, stderr=log) as process:
            try:
                _wait(url, process, Path(log.name))
                yield url, psutil.Process(process.pid), time.perf_counter() - start
            finally:
                process.terminate()


def _environment(folder: Path) -> dict[str, str]:
    """A home of its own, so that nobody's conversations are touched."""
    return {**{name: own for name, own in os.environ.items() if name != DATABASE}, "CONCIERGE_HOME": str(folder)}


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _LONGEST_START
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"`concierge serve` did not answer at {url}: {log.read_text(errors='replace')[-500:]}")


async def _ask(url: str, wishes: list[str], people: int, each: int) -> list[float]:
    """Seconds of each turn of so many new people, who talk at the same time, one turn after the other."""
    taken: list[float] = []
    limits = httpx.Limits(max_connections=people)

    async def talk(person: int, client: httpx.AsyncClient) -> None:
        conversation = None
        for turn in range(each):
            body = {"message": wishes[(person + turn) % len(wishes)], "conversation_id": conversation}
            start = time.perf_counter()
            answer = await client.post(f"{url}/v1/converse", json=body)
            taken.append(time.perf_counter() - start)
            if answer.is_error:
                raise RuntimeError(f"a turn was answered by {answer.status_code}: {answer.text[:200]}")
            conversation = answer.json()["conversation_id"]

    async with httpx.AsyncClient(timeout=_LONGEST_START, limits=limits) as client:
        await asyncio.gather(*(talk(person, client) for person in range(people)))
    return taken
