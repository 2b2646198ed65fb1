"""Client: the service from Python, typed, synchronous and asynchronous.

>>> with Concierge("http://127.0.0.1:7860") as concierge:  # doctest: +SKIP
...     print(concierge.recommend(wish="something funny", k=3).reply)
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter

from agent.records.conditions import Condition
from agent.service.problems import PREFIX
from agent.service.schemas import (
    AnswerOut,
    CatalogueOut,
    Deleted,
    EventsOut,
    ExplanationOut,
    FeedbackOut,
    ItemOut,
    ItemPage,
    PersonExport,
    PersonOut,
    Recommended,
)

Model = TypeVar("Model", bound=BaseModel)
History = Sequence[Mapping[str, Any] | str]
Conditions = Sequence[Condition | Mapping[str, Any]]

SECONDS = 60.0
"""How long a client waits for an answer, unless it was made with another limit."""


class ServiceError(Exception):
    """The service refused: ``kind`` says why, ``status`` is the HTTP status, ``retry_after`` in seconds or None."""

    def __init__(self, kind: str, status: int, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


class Call(BaseModel):
    """One request, before it is sent."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    query: dict[str, Any] = {}


class Calls:
    """The requests of the service, one method for each kind; both clients send them."""

    @staticmethod
    def recommend(
        person: str | None, history: History, wish: str, conditions: Conditions, k: int, record: bool
    ) -> Call:
        """A request for a slate."""
        body = {
            "person": person,
            "history": [{"item": own} if isinstance(own, str) else dict(own) for own in history],
            "wish": wish,
            "conditions": _conditions(conditions),
            "k": k,
            "record": record,
        }
        return Call(method="POST", path="/v1/recommend", body=body)

    @staticmethod
    def converse(message: str, conversation_id: str | None, person: str | None, k: int, stream: bool = False) -> Call:
        """The next message of a conversation."""
        body = {"message": message, "conversation_id": conversation_id, "person": person, "k": k, "stream": stream}
        return Call(method="POST", path="/v1/converse", body=body)

    @staticmethod
    def explain(
        route: str,
        item: str,
        conversation_id: str | None,
        person: str | None,
        wish: str,
        conditions: Conditions,
        k: int,
    ) -> Call:
        """Why, or why not."""
        body = {
            "item": item,
            "conversation_id": conversation_id,
            "person": person,
            "wish": wish,
            "conditions": _conditions(conditions),
            "k": k,
        }
        return Call(method="POST", path=f"/v1/{route}", body=body)

    @staticmethod
    def feedback(
        item: str,
        kind: str,
        value: float | None,
        impression_id: str | None,
        conversation_id: str | None,
        person: str | None,
        key: str | None,
    ) -> Call:
        """What a person did."""
        body = {
            "key": key or uuid.uuid4().hex,
            "item": item,
            "kind": kind,
            "value": value,
            "impression_id": impression_id,
            "conversation_id": conversation_id,
            "person": person,
        }
        return Call(method="POST", path="/v1/feedback", body=body)

    @staticmethod
    def item(item_id: str, rest: str = "", method: str = "GET", body: dict[str, Any] | None = None) -> Call:
        """One item's route."""
        return Call(method=method, path=f"/v1/items/{quote(item_id, safe='')}{rest}", body=body)

    @staticmethod
    def person(person: str, rest: str = "", method: str = "GET") -> Call:
        """One person's route."""
        return Call(method=method, path=f"/v1/people/{quote(person, safe='')}{rest}")


