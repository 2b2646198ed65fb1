"""The verb ``concierge bench``: what takes how long and how much, beside its reference."""

from __future__ import annotations

from typing import Annotated

import typer

from ui.cli.terminal import ROOT, DataOption, JsonOption, ModelOption, print_json, say, show_table, steps


@ROOT.command(epilog="Example: concierge bench --json > bench.json")
def bench(
    turns: Annotated[int, typer.Option(help="Turns of each kind.", min=1)] = 20,
    repeats: Annotated[int, typer.Option(help="How often the rest is measured; the median counts.", min=1)] = 3,
    fit: Annotated[
        str | None,
        typer.Option(
            help="A data set whose features are fitted anew beside LensKit's implicit ALS (long; extra `baselines`).",
            show_default=False,
        ),
    ] = None,
    data: DataOption = "films",
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time the work of this machine beside references, most of them measured in the same run."""
    from agent.recommender import Recommender
    from eval.bench.answers import bench_answers
    from eval.bench.fits import bench_fit
    from eval.bench.processes import bench_processes
    from eval.bench.rows import Row, machine

    own, rows = machine(), list[Row]()
    with steps() as report:
        recommender = Recommender.load(data, model, progress=not as_json)
        measured = [bench_answers(recommender, turns, repeats), bench_processes(recommender, repeats)]
        for part in [*measured, bench_fit(fit)] if fit else measured:
            for row in part:
                rows.append(row)
                report(row.work, len(rows), len(rows))
    found = {"data": data, "machine": own, "rows": [row.to_json() for row in rows]}
    if as_json:
        return print_json(found)
    show_table(
        ("work", "ours", "reference", "unit", "ratio", "target", "met"),
        [
            (row.work, f"{row.ours:.3g}", f"{row.reference:.3g}", row.unit, row.ratio, plain["target"], plain["met"])
            for row, plain in zip(rows, (row.to_json() for row in rows), strict=True)
        ],
    )
    say(f"{own['cpu']}, {own['cores']} cores, {own['threads']} threads, load {own['load']}; torch {own['torch']}")
