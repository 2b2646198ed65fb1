"""Policy section: how often the first pick is clicked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from eval.metrics import Interval
from eval.report import charts
from eval.report.blocks import Block, Cell, Part, Plot, Section, Source, Table, count, difference, figure, label
from eval.report.documents import PolicyDocument

METRICS = ("click_rate", "sampled_click_rate", "mean_rating", "precision@5")
METHOD = "95 % intervals: percentile bootstrap over users, 2,000 draws"


def section(sources: Sequence[Source]) -> Section:
    """The section from what ``concierge eval policy --json`` prints."""
    parts = []
    for source in sources:
        document = PolicyDocument.model_validate(source.value)
        parts.append(Part(f"Rated slates of {document.data}", list(_blocks(document))))
    lead = (
        "Each policy picks one film from slates whose ratings are all known: is it one that the user gave four stars "
        "or more? The ratings are real, no simulator is involved."
    )
    return Section("policy", "Policy: click rates", lead, parts)


def _blocks(document: PolicyDocument) -> Iterator[Block]:
    seed = document.extra("seed")
    about = (
        f"{document.slates:,} slates of {document.users:,} users; part {document.part}; "
        f"seed {'not stated' if seed is None else seed}; {METHOD}"
    )
    metrics = [metric for metric in METRICS if any(metric in row.ci for row in document.rows)]
    best = max(document.rows, key=lambda row: row.number("click_rate") or 0.0)
    figures: list[tuple[str, str, Mapping[str, Interval | None]]] = [
        (row.policy, row.kind, {metric: row.figure(metric) for metric in metrics}) for row in document.rows
    ]
    yield Plot(
        f"Click rate of the first pick, {document.data}",
        f"A dot with its 95 % interval for each of {len(figures)} policies. The highest click rate is that of "
        f"{best.policy}: {figure(best.figure('click_rate')).text}. All values are in the table below.",
        charts.dots(figures, "mean and 95 % interval", names={metric: label(metric) for metric in metrics}),
    )
    rows = [
        [Cell(row.policy, tone="ours" if row.kind == "ours" else ""), *(figure(row.figure(m)) for m in metrics)]
        for row in document.rows
    ]
    yield Table(f"{about}.", ("policy", *(label(metric) for metric in metrics)), rows, tuple(document.notes))
    if document.paired:
        pairs = [(f"{own.of[0]} less {own.of[1]}", own.interval) for own in document.paired.values()]
        yield Plot(
            f"Paired differences of click rates, {document.data}",
            "; ".join(f"{name}: {difference(value).text}" for name, value in pairs) + ".",
            charts.dots([(n, "ours", {"": value}) for n, value in pairs], "difference of click rates", zero=True),
        )
        yield Table(
            f"Paired differences of the click rate on the same slates; {about}.",
            ("pair", "difference"),
            [[Cell(name), difference(value)] for name, value in pairs],
        )
    if document.rare_items:
        first = document.rare_items[0]
        yield Table(
            f"Items with few ratings: {first.cases:,} later views of {first.items:,} items, ranked among themselves; "
            f"{METHOD}.",
            ("policy", *(label(metric) for metric in first.ci), "cases"),
            [[Cell(r.policy), *(figure(r.figure(m)) for m in first.ci), count(r.cases)] for r in document.rare_items],
        )
