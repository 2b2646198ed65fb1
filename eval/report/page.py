"""Page: the report as one HTML file that refers to nothing outside of itself, and as Markdown with pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.report.blocks import Block, Cell, Plot, Plots, Report, Table, Text, slug
from eval.report.charts import style

_FOLDER = Path(__file__).parent
_SIZES = ("users", "items", "ratings")


def html(report: Report, svgs: Mapping[int, str], javascript: str) -> str:
    """The page; ``svgs`` are the plots' pictures by the ``id`` of the plot, ``javascript`` is Vega's."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    specs: dict[str, Mapping[str, Any]] = {}
    taken: set[str] = set()
    sections = []
    for section in report.sections:
        anchor = _anchor(section.name, taken)
        parts = [
            {
                "title": part.title,
                "anchor": _anchor(f"{section.name}-{part.title}", taken) if part.title else "",
                "blocks": [_view(block, svgs, specs, taken) for block in part.blocks],
            }
            for part in section.parts
        ]
        sections.append({"title": section.title, "anchor": anchor, "lead": section.lead, "parts": parts})
    return environment.get_template("page.html.j2").render(
        title=report.title,
        manifest=report.manifest,
        sections=sections,
        manifest_tables=[_view(table, svgs, specs, taken) for table in manifest_tables(report.manifest)],
        charts={"specs": specs, "config": style()},
        css=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup((_FOLDER / "page.js").read_text(encoding="utf-8")),
        vega=Markup(javascript if specs else ""),
    )


def manifest_tables(manifest: Mapping[str, Any]) -> Iterator[Table]:
    """The run manifest as tables for people."""
    machine = manifest["machine"]
    facts = {
        "made": manifest["made"],
        "command": manifest["command"],
        "seed of what was worked out": manifest["seed"],
        "commit": manifest["commit"] or "not a checkout",
        "source code (hash)": manifest["code"],
        "Python": f"{machine['python']} on {machine['system']}",
    }
    yield Table("The run.", ("what", "value"), [[Cell(name), Cell(str(value))] for name, value in facts.items()])
    yield Table(
        "Where each document came from.",
        ("document", "source", "seed", "seconds", "made again by"),
        [
            [
                Cell(own["document"]),
                Cell(own["source"] + (f", SHA-256 {own['sha256'][:16]}…" if own["sha256"] else "")),
                Cell(str(manifest["seeds"].get(own["document"], "–"))),
                Cell("–" if own["seconds"] is None else f"{own['seconds']:,}", own["seconds"]),
                Cell(own["command"] or "–"),
            ]
            for own in manifest["documents"]
        ],
    )
    data = manifest["data"]
    if data:
        yield Table(
            "Data sets.",
            ("data", *_SIZES, "SHA-256 of ratings and items"),
            [
                [
                    Cell(name),
                    *(_size(own.get(key)) for key in ("users", "items", "ratings")),
                    Cell(own["sha256"] or "–"),
                ]
                for name, own in data.items()
            ],
        )
    yield Table(
        "Released adapters, and versions of the packages.",
        ("name", "version or SHA-256"),
        [[Cell(name), Cell(str(own))] for name, own in {**manifest["adapters"], **manifest["packages"]}.items()],
    )


def _size(value: int | None) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:,}", float(value))


def _anchor(text: str, taken: set[str]) -> str:
    base = slug(text) or "part"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _view(
    block: Block, svgs: Mapping[int, str], specs: dict[str, Mapping[str, Any]], taken: set[str]
) -> dict[str, Any]:
    """What the template needs of a block."""
    match block:
        case Text(text, tone):
            return {"kind": "text", "text": text, "tone": tone}
        case Table() as table:
            return {"kind": "table", "table": table, "numeric": _numeric(table), "anchor": _anchor("table", taken)}
        case Plot() as plot:
            anchor = _anchor(f"plot-{plot.name}", taken)
            specs[anchor] = {**plot.chart, "description": plot.about}
            picture = base64.b64encode(svgs[id(plot)].encode()).decode()
            return {"kind": "plot", "plot": plot, "anchor": anchor, "picture": picture}
        case Plots(plots):
            return {"kind": "plots", "plots": [_view(plot, svgs, specs, taken) for plot in plots]}


def _numeric(table: Table) -> list[bool]:
    """Which columns hold numbers, for their alignment."""
    return [any(row[k].value is not None for row in table.rows) for k in range(len(table.columns))]


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
