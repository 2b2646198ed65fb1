"""Item tokens: every catalogue item is one token of the LM's vocabulary, with a row made from what is known of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from agent.catalogue.columns import NamesColumn

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

ROW_NORM = 0.4
"""Norm of a fresh row. The LM's last hidden state has a norm of about 56, so rows with the norm of ordinary tokens
(3.2) would start with logits of +-8 and a loss of 15; this starts at logits of about +-1."""

YEAR_CENTRES = np.arange(1920, 2030, 5)
YEAR_WIDTH = 5.0
TEXT_WORDS = 60
"""Words of a text that go into a row."""
MOST_NAMES = 8
"""Names that go into a row where no category is primary."""
POPULARITY_CENTRES = np.linspace(0.0, 1.0, 5)
POPULARITY_WIDTH = 0.25


class ItemLike(Protocol):
    """What a row is made from."""

    @property
    def item_id(self) -> str:
        """Its id in the data."""
        ...

    @property
    def title(self) -> str:
        """Its title, without the year."""
        ...

    @property
    def year(self) -> int | None:
        """The year it came out."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """Its categories."""
        ...


def item_token(item_id: str) -> str:
    """The token of an item: ``<item_318>``."""
    return f"<item_{item_id}>"


def item_keys(items: Sequence[ItemLike]) -> list[str]:
    """A digest of title and year an item, by which a trained row is found again in another catalogue (16 hex digits).

    The second of two items with the same title and year gets "#2" behind it, and so on.
    """
    keys: list[str] = []
    counts: Counter[str] = Counter()
    for item in items:
        digest = hashlib.sha256(f"{item.title.casefold()}|{item.year}".encode()).hexdigest()[:16]
        counts[digest] += 1
        keys.append(digest if counts[digest] == 1 else f"{digest}#{counts[digest]}")
    return keys


def _bumps(values: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    """Gaussian bumps of ``values`` (n,) at ``centres`` (c,): (n, c); a missing value (NaN) gives zeros."""
    bumps = np.exp(-0.5 * ((values[:, None] - centres[None, :]) / width) ** 2)
    return np.asarray(np.nan_to_num(bumps, nan=0.0))


def _year_bumps(years: np.ndarray) -> np.ndarray:
    """Bumps over the years (n,): the usual centres, or as many over the catalogue's own span where that is another."""
    known = years[np.isfinite(years)]
    if not len(known) or (
        np.quantile(known, 0.02) >= YEAR_CENTRES[0] - YEAR_WIDTH and known.max() <= YEAR_CENTRES[-1] + 10
    ):
        return _bumps(years, YEAR_CENTRES, YEAR_WIDTH)
    low, high = float(known.min()), float(known.max())
    width = max((high - low) / (len(YEAR_CENTRES) - 1), 1.0)
    return _bumps(years, low + width * np.arange(len(YEAR_CENTRES)), width)


def _unit(block: np.ndarray) -> np.ndarray:
    """Rows centred over the catalogue and scaled to a mean norm of 1; an empty block stays zero."""
    centred = block - block.mean(axis=0, keepdims=True)
    norm = np.linalg.norm(centred, axis=1).mean()
    return np.asarray(centred / norm if norm > 0 else centred)


