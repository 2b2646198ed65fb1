"""Reward rows: slates of items with known ratings, as states and judged candidates, and their packing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from agent.policy.distribution import evidence_history
from agent.records.state import POSITIVE, Event, State
from training.splits import past_slates


class CandidateEvidence(Protocol):
    """What reward rows need of :class:`agent.features.model.EvidenceModel`."""

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, C, n_features) float32 for ``candidates`` (B, C)."""
        ...


@dataclass(frozen=True)
class RewardRows:
    """One entry a slate: ``items[k]`` (C_k,) catalogue indices, ``stars[k]`` (C_k,), ``evidence[k]`` (C_k, F)."""

    users: tuple[str, ...]
    states: tuple[State, ...]
    items: tuple[np.ndarray, ...]
    stars: tuple[np.ndarray, ...]
    evidence: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        """The number of slates."""
        return len(self.users)

    def only(self, chosen: Sequence[int]) -> RewardRows:
        """The slates at these places."""
        parts = (self.users, self.states, self.items, self.stars, self.evidence)
        return RewardRows(*(tuple(part[k] for k in chosen) for part in parts))  # type: ignore[arg-type]

    def split(self, share: float, seed: int) -> tuple[RewardRows, RewardRows]:
        """The slates of all other users, and of a ``share`` of the users drawn by ``seed``.

        Raises:
            ValueError: one of the two parts would be empty.
        """
        names = list(dict.fromkeys(self.users))
        count = round(share * len(names))
        if not 0 < count < len(names):
            raise ValueError(
                f"a share of {share} of {len(names)} users leaves nothing on one side: give one between 0 and 1"
            )
        held = {names[k] for k in np.random.default_rng(seed).permutation(len(names))[:count]}
        own = [user in held for user in self.users]
        return self.only(np.flatnonzero(~np.array(own)).tolist()), self.only(np.flatnonzero(own).tolist())

    @property
    def likes(self) -> tuple[np.ndarray, ...]:
        """Which candidates are graded 4 or more, one bool array a slate."""
        return tuple(stars >= POSITIVE for stars in self.stars)


def candidate_evidence(
    source: CandidateEvidence, states: Sequence[State], candidates: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The evidence about each state's own candidates, (C_k, F) float32 each."""
    width = max((len(own) for own in candidates), default=0)
    padded = np.zeros((len(states), width), dtype=np.int64)
    for row, own in enumerate(candidates):
        padded[row, : len(own)] = own
    features = source.features([evidence_history(state) for state in states], padded)
    return [features[row, : len(own)] for row, own in enumerate(candidates)]


def build_reward_rows(
    past: pd.DataFrame,
    fold_evidence: Sequence[tuple[CandidateEvidence, Sequence[str]]],
    share: float = 0.3,
    batch: int = 64,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> RewardRows:
    """Slates cut from the users' past (see :func:`training.splits.past_slates`) with cross-fitted evidence.

    ``past``: ratings with catalogue indices; nothing after them is read; ``fold_evidence``: evidence models, each with
    the users whom it has not seen; slates of other users are left out; ``share``: the part of a user's past before the
    first slate.
    """
    by_user: dict[str, list[int]] = {}
    slates = past_slates(past, share)
    for place, slate in enumerate(slates):
        by_user.setdefault(slate.user, []).append(place)
    evidence: dict[int, np.ndarray] = {}
    total = sum(len(by_user.get(user, [])) for _, users in fold_evidence for user in users)
    for source, users in fold_evidence:
        places = [place for user in users for place in by_user.get(user, [])]
        for start in range(0, len(places), batch):
            part = places[start : start + batch]
            states = [State(slates[k].history, goal="like") for k in part]
            own = candidate_evidence(source, states, [np.array(slates[k].items) for k in part])
            evidence.update(zip(part, own, strict=True))
            report(len(evidence), total)
    chosen = [place for place in range(len(slates)) if place in evidence]
    return RewardRows(
        tuple(slates[k].user for k in chosen),
        tuple(State(slates[k].history, goal="like") for k in chosen),
        tuple(np.array(slates[k].items) for k in chosen),
        tuple(np.array(slates[k].ratings) for k in chosen),
        tuple(evidence[k] for k in chosen),
    )


def pack_candidates(
    prompts: Sequence[Sequence[int]], candidates: Sequence[Sequence[int]], pad_token_id: int
) -> dict[str, Tensor]:
    """B prompts, each followed by its candidates (one token each), R candidates in all.

    ``attention_mask`` (B, 1, T, T) lets a candidate see the prompt and itself only, and all candidates of a prompt have
    the position after it, so each is read as if it alone followed. ``places`` (R, 2) says where each candidate stands.
    """
    length = max(len(p) + len(c) for p, c in zip(prompts, candidates, strict=True))
    ids = torch.full((len(prompts), length), pad_token_id)
    positions = torch.zeros(len(prompts), length, dtype=torch.long)
    # Everything sees itself: a row of the mask with nothing in it would give NaN.
    mask = torch.eye(length, dtype=torch.bool).repeat(len(prompts), 1, 1, 1)
    places = []
    for row, (prompt, own) in enumerate(zip(prompts, candidates, strict=True)):
        start, stop = len(prompt), len(prompt) + len(own)
        ids[row, :start] = torch.tensor(prompt)
        ids[row, start:stop] = torch.tensor(own)
        positions[row, :start] = torch.arange(start)
        positions[row, start:stop] = start
        mask[row, 0, :start, :start] = torch.ones(start, start, dtype=torch.bool).tril()
        mask[row, 0, start:stop, :start] = True
        places += [(row, place) for place in range(start, stop)]
    return {"input_ids": ids, "position_ids": positions, "attention_mask": mask, "places": torch.tensor(places)}


@dataclass(frozen=True)
class RewardCollator:
    """Makes a batch of the examples of :func:`encode_reward_rows`: packed prompts, ``stars`` (R,), ``evidence``."""

    pad_token_id: int

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Pack; the slate that a candidate belongs to is the first number of its ``places``."""
        packed = pack_candidates(
            [e["prompt_ids"] for e in examples], [e["candidate_ids"] for e in examples], self.pad_token_id
        )
        return {
            **packed,
            "stars": torch.tensor([s for e in examples for s in e["stars"]], dtype=torch.float32),
            "evidence": torch.tensor([f for e in examples for f in e["evidence"]], dtype=torch.float32),
        }


def encode_reward_rows(rows: RewardRows, prompt_ids: Sequence[Sequence[int]], token_ids: np.ndarray) -> Any:
    """The rows as a `datasets.Dataset`: ``prompt_ids``, ``candidate_ids``, ``stars``, ``evidence`` and ``length``."""
    from datasets import Dataset

    return Dataset.from_dict(
        {
            "prompt_ids": [list(ids) for ids in prompt_ids],
            "candidate_ids": [token_ids[own].tolist() for own in rows.items],
            "stars": [own.tolist() for own in rows.stars],
            "evidence": [own.astype(np.float64).tolist() for own in rows.evidence],
            "length": [len(ids) + len(own) for ids, own in zip(prompt_ids, rows.items, strict=True)],
        }
    )
