"""Sources: the documents behind a report's sections, printed by the verbs now, kept from before, or read from files."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.data.dataset import load_dataset
from agent.policy.loading import ADAPTERS
from agent.store.database import NoDatabaseError, existing_place
from agent.store.feedback import FeedbackLog
from agent.store.template_serving import ServedTemplates
from agent.store.template_versions import TemplateStore
from eval.live.experiments import NoSlatesError, report, running
from eval.ranking import lenskit_baselines as lenskit
from eval.ranking.cache import RankingCache, code_version, digest, digest_files
from eval.report.blocks import Source
from eval.report.documents import ReportError, read_document
from eval.report.live import NO_EXPERIMENTS
from eval.report.training import NONE, RELEASED, RELEASED_CURVES
from training.curves import curves, read_history

Gathered = tuple[list[Source], list[str]]
"""The documents of a section, and why something of it is not there."""

RunVerb = Callable[[Sequence[str]], Mapping[str, Any]]
"""Runs a verb, given its words without ``concierge`` and ``--json``, and gives the document that it prints.

Raises ValueError with what to do where it cannot be run."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb that prints a document of a ``kind``; its ``words`` are without ``concierge`` and ``--json``.

    ``inputs``: files and folders that it reads, besides the data set and the released policies. ``kept``: what it
    prints depends on these and the code alone, and is kept for the next report.
    """

    kind: str
    words: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    kept: bool = True


@dataclass(frozen=True)
class ReportRun:
    """What a report is made of.

    Attributes:
        data: the data set that the verbs are asked about.
        verbs: those of each section; sections that have none are read from the database or from files.
        run: runs a verb.
        log: the feedback database of the experiments (None: the one in use).
        curves: a folder of PPO training (None: the curves of the released run).
        seed: of what is worked out.
        fresh: run all verbs, whatever the cache holds.
    """

    data: str = "ml-100k"
    verbs: Mapping[str, Sequence[Verb]] = field(default_factory=dict)
    run: RunVerb = lambda words: {}
    log: Path | None = None
    curves: Path | None = None
    seed: int = 0
    fresh: bool = False


def gather(section: str, run: ReportRun, named: bool = True) -> Gathered:
    """The documents of one section.

    Raises:
        ValueError: the section was ``named`` and none of its documents can be made; the message says what to do.
    """
    if section == "experiments":
        return experiments(run)
    if section == "ppo":
        return ppo(run)
    sources: list[Source] = []
    reasons: list[str] = []
    for verb in run.verbs.get(section, ()):
        try:
            sources.append(from_verb(verb, run))
        except ValueError as error:
            reasons.append(str(error))
    if named and reasons and not sources:
        raise ReportError("; ".join(reasons))
    return sources, reasons


def from_verb(verb: Verb, run: ReportRun) -> Source:
    """The document of a verb, from the cache where the same code printed it before from the same content.

    Raises:
        ValueError: what the verb raises.
    """
    words = shlex.join(["concierge", *verb.words, "--json"])
    cache = RankingCache(run.fresh)
    content = [_content(path) for path in (*verb.inputs, *sorted(ADAPTERS.glob("*")))]
    library = lenskit.library_version() if lenskit.available() else ""
    name = "report-" + digest(verb.words, code_version(), load_dataset(run.data).fingerprint, content, library)
    found = cache.note(name) if verb.kept else None
    if found is not None and "document" in found:
        return Source(verb.kind, found["document"], f"the cache, worked out {found['when']}", words, found["seconds"])
    started = time.perf_counter()
    made = dict(run.run(verb.words))
    seconds, when = round(time.perf_counter() - started, 1), _now()
    if verb.kept:
        cache.keep_note(name, {"when": when, "seconds": seconds, "document": made})
    return Source(verb.kind, made, f"worked out {when}", words, seconds)


def _content(path: Path) -> list[str]:
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.is_file())
    return [path.name, digest_files(files) if files else ""]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def experiments(run: ReportRun) -> Gathered:
    """What people did with the versions of the state template, and of every other role of which one was activated.

    Of a role whose conversations are shared now, since that experiment began; else ever.
    """
    try:
        place = existing_place(run.log)
    except NoDatabaseError:
        if run.log is not None:
            raise
        return [], [NO_EXPERIMENTS]
    sources = []
    with FeedbackLog(place) as log:
        served = ServedTemplates(TemplateStore(log))
        for role in dict.fromkeys(["state", *(step.role for step in served.history())]):
            try:
                found = report(log, *running(served, role), served, role)
            except NoSlatesError:
                continue
            words = shlex.join(["concierge", "prompts", "experiment", "--role", role, "--json"])
            sources.append(Source("experiments", {"role": role, **found.to_json()}, f"read {_now()}", words))
    return sources, [] if sources else [NO_EXPERIMENTS]


def ppo(run: ReportRun) -> Gathered:
    """The curves of a run, or of the released one."""
    if run.curves is not None:
        command = shlex.join(["concierge", "train", "curves", str(run.curves)])
        return [Source("ppo", curves(read_history(run.curves)), f"the run {run.curves.name}", command)], []
    if not RELEASED_CURVES.is_file():
        return [], [NONE]
    kind, value = read_document(RELEASED_CURVES)
    return [Source(kind, value, RELEASED)], []


def from_file(path: Path) -> Source:
    """A document that a verb printed.

    Raises:
        ReportError: see :func:`eval.report.documents.read_document`.
    """
    kind, value = read_document(path)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source(kind, value, f"the file {path.name}", sha256=content)
