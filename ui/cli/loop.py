"""The verbs ``concierge loop ...``: rounds that learn from the chat's own log, and how they stand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import (
    ROOT,
    DataOption,
    JsonOption,
    ModelOption,
    OptionError,
    print_json,
    say,
    show_table,
    steps,
)

if TYPE_CHECKING:
    from agent.store.loop_rounds import LoopRound, LoopRounds

LOOP = typer.Typer(
    help="Learn from the chat's own log, round by round: serve, estimate, train, compare, promote or refuse.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
ROOT.add_typer(LOOP, name="loop")

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
POLL_SECONDS = 5.0
SIMULATED = Path("runs/loop")

Where = Annotated[
    Path | None, typer.Option(help="Folder of a simulated loop (default: the chat's own loop).", show_default=False)
]


class Stopped(Exception):
    """Somebody stopped the loop; the round goes on when it is started again."""


@LOOP.callback(
    epilog="Examples: concierge loop --every 1d --impressions 5000\n\n"
    "concierge loop --simulate --rounds 10 --conversations 1000 --json    concierge loop status --picture loop.svg"
)
def loop(
    ctx: typer.Context,
    data: DataOption = "films",
    model: ModelOption = None,
    every: Annotated[
        str | None, typer.Option(help="A round ends after so long: 30m, 12h, 1d, 2w.", show_default=False)
    ] = None,
    impressions: Annotated[int, typer.Option(help="A round ends after so many shown slates.", min=1)] = 5000,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds, counted from the first (default: until stopped).", min=1)
    ] = None,
    share: Annotated[float, typer.Option(help="The part of the people that a new version serves.")] = 0.5,
    window: Annotated[int, typer.Option(help="The log is asked on so many rounds.", min=1)] = 2,
    lora_rate: Annotated[float, typer.Option(help="Learning rate of LoRA; 0: the LM stays as it is.", min=0)] = 0.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what a round would learn from now, and change nothing.")
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Serve simulated people, half of them with a twin that never learns.")
    ] = False,
    conversations: Annotated[int, typer.Option(help="Simulated conversations a round.", min=1)] = 1000,
    output: Annotated[Path, typer.Option(help="Folder of the runs, and of all of a simulated loop.")] = SIMULATED,
    lm: Annotated[bool, typer.Option("--lm/--no-lm", help="Simulate with the language model, or without.")] = True,
    drift: Annotated[float, typer.Option(help="Spread of a category's worth from round to round.")] = 0.1,
    fashion: Annotated[float, typer.Option(help="What a category gains that comes into fashion.")] = 1.0,
    fashion_from: Annotated[int, typer.Option(help="The round (from 0) in which it does.", min=0)] = 3,
    season: Annotated[float, typer.Option(help="Share of wishes for the category of the season.")] = 0.2,
    position: Annotated[float, typer.Option(help="How fast people lose interest down a slate.")] = 0.5,
    boredom: Annotated[float, typer.Option(help="Chance that more of the same is passed over.")] = 0.3,
    leave: Annotated[float, typer.Option(help="Chance of leaving after a slate with nothing.")] = 0.4,
    past: Annotated[float, typer.Option(help="Share of people who bring what they know.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the people and of what is drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Learn from the chat's own log, round by round, each written down with its reasons; ``--simulate`` tries it out.

    Killed or stopped (`concierge loop stop`), it goes on where it was when it is started again.
    """
    if ctx.invoked_subcommand is not None:
        return
    from eval.loop.rounds import LoopSettings

    seconds = None if every is None else _seconds(every)
    usual = LoopSettings()
    ppo = replace(usual.feedback.ppo, lora_rate=lora_rate)
    settings = replace(usual, share=share, window=window, feedback=replace(usual.feedback, ppo=ppo))
    if simulate:
        from eval.loop.population import PopulationSettings
        from eval.loop.simulated import Simulation
        from eval.loop.simulated import simulate as run

        if dry_run or every is not None:
            raise OptionError("--simulate goes with --rounds and --conversations, not with --dry-run or --every")
        people = PopulationSettings(drift, fashion, fashion_from, season, position, boredom, leave, past)
        plan = Simulation(data, conversations, people, lm, model, seed)
        with steps() as report:
            done = run(plan, rounds or 10, output, replace(settings, keep_control=True, rated=False), report)
        return _show(done, as_json, {"simulation": asdict(plan)})
    from agent.store.database import store_place
    from agent.store.feedback import FeedbackLog
    from eval.loop.rounds import Loop
    from training.ppo.feedback import Ground

    with FeedbackLog(store_place()) as log, steps() as report:
        own = Loop(log, Ground.of(data, model), settings, output, report)
        if dry_run:
            document = own.outlook()
            if as_json:
                return print_json(document)
            for name, value in document.items():
                say(f"{name.replace('_', ' ')}: {value}")
            return
        stop = _stop_file(data)
        stop.unlink(missing_ok=True)

        def serve(current: LoopRound) -> None:
            while True:
                shown = sum(1 for _ in log.impressions(current.started))
                report(f"round {current.number}: impressions", min(shown, impressions), impressions)
                if shown >= impressions or (seconds is not None and time.time() - current.started >= seconds):
                    return
                if stop.exists():
                    raise Stopped
                time.sleep(POLL_SECONDS)

        try:
            while rounds is None or sum(one.phase == "done" for one in own.rounds.all()) < rounds:
                told = own.round(serve)
                say(_sentence(told)) if not as_json else None
        except (Stopped, KeyboardInterrupt):
            say("stopped; the round goes on when the loop is started again") if not as_json else None
        _show(own.rounds.all(), as_json, {})


