"""The verb ``concierge eval report``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ui.cli.eval_ranking import named_policy
from ui.cli.terminal import EVAL, DataOption, JsonOption, ModelOption, OptionError, print_json, say, steps


@EVAL.command(
    epilog="Examples: concierge eval report --output report/ --section policy --section live\n\n"
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
            help="ranking, policy, reward, off-policy, live, experiments, ppo or speed; may be repeated "
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
        typer.Option(help="One more policy for ranking and policy, NAME=FOLDER of an adapter; may be repeated."),
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
            "target_propensities for off-policy alone (default: the chat's own database, without off-policy)."
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
    from eval.ranking.comparison import PROTOCOLS, released_policies
    from eval.report.building import build, write
    from eval.report.sections import SECTIONS
    from eval.report.sources import ReportRun, from_file

    for name, value, known in (("section", section, SECTIONS), ("protocol", protocol, PROTOCOLS)):
        unknown = [own for own in value or () if own not in known]
        if unknown:
            raise OptionError(f"unknown {name} {unknown[0]!r}: use one of {', '.join(known)}")
    if len(reward_model or ()) > 2:
        raise OptionError(f"{len(reward_model or ())} reward models: give one, or two to compare")
    own = [*released_policies(), *(named_policy(text) for text in policy or ())]
    sources = [from_file(path) for path in files or ()]
    with steps() as progress:
        asked = ReportRun(
            data=data,
            model=model,
            policies=own,
            protocols=protocol,
            library=library,
            users=users,
            rows=published,
            seed=seed,
            log=log,
            by=by,
            run=run,
            replications=replications,
            fresh=fresh,
            report=progress,
            **({"reward_models": tuple(reward_model)} if reward_model else {}),
        )
        made = build(asked, section or (), sources, shlex.join(["concierge", *sys.argv[1:]]))
        written = write(made, output, progress)
    if as_json:
        documents = [source.to_json() for source in made.sources]
        print_json({"files": [str(path) for path in written], "documents": documents})
        return
    for path in written:
        say(str(path))
