"""Client: the service from Python, typed, synchronous and asynchronous.

>>> with Concierge("http://127.0.0.1:7860") as concierge:  # doctest: +SKIP
...     print(concierge.recommend(wish="something funny", k=3).reply)
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

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

Given = ParamSpec("Given")
Result = TypeVar("Result")
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


@dataclass(frozen=True)
class Call(Generic[Result]):
    """One request, before it is sent, and the type of its answer."""

    method: str
    path: str
    answer: Any
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)

    def read(self, response: httpx.Response) -> Result:
        """What the service answered.

        Raises:
            ServiceError: it refused.
        """
        if response.status_code >= 400:
            raise _error(response)
        read: TypeAdapter[Result] = TypeAdapter(self.answer)
        return read.validate_python(None if response.status_code == 204 else response.json())


class Method(Generic[Given, Result]):
    """A method that both clients have: it makes a call, which each client sends in its own way."""

    def __init__(self, make: Callable[Concatenate[Any, Given], Call[Result]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Concierge, owner: type) -> Callable[Given, Result]: ...
    @overload
    def __get__(self, client: AsyncConcierge, owner: type) -> Callable[Given, Awaitable[Result]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        return lambda *args, **named: client._send(self._make(client, *args, **named))


class _Client:
    """What both clients know of the service, and its methods."""

    def __init__(self, key: str | None, catalogue: str | None) -> None:
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._catalogue = catalogue

    def _parts(self, call: Call[Any]) -> dict[str, Any]:
        query = {**call.query, "catalogue": self._catalogue}
        known = {name: value for name, value in query.items() if value is not None}
        return {"method": call.method, "url": call.path, "json": call.body, "params": known, "headers": self._headers}

    @Method
    def recommend(
        self,
        person: str | None = None,
        history: History = (),
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
        record: bool = True,
    ) -> Call[AnswerOut]:
        """A slate for a person, a history, a wish and conditions."""
        body = {
            "person": person,
            "history": [{"item": own} if isinstance(own, str) else dict(own) for own in history],
            "wish": wish,
            "conditions": _conditions(conditions),
            "k": k,
            "record": record,
        }
        return Call("POST", "/v1/recommend", AnswerOut, body)

    @Method
    def converse(
        self, message: str, conversation_id: str | None = None, person: str | None = None, k: int = 5
    ) -> Call[AnswerOut]:
        """The answer to the next message; pass the answer's conversation_id on."""
        return _converse(message, conversation_id, person, k)

    @Method
    def explain(
        self,
        item: str,
        conversation_id: str | None = None,
        person: str | None = None,
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
    ) -> Call[ExplanationOut]:
        """Why an item is in the slate of a conversation, or of a wish."""
        return _explain("explain", item, conversation_id, person, wish, conditions, k)

    @Method
    def why_not(
        self,
        item: str,
        conversation_id: str | None = None,
        person: str | None = None,
        wish: str = "",
        conditions: Conditions = (),
        k: int = 5,
    ) -> Call[ExplanationOut]:
        """Why an item is not there, and what would bring it in."""
        return _explain("why-not", item, conversation_id, person, wish, conditions, k)

    @Method
    def feedback(
        self,
        item: str,
        kind: str,
        value: float | None = None,
        impression_id: str | None = None,
        conversation_id: str | None = None,
        person: str | None = None,
        key: str | None = None,
    ) -> Call[FeedbackOut]:
        """What a person did with an item; give a ``key`` of your own where you may have to repeat it."""
        body = {
            "key": key or uuid.uuid4().hex,
            "item": item,
            "kind": kind,
            "value": value,
            "impression_id": impression_id,
            "conversation_id": conversation_id,
            "person": person,
        }
        return Call("POST", "/v1/feedback", FeedbackOut, body)

    @Method
    def events(self, events: Sequence[Mapping[str, Any]]) -> Call[EventsOut]:
        """Events of your own log: key, person, item, kind, value, timestamp."""
        return Call("POST", "/v1/events", EventsOut, {"events": [dict(event) for event in events]})

    @Method
    def search(self, query: str = "", limit: int = 20, cursor: str | None = None) -> Call[ItemPage]:
        """A page of items that have these words."""
        return Call("GET", "/v1/items", ItemPage, query={"query": query, "limit": limit, "cursor": cursor})

    @Method
    def item(self, item_id: str) -> Call[ItemOut]:
        """One item."""
        return Call("GET", _item(item_id), ItemOut)

    @Method
    def similar(self, item_id: str, k: int = 5) -> Call[list[Recommended]]:
        """Items for somebody who likes this one."""
        return Call("GET", _item(item_id, "/similar"), list[Recommended], query={"k": k})

    @Method
    def put_item(
        self, item_id: str, title: str, attributes: Mapping[str, Any] | None = None, expires: float | None = None
    ) -> Call[ItemOut]:
        """Add an item, or replace its title and attributes."""
        body = {"title": title, "attributes": dict(attributes or {}), "expires": expires}
        return Call("PUT", _item(item_id), ItemOut, body)

    @Method
    def hide_item(self, item_id: str) -> Call[None]:
        """Recommend an item no more."""
        return Call("POST", _item(item_id, "/hide"), None)

    @Method
    def show_item(self, item_id: str) -> Call[None]:
        """Recommend a hidden item again."""
        return Call("POST", _item(item_id, "/show"), None)

    @Method
    def expire_item(self, item_id: str, at: float | None) -> Call[ItemOut]:
        """From when on an item is not recommended (seconds since 1970)."""
        return Call("POST", _item(item_id, "/expire"), ItemOut, {"at": at})

    @Method
    def delete_item(self, item_id: str) -> Call[None]:
        """Delete an item."""
        return Call("DELETE", _item(item_id), None)

    @Method
    def person(self, person: str) -> Call[PersonOut]:
        """What is known of a person."""
        return Call("GET", _person(person), PersonOut)

    @Method
    def export_person(self, person: str) -> Call[PersonExport]:
        """Everything that is kept of a person."""
        return Call("GET", _person(person, "/export"), PersonExport)

    @Method
    def delete_person(self, person: str) -> Call[Deleted]:
        """Forget a person."""
        return Call("DELETE", _person(person), Deleted)

    @Method
    def catalogues(self) -> Call[list[CatalogueOut]]:
        """The catalogues that may be used."""
        return Call("GET", "/v1/catalogues", list[CatalogueOut])


