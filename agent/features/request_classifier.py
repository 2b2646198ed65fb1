"""Request classifier: which item answers a request, learned from requests whose answer is known.

Multinomial logistic regression on the sentence encoder's vectors, beside a vote of the nearest known requests: the part
that reads words best where there are examples of them (support questions and their articles). Whether anything answers
a request at all is told by its nearest known request (Sun, Ming, Zhu, Li 2022, "Out-of-distribution detection with deep
nearest neighbors").
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from agent.data.assets import cache_dir
from agent.data.atomic import building
from agent.retrieval.text_encoder import TextEncoder

STRENGTH = 20.0
"""Inverse penalty of the regression; chosen on a fifth of the questions of support-banking77's training part."""

NEIGHBOURS, SHARPNESS, VOTE = 20, 20.0, 0.5
"""How many of the nearest known requests vote, how fast a vote falls with the cosine, and the weight of the vote's
log-share beside the regression; chosen by cross-validation on the same questions (first answer right: .917 to .924)."""

UNHEARD = 1e-3
"""Share of the votes that every item has at least."""

HANDED_OVER = 0.04
"""Share of real requests that count as answered by nothing: so many known ones are farther from all others."""

FILE = "classifier.safetensors"


@dataclass(frozen=True)
class RequestClassifier:
    """``weight`` (n_items, width) and ``bias`` (n_items,) of each item's logit for a request's vector (width,).

    An item without a known request gets the lowest bias and no weight. ``known`` are the vectors that it was fitted on,
    (N, width) float16, ``answers`` (N,) int64 the items that answer them, and ``least`` (1,) the cosine to the nearest
    of them from which a request is one of their kind.
    """

    weight: np.ndarray
    bias: np.ndarray
    known: np.ndarray
    answers: np.ndarray
    least: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, answers: np.ndarray, n_items: int) -> RequestClassifier:
        """Fit on requests' unit vectors (N, width) and the catalogue indices that answer them (N,).

        Raises:
            ValueError: all requests have the same answer.
        """
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=STRENGTH, max_iter=300).fit(vectors, answers)
        items = model.classes_.astype(np.int64)
        coefficients, intercepts = model.coef_, model.intercept_
        if len(items) == 2:
            coefficients, intercepts = (
                np.stack([-coefficients[0], coefficients[0]]),
                np.array([-intercepts[0], intercepts[0]]),
            )
        weight = np.zeros((n_items, vectors.shape[1]), dtype=np.float32)
        bias = np.full(n_items, float(intercepts.min()) - 5.0, dtype=np.float32)
        weight[items], bias[items] = coefficients, intercepts
        least = np.array([nearness(vectors)], dtype=np.float32)
        return cls(weight, bias, vectors.astype(np.float16), np.asarray(answers, dtype=np.int64), least)

    @classmethod
    def cached(
        cls, requests: pd.DataFrame, items: Sequence[str], encoder: TextEncoder, name: str
    ) -> RequestClassifier | None:
        """Fitted once on rows of (text, item id) and kept; None where fewer than two items answer any of them.

        Args:
            requests: the requests; those of items that are not in the catalogue do not count.
            items: the catalogue's item ids.
            encoder: makes the vectors.
            name: of the encoder, for the cache.
        """
        place = {item: row for row, item in enumerate(items)}
        rows = [
            (str(text), place[str(item)])
            for text, item in zip(requests["text"], requests["item"], strict=True)
            if str(item) in place
        ]
        if len({answer for _, answer in rows}) < 2:
            return None
        content = hashlib.sha256(f"3|{name}|{STRENGTH}|{HANDED_OVER}".encode())
        for text, answer in rows:
            content.update(f"{text}\0{items[answer]}\n".encode())
        folder = cache_dir() / "requests" / content.hexdigest()[:16]
        with building(folder, lambda: (folder / FILE).is_file()) as temporary:
            if temporary is not None:
                vectors = encoder.encode([text for text, _ in rows])
                cls.fit(vectors, np.array([answer for _, answer in rows]), len(items)).save(temporary)
        return cls.load(folder)

    def log_chances(self, vector: np.ndarray) -> np.ndarray:
        """Log-probability that each item answers a request, (n_items,) float32, from its unit vector (width,)."""
        logits = self.weight @ vector + self.bias + VOTE * self._votes(vector)
        top = logits.max()
        return np.asarray(logits - top - np.log(np.exp(logits - top).sum()), dtype=np.float32)

    def _votes(self, vector: np.ndarray) -> np.ndarray:
        """Log-share of the votes of the nearest known requests for each item, (n_items,)."""
        cosines = self.known.astype(np.float32) @ vector
        nearest = np.argsort(-cosines, kind="stable")[:NEIGHBOURS]
        votes = np.bincount(
            self.answers[nearest], np.exp(SHARPNESS * (cosines[nearest] - 1.0)), minlength=len(self.bias)
        )
        return np.asarray(np.log(votes / votes.sum() + UNHEARD), dtype=np.float32)

    def fits(self, vector: np.ndarray) -> bool:
        """Whether a request (width,) is near enough to a known one for any item to answer it."""
        return bool((self.known.astype(np.float32) @ vector).max() >= self.least[0])

    def save(self, folder: Path) -> None:
        """Write the numbers into an existing folder."""
        save_file(vars(self), folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> RequestClassifier:
        """Read what :meth:`save` wrote."""
        return cls(**load_file(folder / FILE))


def nearness(vectors: np.ndarray) -> float:
    """The cosine that all but HANDED_OVER of unit vectors (N, width) have to the nearest other one."""
    nearest = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), 512):
        cosines = vectors[start : start + 512] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -1.0
        nearest[start : start + 512] = cosines.max(axis=1)
    return float(np.quantile(nearest, HANDED_OVER))
