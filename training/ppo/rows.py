"""PPO rows: one rated slate each, with all that the policy, the reward and the real-reward probe need of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agent.data.dataset import Dataset
from agent.features.model import cross_fit
from agent.policy.distribution import Parts
from agent.policy.state_prompt import StatePrompt
from agent.records.state import State
from training.progress import Progress, silent
from training.sft.packing import GOALS
from training.sft.recipe import past_only
from training.splits import Slate

EMPTY = -1
"""Catalogue index in the places of a row that hold no candidate."""


@dataclass(frozen=True)
class SlateRows:
    """Rows as tensors; N rows of C places with F evidence features.

    ``prompts`` N token id lists; ``candidates`` (N, C) catalogue indices, ``EMPTY`` where there is none; ``allowed``
    (N, C) bool; ``evidence`` (N, C, F); ``rewards`` (N, C) what training pays; ``ratings`` (N, C) the real stars (NaN
    where unknown); ``weights`` (N,) importance weights; ``users`` N names; ``goals`` (N,) places in ``GOALS``;
    ``offset`` (N, C), ``evidence_scale`` and ``lm_scale`` (N,) are the rest of what the policy serves (see
    :class:`agent.policy.distribution.Parts`); ``logged`` (N,) the place of the candidate that a log says was shown,
    ``EMPTY`` where picks are drawn. ``said`` (N, C, G): what a conversation tells of each candidate, zeros where none
    is ranked; G is 0 where no row has one.
    """

    prompts: list[list[int]]
    candidates: Tensor
    allowed: Tensor
    evidence: Tensor
    rewards: Tensor
    ratings: Tensor
    weights: Tensor
    users: list[str]
    goals: Tensor
    offset: Tensor
    evidence_scale: Tensor
    lm_scale: Tensor
    logged: Tensor
    said: Tensor

    @classmethod
    def of(cls, rows: Any) -> SlateRows:
        """From the `datasets.Dataset` of :func:`rows_dataset`.

        Raises:
            ValueError: there are no rows, a reward of a candidate is not finite, a weight is not positive, or a row
                has fewer than two candidates.
        """
        if not len(rows):
            raise ValueError("there are no slates to train on: the data set has too few ratings per user")
        columns = rows.with_format("numpy")[:]
        candidates = torch.from_numpy(np.stack(columns["candidates"]).astype(np.int64))
        allowed = candidates != EMPTY
        rewards = torch.from_numpy(np.stack(columns["rewards"]).astype(np.float32))
        weights = torch.from_numpy(np.asarray(columns["weight"], dtype=np.float32))
        bad = (~rewards.isfinite() & allowed).any(dim=1).nonzero().flatten().tolist()
        if bad:
            raise ValueError(f"row {bad[0]} ({len(bad)} in all) has a reward that is not finite: check the reward")
        if not bool((weights > 0).all() and weights.isfinite().all()):
            raise ValueError("an importance weight is not a positive number: cap the weights and drop rows of weight 0")
        few = (allowed.sum(dim=1) < 2).nonzero().flatten().tolist()
        if few:
            raise ValueError(
                f"row {few[0]} ({len(few)} in all) has fewer than two candidates: there is nothing to learn"
            )
        evidence = np.stack([np.stack(list(row)) for row in columns["evidence"]]).astype(np.float32)
        return cls(
            prompts=[[int(token) for token in prompt] for prompt in columns["prompt"]],
            candidates=candidates,
            allowed=allowed,
            evidence=torch.from_numpy(evidence),
            rewards=rewards.masked_fill(~allowed, 0.0),
            ratings=torch.from_numpy(np.stack(columns["ratings"]).astype(np.float32)),
            weights=weights,
            users=[str(user) for user in columns["user"]],
            goals=torch.from_numpy(np.array([GOALS.index(str(goal)) for goal in columns["goal"]])),
            offset=torch.from_numpy(np.stack(columns["offset"]).astype(np.float32)),
            evidence_scale=torch.from_numpy(np.asarray(columns["evidence_scale"], dtype=np.float32)),
            lm_scale=torch.from_numpy(np.asarray(columns["lm_scale"], dtype=np.float32)),
            logged=torch.from_numpy(np.asarray(columns["logged"], dtype=np.int64)),
            said=torch.from_numpy(np.stack(columns["said"]).astype(np.float32).reshape(*candidates.shape, -1)),
        )

    def __len__(self) -> int:
        return len(self.prompts)


def rows_dataset(
    users: Sequence[str],
    prompts: Sequence[Sequence[int]],
    candidates: Sequence[Sequence[int]],
    evidence: Sequence[np.ndarray | Parts],
    rewards: Sequence[np.ndarray],
    ratings: Sequence[Sequence[float]] | None = None,
    weights: Sequence[float] | None = None,
    logged: Sequence[int] | None = None,
    states: Sequence[State] | None = None,
) -> Any:
    """The rows as a `datasets.Dataset`, padded to the longest.

    ``candidates``: N lists of catalogue indices, at least two each. ``evidence``: N arrays (C, F) at the candidates, or
    all parts of the policy there. ``rewards``: N arrays (C,): what training pays for each candidate (of a logged row
    only the shown one's counts). ``ratings``: N lists of the real stars, where they are known; only probe rows need
    them. ``weights``: N importance weights of replayed rows, in (0, cap]: the chance of the shown candidate under the
    policy to be trained, over its logged chance. 1 by default. ``logged``: N places of the candidate that was shown,
    for rows replayed from a log (``EMPTY``: a row that picks are drawn for). The candidates are then those that were
    still to be had at its place of the slate. ``states``: N states, for their goal; without them the goal is "like".

    Raises:
        ValueError: the parts of a row differ in length.
    """
    from datasets import Dataset as ArrowDataset

    names = ("candidates", "evidence", "offset", "rewards", "ratings", "said")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    parted = [own.said for own in evidence if isinstance(own, Parts) and own.said is not None]
    width = parted[0].shape[1] if parted else 0
    scales: dict[str, list[float]] = {"evidence_scale": [], "lm_scale": []}
    longest = max((len(chosen) for chosen in candidates), default=0)
    for row, (chosen, given, paid) in enumerate(zip(candidates, evidence, rewards, strict=True)):
        n = len(chosen)
        parts = given if isinstance(given, Parts) else Parts(given, np.zeros(len(given), np.float32), 1.0, 1.0)
        features = parts.features
        stars = ratings[row] if ratings is not None else (np.nan,) * n
        if not n == len(features) == len(paid) == len(stars):
            raise ValueError(
                f"row {row} has {n} candidates but evidence for {len(features)}, {len(paid)} rewards and "
                f"{len(stars)} ratings: give one of each a candidate"
            )
        rest = longest - n
        columns["candidates"].append([*(int(item) for item in chosen), *[EMPTY] * rest])
        columns["evidence"].append(np.pad(np.asarray(features, np.float32), ((0, rest), (0, 0))))
        columns["offset"].append(np.pad(parts.offset, (0, rest)))
        said = np.zeros((n, width), np.float32) if parts.said is None else parts.said.astype(np.float32)
        columns["said"].append(np.pad(said, ((0, rest), (0, 0))).ravel())
        scales["evidence_scale"].append(parts.evidence_scale)
        scales["lm_scale"].append(parts.lm_scale)
        columns["rewards"].append(np.pad(np.asarray(paid, np.float32), (0, rest)))
        columns["ratings"].append(np.pad(np.asarray(stars, np.float32), (0, rest), constant_values=np.nan))
    n_rows = len(candidates)
    columns |= {
        "user": list(users),
        "prompt": [[int(token) for token in prompt] for prompt in prompts],
        "weight": [float(weight) for weight in weights] if weights is not None else [1.0] * n_rows,
        "logged": [int(place) for place in logged] if logged is not None else [EMPTY] * n_rows,
        "goal": [state.goal for state in states] if states is not None else ["like"] * n_rows,
        **scales,
    }
    return ArrowDataset.from_dict(columns)


def slate_rows(
    dataset: Dataset,
    slates: Sequence[Slate],
    rewards: Sequence[np.ndarray],
    prompt: StatePrompt,
    folds: int = 4,
    seed: int = 0,
    report: Progress = silent,
) -> Any:
    """Rows for slates of a data set's past, with evidence by fits that have not seen the slate's user.

    ``dataset``: all ratings; only their past is read (see :func:`training.sft.recipe.past_only`); ``slates``: slates
    cut from that past, see :func:`training.splits.past_slates`; ``rewards``: one array (C,) a slate: what training pays
    for each of its items.

    Returns a `datasets.Dataset` in the order of ``slates``, see :func:`rows_dataset`.
    """
    features: list[np.ndarray | None] = [None] * len(slates)
    done = 0
    for evidence, unseen in cross_fit(past_only(dataset), folds=folds, seed=seed, progress=False):
        users = set(unseen)
        places = [place for place, slate in enumerate(slates) if slate.user in users]
        for start in range(0, len(places), 64):
            part = places[start : start + 64]
            chosen = np.zeros((len(part), max(len(slates[place].items) for place in part)), np.int64)
            for row, place in enumerate(part):
                chosen[row, : len(slates[place].items)] = slates[place].items
            block = evidence.features([slates[place].history for place in part], candidates=chosen)
            for row, place in enumerate(part):
                features[place] = block[row, : len(slates[place].items)]
            done += len(part)
            report("evidence of the slates", done, len(slates))
    missing = [slate.user for slate, row in zip(slates, features, strict=True) if row is None]
    if missing:
        raise ValueError(f"user {missing[0]!r} is not in the data set's past: cut the slates from the same data")
    return rows_dataset(
        users=[slate.user for slate in slates],
        prompts=prompt.encode([State(slate.history, goal="like") for slate in slates]),
        candidates=[slate.items for slate in slates],
        evidence=[row for row in features if row is not None],
        rewards=rewards,
        ratings=[slate.ratings for slate in slates],
    )


def split_probe(slates: Sequence[Slate], share: float = 0.15, seed: int = 0) -> tuple[list[Slate], list[Slate]]:
    """Slates to train on and slates of a seeded ``share`` of the users, held out for the real-reward probe.

    Raises:
        ValueError: ``share`` is not between 0 and 1.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"share {share} is out of range: give the part of the users to hold out, between 0 and 1")
    users = sorted({slate.user for slate in slates})
    held = {users[k] for k in np.random.default_rng(seed).permutation(len(users))[: round(share * len(users))]}
    return [s for s in slates if s.user not in held], [s for s in slates if s.user in held]
