"""Problems: every refusal of the service, as a type that callers can tell apart (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

PREFIX = "urn:concierge:problem:"

KINDS: Mapping[str, tuple[int, str]] = {
    "invalid-request": (422, "The request cannot be used as it is"),
    "too-large": (413, "The request is too large"),
    "not-found": (404, "There is no such thing"),
    "gone": (410, "The item was deleted"),
    "conflict": (409, "This contradicts what was sent before"),
    "no-key": (401, "A valid API key is needed"),
    "not-allowed": (403, "The API key does not allow this"),
    "too-many-requests": (429, "The API key has used up its requests for now"),
    "busy": (429, "The service has as much to do as it can hold"),
    "late": (504, "The answer was not ready in time"),
    "not-ready": (503, "The service cannot answer at the moment"),
    "internal": (500, "Something went wrong in the service"),
}
"""Kind -> HTTP status and title."""


class Problem(Exception):
    """A request is refused.

    ``kind`` is one of :data:`KINDS`; ``detail`` names the bad value and the fix; ``retry_after`` is in seconds;
    ``errors`` are the places in the request that are wrong.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        retry_after: float | None = None,
        errors: list[dict[str, Any]] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after
        self.errors = errors
        self.status = KINDS[kind][0] if status is None else status

    @property
    def title(self) -> str:
        """What sort of problem it is, in words."""
        return KINDS[self.kind][1]

    def document(self, instance: str) -> dict[str, Any]:
        """The body of the answer; ``instance`` is the request's id."""
        document: dict[str, Any] = {
            "type": f"{PREFIX}{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:concierge:request:{instance}",
        }
        if self.errors is not None:
            document["errors"] = self.errors
        return document

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with it."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="concierge"'
        return headers
