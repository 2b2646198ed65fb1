"""Cleaning: what is wrong with interactions, counted by rule with example rows, before anything learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agent.data.feedback import HIGHEST, LOWEST
from agent.data.interactions import COLUMNS

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

EXAMPLES = 3
"""Rows shown for each rule."""

_RATING_RULES = {
    "missing": "rows without a user, an item, a rating or a time",
    "out_of_range": "grades that are not 0.5 to 5",
    "unknown_items": "ratings of items that the catalogue does not have",
    "duplicates": "earlier ratings of an item that the same user rated again",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule: how many ``rows`` it left out, and the first few of them."""

    rule: str
    about: str
    rows: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """What was read, what was kept, and what each rule left out.

    ``rows`` and ``kept`` count ratings; every rating left out is counted under exactly one rule. ``findings`` has every
    rule, also those that found nothing.
    """

    source: str
    rows: int
    kept: int
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was left out."""
        return not any(finding.rows for finding in self.findings)

    def lines(self) -> list[str]:
        """For people: one line a rule that left something out, its examples below it."""
        lines = []
        for finding in self.findings:
            if finding.rows:
                lines.append(f"  left out: {finding.rows:,} {finding.about}")
                lines += [f"    {example}" for example in finding.examples]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def clean_ratings(dataset: Dataset) -> tuple[pd.DataFrame, CleaningReport]:
    """The ratings of a data set that can be learned from, with catalogue indices, and the report of the others.

    A data set from ``concierge data import`` has passed these rules already; one put together in Python may not have.
    Of several ratings of an item by one user the latest stands (the last row, where times are equal). The columns are
    those of :func:`agent.data.interactions.indexed_ratings`, rows in the given order.

    Raises:
        ValueError: a column is missing, or nothing is left.
    """
    frame = dataset.ratings
    lacking = [column for column in COLUMNS if column not in frame]
    if lacking:
        raise ValueError(
            f"the ratings of {dataset.name!r} have no column {lacking[0]!r}: they need {', '.join(COLUMNS)}"
        )
    frame = frame[list(COLUMNS)].reset_index(drop=True)
    index = pd.Series(np.arange(len(dataset.items)), index=dataset.items["item"].to_numpy())
    stars = pd.to_numeric(frame["rating"], errors="coerce")
    times = pd.to_numeric(frame["timestamp"], errors="coerce")
    place = frame["item"].map(index)
    blank = frame["user"].isna() | frame["item"].isna() | (frame["user"] == "") | (frame["item"] == "")
    if times.isna().all():
        times = times.fillna(0.0)  # no times at all: the order of the rows stands
    missing = (blank | ~np.isfinite(stars) | ~np.isfinite(times)).to_numpy()
    off = ~missing & ~stars.between(LOWEST, HIGHEST).to_numpy()
    unknown = ~missing & ~off & place.isna().to_numpy()
    kept = np.flatnonzero(~(missing | off | unknown))
    order = kept[np.argsort(times.to_numpy()[kept], kind="stable")]
    again = np.zeros(len(frame), dtype=bool)
    again[order[frame.iloc[order].duplicated(["user", "item"], keep="last").to_numpy()]] = True
    masks = {"missing": missing, "out_of_range": off, "unknown_items": unknown, "duplicates": again}
    findings = tuple(_finding(rule, about, frame, masks[rule]) for rule, about in _RATING_RULES.items())
    good = ~(missing | off | unknown | again)
    if not good.any():
        raise ValueError(
            f"no usable rating in {dataset.name!r}: {findings[0].about}: {int(missing.sum())} of {len(frame)}"
        )
    cleaned = pd.DataFrame(
        {
            "user": frame["user"][good].astype(str),
            "item": place[good].astype(np.int64),
            "rating": stars[good].astype(np.float64),
            "timestamp": times[good].astype(np.int64),
        }
    ).reset_index(drop=True)
    return cleaned, CleaningReport(dataset.name, len(frame), int(good.sum()), findings)


def _finding(rule: str, about: str, frame: pd.DataFrame, mask: np.ndarray) -> Finding:
    rows: Sequence[int] = np.flatnonzero(mask).tolist()
    examples = tuple(f"row {row}: {frame.iloc[[row]].astype(object).to_numpy().tolist()[0]}" for row in rows[:EXAMPLES])
    return Finding(rule, about, len(rows), examples)
