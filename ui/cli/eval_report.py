"""The verb ``concierge eval report``."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.main import get_command

from ui.cli.terminal import EVAL, DataOption, JsonOption, ModelOption, OptionError, print_json, say, steps

if TYPE_CHECKING:
    from eval.report.sources import Verb


@EVAL.command(
    epilog="Examples: concierge eval report --output report/ --section ranking --section live\n\n"
    "concierge eval ranking --json > ranking.json && concierge eval report --from ranking.json"
)
def report(
    output: Annotated[
        Path,
        typer.Option(help="A folder, or a file that ends in .html; Markdown and JSON are written beside the page."),
    ] = Path("report"),
    section: Annotated[
        list[str] | None,
        typer.Option(
            help="ranking, reward, off-policy, live, experiments, ppo or speed; may be repeated "
            "(default: those of --from, else all)."
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="What a verb printed with --json, or the curves.json of a PPO run: shown as it is instead of being "
            "worked out again; may be repeated.",
        ),
    ] = None,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="One more policy for the ranking, NAME=FOLDER of an adapter; may be repeated."),
    ] = None,
    reward_model: Annotated[
        list[str] | None,
        typer.Option(
            help="As in `eval reward --model`; a second one is compared (default: the released one, evidence)."
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Of the ranking: leave-one-out, rated-slate, requests, llara or tallrec; may be repeated "
            "(default: all that apply)."
        ),
    ] = None,
    library: Annotated[bool, typer.Option(help="Library recommenders and the untuned LM in the ranking.")] = True,
    users: Annotated[int, typer.Option(help="Rank the cases of at most so many users, drawn by a hash.", min=2)] = 2000,
    published: Annotated[
        Path | None, typer.Option("--rows", help="Folder of the rows of the protocol llara, which do not come with us.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help="A feedback database for live, experiments and off-policy; or JSON lines or Parquet with "
            "target_propensities for off-policy (default: the chat's own database, without off-policy)."
        ),
    ] = None,
    by: Annotated[Literal["hour", "day", "week"], typer.Option(help="Periods of the live figures.")] = "day",
    run: Annotated[
        Path | None, typer.Option(help="The --output folder of a `concierge train ppo` (default: the released run).")
    ] = None,
    replications: Annotated[
        int, typer.Option(help="Logs that the off-policy self-check draws of each bandit.", min=100)
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of sampling, fits and intervals.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Work all out anew, whatever the cache holds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write what the evaluations found as one HTML file that needs no network, as Markdown and as JSON.

    What was worked out before by the same code from the same content comes from the cache.
    """
    from agent.store.logged_impression import DATABASES
    from eval.ranking.comparison import PROTOCOLS
    from eval.report.building import build, write
    from eval.report.sections import SECTIONS
    from eval.report.sources import ReportRun, Verb, from_file

    for name, value, known in (("section", section, SECTIONS), ("protocol", protocol, PROTOCOLS)):
        unknown = [own for own in value or () if own not in known]
        if unknown:
            raise OptionError(f"unknown {name} {unknown[0]!r}: use one of {', '.join(known)}")
    models = reward_model or _usual_rewards()
    if len(models) > 2:
        raise OptionError(f"{len(models)} reward models: give one, or two to compare")
    sources = [from_file(path) for path in files or ()]
    base = [] if model is None else ["--model", model]
    asked = [*_options("--policy", policy), *base, "--users", str(users), "--library" if library else "--no-library"]
    asked += [] if published is None else ["--rows", str(published)]
    about = ("--data", data, "--seed", str(seed))
    rankings = [
        Verb("ranking", ("eval", "ranking", "--protocol", own, *about, *asked), _folders(policy, published))
        for own in protocol or PROTOCOLS
    ]
    judged = ["--model", models[0], *_options("--against", models[1:]), *_options("--base", [model] if model else [])]
    database = log if log is not None and log.suffix in DATABASES else None
    shown = [] if database is None else [str(database)]
    checks = ("eval", "off-policy", "--self-check", "--replications", str(replications), "--seed", str(seed))
    verbs = {
        "ranking": rankings,
        "reward": [Verb("reward", ("eval", "reward", *judged, *about), tuple(map(Path, models)))],
        "off-policy": [Verb("off-policy", checks), *([] if log is None else [_of_log(log, about, base)])],
        "live": [Verb("live", ("eval", "live", *shown, "--by", by), kept=False)],
        "speed": [Verb("speed", ("eval", "speed", "--data", data, *base))],
    }
    made = build(
        ReportRun(data, verbs, run_verb, database, run, seed, fresh),
        section or (),
        sources,
        shlex.join(["concierge", *sys.argv[1:]]),
    )
    with steps() as progress:
        written = write(made, output, progress)
    if as_json:
        documents = [source.to_json() for source in made.sources]
        print_json({"files": [str(path) for path in written], "documents": documents})
        return
    for path in written:
        say(str(path))


def run_verb(words: Sequence[str]) -> Mapping[str, Any]:
    """What a verb of ``concierge eval`` prints with ``--json``, run in this process.

    Raises:
        ValueError: what the verb raises.
    """
    print(f"concierge {' '.join(words)}", file=sys.stderr, flush=True)
    with redirect_stdout(io.StringIO()) as printed:
        get_command(EVAL).main([*words[1:], "--json"], standalone_mode=False)
    found: Mapping[str, Any] = json.loads(printed.getvalue())
    return found


def _options(name: str, values: Sequence[str] | None) -> list[str]:
    return [word for value in values or () for word in (name, value)]


def _folders(policies: Sequence[str] | None, published: Path | None) -> tuple[Path, ...]:
    own = [Path(text.partition("=")[2]) for text in policies or ()]
    return (*own, *([] if published is None else [published]))


def _of_log(log: Path, about: Sequence[str], base: Sequence[str]) -> Verb:
    from agent.store.logged_impression import DATABASES
    from eval.report.sources import Verb

    how = (*about, *base) if log.suffix in DATABASES else ("--target", "columns", *about[2:])
    return Verb("off-policy-log", ("eval", "off-policy", str(log), *how), kept=False)


def _usual_rewards() -> list[str]:
    from agent.policy.loading import ADAPTERS

    return [str(ADAPTERS / "ml-100k-reward"), "evidence"]
