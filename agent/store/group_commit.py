"""Group commit: writers who come at the same time share one transaction, and hence one wait for the disk.

A commit has to wait until the disk has the data, 5 to 20 ms; what is written takes a tenth of a millisecond. While one
commit waits, the writers that come meanwhile line up, and the first of them then writes for all (DeWitt et al., 1984,
"Implementation techniques for main memory database systems").
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine

from agent.store.database import writing

Result = TypeVar("Result")


class _Job:
    __slots__ = ("done", "error", "result", "write")

    def __init__(self, write: Callable[[Connection], Any]) -> None:
        self.write = write
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False


class GroupCommit:
    """Writes to one database; threads share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._line = threading.Lock()
        self._waiting: list[_Job] = []

    def run(self, write: Callable[[Connection], Result]) -> Result:
        """The result of ``write``; what it wrote is on disk when this returns, and undone if it raises.

        ``write``: makes its changes by the connection that it is given, and must not commit.
        """
        job = _Job(write)
        with self._line:
            self._waiting.append(job)
        with self._turn:
            if not job.done:
                with self._line:
                    jobs, self._waiting = self._waiting, []
                self._write(jobs)
        if job.error is not None:
            raise job.error
        return cast(Result, job.result)

    def _write(self, jobs: list[_Job]) -> None:
        try:
            with writing(self._engine) as connection:
                for job in jobs:
                    try:
                        with connection.begin_nested():
                            job.result = job.write(connection)
                    except Exception as error:  # the caller's own: the others' writes stand
                        job.error = error
        except BaseException as error:
            for job in jobs:
                job.error = error
        finally:
            for job in jobs:
                job.done = True
