"""Semantic reader: fits what turns a wish in words into categories, from the training phrases and the book of moods.

The wish is a sentence vector; the reader is a ridge regression on it, one signed weight a category. Training phrases
give their own category 1, the others 0; moods ("feel-good") have weights of their own in ``moods.yaml`` of the domain's
phrasebook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from sklearn.linear_model import Ridge

from agent.catalogue.catalogue import Item
from agent.domains.domain import Domain, DomainError
from agent.policy.semantic import CategoryReader
from agent.retrieval.text_encoder import TextEncoder
from training.requests.phrases import PhraseBank, phrasebook_folder
from training.requests.writer import Style, write_request

MOODS = "moods.yaml"
_SAYINGS = (
    "{text}",
    "something {text}",
    "a {noun} with {text}",
    "I want {text}",
    "I'm in the mood for something {text}",
)
_STYLES: tuple[Style, ...] = ("soft", "mixed")


@dataclass(frozen=True, slots=True)
class SemanticSettings:
    """How the reader is fitted: ``requests`` written wishes, ``penalty`` of the ridge, weight of a mood's row."""

    requests: int = 4000
    penalty: float = 10.0
    moods: float = 3.0
    seed: int = 0


def fit_reader(encoder: TextEncoder, domain: Domain, settings: SemanticSettings | None = None) -> CategoryReader:
    """A reader of the categories that the domain's phrasebook knows; the moods are kept in it, too.

    Only the training phrases are read, never the held-out ones.

    Raises:
        DomainError: the domain's phrasebook has no sentences, or no moods.
    """
    settings = settings or SemanticSettings()
    bank, moods = _phrases(domain)
    categories = tuple(bank.plain)
    texts, targets, weights = _rows(bank, moods, domain.nouns.one, settings)
    ridge = Ridge(alpha=settings.penalty).fit(encoder.encode(texts), targets, sample_weight=weights)
    sayings = [(saying, wanted) for texts, wanted in moods for saying in texts]
    return CategoryReader(
        categories,
        ridge.coef_.T.astype(np.float32),
        ridge.intercept_.astype(np.float32),
        encoder.encode([saying for saying, _ in sayings]).astype(np.float16),
        np.array([[wanted.get(name, 0.0) for name in categories] for _, wanted in sayings]).astype(np.float16),
    )


def _phrases(domain: Domain) -> tuple[PhraseBank, list[tuple[list[str], dict[str, float]]]]:
    bank, folder = PhraseBank.load("train", domain), phrasebook_folder(domain)
    if bank is None or folder is None or not (folder / MOODS).is_file():
        raise DomainError(f"domain {domain.name!r} has no phrasebook with sentences and {MOODS}: write them first")
    book: list[Any] = yaml.safe_load((folder / MOODS).read_text(encoding="utf-8"))
    return bank, [(sayings, wanted) for sayings, wanted in book]


def _rows(
    bank: PhraseBank, moods: list[tuple[list[str], dict[str, float]]], noun: str, settings: SemanticSettings
) -> tuple[list[str], np.ndarray, np.ndarray]:
    place = {category: column for column, category in enumerate(bank.plain)}
    texts: list[str] = []
    targets: list[np.ndarray] = []
    weights: list[float] = []

    def add(text: str, wanted: dict[str, float], weight: float) -> None:
        row = np.zeros(len(place))
        for category, value in wanted.items():
            row[place[category]] = value
        texts.append(text)
        targets.append(row)
        weights.append(weight)

    for category, plain in bank.plain.items():
        for _, text in bank.soft.get(category, ()):
            add(text, {category: 1.0}, 1.0)
        for text in (*plain.mod, *plain.noun):
            add(text, {category: 1.0}, 1.0)
    for sayings, wanted in moods:
        for saying in sayings:
            for frame in _SAYINGS:
                add(frame.format(text=saying, noun=noun), wanted, settings.moods / len(_SAYINGS))
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.requests):
        own = rng.choice(tuple(place), size=int(rng.integers(1, 4)), replace=False).tolist()
        year = int(rng.integers(1930, 2020))
        item = Item(0, "", "", year, tuple(own))
        request = write_request(item, rng, bank, _STYLES[int(rng.integers(2))], like=False)
        wanted = {category: 1.0 for category in request.categories} | {category: -1.0 for category in request.without}
        add(request.text, wanted, 1.0)
    return texts, np.stack(targets), np.array(weights)
