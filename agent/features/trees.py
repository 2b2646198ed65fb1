"""Boosted trees as plain arrays: stored without pickle, evaluated without the library that fitted them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

MOST_LEAVES = 16
"""Leaves of one tree: each is one bit of a 16-bit mask."""

_CHUNK = 4_000_000
_LOWEST_BIT = np.array([0, *(((k & -k).bit_length() - 1) for k in range(1, 1 << MOST_LEAVES))], dtype=np.uint8)


@dataclass(frozen=True)
class BoostedTrees:
    """Gradient-boosted trees for a yes or no (Friedman, 2001), read out by leaf masks.

    Every split that a row fails (value above the threshold) rules out the leaves on its left; the first leaf left over
    after all splits is the row's (QuickScorer: Lucchese et al., 2015). For feature f, ``masks[f][i]`` (one mask per
    tree) holds the leaves that remain when ``i`` of the ascending ``thresholds[f]`` are below the row's value.
    ``values`` is (trees, 16).
    """

    base: float
    values: np.ndarray
    thresholds: tuple[np.ndarray, ...]
    masks: tuple[np.ndarray, ...]

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        yes: np.ndarray,
        seed: int = 0,
        trees: int = 150,
        rate: float = 0.05,
        leaves: int = MOST_LEAVES,
        least: int = 50,
        penalty: float = 5.0,
    ) -> BoostedTrees:
        """Fit on ``features`` (rows, F) without NaN and ``yes`` (rows,) of booleans, with ``least`` rows in each leaf.

        Raises:
            ValueError: more leaves than MOST_LEAVES are asked for, or all rows have the same answer.
        """
        if not 2 <= leaves <= MOST_LEAVES:
            raise ValueError(f"{leaves} leaves a tree: give 2 to {MOST_LEAVES}")
        if yes.all() or not yes.any():
            raise ValueError(f"all {len(yes)} rows have the same answer: trees need some of both")
        model = HistGradientBoostingClassifier(
            learning_rate=rate,
            max_iter=trees,
            max_leaf_nodes=leaves,
            min_samples_leaf=least,
            l2_regularization=penalty,
            early_stopping=False,
            random_state=seed,
        )
        model.fit(features, yes)
        return cls._read(model, features.shape[1])

    @classmethod
    def _read(cls, model: HistGradientBoostingClassifier, n_features: int) -> BoostedTrees:
        # scikit-learn has no public way to read these trees; a test compares every prediction with its own.
        nodes_of = [predictors[0].nodes for predictors in model._predictors]
        values = np.zeros((len(nodes_of), MOST_LEAVES), dtype=np.float32)
        splits: list[list[tuple[float, int, int]]] = [[] for _ in range(n_features)]
        full = (1 << MOST_LEAVES) - 1
        for tree, nodes in enumerate(nodes_of):
            leaves = 0

            def walk(node: int, tree: int = tree, nodes: np.ndarray = nodes) -> int:
                """Number the leaves from left to right; returns the mask of those below the node."""
                nonlocal leaves
                if nodes["is_leaf"][node]:
                    values[tree, leaves] = nodes["value"][node]
                    leaves += 1
                    return 1 << (leaves - 1)
                left = walk(int(nodes["left"][node]), tree, nodes)
                right = walk(int(nodes["right"][node]), tree, nodes)
                splits[nodes["feature_idx"][node]].append((float(nodes["num_threshold"][node]), tree, full & ~left))
                return left | right

            walk(0)
        thresholds, masks = [], []
        for own in splits:
            levels = np.unique(np.array([threshold for threshold, _, _ in own], dtype=np.float64))
            table = np.full((len(levels) + 1, len(nodes_of)), full, dtype=np.uint16)
            for threshold, tree, mask in own:
                table[int(np.searchsorted(levels, threshold)) + 1, tree] &= np.uint16(mask)
            thresholds.append(levels)
            masks.append(np.bitwise_and.accumulate(table, axis=0))
        base = float(np.asarray(model._baseline_prediction).ravel()[0])
        return cls(base, values, tuple(thresholds), tuple(masks))

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Log-odds of yes for ``features`` (rows, F); (rows,) float32.

        Raises:
            ValueError: the number of features is another than at the fit.
        """
        if features.ndim != 2 or features.shape[1] != len(self.thresholds):
            raise ValueError(f"features of shape {features.shape}: give (rows, {len(self.thresholds)})")
        out = np.empty(len(features), dtype=np.float32)
        trees = np.arange(len(self.values)) * MOST_LEAVES
        flat = self.values.ravel()
        step = max(1, _CHUNK // len(self.values))
        for start in range(0, len(features), step):
            rows = features[start : start + step]
            left = np.full((len(rows), len(self.values)), (1 << MOST_LEAVES) - 1, dtype=np.uint16)
            for place, (levels, table) in enumerate(zip(self.thresholds, self.masks, strict=True)):
                if len(levels):
                    left &= table[np.searchsorted(levels, rows[:, place].astype(np.float64), side="left")]
            out[start : start + step] = self.base + flat[_LOWEST_BIT[left] + trees].sum(axis=1)
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, for storing."""
        named = {"base": np.array([self.base]), "values": self.values}
        for place, (levels, table) in enumerate(zip(self.thresholds, self.masks, strict=True)):
            named |= {f"thresholds.{place}": levels, f"masks.{place}": table}
        return named

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> BoostedTrees:
        """The inverse of :meth:`arrays`."""
        count = sum(name.startswith("masks.") for name in arrays)
        return cls(
            float(arrays["base"][0]),
            arrays["values"],
            tuple(arrays[f"thresholds.{place}"] for place in range(count)),
            tuple(arrays[f"masks.{place}"] for place in range(count)),
        )
