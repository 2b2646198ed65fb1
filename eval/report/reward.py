"""Reward section: who is told apart, how true the probabilities are, and where following the model leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

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
    count,
    difference,
    figure,
    label,
    number,
)
from eval.report.documents import RewardDocument, RewardRow

SLICE_FIGURES = ("auc_within_user", "ece", "rating_rmse")
LOWER = ("ece", "brier", "log_loss", "rating_rmse")
"""Figures of which less is better."""

STEP_FIGURES = ("click_rate", "mean_rating", "belief", "gap")
STEP_NAMES = {"belief": "what the model promises", "gap": "promise less click rate"}


def reward_parts(_: Source, document: RewardDocument) -> Iterator[Part]:
    """Of what ``concierge eval reward --json`` prints."""
    names = _names(document)
    seed, resamples = document.extra("seed"), document.extra("resamples")
    drawn = "" if resamples is None else f", {resamples:,} draws"
    about = (
        f"{document.pairs:,} rated pairs in {document.slates:,} slates of {document.users:,} users; part test; "
        f"seed {'not stated' if seed is None else seed}; 95 % intervals: percentile bootstrap over users{drawn}"
    )
    yield Part(f"Figures on {document.data}", list(_figures(document, names, about)))
    yield Part(f"Calibration on {document.data}", list(_calibration(document, names, about)))
    yield Part(f"Best of n on {document.data}", list(_best_of_n(document, names, about)))
    yield Part(f"Slices of {document.data}", list(_slices(document, names, about)))


def _names(document: RewardDocument) -> list[str]:
    """The models' names: of a folder or file its last parts, where these tell them apart."""
    short = ["/".join(PurePath(row.model).parts[-2:]) for row in document.rows]
    return short if len(set(short)) == len(short) else [row.model for row in document.rows]


def _figures(document: RewardDocument, names: Sequence[str], about: str) -> Iterator[Block]:
    for name, missing in document.missing.items():
        if missing:
            yield Text(f"{name}: {missing:,} pairs without a score were left out for all.")
    for name, row in zip(names, document.rows, strict=True):
        for note in row.notes:
            yield Text(f"{name}: {note}")
    rows = []
    for metric in document.rows[0].ci:
        cells = [figure(row.figure(metric)) for row in document.rows]
        if document.paired:
            mean, p = _difference(document.paired, metric)
            cells += [difference(mean, lower=metric in LOWER), number(p, 3)]
        rows.append([Cell(label(metric)), *cells])
    less = (f"{names[0]} less {names[1]}", "p") if document.paired else ()
    yield Table(f"{about}.", ("figure", *names, *less), rows)


def _difference(paired: dict[str, Any], metric: str) -> tuple[Interval | None, float | None]:
    own = paired.get(metric)
    if not isinstance(own, dict) or own.get("mean") is None or None in own.get("ci", [None]):
        return None, None
    return Interval(own["mean"], *own["ci"]), own.get("p")


def _calibration(document: RewardDocument, names: Sequence[str], about: str) -> Iterator[Block]:
    points, rows = [], []
    for name, row in zip(names, document.rows, strict=True):
        for bin_ in row.reliability:
            if bin_.predicted is not None and bin_.observed is not None:
                value = charts.share(round(bin_.observed * bin_.pairs), bin_.pairs)
                own = {"mean": bin_.observed, "low": value.low, "high": value.high}
                points.append({"predicted": bin_.predicted, "series": name, **own})
                rows.append([Cell(name), number(bin_.predicted, 3), number(bin_.observed, 3), count(bin_.pairs)])
    x = alt.X("predicted:Q", title="predicted probability of a like", scale=alt.Scale(domain=[0, 1]))
    eces = "; ".join(f"{n}: {number(r.number('ece')).text}" for n, r in zip(names, document.rows, strict=True))
    yield Plot(
        f"Calibration curve, {document.data}",
        f"The share of likes by the predicted probability, with the diagonal of a model whose probabilities are true. "
        f"Expected calibration error: {eces}.",
        charts.lines(
            points, x, "share of likes", names, height=300, marks=[charts.diagonal()], y_scale=alt.Scale(domain=[0, 1])
        ),
    )
    wilson = "intervals in the plot: 95 % of Wilson, pairs taken as independent"
    yield Table(
        f"Reliability in ten bins of equal width; {about.partition(';')[0]}; {wilson}.",
        ("model", "mean prediction", "share of likes", "pairs"),
        rows,
    )


def _best_of_n(document: RewardDocument, names: Sequence[str], about: str) -> Iterator[Block]:
    yield Text(
        "The model picks the best of n random candidates. Where its promise rises and the real click rate does not, "
        "its errors are exploited."
    )
    plots = []
    for name, row in zip(names, document.rows, strict=True):
        points = []
        for step in row.best_of_n:
            for metric, series in (("click_rate", "real click rate"), ("belief", STEP_NAMES["belief"])):
                value = step.figure(metric)
                if value is not None:
                    own = {"mean": value.mean, "low": value.low, "high": value.high}
                    points.append({"n": step.n, "series": series, **own})
        steps = [step.n for step in row.best_of_n]
        x = alt.X(
            "n:Q",
            title="n (candidates, log scale)",
            scale=alt.Scale(type="log", nice=False),
            axis=alt.Axis(values=steps),
        )
        plots.append(
            Plot(
                f"Best of n by {name}, {document.data}",
                f"Click rate: {_course(row, 'click_rate')}; the model promises {_course(row, 'belief')}.",
                charts.lines(points, x, "click rate", ["real click rate", STEP_NAMES["belief"]], band=True),
            )
        )
    yield Plots(tuple(plots))
    columns = tuple(STEP_NAMES.get(metric, label(metric)) for metric in STEP_FIGURES)
    rows = [
        [Cell(name), count(step.n), number(step.kl, 2), *(figure(step.figure(metric), 3) for metric in STEP_FIGURES)]
        for name, row in zip(names, document.rows, strict=True)
        for step in row.best_of_n
    ]
    yield Table(f"Best of n; {about}.", ("model", "n", "KL (nats)", *columns), rows)


def _course(row: RewardRow, metric: str) -> str:
    ends = [row.best_of_n[0], row.best_of_n[-1]] if row.best_of_n else []
    return " and ".join(f"{number(step.number(metric), 3).text} at n = {step.n}" for step in ends)


def _slices(document: RewardDocument, names: Sequence[str], about: str) -> Iterator[Block]:
    first = document.rows[0]
    rows = []
    for k, own in enumerate(first.slices):
        for name, row in zip(names, document.rows, strict=True):
            if k < len(row.slices):
                cells = [figure(row.slices[k].figure(metric), 3) for metric in SLICE_FIGURES]
                rows.append([Cell(f"{own.slice}: {own.group}"), Cell(name), count(own.pairs), *cells])
    dots = [
        (f"{own.slice}: {own.group}", "ours", {metric: own.figure(metric) for metric in SLICE_FIGURES})
        for own in first.slices
        if any(own.figure(metric) is not None for metric in SLICE_FIGURES)
    ]
    if dots:
        yield Plot(
            f"Slices of {names[0]}, {document.data}",
            f"{label(SLICE_FIGURES[0])} and other figures of {names[0]} in {len(dots)} slices; all in the table below.",
            charts.dots(dots, "value and 95 % interval", names={metric: label(metric) for metric in SLICE_FIGURES}),
        )
    yield Table(
        f"By slice; {about.partition(', 2')[0]} (500 draws in slices).",
        ("slice", "model", "pairs", *(label(metric) for metric in SLICE_FIGURES)),
        rows,
    )