@dataclass(frozen=True)
class ItemFeatures:
    """What rows are made from, in a basis that every catalogue shares.

    ``values`` is (n_items, width) float32: the LM's own embeddings of the words of titles and texts, of category words,
    of the words of the items that the same people choose, then bumps over the year and the popularity quantile, and the
    mean grade.
    """

    values: np.ndarray
    text_width: int

    @property
    def width(self) -> int:
        """Number of features per item."""
        return int(self.values.shape[1])

    @classmethod
    def of(cls, catalogue: Catalogue, tokenizer: Any, embedding: np.ndarray, neighbours: csr_matrix) -> ItemFeatures:
        """Features of a catalogue, its texts included; categories of every kind where none is primary."""
        rows = zip(*catalogue.texts.values(), strict=True)
        texts = [" ".join(" ".join(own.split()[:TEXT_WORDS]) for own in row) for row in rows]
        categories = None
        if catalogue.primary is None:
            columns = [catalogue.column(name) for name in catalogue.facets]
            names = [own.facet.name for own in columns if isinstance(own, NamesColumn)]
            categories = []
            for item in catalogue.items:
                values = [item.attributes.get(name, ()) for name in names]
                found = [value for own in values if isinstance(own, tuple) for value in own]
                categories.append(tuple(found[:MOST_NAMES]))
        counts, means = catalogue.rating_count, catalogue.mean_rating
        return cls.build(catalogue.items, tokenizer, embedding, neighbours, counts, means, texts or None, categories)

    @classmethod
    def build(
        cls,
        items: Sequence[ItemLike],
        tokenizer: Any,
        embedding: np.ndarray,
        neighbours: csr_matrix,
        rating_count: np.ndarray,
        mean_rating: np.ndarray,
        texts: Sequence[str] | None = None,
        categories: Sequence[Sequence[str]] | None = None,
    ) -> ItemFeatures:
        """Features of items.

        Args:
            items: the catalogue, n_items long.
            tokenizer: the LM's tokenizer.
            embedding: the LM's input embedding (vocabulary, hidden) as float32.
            neighbours: (n_items, n_items) row-normalised item-item co-occurrence.
            rating_count: (n_items,) number of ratings.
            mean_rating: (n_items,) mean grades; NaN where there is none.
            texts: what else is written of each item (None: nothing).
            categories: names of each item (None: its own categories).
        """
        cache: dict[str, np.ndarray] = {}

        def words(text: str) -> np.ndarray:
            if text not in cache:
                ids = tokenizer(" " + text, add_special_tokens=False)["input_ids"]
                cache[text] = embedding[ids].mean(axis=0) if ids else np.zeros(embedding.shape[1], np.float32)
            return cache[text]

        nothing = np.zeros(embedding.shape[1], np.float32)
        titles = np.stack([words(item.title) for item in items])
        kinds = np.stack(
            [
                np.mean([words(name.lower()) for name in own], axis=0) if own else nothing
                for own in (categories or [item.categories for item in items])
            ]
        )
        titles, kinds = _unit(titles), _unit(kinds)
        if texts is not None and any(texts):
            titles = _unit(titles + _unit(np.stack([words(text) if text else nothing for text in texts])))
        company = _unit(np.asarray(neighbours @ (titles + kinds), dtype=np.float32))
        years = np.array([np.nan if item.year is None else item.year for item in items], dtype=np.float64)
        order = np.argsort(np.argsort(rating_count, kind="stable"), kind="stable")
        quantile = order / max(len(items) - 1, 1)
        stars = np.nan_to_num((mean_rating - 3.5) / 0.75, nan=0.0)
        values = np.concatenate(
            [
                titles,
                kinds,
                company,
                _year_bumps(years),
                _bumps(quantile, POPULARITY_CENTRES, POPULARITY_WIDTH),
                stars[:, None],
            ],
            axis=1,
        )
        return cls(values.astype(np.float32), embedding.shape[1])


class RowMaker(nn.Module):
    """Item rows from item features: ``rows = start + features @ change + own``.

    ``start`` is the items' words at a norm that suits the output layer, ``change`` (width, hidden) is learned and
    serves items that nobody trained on, ``own`` (n_items, hidden) is what training adds to a single item.
    """

    features: Tensor

    def __init__(self, features: ItemFeatures) -> None:
        super().__init__()
        hidden = features.text_width
        self.hidden = hidden
        self.register_buffer("features", torch.from_numpy(features.values), persistent=False)
        self.change = nn.Parameter(torch.zeros(features.width, hidden))
        self.own = nn.Parameter(torch.zeros(len(features.values), hidden))

    def forward(self, items: Tensor | None = None) -> Tensor:
        """All rows, or those of ``items`` (catalogue indices), (items, hidden) float32."""
        width = self.hidden
        features = self.features if items is None else self.features[items]
        words = features[:, : 3 * width].reshape(-1, 3, width).sum(dim=1)
        own = self.own if items is None else self.own[items]
        return ROW_NORM / 3**0.5 * words + features @ self.change + own


def add_item_tokens(model: Any, tokenizer: Any, item_ids: Sequence[str], rows: Tensor) -> np.ndarray:
    """Append one token an item to the vocabulary and write its row; the model stays what it was to transformers.

    Returns:
        (n_items,) int64 token ids, in the order of ``item_ids``.

    Raises:
        ValueError: an item token is already a token of this tokenizer.
    """
    tokens = [item_token(item_id) for item_id in item_ids]
    before = len(tokenizer)
    added = tokenizer.add_tokens(tokens)
    if added != len(tokens):
        raise ValueError(f"{len(tokens) - added} item tokens are already in the vocabulary: load a fresh tokenizer")
    model.resize_token_embeddings(before + added, mean_resizing=False)
    weight = model.get_input_embeddings().weight
    output = model.get_output_embeddings()  # None in a classifier
    with torch.no_grad():
        weight[before : before + added] = rows.to(weight.dtype)
        if output is not None and output.weight is not weight:
            output.weight[before : before + added] = rows.to(output.weight.dtype)
    return np.arange(before, before + added, dtype=np.int64)
