"""The verbs ``concierge eval off-policy`` and ``concierge eval live``: what the feedback log says."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ui.cli.terminal import (
    EVAL,
    AdapterOption,
    DataOption,
    JsonOption,
    ModelOption,
    OptionError,
    print_json,
    show_document,
    steps,
    working,
)

if TYPE_CHECKING:
    from eval.off_policy.report import OffPolicyResult, PairedResult
    from eval.off_policy.target import PolicyTarget

UNSUPPORTED = 3
"""Exit status where the log supports none of the estimates."""

SinceOption = Annotated[str | None, typer.Option(help="Only what was shown from this day on (YYYY-MM-DD, UTC).")]


@EVAL.command(
    "off-policy",
    epilog="Examples: concierge eval off-policy --adapter runs/ppo/adapter\n\n"
    "concierge eval off-policy log.parquet --target columns --json    concierge eval off-policy --self-check",
)
def off_policy(
    log: Annotated[
        Path | None,
        typer.Argument(help="A feedback database (.db), JSON lines or Parquet (default: the chat's own database)."),
    ] = None,
    target: Annotated[
        Literal["policy", "columns"],
        typer.Option(help="policy: ask our own again; columns: its probabilities stand in the file."),
    ] = "policy",
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    template: Annotated[str | None, typer.Option(help="A state template, NAME@VERSION or a file.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the target (default: as the chat explores).")] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="The target shows its most probable items.")] = False,
    against: Annotated[
        Path | None, typer.Option(help="A second adapter folder: prints the target's value less this one's.")
    ] = None,
    against_template: Annotated[
        str | None, typer.Option(help="The same with a second state template (default: the one of --template).")
    ] = None,
    reward: Annotated[str, typer.Option(help="click (1 or 0), signed-click (1 or -1) or rating (-1 to 1).")] = "click",
    estimator: Annotated[
        list[str] | None,
        typer.Option(help="dm, ips, clipped-ips, snips, dr, switch-dr, iips or rips; may be repeated (default: all)."),
    ] = None,
    cluster: Annotated[
        Literal["conversation", "user", "row"], typer.Option(help="Drawn together in the bootstrap.")
    ] = "conversation",
    clip: Annotated[float, typer.Option(help="Largest weight of clipped IPS.", min=1.0)] = 10.0,
    threshold: Annotated[float, typer.Option(help="Largest weight of switch-DR's corrections.", min=0.0)] = 10.0,
    since: SinceOption = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of cross-fitting.", min=0)] = 0,
    self_check: Annotated[
        bool, typer.Option("--self-check", help="Check the estimators on bandits of known value instead.")
    ] = False,
    replications: Annotated[int, typer.Option(help="Logs that the self-check draws of each bandit.", min=100)] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Estimate what a policy is worth from a log of what another one showed.

    Exit status 3 where the log supports none of the estimates, 1 where the self-check fails.
    """
    if self_check:
        _check(replications, seed, as_json)
        return
    if target == "columns" and (adapter or template or temperature or greedy or against or against_template):
        raise OptionError("--target columns takes the probabilities from the file: leave the policy's options out")
    from agent.store.database import shown_place, store_place
    from eval.off_policy.estimators import ESTIMATORS
    from eval.off_policy.report import Settings, evaluate_log, paired

    path = log or store_place()
    settings = Settings(tuple(estimator or ESTIMATORS), cluster, clip, threshold, seed=seed)
    moment = _moment(since)
    result: OffPolicyResult | PairedResult
    with working("Asking the target at every row of the log"):
        if target == "columns":
            result = evaluate_log(path, "columns", reward, settings, moment)
        else:
            first = _target(data, model, adapter, template, temperature, greedy)
            if against is None and against_template is None:
                result = evaluate_log(path, first, reward, settings, moment)
            else:
                second = _target(data, model, against or adapter, against_template or template, temperature, greedy)
                result = paired(path, first, second, reward, settings, moment)
    document = {"log": shown_place(path), "supported": result.supported, **result.to_json()}
    if as_json:
        print_json(document)
    else:
        show_document("off-policy-log", document)
    if not result.supported:
        raise typer.Exit(UNSUPPORTED)


@EVAL.command("live", epilog="Example: concierge eval live --by week --since 2026-01-01")
def live(
    log: Annotated[Path | None, typer.Argument(help="A feedback database (default: the chat's own).")] = None,
    by: Annotated[Literal["hour", "day", "week"], typer.Option(help="Length of the periods.")] = "day",
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Click-through rate, conversion, satisfaction and session length of the chat, over time, with 95 % intervals."""
    from agent.store.database import existing_place, shown_place
    from agent.store.feedback import FeedbackLog
    from eval.live.figures import METRICS, live_metrics

    path = existing_place(log)
    with FeedbackLog(path) as opened:
        found = live_metrics(opened, _moment(since), by)
    document = {"log": shown_place(path), "about": dict(METRICS), **found.to_json()}
    if as_json:
        return print_json(document)
    show_document("live", document)


def _target(
    data: str,
    model: str | None,
    adapter: Path | None,
    template: str | None,
    temperature: float | None,
    greedy: bool,
) -> PolicyTarget:
    from agent.policy.loading import load_policy
    from eval.off_policy.target import PolicyTarget
    from ui.studio.template_lookup import find_template

    if temperature is not None and (greedy or temperature <= 0):
        raise OptionError(f"--temperature {temperature}: give a number above 0, and not with --greedy")
    catalogue, source, histories = load_policy(data, model, adapter)
    policy = source.current()
    if template is not None:
        policy = policy.with_template(find_template(template))
    return PolicyTarget(policy, catalogue, histories, temperature, draws=not greedy)


def _moment(since: str | None) -> float | None:
    if since is None:
        return None
    try:
        return datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise OptionError(f"--since {since!r}: write the day as YYYY-MM-DD") from None


def _check(replications: int, seed: int, as_json: bool) -> None:
    from eval.off_policy.self_check import self_check

    with steps() as report:
        found = self_check(replications, seed, partial(report, "drawing logs of known value"))
    document = {"seed": seed, **found.to_json()}
    if as_json:
        print_json(document)
    else:
        show_document("off-policy", document)
    if not found.passed:
        raise typer.Exit(1)
