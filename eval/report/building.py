"""Building: from documents to a report, and from a report to its files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.data.atomic import write_whole
from eval.report.blocks import Part, Plot, Plots, Report, Section, Source, Text
from eval.report.charts import javascript, svg
from eval.report.documents import ReportError, checked
from eval.report.manifest import manifest
from eval.report.page import html, markdown
from eval.report.sections import SECTION_OF, SECTIONS, parts_of
from eval.report.sources import ReportRun, gather
from training.progress import Progress, silent


def build(
    run: ReportRun, sections: Sequence[str] = (), files: Sequence[Source] = (), command: str = "concierge eval report"
) -> Report:
    """The report: documents from files stand for themselves, those of the named sections are worked out.

    ``sections``: their names; without any, and without files, all; ``files``: documents that verbs printed; a section
    that has one is not worked out.

    Raises:
        ReportError: an unknown section, or a document with a field missing or wrong.
        ValueError: what the evaluations of named sections raise; of others it stands in the report.
    """
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise ReportError(f"unknown section {unknown[0]!r}: use one of {', '.join(SECTIONS)}")
    given: dict[str, list[Source]] = {}
    for source in files:
        checked(source.kind, source.value, source.how)
        given.setdefault(SECTION_OF.get(source.kind, source.kind), []).append(source)
    wanted = {*sections, *given} or set(SECTIONS)
    made: list[Section] = []
    reasons: list[str]
    sources: list[Source] = []
    for name in (own for own in SECTIONS if own in wanted):
        if name in given:
            found, reasons = given[name], []
        else:
            found, reasons = gather(name, run, named=name in sections)
        sources += found
        title, _, lead = SECTIONS[name]
        parts = [part for source in found for part in parts_of(source)]
        parts += [Part("", [Text(reason, "quiet") for reason in reasons])] if reasons else []
        made.append(Section(name, title, lead, parts))
    return Report("Evaluation of Concierge", made, sources, manifest(command, run.seed, sources))


def write(report: Report, output: Path, progress: Progress = silent) -> list[Path]:
    """Write the page, Markdown and JSON, and the plots beside the Markdown.

    ``output``: a folder, in which the files are called ``report``; or a file that ends in ``.html``.

    Returns the page, the Markdown and the JSON.

    Raises:
        ReportError: the output is a file of another kind, or cannot be written.
    """
    if output.is_file() and output.suffix != ".html":
        raise ReportError(f"{output} is a file: give a folder, or a file that ends in .html")
    page = output if output.suffix == ".html" else output / "report.html"
    plots = page.parent / f"{page.stem}_plots"
    every = list(_plots(report))
    svgs: dict[int, str] = {}
    paths: dict[int, str] = {}
    for number, (plot, small) in enumerate(every):
        progress("drawing", number, len(every))
        svgs[id(plot)] = svg(plot.chart, small)
        paths[id(plot)] = f"{plots.name}/{number + 1:02d}-{plot.name[:60].strip('-')}.svg"
    progress("drawing", len(every), len(every))
    texts = {
        page: html(report, svgs, javascript()),
        page.with_suffix(".md"): markdown(report, paths),
        page.with_suffix(".json"): json.dumps(as_json(report), ensure_ascii=False, indent=1, allow_nan=False) + "\n",
    }
    try:
        plots.mkdir(parents=True, exist_ok=True)
        for old in plots.glob("*.svg"):
            old.unlink()
        for plot, _ in every:
            (page.parent / paths[id(plot)]).write_text(svgs[id(plot)], encoding="utf-8")
        for path, text in texts.items():
            write_whole(path, text)
    except OSError as error:
        raise ReportError(f"{output} cannot be written: {error}") from error
    return list(texts)


def as_json(report: Report) -> dict[str, Any]:
    """The manifest, and each section's documents as the verbs print them, with null for what is not defined."""
    documents: dict[str, list[Any]] = {}
    for source in report.sources:
        documents.setdefault(SECTION_OF.get(source.kind, source.kind), []).append(_finite(source.value))
    return {"title": report.title, "manifest": _finite(report.manifest), "sections": documents}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(own) for own in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plots(report: Report) -> Iterator[tuple[Plot, bool]]:
    """Every plot, and whether it is one of several beside each other."""
    for section in report.sections:
        for part in section.parts:
            for block in part.blocks:
                if isinstance(block, Plot):
                    yield block, False
                elif isinstance(block, Plots):
                    yield from ((plot, True) for plot in block.plots)
