"""Experiments section: what people did with the films that each version of a template stood behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eval.live.experiments import METRICS
from eval.report import charts
from eval.report.blocks import Block, Cell, Part, Plot, Plots, Section, Source, Table, Text, count, difference, figure
from eval.report.blocks import label as named
from eval.report.log_documents import ExperimentsDocument

METHOD = "95 % intervals: percentile bootstrap over conversations, 2,000 draws, seed 0"
EMPTY = "No version of a template has served anybody yet: chat first, with `concierge chat`."


def section(sources: Sequence[Source]) -> Section:
    """The section from what ``concierge prompts experiment --json`` prints."""
    parts = []
    for source in sources:
        document = ExperimentsDocument.model_validate(source.value)
        parts.append(Part(f"Templates of role {document.role}", list(_blocks(document))))
    lead = (
        "A template is measured like a policy: versions share the conversations, and the differences compare these two "
        "groups of conversations."
    )
    return Section("experiments", "Experiments of templates", lead, parts)


def _blocks(document: ExperimentsDocument) -> Iterator[Block]:
    if not document.arms:
        yield Text(EMPTY)
        return
    arms = document.arms
    # The same reference may be saved twice with another text.
    names = [
        own.template if sum(own.template == other.template for other in arms) == 1 else f"{own.template} ({k + 1})"
        for k, own in enumerate(arms)
    ]
    plots = []
    for metric, about in METRICS.items():
        dots = [(name, "ours", {"": arm.figures[metric].interval}) for name, arm in zip(names, arms, strict=True)]
        values = "; ".join(f"{name}: {figure(own['']).text}" for name, _, own in dots)
        plots.append(Plot(named(metric).capitalize(), f"{about}: {values}.", charts.dots(dots, about)))
    yield Plots(tuple(plots))
    rows = []
    for name, arm, differences in zip(names, arms, ({}, *document.differences), strict=True):
        for metric in METRICS:
            less = differences.get(metric)
            cell = Cell("–") if less is None else difference(less.interval, 3)
            rows.append(
                [
                    Cell(name),
                    Cell(named(metric)),
                    count(arm.slates),
                    count(arm.conversations),
                    figure(arm.figures[metric].interval, 3),
                    cell,
                ]
            )
    slates = sum(own.slates for own in arms)
    yield Table(
        f"{slates:,} slates in {sum(own.conversations for own in arms):,} conversations; {METHOD}.",
        ("version", "figure", "slates", "conversations", "value", f"less {names[0]}"),
        rows,
    )
