"""The verb ``concierge eval sessions``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table as Grid

from ui.cli.options import AdapterOption, DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, steps


def add_to(app: typer.Typer) -> None:
    """Add the verb to the group."""
    app.command(epilog="Example: concierge eval sessions --policy random --policy policy --sessions 100")(sessions)


def sessions(
    policy: Annotated[
        list[str] | None,
        typer.Option(help="random, popularity, retriever or policy; may be repeated (default: all)."),
    ] = None,
    count: Annotated[int, typer.Option("--sessions", help="Simulated sessions with each policy.", min=2)] = 200,
    reward: Annotated[str, typer.Option(help="What a turn earns, such as click:0.7,diversity:0.3.")] = "click",
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated users and their luck.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Let policies serve simulated users: session length, satisfaction, clicks, conversions, with 95 % intervals.

    A conversion is a clicked film that then gets five stars; clicks and conversions are per film shown. The simulated
    users compare policies under stated assumptions; they are no forecast of real ones.
    """
    from agent.data.dataset import load_dataset
    from eval.policy.sessions import NAMES, evaluate

    with steps() as progress:
        table = evaluate(
            load_dataset(data),
            policy or NAMES,
            lambda foundation: foundation.policy(adapter, model),
            count,
            reward,
            seed,
            progress,
        )
    if as_json:
        print_json({"data": data, "sessions": table.sessions, "reward": reward, "rows": table.to_json()})
        return
    grid = Grid(title=f"{table.sessions:,} simulated sessions", title_justify="left")
    grid.add_column("policy")
    measures = list(table.rows[0].figures)
    for measure in measures:
        grid.add_column(measure.replace("_", " "), justify="right")
    for row in table.rows:
        grid.add_row(row.policy, *(str(row.figures[measure]) for measure in measures))
    out().print(grid)
