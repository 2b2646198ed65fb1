"""Studio HTML: what the prompts tab shows besides its controls. Everything that comes from outside is escaped."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from html import escape

from agent.store.template_serving import Serving, Status
from agent.store.template_versions import SavedVersion, TemplateTest
from eval.live.experiments import EXPERIMENT_METRICS, Report
from eval.metrics import Interval
from eval.policy.template_trial import METRICS, Trial
from prompts import PromptError
from ui.studio.preview import Case, Preview

CONTEXT = 2
"""Unchanged lines shown around a change."""
STALE = '<p class="quiet">The preview is of the last text without a mistake.</p>'


def problem_html(error: PromptError | None, source: str) -> str:
    """What stands below the editor: the mistake with its line, or that there is none.

    ``data-line`` and ``data-message`` are for :data:`ui.studio.page.MARK`.
    """
    if error is None:
        return '<p class="in-order" role="status">In order</p>'
    lines = source.splitlines()
    shown, where, mark = "", "", ""
    if error.line is not None and 0 < error.line <= len(lines):
        shown = f"<pre><b>{error.line}</b> {escape(lines[error.line - 1][:200])}</pre>"
        where = f"Line {error.line}: "
        mark = f' data-line="{error.line}" data-message="{escape(error.message)}"'
    return f'<div class="problem" role="alert"{mark}><p>{where}{escape(error.message)}</p>{shown}</div>'


def preview_html(preview: Preview, other: Preview | None, title: str) -> str:
    """One column: the prompt as the model reads it, its tokens, and the picks beside those of ``other``."""
    of = "" if preview.window is None else f" of {preview.window:,}"
    count = "" if preview.tokens is None else f'<span class="count">{preview.tokens}{of} tokens</span>'
    parts = [f"<header><h2>{escape(title)}</h2>{count}</header><pre>{escape(preview.text)}</pre>"]
    if preview.picks:
        before = [] if other is None else [pick.name for pick in other.picks]
        rows = []
        for place, pick in enumerate(preview.picks):
            mark = "" if other is None else _mark(place, pick.name, before)
            item = f'<span class="item">{escape(pick.name)} {mark}</span>'
            rows.append(
                f'<li>{item}<span class="share">{pick.probability:.1%}</span>'
                f'<span class="meter"><span style="width:{100 * pick.probability:.0f}%"></span></span></li>'
            )
        if preview.answer:
            parts.append(f'<p class="quiet">{escape(preview.answer)}</p>')
        parts.append(f'<ol class="picks">{"".join(rows)}</ol>')
    return f'<section class="preview">{"".join(parts)}</section>'


def _mark(place: int, name: str, before: Sequence[str]) -> str:
    if name not in before:
        return '<em class="new">new</em>'
    moved = before.index(name) - place
    return "" if not moved else f'<em class="moved">{"up" if moved > 0 else "down"} {abs(moved)}</em>'


def cases_html(cases: Sequence[Case]) -> str:
    """The template's own test cases: which picked what they expect."""
    passed = sum(not own.missing for own in cases)
    rows = []
    for own in cases:
        says = "passes" if not own.missing else f"lacks {', '.join(own.missing)}"
        sign = "worse" if own.missing else "better"
        picks = escape(", ".join(own.picks))
        name = f"<th scope=row>{escape(own.name)}<small>{picks}</small></th>"
        rows.append(f'<tr>{name}<td class="{sign}">{escape(says)}</td></tr>')
    about = f"{passed} of {len(cases)} test cases pass. Below each name are the first picks."
    return f'<div class="figures"><table><caption>{about}</caption><tbody>{"".join(rows)}</tbody></table></div>'


def nothing_to_test(reference: str) -> str:
    """In place of a trial's figures: both texts are the same to the model."""
    return (
        f'<p class="quiet" role="status">For every sample viewer this renders the same prompt as {escape(reference)}: '
        "there is nothing to test.</p>"
    )


def gone_html(preview: Preview, other: Preview, same_text: bool = False) -> str:
    """Which of the other's items are no longer picked, or how far the chances of the same items differ.

    ``same_text``: the file was edited, but what the model reads is the same, so it was not asked again.
    """
    if same_text:
        return f'<p class="quiet">Renders the same as {escape(other.template)}: the model was not asked again.</p>'
    names = {pick.name for pick in preview.picks}
    gone = [pick.name for pick in other.picks if pick.name not in names]
    if not other.picks:
        return ""
    if gone:
        return f'<p class="quiet">No longer picked: {escape(", ".join(gone))}</p>'
    before = {pick.name: pick.probability for pick in other.picks}
    most = max(abs(pick.probability - before[pick.name]) for pick in preview.picks)
    same = [pick.name for pick in preview.picks] == [pick.name for pick in other.picks]
    text = "The same items in the same order" if same else "The same items in another order"
    chances = "" if most < 0.0005 else f"; their chances differ by up to {100 * most:.1f} points"
    return f'<p class="quiet">{text}{chances}.</p>'


