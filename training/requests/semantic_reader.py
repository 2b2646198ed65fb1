"""Semantic reader: fits what turns a wish in words into genres, from the training phrases and the book of moods.

The wish is a sentence vector; the reader is a ridge regression on it, one signed weight a genre. Training phrases give
their own genre 1, the other genres 0; moods ("feel-good") have weights of their own in ``phrasebook/moods.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file
from sklearn.linear_model import Ridge

from agent.policy.semantic import GENRES, READER_FILE
from agent.retrieval.text_encoder import TextEncoder
from training.requests.phrases import PhraseBank
from training.requests.writer import Style, write_request

MOODS = Path(__file__).parent / "phrasebook" / "moods.yaml"

_SAYINGS = ("{}", "something {}", "a film with {}", "I want {}", "I'm in the mood for something {}")
_STYLES: tuple[Style, ...] = ("soft", "mixed")


@dataclass(frozen=True, slots=True)
class MeaningSettings:
    """How the reader is fitted: ``requests`` written wishes, ``penalty`` of the ridge, weight of a mood's row."""

    requests: int = 4000
    penalty: float = 10.0
    moods: float = 3.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Film:
    title: str
    year: int | None
    categories: tuple[str, ...]


def fit_reader(encoder: TextEncoder, settings: MeaningSettings | None = None) -> dict[str, np.ndarray]:
    """``weight`` (width, genres) and ``bias`` (genres,) float32, and the moods.

    ``mood_vectors`` (moods, width) and ``mood_genres`` (moods, genres), float16, are the book of moods itself, so that
    a wish in its very words is read as it says. Only the training phrases are read, never the held-out ones.
    """
    settings = settings or MeaningSettings()
    texts, targets, weights = _rows(settings)
    vectors = encoder.encode(texts)
    ridge = Ridge(alpha=settings.penalty).fit(vectors, targets, sample_weight=weights)
    reader = {"weight": ridge.coef_.T.astype(np.float32), "bias": ridge.intercept_.astype(np.float32)}
    return reader | mood_book(encoder)


def mood_book(encoder: TextEncoder) -> dict[str, np.ndarray]:
    """The moods' vectors and the genres that they stand for; see :func:`fit_reader`."""
    sayings = [(saying, wanted) for texts, wanted in _moods() for saying in texts]
    genres = np.array([[wanted.get(genre, 0.0) for genre in GENRES] for _, wanted in sayings])
    vectors = encoder.encode([saying for saying, _ in sayings])
    return {"mood_vectors": vectors.astype(np.float16), "mood_genres": genres.astype(np.float16)}


def _moods() -> list[tuple[list[str], dict[str, float]]]:
    book: list[Any] = yaml.safe_load(MOODS.read_text(encoding="utf-8"))
    return [(sayings, wanted) for sayings, wanted in book]


def save_reader(reader: dict[str, np.ndarray], folder: Path) -> Path:
    """Write a reader where :class:`agent.policy.semantic.SemanticSimilarity` finds it; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / READER_FILE
    save_file({name: np.ascontiguousarray(array) for name, array in reader.items()}, path)
    return path


def _rows(settings: MeaningSettings) -> tuple[list[str], np.ndarray, np.ndarray]:
    place = {genre: column for column, genre in enumerate(GENRES)}
    texts: list[str] = []
    targets: list[np.ndarray] = []
    weights: list[float] = []

    def add(text: str, wanted: dict[str, float], weight: float) -> None:
        row = np.zeros(len(GENRES))
        for genre, value in wanted.items():
            row[place[genre]] = value
        texts.append(text)
        targets.append(row)
        weights.append(weight)

    bank = PhraseBank.load("train")
    for genre in GENRES:
        for _, text in bank.soft.get(genre, ()):
            add(text, {genre: 1.0}, 1.0)
        if genre in bank.plain:
            for text in (*bank.plain[genre].mod, *bank.plain[genre].noun):
                add(text, {genre: 1.0}, 1.0)
    for sayings, wanted in _moods():
        for saying in sayings:
            for frame in _SAYINGS:
                add(frame.format(saying), wanted, settings.moods / len(_SAYINGS))
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.requests):
        own = rng.choice(GENRES, size=int(rng.integers(1, 4)), replace=False).tolist()
        year = int(rng.integers(1930, 2020))
        request = write_request(_Film("", year, tuple(own)), rng, bank, _STYLES[int(rng.integers(2))], like=False)
        wanted = {genre: 1.0 for genre in request.genres} | {genre: -1.0 for genre in request.without}
        add(request.text, wanted, 1.0)
    return texts, np.stack(targets), np.array(weights)
