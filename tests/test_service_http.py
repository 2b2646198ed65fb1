"""The service over HTTP: answers, feedback, items, people, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from agent.service.client import ServiceError
from agent.service.problems import PREFIX
from agent.service.schemas import AnswerOut
from tests.service_app import Running, serving

if TYPE_CHECKING:
    from agent.recommender import Recommender


INVALID, MISSING = "invalid-request", "not-found"


@pytest.fixture(scope="module")
def running(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(recommender, tmp_path_factory.mktemp("service")) as own:
        yield own


def test_recommends_for_a_history_a_wish_and_conditions(running: Running) -> None:
    answer = running.concierge.recommend(
        history=[{"item": "50", "rating": 5}], wish="", conditions=[{"facet": "genre", "value": "Comedy"}], k=4
    )
    assert len(answer.items) == 4
    assert all("Comedy" in item.attributes["genre"] for item in answer.items)  # type: ignore[operator]
    assert "50" not in [item.item_id for item in answer.items]
    assert {"facet": "genre", "op": "is", "value": "Comedy"}.items() <= answer.conditions[0].items()
    impression = running.log.impression(answer.impression_id or "")
    assert impression is not None and impression.slate == tuple(item.item_id for item in answer.items)


def test_nothing_is_logged_where_nothing_is_to_be_recorded(running: Running) -> None:
    before = sum(1 for _ in running.log.impressions())
    assert running.concierge.recommend(wish="a comedy", record=False).impression_id is None
    assert sum(1 for _ in running.log.impressions()) == before


def test_a_conversation_goes_on_and_belongs_to_its_person(running: Running) -> None:
    concierge = running.concierge
    first = concierge.converse("a comedy please", person="conny", k=3)
    second = concierge.converse("from the 1990s", first.conversation_id, person="conny", k=3)
    assert second.conversation_id == first.conversation_id
    assert {own["facet"] for own in second.conditions} >= {"genre", "year"}
    for person in (None, "somebody-else"):
        with pytest.raises(ServiceError) as caught:
            concierge.converse("more", first.conversation_id, person=person)
        assert caught.value.kind == "not-found"
        refused = running.http.get(f"/v1/conversations/{first.conversation_id}", params={"person": person or "x"})
        assert refused.status_code == 404
    assert running.http.delete(f"/v1/conversations/{first.conversation_id}?person=conny").status_code == 204
    assert running.http.get(f"/v1/conversations/{first.conversation_id}?person=conny").status_code == 404


def test_an_answer_is_streamed_in_pieces_and_then_whole(running: Running) -> None:
    *parts, whole = list(running.concierge.stream("a comedy please", k=3))
    assert isinstance(whole, AnswerOut) and len(whole.items) == 3
    assert "".join(str(part) for part in parts) == whole.reply


def test_explains_what_is_shown_and_what_is_not(running: Running) -> None:
    concierge = running.concierge
    answer = concierge.converse("a comedy please", k=3)
    shown = concierge.explain(answer.items[1].item_id, answer.conversation_id, k=3)
    assert shown.shown and shown.place == 2 and shown.explanation
    missing = concierge.why_not("183", answer.conversation_id, k=3)
    assert not missing.shown and missing.explanation
    before = running.http.get(f"/v1/conversations/{answer.conversation_id}").json()
    assert json.dumps(before).count("Why") == 0  # an explanation leaves the conversation as it is
    alone = concierge.why_not("183", wish="a comedy please", k=3)
    assert not alone.shown and alone.item.item_id == "183"


def test_similar_items_are_others(running: Running) -> None:
    similar = running.concierge.similar("183", k=4)
    assert len(similar) == 4 and "183" not in [item.item_id for item in similar]


def test_feedback_counts_once_and_changes_the_next_answer(running: Running) -> None:
    concierge = running.concierge
    answer = concierge.recommend(person="freda", wish="a comedy", k=3)
    item = answer.items[0].item_id
    kept = concierge.feedback(item, "rated", 4.5, answer.impression_id, person="freda", key="order-1")
    again = concierge.feedback(item, "rated", 4.5, answer.impression_id, person="freda", key="order-1")
    assert not kept.repeated and again.repeated
    outcomes = list(running.log.outcomes(answer.impression_id))
    assert [(own.item_id, own.kind, own.value, own.position) for own in outcomes] == [(item, "rated", 4.5, 0)]
    with pytest.raises(ServiceError) as caught:
        concierge.feedback(item, "disliked", person="freda", key="order-1")
    assert caught.value.status == 409
    after = concierge.recommend(person="freda", wish="a comedy", k=3)
    assert item not in [own.item_id for own in after.items]  # it is known now


def test_feedback_in_a_conversation_counts_there(running: Running) -> None:
    concierge = running.concierge
    answer = concierge.converse("a comedy please", k=3)
    item = answer.items[0].item_id
    concierge.feedback(item, "seen", impression_id=answer.impression_id, conversation_id=answer.conversation_id)
    after = concierge.converse("a comedy please", answer.conversation_id, k=3)
    assert item not in [own.item_id for own in after.items]


def test_events_are_kept_all_or_none(running: Running) -> None:
    events: list[dict[str, Any]] = [{"key": "e-1", "person": "eve", "item": "50", "kind": "liked", "timestamp": 5}]
    wrong = [*events, {"key": "e-2", "person": "eve", "item": "no-such", "kind": "liked"}]
    with pytest.raises(ServiceError) as caught:
        running.concierge.events(wrong)
    assert caught.value.kind == "invalid-request"
    assert running.http.get("/v1/people/eve").status_code == 404
    first, second = running.concierge.events(events), running.concierge.events(events)
    assert (first.kept, first.repeated, second.kept, second.repeated) == (1, 0, 0, 1)
    assert [own.item for own in running.concierge.person("eve").history] == ["50"]


def test_a_person_is_exported_and_forgotten(running: Running) -> None:
    concierge = running.concierge
    concierge.events([{"key": "g-1", "person": "gone", "item": "50", "kind": "liked"}])
    talk = concierge.converse("a comedy please", person="gone", k=3)
    export = concierge.export_person("gone")
    assert [event["item_id"] for event in export.events] == ["50"]
    assert [chat["id"] for chat in export.conversations] == [talk.conversation_id]
    assert concierge.delete_person("gone").model_dump() == {"events": 1, "conversations": 1}
    assert running.http.get("/v1/people/gone").status_code == 404
    kept = b"".join(path.read_bytes() for path in running.log.path.parent.iterdir())
    assert str(talk.conversation_id).encode() in kept  # the log of impressions, under nobody's name
    assert not any(name in kept for name in (b"gone", b"g-1"))


def test_the_past_of_a_forgotten_person_of_the_data_set_is_not_used(running: Running) -> None:
    concierge = running.concierge
    assert concierge.person("7").in_data_set
    concierge.delete_person("7")
    assert running.http.get("/v1/people/7").status_code == 404


def test_openai_chat_front_ends_are_answered(running: Running) -> None:
    said = [
        {"role": "system", "content": "You recommend."},
        {"role": "user", "content": [{"type": "text", "text": "a comedy from the 1990s"}]},
    ]
    body = {"model": "concierge", "messages": said, "temperature": 0.3}
    whole = running.http.post("/v1/chat/completions", json=body).json()
    assert whole["object"] == "chat.completion" and "1." in whole["choices"][0]["message"]["content"]
    with running.http.stream("POST", "/v1/chat/completions", json=body | {"stream": True}) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    text = "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-1])
    assert text == whole["choices"][0]["message"]["content"]
    assert [own["id"] for own in running.http.get("/v1/models").json()["data"]] == ["concierge", "concierge/ml-100k"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "/v1/recommend", {"k": 0}, 422, INVALID),
        ("POST", "/v1/recommend", {"wishes": "x"}, 422, INVALID),
        ("POST", "/v1/recommend", {"history": [{"item": "no-such"}]}, 422, INVALID),
        ("POST", "/v1/recommend", {"conditions": [{"facet": "colour", "value": "red"}]}, 422, INVALID),
        ("POST", "/v1/recommend", {"conditions": [{"facet": "year", "op": "between", "value": 9}]}, 422, INVALID),
        ("POST", "/v1/recommend?catalogue=nowhere", {}, 404, MISSING),
        ("POST", "/v1/converse", {"message": "hi", "conversation_id": "0" * 32}, 404, MISSING),
        ("POST", "/v1/feedback", {"key": "k", "item": "50", "kind": "rated"}, 422, INVALID),
        ("POST", "/v1/feedback", {"key": "k", "item": "50", "kind": "liked", "impression_id": "no"}, 404, MISSING),
        ("GET", "/v1/items/no-such", None, 404, MISSING),
        ("GET", "/v1/items?cursor=x", None, 422, INVALID),
        ("PUT", "/v1/items/new", {"title": "x", "attributes": {"colour": "red"}}, 422, INVALID),
        ("GET", "/v1/nowhere", None, 404, MISSING),
        ("DELETE", "/v1/recommend", None, 405, INVALID),
        ("POST", "/v1/recommend", {"wish": "x" * 5000}, 422, INVALID),
        ("POST", "/v1/chat/completions", {"model": "x", "messages": [{"role": "user", "content": "x"}]}, 404, MISSING),
    ],
)  # fmt: skip
def test_refusals_are_problem_documents(
    running: Running, method: str, path: str, body: Any, status: int, kind: str
) -> None:
    response = running.http.request(method, path, json=body, headers={"X-Request-Id": "ask-1"})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == PREFIX + kind and document["detail"]
    assert document["instance"].endswith("ask-1") and response.headers["x-request-id"] == "ask-1"


def test_a_body_that_is_too_large_is_refused(running: Running) -> None:
    response = running.http.post(
        "/v1/recommend", content=b"{" + b" " * (2 << 20), headers={"content-type": "application/json"}
    )
    assert response.status_code == 413


def test_the_openapi_description_has_examples(running: Running) -> None:
    document = running.http.get("/v1/openapi.json").json()
    for name in ("RecommendRequest", "ConverseRequest", "FeedbackRequest", "EventsRequest", "ItemRequest"):
        assert document["components"]["schemas"][name]["examples"]
    assert all(operation["summary"] for path in document["paths"].values() for operation in path.values())


def test_a_question_leaves_the_slate_as_it_is(running: Running) -> None:
    concierge = running.concierge
    first = concierge.converse("a comedy please", k=3)
    asked = concierge.converse("what year is the first one from?", first.conversation_id, k=3)
    assert first.slate_changed and not asked.slate_changed and not asked.items
    more = concierge.converse("more", first.conversation_id, k=3)
    assert not {item.item_id for item in more.items} & {item.item_id for item in first.items}


def test_words_that_nothing_decides_still_get_a_slate(running: Running) -> None:
    for wish in ("thank you", "qwertz zxcv", "something for a rainy evening"):
        assert running.concierge.recommend(wish=wish, k=3).items


def test_a_person_is_not_named_in_the_log_of_impressions(running: Running) -> None:
    answer = running.concierge.recommend(person="42", wish="a comedy", k=2)
    impression = running.log.impression(answer.impression_id or "")
    assert impression is not None and impression.user is None
    assert impression.state is not None and impression.state["history"]  # what the choice depended on is there


def test_a_request_is_a_span_of_its_callers_trace_that_names_no_person(running: Running) -> None:
    trace = pytest.importorskip("opentelemetry.trace", reason="the extra tracing is not installed")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    number = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{number}-b7ad6b7169203331-01"}
    running.http.post("/v1/recommend", json={"wish": "a comedy", "person": "conny"}, headers=headers)
    running.http.get("/v1/people/conny")
    spans = kept.get_finished_spans()
    assert len(spans) == 2, [own.name for own in spans]
    answered, asked = spans
    assert answered.name == "POST /v1/recommend" and answered.attributes is not None
    assert f"{answered.context.trace_id:032x}" == number
    assert answered.attributes["http.response.status_code"] == 200
    assert float(str(answered.attributes["concierge.ranking_ms"])) > 0
    assert "conny" not in answered.to_json() + asked.to_json()
