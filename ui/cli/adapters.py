"""The verbs ``concierge adapters ...``: which policies there are, which one serves, and the way back."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import (
    ADAPTERS,
    ROOT,
    DataOption,
    JsonOption,
    ModelOption,
    OptionError,
    print_json,
    say,
    show_table,
    working,
)

if TYPE_CHECKING:
    from agent.policy.registry import AdapterEntry
    from eval.policy.promotion import PromotionReport

TRAINED_UNTIL = "trained_until"
"""Among an adapter's figures: what the chat showed before this time (seconds since 1970) it was trained on."""

Version = Annotated[str, typer.Argument(help="A version, as `concierge adapters list` names it.")]


@ADAPTERS.command("list", epilog="Example: concierge adapters list --json")
def list_adapters(data: DataOption = "films", as_json: JsonOption = False) -> None:
    """List the shipped adapters and the trained ones; the one in use is marked."""
    from agent.policy.loading import registry

    known = registry(data)
    active, entries = known.active(), known.entries()
    if as_json:
        return print_json([{**entry.to_json(), "active": entry.version == active} for entry in entries])
    rows = [
        ("*" if own.version == active else "", own.version, own.origin, own.parent or "", own.created or "", own.how)
        for own in entries
    ]
    show_table(("", "version", "origin", "from", "made", "how"), rows, words=6, lines=False)


@ADAPTERS.command(epilog="Example: concierge adapters show feedback-1")
def show(version: Version, data: DataOption = "films", as_json: JsonOption = False) -> None:
    """Say where an adapter lies, what it was trained from and how, and what was measured with it."""
    from agent.policy.loading import registry

    known = registry(data)
    entry = known.verified(version)
    active = known.active() == version
    if as_json:
        return print_json({**entry.to_json(), "active": active})
    for label, value in _facts(entry, active):
        say(f"{label:<8} {value}")


@ADAPTERS.command(epilog="Example: concierge adapters add runs/ppo/adapter --name ppo-wide --from ppo")
def add(
    path: Annotated[Path, typer.Argument(help="The adapter folder that `concierge train` wrote.")],
    name: Annotated[str | None, typer.Option(help="Its version (default: the one in its card).")] = None,
    parent: Annotated[str | None, typer.Option("--from", help="The version it was trained from.")] = None,
    how: Annotated[str, typer.Option(help="The command that trained it.")] = "",
    data: DataOption = "films",
    as_json: JsonOption = False,
) -> None:
    """Copy a trained adapter into the user's own folder, where it stays as it is."""
    from agent.policy.item_lm import PolicyCard
    from agent.policy.loading import registry

    PolicyCard.read(path)
    entry = registry(data).add(path, name, parent, how)
    if as_json:
        print_json(entry.to_json())
    else:
        say(f"{entry.version} in {entry.folder}: `concierge adapters promote {entry.version}` puts it to use")


