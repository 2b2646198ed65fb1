"""Serving: which policy answers the next turn, and how it changes while a chat runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Protocol

from agent.policy.distribution import Policy


class PolicySource(Protocol):
    """Where every turn gets its policy from; threads share it."""

    def current(self) -> Policy:
        """The policy of the turn that starts now."""
        ...


class FixedPolicy:
    """Always the same policy: for ``--adapter``, tests and offline work."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def current(self) -> Policy:
        """The policy."""
        return self._policy


class ActivePolicy:
    """The policy of the adapter version that ``pointer`` names now, made anew by ``load`` when that changes.

    The turn that notices a change loads the new policy; turns beside it go on with the old one until it is whole, and a
    turn keeps the policy that it began with. A version that cannot be loaded leaves the old policy in service:
    ``error`` says what was wrong with it (None: nothing), and ``report`` is told once. It is tried again when the
    pointer moves.

    Raises:
        ValueError, OSError: there is no old policy yet: the first version cannot be loaded.
    """

    def __init__(
        self,
        pointer: Callable[[], str],
        load: Callable[[str], Policy],
        report: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    ) -> None:
        self.error: str | None = None
        self._pointer = pointer
        self._load = load
        self._report = report
        self._loading = threading.Lock()
        self._version = pointer()
        self._refused: str | None = None
        self._policy = load(self._version)

    def current(self) -> Policy:
        """The policy of the turn that starts now."""
        if self._loading.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._loading.release()
        return self._policy

    def _follow(self) -> None:
        try:
            wanted = self._pointer()
            if wanted == self._version:
                self._refused = self.error = None
            elif wanted != self._refused:
                self._refused = wanted
                self._policy = self._load(wanted)
                self._version, self._refused, self.error = wanted, None, None
        except Exception as error:  # whatever is wrong with the new one, the old one still answers
            text = f"the adapter in use stays {self._policy.version!r}: {error}"
            if text != self.error:
                self._report(text)
            self.error = text
