"""Plackett-Luce: what the probabilities of coming first say about every later place.

A slate is drawn place by place, each time among what is left, in proportion to the probabilities of coming first.
"""

from __future__ import annotations

import numpy as np

_STEP = 0.3
_ROWS_AT_ONCE = 4


def conditionals(first: np.ndarray, slate: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Probability of each item of the slates given those above it, (N, K).

    ``first``: (N, C) probabilities of coming first; ``slate``: (N, K) places in the C candidates, -1 where a slate is
    shorter (gives 1); ``outside``: (N,) the mass on items outside the candidates; ``first`` and it sum to 1.
    """
    rows = np.arange(len(first))[:, None]
    chosen = np.where(slate >= 0, first[rows, slate], 0.0)
    unchosen = first.copy()
    for place in range(slate.shape[1]):
        shown = slate[:, place] >= 0
        unchosen[shown, slate[shown, place]] = 0.0
    # Summed from the last place up: what is left after nearly all of the mass is taken does not cancel.
    rest = (unchosen.sum(axis=1) + outside)[:, None] + np.cumsum(chosen[:, ::-1], axis=1)[:, ::-1]
    return np.where(slate >= 0, np.divide(chosen, rest, out=np.zeros_like(chosen), where=rest > 0), 1.0)


def place_probabilities(first: np.ndarray, k: int) -> np.ndarray:
    """Probability of each candidate at each of ``k`` places, (N, k, C), whatever stands above it.

    The draw is a race of exponential clocks whose rates are the probabilities of coming first (Yellott, 1977), so
    ``P(item i at place j) = integral of rate_i exp(-rate_i t) P(j - 1 of the others rang before t) dt``, which the
    trapezoidal rule over log t gives to about 1e-9. Where fewer than ``j`` candidates can come, place j sums to 0.

    ``first``: (N, C) probabilities of coming first; zeros never come.
    """
    if k == 1:
        return first[:, None, :].copy()
    different, inverse = np.unique(first, axis=0, return_inverse=True)
    result = np.empty((len(different), k, first.shape[1]))
    for start in range(0, len(different), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        result[part] = _race(different[part], k)
    return result[inverse.reshape(-1)]


def _race(rates: np.ndarray, k: int) -> np.ndarray:
    n, count = rates.shape
    positive = np.where(rates > 0, rates, np.inf)
    kept = min(k, count)
    # The place k is filled soon after the k-th fastest clock is due.
    slowest = np.sort(np.where(np.isfinite(positive), positive, 0.0), axis=1)[:, -kept:]
    slowest = np.min(slowest, axis=1, where=slowest > 0, initial=1.0)
    grid = np.arange(-24.0, np.log(50.0 / slowest.min()) + _STEP, _STEP)
    exposure = rates[:, :, None] * np.exp(grid)  # (n, C, T)
    late = np.exp(-exposure)
    early = -np.expm1(-exposure)
    # before[i, :, j]: chance that j of the clocks before i have rung; the same after i, then both joined.
    before = np.zeros((count + 1, k, n, len(grid)))
    after = np.zeros((count + 1, k, n, len(grid)))
    before[0, 0] = after[count, 0] = 1.0
    for i in range(count):
        _add(before[i], before[i + 1], early[:, i], late[:, i])
        _add(after[count - i], after[count - i - 1], early[:, count - 1 - i], late[:, count - 1 - i])
    density = np.moveaxis(exposure * late, 1, 0)  # rate exp(-rate t) t, because the grid is in log t
    places = np.empty((n, k, count))
    for place in range(k):
        others = sum(before[:-1, j] * after[1:, place - j] for j in range(place + 1))
        places[:, place] = (density * others).sum(axis=-1).T * _STEP
    return places


def _add(counts: np.ndarray, result: np.ndarray, early: np.ndarray, late: np.ndarray) -> None:
    """One more clock: ``result[j] = counts[j] late + counts[j - 1] early``."""
    result[:] = counts * late
    result[1:] += counts[:-1] * early
