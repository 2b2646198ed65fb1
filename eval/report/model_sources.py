"""Model sources: the documents of the sections that compare models, from the cache or worked out now."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.ranking import lenskit_baselines as lenskit
from eval.ranking.cache import RankingCache, digest_files
from eval.ranking.comparison import PROTOCOLS, as_document, evaluate_all, released_policies
from eval.ranking.lenskit_baselines import library_version
from eval.ranking.methods import base_digest, policy_digest
from eval.ranking.run import PolicySource, RankingRun
from eval.report import ppo as ppo_section
from eval.report.blocks import Source
from eval.report.reading import ReportError, read_document
from eval.report.run import Gathered, ReportRun, kept

if TYPE_CHECKING:
    from agent.policy.distribution import Policy
    from agent.policy.loading import Foundation


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
    if not ppo_section.RELEASED_CURVES.is_file():
        return [], [ppo_section.NONE]
    kind, value = read_document(ppo_section.RELEASED_CURVES)
    return [Source(kind, value, ppo_section.RELEASED)], []


def speed(run: ReportRun) -> Gathered:
    """Short runs of the training commands."""
    from eval.speed import machine, measure_training

    def make() -> dict[str, Any]:
        rows = list(measure_training(run.data, run.model, report=run.report))
        return {"data": run.data, "machine": machine(), "rows": [row.to_json(rows[0]) for row in rows]}

    key = (run.dataset.fingerprint, run.model, machine())
    return [kept(run, "speed", key, ["eval", "speed", "--data", run.data], make)], []
