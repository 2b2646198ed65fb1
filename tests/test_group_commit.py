"""Writers that come together share a commit; one's failure is its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, text

from agent.store.database import person_table
from agent.store.feedback import FeedbackLog
from agent.store.group_commit import GroupCommit


def adding(name: str, fails: bool = False) -> Callable[[Connection], str]:
    def write(connection: Connection) -> str:
        values = {"id": name, "salt": "x", "created": 0.0, "forgotten": None}
        connection.execute(insert(person_table).values(values))
        if fails:
            raise ValueError(f"no {name}")
        return name

    return write


def names(log: FeedbackLog) -> set[str]:
    with log.engine.connect() as connection:
        return set(connection.execute(text("SELECT id FROM person")).scalars())


def test_what_waits_together_is_committed_together_and_failures_are_undone_alone(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        group, commits, held, begun = GroupCommit(log.engine), [], threading.Event(), threading.Event()
        event.listen(log.engine, "commit", lambda connection: commits.append(1))

        def first(connection: Connection) -> str:
            begun.set()
            held.wait(10)
            return "first"

        with ThreadPoolExecutor(16) as pool:
            leader = pool.submit(group.run, first)
            begun.wait(10)
            others = [pool.submit(group.run, adding(f"p{n}", fails=n == 3)) for n in range(8)]
            time.sleep(0.5)  # all of them have lined up by then
            held.set()
            assert leader.result() == "first"
            with pytest.raises(ValueError, match="no p3"):
                others[3].result()
            assert [own.result() for n, own in enumerate(others) if n != 3] == [f"p{n}" for n in range(8) if n != 3]
        assert names(log) == {f"p{n}" for n in range(8) if n != 3}
        assert len(commits) <= 3


def test_a_database_that_is_gone_fails_everybody_and_lets_the_next_one_in(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        group = GroupCommit(log.engine)

        def broken(connection: Connection) -> None:
            connection.exec_driver_sql("COMMIT")  # what follows has no transaction to be in
            connection.exec_driver_sql("SELECT * FROM no_such_table")

        with pytest.raises(Exception, match=r"no_such_table|savepoint|transaction"):
            group.run(broken)
        assert group.run(adding("after")) == "after"
        assert "after" in names(log)
