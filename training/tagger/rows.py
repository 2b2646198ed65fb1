"""Rows that a tagger learns from: texts with their labels, from a table or by the words of a domain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent.data.dataset import Dataset
from agent.domains.domain import NAMED, Facet
from agent.policy.enrichment import texts_of
from agent.policy.tagger import TaggerError


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """Texts and, for each, its labels; ``multi`` says that there may be several, or none.

    ``left_out`` counts what was not taken, by reason.
    """

    texts: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    multi: bool
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({name for own in self.labels for name in own}))

    def matrix(self, names: Sequence[str] | None = None) -> npt.NDArray[np.float32]:
        """1 where a text has a label, (len, labels)."""
        place = {name: column for column, name in enumerate(self.names if names is None else names)}
        found = np.zeros((len(self), len(place)), dtype=np.float32)
        for row, own in enumerate(self.labels):
            found[row, [place[name] for name in own]] = 1.0
        return found

    def take(self, rows: Iterable[int]) -> LabelledTexts:
        """Some of the rows, in the given order."""
        rows = [int(row) for row in rows]
        texts, labels = tuple(self.texts[row] for row in rows), tuple(self.labels[row] for row in rows)
        return LabelledTexts(texts, labels, self.multi, self.left_out)


def read_columns(path: Path, *columns: str) -> list[list[str]]:
    """Columns of a CSV, TSV, Parquet or JSON lines file as text, "" for an empty cell.

    Raises:
        TaggerError: the file cannot be read, or has no such column (the message lists those it has).
    """
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        elif path.suffix in (".jsonl", ".ndjson"):
            frame = pd.read_json(path, lines=True, dtype=False)
        else:
            separator = "\t" if path.suffix == ".tsv" else ","
            frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise TaggerError(f"{path} cannot be read: {error}; give a CSV, TSV, Parquet or JSON lines file") from error
    for column in columns:
        if column not in frame:
            raise TaggerError(f"{path} has no column {column!r}: it has {', '.join(map(str, frame.columns))}")
    return [["" if own is None or own != own else str(own) for own in frame[column]] for column in columns]


def labelled(
    texts: Sequence[str],
    labels: Sequence[str],
    multi: bool = False,
    separator: str = "|",
    fewest: int = 10,
) -> LabelledTexts:
    """Texts with the cells of a table as their labels.

    Empty texts, rows without a label (unless ``multi``), repeated texts and labels with less than ``fewest`` texts are
    left out. A text that stands there twice with different labels is left out altogether: nobody knows which is right.

    Raises:
        TaggerError: less than two labels are left.
    """
    cells: dict[str, tuple[str, ...]] = {}
    clashing: set[str] = set()
    left_out: Counter[str] = Counter()
    for text, cell in zip(texts, labels, strict=True):
        text = " ".join(text.split())
        own = tuple(dict.fromkeys(filter(None, map(str.strip, cell.split(separator) if multi else [cell]))))
        if not text:
            left_out["without text"] += 1
        elif not own and not multi:
            left_out["without label"] += 1
        elif text in cells:
            left_out["repeated"] += 1
            if cells[text] != own:
                clashing.add(text)
        else:
            cells[text] = own
    for text in clashing:
        left_out["repeated with another label"] += 1
        del cells[text]
    counts = Counter(name for own in cells.values() for name in own)
    rare = {name for name, count in counts.items() if count < fewest}
    if rare:
        left_out[f"labels with less than {fewest} texts"] = len(rare)
    kept = {text: tuple(name for name in own if name not in rare) for text, own in cells.items()}
    kept = {text: own for text, own in kept.items() if own or multi}
    return _checked(LabelledTexts(tuple(kept), tuple(kept.values()), multi, dict(left_out)))


def from_dataset(dataset: Dataset, text: str, facets: Sequence[str], fewest: int = 10) -> LabelledTexts:
    """Weak labels: what the items of a data set have of facets that people filled (tags, keywords), in small letters.

    Items of which nobody said anything are left out: nobody knows that they have none of the labels.

    Raises:
        TaggerError: the data set lacks the text or a facet, or less than two labels are left.
    """
    named = [name for name, own in dataset.facets.items() if own.kind in NAMED]
    for facet in facets:
        if facet not in named:
            raise TaggerError(f"{dataset.name!r} has no facet {facet!r} of names: it has {', '.join(named) or 'none'}")
    own = [dataset.names(facet) for facet in facets]
    cells = ["|".join({name.casefold(): 0 for names in each for name in names}) for each in zip(*own, strict=True)]
    known = [(text, cell) for text, cell in zip(texts_of(dataset, text), cells, strict=True) if text and cell]
    rows = labelled([text for text, _ in known], [cell for _, cell in known], multi=True, fewest=fewest)
    return LabelledTexts(rows.texts, rows.labels, True, {**rows.left_out, "unlabelled": len(cells) - len(known)})


def by_words(texts: Sequence[str], facet: Facet, fewest: int = 30) -> LabelledTexts:
    """Weak labels: a text has those values of a facet of whose ``words`` it has one; texts without any are left out.

    A network that learns from them finds the values in other words too.

    Raises:
        TaggerError: the facet lists no words, or less than two of its values occur.
    """
    expressions = {
        str(value): re.compile(rf"\b(?:{'|'.join(map(str, words))})\b")
        for value, words in facet.words.items()
        if not facet.numeric
    }
    if not expressions:
        raise TaggerError(f"the facet {facet.name!r} lists no words for its values: give rows with a --label")
    found = []
    for text in dict.fromkeys(texts):
        lower = text.lower()
        found.append((text, "|".join(value for value, words in expressions.items() if words.search(lower))))
    known = [(text, cell) for text, cell in found if cell]
    rows = labelled([text for text, _ in known], [cell for _, cell in known], multi=True, fewest=fewest)
    left_out = {**rows.left_out, "without any of the words": len(found) - len(known)}
    return LabelledTexts(rows.texts, rows.labels, True, left_out)


def split(rows: LabelledTexts, share: float, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row numbers to train on, and a share of each label's (first label's) rows that is held out."""
    generator = np.random.default_rng(seed)
    groups: dict[str, list[int]] = {}
    for row, own in enumerate(rows.labels):
        groups.setdefault(own[0] if own else "", []).append(row)
    held: list[int] = []
    for name in sorted(groups):
        shuffled = generator.permutation(groups[name])
        held += shuffled[: max(1, round(share * len(shuffled)))].tolist()
    inside = np.zeros(len(rows), dtype=bool)
    inside[held] = True
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def _checked(rows: LabelledTexts) -> LabelledTexts:
    if len(rows.names) < 2:
        found = ", ".join(rows.names) or "none"
        raise TaggerError(f"a tagger tells at least two labels apart, there are: {found}; look at --label and --multi")
    return rows
