"""The feedback log keeps what it acknowledged, once, unchanged, and to its owner."""

from __future__ import annotations

import json
import math
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from agent.records.acts import Judge, Want
from agent.records.answer import Answer, Evidence, Recommendation
from agent.records.conditions import Condition
from agent.records.conversation import Conversation, Dropped, Pressed, Replied, Said
from agent.records.impression import REACTIONS, Impression, Outcome
from agent.store.database import conversation_table, impression_table, open_engine, outcome_table
from agent.store.feedback import FeedbackLog
from agent.store.migration import Migration, MigrationError, migrate, shipped_migrations
from tests.feedback_writer import event_id, feedback_event, record

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "concierge.db"


@pytest.fixture
def log(path: Path) -> Iterator[FeedbackLog]:
    with FeedbackLog(path) as log:
        yield log


def impression(**changes: Any) -> Impression:
    given = feedback_event("someone", 0)
    assert isinstance(given, Impression)
    return replace(given, id=uuid.uuid4().hex, **changes)


def outcome(of: Impression, **changes: Any) -> Outcome:
    fields = {"impression_id": of.id, "conversation_id": of.conversation_id, "item_id": of.slate[1], "kind": "liked"}
    return Outcome(**{**fields, **changes})


_OLD = (Condition("genre", "is", ("Horror", "Sci-Fi")), Condition("year", "at_most", 1979))


def conversation() -> Conversation:
    film = Recommendation(
        item_id="185",
        title="Psycho",
        year=1960,
        categories=("Horror", "Romance", "Thriller"),
        score=0.31,
        propensity=0.31,
        reason="You gave Alien five stars.",
        evidence=(Evidence("history", 0.7, "183", 5.0), Evidence("rating", 0.0, value=4.1)),
    )
    answer = Answer(
        reply="Try Psycho (1960).",
        items=(film,),
        conditions=(Condition("genre", "is", ("Horror",)).to_json(),),
        policy="ml-100k-1",
        template={"name": "state", "version": "1", "hash": "ab"},
        latency_ms=210.0,
        timings_ms={"rank": 180.0},
        choices=("Psycho (1960)", "Psycho (1998)"),
        impression_id="i",
    )
    return Conversation(
        user="196",
        events=[
            Said(
                "something like Alien, older than 1980",
                (Want(_OLD, like=(182,)), Judge(3, "disliked")),
                ids={182: "183"},
            ),
            Replied(answer),
            Pressed("183", "rated", 5.0, 1),
            Dropped("year"),
        ],
    )


# Writing and reading


def test_impressions_and_outcomes_come_back_as_written(log: FeedbackLog) -> None:
    first, second = (
        impression(user="196", constraints={"conditions": [_OLD[0].to_json()], "hints": [], "excluded": []}),
        impression(slate=(), propensities=(), scores=()),
    )
    liked = outcome(first, position=1)
    rated = outcome(first, kind="rated", value=4, item_id="1")
    elsewhere = Outcome(conversation_id="c", item_id="7", kind="seen")
    assert log.record_impression(first) == first.id
    log.record_impression(second)
    assert log.record_outcome(liked) == liked.id
    log.record_outcome(elsewhere)
    log.record_outcome(rated)
    assert list(log.impressions()) == [first, second]
    assert list(log.outcomes()) == [liked, elsewhere, rated]
    assert list(log.outcomes(first.id)) == [liked, rated]
    assert list(log.outcomes(second.id)) == []


def test_impressions_since_a_time(log: FeedbackLog) -> None:
    early, late = impression(timestamp=100.0), impression(timestamp=200.0)
    log.record_impression(late)
    log.record_impression(early)
    assert list(log.impressions()) == [late, early]
    assert list(log.impressions(since=150.0)) == [late]
    assert list(log.impressions(since=100.0)) == [late, early]


def test_lists_and_numpy_numbers_are_taken(log: FeedbackLog) -> None:
    given = impression(
        slate=["1", "2"],
        candidates=["2", "1"],
        propensities=np.array([0.5, 1.0000001], np.float32),
        scores=np.array([0.5, 0.25]),
        temperature=np.float32(0.5),
    )
    log.record_impression(given)
    assert list(log.impressions()) == [given]
    assert (given.propensities, given.scores, given.slate) == ((0.5, 1.0), (0.5, 0.25), ("1", "2"))


