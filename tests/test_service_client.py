"""The client for asyncio does what the other one does, and both say why they were refused."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.records.conditions import Condition
from agent.service.client import AsyncConcierge, Concierge, ServiceError
from agent.service.schemas import AnswerOut
from tests.service_app import LOOPBACK, Running, serving

if TYPE_CHECKING:
    from agent.recommender import Recommender


@pytest.fixture(scope="module")
def running(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(recommender, tmp_path_factory.mktemp("service")) as own:
        yield own


def public(kind: type) -> dict[str, list[str]]:
    methods = inspect.getmembers(kind, inspect.isfunction)
    return {name: list(inspect.signature(own).parameters) for name, own in methods if not name.startswith("_")}


def test_both_clients_have_the_same_methods() -> None:
    assert public(Concierge) == public(AsyncConcierge)


def test_a_program_that_waits_for_many_people_at_once(running: Running) -> None:
    async def scenario() -> None:
        transport = httpx.ASGITransport(app=running.app, client=("127.0.0.1", 5000))
        async with AsyncConcierge(
            LOOPBACK, client=httpx.AsyncClient(transport=transport, base_url=LOOPBACK, timeout=60)
        ) as concierge:
            wanted = [Condition("genre", "is", ("Comedy",))]
            answers = await asyncio.gather(*(concierge.recommend(conditions=wanted, k=k) for k in (1, 2, 3)))
            assert [len(answer.items) for answer in answers] == [1, 2, 3]
            item = answers[0].items[0].item_id
            assert (await concierge.item(item)).title == answers[0].items[0].title
            await concierge.feedback(item, "liked", impression_id=answers[0].impression_id, person="asy")
            assert (await concierge.person("asy")).events == 1
            *_, whole = [piece async for piece in concierge.stream("a comedy", k=1)]
            assert isinstance(whole, AnswerOut) and whole.items
            with pytest.raises(ServiceError) as caught:
                await concierge.item("no-such")
            assert caught.value.kind == "not-found" and "no-such" in caught.value.detail

    asyncio.run(scenario())