class Concierge:
    """The service at ``url``. ``key`` is an API key (None: the service is on this machine); ``catalogue`` which one.

    Every method raises :class:`ServiceError` where the service refuses, and httpx's errors where it cannot be reached.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        catalogue: str | None = None,
        seconds: float = SECONDS,
        client: httpx.Client | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._http = client or httpx.Client(base_url=url, timeout=seconds)
        self._headers = _headers(key)

    def __enter__(self) -> Concierge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def recommend(
        self,
        person: str | None = None,
        history: History = (),
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
        record: bool = True,
    ) -> AnswerOut:
        """A slate for a person, a history, a wish and conditions."""
        return self._get(Calls.recommend(person, history, wish, conditions, k, record), AnswerOut)

    def converse(
        self, message: str, conversation_id: str | None = None, person: str | None = None, k: int = 5
    ) -> AnswerOut:
        """The answer to the next message; pass the answer's conversation_id on."""
        return self._get(Calls.converse(message, conversation_id, person, k), AnswerOut)

    def stream(
        self, message: str, conversation_id: str | None = None, person: str | None = None, k: int = 5
    ) -> Iterator[str | AnswerOut]:
        """The same in pieces of text, and the whole answer last."""
        call = Calls.converse(message, conversation_id, person, k, stream=True)
        with self._http.stream(
            call.method, call.path, json=call.body, params=_query(call, self._catalogue), headers=self._headers
        ) as response:
            if response.status_code >= 400:
                response.read()
                raise _error(response)
            reader = _Events()
            for line in response.iter_lines():
                yield from reader.take(line)

    def explain(
        self,
        item: str,
        conversation_id: str | None = None,
        person: str | None = None,
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
    ) -> ExplanationOut:
        """Why an item is in the slate of a conversation, or of a wish."""
        return self._get(Calls.explain("explain", item, conversation_id, person, wish, conditions, k), ExplanationOut)

    def why_not(
        self,
        item: str,
        conversation_id: str | None = None,
        person: str | None = None,
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
    ) -> ExplanationOut:
        """Why an item is not there, and what would bring it in."""
        return self._get(Calls.explain("why-not", item, conversation_id, person, wish, conditions, k), ExplanationOut)

    def feedback(
        self,
        item: str,
        kind: str,
        value: float | None = None,
        impression_id: str | None = None,
        conversation_id: str | None = None,
        person: str | None = None,
        key: str | None = None,
    ) -> FeedbackOut:
        """What a person did with an item; give a ``key`` of your own where you may have to repeat it."""
        call = Calls.feedback(item, kind, value, impression_id, conversation_id, person, key)
        return self._get(call, FeedbackOut)

    def events(self, events: Sequence[Mapping[str, Any]]) -> EventsOut:
        """Events of your own log: key, person, item, kind, value, timestamp."""
        body = {"events": [dict(event) for event in events]}
        return self._get(Call(method="POST", path="/v1/events", body=body), EventsOut)

    def search(self, query: str = "", limit: int = 20, cursor: str | None = None) -> ItemPage:
        """A page of items that have these words."""
        query_of = {"query": query, "limit": limit, "cursor": cursor}
        return self._get(Call(method="GET", path="/v1/items", query=query_of), ItemPage)

    def item(self, item_id: str) -> ItemOut:
        """One item."""
        return self._get(Calls.item(item_id), ItemOut)

    def similar(self, item_id: str, k: int = 5) -> list[Recommended]:
        """Items for somebody who likes this one."""
        call = Calls.item(item_id, "/similar").model_copy(update={"query": {"k": k}})
        return TypeAdapter(list[Recommended]).validate_python(self._send(call))

    def put_item(
        self, item_id: str, title: str, attributes: Mapping[str, Any] | None = None, expires: float | None = None
    ) -> ItemOut:
        """Add an item, or replace its title and attributes."""
        body = {"title": title, "attributes": dict(attributes or {}), "expires": expires}
        return self._get(Calls.item(item_id, method="PUT", body=body), ItemOut)

    def hide_item(self, item_id: str) -> None:
        """Recommend an item no more."""
        self._send(Calls.item(item_id, "/hide", "POST"))

    def show_item(self, item_id: str) -> None:
        """Recommend a hidden item again."""
        self._send(Calls.item(item_id, "/show", "POST"))

    def expire_item(self, item_id: str, at: float | None) -> ItemOut:
        """From when on an item is not recommended (seconds since 1970)."""
        return self._get(Calls.item(item_id, "/expire", "POST", {"at": at}), ItemOut)

    def delete_item(self, item_id: str) -> None:
        """Delete an item."""
        self._send(Calls.item(item_id, method="DELETE"))

    def person(self, person: str) -> PersonOut:
        """What is known of a person."""
        return self._get(Calls.person(person), PersonOut)

    def export_person(self, person: str) -> PersonExport:
        """Everything that is kept of a person."""
        return self._get(Calls.person(person, "/export"), PersonExport)

    def delete_person(self, person: str) -> Deleted:
        """Forget a person."""
        return self._get(Calls.person(person, method="DELETE"), Deleted)

    def catalogues(self) -> list[CatalogueOut]:
        """The catalogues that may be used."""
        return TypeAdapter(list[CatalogueOut]).validate_python(self._send(Call(method="GET", path="/v1/catalogues")))

    def _get(self, call: Call, model: type[Model]) -> Model:
        return model.model_validate(self._send(call))

    def _send(self, call: Call) -> Any:
        response = self._http.request(
            call.method, call.path, json=call.body, params=_query(call, self._catalogue), headers=self._headers
        )
        return _read(response)