@LOOP.command(epilog="Example: concierge loop status --picture loop.svg")
def status(
    where: Where = None,
    data: DataOption = "films",
    picture: Annotated[
        Path | None, typer.Option(help="Draw click-through by round into a .png, .svg or .pdf.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what each round found and decided, and why."""
    from eval.loop.picture import write_picture

    with _ledger(where, data) as ledger:
        rounds = ledger.all()
    more: dict[str, Any] = {}
    if picture is not None:
        more["picture"] = str(write_picture(rounds, picture))
    _show(rounds, as_json, more)


@LOOP.command(epilog="Example: concierge loop stop")
def stop(data: DataOption = "films", as_json: JsonOption = False) -> None:
    """Have the running loop stop where it stands; started again, it goes on from there."""
    path = _stop_file(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if as_json:
        return print_json({"stops": data})
    say(f"the loop over {data} stops within seconds while it serves, else after its round")


def _stop_file(data: str) -> Path:
    from agent.data.assets import data_dir

    return data_dir() / f"loop-{data}.stop"


@contextmanager
def _ledger(where: Path | None, data: str) -> Iterator[LoopRounds]:
    from agent.store.database import existing_place
    from agent.store.feedback import FeedbackLog
    from agent.store.loop_rounds import LoopRounds
    from eval.loop.simulated import LOG_FILE

    with FeedbackLog(existing_place(None if where is None else where / LOG_FILE)) as log:
        yield LoopRounds(log, data)


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    try:
        seconds = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        raise OptionError(f"--every {text!r}: write a number and one of {', '.join(UNITS)}, as in 12h") from None
    if not seconds > 0:
        raise OptionError(f"--every {text!r}: give a time above 0")
    return seconds


def _sentence(own: LoopRound) -> str:
    told = own.document
    return f"round {own.number}: {told.get('candidate') or 'no new version'}, {told['decision']}: {told['why']}"


def _show(rounds: list[LoopRound], as_json: bool, more: dict[str, Any]) -> None:
    from eval.loop.picture import arms_of

    if as_json:
        return print_json({**more, "rounds": [asdict(own) for own in rounds]})
    rows = []
    for own in rounds:
        arms = arms_of(own)
        cells = [_figure(arms[name]["click_through"]) if name in arms else None for name in ("in use", "learning")]
        served = own.document.get("served", {})
        standing = (served.get("all_rounds") or {}).get("difference")
        held = served.get("round", {}).get("promise_held")
        what = own.document.get("decision", own.phase)
        rows.append(
            (own.number, served.get("impressions"), *cells, _figure(standing),
             None if held is None else "yes" if held else "no", what, own.document.get("candidate"))
        )  # fmt: skip
    columns = ("round", "slates", "in use", "learning", "difference, all rounds", "promise held", "decision", "version")
    show_table(columns, rows, "Click-through of a person; the difference holds at every look at once")
    for own in rounds:
        if "why" in own.document:
            say(_sentence(own))
    for name, value in more.items():
        say(f"{name}: {value}")


def _figure(own: Any) -> str | None:
    return None if own is None else f"{own['mean']:.3f} [{own['low']:.3f}, {own['high']:.3f}]"
