"""Access: who asks, what they may ask, and how often."""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from agent.service.problems import Problem
from agent.store.api_keys import ApiKey, KeyStore, Verb

LOCAL = "local"
"""The caller on this machine that sent no key."""

MOST_CALLERS = 10_000
"""Callers whose use is counted at a time."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: ``name`` is the key's name, ``key`` None where none was sent from this machine."""

    name: str = LOCAL
    key: ApiKey | None = None

    def check(self, verb: Verb, catalogue: str | None, person: str | None = None) -> None:
        """Refuse what the key does not allow.

        Raises:
            Problem: it does not allow this verb, this catalogue or this person.
        """
        if self.key is None:
            return
        if not self.key.allows(verb, catalogue):
            where = "" if catalogue is None else f" on {catalogue!r}"
            raise Problem(
                "not-allowed", f"this key does not allow {verb!r}{where}: it allows {', '.join(self.key.verbs)}"
            )
        if self.key.person is not None and person != self.key.person:
            raise Problem("not-allowed", "this key is for one person alone: name that person")

    def sees(self, catalogue: str) -> bool:
        """Whether a catalogue is any of the caller's business."""
        return self.key is None or not self.key.catalogues or catalogue in self.key.catalogues

    def owner(self, person: str | None) -> str:
        """What the store knows the caller's conversations with a person by; a hash, nothing can be read from it."""
        return hashlib.sha256(f"api\0{self.name}\0{person or ''}".encode()).hexdigest()


class Gate:
    """Lets requests in: by key, or without one from this machine alone; and counts them.

    ``require_key`` asks for a key from this machine, too.
    """

    def __init__(self, keys: KeyStore, require_key: bool = False) -> None:
        self._keys = keys
        self._require_key = require_key
        self._rates = Rates()

    def admit(self, headers: Mapping[str, str], client: str | None) -> Caller:
        """The caller of a request.

        Raises:
            Problem: no key or a wrong one (no-key), or too many requests.
        """
        secret = (
            headers.get("authorization", "").removeprefix("Bearer ").strip() or headers.get("x-api-key", "").strip()
        )
        if not secret:
            if self._require_key or not is_local(headers, client):
                raise Problem("no-key", "send a key: `Authorization: Bearer KEY`; `concierge keys create` makes one")
            return Caller()
        key = self._keys.find(secret)
        if key is None:
            raise Problem("no-key", "this key is not in force: ask for another one")
        wait = self._rates.take(key.name, key.per_minute)
        if wait > 0:
            raise Problem("too-many-requests", f"this key allows {key.per_minute} requests a minute", wait)
        return Caller(key.name, key)


def is_local(headers: Mapping[str, str], client: str | None) -> bool:
    """Whether a request was made on this machine, by a program rather than by a page of somebody else.

    What a proxy passes on is not local, nor is a request for a name that merely resolves to this machine (DNS
    rebinding), nor one that a browser sends for a page from elsewhere.
    """
    if client is None or not is_loopback(client):
        return False
    if any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip")):
        return False
    origin = headers.get("origin", "")
    if origin and not is_loopback(_host(origin.partition("://")[2])):
        return False
    return is_loopback(_host(headers.get("host", "")))


def _host(value: str) -> str:
    value = value.strip().lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0] if value.count(":") <= 1 else value


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Rates:
    """A bucket of requests for each caller, filled evenly over a minute (token bucket)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, per_minute: int) -> float:
        """Take one request; returns 0, or the seconds to wait until there is one."""
        now = time.monotonic()
        with self._lock:
            left, then = self._buckets.pop(caller, (float(per_minute), now))
            left = min(float(per_minute), left + (now - then) * per_minute / 60)
            if len(self._buckets) >= MOST_CALLERS:
                del self._buckets[next(iter(self._buckets))]
            if left < 1:
                self._buckets[caller] = (left, now)
                return (1 - left) * 60 / per_minute
            self._buckets[caller] = (left - 1, now)
            return 0.0