class AsyncConcierge:
    """The same for asyncio: what programs that answer many people at once use."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        catalogue: str | None = None,
        seconds: float = SECONDS,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._http = client or httpx.AsyncClient(base_url=url, timeout=seconds)
        self._headers = _headers(key)

    async def __aenter__(self) -> AsyncConcierge:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def recommend(
        self,
        person: str | None = None,
        history: History = (),
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
        record: bool = True,
    ) -> AnswerOut:
        """A slate for a person, a history, a wish and conditions."""
        return await self._get(Calls.recommend(person, history, wish, conditions, k, record), AnswerOut)

    async def converse(
        self, message: str, conversation_id: str | None = None, person: str | None = None, k: int = 5
    ) -> AnswerOut:
        """The answer to the next message; pass the answer's conversation_id on."""
        return await self._get(Calls.converse(message, conversation_id, person, k), AnswerOut)

    async def stream(
        self, message: str, conversation_id: str | None = None, person: str | None = None, k: int = 5
    ) -> AsyncIterator[str | AnswerOut]:
        """The same in pieces of text, and the whole answer last."""
        call = Calls.converse(message, conversation_id, person, k, stream=True)
        async with self._http.stream(
            call.method, call.path, json=call.body, params=_query(call, self._catalogue), headers=self._headers
        ) as response:
            if response.status_code >= 400:
                await response.aread()
                raise _error(response)
            reader = _Events()
            async for line in response.aiter_lines():
                for piece in reader.take(line):
                    yield piece

    async def explain(
        self,
        item: str,
        conversation_id: str | None = None,
        person: str | None = None,
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
    ) -> ExplanationOut:
        """Why an item is in the slate of a conversation, or of a wish."""
        call = Calls.explain("explain", item, conversation_id, person, wish, conditions, k)
        return await self._get(call, ExplanationOut)

    async def why_not(
        self,
        item: str,
        conversation_id: str | None = None,
        person: str | None = None,
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
    ) -> ExplanationOut:
        """Why an item is not there, and what would bring it in."""
        call = Calls.explain("why-not", item, conversation_id, person, wish, conditions, k)
        return await self._get(call, ExplanationOut)

    async def feedback(
        self,
        item: str,
        kind: str,
        value: float | None = None,
        impression_id: str | None = None,
        conversation_id: str | None = None,
        person: str | None = None,
        key: str | None = None,
    ) -> FeedbackOut:
        """What a person did with an item; give a ``key`` of your own where you may have to repeat it."""
        call = Calls.feedback(item, kind, value, impression_id, conversation_id, person, key)
        return await self._get(call, FeedbackOut)

    async def events(self, events: Sequence[Mapping[str, Any]]) -> EventsOut:
        """Events of your own log: key, person, item, kind, value, timestamp."""
        body = {"events": [dict(event) for event in events]}
        return await self._get(Call(method="POST", path="/v1/events", body=body), EventsOut)

    async def search(self, query: str = "", limit: int = 20, cursor: str | None = None) -> ItemPage:
        """A page of items that have these words."""
        query_of = {"query": query, "limit": limit, "cursor": cursor}
        return await self._get(Call(method="GET", path="/v1/items", query=query_of), ItemPage)

    async def item(self, item_id: str) -> ItemOut:
        """One item."""
        return await self._get(Calls.item(item_id), ItemOut)

    async def similar(self, item_id: str, k: int = 5) -> list[Recommended]:
        """Items for somebody who likes this one."""
        call = Calls.item(item_id, "/similar").model_copy(update={"query": {"k": k}})
        return TypeAdapter(list[Recommended]).validate_python(await self._send(call))

    async def put_item(
        self, item_id: str, title: str, attributes: Mapping[str, Any] | None = None, expires: float | None = None
    ) -> ItemOut:
        """Add an item, or replace its title and attributes."""
        body = {"title": title, "attributes": dict(attributes or {}), "expires": expires}
        return await self._get(Calls.item(item_id, method="PUT", body=body), ItemOut)

    async def hide_item(self, item_id: str) -> None:
        """Recommend an item no more."""
        await self._send(Calls.item(item_id, "/hide", "POST"))

    async def show_item(self, item_id: str) -> None:
        """Recommend a hidden item again."""
        await self._send(Calls.item(item_id, "/show", "POST"))

    async def expire_item(self, item_id: str, at: float | None) -> ItemOut:
        """From when on an item is not recommended (seconds since 1970)."""
        return await self._get(Calls.item(item_id, "/expire", "POST", {"at": at}), ItemOut)

    async def delete_item(self, item_id: str) -> None:
        """Delete an item."""
        await self._send(Calls.item(item_id, method="DELETE"))

    async def person(self, person: str) -> PersonOut:
        """What is known of a person."""
        return await self._get(Calls.person(person), PersonOut)

    async def export_person(self, person: str) -> PersonExport:
        """Everything that is kept of a person."""
        return await self._get(Calls.person(person, "/export"), PersonExport)

    async def delete_person(self, person: str) -> Deleted:
        """Forget a person."""
        return await self._get(Calls.person(person, method="DELETE"), Deleted)

    async def catalogues(self) -> list[CatalogueOut]:
        """The catalogues that may be used."""
        found = await self._send(Call(method="GET", path="/v1/catalogues"))
        return TypeAdapter(list[CatalogueOut]).validate_python(found)

    async def _get(self, call: Call, model: type[Model]) -> Model:
        return model.model_validate(await self._send(call))

    async def _send(self, call: Call) -> Any:
        response = await self._http.request(
            call.method, call.path, json=call.body, params=_query(call, self._catalogue), headers=self._headers
        )
        return _read(response)


