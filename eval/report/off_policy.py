"""Off-policy section: do the estimators keep their word, and what does a log say a policy is worth?"""

from __future__ import annotations

from collections.abc import Iterator

from eval.metrics import Interval
from eval.report import charts
from eval.report.blocks import Block, Cell, Part, Plot, Source, Table, Text, count, difference, figure, number
from eval.report.documents import Bounds, CoverageRow, OffPolicyDocument, Refused, SelfCheckDocument

COVERED = (0.93, 0.97)
"""Where the coverage of 95 % intervals has to be over 1,000 replications."""


def off_policy_parts(source: Source) -> Iterator[Part]:
    """Of what ``concierge eval off-policy --json`` prints, with and without ``--self-check``."""
    if source.kind == "off-policy":
        yield Part("Self-check", list(_self_check(SelfCheckDocument.model_validate(source.value))))
    else:
        yield Part("What the log says", list(_log(OffPolicyDocument.model_validate(source.value))))


def _self_check(document: SelfCheckDocument) -> Iterator[Block]:
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
    seed = document.extra("seed")
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
                number(row.mean),
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


def _covered(row: CoverageRow) -> Interval:
    return charts.share(round(row.covered * row.replications), row.replications)


def _log(document: OffPolicyDocument) -> Iterator[Block]:
    if not document.supported:
        yield Text("The log supports none of the estimates; the reasons are in the table.", "worse")
    pair = document.new is not None
    names = [document.new or "", document.old or "", "difference"] if pair else [document.target or "the target"]
    rows = []
    dots = []
    for row in document.rows:
        values = (row.new, row.old, row.difference) if pair else (row.value,)
        cells = [_value(value, signed=pair and k == 2) for k, value in enumerate(values)]
        weights = row.weights or {}
        if not pair:
            cells += [number(weights.get("effective"), 0), number(weights.get("share"), 3)]
            cells.append(number(weights.get("mean"), 3))
        rows.append([Cell(row.estimator), *cells])
        shown = values[-1]
        if isinstance(shown, Bounds):
            dots.append((row.estimator, "ours", {"": shown.interval}))
    logged = document.logged.interval
    whole = document.diagnostics
    first = whole[0] if isinstance(whole, list) else whole
    n = f"{first.get('rows', 0):,} rows in {first.get('clusters', 0):,} clusters"
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
    entries = whole if isinstance(whole, list) else [whole]
    yield Table(
        "Diagnostics: rows that count, slates left out, items that were drawn, mass of the target that the log cannot "
        "support, rows without their state, p-value of the propensities' calibration.",
        columns,
        [[_plain(entry.get(name)) for name in columns] for entry in entries],
    )


def _plain(value: object) -> Cell:
    if isinstance(value, int):
        return count(value)
    return number(value, 4) if isinstance(value, float) else Cell("–")


def _value(value: Bounds | Refused | None, signed: bool) -> Cell:
    if isinstance(value, Refused):
        return Cell(f"not supported: {value.reason}", tone="quiet")
    if value is None:
        return Cell("–")
    return difference(value.interval) if signed else figure(value.interval)
