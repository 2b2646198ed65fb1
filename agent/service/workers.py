"""Workers: forward passes run on a few threads, behind a queue that has an end; nothing waits longer than asked."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from agent.service.problems import Problem

Result = TypeVar("Result")

MOST_SECONDS = 60.0
"""The longest deadline that a caller may ask for, and the usual one."""


class Workers:
    """``threads`` threads with room for ``waiting`` more calls.

    A call that finds no room is refused at once; one whose deadline passes while it waits is never started. A call that
    has begun runs to its end, even where its caller no longer waits.
    """

    def __init__(self, threads: int = 2, waiting: int = 32) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="concierge-turn")
        self._room = threads + waiting
        self._lock = threading.Lock()
        self._held = 0
        self._durations: deque[float] = deque([0.5], maxlen=50)
        self._threads = threads
        self.closing = False

    @property
    def in_flight(self) -> int:
        """Calls that run or wait."""
        return self._held

    async def run(self, call: Callable[[], Result], seconds: float = MOST_SECONDS) -> Result:
        """The result of ``call``, made on a worker thread.

        Raises:
            Problem: there is no room (busy), or no result after ``seconds`` (late).
        """
        with self._lock:
            if self.closing or self._held >= self._room:
                raise Problem("busy", f"{self._held} calls wait already: try again later", self.wait)
            self._held += 1
        deadline = time.monotonic() + seconds

        def guarded() -> Result:
            begun = time.monotonic()
            try:
                if begun > deadline:
                    raise Problem("late", f"not even begun after {seconds:g} seconds: the service is busy", self.wait)
                return call()
            finally:
                with self._lock:
                    self._held -= 1
                    self._durations.append(time.monotonic() - begun)

        # The request's id and span go with the call.
        future = self._pool.submit(contextvars.copy_context().run, guarded)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            if future.cancelled():  # it was still waiting: the thread will not come to it
                with self._lock:
                    self._held -= 1
            raise Problem("late", f"no answer within {seconds:g} seconds", self.wait) from None

    @property
    def wait(self) -> float:
        """How many seconds it takes until the calls that are here now are done, about."""
        return self._held * sum(self._durations) / len(self._durations) / self._threads

    def close(self) -> None:
        """Take no more calls and wait for those that are here."""
        self.closing = True
        self._pool.shutdown(wait=True)
