"""Enrichment: a tagger reads the texts of a data set's items, and what it finds becomes a facet, marked as predicted.

What a tagger has read is kept by text, so that only new or changed texts are read again, whatever else was imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyarrow import ArrowInvalid

from agent.data.assets import cache_dir
from agent.data.card import CardFacet, LeftOut
from agent.data.dataset import Dataset, load_dataset, predict_facet
from agent.data.text_quality import TextAudit, audit
from agent.policy.tagger import HEAD_FILE, WEIGHTS_FILE, Array, Tagger, TaggerCard, TaggerError, decided

TITLE = "title"
"""The text that is read where no facet of kind text is named."""


@dataclass(frozen=True, eq=False)
class Enriched:
    """What came of an enrichment: how many texts were ``read`` now and ``known`` before, and what they say.

    ``values`` counts the items of each value, ``unsure`` those of which the tagger would not say; ``audit`` says which
    texts were not scored.
    """

    dataset: Dataset
    read: int
    known: int
    values: Mapping[str, int]
    unsure: int
    audit: TextAudit


def enrich(
    name: str,
    facet: str,
    folder: Path,
    text: str = TITLE,
    today: float | None = None,
    report: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> Enriched:
    """Read the texts of a data set with the tagger in ``folder`` and keep what they say as ``facet``.

    Empty, repeated, undated, future-dated, foreign and machine-made texts are not scored; the card counts them.

    ``text``: the facet of kind text that is read, or ``title``; ``today``: the present day in days since 1970, if the
    items have dates.

    Raises:
        TaggerError: the tagger or the text cannot be used.
        DatasetError: the data set is not there, or gives the facet itself.
    """
    dataset = load_dataset(name)
    card = TaggerCard.read(folder)
    texts = texts_of(dataset, text)
    found = audit(texts, dates_of(dataset), today)
    rows = np.flatnonzero(found.good)
    probabilities, read = predictions(folder, card, [texts[row] for row in rows], report)
    labels = decided(probabilities, card)
    values: list[tuple[str, ...]] = [()] * len(texts)
    best = np.full(len(texts), np.nan)
    for place, row in enumerate(rows):
        values[row] = labels[place]
        best[row] = probabilities[place].max()
    left_out = [
        LeftOut(rule=f"{facet}: {reason}", about=f"{reason} texts not read for {facet}", rows=count,
                examples=found.examples[reason])
        for reason, count in found.counts.items()
    ]  # fmt: skip
    primary = (known := dataset.domain.facets.get(facet)) is not None and known.primary
    own = CardFacet(kind="category", column=text, primary=primary, predicted=card.version)
    changed = predict_facet(name, facet, own, values, best, left_out)
    counts = {label: sum(label in names for names in values) for label in card.labels}
    return Enriched(changed, read, len(rows) - read, counts, sum(not names for names in labels), found)


def texts_of(dataset: Dataset, text: str = TITLE) -> list[str]:
    """The texts of the items, in catalogue order.

    Raises:
        TaggerError: the data set has no such text.
    """
    if text == TITLE:
        return [str(title) for title in dataset.items["title"]]
    known = [name for name, facet in dataset.facets.items() if facet.kind == "text"]
    if text not in known:
        raise TaggerError(f"{dataset.name!r} has no text {text!r}: give --text {' or '.join([TITLE, *known])}")
    return dataset.texts(text)


def dates_of(dataset: Dataset) -> npt.NDArray[np.float64] | None:
    """The day of each item, in days since 1970, NaN where it is not known; None for items without dates."""
    name = next((name for name, facet in dataset.facets.items() if facet.kind == "date"), None)
    return None if name is None else dataset.numbers(name)


def predictions(
    folder: Path, card: TaggerCard, texts: Sequence[str], report: Callable[[str, int, int], None]
) -> tuple[Array, int]:
    """The probabilities of labels of texts, (N, labels), and how many texts had to be read for it."""
    path = cache_dir() / "tags" / f"{_fingerprint(folder)}.parquet"
    keys = [hashlib.sha256(text.encode()).hexdigest()[:24] for text in texts]
    try:
        known = pd.read_parquet(path)
    except (OSError, ArrowInvalid):
        known = pd.DataFrame(columns=list(card.labels), dtype=np.float64)
    fresh = dict(zip(keys, texts, strict=True))
    for key in known.index:
        fresh.pop(key, None)
    if fresh:
        tagger = Tagger.load(folder)
        order = list(fresh)
        read = tagger.probabilities([fresh[key] for key in order], lambda done, of: report("reading", done, of))
        more = pd.DataFrame(read, index=pd.Index(order), columns=list(card.labels))
        known = more if known.empty else pd.concat([known, more])
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{len(known)}.partial")
        known.to_parquet(partial)
        partial.replace(path)
    return known.reindex(keys).to_numpy(np.float64), len(fresh)


def _fingerprint(folder: Path) -> str:
    """Names a tagger by its weights and its temperature; its thresholds may change."""
    card = TaggerCard.read(folder)
    digest = hashlib.sha256(f"{card.base} {card.layers} {card.temperature} {card.labels}".encode())
    for name in (HEAD_FILE, WEIGHTS_FILE):
        path = folder / name
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:24]
