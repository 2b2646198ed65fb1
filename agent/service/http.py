"""HTTP: the service's routes under ``/v1``, its health and its metrics.

Whatever runs a model is handed to :class:`agent.service.workers.Workers`; the event loop only passes messages on.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from agent.service.access import Caller, Gate
from agent.service.catalogue_service import CatalogueService
from agent.service.middleware import Envelope, problem_response
from agent.service.problems import KINDS, Problem
from agent.service.schemas import (
    MOST_ITEMS,
    AnswerOut,
    CatalogueOut,
    ConverseRequest,
    Deleted,
    EventsOut,
    EventsRequest,
    ExpiryRequest,
    ExplainRequest,
    ExplanationOut,
    FeedbackOut,
    FeedbackRequest,
    ItemOut,
    ItemPage,
    ItemRequest,
    PersonExport,
    PersonOut,
    ProblemOut,
    Recommended,
    RecommendRequest,
    TrendsOut,
    TrendsQuery,
)
from agent.service.watch import LOGGER, Metrics
from agent.service.workers import Workers
from agent.store.alerts import AlertStore
from agent.store.api_keys import Verb

Result = TypeVar("Result")

DESCRIPTION = """Recommendations in conversation, from a catalogue of yours.

Every refusal is a problem document (RFC 9457). Without an API key only programs on the same machine are answered.
"""

STREAM_SECONDS = 0.02
"""Pause between the pieces of a streamed answer."""

ItemPath = Annotated[str, Path(min_length=1, max_length=200, description="The item's id in the data.")]
PersonPath = Annotated[str, Path(min_length=1, max_length=200)]
ConversationPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
PersonQuery = Annotated[str | None, Query(min_length=1, max_length=200)]

STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""How an answer by server-sent events is described."""


class Service:
    """All catalogues of one process, and what they share.

    Attributes:
        catalogues: name -> service; the first is the default.
        gate: lets requests in.
        workers: run models.
        metrics: count.
    """

    def __init__(
        self, catalogues: Mapping[str, CatalogueService], gate: Gate, workers: Workers, metrics: Metrics | None = None
    ) -> None:
        self.catalogues = dict(catalogues)
        self.gate = gate
        self.workers = workers
        self.metrics = metrics or Metrics()
        for own in self.catalogues.values():
            own.metrics = self.metrics
        self.metrics.watch(
            lambda: float(workers.in_flight), lambda: float(not self.trouble()), lambda: self.alerts.alerts()
        )

    @property
    def default(self) -> CatalogueService:
        """The first catalogue."""
        return next(iter(self.catalogues.values()))

    @property
    def alerts(self) -> AlertStore:
        """What `concierge monitor` found, in the store that it writes to: the first catalogue's."""
        return AlertStore(self.default.log.engine)

    def pick(self, caller: Caller, verb: Verb, catalogue: str | None, person: str | None = None) -> CatalogueService:
        """The catalogue that a request is for, where its caller may ask that of it.

        Raises:
            Problem: there is no such catalogue (that the caller may know of), or the key does not allow it.
        """
        found = self.default if catalogue is None else self.catalogues.get(catalogue)
        if found is None or (catalogue is not None and not caller.sees(catalogue)):
            known = ", ".join(name for name in self.catalogues if caller.sees(name))
            raise Problem("not-found", f"no catalogue {catalogue!r}: use {known or 'another key'}")
        caller.check(verb, found.name, person)
        return found

    def trouble(self) -> str | None:
        """Why the service cannot answer; None where it can."""
        if self.workers.closing:
            return "the service is shutting down"
        for own in self.catalogues.values():
            try:
                with own.log.engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                return f"the store of {own.name!r} does not answer"
        return None

    def close(self) -> None:
        """Take no more requests, and let those that are here end."""
        self.workers.close()


