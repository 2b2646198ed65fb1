"""Delivery of alerts: to the console, to a file of JSON lines, to a webhook, by mail.

Mail goes from ``CONCIERGE_MAIL_FROM`` through the server in ``CONCIERGE_SMTP``: ``smtp://USER:PASSWORD@HOST:587`` is
encrypted where the server offers it, and always before a password is sent; ``smtps://`` from the start.
"""

from __future__ import annotations

import json
import os
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from agent.monitor.counts import MonitorError
from agent.monitor.explanation import in_words
from agent.store.alerts import AlertStore, Delivery

CONSOLE = "console"
TIMEOUT = 10.0
"""Seconds that a webhook or a mail server has to answer."""
WEBHOOKS = ("http://", "https://")
MAIL = "mailto:"
SMTP, SENDER = "CONCIERGE_SMTP", "CONCIERGE_MAIL_FROM"


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


def check(channel: str) -> None:
    """Refuse a channel that could never deliver anything, before there is anything to deliver.

    Raises:
        MonitorError: an address lacks its recipient or host, or no mail server is named.
    """
    if channel.startswith(MAIL):
        if "@" not in channel.removeprefix(MAIL):
            raise MonitorError(f"{channel!r} names nobody: write mailto:NAME@HOST")
        _server()
    elif channel.startswith(WEBHOOKS) and not urlsplit(channel).hostname:
        raise MonitorError(f"{channel!r} names no host: write https://HOST/PATH")


def deliver(store: AlertStore, monitor: str, value: str, console: Callable[[str], None]) -> list[Failure]:
    """Deliver what is pending, in order, and mark it; what a channel could not take stays pending.

    A line that a killed run wrote to a file but could not mark is found there and not written again. A webhook gets
    the header ``Idempotency-Key``, a mail its ``Message-ID``, by which a repeated one is known.
    """
    failed: dict[str, Failure] = {}
    for delivery in store.pending(monitor):
        if delivery.channel in failed:
            continue  # in order, or not at all
        document = message(delivery, value)
        try:
            if delivery.channel == CONSOLE:
                console(f"[{document['id']}] {document['text']}")
            elif delivery.channel.startswith(WEBHOOKS):
                _post(delivery.channel, document)
            elif delivery.channel.startswith(MAIL):
                _mail(delivery.channel.removeprefix(MAIL), document)
            else:
                _append(Path(delivery.channel).expanduser(), document)
        except (OSError, httpx.HTTPError, smtplib.SMTPException, MonitorError) as error:
            failed[delivery.channel] = Failure(delivery.channel, str(error))
            continue
        store.delivered(delivery)
    return list(failed.values())


def _post(address: str, document: dict[str, Any]) -> None:
    key = f"{document['id']}-{document['event']}"
    httpx.post(address, json=document, headers={"Idempotency-Key": key}, timeout=TIMEOUT).raise_for_status()


def _server() -> tuple[str, str, int, str, str]:
    """Scheme, host, port, user and password of the mail server."""
    given = os.environ.get(SMTP, "")
    try:
        parts = urlsplit(given)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError
        port = parts.port or {"smtp": 587, "smtps": 465}[parts.scheme]
    except ValueError:
        # The value may hold a password: it is not repeated.
        raise MonitorError(f"mail needs a server: set {SMTP} to smtp://USER:PASSWORD@HOST:587 or smtps://...") from None
    return parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or "")


def _mail(recipient: str, document: dict[str, Any]) -> None:
    scheme, host, port, user, password = _server()
    sender = os.environ.get(SENDER) or (user if "@" in user else f"concierge@{host}")
    mail = EmailMessage()
    whole, *_ = document["text"].splitlines()
    mail["Subject"] = f"Concierge: {whole}"
    mail["From"], mail["To"] = sender, recipient
    mail["Message-ID"] = f"<{document['id']}-{document['event']}@concierge>"
    mail.set_content(f"{document['text']}\n\nMonitor {document['monitor']}, alert {document['id']}")
    secure = ssl.create_default_context()
    if scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=secure)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    with server:
        server.ehlo()
        if scheme == "smtp" and (user or server.has_extn("starttls")):
            server.starttls(context=secure)
        if user:
            server.login(user, password)
        server.send_message(mail)


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
