"""Semantic similarity: how well each item fits a wish that no data field decides ("feel-good", "a heist").

A wish is read by a sentence encoder (:mod:`agent.retrieval.text_encoder`) in three ways: as categories, where the
domain has a small regression that was fitted on its training phrases and on a hand-written book of moods
(:mod:`training.requests.semantic_reader`); as tags of the catalogue, by the nearness of their words, where an item also
has part of the tags of items that the same people chose; and as a text that is compared with the items' own. What a
catalogue does not have (tags) is left out.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy import sparse

from agent.catalogue.columns import NamesColumn
from agent.data.assets import MINILM, fitted_folder
from agent.data.atomic import building
from agent.domains.domain import Domain
from agent.features.request_classifier import RequestClassifier, nearness
from agent.retrieval.text_encoder import TextEncoder, encoder_path

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue, Item

READER_FILE = "semantic_reader.safetensors"
"""The fitted reader of a domain, beside its ``domain.yaml``."""

TAG_NEAR = 0.45
"""Cosine from which a tag's words are near a wish."""

MOOD_NEAR, MOOD_SURE = 0.5, 0.8
"""Cosine to a mood from which it counts, and from which it alone does."""

TAG_SHARE = 0.3
"""Part of a neighbour's tags that an item has itself."""

MOST_WORDS = 16
"""Categories and tags that are read of an item, at most."""

MOST_TAGS = 5_000
"""Names that wishes are compared with, the most frequent ones, where there are no tags."""

FEW_TAGS = 5.0
"""A tag counts by one over the square root of how many an item has and these."""

MOST = 5.0
"""The most that one wish says for or against an item, in standard deviations."""

PARTS = (1.0, 0.6, 0.2)
"""Weights of categories, tags and the items' texts in a score."""


