"""Report run: what a report is asked to work out, and what it worked out before."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.data.assets import data_dir
from agent.data.dataset import Dataset, load_dataset
from agent.policy.loading import ADAPTERS
from eval.ranking.cache import RankingCache, code_version, digest
from eval.ranking.comparison import released_policies
from eval.ranking.run import MOST_USERS, PolicySource
from eval.report.blocks import Source
from training.progress import Progress, silent

if TYPE_CHECKING:
    from eval.live.figures import Period

DATABASE = ".db"


@dataclass(frozen=True)
class ReportRun:
    """What a report is asked to work out.

    Attributes:
        data: a data set.
        model: the base LM (None: the fetched one).
        policies: the policies of the ranking and the policy section.
        reward_models: one or two, see :func:`eval.reward.report.judge`.
        protocols: of the ranking section (None: all that apply).
        library: whether library baselines and the untuned LM are among its rows.
        users: the most users whose cases are ranked.
        rows: the folder of a published protocol's rows.
        seed: of sampling, fits and intervals.
        log: a feedback database, or a file for the off-policy section alone (None: the chat's own database, which the
            off-policy section leaves out).
        by: the periods of the live section.
        run: a folder of PPO training (None: the curves of the released run).
        replications: logs that the self-check draws of each bandit.
        fresh: work all out anew, whatever the cache holds.
        report: called with (what is being done, steps done, steps in all).
    """

    data: str = "ml-100k"
    model: str | None = None
    policies: Sequence[PolicySource] = field(default_factory=released_policies)
    reward_models: Sequence[str] = (str(ADAPTERS / "ml-100k-reward"), "evidence")
    protocols: Sequence[str] | None = None
    library: bool = True
    users: int = MOST_USERS
    rows: Path | None = None
    seed: int = 0
    log: Path | None = None
    by: Period = "day"
    run: Path | None = None
    replications: int = 1000
    fresh: bool = False
    report: Progress = silent

    @property
    def dataset(self) -> Dataset:
        """The data set."""
        return load_dataset(self.data)

    @property
    def database(self) -> Path:
        """The feedback database of the live section and of experiments."""
        return self.log if self.log is not None and self.log.suffix == DATABASE else data_dir() / "feedback.db"


Gathered = tuple[list[Source], list[str]]
"""The documents of a section, and why something of it is not there."""


def kept(
    run: ReportRun, kind: str, key: Sequence[object], command: Sequence[str], make: Callable[[], Mapping[str, Any]]
) -> Source:
    """A document from the cache where it was made before, whole, by the same code from the same content."""
    cache = RankingCache(run.fresh)
    name = f"report-{kind}-{digest(kind, code_version(), *key)}"
    words = shlex.join(["concierge", *command, "--json"])
    found = cache.note(name)
    if found is not None and "document" in found:
        return Source(kind, found["document"], f"the cache, worked out {found['when']}", words, found["seconds"])
    started = time.perf_counter()
    made = dict(make())
    seconds = round(time.perf_counter() - started, 1)
    when = now()
    # What was left out for want of a file may be there the next time.
    if not made.get("left_out"):
        cache.keep_note(name, {"when": when, "seconds": seconds, "document": made})
    return Source(kind, made, f"worked out {when}", words, seconds)


def now() -> str:
    """The time as a report states it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
