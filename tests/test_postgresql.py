"""The store on PostgreSQL, on a server that the tests start: what holds on SQLite holds for replicas that share it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from agent.records.conversation import Conversation, Said
from agent.records.impression import Impression, Outcome
from agent.store.alerts import AlertStore
from agent.store.api_keys import KeyStore
from agent.store.database import audit_log, copy_store, store_place
from agent.store.feedback import FeedbackLog
from agent.store.live_items import LiveItemStore
from agent.store.people import PeopleStore, PersonEvent, record_event
from agent.store.profiles import Profile, ProfileStore
from agent.store.template_versions import TemplateStore
from tests.feedback_writer import event_id, feedback_event, record
from ui.cli.main import app

pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed (extra postgresql)")
ROOT = Path(__file__).resolve().parent.parent
BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that lives as long as the module's tests; its files lie in a folder of their own."""
    found = shutil.which("postgres") or (BINARIES and str(BINARIES / "postgres"))
    if not found or not Path(found).exists():
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    binaries, folder = Path(found).parent, Path(tempfile.mkdtemp(prefix="concierge-pg"))
    # The server refuses to run as root.
    owner = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    if owner:
        shutil.chown(folder, "postgres", "postgres")
    data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    init = [binaries / "initdb", "-D", data, "-U", "concierge", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run(init, check=True, **owner, **quiet)  # type: ignore[call-overload]
    run = [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
    process = subprocess.Popen(run, **owner, **quiet)  # type: ignore[call-overload]
    try:
        url = f"postgresql://concierge@/postgres?host={folder}"
        for _ in range(200):
            with suppress(ValueError), FeedbackLog(f"{url}&schema=awake"):
                break
            time.sleep(0.1)
        else:
            pytest.fail("the server does not answer")
        yield url
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: str) -> str:
    """A schema of its own for a test."""
    return f"{server}&schema=t_{uuid.uuid4().hex[:12]}"


def test_what_was_written_reads_the_same_for_every_replica_and_stays(url: str) -> None:
    shown, said = feedback_event("a", 0), feedback_event("a", 1)
    assert isinstance(shown, Impression) and isinstance(said, Outcome)
    conversation = Conversation(events=[Said("ünïcode, “quotes” and 'more'")])
    with FeedbackLog(url) as log, FeedbackLog(url) as replica:
        log.record_impression(shown, conversation)
        log.save_conversation(conversation, "ann")
        replica.record_outcome(said)
        replica.record_outcome(said)
        assert list(replica.impressions()) == [shown] and list(log.outcomes()) == [said]
        assert replica.load_conversation(conversation.id, "ann") == conversation
        with pytest.raises(PermissionError):
            replica.save_conversation(conversation, "bob")
        for change in ("UPDATE outcome SET value = 0", "DELETE FROM impression"):
            with pytest.raises(DBAPIError, match="append-only"), log.engine.begin() as connection:
                connection.execute(text(change))
        assert list(log.outcomes()) == [said]


def test_export_is_the_same_as_from_a_file(url: str, tmp_path: Path) -> None:
    lines = []
    for place in (url, tmp_path / "feedback.db"):
        with FeedbackLog(place) as log:
            for number in range(9):
                event = feedback_event("a", number)
                if isinstance(event, Impression):
                    log.record_impression(event)
                else:
                    log.record_outcome(event)
            assert log.export(tmp_path / "out.jsonl") == 3
        lines.append((tmp_path / "out.jsonl").read_text("utf-8"))
    assert lines[0] == lines[1]


def test_replicas_that_write_at_once_lose_and_double_nothing(url: str) -> None:
    failed: list[BaseException] = []

    def write(name: str) -> None:
        try:
            with FeedbackLog(url) as log:
                for number in range(30):
                    record(log, name, number)
                LiveItemStore(log.engine).put(name, name, {}, None, "test")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with FeedbackLog(url) as log:
        assert len({own.id for own in log.impressions()}) == 40 and len({own.id for own in log.outcomes()}) == 80
        items = LiveItemStore(log.engine)
        assert sorted(own.revision for own in items.since(0)) == [1, 2, 3, 4]


def test_a_writer_that_is_killed_leaves_all_that_it_acknowledged(url: str) -> None:
    for round in range(3):
        command = [sys.executable, "-m", "tests.feedback_writer", url, f"w{round}", "0"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(5 + 4 * round)]
            process.kill()
            acknowledged += [int(line) for line in process.stdout.read().splitlines()[:-1]]
        with FeedbackLog(url) as log:
            kept = [*(own.id for own in log.impressions()), *(own.id for own in log.outcomes())]
        assert len(kept) == len(set(kept))
        assert {event_id(f"w{round}", number) for number in acknowledged} <= set(kept)


def test_keys_items_people_profiles_templates_and_alerts_are_kept_and_copied_both_ways(
    url: str, server: str, tmp_path: Path
) -> None:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        shown = feedback_event("a", 0)
        assert isinstance(shown, Impression)
        log.record_impression(shown, Conversation())
        secret, _ = KeyStore(log.engine).create("shop")
        LiveItemStore(log.engine).put("x1", "The Bee Keeper", {"year": 2024}, None, "test")
        with log.engine.connect().execution_options(write=True) as connection, connection.begin():
            record_event(connection, PersonEvent("order-1", "ann", "50", "liked", None, 1.0))
        ProfileStore(log.engine).change("ann", lambda old: Profile(keeps=True, saved=("50",)))
        TemplateStore(log)
        AlertStore(log.engine)
        with FeedbackLog(url) as other:
            copied = copy_store(log.engine, other.engine)
            assert copied["impression"] == copied["api_key"] == copied["live_item"] == copied["person_event"] == 1
            with pytest.raises(ValueError, match="copy into an empty one"):
                copy_store(log.engine, other.engine)
    back = tmp_path / "back.db"
    done = CliRunner().invoke(app, ["store", "copy", str(back), "--source", url, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == copied
    for place in (url, back):
        with FeedbackLog(place) as log:
            assert list(log.impressions()) == [shown]
            assert KeyStore(log.engine).find(secret) is not None
            assert LiveItemStore(log.engine).since(0)[0].attributes == {"year": 2024}
            assert ProfileStore(log.engine).get("ann").saved == ("50",)
            later = feedback_event("b", 0)
            assert isinstance(later, Impression)
            log.record_impression(later)
            assert [own.id for own in log.impressions()] == [shown.id, later.id]
            people = PeopleStore(log.engine)
            assert people.delete("ann", "ann", False, "test")["events"] == 1
            assert not people.events("ann") and audit_log(log.engine)[0]["action"] == "delete person"


def test_the_setting_moves_the_store_and_a_bad_one_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_DATABASE", url)
    done = CliRunner().invoke(app, ["keys", "create", "shop"])
    assert done.exit_code == 0, done.output
    with FeedbackLog(url) as log:
        assert [own.name for own in KeyStore(log.engine).list()] == ["shop"]
    assert store_place("games") != store_place()
    monkeypatch.setenv("CONCIERGE_DATABASE", "mysql://ann:secret@host/db")
    with pytest.raises(ValueError, match="no PostgreSQL database") as raised:
        store_place()
    assert "secret" not in str(raised.value)
    with pytest.raises(ValueError, match="cannot be used") as raised:
        FeedbackLog("postgresql://ann:secret@/postgres?host=/nowhere")
    assert "secret" not in str(raised.value)


def test_a_server_that_was_away_is_met_again(url: str) -> None:
    with FeedbackLog(url) as log:
        with log.engine.connect() as connection:
            own = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        with FeedbackLog(url) as other, other.engine.begin() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        event = feedback_event("a", 0)
        assert isinstance(event, Impression)
        log.record_impression(event)
        assert list(log.impressions()) == [event]
