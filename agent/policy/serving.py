"""Serving: which policy answers the next turn, and how it changes while a chat runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Protocol

from agent.policy.distribution import Policy
from agent.policy.registry import Experiment


class PolicySource(Protocol):
    """Where every turn gets its policy from; threads share it."""

    def current(self, person: str = "") -> Policy:
        """The policy of the turn that starts now; in an experiment, the one that serves this person."""
        ...

    def experiment(self) -> Experiment | None:
        """The experiment that runs now, if one does."""
        ...


class FixedPolicy:
    """Always the same policy: for ``--adapter``, tests and offline work."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def current(self, person: str = "") -> Policy:
        """The policy."""
        return self._policy

    def experiment(self) -> Experiment | None:
        """None: there is but one policy."""
        return None


class ActivePolicy:
    """The policy of the adapter version that ``pointer`` names now, made anew by ``load`` when that changes.

    The turn that notices a change loads the new policy; turns beside it go on with the old one until it is whole, and a
    turn keeps the policy that it began with. A version that cannot be loaded leaves the old policy in service:
    ``error`` says what was wrong with it (None: nothing), and ``report`` is told once. It is tried again when the
    pointer moves. While ``experiment`` gives one, its challenger serves its part of the people.

    Raises:
        ValueError, OSError: there is no old policy yet: the first version cannot be loaded.
    """

    def __init__(
        self,
        pointer: Callable[[], str],
        load: Callable[[str], Policy],
        report: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
        experiment: Callable[[], Experiment | None] = lambda: None,
    ) -> None:
        self.error: str | None = None
        self._pointer = pointer
        self._load = load
        self._report = report
        self.experiment = experiment
        self._loading = threading.Lock()
        self._version = pointer()
        self._refused: str | None = None
        self._policy = load(self._version)
        self._running: Experiment | None = None
        self._challenger: Policy | None = None

    def current(self, person: str = "") -> Policy:
        """The policy of the turn that starts now; in an experiment, the one that serves this person."""
        if self._loading.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._loading.release()
        running, challenger = self._running, self._challenger
        if running is None or challenger is None or running.serves(person) == running.control:
            return self._policy
        return challenger

    def _follow(self) -> None:
        try:
            wanted = self._pointer()
            if wanted == self._version:
                self._refused = self.error = None
            elif wanted != self._refused:
                self._refused = wanted
                self._policy = self._load(wanted)
                self._version, self._refused, self.error = wanted, None, None
            running = self.experiment()
            if running is None or self._running is None or running.challenger != self._running.challenger:
                self._running = self._challenger = None
            if running is not None and self._running is None:
                self._running = running
                self._challenger = self._load(running.challenger)
            self._running = running
        except Exception as error:  # whatever is wrong with the new one, the old one still answers
            text = f"the adapter in use stays {self._policy.version!r}: {error}"
            if text != self.error:
                self._report(text)
            self.error = text
