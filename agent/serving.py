"""Serving: which policy answers the next turn, and how it changes while a chat runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agent.policy import Policy


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
    """The policy of the adapter folder that ``pointer`` names now, loaded again by ``load`` when that changes.

    The turn that notices a change loads the new policy; turns beside it go on with the old one until it is whole, and a
    turn keeps the policy that it began with. A folder that cannot be loaded leaves the old policy in service: ``error``
    says what was wrong with it (None: nothing), and ``report`` is told once. It is tried again when the pointer moves.

    Raises:
        AdapterError, OSError: there is no old policy yet: the first folder cannot be loaded.
    """

    def __init__(
        self,
        pointer: Callable[[], Path],
        load: Callable[[Path], Policy],
        report: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    ) -> None:
        self.error: str | None = None
        self._pointer = pointer
        self._load = load
        self._report = report
        self._loading = threading.Lock()
        self._wanted: Path | str = pointer()
        self._policy = load(self._wanted)

    def current(self) -> Policy:
        """The policy of the turn that starts now."""
        if self._loading.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._loading.release()
        return self._policy

    def _follow(self) -> None:
        wanted: Path | str = ""
        try:
            wanted = folder = self._pointer()
            if wanted != self._wanted:
                self._policy, self.error = self._load(folder), None
        except Exception as error:  # whatever is wrong with the new one, the old one still answers
            text = f"the adapter in use stays {self._policy.version!r}: {error}"
            if text != self.error:
                self._report(text)
            self.error = text
        self._wanted = wanted
