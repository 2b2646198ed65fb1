"""Item tokens: every catalogue item is one token of the LM's vocabulary, with a row made from what is known of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

ROW_NORM = 0.4
"""Norm of a fresh row. The LM's last hidden state has a norm of about 56, so rows with the norm of ordinary tokens
(3.2) would start with logits of +-8 and a loss of 15; this starts at logits of about +-1."""

YEAR_CENTRES = np.arange(1920, 2030, 5)
YEAR_WIDTH = 5.0
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
        """Its genres."""
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


def _unit(block: np.ndarray) -> np.ndarray:
    """Rows centred over the catalogue and scaled to a mean norm of 1; an empty block stays zero."""
    centred = block - block.mean(axis=0, keepdims=True)
    norm = np.linalg.norm(centred, axis=1).mean()
    return np.asarray(centred / norm if norm > 0 else centred)


@dataclass(frozen=True)
class ItemFeatures:
    """What rows are made from, in a basis that every catalogue shares.

    ``values`` is (n_items, width) float32: the LM's own embeddings of title words, of genre words, of the words of the
    items that the same people choose, then bumps over the year and the popularity quantile, and the mean rating.
    """

    values: np.ndarray
    text_width: int

    @property
    def width(self) -> int:
        """Number of features per item."""
        return int(self.values.shape[1])

    @classmethod
    def build(
        cls,
        items: Sequence[ItemLike],
        tokenizer: Any,
        embedding: np.ndarray,
        neighbours: csr_matrix,
        rating_count: np.ndarray,
        mean_rating: np.ndarray,
    ) -> ItemFeatures:
        """Features of a catalogue.

        Args:
            items: the catalogue, n_items long.
            tokenizer: the LM's tokenizer.
            embedding: the LM's input embedding (vocabulary, hidden) as float32.
            neighbours: (n_items, n_items) row-normalised item-item co-occurrence.
            rating_count: (n_items,) number of ratings.
            mean_rating: (n_items,) mean stars; NaN where nobody rated.
        """
        cache: dict[str, np.ndarray] = {}

        def words(text: str) -> np.ndarray:
            if text not in cache:
                ids = tokenizer(" " + text, add_special_tokens=False)["input_ids"]
                cache[text] = embedding[ids].mean(axis=0) if ids else np.zeros(embedding.shape[1], np.float32)
            return cache[text]

        nothing = np.zeros(embedding.shape[1], np.float32)
        titles = np.stack([words(item.title) for item in items])
        genres = np.stack(
            [
                np.mean([words(g.lower()) for g in item.categories], axis=0) if item.categories else nothing
                for item in items
            ]
        )
        titles, genres = _unit(titles), _unit(genres)
        company = _unit(np.asarray(neighbours @ (titles + genres), dtype=np.float32))
        years = np.array([np.nan if item.year is None else item.year for item in items], dtype=np.float64)
        order = np.argsort(np.argsort(rating_count, kind="stable"), kind="stable")
        quantile = order / max(len(items) - 1, 1)
        stars = np.nan_to_num((mean_rating - 3.5) / 0.75, nan=0.0)
        values = np.concatenate(
            [
                titles,
                genres,
                company,
                _bumps(years, YEAR_CENTRES, YEAR_WIDTH),
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

    def forward(self) -> Tensor:
        """All rows, (n_items, hidden) float32."""
        width = self.hidden
        words = self.features[:, : 3 * width].reshape(-1, 3, width).sum(dim=1)
        return ROW_NORM / 3**0.5 * words + self.features @ self.change + self.own


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