anything = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def used_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path_factory.mktemp("used") / "concierge.db") as log:
        yield log


@settings(max_examples=60, deadline=None)
@given(
    request=st.text(st.characters()),
    constraints=st.dictionaries(st.text(), anything, max_size=3),
    propensity=st.floats(0, 1, exclude_min=True),
    score=st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_text_and_number_comes_back(
    used_log: FeedbackLog, request: str, constraints: dict[str, Any], propensity: float, score: float
) -> None:
    given = impression(
        request=request,
        constraints=constraints,
        candidates=("1",),
        slate=("1",),
        propensities=(propensity,),
        scores=(score,),
    )
    used_log.record_impression(given)
    assert list(used_log.impressions())[-1] == given


def test_text_that_is_no_utf8_is_stored(log: FeedbackLog, tmp_path: Path) -> None:
    """A browser can send half a surrogate pair."""
    given = impression(request="a \ud800 film", constraints={"unchecked": ["\udfff"]})
    chat = Conversation(events=[Said("a \ud800 film")])
    log.record_impression(given, chat)
    log.save_conversation(chat, "anna")
    assert next(log.impressions()).request == "a ? film"
    assert log.conversations("anna")[0].title == "a ? film"
    assert log.export(tmp_path / "out.jsonl") == 1


def test_repeating_a_write_changes_nothing(log: FeedbackLog) -> None:
    shown = impression()
    liked = outcome(shown)
    for _ in range(3):
        log.record_impression(shown)
        log.record_outcome(liked)
    assert list(log.impressions()) == [shown]
    assert list(log.outcomes()) == [liked]


def test_the_same_id_with_other_content_is_refused(log: FeedbackLog) -> None:
    shown = impression()
    liked = outcome(shown)
    log.record_impression(shown)
    log.record_outcome(liked)
    with pytest.raises(ValueError, match=f"another impression has the id '{shown.id}'"):
        log.record_impression(replace(shown, policy="other"))
    with pytest.raises(ValueError, match=f"another outcome has the id '{liked.id}'"):
        log.record_outcome(replace(liked, kind="disliked"))
    assert list(log.impressions()) == [shown]
    assert list(log.outcomes()) == [liked]


# Validation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"propensities": (0.4, 0.0, 0.5)}, r"propensity 0.0 of item '181' is not in \(0, 1\]"),
        ({"propensities": (0.4, 0.2, 1.1)}, r"propensity 1.1 of item '1' is not in \(0, 1\]"),
        ({"propensities": (0.4, 0.2, math.nan)}, "propensity nan of item '1'"),
        ({"propensities": (0.4, 0.2)}, "2 propensities for 3 slate items"),
        ({"scores": (0.4,)}, "1 scores for 3 slate items"),
        ({"scores": (0.4, math.inf, 0.1)}, "score inf of item '181'"),
        ({"slate": ("50", "181", "9999")}, "slate item '9999' is not among the candidates"),
        ({"slate": ("50", "181", "50")}, "item '50' is twice in slate"),
        ({"candidates": ("50", "181", "1", "1")}, "item '1' is twice in candidates"),
        ({"candidates": ("50", "181", "1", 7)}, "7 in candidates is no item id"),
        ({"conversation_id": ""}, "conversation_id is ''"),
        ({"turn": -1}, "turn -1"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"timestamp": math.nan}, "timestamp is nan"),
    ],
)
def test_bad_impressions_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        impression(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "loved"}, "unknown kind of outcome 'loved': use one of clicked, liked"),
        ({"kind": "rated"}, "rating None of item '181': give 1 to 5 stars"),
        ({"kind": "rated", "value": 0.5}, "rating 0.5 of item '181'"),
        ({"kind": "rated", "value": 6}, "rating 6 of item '181'"),
        ({"value": 1.0}, "only a rating has a value"),
        ({"impression_id": None, "position": 1}, "position 1: give a place in the slate of an impression"),
        ({"item_id": ""}, "item_id is ''"),
    ],
)
def test_bad_outcomes_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outcome(impression(), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"impression_id": "nowhere"}, "outcome for the unknown impression 'nowhere'"),
        ({"item_id": "2"}, "item '2' was not on the slate"),
        ({"position": 2}, "item '181' was shown at position 1, not 2"),
        ({"conversation_id": "somebody"}, "name an impression of the same conversation"),
    ],
)
def test_outcomes_must_fit_their_impression(log: FeedbackLog, changes: dict[str, Any], message: str) -> None:
    shown, chat = impression(), conversation()
    log.record_impression(shown)
    with pytest.raises(ValueError, match=message):
        log.record_outcome(outcome(shown, **changes), chat)
    assert list(log.outcomes()) == []
    assert log.load_conversation(chat.id) is None, "the conversation belongs to the same transaction"


