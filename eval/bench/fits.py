"""Fits: the features of a data set beside LensKit's implicit ALS on the same events and cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import psutil

from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings
from eval.bench.rows import Row

LARGEST = 4_096.0
"""Megabytes that a fit may hold."""


def bench_fit(name: str) -> Iterator[Row]:
    """Fit both in processes of their own.

    Raises:
        ImportError: the extra ``baselines`` is not installed.
    """
    seconds, held = _apart(_features, name)
    reference, _ = _apart(_factorization, name)
    yield Row(f"fit of the features on {name}, against LensKit's implicit ALS", seconds, reference, 10)
    yield Row("its peak of memory, against what it may hold", held, LARGEST, 1, "MB")


def _apart(work: Callable[[str], tuple[float, float]], name: str) -> tuple[float, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, name).result()


def _features(name: str) -> tuple[float, float]:
    """Seconds and the most megabytes that the process held."""
    from agent.features.model import EvidenceModel
    from agent.features.user_features import ItemInfo

    dataset = load_dataset(name)
    rows, info = indexed_ratings(dataset), ItemInfo.of(dataset)
    start = time.perf_counter()
    EvidenceModel.fit(rows, info)
    return time.perf_counter() - start, _peak()


def _factorization(name: str) -> tuple[float, float]:
    from eval.ranking.lenskit_baselines import BASELINES, FittedBaseline

    rows = indexed_ratings(load_dataset(name))
    baseline = next(own for own in BASELINES if own.name == "implicit ALS")
    start = time.perf_counter()
    FittedBaseline(baseline, baseline.models[-1], rows)
    return time.perf_counter() - start, _peak()


def _peak() -> float:
    """The most megabytes that this process has held; what it holds now where the system does not keep the most."""
    held = psutil.Process().memory_info()
    if hasattr(held, "peak_wset"):
        return float(held.peak_wset) / 1e6
    try:
        import resource
    except ImportError:
        return float(held.rss) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
