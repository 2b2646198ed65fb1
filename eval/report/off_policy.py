"""Off-policy section: do the estimators keep their word, and what does a log say a policy is worth?"""

from __future__ import annotations

import math
from collections.abc import Iterator

from eval.metrics import Interval
from eval.off_policy.report import Estimate, OffPolicyResult, PairedResult
from eval.off_policy.samples import Unsupported
from eval.off_policy.self_check import COVERED, Coverage, SelfCheck
from eval.report import charts
from eval.report.blocks import Block, Cell, Part, Plot, Source, Table, Text, count, difference, figure, number


def off_policy_parts(source: Source, document: SelfCheck | OffPolicyResult | PairedResult) -> Iterator[Part]:
    """Of what ``concierge eval off-policy --json`` prints, with and without ``--self-check``."""
    if isinstance(document, SelfCheck):
        yield Part("Self-check", list(_self_check(document, source.value.get("seed"))))
    else:
        yield Part("What the log says", list(_log(document)))


def _self_check(document: SelfCheck, seed: int | None) -> Iterator[Block]:
    rows = document.coverage
    replications = rows[0].replications
    points = [(f"{row.case}: {row.estimator}", "ok" if row.passed else "failed", {"": _covered(row)}) for row in rows]
    least, most = min(row.covered for row in rows), max(row.covered for row in rows)
    chart = charts.dots(points, "share of 95 % intervals that hold the true value", kinds=charts.VERDICTS)
    band = charts.spec(
        charts.inline([{"from": COVERED[0], "to": COVERED[1]}])
        .mark_rect(opacity=0.13, color=charts.SERIES[0])
        .encode(x="from:Q", x2="to:Q")
    )
    chart["layer"].insert(0, band)
    yield Plot(
        "Coverage of the off-policy estimators",
        f"Between {least:.1%} and {most:.1%} of the 95 % intervals hold the true value; the shaded band is "
        f"{COVERED[0]:.0%} to {COVERED[1]:.0%}.",
        chart,
    )
    about = f"{replications:,} logs of each bandit; seed {'not stated' if seed is None else seed}"
    yield Table(
        f"Coverage where the assumptions hold; {about}; intervals of single estimates: bootstrap over conversations "
        "(BCa), normal for the direct method.",
        ("bandit", "estimator", "true value", "mean estimate", "covered", "refused", "verdict"),
        [
            [
                Cell(row.case),
                Cell(row.estimator),
                number(row.truth),
                number(None if math.isnan(row.mean) else row.mean),
                Cell(f"{row.covered:.1%}", row.covered),
                Cell(f"{row.refused:.1%}", row.refused),
                Cell("ok", tone="better") if row.passed else Cell("failed", tone="worse"),
            ]
            for row in rows
        ],
    )
    yield Table(
        f"Broken logs that were refused; {about}.",
        ("log", "refused", "verdict", "one of the reasons"),
        [
            [
                Cell(alarm.case),
                Cell(f"{alarm.refused:.1%}", alarm.refused),
                Cell("ok", tone="better") if alarm.passed else Cell("failed", tone="worse"),
                Cell(alarm.reason),
            ]
            for alarm in document.alarms
        ],
    )


def _covered(row: Coverage) -> Interval:
    return charts.share(round(row.covered * row.replications), row.replications)


def _log(document: OffPolicyResult | PairedResult) -> Iterator[Block]:
    if not document.supported:
        yield Text("The log supports none of the estimates; the reasons are in the table.", "worse")
    names = [document.target] if isinstance(document, OffPolicyResult) else [document.new, document.old, "difference"]
    pair, rows, dots = len(names) > 1, [], []
    for row in document.rows:
        values = (row.value,) if isinstance(row, Estimate) else (row.new, row.old, row.difference)
        cells = [_value(value, signed=pair and k == 2) for k, value in enumerate(values)]
        if isinstance(row, Estimate):
            told = (("effective", 0), ("share", 3), ("mean", 3))
            cells += [number(getattr(row.weights, name, None), places) for name, places in told]
        rows.append([Cell(row.estimator), *cells])
        last = values[-1]
        if isinstance(last, Interval):
            dots.append((row.estimator, "ours", {"": last}))
    logged = document.logged
    whole = document.diagnostics if isinstance(document.diagnostics, tuple) else (document.diagnostics,)
    n = f"{whole[0].rows:,} rows in {whole[0].clusters:,} clusters"
    if dots:
        what = "difference of values" if pair else f"{document.reward} of a slate"
        chart = charts.dots(dots, f"{what}, 95 % interval", zero=pair)
        if not pair:
            chart["layer"].insert(0, charts.spec(charts.rule(x=logged.mean)))
        yield Plot(
            f"Value of {names[0]}" if not pair else f"{names[0]} less {names[1]}",
            f"Estimates by {len(dots)} estimators; the logged policy's own value is {figure(logged).text}.",
            chart,
        )
    extra = () if pair else ("effective rows", "largest share", "mean weight")
    yield Table(
        f"Expected {document.reward} of a slate; {n}; the logged policy's own: {figure(logged).text}; 95 % intervals: "
        "BCa bootstrap over whole conversations, normal for the direct method.",
        ("estimator", *names, *extra),
        rows,
    )
    columns = ("rows", "empty", "clusters", "drawn", "unsupported", "approximate", "calibration")
    yield Table(
        "Diagnostics: rows that count, slates left out, items that were drawn, mass of the target that the log cannot "
        "support, rows without their state, p-value of the propensities' calibration.",
        columns,
        [[_plain(getattr(entry, name)) for name in columns] for entry in whole],
    )


def _plain(value: object) -> Cell:
    if isinstance(value, int):
        return count(value)
    return number(value, 4) if isinstance(value, float) else Cell("–")


def _value(value: Interval | Unsupported, signed: bool) -> Cell:
    if isinstance(value, Unsupported):
        return Cell(f"not supported: {value.reason}", tone="quiet")
    return difference(value) if signed else figure(value)
