"""Delivery of alerts: to the console, to a file of JSON lines, to a webhook."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agent.store.alerts import AlertStore, Delivery
from eval.monitor.explanation import in_words

CONSOLE = "console"
TIMEOUT = 10.0
"""Seconds that a webhook has to answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A channel that could not be reached; what was meant for it waits for the next run."""

    channel: str
    reason: str


def message(delivery: Delivery, value: str) -> dict[str, Any]:
    """What is delivered, as plain data; ``id`` and ``event`` together are unique."""
    alert = delivery.alert
    return {
        "id": alert.id,
        "event": delivery.event,
        "monitor": alert.monitor,
        "series": alert.series,
        "opened": alert.opened.isoformat(),
        "closed": alert.closed.isoformat() if alert.closed is not None and delivery.event == "closed" else None,
        "text": in_words(alert.series, alert.detail, value, delivery.event == "opened"),
        **alert.detail,
    }


def deliver(store: AlertStore, monitor: str, value: str, console: Callable[[str], None]) -> list[Failure]:
    """Deliver what is pending, in order, and mark it; what a channel could not take stays pending.

    A line that a killed run wrote to a file but could not mark is found there and not written again. A webhook gets
    the header ``Idempotency-Key``, by which its server knows a repeated one.
    """
    failed: dict[str, Failure] = {}
    for delivery in store.pending(monitor):
        if delivery.channel in failed:
            continue  # in order, or not at all
        document = message(delivery, value)
        try:
            if delivery.channel == CONSOLE:
                console(f"[{document['id']}] {document['text']}")
            elif delivery.channel.startswith(("http://", "https://")):
                _post(delivery.channel, document)
            else:
                _append(Path(delivery.channel).expanduser(), document)
        except (OSError, httpx.HTTPError) as error:
            failed[delivery.channel] = Failure(delivery.channel, str(error))
            continue
        store.delivered(delivery)
    return list(failed.values())


def _post(address: str, document: dict[str, Any]) -> None:
    key = f"{document['id']}-{document['event']}"
    httpx.post(address, json=document, headers={"Idempotency-Key": key}, timeout=TIMEOUT).raise_for_status()


def _append(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    for line in whole.splitlines():
        known = json.loads(line)
        if (known["id"], known["event"]) == (document["id"], document["event"]):
            return
    with path.open("r+b" if path.is_file() else "wb") as file:
        file.truncate(len(whole.encode()))  # a line that a killed run left half written
        file.seek(0, os.SEEK_END)
        file.write((json.dumps(document, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
