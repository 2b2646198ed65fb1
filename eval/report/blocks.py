"""Blocks: what a report is made of, before it is written as HTML or Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from eval.metrics import Interval

Tone = Literal["", "better", "worse", "ours", "quiet"]

NAMES: Mapping[str, str] = {
    "ndcg": "NDCG",
    "hr": "HR",
    "mrr": "MRR",
    "map": "MAP",
    "f1": "F1",
    "auc": "AUC",
    "auc_within_user": "AUC within users",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "mean_rating": "stars",
    "rating_rmse": "RMSE of stars",
    "click_agreement": "agreement with clicks (tau)",
    "rating_agreement": "agreement with stars (tau)",
}


def label(name: str) -> str:
    """A metric's name for people: ``ndcg@10`` is NDCG@10, ``click_rate`` is click rate."""
    stem, at, cutoff = name.partition("@")
    return NAMES.get(stem, stem.replace("_", " ")) + at + cutoff


def slug(text: str) -> str:
    """An anchor for a heading: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: its text, and the number behind it for sorting and for machines."""

    text: str
    value: float | None = None
    tone: Tone = ""


def figure(value: Interval | None, places: int = 4) -> Cell:
    """A mean with its interval."""
    if value is None:
        return Cell("–")
    spread = f"[{value.low:.{places}f}, {value.high:.{places}f}]"
    return Cell(f"{value.mean:.{places}f} {spread}", value.mean)


def difference(value: Interval | None, places: int = 4, lower: bool = False) -> Cell:
    """A difference with its interval; it stands out where the interval does not hold 0. ``lower``: less is better."""
    if value is None:
        return Cell("–")
    spread = f"[{value.low:+.{places}f}, {value.high:+.{places}f}]"
    above, below = ("worse", "better") if lower else ("better", "worse")
    tone = above if value.low > 0 else below if value.high < 0 else ""
    return Cell(f"{value.mean:+.{places}f} {spread}", value.mean, cast(Tone, tone))


def number(value: float | None, places: int = 4) -> Cell:
    """A number without an interval."""
    return Cell("–") if value is None else Cell(f"{value:,.{places}f}", value)


def count(value: int) -> Cell:
    """How many."""
    return Cell(f"{value:,}", float(value))


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns and rows of cells; the first column names the row. ``caption`` says n, part, seed and intervals."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A Vega-Lite chart; ``about`` says in words what it shows, for who cannot see it."""

    title: str
    about: str
    chart: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For anchors and files."""
        return slug(self.title)


@dataclass(frozen=True, slots=True)
class Plots:
    """Small charts beside each other."""

    plots: tuple[Plot, ...]


Block: TypeAlias = Text | Table | Plot | Plots


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section under a heading of its own (without one where ``title`` is empty)."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Section:
    """A section: what it answers in a sentence, and its parts."""

    name: str
    title: str
    lead: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Source:
    """A document with where it came from: ``command`` makes it again; ``how`` is in words."""

    kind: str
    value: Mapping[str, Any]
    how: str
    command: str = ""
    seconds: float | None = None
    sha256: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data, without the document."""
        return {
            "document": self.kind,
            "source": self.how,
            "command": self.command,
            "seconds": self.seconds,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report; ``documents`` are what its figures come from."""

    title: str
    sections: Sequence[Section]
    sources: Sequence[Source]
    manifest: Mapping[str, Any] = field(default_factory=dict)
