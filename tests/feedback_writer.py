"""A process that writes feedback without end and says so after each commit, for the tests to kill.

Run as ``python -m tests.feedback_writer DATABASE WRITER START [STOP]``. Event ``number`` of a writer is always the
same, so that a second process can repeat what the first may not have finished.
"""

from __future__ import annotations

import itertools
import sys
import uuid

from agent.records.conversation import Conversation, Said
from agent.records.impression import Impression, Outcome
from agent.store.feedback import FeedbackLog

START = 880_000_000.0  # seconds since 1970
SLATE = ("50", "181", "1")
OUTCOMES_PER_IMPRESSION = 2


def event_id(writer: str, number: int) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{writer}/{number}").hex


def feedback_event(writer: str, number: int) -> Impression | Outcome:
    """An impression, then two outcomes of it, then the next impression."""
    place = number % (OUTCOMES_PER_IMPRESSION + 1)
    if place:
        return Outcome(
            id=event_id(writer, number),
            impression_id=event_id(writer, number - place),
            conversation_id=event_id(writer, -1),
            item_id=SLATE[place],
            kind="rated",
            value=float(1 + number % 5),
            position=place,
            timestamp=START + number,
        )
    return Impression(
        id=event_id(writer, number),
        conversation_id=event_id(writer, -1),
        turn=number,
        timestamp=START + number,
        request="a space opera",
        candidates=tuple(str(item) for item in range(1, 1683)),
        slate=SLATE,
        propensities=(0.4, 0.2, 1 / 3),
        scores=(0.4, 0.12, 0.16),
        policy="test",
        template_name="state",
        template_version="1",
        template_hash="0" * 64,
        temperature=1.0,
        latency_ms=12.5,
    )


def record(log: FeedbackLog, writer: str, number: int) -> None:
    """Write one event together with the conversation, whose user says how far the writer came."""
    conversation = Conversation(id=event_id(writer, -1), user=str(number), events=[Said("a space opera")])
    event = feedback_event(writer, number)
    if isinstance(event, Impression):
        log.record_impression(event, conversation)
    else:
        log.record_outcome(event, conversation)


def main() -> None:
    path, writer, start, *stop = sys.argv[1:]
    numbers = range(int(start), int(stop[0])) if stop else itertools.count(int(start))
    with FeedbackLog(path) as log:
        for number in numbers:
            record(log, writer, number)
            print(number, flush=True)


if __name__ == "__main__":
    main()