@pytest.mark.parametrize("kind", REACTIONS)
def test_every_reaction_of_the_chat_can_be_stored(log: FeedbackLog, kind: str) -> None:
    log.record_outcome(Outcome(conversation_id="c", item_id="1", kind=kind, value=3 if kind == "rated" else None))  # type: ignore[arg-type]
    assert [found.kind for found in log.outcomes()] == [kind]


# Append-only


@pytest.mark.parametrize("table", ["impression", "outcome"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET timestamp = 0", "DELETE FROM {}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"],
)
def test_the_database_refuses_to_change_the_past(log: FeedbackLog, path: Path, table: str, statement: str) -> None:
    shown = impression()
    liked = outcome(shown)
    log.record_impression(shown)
    log.record_outcome(liked)
    stranger = sqlite3.connect(path)  # with SQLite's defaults
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        stranger.execute(statement.format(table))
    stranger.close()
    assert list(log.impressions()) == [shown]
    assert list(log.outcomes()) == [liked]


def test_connections_sync_fully_and_check_references(log: FeedbackLog) -> None:
    with log._engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


# Conversations


def test_a_conversation_comes_back_as_saved(log: FeedbackLog) -> None:
    chat = conversation()
    log.save_conversation(chat, "anna")
    assert log.load_conversation(chat.id) == chat
    chat.events.append(Said("funnier"))
    log.save_conversation(chat)
    assert log.load_conversation(chat.id, "anna") == chat
    assert log.load_conversation("nowhere") is None


def test_people_see_their_own_conversations_only(log: FeedbackLog) -> None:
    hers, his, nobodys = conversation(), conversation(), conversation()
    his.events[0] = Said("x" * 60)
    log.save_conversation(hers, "anna")
    log.save_conversation(his, "ben")
    log.record_impression(impression(), nobodys)
    assert [(entry.id, entry.title) for entry in log.conversations("anna")] == [(hers.id, hers.title)]
    assert [(entry.id, entry.title) for entry in log.conversations("ben")] == [(his.id, "x" * 47 + "…")]
    assert log.conversations("") == log.conversations("clara") == []
    with pytest.raises(PermissionError, match=f"conversation {hers.id} belongs to somebody else"):
        log.load_conversation(hers.id, "ben")
    with pytest.raises(PermissionError):
        log.save_conversation(hers, "ben")
    with pytest.raises(PermissionError):
        log.delete_conversation(hers.id, "ben")
    assert log.load_conversation(hers.id, "anna") == hers


def test_the_first_owner_claims_a_conversation(log: FeedbackLog) -> None:
    chat = conversation()
    log.record_impression(impression(), chat)
    log.save_conversation(chat, "anna")
    log.record_impression(impression(), chat)
    assert [entry.id for entry in log.conversations("anna")] == [chat.id]


def test_the_latest_conversation_comes_first(log: FeedbackLog) -> None:
    older, newer = conversation(), conversation()
    for chat in (older, newer, older):
        log.save_conversation(chat, "anna")
        time.sleep(0.002)
    entries = log.conversations("anna")
    assert [entry.id for entry in entries] == [older.id, newer.id]
    assert entries[0].updated > entries[1].updated


def test_deleting_a_conversation_keeps_the_log(log: FeedbackLog) -> None:
    chat, shown = conversation(), impression()
    log.record_impression(shown, chat)
    assert log.delete_conversation(chat.id)
    assert not log.delete_conversation(chat.id)
    assert log.load_conversation(chat.id) is None
    assert list(log.impressions()) == [shown]


# Export


def test_the_export_joins_impressions_with_their_outcomes(log: FeedbackLog, tmp_path: Path) -> None:
    first, second = impression(request="ein Märchen"), impression()
    log.record_impression(first)
    log.record_impression(second)
    liked, rated = outcome(first, position=1), outcome(first, kind="rated", value=5.0)
    for reaction in (liked, rated, Outcome(conversation_id="c", item_id="7", kind="seen")):
        log.record_outcome(reaction)
    target = tmp_path / "log.jsonl"
    target.write_text("an older export")
    assert log.export(target) == 2
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["log.jsonl"]
    lines = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [line.pop("format") for line in lines] == [1, 1]
    assert [line.pop("outcomes") for line in lines] == [
        [
            {
                "id": o.id,
                "item_id": "181",
                "kind": o.kind,
                "value": o.value,
                "position": o.position,
                "timestamp": o.timestamp,
            }
            for o in (liked, rated)
        ],
        [],
    ]
    assert [Impression(**line) for line in lines] == [first, second]


# Migrations


def test_the_tables_are_those_that_the_queries_expect(log: FeedbackLog, path: Path) -> None:
    connection = sqlite3.connect(path)
    for table in (impression_table, outcome_table, conversation_table):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")]
        assert sorted(columns) == sorted(column.name for column in table.columns)
    applied = connection.execute("SELECT number, name, sha256 FROM migration").fetchall()
    connection.close()
    assert applied == [(m.number, m.name, m.sha256) for m in shipped_migrations()]


def test_opening_again_changes_nothing(path: Path) -> None:
    shown = impression()
    with FeedbackLog(path) as log:
        log.record_impression(shown)
    for _ in range(2):
        with FeedbackLog(str(path)) as log:
            assert list(log.impressions()) == [shown]


def test_other_accounts_of_the_machine_cannot_read_the_log(log: FeedbackLog, path: Path) -> None:
    log.save_conversation(conversation())
    for name in ("concierge.db", "concierge.db-wal"):
        assert path.with_name(name).stat().st_mode & 0o077 == 0


LATER = Migration(
    len(shipped_migrations()) + 1,
    "device",
    "ALTER TABLE outcome ADD COLUMN device TEXT; -- where; from now on\n"
    "CREATE TRIGGER no_device BEFORE INSERT ON outcome WHEN NEW.device = ';'\n"
    "BEGIN SELECT RAISE (ABORT, 'semicolon;'); SELECT 1; END;\n",
)


def test_an_older_database_is_brought_up_to_date(path: Path) -> None:
    shown = impression()
    liked = outcome(shown)
    with FeedbackLog(path) as log:
        log.record_impression(shown)
        log.record_outcome(liked)
    engine = open_engine(path)
    for _ in range(2):
        migrate(engine, (*shipped_migrations(), LATER))
    engine.dispose()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT id, device FROM outcome").fetchall() == [(liked.id, None)]
    assert connection.execute("SELECT number FROM migration").fetchall() == [(n,) for n in range(1, LATER.number + 1)]
    connection.close()
    with pytest.raises(MigrationError, match=rf"newer version of Concierge \(migration {LATER.number:04}_device"):
        FeedbackLog(path)


def test_a_failing_migration_leaves_nothing_behind(path: Path) -> None:
    FeedbackLog(path).close()
    broken = replace(LATER, sql=LATER.sql + "CREATE TABLE outcome (id TEXT);")
    engine = open_engine(path)
    with pytest.raises(Exception, match="table outcome already exists"):
        migrate(engine, (*shipped_migrations(), broken))
    engine.dispose()
    with FeedbackLog(path) as log, log._engine.connect() as connection:
        columns = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(outcome)")]
    assert "device" not in columns


def test_an_edited_migration_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FeedbackLog(path).close()
    first, *rest = shipped_migrations()
    edited = (replace(first, sql=first.sql + "-- a little change"), *rest)
    monkeypatch.setattr("agent.store.feedback.shipped_migrations", lambda: edited)
    with pytest.raises(MigrationError, match="migration 0001_initial was edited after it was applied"):
        FeedbackLog(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 100)
    with pytest.raises(ValueError, match=r"notes.txt cannot be used as a feedback log .*: move it away"):
        FeedbackLog(path)
    assert path.read_text().startswith("remember the milk")


# Several writers, sudden ends


def start_writer(path: Path, writer: str, *numbers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.feedback_writer", str(path), writer, *map(str, numbers)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def stored_ids(path: Path) -> list[str]:
    with FeedbackLog(path) as log:
        return [found.id for found in log.impressions()] + [found.id for found in log.outcomes()]


def test_nothing_acknowledged_is_lost_or_doubled_when_the_writer_is_killed(path: Path) -> None:
    """Each writer is killed at a random moment, and the next one begins with the first event not acknowledged."""
    rng = random.Random(8)
    acknowledged = 0
    kills = 20
    for round in range(kills):
        with start_writer(path, "someone", acknowledged) as process:
            assert process.stdout is not None
            # Every fifth kill falls into the start: the import, the opening of the file, the migration.
            lines = [process.stdout.readline() for _ in range(rng.randrange(1, 30) if round % 5 else 0)]
            time.sleep(rng.random() * (0.005 if lines else 1.0))
            process.kill()
            lines += process.stdout.readlines()
        assert process.returncode == -signal.SIGKILL, f"the writer of round {round} ended by itself"
        acknowledged += len(lines)
        assert not lines or lines[-1] == f"{acknowledged - 1}\n"

        ids = stored_ids(path)
        assert len(ids) in (acknowledged, acknowledged + 1), "at most the event that was under way came on top"
        assert len(set(ids)) == len(ids)
        assert set(ids) == {event_id("someone", number) for number in range(len(ids))}
        with FeedbackLog(path) as log:
            chat = log.load_conversation(event_id("someone", -1))
        assert (chat.user if chat else "-1") == str(len(ids) - 1), "event and conversation come together"

    assert acknowledged > kills
    with FeedbackLog(path) as log:
        record(log, "someone", acknowledged)
        stored: list[Impression | Outcome] = [*log.impressions(), *log.outcomes()]
        with log._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    stored.sort(key=lambda event: event.timestamp)
    assert stored == [feedback_event("someone", number) for number in range(acknowledged + 1)]


def test_processes_and_threads_write_at_once(path: Path) -> None:
    """Two processes open a new file at the same time; two threads here join in, one repeating a process's events."""
    count = 60
    processes = [start_writer(path, writer, 0, count) for writer in ("anna", "ben")]
    errors: list[BaseException] = []

    def write(log: FeedbackLog, writer: str) -> None:
        try:
            for number in range(count):
                record(log, writer, number)
        except BaseException as error:
            errors.append(error)

    with FeedbackLog(path) as log:
        threads = [threading.Thread(target=write, args=(log, writer)) for writer in ("anna", "clara")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for process in processes:
        process.communicate()
    assert errors == []
    assert [process.returncode for process in processes] == [0, 0]
    ids = stored_ids(path)
    assert len(ids) == 3 * count
    assert set(ids) == {event_id(writer, number) for writer in ("anna", "ben", "clara") for number in range(count)}


def test_conversations_and_rows_of_earlier_versions_are_still_read(log: FeedbackLog) -> None:
    item = {"item_id": "185", "title": "Psycho", "year": 1960, "categories": ["Horror"], "score": 0.3}
    facts = [{"kind": kind, "weight": 0.0, "item_id": None, "value": value} for kind, value in (
        ("genre", "Horror"), ("viewers", 12))]  # fmt: skip
    answer = {
        "reply": "Try Psycho (1960).", "items": [item | {"propensity": 1.0, "reason": "", "evidence": facts}],
        "constraints": {"genres": [["Horror"]]}, "policy": "p", "template": {}, "latency_ms": 1.0, "about": "recommend",
        "impression_id": "i",
    }  # fmt: skip
    document = {
        "id": "c", "user": None, "messages": [
            {"role": "user", "content": "a horror film", "answer": None},
            {"role": "assistant", "content": answer["reply"], "answer": answer},
        ],
        "beliefs": [{"item_id": "183", "attitude": "liked", "rating": None, "source": "card", "turn": 1}],
        "constraints": {"genres": [["Horror", "Sci-Fi"]], "year_max": 1979, "excluded": [3], "soft": ["year_max"]},
        "request": "a horror film", "shown": ["185"],
    }  # fmt: skip
    log.save_conversation(Conversation(id="c"))
    with log.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE conversation SET document = :d"), {"d": json.dumps(document)})
    found = log.load_conversation("c")
    assert found is not None and [message.content for message in found.messages] == ["a horror film", answer["reply"]]
    assert found.slate is not None and found.slate.items[0].raters == 12 and found.slate.impression_id == "i"
    wish = next(act for event in found.events if isinstance(event, Said) for act in event.acts)
    assert isinstance(wish, Want)
    assert wish.conditions == (_OLD[0], Condition("year", "at_most", 1979, "prefer"))
    assert found.events[-1] == Pressed("183", "liked", None, 1)
    log.save_conversation(found)
    assert log.load_conversation("c") == found
