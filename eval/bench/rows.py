"""Rows: what is measured, beside its reference, and the machine that it was measured on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import psutil
import torch


@dataclass(frozen=True, slots=True)
class Row:
    """One ratio.

    ``ours`` and ``reference`` are in ``unit``; their quotient is to be at most ``bound``. With ``at_least`` it is to be
    at least that, and is turned round where less is better (seconds), so that it says how many times better ours is.
    """

    work: str
    ours: float
    reference: float
    bound: float
    unit: Literal["s", "MB", "per s"] = "s"
    at_least: bool = False

    @property
    def ratio(self) -> float:
        """Ours in units of the reference; turned round where ours is to be several times as fast."""
        return self.reference / self.ours if self.at_least and self.unit == "s" else self.ours / self.reference

    def to_json(self) -> dict[str, Any]:
        """Plain data in the documented form."""
        return {
            "work": self.work,
            "unit": self.unit,
            "ours": round(self.ours, 4),
            "reference": round(self.reference, 4),
            "ratio": round(self.ratio, 3),
            "target": f"{'>=' if self.at_least else '<='} {self.bound:g}",
            "met": self.ratio >= self.bound if self.at_least else self.ratio <= self.bound,
        }


def median_seconds(work: Callable[[], Any], times: int) -> float:
    """Median of so many calls, in seconds, after one that is not counted."""
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def machine() -> dict[str, Any]:
    """What the figures were measured on; ``load`` is that of the last minute before."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(psutil.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
