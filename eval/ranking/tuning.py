"""Peer tuning: the settings of a library's recommender that do best on validation cases; never on the test's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eval.ranking import lenskit_baselines as library_peers
from eval.ranking.cache import RankingCache, digest, digest_files
from eval.ranking.cases import Cases
from eval.ranking.lenskit_baselines import FittedPeer, Peer
from eval.ranking.list_metrics import accuracy, first_choice
from eval.ranking.lists import rank_all
from training.progress import Progress

MOST_USERS = 300
"""So many validation users, drawn by a hash, judge the trials."""


@dataclass(frozen=True)
class Tuning:
    """What trials are judged on: models are fitted on ``past`` and rank ``cases``; the highest ``metric`` wins."""

    past: pd.DataFrame
    cases: Cases
    metric: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The settings that won, and in words how."""

    settings: dict[str, Any]
    recent: int | None
    value: float
    about: str


def tune(peer: Peer, tuning: Tuning, cache: RankingCache, report: Progress, seed: int = 0) -> Chosen:
    """Try all of a peer's settings, or recall what was found before on the same ratings with the same code."""
    cases = tuning.cases.of_some_users(MOST_USERS, seed)
    rows = pd.util.hash_pandas_object(tuning.past[["user", "item", "rating"]], index=False).to_numpy().tobytes()
    key = "tuned-" + digest(
        peer.name,
        [dict(settings) for settings in peer.models],
        peer.recent,
        tuning.metric,
        hashlib.sha256(rows).hexdigest(),
        [cases.protocol, cases.about, sorted(set(cases.users))],
        library_peers.library_version(),
        digest_files([Path(library_peers.__file__), Path(__file__)]),
        seed,
    )
    found = cache.note(key)
    if found is None:
        found = _try_all(peer, tuning, cases, report, seed)
        cache.keep_note(key, found)
    about = (
        f"{peer.name} (LensKit {library_peers.library_version()}): {_words(found)}, the best of {peer.trials} trials "
        f"by {tuning.metric} ({found['value']:.4f}) on {len(set(cases.users))} validation users"
    )
    return Chosen(found["settings"], found["recent"], found["value"], about)


def _try_all(peer: Peer, tuning: Tuning, cases: Cases, report: Progress, seed: int) -> dict[str, Any]:
    best: dict[str, Any] = {}
    for number, settings in enumerate(peer.models):
        report(f"tuning {peer.name}", number, len(peer.models))
        fitted = FittedPeer(peer, settings, tuning.past, seed)
        lists = rank_all(cases, {str(recent): fitted.scorer(recent) for recent in peer.recent})
        for recent in peer.recent:
            own = lists[str(recent)]
            figures = accuracy(own, len(cases)) | (first_choice(own, len(cases)) if cases.ratings is not None else {})
            value = float(np.nanmean(figures[tuning.metric]))
            if not best or value > best["value"]:
                best = {"settings": dict(settings), "recent": recent, "value": value}
    report(f"tuning {peer.name}", len(peer.models), len(peer.models))
    return best


def _words(found: dict[str, Any]) -> str:
    parts = [f"{name.replace('_', ' ')} {value:g}" for name, value in found["settings"].items()]
    if found["recent"] is not None:
        parts.append(f"the last {found['recent']} events")
    return ", ".join(parts)
