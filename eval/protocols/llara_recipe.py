"""The policy without an LM as the LLaRA protocol allows: fitted on the training users, weighed on choices like its own.

Every training user's sequence gives choices: what came next, against items drawn blindly. The evidence of a choice is
by a fit that has not seen its user, and softmax regression over the candidates finds the weights. The last place of a
sequence is what the protocol asks about; it is unlike the others (what is left is obscurer), so it weighs more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from agent.data.assets import cache_dir
from agent.data.atomic import write_whole
from agent.data.interactions import user_folds
from agent.features.user_features import ItemInfo
from agent.policy.distribution import Policy
from agent.records.state import Event
from eval.protocols.llara_features import NAMES, ChoiceConfig, ChoiceEvidence, evidence_key
from eval.protocols.llara_rows import LENGTH, ChoiceRow
from training.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class LlaraPlan:
    """How it is fitted.

    ``per_user`` choices are taken of each training user, the last place always; it counts ``last`` times as much as
    another. ``negatives`` items are drawn for each choice; more than the protocol's nineteen, which makes the softmax
    finer without another optimum. ``decay`` is the penalty on the squared weights of standardised features.
    """

    evidence: ChoiceConfig = field(default_factory=ChoiceConfig)
    folds: int = 3
    per_user: int = 8
    negatives: int = 200
    last: float = 20.0
    decay: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Choice:
    """A place of a training user's sequence: up to ten items before it, and what stood there."""

    row: ChoiceRow
    last: bool


@dataclass(frozen=True)
class LlaraRanker:
    """The evidence and its ``weights`` (features,)."""

    evidence: ChoiceEvidence
    weights: np.ndarray

    @property
    def policy(self) -> Policy:
        """The policy without an LM, for the goal ``next``."""
        return Policy(self.evidence, {"next": self.weights}, version="llara-evidence")


def choices(histories: Mapping[str, tuple[Event, ...]], per_user: int, seed: int = 0) -> list[Choice]:
    """Places of each sequence, drawn by the seed, with ten items before them where the sequence is long enough."""
    rng = np.random.default_rng(seed)
    found = []
    for user, events in histories.items():
        if len(events) < 2:
            continue
        end = len(events) - 1
        others = rng.permutation(np.arange(LENGTH, end))[: per_user - 1]
        for place in (*sorted(others.tolist()), end):
            row = ChoiceRow(user, events[max(0, place - LENGTH) : place], events[place].item)
            found.append(Choice(row, place == end))
    return found


def fold_evidence(
    train: Mapping[str, tuple[Event, ...]], info: ItemInfo, plan: LlaraPlan, report: Progress
) -> Iterator[tuple[ChoiceEvidence, tuple[str, ...]]]:
    """One fit, kept, per group of training users, without that group: (evidence, users that it has not seen).

    Raises:
        ValueError: there are fewer users than folds.
    """
    # A fold makes do with one retriever: the mean of several is a little better than each, not of another kind.
    one = replace(plan.evidence, retrievers=1)
    for fold, unseen in enumerate(user_folds(list(train), plan.folds, plan.seed)):
        names = set(unseen)
        seen = {user: events for user, events in train.items() if user not in names}
        yield ChoiceEvidence.cached(seen, info, one, plan.seed, partial(report, f"fold {fold + 1}")), unseen


def fit_llara(
    train: Mapping[str, tuple[Event, ...]],
    info: ItemInfo,
    plan: LlaraPlan | None = None,
    report: Progress = silent,
) -> LlaraRanker:
    """Fit on the training users' sequences; no other user is read. All is kept in the user's cache.

    Raises:
        ValueError: there are fewer users than folds.
    """
    plan = plan or LlaraPlan()
    key = evidence_key(train, info, plan.evidence, plan.seed, asdict(plan))
    path = cache_dir() / "protocols" / f"llara-weights-{key}.json"
    if not path.is_file():
        write_whole(path, json.dumps(_weighed(train, info, plan, report)) + "\n")
    kept = json.loads(path.read_text(encoding="utf-8"))
    centre, scale = (np.array([kept[name][own] for own in NAMES]) for name in ("centre", "scale"))
    final = ChoiceEvidence.cached(train, info, plan.evidence, plan.seed, partial(report, "all users"))
    weights = np.array([kept["weights"][own] for own in NAMES], dtype=np.float32)
    return LlaraRanker(final.standardised(centre, scale), weights)


def _weighed(
    train: Mapping[str, tuple[Event, ...]], info: ItemInfo, plan: LlaraPlan, report: Progress
) -> dict[str, dict[str, float]]:
    """The weights of the features, and what these are standardised by, by name."""
    rng = np.random.default_rng(plan.seed)
    taken = choices(train, plan.per_user, plan.seed)
    features, counts = [], []
    for evidence, unseen in fold_evidence(train, info, plan, report):
        names = set(unseen)
        own = [choice for choice in taken if choice.row.user in names]
        for start in range(0, len(own), 64):
            part = own[start : start + 64]
            every = evidence.features([choice.row.history for choice in part])
            for row, choice in enumerate(part):
                features.append(every[row, drawn_candidates(choice.row, len(info.years), plan.negatives, rng)])
                counts.append(plan.last if choice.last else 1.0)
            report("weighing", len(features), len(taken))
    stacked = np.stack(features)
    centre = stacked.reshape(-1, len(NAMES)).mean(axis=0, dtype=np.float64)
    scale = np.maximum(stacked.reshape(-1, len(NAMES)).std(axis=0, dtype=np.float64), 1e-6)
    weights = choice_weights((stacked - centre) / scale, np.array(counts), plan.decay)
    vectors = {"centre": centre, "scale": scale, "weights": weights}
    return {name: dict(zip(NAMES, map(float, vector), strict=True)) for name, vector in vectors.items()}


def drawn_candidates(row: ChoiceRow, n_items: int, negatives: int, rng: np.random.Generator) -> np.ndarray:
    """The target and ``negatives`` items outside the history, drawn without replacement; (negatives + 1,)."""
    others = np.setdiff1d(np.arange(n_items), [*(event.item for event in row.history), row.target])
    return np.append([row.target], rng.choice(others, min(negatives, len(others)), replace=False))


def choice_weights(features: np.ndarray, counts: np.ndarray, decay: float, steps: int = 100) -> np.ndarray:
    """Softmax regression (conditional logit: McFadden, 1974) by L-BFGS.

    ``features``: (N, C, F), the right choice first; ``counts``: (N,) how much each choice counts; ``steps``: of L-BFGS
    at most.

    Returns (F,) float32.
    """
    given = torch.from_numpy(np.asarray(features, dtype=np.float32))
    share = torch.from_numpy((counts / counts.sum()).astype(np.float32))
    right = torch.zeros(len(given), dtype=torch.long)
    weights = torch.zeros(given.shape[2], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        losses = F.cross_entropy(given @ weights, right, reduction="none")
        loss = (share * losses).sum() + decay * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return np.asarray(weights.detach().numpy())
