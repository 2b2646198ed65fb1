"""Log sources: the documents of the sections that read what the chat showed, and the check of the estimators."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

from agent.policy.loading import load_policy
from eval.report import experiments as experiments_section
from eval.report.blocks import Source
from eval.report.reading import ReportError
from eval.report.run import DATABASE, Gathered, ReportRun, kept, now


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
    from eval.off_policy.fields import LogError
    from eval.off_policy.log import read_log
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
    return sources, [] if sources else [experiments_section.EMPTY]


def _needs_file(path: Path) -> None:
    if not path.is_file():
        raise ReportError(f"{path} is no file: name a feedback database (.db), JSON lines or Parquet")
