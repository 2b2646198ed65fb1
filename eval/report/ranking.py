"""Ranking section: who foresees what people take up, and whose first pick is clicked, protocol by protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import altair as alt

from eval.metrics import Interval
from eval.report import charts
from eval.report.blocks import (
    Block,
    Cell,
    Part,
    Plot,
    Plots,
    Source,
    Table,
    Text,
    Tone,
    count,
    difference,
    figure,
    label,
    number,
)
from eval.report.documents import RankingDocument, RankingRow, interval_of

BEYOND = ("coverage@10", "gini@10", "novelty@10", "popularity@10", "diversity@10")
"""Figures of what is recommended, whether right or not."""

METHOD = "95 % intervals: percentile bootstrap over users, 2,000 draws"
_BANDS = {
    "history": ("By the length of the user's history", "events in the history"),
    "item popularity": ("By the popularity of the item that was right", "popularity of the item"),
}


def ranking_parts(_: Source, document: RankingDocument) -> Iterator[Part]:
    """Of what ``concierge eval ranking --json`` prints."""
    tables: dict[tuple[str, str], list[RankingRow]] = {}
    for row in document.rows:
        tables.setdefault((row.protocol, row.about), []).append(row)
    for (protocol, about), rows in tables.items():
        notes = [n.removeprefix(f"{protocol}: ") for n in document.notes if n.startswith(f"{protocol}: ")]
        yield Part(f"{protocol}, {document.data}: {about}", list(_protocol(document, rows, notes)))
    for protocol, reason in document.left_out.items():
        yield Part(f"{protocol}, {document.data}", [Text(reason, "quiet")])


def _protocol(document: RankingDocument, rows: Sequence[RankingRow], notes: Sequence[str]) -> Iterator[Block]:
    first = rows[0]
    headline = [metric for metric in first.headline if all(metric in row.ci for row in rows)] or first.headline
    judged = headline[0]
    reference = next((row.paired[judged].reference for row in rows if judged in row.paired), None)
    about = f"{first.cases:,} cases of {first.users:,} users; part {document.part}; seed {document.seed}; {METHOD}"
    figures: list[tuple[str, str, Mapping[str, Interval | None]]] = [
        (row.policy, row.kind if row.kind in charts.KINDS else "baseline", {m: row.figure(m) for m in headline})
        for row in rows
    ]
    best = max(rows, key=lambda row: row.number(judged) or 0.0)
    yield Plot(
        f"{first.protocol}, {first.about}: {label(judged)} of all rows",
        f"A dot with its 95 % interval for each of {len(rows)} rows. The highest {label(judged)} is that of "
        f"{best.policy}: {figure(best.figure(judged)).text}. All values are in the table below.",
        charts.dots(figures, "mean and 95 % interval", names={metric: label(metric) for metric in headline}),
    )
    last = () if reference is None else (f"{label(judged)} less {reference}",)
    table = []
    for row in rows:
        cells = [figure(row.figure(metric)) for metric in headline]
        paired = row.paired.get(judged)
        if last:
            cells.append(
                Cell("reference", tone="quiet") if row.policy == reference else difference(interval_of(paired))
            )
        table.append([_name(row), *cells])
    yield Table(f"{about}.", ("policy", *(label(metric) for metric in headline), *last), table, tuple(notes))
    beyond = [metric for metric in BEYOND if any(row.number(metric) is not None for row in rows)]
    if beyond:
        cells_of = [[_name(row), *(number(row.number(metric), 3) for metric in beyond)] for row in rows]
        yield Table(
            f"What is recommended, whether right or not; {about}.",
            ("policy", *(label(metric) for metric in beyond)),
            cells_of,
        )
    shown = _shown(rows, judged)
    plots = []
    tables = []
    for by, (title, axis) in _BANDS.items():
        groups = list(dict.fromkeys(own.group for row in rows for own in row.slices if own.slice == by))
        if groups:
            plots.append(_band_plot(first, shown, by, groups, title, axis, judged))
            tables.append(_band_table(rows, by, groups, title, judged, about))
    if plots:
        yield Plots(tuple(plots))
    yield from tables


def _name(row: RankingRow) -> Cell:
    tone: Tone = "ours" if row.kind == "ours" else ""
    return Cell(row.policy, tone=tone)


def _shown(rows: Sequence[RankingRow], judged: str) -> list[RankingRow]:
    """The few rows whose bands are drawn: the best of ours, of the library and of the baselines, and popularity."""
    by_strength = sorted(rows, key=lambda row: -(row.number(judged) or 0.0))
    best = [next((row for row in by_strength if row.kind == kind), None) for kind in ("ours", "library", "baseline")]
    popular = next((row for row in rows if row.policy == "popularity"), None)
    return list({row.policy: row for row in (*best, popular) if row is not None}.values())


def _band_plot(
    first: RankingRow,
    rows: Sequence[RankingRow],
    by: str,
    groups: Sequence[str],
    title: str,
    axis: str,
    judged: str,
) -> Plot:
    points = []
    for row in rows:
        for own in row.slices:
            value = own.figure(judged)
            if own.slice == by and value is not None:
                cell = {"mean": value.mean, "low": value.low, "high": value.high}
                points.append({"group": own.group, "series": row.policy, **cell})
    x = alt.X("group:O", sort=list(groups), title=axis, axis=alt.Axis(labelAngle=0))
    names = list(dict.fromkeys(row.policy for row in rows))
    return Plot(
        f"{first.protocol}, {first.about}: {title.lower()}",
        f"{label(judged)} of {', '.join(names)} in {len(groups)} groups; all rows are in the table.",
        charts.lines(points, x, label(judged), names),
    )


def _band_table(
    rows: Sequence[RankingRow], by: str, groups: Sequence[str], title: str, judged: str, about: str
) -> Table:
    sizes = {own.group: own.cases for row in rows for own in row.slices if own.slice == by}
    table = []
    for row in rows:
        own_groups = {own.group: own for own in row.slices if own.slice == by}
        cells = [figure(own_groups[name].figure(judged), 3) if name in own_groups else Cell("–") for name in groups]
        table.append([_name(row), *cells])
    counts = [[Cell("cases", tone="quiet"), *(count(sizes[name]) for name in groups)]]
    return Table(f"{title}: {label(judged)}; {about}.", ("policy", *groups), [*counts, *table])
