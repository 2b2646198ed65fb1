"""Every route is tried with requests made from its OpenAPI description: no server error, no trace, no surprise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agent.service.chat_completions import add_chat_completions
from agent.service.http import Service, build_http
from agent.service.workers import Workers
from tests.service_app import Running, listening, serving

if TYPE_CHECKING:
    from agent.recommender import Recommender

pytestmark = pytest.mark.slow

CHECKS: Any = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def running(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(recommender, tmp_path_factory.mktemp("service")) as own:
        yield own


@pytest.fixture(scope="module")
def url(running: Running) -> Iterator[str]:
    with listening(running) as own:
        yield own


@pytest.fixture(scope="module")
def key(running: Running) -> str:
    return running.keys.create("fuzz", ["recommend", "feedback", "items", "people", "metrics"], per_minute=10**6)[0]


def operations() -> dict[str, Any]:
    """Method and path -> operation, from the description that callers get."""
    service = Service({}, cast(Any, None), Workers(1))
    app = build_http(service)
    add_chat_completions(app, service)
    schema = schemathesis.openapi.from_dict(app.openapi())
    found: list[Any] = [cast(Any, result).ok() for result in schema.get_all_operations()]
    return {f"{own.method.upper()} {own.path}": own for own in found}


OPERATIONS = operations()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_breaks_a_route(operation: str, url: str, key: str) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=OPERATIONS[operation].as_strategy())
    def tried(case: Any) -> None:
        response = case.call(base_url=url, headers={"Authorization": f"Bearer {key}"})
        if response.status_code != 504:  # a deadline that passed is the caller's own
            case.validate_response(response, checks=CHECKS)
        assert "Traceback" not in response.text and "site-packages" not in response.text

    tried()