class _Events:
    """Reads server-sent events line by line."""

    def __init__(self) -> None:
        self._event = ""

    def take(self, line: str) -> Iterator[str | AnswerOut]:
        """What a line completes."""
        name, _, value = line.partition(": ")
        if name == "event":
            self._event = value
        elif name == "data" and self._event == "delta":
            yield str(json.loads(value)["text"])
        elif name == "data" and self._event == "answer":
            yield AnswerOut.model_validate_json(value)


def _conditions(conditions: Conditions) -> list[dict[str, Any]]:
    return [own.to_json() if isinstance(own, Condition) else dict(own) for own in conditions]


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def _query(call: Call, catalogue: str | None) -> dict[str, Any]:
    return {name: value for name, value in {**call.query, "catalogue": catalogue}.items() if value is not None}


def _read(response: httpx.Response) -> Any:
    if response.status_code >= 400:
        raise _error(response)
    return None if response.status_code == 204 else response.json()


def _error(response: httpx.Response) -> ServiceError:
    try:
        document = response.json()
        kind, detail = str(document["type"]).removeprefix(PREFIX), str(document["detail"])
    except (ValueError, KeyError, TypeError):
        kind, detail = "internal", response.text[:200]
    after = response.headers.get("retry-after")
    return ServiceError(kind, response.status_code, detail, float(after) if after else None)