def diff_html(old: str, new: str, old_name: str) -> str:
    """The changed lines of two texts with a little around them."""
    if old == new:
        return f'<p class="quiet">No difference from {escape(old_name)}.</p>'
    rows = []
    for line in list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=CONTEXT))[2:]:
        kind = {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")
        rows.append(f'<span class="{kind}">{escape(line)}</span>')
    return f'<pre class="diff" aria-label="Changes from {escape(old_name)}">{"".join(rows)}</pre>'


def trial_html(trial: Trial, candidate: str, against: str) -> str:
    """The paired differences of an offline trial."""
    rows = []
    for row in trial.rows:
        rows.append(
            f"<tr><th scope=row>{escape(row.metric)}<small>{escape(METRICS[row.metric])}; {row.cases:,} cases</small>"
            "</th>"
            f"<td>{row.candidate.mean:.4f}</td><td>{row.against.mean:.4f}</td>"
            f'<td class="{_sign(row.difference)}">{_interval(row.difference)}</td></tr>'
        )
    head = f"<tr><th>Metric</th><th>{escape(candidate)}</th><th>{escape(against)}</th><th>Difference, 95 %</th></tr>"
    about = f"{trial.users} validation users. A difference whose interval holds 0 may be chance."
    return (
        f'<div class="figures"><table><caption>{about}</caption><thead>{head}</thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def tests_html(tests: Sequence[TemplateTest], saved: Mapping[str, str]) -> str:
    """Earlier tests of a template, the latest first; ``saved``: SHA-256 of a version's text -> the version."""
    if not tests:
        return '<p class="quiet">None yet.</p>'
    rows = []
    for test in tests:
        of = saved.get(test.hash) or (f"edits of {test.template}" if test.template else "edits")
        document = test.document
        if test.kind == "cases":
            failed = ", ".join(document["failed"])
            about = f"{document['of'] - len(document['failed'])} of {document['of']} test cases pass"
            cells = [f"<li>{escape(f'{about}; not {failed}' if failed else about)}</li>"]
        else:
            about = f"against {test.against}, {document['users']} users"
            cells = [f"<li>{escape(about)}</li>"]
            for metric, (_, _, *difference) in document["metrics"].items():
                figure = Interval(*difference)
                cells.append(f'<li class="{_sign(figure)}">{escape(metric)} {_interval(figure)}</li>')
        by = f" · {escape(test.author)}" if test.author else ""
        rows.append(f"<li><b>{escape(of)}</b> · {_when(test.timestamp)}{by}<ul>{''.join(cells)}</ul></li>")
    return f'<ul class="tests">{"".join(rows)}</ul>'


def report_html(report: Report, since: float | None, serving: Serving) -> str:
    """What people did with each version's items; ``since``: when the experiment began, None where none runs."""
    rows = []
    for arm, differences in zip(report.arms, ({}, *report.differences), strict=True):
        for metric, figure in arm.figures.items():
            difference = differences.get(metric)
            cell = "<td></td>"
            if difference is not None:
                sign = _sign(difference, fewer=metric == "rejections")
                cell = f'<td class="{sign}">{_interval(difference)}</td>'
            about = f"{EXPERIMENT_METRICS[metric]}; {arm.slates:,} slates, {arm.conversations:,} conversations"
            rows.append(
                f"<tr><th scope=row>{escape(arm.template)}: {metric}<small>{about}</small></th>"
                f"<td>{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]</td>{cell}</tr>"
            )
    head = f"<tr><th>Version</th><th>Figure, 95 %</th><th>Less {escape(report.arms[0].template)}</th></tr>"
    about = "Every version that ever served" if since is None else f"The experiment since {_when(since)}"
    shown = {arm.template for arm in report.arms}
    waiting = [share.reference for share in serving.shares if share.reference not in shown]
    missing = f" Nothing of {escape(' and '.join(waiting))} was shown yet." if waiting else ""
    about += f".{missing} A difference whose interval holds 0 may be chance."
    return (
        f'<div class="figures"><table><caption>{about}</caption>'
        f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def serving_html(serving: Serving, active: Sequence[SavedVersion], history: Sequence[Serving]) -> str:
    """What serves a role now, and the steps that led there."""
    weights = {share.reference: share.weight for share in serving.shares}
    now = ", ".join(
        f"<b>{escape(version.reference)}</b>{_weight(weights.get(version.reference, 1.0))}" for version in active
    )
    steps = []
    for step in reversed(history[-8:]):
        shares = " and ".join(share.reference + _weight(share.weight) for share in step.shares) or "the product's own"
        note = f" · {escape(step.note)}" if step.note else ""
        by = f"{escape(step.author)} · {_when(step.timestamp)}"
        steps.append(f"<li><b>{escape(step.action)}</b>: {escape(shares)} · {by}{note}</li>")
    earlier = f"<ul>{''.join(steps)}</ul>" if steps else ""
    return f'<div class="serving" role="status"><p>Serving now: {now}</p>{earlier}</div>'


def version_labels(versions: Sequence[SavedVersion], statuses: Mapping[str, Status]) -> list[tuple[str, str]]:
    """Choices of the version picker, the newest first: (label, reference)."""
    labels = []
    for version in reversed(versions):
        note = f" · {version.note[:60]}" if version.note and version.origin is None else ""
        parent = "" if version.parent is None else f" from @{version.parent}"
        label = f"{version.reference} · {statuses[version.reference]} · {version.author}{parent}{note}"
        labels.append((label, version.reference))
    return labels


def _weight(weight: float) -> str:
    return "" if weight == 1.0 else f" ({weight:.0%})"


def _when(timestamp: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(timestamp))


def _interval(figure: Interval) -> str:
    return f"{figure.mean:+.4f} [{figure.low:+.4f}, {figure.high:+.4f}]"


def _sign(figure: Interval, fewer: bool = False) -> str:
    """``fewer``: less of it is better."""
    if figure.low <= 0 <= figure.high:
        return "open"
    return "better" if (figure.low > 0) is not fewer else "worse"
