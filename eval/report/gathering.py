"""Gathering: the documents behind a report's sections, by the section's name, and those from files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from eval.report.blocks import Source
from eval.report.log_sources import experiments, live, off_policy
from eval.report.model_sources import policy, ppo, ranking, reward, speed
from eval.report.reading import read_document
from eval.report.run import Gathered, ReportRun


def from_file(path: Path) -> Source:
    """A document that a verb printed.

    Raises:
        ReportError: see :func:`eval.report.reading.read_document`.
    """
    kind, value = read_document(path)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source(kind, value, f"the file {path.name}", sha256=content)


def gather(section: str, run: ReportRun) -> Gathered:
    """The documents of one section (a name of :data:`GATHERERS`).

    Raises:
        ReportError: an option does not fit.
        ValueError: what the evaluations themselves raise; the message says what to do.
    """
    return GATHERERS[section](run)


GATHERERS: Mapping[str, Callable[[ReportRun], Gathered]] = {
    "ranking": ranking,
    "policy": policy,
    "reward": reward,
    "off-policy": off_policy,
    "live": live,
    "experiments": experiments,
    "ppo": ppo,
    "speed": speed,
}
"""How each section's documents are made, in the order of the report."""
