"""Who may ask the service what: keys, rates, loopback, masking, and its limits."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.service.access import is_local
from agent.service.masking import masked
from agent.service.problems import Problem
from agent.service.watch import JsonLines, request_id
from agent.service.workers import Workers
from agent.store.api_keys import ApiKeyError, KeyStore
from agent.store.feedback import FeedbackLog
from tests.service_app import Running, serving

if TYPE_CHECKING:
    from agent.recommender import Recommender


@pytest.fixture(scope="module")
def running(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(recommender, tmp_path_factory.mktemp("service")) as own:
        yield own


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyStore]:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield KeyStore(log.engine)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_only_a_hash_of_a_key_is_stored(keys: KeyStore, tmp_path: Path) -> None:
    secret, key = keys.create("shop")
    assert keys.find(secret) == key
    assert secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert keys.find(secret[:-1] + ("a" if secret[-1] != "a" else "b")) is None
    assert keys.find("") is None and keys.find("concierge_x") is None


def test_a_rotated_key_lasts_for_its_grace_and_a_revoked_one_ends(keys: KeyStore) -> None:
    secret, key = keys.create("shop", ["recommend"], ["books"], per_minute=5)
    renewed, fresh = keys.rotate(key.id, grace_minutes=1)
    assert keys.find(secret) is not None and (fresh.verbs, fresh.catalogues, fresh.name) == (
        key.verbs, key.catalogues, key.name,
    )  # fmt: skip
    keys.rotate(fresh.id)
    assert keys.find(renewed) is None
    keys.revoke(key.id)
    assert keys.find(secret) is None
    with pytest.raises(ApiKeyError):
        keys.rotate(key.id)


@pytest.mark.parametrize("arguments", [("a b",), ("shop", ["fly"]), ("shop", []), ("shop", ["items"], [], None, 0)])
def test_a_key_that_makes_no_sense_is_refused(keys: KeyStore, arguments: tuple[object, ...]) -> None:
    with pytest.raises(ApiKeyError):
        keys.create(*arguments)  # type: ignore[arg-type]


def test_without_a_key_only_this_machine_is_answered(running: Running) -> None:
    remote = running.remote()
    for path in ("/v1/items", "/v1/catalogues", "/v1/people/1", "/metrics"):
        refused = remote.get(path)
        assert refused.status_code == 401 and refused.headers["www-authenticate"]
        assert running.http.get(path).status_code == 200
    assert remote.get("/healthz").status_code == 200 and remote.get("/readyz").status_code == 200
    secret, _ = running.keys.create("remote")
    assert remote.get("/v1/items", headers=bearer(secret)).status_code == 200
    assert remote.get("/v1/items", headers={"X-API-Key": secret}).status_code == 200
    assert running.http.get("/v1/items", headers=bearer("wrong")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "client", "local"),
    [
        ({"host": "127.0.0.1:7860"}, "127.0.0.1", True),
        ({"host": "[::1]:7860"}, "::1", True),
        ({"host": "localhost"}, "127.0.0.1", True),
        ({"host": "localhost", "origin": "http://localhost:7860"}, "127.0.0.1", True),
        ({"host": "localhost"}, "203.0.113.9", False),
        ({"host": "rebound.example"}, "127.0.0.1", False),
        ({"host": "localhost", "origin": "https://evil.example"}, "127.0.0.1", False),
        ({"host": "localhost", "origin": "null"}, "127.0.0.1", False),
        ({"host": "localhost", "x-forwarded-for": "203.0.113.9"}, "127.0.0.1", False),
        ({"host": "localhost"}, None, False),
    ],
)
def test_what_counts_as_this_machine(headers: dict[str, str], client: str | None, local: bool) -> None:
    assert is_local(headers, client) is local


CHANGES = [
    ("POST", "/v1/recommend", {"record": False}, "recommend"),
    ("GET", "/v1/items/50", None, "recommend"),
    ("POST", "/v1/feedback", {"key": "a", "item": "50", "kind": "seen"}, "feedback"),
    ("POST", "/v1/events", {"events": [{"key": "b", "person": "p", "item": "50", "kind": "seen"}]}, "feedback"),
    ("POST", "/v1/items/50/show", None, "items"),
    ("GET", "/v1/people/1", None, "people"),
    ("GET", "/metrics", None, "metrics"),
]


@pytest.mark.parametrize(("method", "path", "body", "verb"), CHANGES)
def test_a_key_allows_its_verbs_and_no_others(
    running: Running, method: str, path: str, body: object, verb: str
) -> None:
    others = [own for own in ("recommend", "feedback", "items", "people", "metrics") if own != verb]
    allowed, _ = running.keys.create("one", [verb])
    refused, _ = running.keys.create("rest", others)
    remote = running.remote()
    assert remote.request(method, path, json=body, headers=bearer(allowed)).status_code < 300
    response = remote.request(method, path, json=body, headers=bearer(refused))
    assert response.status_code == 403 and response.json()["type"].endswith("not-allowed")


def test_a_key_for_one_catalogue_sees_no_other(running: Running) -> None:
    secret, _ = running.keys.create("books", ["recommend"], ["books"])
    remote = running.remote()
    assert remote.get("/v1/catalogues", headers=bearer(secret)).json() == []
    assert remote.get("/v1/items", headers=bearer(secret)).status_code == 403
    assert remote.get("/v1/items?catalogue=ml-100k", headers=bearer(secret)).status_code == 404


def test_a_key_for_one_person_reaches_no_other(running: Running) -> None:
    secret, _ = running.keys.create("ann", ["recommend", "feedback", "people"], person="ann")
    remote, headers = running.remote(), bearer(secret)
    event = {"key": "ann-1", "item": "50", "kind": "liked"}
    assert remote.post("/v1/feedback", json=event | {"person": "ann"}, headers=headers).status_code == 200
    assert remote.get("/v1/people/ann", headers=headers).status_code == 200
    assert remote.get("/v1/people/1", headers=headers).status_code == 403
    assert remote.delete("/v1/people/1", headers=headers).status_code == 403
    for body in ({"person": "1"}, {}):
        assert remote.post("/v1/recommend", json=body, headers=headers).status_code == 403
        assert remote.post("/v1/converse", json=body | {"message": "hi"}, headers=headers).status_code == 403
        assert remote.post("/v1/feedback", json=event | body, headers=headers).status_code == 403
    events = {"events": [event | {"person": "ann"}, event | {"key": "x", "person": "1"}]}
    assert remote.post("/v1/events", json=events, headers=headers).status_code == 403


def test_two_callers_keys_of_events_do_not_meet_and_conversations_stay_apart(running: Running) -> None:
    first, _ = running.keys.create("first", ["recommend", "feedback"])
    second, _ = running.keys.create("second", ["recommend", "feedback"])
    remote = running.remote()
    for secret in (first, second):
        event = {"key": "same", "item": "50", "kind": "liked" if secret == first else "disliked"}
        assert remote.post("/v1/feedback", json=event, headers=bearer(secret)).json()["repeated"] is False
    asked = {"message": "a comedy please", "k": 1}
    talk = remote.post("/v1/converse", json=asked, headers=bearer(first)).json()["conversation_id"]
    assert remote.get(f"/v1/conversations/{talk}", headers=bearer(first)).status_code == 200
    assert remote.get(f"/v1/conversations/{talk}", headers=bearer(second)).status_code == 404
    assert remote.delete(f"/v1/conversations/{talk}", headers=bearer(second)).status_code == 404


def test_a_key_has_so_many_requests_a_minute(running: Running) -> None:
    secret, _ = running.keys.create("slow", per_minute=2)
    remote = running.remote()
    codes = [remote.get("/v1/catalogues", headers=bearer(secret)) for _ in range(3)]
    assert [own.status_code for own in codes] == [200, 200, 429]
    assert 1 <= int(codes[-1].headers["retry-after"]) <= 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ann.b+c@mail.example.org!", "write to [mail]!"),
        ("call +49 (30) 1234-567 now", "call [phone] now"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("Bearer abcdef123456", "Bearer [key]"),
        ("concierge_0123456789ab_abcdefghijklmnop", "[key]"),
        ("a film from 1990 to 1999, rated 4.5 by 1,000 people", "a film from 1990 to 1999, rated 4.5 by 1,000 people"),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey (1968)"),
    ],
)
def test_personal_data_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_messages_are_masked_before_they_are_kept(running: Running) -> None:
    answer = running.concierge.recommend(wish="a comedy, write to ann@example.org")
    impression = running.log.impression(answer.impression_id or "")
    assert impression is not None
    running.concierge.converse("a comedy, my card is 4111 1111 1111 1111", k=1)
    kept = b"".join(path.read_bytes() for path in running.log.path.parent.glob("feedback.db*"))
    assert b"ann@example.org" not in kept
    assert b"4111 1111" not in kept and b"41111111" not in kept


def test_log_lines_carry_the_request_and_no_personal_data() -> None:
    token = request_id.set("ask-7")
    try:
        record = logging.LogRecord("x", logging.INFO, "x", 1, "hello %s", ("ann@example.org",), None)
        record.fields = {"caller": "shop", "status": 200}
        line = json.loads(JsonLines().format(record))
    finally:
        request_id.reset(token)
    assert line["request_id"] == "ask-7" and line["caller"] == "shop" and "ann@" not in line["event"]


def test_metrics_count_answers_feedback_and_refusals(running: Running) -> None:
    concierge = running.concierge
    answer = concierge.recommend(wish="a comedy", k=3)
    concierge.feedback(answer.items[0].item_id, "clicked", impression_id=answer.impression_id)
    running.http.get("/v1/items/no-such-item")
    text = running.http.get("/metrics").text
    for line in (
        'concierge_feedback_total{catalogue="ml-100k",kind="clicked"}',
        'concierge_slates_total{catalogue="ml-100k"}',
        'concierge_refusals_total{kind="not-found"}',
        'concierge_requests_total{method="POST",route="/v1/recommend",status="200"}',
        'concierge_stage_seconds_count{stage="ranking"}',
        "concierge_in_flight 0.0",
        "concierge_ready 1.0",
    ):
        assert line in text
    assert "no-such-item" not in text


def test_workers_refuse_what_they_cannot_hold_and_what_is_late() -> None:
    async def scenario() -> None:
        workers, gate = Workers(threads=1, waiting=1), threading.Event()
        try:
            first = asyncio.create_task(workers.run(gate.wait, 10))
            await asyncio.sleep(0.05)
            late = asyncio.create_task(workers.run(lambda: True, 0.1))
            await asyncio.sleep(0.01)
            with pytest.raises(Problem) as busy:
                await workers.run(lambda: True, 1)
            assert busy.value.kind == "busy" and int(busy.value.headers["Retry-After"]) >= 1
            with pytest.raises(Problem) as caught:
                await late
            assert caught.value.kind == "late"
            gate.set()
            assert await first
            assert workers.in_flight == 0
            assert await workers.run(lambda: "again", 1) == "again"
        finally:
            gate.set()
            workers.close()

    asyncio.run(scenario())


def test_health_answers_while_models_run(running: Running) -> None:
    done = threading.Event()

    def ask() -> None:
        running.concierge.recommend(wish="a comedy", k=50, record=False)
        done.set()

    thread = threading.Thread(target=ask)
    thread.start()
    start = time.monotonic()
    assert running.http.get("/healthz").status_code == 200
    assert time.monotonic() - start < 1.0 or done.is_set()
    thread.join()
