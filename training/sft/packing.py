"""Packing: rows that share a state become one sequence, so that their common beginning is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agent.policy.state_prompt import StatePrompt
from training.sft.rows import SftRows

GOALS = ("next", "like", "request")
"""The order of the rows of the evidence weights."""


class PolicyCollator:
    """Makes a batch of G groups of rows whose prompts begin alike (R rows in all).

    A group is one sequence: the common beginning once, then each row's own rest. ``attention_mask`` (G, 1, T, T) lets
    a rest see the beginning and itself only and ``position_ids`` (G, T) count on from the beginning, so each row reads
    exactly its own prompt, at less than half the cost. ``ends`` (R, 2) says where each row's prompt ends. Beside them:
    ``candidates`` (R, C) catalogue indices, ``evidence`` (R, C, F), ``correction``, ``allowed`` and ``fitting`` (R, C),
    ``targets`` (places among the candidates) and ``goals`` (R,).
    """

    def __init__(self, data: SftRows, pad_token_id: int) -> None:
        self.data = data
        self.pad_token_id = pad_token_id

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Pack the groups ``examples`` of :func:`encode_rows`."""
        rows = [self.data.rows[row] for example in examples for row in example["rows"]]
        length = max(example["length"] for example in examples)
        ids = torch.full((len(examples), length), self.pad_token_id)
        positions = torch.zeros(len(examples), length, dtype=torch.long)
        # Padding sees itself: a row of the mask with nothing in it would give NaN.
        mask = torch.eye(length, dtype=torch.bool).repeat(len(examples), 1, 1, 1)
        ends = []
        for place, example in enumerate(examples):
            prompts = example["input_ids"]
            shared = common_start(prompts)
            causal = torch.ones(length, length, dtype=torch.bool).tril()
            ids[place, :shared] = torch.tensor(prompts[0][:shared])
            positions[place, :shared] = torch.arange(shared)
            mask[place, 0, :shared, :shared] = causal[:shared, :shared]
            start = shared
            for prompt in prompts:
                stop = start + len(prompt) - shared
                ids[place, start:stop] = torch.tensor(prompt[shared:])
                positions[place, start:stop] = torch.arange(shared, len(prompt))
                mask[place, 0, start:stop, :shared] = True
                mask[place, 0, start:stop, start:stop] = causal[: stop - start, : stop - start]
                ends.append((place, stop - 1))
                start = stop
        return {
            "input_ids": ids,
            "position_ids": positions,
            "attention_mask": mask,
            "ends": torch.tensor(ends),
            "evidence": torch.from_numpy(self.data.evidence[[row.place for row in rows]].astype(np.float32)),
            "allowed": torch.from_numpy(np.stack([self.data.allowed(row) for row in rows])),
            "fitting": torch.from_numpy(np.stack([self.data.fitting(row) for row in rows])),
            "candidates": torch.from_numpy(np.stack([self.data.items(row) for row in rows]).astype(np.int64)),
            "correction": torch.from_numpy(np.stack([self.data.correction(row) for row in rows])),
            "targets": torch.tensor([self.data.target(row) for row in rows]),
            "goals": torch.tensor([GOALS.index(row.state.goal) for row in rows]),
        }


def common_start(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with; each keeps at least its last token to itself."""
    limit = min(len(prompt) for prompt in prompts) - 1
    first = prompts[0]
    shared = 0
    while shared < limit and all(prompt[shared] == first[shared] for prompt in prompts):
        shared += 1
    return shared


def encode_rows(data: SftRows, prompt: StatePrompt, most: int = 6) -> Any:
    """The rows as a `datasets.Dataset` of groups that share a state.

    Columns: ``rows`` (indices into ``data.rows``), ``input_ids`` (one prompt a row) and the packed ``length``.
    """
    from datasets import Dataset

    ids = prompt.encode([row.state for row in data.rows])
    by_place: dict[int, list[int]] = {}
    for index, row in enumerate(data.rows):
        by_place.setdefault(row.place, []).append(index)
    groups = [rows[start : start + most] for rows in by_place.values() for start in range(0, len(rows), most)]
    prompts = [[ids[index] for index in group] for group in groups]
    shared = [common_start(group) for group in prompts]
    lengths = [s + sum(len(p) - s for p in group) for s, group in zip(shared, prompts, strict=True)]
    return Dataset.from_dict({"rows": groups, "input_ids": prompts, "length": lengths})
