"""Boosted trees for a yes or no: LightGBM's, kept as its text and scored by its own predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class BoostedTrees:
    """Gradient-boosted trees (Friedman, 2001; Ke et al., 2017, LightGBM), as the ``text`` that LightGBM writes."""

    text: str

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        yes: np.ndarray,
        seed: int = 0,
        trees: int = 150,
        rate: float = 0.05,
        leaves: int = 16,
        least: int = 50,
        penalty: float = 5.0,
    ) -> BoostedTrees:
        """Fit on ``features`` (rows, F) without NaN and ``yes`` (rows,) of booleans, with ``least`` rows in each leaf.

        The same rows and seed give the same trees, on any number of cores.

        Raises:
            ValueError: all rows have the same answer.
        """
        if yes.all() or not yes.any():
            raise ValueError(f"all {len(yes)} rows have the same answer: trees need some of both")
        import lightgbm
        import torch

        settings = {
            "objective": "binary",
            "learning_rate": rate,
            "num_leaves": leaves,
            "min_data_in_leaf": least,
            "lambda_l2": penalty,
            "seed": seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": torch.get_num_threads(),
            "verbose": -1,
        }
        booster = lightgbm.train(settings, lightgbm.Dataset(features, yes.astype(np.float32)), trees)
        return cls(booster.model_to_string())

    @cached_property
    def _booster(self) -> Any:
        import lightgbm
        import torch  # noqa: F401  (see fit)

        return lightgbm.Booster(model_str=self.text)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Log-odds of yes for ``features`` (rows, F); (rows,) float32.

        Raises:
            ValueError: the number of features is another than at the fit.
        """
        width = self._booster.num_feature()
        if features.ndim != 2 or features.shape[1] != width:
            raise ValueError(f"features of shape {features.shape}: give (rows, {width})")
        if not len(features):
            return np.zeros(0, dtype=np.float32)
        return np.asarray(self._booster.predict(features, raw_score=True, num_threads=1), dtype=np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """The text as bytes, for storing."""
        return {"text": np.frombuffer(self.text.encode(), dtype=np.uint8)}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> BoostedTrees:
        """The inverse of :meth:`arrays`."""
        return cls(arrays["text"].tobytes().decode())