@dataclass(frozen=True)
class CategoryReader:
    """Turns a wish's sentence vector into a weight from about -1 to 1 for each category.

    Attributes:
        categories: their names, C; a catalogue's other categories are compared by their names.
        weight: (width, C) float32 of the regression.
        bias: (C,) float32.
        mood_vectors: (M, width) float16, the book of moods.
        mood_weights: (M, C) float16, the categories that the moods stand for.
    """

    categories: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    mood_vectors: np.ndarray
    mood_weights: np.ndarray

    @classmethod
    def load(cls, domain: Domain) -> CategoryReader | None:
        """The reader that ships with a domain; None where it has none."""
        path = domain.folder / READER_FILE
        if not path.is_file():
            return None
        with safe_open(path, "np") as stored:
            names = tuple(json.loads(stored.metadata()["categories"]))
        return cls(names, **load_file(path))

    def save(self, folder: Path) -> Path:
        """Write it; in a domain's folder, :meth:`load` finds it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / READER_FILE
        arrays = {
            "weight": self.weight,
            "bias": self.bias,
            "mood_vectors": self.mood_vectors,
            "mood_weights": self.mood_weights,
        }
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(contiguous, path, {"categories": json.dumps(self.categories)})
        return path

    def read(self, vector: np.ndarray) -> np.ndarray:
        """(C,) by the regression, and the more by the book of moods the nearer the wish (width,) is to it."""
        weights = np.clip(vector @ self.weight + self.bias, -1.0, 1.0)
        near = self.mood_vectors.astype(np.float32) @ vector
        told = np.clip(near - MOOD_NEAR, 0.0, None) ** 2
        if not told.any():
            return np.asarray(weights)
        moods = told @ self.mood_weights.astype(np.float32) / told.sum()
        trust = min(1.0, (float(near.max()) - MOOD_NEAR) / (MOOD_SURE - MOOD_NEAR))
        return np.asarray((1.0 - trust) * weights + trust * moods)


class SemanticSimilarity:
    """Scores of a catalogue's items for wishes in words.

    Attributes:
        items: (n_items, width) float32, unit vectors of the items' texts (:func:`item_texts`).
    """

    def __init__(
        self,
        encoder: TextEncoder,
        catalogue: Catalogue,
        reader: CategoryReader | None,
        items: np.ndarray,
        tags: np.ndarray,
        neighbours: sparse.csr_matrix | None = None,
    ) -> None:
        """Put together; :meth:`load` makes the parts.

        Args:
            encoder: reads wishes.
            catalogue: n_items items, whose categories and tags count.
            reader: of the categories of the domain; None where it has none.
            items: unit vectors of the items' texts, (n_items, width).
            tags: unit vectors of the catalogue's tags in their order, (n_tags, width).
            neighbours: (n_items, n_items), rows sum to one: who is watched by the same people.
        """
        self.items = items
        self._encoder = encoder
        self._reader = reader
        self._tags = tags
        self._flags = _category_columns(catalogue, reader.categories if reader is not None else ())
        self._tagged = _tag_matrix(catalogue, neighbours)
        self._known = lru_cache(maxsize=512)(self._score)
        self._vector = lru_cache(maxsize=512)(lambda wish: self._encoder.encode([wish])[0])
        self._answers: RequestClassifier | None = None

    @classmethod
    def load(cls, catalogue: Catalogue, neighbours: sparse.csr_matrix | None = None) -> SemanticSimilarity | None:
        """The similarity for a catalogue; their vectors are worked out once and kept in the user's cache.

        None where the sentence encoder has not been fetched (`concierge data fetch`).
        """
        path = encoder_path()
        if path is None:
            return None
        encoder = TextEncoder.load(path)
        texts = {
            "items": item_texts(catalogue),
            "tags": list(worded(catalogue)),
        }
        content = hashlib.sha256(path.name.encode())
        for own in texts.values():
            content.update("\n".join([*own, "\0"]).encode())
        folder = fitted_folder("semantic", f"{catalogue.name}-{content.hexdigest()[:16]}")
        with building(folder) as temporary:
            if temporary is not None:
                vectors = {name: encoder.encode(own).astype(np.float16) for name, own in texts.items()}
                save_file(vectors, temporary / "vectors.safetensors")
        stored = {name: own.astype(np.float32) for name, own in load_file(folder / "vectors.safetensors").items()}
        return cls(
            encoder, catalogue, CategoryReader.load(catalogue.domain), stored["items"], stored["tags"], neighbours
        )

    @property
    def knows_answers(self) -> bool:
        """Whether it has learned from requests whose answer is known (:meth:`with_answers`)."""
        return self._answers is not None

    def with_answers(self, requests: pd.DataFrame, items: Sequence[str]) -> SemanticSimilarity:
        """The same with what requests of known answers teach: their log-probabilities are then the scores.

        ``requests`` has text and item (id), ``items`` are the catalogue's ids.
        """
        other = copy.copy(self)
        other._answers = RequestClassifier.cached(requests, items, self._encoder, MINILM)
        other._known = lru_cache(maxsize=512)(other._score)
        return other

    def answerable(self, request: str) -> bool:
        """Whether a request is of the kind that the items answer: near to one of a known answer, else to an item."""
        vector = self._vector(request)
        if self._answers is not None:
            return self._answers.fits(vector)
        return bool((self.items @ vector).max() >= self._nearness)

    @cached_property
    def _nearness(self) -> float:
        return nearness(self.items)

    def scores(self, wishes: Sequence[str]) -> np.ndarray:
        """How well each item fits the wishes together, (n_items,) float32; zeros where there is none.

        About standard normal for one wish, so that one weight serves every wish and catalogue (log-probabilities where
        answers are known). A wish that begins with "not" or "no" counts against.
        """
        said = [wish.strip() for wish in wishes if wish.strip()]
        total = np.zeros(len(self.items), dtype=np.float32)
        for wish in said:
            own = self._known(wish)
            total += own if self._answers is not None else np.clip(own, -MOST, MOST)
        return np.asarray(total / np.sqrt(max(len(said), 1)), dtype=np.float32)

    def likeness(self, wish: str) -> np.ndarray:
        """How well each item fits one wish, (n_items,) float32, without a bound: a tag of that meaning stands out."""
        return self._known(wish)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of any texts, (len(texts), width) float32."""
        return self._encoder.encode(texts)

    def categories(self, wish: str) -> dict[str, float]:
        """What the reader takes a wish for: a weight from about -1 to 1 for each category that it knows."""
        if self._reader is None:
            return {}
        weights = self._reader.read(self._vector(wish))
        return dict(zip(self._reader.categories, weights.tolist(), strict=True))

    def _score(self, wish: str) -> np.ndarray:
        lowered = wish.casefold()
        for refusal in ("not ", "no ", "nothing ", "without ", "less "):
            if lowered.startswith(refusal):
                return -0.7 * self._known(wish[len(refusal) :].strip() or wish[:1])
        vector = self._vector(wish)
        if self._answers is not None:
            return self._answers.log_chances(vector)
        near = np.clip(self._tags @ vector - TAG_NEAR, 0.0, None) ** 2
        kinds = np.zeros(len(self.items)) if self._reader is None else self._flags @ self._reader.read(vector)
        parts = [_standard(own) for own in (kinds, self._tagged @ near, self.items @ vector)]
        total = np.zeros(len(self.items))
        for weight, part in zip(PARTS, parts, strict=True):
            total += weight * part
        return _standard(total).astype(np.float32)


