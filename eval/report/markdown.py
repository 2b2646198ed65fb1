"""Markdown: the report as text for a repository or a mail; plots are pictures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from eval.report.blocks import Block, Plot, Plots, Report, Table, Text
from eval.report.page import manifest_tables


def markdown(report: Report, pictures: Mapping[int, str]) -> str:
    """The whole report; ``pictures`` are the paths of the plots' files by the ``id`` of the plot."""
    parts = [f"# {report.title}", f"Made {report.manifest['made']} by `{report.manifest['command']}`."]
    for section in report.sections:
        parts += [f"## {section.title}", _text(section.lead)]
        for part in section.parts:
            if part.title:
                parts.append(f"### {_text(part.title)}")
            for block in part.blocks:
                parts += _block(block, pictures)
    parts.append("## Run manifest")
    for table in manifest_tables(report.manifest):
        parts += _block(table, pictures)
    return "\n\n".join(parts) + "\n"


def _block(block: Block, pictures: Mapping[int, str]) -> Iterator[str]:
    match block:
        case Text(text):
            yield _text(text)
        case Plot() as plot:
            yield f"![{_text(plot.title)}]({pictures[id(plot)]})"
            yield f"*{_text(plot.title)}.* {_text(plot.about)}"
        case Plots(plots):
            for plot in plots:
                yield from _block(plot, pictures)
        case Table() as table:
            yield f"*{_text(table.caption)}*"
            lines = [_row(table.columns), "|" + "---|" * len(table.columns)]
            lines += [
                _row([f"**{cell.text}**" if cell.tone == "ours" else cell.text for cell in row]) for row in table.rows
            ]
            yield "\n".join(lines)
            yield from (_text(note) for note in table.notes)


def _row(cells: object) -> str:
    assert isinstance(cells, list | tuple)
    return "| " + " | ".join(_text(str(cell), bold=True) for cell in cells) + " |"


def _text(text: str, bold: bool = False) -> str:
    """Text in which nothing is markup, but for ``**`` where cells are made bold."""
    special = r"([\\`_\[\]<>|#]|(?<!\*)\*(?!\*))" if bold else r"([\\`*_\[\]<>|#])"
    return re.sub(special, r"\\\1", " ".join(text.split()))
