"""Watch: metrics for Prometheus, and one structured line of log a request."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from agent.records.answer import Answer
from agent.service.masking import masked
from agent.service.schemas import Recommended
from agent.service.tracing import note_stages
from agent.store.alerts import Alert

LOGGER = logging.getLogger("concierge.service")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; it stands in every line that is logged meanwhile."""

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0, 60.0)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.requests = Counter(
            "concierge_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "concierge_request_seconds",
            "Time to the end of the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.stages = Histogram(
            "concierge_stage_seconds", "Time by stage of a turn.", ("stage",), buckets=_SECONDS, registry=registry
        )
        self.refusals = Counter(
            "concierge_refusals", "Refused requests by kind of problem.", ("kind",), registry=registry
        )
        self.slates = Counter("concierge_slates", "Slates that were shown.", ("catalogue",), registry=registry)
        self.feedback = Counter("concierge_feedback", "Feedback by kind.", ("catalogue", "kind"), registry=registry)
        self.new_items = Counter(
            "concierge_new_items_shown",
            "Places of slates that went to untrained items.",
            ("catalogue",),
            registry=registry,
        )
        self.unmet = Counter("concierge_unmet_wishes", "Wishes that were not met.", ("catalogue",), registry=registry)
        self.diversity = Histogram(
            "concierge_slate_diversity",
            "Different categories of a slate against all categories of its items.",
            ("catalogue",),
            buckets=tuple(step / 10 for step in range(1, 11)),
            registry=registry,
        )
        self._in_flight = Gauge("concierge_in_flight", "Turns that run or wait.", registry=registry)
        self._ready = Gauge("concierge_ready", "1 where the service can answer.", registry=registry)

    def watch(
        self, in_flight: Callable[[], float], ready: Callable[[], float], alerts: Callable[[], Sequence[Alert]]
    ) -> None:
        """Read these whenever the metrics are asked for."""
        self._in_flight.set_function(in_flight)
        self._ready.set_function(ready)
        self.registry.register(OpenAlerts(alerts))

    def answered(self, catalogue: str, answer: Answer, items: list[Recommended], unmet: int) -> None:
        """Count an answer, and note its stages in the request's trace."""
        note_stages(catalogue, answer.timings_ms)
        for stage, milliseconds in answer.timings_ms.items():
            self.stages.labels(stage).observe(milliseconds / 1000)
        self.unmet.labels(catalogue).inc(unmet)
        if not items:
            return
        self.slates.labels(catalogue).inc()
        self.new_items.labels(catalogue).inc(sum(not item.trained for item in items))
        kinds = [kind for item in answer.items for kind in item.categories]
        if kinds:
            self.diversity.labels(catalogue).observe(len(set(kinds)) / len(kinds))

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return bytes(generate_latest(self.registry))


class OpenAlerts(Collector):
    """The alerts of monitors that are open and that nobody has seen yet, read from the store at every scrape."""

    def __init__(self, alerts: Callable[[], Sequence[Alert]]) -> None:
        self._alerts = alerts

    def describe(self) -> list[Metric]:
        """Nothing is read before the first scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One gauge, 1 for each such alert."""
        found = GaugeMetricFamily(
            "concierge_open_alerts", "Alerts that are open and not seen.", labels=("monitor", "series")
        )
        with suppress(SQLAlchemyError):  # /readyz says that the store does not answer
            for own in self._alerts():
                if own.closed is None and own.acknowledged is None:
                    found.add_metric([own.monitor, own.series], 1.0)
        yield found


class JsonLines(logging.Formatter):
    """Each record as one line of JSON, with the request's id; personal data are masked, traces stay out of answers."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": masked(record.getMessage()),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= {name: masked(value) if isinstance(value, str) else value for name, value in fields.items()}
        if record.exc_info is not None:
            line["trace"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr(level: str = "info") -> None:
    """Write the service's log, and the server's, as JSON lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("concierge.service", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