@ADAPTERS.command(epilog="Example: concierge adapters promote feedback-1")
def promote(
    version: Version,
    data: DataOption = "films",
    model: ModelOption = None,
    log: Annotated[
        Path | None, typer.Option(help="A feedback log (.db) or its export (default: this user's log).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote it whatever is found; that is recorded.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare an adapter with the one in use, and put it to use unless it is worse; running chats follow.

    Exit status 1: it was refused, for the reasons printed.
    """
    from agent.policy.loading import registry

    known = registry(data)
    entry = known.verified(version)
    current = known.verified(known.active())
    if entry.version == current.version:
        known.promote(version)  # says that it is in use already
    with working(f"Comparing {version} with {current.version}"):
        report = _compare(entry, current, data, model, log)
    promoted = report.accepted or force
    if promoted:
        known.promote(version, forced=not report.accepted, note=report.to_json())
    if as_json:
        print_json({**report.to_json(), "promoted": promoted, "forced": promoted and not report.accepted})
    else:
        _print(report, promoted)
    if not promoted:
        raise typer.Exit(1)


@ADAPTERS.command(epilog="Example: concierge adapters rollback")
def rollback(data: DataOption = "films", as_json: JsonOption = False) -> None:
    """Return to the adapter that was in use before; running chats follow."""
    from agent.policy.loading import registry

    known = registry(data)
    left = known.active()
    back = known.roll_back()
    if as_json:
        print_json({"active": back, "left": left})
    else:
        say(f"{back} is in use again (it was {left})")


@ADAPTERS.command(epilog="Example: concierge adapters experiment feedback-1 --weight 0.2")
def experiment(
    version: Version,
    weight: Annotated[float, typer.Option(help="The part of the people that it serves.")] = 0.5,
    data: DataOption = "films",
    as_json: JsonOption = False,
) -> None:
    """Let an adapter serve a part of the people beside the one in use; each person stays with one of the two."""
    from agent.policy.loading import registry

    begun = registry(data).begin_experiment(version, weight)
    if as_json:
        return print_json(asdict(begun))
    say(f"{version} serves {weight:.0%} of the people, {begun.control} the others: `concierge adapters results`")


@ADAPTERS.command(epilog="Example: concierge adapters results --json")
def results(
    data: DataOption = "films",
    log: Annotated[Path | None, typer.Option(help="A feedback log (.db) or its export (default: this user's).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how the running experiment stands; the interval of the difference holds however often one looks."""
    from agent.policy.loading import registry
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog
    from agent.store.logged_impression import read_impressions
    from eval.live.policies import in_words
    from eval.live.policies import results as stand

    running = registry(data).experiment()
    if running is None:
        raise OptionError("no experiment runs: `concierge adapters experiment VERSION` begins one")
    with ExitStack() as stack:
        opened = log or stack.enter_context(FeedbackLog(store_place()))
        found = stand(running, read_impressions(opened, running.began))
    if as_json:
        return print_json({"experiment": asdict(running), **found.to_json()})
    for line in in_words(found):
        say(line)


@ADAPTERS.command(epilog="Example: concierge adapters stop")
def stop(data: DataOption = "films", as_json: JsonOption = False) -> None:
    """End the experiment: the adapter in use serves everybody again."""
    from agent.policy.loading import registry

    known = registry(data)
    left = known.stop_experiment()
    if as_json:
        return print_json({"active": known.active(), "left": left})
    say(f"{known.active()} serves everybody again ({left} does no longer)")


@ADAPTERS.command(epilog="Example: concierge adapters active --json")
def active(data: DataOption = "films", as_json: JsonOption = False) -> None:
    """Say which adapter is in use, and how it came to that."""
    from agent.policy.loading import registry

    known = registry(data)
    version, steps = known.active(), known.steps()
    if as_json:
        return print_json({"active": version, "steps": [asdict(step) for step in steps]})
    say(version)
    for step in steps:
        say(f"  {step.at}  {step.action} {step.version}{' (forced)' if step.forced else ''}")


def _compare(
    entry: AdapterEntry, current: AdapterEntry, data: str, model: str | None, log: Path | None
) -> PromotionReport:
    from agent.data.dataset import load_dataset
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog
    from eval.policy.promotion import compare

    dataset = load_dataset(data)
    since = entry.figures.get(TRAINED_UNTIL)
    makers = [lambda f, folder=each.folder: f.policy(folder, model) for each in (entry, current)]
    path = log or store_place()
    if isinstance(path, Path):
        return compare(makers[0], makers[1], dataset, path if log is not None or path.is_file() else None, since)
    with FeedbackLog(path) as opened:
        return compare(makers[0], makers[1], dataset, opened, since)


def _facts(entry: AdapterEntry, active: bool) -> list[tuple[str, Any]]:
    rows = [
        ("version", f"{entry.version}{' (in use)' if active else ''}"),
        ("origin", entry.origin),
        ("folder", entry.folder),
        ("sha256", entry.sha256),
        ("from", entry.parent or "not known"),
        ("made", entry.created or "not known"),
        ("how", entry.how or "not known"),
    ]
    return rows + [("figure", f"{name}: {value}") for name, value in entry.figures.items()]


def _print(report: PromotionReport, promoted: bool) -> None:
    for finding in report.findings:
        if finding.difference is None:
            say(f"{finding.about}: {finding.note}")
        else:
            figures = f"{finding.new}, in use {finding.old}, difference {finding.difference}"
            say(f"{finding.about}: {figures} ({finding.note})")
    for reason in report.reasons:
        say(f"against it: {reason}")
    if promoted:
        say(f"{report.candidate} is in use{'' if report.accepted else ' (forced)'}; it was {report.current}")
    else:
        say(f"{report.candidate} is refused; {report.current} stays in use (--force puts it to use all the same)")


@ROOT.command(
    epilog="Example: concierge eval ranking --adapter runs/sft/adapter --json > figures.json && "
    "concierge release runs/sft/adapter agent/policy/adapters/ml-100k-sft --figures figures.json"
)
def release(
    adapter: Annotated[Path, typer.Argument(help="The folder that a `concierge train` wrote.")],
    target: Annotated[Path, typer.Argument(help="The folder to fill; what it held is replaced.")],
    figures: Annotated[
        Path,
        typer.Option(
            help="What `concierge eval ranking --json` printed for it (for a reward model: `eval reward --json`)."
        ),
    ],
    slates: Annotated[
        Path | None, typer.Option(help="What `concierge eval policy --json` printed, for a policy's card.")
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="The command that trained it, for the card (default: the plain one).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy an adapter to where it is shipped from and write its model card."""
    from training.release import release as write
    from training.release import release_reward
    from training.reward.model import REWARD_FILE

    judged = (adapter / REWARD_FILE).is_file()
    report = _read(figures, "eval reward" if judged else "eval ranking")
    if judged:
        folder = release_reward(adapter, target, report, command or "concierge train reward")
    else:
        rows = [*report["rows"], *(_read(slates, "eval policy")["rows"] if slates else ())]
        folder = write(adapter, target, rows, command or "concierge train sft")
    if as_json:
        print_json({"folder": str(folder)})
    else:
        say(f"{folder}: adapter and model card")


def _read(path: Path, verb: str) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        report["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path} is not what `concierge {verb} --json` prints: {error}") from None
    return report
