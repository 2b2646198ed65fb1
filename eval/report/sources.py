"""Sources: the documents behind a report's sections, worked out now, kept from before, or read from files."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.data.assets import data_dir
from agent.data.dataset import Dataset, load_dataset
from agent.policy.loading import ADAPTERS, load_policy
from eval.ranking import lenskit_baselines as lenskit
from eval.ranking.cache import RankingCache, code_version, digest, digest_files
from eval.ranking.comparison import PROTOCOLS, as_document, evaluate_all, released_policies
from eval.ranking.lenskit_baselines import library_version
from eval.ranking.methods import base_digest, policy_digest
from eval.ranking.run import MOST_USERS, PolicySource, RankingRun
from eval.report.blocks import Source
from eval.report.documents import ReportError, read_document
from eval.report.live import NO_EXPERIMENTS
from eval.report.training import NONE, RELEASED, RELEASED_CURVES
from training.progress import Progress, silent

if TYPE_CHECKING:
    from agent.policy.distribution import Policy
    from agent.policy.loading import Foundation
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


def off_policy(run: ReportRun) -> Gathered:
    """The check of the estimators, and what a log says where one is given."""
    from eval.off_policy.self_check import self_check

    def make() -> dict[str, Any]:
        found = self_check(run.replications, run.seed, lambda done, of: run.report("checking the estimators", done, of))
        return {"seed": run.seed, **found.to_json()}

    command = ["eval", "off-policy", "--self-check", "--replications", str(run.replications), "--seed", str(run.seed)]
    sources = [kept(run, "off-policy", (run.replications, run.seed), command, make)]
    if run.log is None:
        return sources, []
    found, reason = of_log(run, run.log)
    return [*sources, *found], [reason] if reason else []


def of_log(run: ReportRun, log: Path) -> tuple[list[Source], str]:
    """What a log says our policy in use, or the target of the file's own columns, is worth; or why it says nothing.

    Raises:
        ReportError: there is no such file, or a row of it cannot be asked about.
        LogError: the log is malformed; names the row and the field.
    """
    from eval.off_policy.log import LogError, read_log
    from eval.off_policy.report import Settings, evaluate_log
    from eval.off_policy.target import PolicyTarget

    _needs_file(log)
    run.report("asking the policy at every row of the log", 0, 1)
    settings = Settings(seed=run.seed)
    command = ["concierge", "eval", "off-policy", str(log), "--seed", str(run.seed)]
    started = time.perf_counter()
    if log.suffix != DATABASE:
        result = evaluate_log(log, "columns", "click", settings)
        command += ["--target", "columns"]
    elif not any(row.slate for row in read_log(log, "click", None)):
        return [], f"{log.name} holds no slate yet: chat first, with `concierge chat`."
    else:
        catalogue, source, histories = load_policy(run.data, run.model, None)
        try:
            result = evaluate_log(log, PolicyTarget(source.current(), catalogue, histories), "click", settings)
        except LogError as error:
            raise ReportError(f"{log}: {error}") from error
    run.report("asking the policy at every row of the log", 1, 1)
    value = {"log": str(log), "supported": result.supported, **result.to_json()}
    seconds = round(time.perf_counter() - started, 1)
    how = f"worked out {now()} from {log.name}"
    return [Source("off-policy-log", value, how, shlex.join([*command, "--json"]), seconds)], ""


def live(run: ReportRun) -> Gathered:
    """The figures of the feedback database."""
    from agent.store.feedback import FeedbackLog
    from eval.live.figures import live_metrics

    command = shlex.join(["concierge", "eval", "live", str(run.database), "--by", run.by, "--json"])
    if run.log is not None:
        _needs_file(run.log)
    if not run.database.is_file():
        return [Source("live", {"by": run.by, "total": None, "periods": []}, "no feedback log", command)], []
    with FeedbackLog(run.database) as log:
        found = live_metrics(log, by=run.by)
    return [Source("live", found.to_json(), f"read {now()} from {run.database.name}", command)], []


def experiments(run: ReportRun) -> Gathered:
    """What people did with the versions of the state template, and of every other role of which one was activated.

    Of a role whose conversations are shared now, since that experiment began; else ever.
    """
    from agent.store.feedback import FeedbackLog
    from agent.store.template_serving import ServedTemplates
    from agent.store.template_versions import TemplateStore
    from eval.live.experiments import NoSlatesError, report, running

    if run.log is not None:
        _needs_file(run.log)
    sources = []
    if run.database.is_file():
        with FeedbackLog(run.database) as log:
            served = ServedTemplates(TemplateStore(log))
            for role in dict.fromkeys(["state", *(step.role for step in served.history())]):
                try:
                    found = report(log, *running(served, role), served, role)
                except NoSlatesError:
                    continue
                words = shlex.join(["concierge", "prompts", "experiment", "--role", role, "--json"])
                how = f"read {now()} from {run.database.name}"
                sources.append(Source("experiments", {"role": role, **found.to_json()}, how, words))
    return sources, [] if sources else [NO_EXPERIMENTS]


def _needs_file(path: Path) -> None:
    if not path.is_file():
        raise ReportError(f"{path} is no file: name a feedback database (.db), JSON lines or Parquet")


def ranking(run: ReportRun) -> Gathered:
    """A document a protocol."""
    dataset = run.dataset
    asked = run.protocols or tuple(PROTOCOLS)
    policies = [(own.name, policy_digest(own, run.model)) for own in run.policies]
    if run.rows is not None and not run.rows.is_dir():
        raise ReportError(f"{run.rows} is no folder: name the one with the rows of the protocol llara")
    rows = None if run.rows is None else digest_files(sorted(p for p in run.rows.iterdir() if p.is_file()))
    untuned = base_digest(run.model) if run.library else ""
    sources = []
    for protocol in asked:
        ranking = RankingRun(
            policies=run.policies,
            model=run.model,
            users=run.users,
            seed=run.seed,
            library=run.library,
            cache=RankingCache(run.fresh),
            report=run.report,
            rows=run.rows,
        )
        command = ["eval", "ranking", "--protocol", protocol, "--data", run.data, "--users", str(run.users)]
        command += ["--seed", str(run.seed), "--library" if run.library else "--no-library", *_options(run)]
        command += [] if run.rows is None else ["--rows", str(run.rows)]

        def make(protocol: str = protocol, ranking: RankingRun = ranking) -> dict[str, Any]:
            return as_document(run.data, ranking, *evaluate_all(dataset, [protocol], ranking, skip=True))

        key = (dataset.fingerprint, protocol, run.users, run.seed, run.library, policies, rows, _library(), untuned)
        sources.append(kept(run, "ranking", key, command, make))
    return sources, []


def policy(run: ReportRun) -> Gathered:
    """Click rates of first picks."""
    from eval.policy.table import evaluate_policies

    dataset = run.dataset

    def maker(source: PolicySource, foundation: Foundation) -> Policy:
        policy = foundation.policy(source.adapter, run.model)
        return policy if source.template is None else policy.with_template(source.template)

    def make() -> dict[str, Any]:
        makers = {source.name: partial(maker, source) for source in run.policies}
        # It tells of each baseline, each policy and the items with few ratings; with the library also of its tuning.
        steps, done = len(makers) + (8 if lenskit.available() else 6), 0

        def report(what: str) -> None:
            nonlocal done
            run.report("picking from rated slates", done, steps)
            done += 1

        table = evaluate_policies(dataset, makers, seed=run.seed, report=report)
        run.report("picking from rated slates", steps, steps)
        return {"data": run.data, "part": "test", **table.to_json()}

    policies = [(own.name, policy_digest(own, run.model)) for own in run.policies]
    key = (dataset.fingerprint, run.seed, policies, _library())
    command = ["eval", "policy", "--data", run.data, "--seed", str(run.seed), *_options(run)]
    return [kept(run, "policy", key, command, make)], []


def _library() -> str:
    return library_version() if lenskit.available() else ""


def _options(run: ReportRun) -> list[str]:
    """The options that name the base LM and the policies besides the released ones."""
    released = {own.name: own for own in released_policies()}
    more = [f"{own.name}={own.adapter}" for own in run.policies if released.get(own.name) != own]
    model = [] if run.model is None else ["--model", run.model]
    return [*model, *(word for text in more for word in ("--policy", text))]


def reward(run: ReportRun) -> Gathered:
    """One reward model, or two side by side."""
    from eval.reward.report import judge

    def make() -> dict[str, Any]:
        found = judge(list(run.reward_models), run.data, run.model, seed=run.seed, report=run.report)
        return {"data": run.data, "seed": run.seed, "resamples": 2000, **found.to_json()}

    command = ["eval", "reward", "--model", run.reward_models[0], "--data", run.data, "--seed", str(run.seed)]
    command += ["--against", run.reward_models[1]] if len(run.reward_models) > 1 else []
    key = (run.dataset.fingerprint, run.seed, run.model, [_content(name) for name in run.reward_models])
    return [kept(run, "reward", key, command, make)], []


def _content(name: str) -> list[str]:
    path = Path(name)
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.is_file())
    return [path.name, digest_files(files) if files else ""]


def ppo(run: ReportRun) -> Gathered:
    """The curves of a run, or of the released one."""
    from training.curves import curves, read_history

    if run.run is not None:
        value = curves(read_history(run.run))
        command = shlex.join(["concierge", "train", "curves", str(run.run)])
        return [Source("ppo", value, f"the run {run.run.name}", command)], []
    if not RELEASED_CURVES.is_file():
        return [], [NONE]
    kind, value = read_document(RELEASED_CURVES)
    return [Source(kind, value, RELEASED)], []


def speed(run: ReportRun) -> Gathered:
    """Short runs of the training commands."""
    from eval.speed import machine, measure_training

    def make() -> dict[str, Any]:
        rows = list(measure_training(run.data, run.model, report=run.report))
        return {"data": run.data, "machine": machine(), "rows": [row.to_json(rows[0]) for row in rows]}

    key = (run.dataset.fingerprint, run.model, machine())
    return [kept(run, "speed", key, ["eval", "speed", "--data", run.data], make)], []


def from_file(path: Path) -> Source:
    """A document that a verb printed.

    Raises:
        ReportError: see :func:`eval.report.documents.read_document`.
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