def item_texts(catalogue: Catalogue) -> list[str]:
    """What is read of each item: its title, year, categories and tags ("Emma (1815), classic, village")."""
    words = [[item.name, *(name.lower() for name in _names(catalogue, item))] for item in catalogue.items]
    for tag, items in worded(catalogue).items():
        for index in items:
            if tag.lower() not in words[index] and len(words[index]) < MOST_WORDS:
                words[index].append(tag)
    texts = [", ".join(own) for own in words]
    for column in catalogue.texts.values():
        texts = [f"{text}. {written}" if written else text for text, written in zip(texts, column, strict=True)]
    return texts


def _names(catalogue: Catalogue, item: Item) -> tuple[str, ...]:
    """An item's categories; where none is primary, the values of all its facets that hold names."""
    if catalogue.primary is not None:
        return item.categories
    values = [value for value in item.attributes.values() if isinstance(value, tuple)]
    return tuple(name for own in values for name in own)[:MOST_WORDS]


def _category_columns(catalogue: Catalogue, names: Sequence[str]) -> np.ndarray:
    """(n_items, len(names)) which categories each item has, centred."""
    place = {name: column for column, name in enumerate(catalogue.category_names)}
    flags = np.zeros((len(catalogue), len(names)))
    for column, name in enumerate(names):
        if name in place:
            flags[:, column] = catalogue.category_matrix[:, place[name]]
    return np.asarray(flags - flags.mean(axis=0))


def worded(catalogue: Catalogue) -> Mapping[str, frozenset[int]]:
    """The names that wishes are compared with, and the items that have each.

    Tags where there are some; else, where the reader does not know the categories, all names of all facets.
    """
    tags = catalogue.items_by("tag")
    reader = CategoryReader.load(catalogue.domain)
    if tags or (reader is not None and set(catalogue.category_names) & set(reader.categories)):
        return tags
    columns = [catalogue.column(name) for name in catalogue.facets]
    counted = [
        (len(items), value, items)
        for own in columns
        if isinstance(own, NamesColumn)
        for value, items in own.items.items()
    ]
    return {value: items for _, value, items in sorted(counted, key=lambda own: -own[0])[:MOST_TAGS]}


def _tag_matrix(catalogue: Catalogue, neighbours: sparse.csr_matrix | None) -> sparse.csr_matrix:
    """(n_items, n_tags) how much an item has of a tag: its own, and part of its neighbours'; rare tags tell more."""
    rows, columns = [], []
    tags = worded(catalogue)
    for column, items in enumerate(tags.values()):
        rows += list(items)
        columns += [column] * len(items)
    shape = (len(catalogue), len(tags))
    own = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape, dtype=np.float64)
    # Of two hundred tags, some come near to any wish.
    own = sparse.diags(1.0 / np.sqrt(own.sum(axis=1).A1 + FEW_TAGS)) @ own
    if neighbours is not None and len(rows):
        own = sparse.csr_matrix(own + TAG_SHARE * (neighbours @ own))
    return own


def _standard(values: np.ndarray) -> np.ndarray:
    """Mean 0, spread 1; zeros where all are alike."""
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread > 1e-9 else np.zeros_like(values))