class Concierge(_Client):
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
        super().__init__(key, catalogue)
        self._http = client or httpx.Client(base_url=url, timeout=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def stream(
        self, message: str, conversation_id: str | None = None, person: str | None = None, k: int = 5
    ) -> Iterator[str | AnswerOut]:
        """What ``converse`` answers, in pieces of text, and the whole answer last."""
        with self._http.stream(**self._parts(_converse(message, conversation_id, person, k, True))) as response:
            if response.status_code >= 400:
                response.read()
                raise _error(response)
            reader = _Events()
            for line in response.iter_lines():
                yield from reader.take(line)

    def _send(self, call: Call[Result]) -> Result:
        return call.read(self._http.request(**self._parts(call)))


class AsyncConcierge(_Client):
    """The same for asyncio: what programs that answer many people at once use."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        catalogue: str | None = None,
        seconds: float = SECONDS,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(key, catalogue)
        self._http = client or httpx.AsyncClient(base_url=url, timeout=seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def stream(
        self, message: str, conversation_id: str | None = None, person: str | None = None, k: int = 5
    ) -> AsyncIterator[str | AnswerOut]:
        """What ``converse`` answers, in pieces of text, and the whole answer last."""
        parts = self._parts(_converse(message, conversation_id, person, k, True))
        async with self._http.stream(**parts) as response:
            if response.status_code >= 400:
                await response.aread()
                raise _error(response)
            reader = _Events()
            async for line in response.aiter_lines():
                for piece in reader.take(line):
                    yield piece

    async def _send(self, call: Call[Result]) -> Result:
        return call.read(await self._http.request(**self._parts(call)))


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


def _converse(
    message: str, conversation_id: str | None, person: str | None, k: int, stream: bool = False
) -> Call[AnswerOut]:
    body = {"message": message, "conversation_id": conversation_id, "person": person, "k": k, "stream": stream}
    return Call("POST", "/v1/converse", AnswerOut, body)


def _explain(
    route: str, item: str, conversation_id: str | None, person: str | None, wish: str, conditions: Conditions, k: int
) -> Call[ExplanationOut]:
    body = {"item": item, "conversation_id": conversation_id, "person": person, "wish": wish, "k": k}
    return Call("POST", f"/v1/{route}", ExplanationOut, body | {"conditions": _conditions(conditions)})


def _conditions(conditions: Conditions) -> list[dict[str, Any]]:
    return [own.to_json() if isinstance(own, Condition) else dict(own) for own in conditions]


def _item(item_id: str, rest: str = "") -> str:
    return f"/v1/items/{quote(item_id, safe='')}{rest}"


def _person(person: str, rest: str = "") -> str:
    return f"/v1/people/{quote(person, safe='')}{rest}"


def _error(response: httpx.Response) -> ServiceError:
    try:
        document = response.json()
        kind, detail = str(document["type"]).removeprefix(PREFIX), str(document["detail"])
    except (ValueError, KeyError, TypeError):
        kind, detail = "internal", response.text[:200]
    after = response.headers.get("retry-after")
    return ServiceError(kind, response.status_code, detail, float(after) if after else None)