def caller_of(request: Request) -> Caller:
    """Who asks."""
    client = request.client.host if request.client is not None else None
    service: Service = request.app.state.service
    caller = service.gate.admit(request.headers, client)
    request.state.caller = caller.name
    return caller


Asking = Annotated[Caller, Depends(caller_of)]
CatalogueQuery = Annotated[
    str | None, Query(max_length=64, description="Which catalogue; the first one, where it is left out.")
]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": ProblemOut,
        "description": "; ".join(title for own, title in KINDS.values() if own == status),
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
    }
    for status in sorted({status for status, _ in KINDS.values()} | {400, 405})
}


def build_http(service: Service, lifespans: tuple[Callable[[], Any], ...] = ()) -> FastAPI:
    """The application; ``lifespans`` are asynchronous context managers that are held while it runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for held in lifespans:
                await stack.enter_async_context(held())
            yield
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="Concierge",
        version=_version(),
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url="/v1/docs",
        redoc_url=None,
        lifespan=lifespan,
        responses=PROBLEMS,
        # FastAPI's own spans hold paths, and so people's ids; ours are made in agent.service.middleware.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    app.add_middleware(Envelope, metrics=service.metrics)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    _add_answers(app, service)
    _add_feedback(app, service)
    _add_items(app, service)
    _add_people(app, service)
    _add_trends(app, service)
    _add_health(app, service)
    return app


def _add_answers(app: FastAPI, service: Service) -> None:
    run = service.workers.run

    @app.post("/v1/recommend", tags=["answers"], summary="Recommend items")
    async def recommend(request: RecommendRequest, caller: Asking, catalogue: CatalogueQuery = None) -> AnswerOut:
        own = service.pick(caller, "recommend", catalogue, request.person)
        return await run(lambda: own.recommend(request), request.deadline)

    @app.post(
        "/v1/converse",
        tags=["answers"],
        summary="Answer the next message of a conversation",
        responses=STREAMED,
        response_model=AnswerOut,
    )
    async def converse(request: ConverseRequest, caller: Asking, catalogue: CatalogueQuery = None) -> Any:
        own = service.pick(caller, "recommend", catalogue, request.person)
        answer = await run(lambda: own.converse(request, caller), request.deadline)
        if not request.stream:
            return answer
        return StreamingResponse(_stream(answer), media_type="text/event-stream")

    @app.get("/v1/conversations/{conversation_id}", tags=["answers"], summary="A conversation as it is kept")
    def conversation(
        conversation_id: ConversationPath, caller: Asking, person: PersonQuery = None, catalogue: CatalogueQuery = None
    ) -> dict[str, Any]:
        own = service.pick(caller, "recommend", catalogue, person)
        return own.conversation(conversation_id, person, caller)

    @app.delete(
        "/v1/conversations/{conversation_id}", tags=["answers"], summary="Delete a conversation", status_code=204
    )
    def delete_conversation(
        conversation_id: ConversationPath, caller: Asking, person: PersonQuery = None, catalogue: CatalogueQuery = None
    ) -> Response:
        service.pick(caller, "recommend", catalogue, person).delete_conversation(conversation_id, person, caller)
        return Response(status_code=204)

    @app.post("/v1/explain", tags=["answers"], summary="Why an item was recommended")
    async def explain(request: ExplainRequest, caller: Asking, catalogue: CatalogueQuery = None) -> ExplanationOut:
        own = service.pick(caller, "recommend", catalogue, request.person)
        return await run(lambda: own.explain(request, caller), request.deadline)

    @app.post("/v1/why-not", tags=["answers"], summary="Why an item was not recommended, and what would bring it in")
    async def why_not(request: ExplainRequest, caller: Asking, catalogue: CatalogueQuery = None) -> ExplanationOut:
        own = service.pick(caller, "recommend", catalogue, request.person)
        return await run(lambda: own.explain(request, caller), request.deadline)

    @app.get("/v1/catalogues", tags=["answers"], summary="The catalogues that the caller may use")
    def catalogues(caller: Asking) -> list[CatalogueOut]:
        shown = [own for own in service.catalogues.values() if caller.sees(own.name)]
        return [own.describe(own is service.default) for own in shown]


def _add_feedback(app: FastAPI, service: Service) -> None:
    @app.post("/v1/feedback", tags=["feedback"], summary="What a person did with an item")
    def feedback(request: FeedbackRequest, caller: Asking, catalogue: CatalogueQuery = None) -> FeedbackOut:
        own = service.pick(caller, "feedback", catalogue, request.person)
        kept = own.feedback(request, caller)
        if not kept.repeated:
            service.metrics.feedback.labels(own.name, request.kind).inc()
        return kept

    @app.post("/v1/events", tags=["feedback"], summary="What people did, from a log of yours")
    def events(request: EventsRequest, caller: Asking, catalogue: CatalogueQuery = None) -> EventsOut:
        people = {event.person for event in request.events}
        own = service.pick(caller, "feedback", catalogue, next(iter(people)))
        for person in people:
            caller.check("feedback", own.name, person)
        return own.events(request, caller)


def _add_items(app: FastAPI, service: Service) -> None:
    def changing(caller: Caller, catalogue: str | None) -> CatalogueService:
        return service.pick(caller, "items", catalogue, caller.key.person if caller.key else None)

    def looking(caller: Caller, catalogue: str | None) -> CatalogueService:
        return service.pick(caller, "recommend", catalogue, caller.key.person if caller.key else None)

    @app.get("/v1/items", tags=["items"], summary="Search the catalogue by words, or list it")
    def search(
        caller: Asking,
        query: Annotated[str, Query(max_length=500, description="Words of titles, attributes or people.")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 20,
        cursor: Annotated[str | None, Query(max_length=40, description="The `next` of the page before.")] = None,
        catalogue: CatalogueQuery = None,
    ) -> ItemPage:
        return looking(caller, catalogue).search(query, cursor, limit)

    @app.get("/v1/items/{item_id}", tags=["items"], summary="One item")
    def get_item(item_id: ItemPath, caller: Asking, catalogue: CatalogueQuery = None) -> ItemOut:
        return looking(caller, catalogue).items.get(item_id)

    @app.get("/v1/items/{item_id}/similar", tags=["items"], summary="Items for somebody who likes this one")
    async def similar(
        item_id: ItemPath,
        caller: Asking,
        k: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 5,
        catalogue: CatalogueQuery = None,
    ) -> list[Recommended]:
        own = looking(caller, catalogue)
        return await service.workers.run(lambda: own.similar(item_id, k))

    @app.put("/v1/items/{item_id}", tags=["items"], summary="Add an item, or replace its title and attributes")
    def put_item(item_id: ItemPath, request: ItemRequest, caller: Asking, catalogue: CatalogueQuery = None) -> ItemOut:
        own = changing(caller, catalogue)
        if any(ord(character) < 32 or ord(character) == 127 for character in item_id):
            raise Problem("invalid-request", f"item id {item_id!r} holds control characters: leave them out")
        return own.put_item(item_id, request, caller.name)

    @app.post("/v1/items/{item_id}/hide", tags=["items"], summary="Recommend an item no more", status_code=204)
    def hide(item_id: ItemPath, caller: Asking, catalogue: CatalogueQuery = None) -> Response:
        changing(caller, catalogue).set_status(item_id, "hidden", caller.name)
        return Response(status_code=204)

    @app.post("/v1/items/{item_id}/show", tags=["items"], summary="Recommend a hidden item again", status_code=204)
    def show(item_id: ItemPath, caller: Asking, catalogue: CatalogueQuery = None) -> Response:
        changing(caller, catalogue).set_status(item_id, "shown", caller.name)
        return Response(status_code=204)

    @app.post("/v1/items/{item_id}/expire", tags=["items"], summary="From when on an item is not recommended")
    def expire(item_id: ItemPath, request: ExpiryRequest, caller: Asking, catalogue: CatalogueQuery = None) -> ItemOut:
        return changing(caller, catalogue).set_expiry(item_id, request.at, caller.name)

    @app.delete("/v1/items/{item_id}", tags=["items"], summary="Delete an item", status_code=204)
    def delete_item(item_id: ItemPath, caller: Asking, catalogue: CatalogueQuery = None) -> Response:
        changing(caller, catalogue).set_status(item_id, "deleted", caller.name)
        return Response(status_code=204)


def _add_people(app: FastAPI, service: Service) -> None:
    @app.get("/v1/people/{person}", tags=["people"], summary="What is known of a person")
    def person(person: PersonPath, caller: Asking, catalogue: CatalogueQuery = None) -> PersonOut:
        return service.pick(caller, "people", catalogue, person).person(person)

    @app.get("/v1/people/{person}/export", tags=["people"], summary="Everything that is kept of a person")
    def export(person: PersonPath, caller: Asking, catalogue: CatalogueQuery = None) -> PersonExport:
        return service.pick(caller, "people", catalogue, person).export(person)

    @app.delete("/v1/people/{person}", tags=["people"], summary="Forget a person")
    def delete_person(person: PersonPath, caller: Asking, catalogue: CatalogueQuery = None) -> Deleted:
        return service.pick(caller, "people", catalogue, person).delete_person(person, caller.name)


def _add_trends(app: FastAPI, service: Service) -> None:
    @app.get("/v1/trends", tags=["trends"], summary="How what the texts say moves, and where it is unusual")
    async def trends(query: Annotated[TrendsQuery, Query()], caller: Asking) -> TrendsOut:
        own = service.pick(caller, "metrics", query.catalogue)
        return await service.workers.run(lambda: own.trends(query, service.alerts))


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["health"], summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"], summary="Whether it can answer")
    def readyz() -> dict[str, str]:
        trouble = service.trouble()
        if trouble is not None:
            raise Problem("not-ready", trouble, 5)
        return {"status": "ready"}

    @app.get("/metrics", tags=["health"], summary="Metrics for Prometheus", response_class=Response)
    def metrics(caller: Asking) -> Response:
        caller.check("metrics", None, caller.key.person if caller.key else None)
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


async def _stream(answer: AnswerOut) -> AsyncIterator[str]:
    """Server-sent events: ``delta`` with pieces of the reply, then ``answer`` with everything."""
    for piece in pieces(answer.reply):
        yield sse({"text": piece}, "delta")
        await asyncio.sleep(STREAM_SECONDS)
    yield sse(answer.model_dump(mode="json"), "answer")


def sse(data: Any, event: str | None = None) -> str:
    """One server-sent event."""
    head = f"event: {event}\n" if event is not None else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


def pieces(text: str) -> list[str]:
    """``text`` in pieces of about 24 characters that end between words."""
    return re.findall(r".{24}[^ ]* ?|.+", text, re.DOTALL)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    service: Service = request.app.state.service
    service.metrics.refusals.labels(error.kind).inc()
    return problem_response(error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"loc": list(own["loc"]), "msg": str(own["msg"])} for own in error.errors()[:20]]
    where = " in ".join(str(part) for part in reversed(errors[0]["loc"])) if errors else "the request"
    detail = f"{where}: {errors[0]['msg']}" if errors else "it cannot be read"
    return await _on_problem(request, Problem("invalid-request", detail, errors=errors))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _on_problem(request, Problem("not-found", f"no route {request.url.path!r}: see /v1/docs"))
    LOGGER.info("refused", extra={"fields": {"status": error.status_code}})
    problem = Problem("invalid-request", str(error.detail), status=error.status_code)
    return problem_response(problem, dict(error.headers or {}))


def _version() -> str:
    try:
        return version("concierge-recommender")
    except PackageNotFoundError:
        return "0"
