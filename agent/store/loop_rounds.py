"""Loop rounds: the ledger of the loop that learns from the chat, one row a round, beside the log it learns from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from agent.store.database import loop_table, writing
from agent.store.feedback import FeedbackLog

Phase = Literal["serving", "training", "comparing", "done"]


@dataclass(frozen=True, slots=True)
class LoopRound:
    """One round over a data set; times in seconds since 1970, ``ended`` None while it goes on.

    ``document`` holds what was logged, trained, estimated and decided, and why (:mod:`eval.loop.rounds`).
    """

    number: int
    data: str
    started: float
    ended: float | None
    phase: Phase
    document: Mapping[str, Any] = field(default_factory=dict)


class LoopRounds:
    """The rounds in a feedback log's database; each step of a round is on disk before the next begins."""

    def __init__(self, log: FeedbackLog, data: str) -> None:
        self._engine, self.data = log.engine, data

    def all(self) -> list[LoopRound]:
        """The rounds of this data set, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(loop_table).filter_by(data=self.data).order_by(loop_table.c.number)).all()
        return [_round(row) for row in rows]

    def open(self) -> LoopRound:
        """The round that goes on: one that was broken off, else a new one, which begins now."""
        last = self.all()[-1:]
        if last and last[0].phase != "done":
            return last[0]
        values = {"data": self.data, "started": time.time(), "ended": None, "phase": "serving", "document": {}}
        with writing(self._engine) as connection:
            connection.execute(insert(loop_table).values(values))
        return self.all()[-1]

    def keep(self, own: LoopRound, phase: Phase, **told: Any) -> LoopRound:
        """The round in its next phase, with what is told of it beside what was; ``done`` ends it for good."""
        ended = time.time() if phase == "done" else None
        document = {**own.document, **told}
        with writing(self._engine) as connection:
            changed = update(loop_table).where(loop_table.c.number == own.number)
            connection.execute(changed.values(ended=ended, phase=phase, document=document))
        return LoopRound(own.number, own.data, own.started, ended, phase, document)


def _round(row: Row[Any]) -> LoopRound:
    return LoopRound(row.number, row.data, row.started, row.ended, row.phase, row.document)
