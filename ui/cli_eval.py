"""The verbs ``concierge eval ...``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid

from ui import cli_eval_log, cli_eval_policy, cli_eval_reward, cli_eval_sessions, cli_eval_speed
from ui.options import AdapterOption, DataOption, ModelOption
from ui.template_lookup import find_template
from ui.terminal import JsonOption, out, print_json, sub_app, working

if TYPE_CHECKING:
    from agent.catalogue import Catalogue
    from agent.evidence import EvidenceModel
    from agent.policy import Policy
    from eval.ranking import Table

app = sub_app("Measure the policy beside baselines, and reward models.")
cli_eval_policy.add_to(app)
cli_eval_reward.add_to(app)
cli_eval_log.add_to(app)
cli_eval_sessions.add_to(app)
cli_eval_speed.add_to(app)


class ProtocolError(ValueError):
    """An unknown protocol; the message lists the known ones."""


@app.command(epilog="Example: concierge eval ranking --protocol leave-one-out --protocol rated-slate")
def ranking(
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="leave-one-out, rated-slate or requests; may be repeated (default: all)."),
    ] = None,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    part: Annotated[str, typer.Option(help="test for reports, valid for choices.")] = "test",
    template: Annotated[
        str | None,
        typer.Option(help="A state template for the policy: NAME@VERSION or a file (default: the adapter's)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rank with baselines and the policy on the same cases; figures with 95 % intervals over users."""
    from agent.dataset import load_dataset
    from agent.loading import assemble
    from eval.protocols.requests import PARTS
    from eval.ranking import PROTOCOLS, evaluate

    chosen = [p for p in PROTOCOLS if protocol is None or p in protocol]
    unknown = sorted(set(protocol or ()) - set(PROTOCOLS))
    if unknown:
        raise ProtocolError(f"unknown protocol {unknown[0]!r}: use one of {', '.join(PROTOCOLS)}")
    halves = [half for half in PARTS if half == part]
    if not halves:
        raise ProtocolError(f"unknown part {part!r}: use one of {', '.join(PARTS)}")
    dataset = load_dataset(data)
    own = None if template is None else find_template(template)

    def make_policy(catalogue: Catalogue, evidence: EvidenceModel) -> Policy:
        policy = assemble(catalogue, evidence, model, adapter)
        return policy if own is None else policy.with_template(own)

    tables = []
    for name in chosen:
        with working(f"Ranking: {name}"):
            tables += evaluate(dataset, name, make_policy, halves[0])
        if not as_json:
            _show(tables[-1:] if name != "requests" else [t for t in tables if t.protocol == name])
    if as_json:
        print_json({"data": data, "rows": [row for table in tables for row in table.to_json()]})


def _show(tables: list[Table]) -> None:
    for table in tables:
        metrics = list(table.rows[0].figures)
        grid = Grid(title=f"{table.protocol}: {table.about} ({table.cases:,} cases)", title_justify="left")
        grid.add_column("policy")
        for metric in metrics:
            grid.add_column(metric, justify="right")
        grid.add_column(f"{metrics[0]} less {table.reference}", justify="right")
        for row in table.rows:
            difference = row.differences.get(metrics[0])
            grid.add_row(
                row.policy, *(str(row.figures[metric]) for metric in metrics), str(difference) if difference else ""
            )
        out().print(grid)


@app.command(epilog="Example: concierge eval latency --turns 50")
def latency(
    turns: Annotated[int, typer.Option(help="Turns of each kind.", min=1)] = 20,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time a turn on this machine, and say where the time goes."""
    from agent.recommender import Recommender
    from eval.latency import measure

    with working("Timing turns"):
        timings = measure(Recommender.load(data, model, adapter), turns)
    if as_json:
        print_json({"rows": [asdict(timing) for timing in timings]})
        return
    for timing in timings:
        parts = ", ".join(f"{part} {value:.0f}" for part, value in timing.parts.items())
        out().print(
            f"{timing.about}: {timing.median:.0f} ms a turn (90th percentile {timing.p90:.0f}) over {timing.turns} "
            f"turns; medians of the parts: {parts}",
            soft_wrap=True,
        )
