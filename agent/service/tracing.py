"""Tracing: a span for each request, with the time of each stage of its turn, by OpenTelemetry (the extra ``tracing``).

On where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says where spans go; the other standard variables hold too. Names of spans are
routes, not paths, so that no person's id is in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

trace: Any = None
with suppress(ModuleNotFoundError):
    trace = import_module("opentelemetry.trace")

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

NAME = "concierge"


def start_tracing() -> Callable[[], None]:
    """Send spans to the endpoint that the environment names, if it names one; the call returned sends what is left.

    Raises:
        ValueError: an endpoint is named and the extra is not installed.
    """
    if not os.environ.get(ENDPOINT):
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{ENDPOINT} asks for traces, which need: pip install 'concierge-recommender[tracing]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", NAME)}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def request_span(headers: Mapping[str, str], method: str) -> Iterator[Callable[[str, int], None]]:
    """A span around a request, part of the caller's trace if its headers name one.

    The block calls what it is given with the route and the status when they are known.
    """
    if trace is None:
        yield lambda route, status: None
        return
    from opentelemetry import propagate

    context = propagate.extract(dict(headers))
    tracer = trace.get_tracer(NAME)
    with tracer.start_as_current_span(method, context, kind=trace.SpanKind.SERVER) as span:

        def end(route: str, status: int) -> None:
            span.update_name(f"{method} {route}")
            span.set_attributes({"http.route": route, "http.response.status_code": status})
            if status >= 500:
                span.set_status(trace.StatusCode.ERROR)

        yield end


def note_stages(catalogue: str, milliseconds: Mapping[str, float]) -> None:
    """Say in the current span which catalogue answered and how long each stage took."""
    if trace is not None:
        times = {f"concierge.{stage}_ms": float(own) for stage, own in milliseconds.items()}
        trace.get_current_span().set_attributes({"concierge.catalogue": catalogue, **times})
