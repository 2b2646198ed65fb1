"""Policy parts: what a policy makes of many states, kept chunk by chunk, so that a run that was cut off goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load_file, save_file

from agent.data.assets import cache_dir
from agent.data.atomic import building
from agent.policy.distribution import Policy
from agent.records.state import State
from training.progress import Progress

CHUNK = 32
"""States that are ranked, and kept, together."""

_FORMAT = 1
_NAMES = ("evidence", "meaning", "lm")


@dataclass(frozen=True)
class PolicyParts:
    """A policy's logits, (states, n_items) float16, each row less its mean: evidence, its meaning, LM."""

    evidence: np.ndarray
    meaning: np.ndarray
    lm: np.ndarray


def policy_parts(
    policy: Policy,
    states: Sequence[State],
    data: str,
    with_lm: bool = True,
    report: Progress | None = None,
    about: str = "ranking with the policy",
) -> PolicyParts:
    """What the policy makes of every state without its ranker of conversations; without the LM that part is zero.

    Args:
        policy: whose logits.
        states: B states.
        data: fingerprint of the data set that the policy was fitted on.
        with_lm: whether the LM is asked.
        report: told about the progress.
        about: what the progress is called.
    """
    policy = (policy if with_lm else policy.instead_of_lm()).without_talk()
    plain = policy.without_meaning()
    key = _key(policy, data, with_lm)
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, len(states), CHUNK):
        chunk = states[start : start + CHUNK]
        told = json.dumps([_plain(state) for state in chunk], sort_keys=True)
        name = hashlib.sha256(f"{key}{told}".encode()).hexdigest()[:24]
        folder = cache_dir() / "dialogue" / name
        with building(folder) as temporary:
            if temporary is not None:
                evidence, lm = plain.scores(chunk)
                meaning = policy.meaning_logits(chunk, evidence.shape[1])
                own = {n: _centred(part) for n, part in zip(_NAMES, (evidence, meaning, lm), strict=True)}
                save_file(own, temporary / "parts.safetensors")
        parts.append(load_file(folder / "parts.safetensors"))
        if report is not None:
            report(about, min(start + CHUNK, len(states)), len(states))
    return PolicyParts(*(np.concatenate([own[name] for own in parts]) for name in _NAMES))


def _plain(state: State) -> list[object]:
    """A state as plain data, whose order is always the same."""
    events = [[event.item, event.rating, event.timestamp] for event in state.history]
    return [
        events,
        state.request,
        state.like,
        state.unlike,
        state.goal,
        [own.to_json() for own in state.conditions],
        state.hints,
        sorted(state.excluded),
    ]


def _centred(part: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(part - part.mean(axis=1, keepdims=True), dtype=np.float16)


def _key(policy: Policy, data: str, with_lm: bool) -> str:
    """A hash over what the logits are made from: data, weights, the LM's rows and the template."""
    content = hashlib.sha256(f"{_FORMAT}{data}{policy.version}{policy.template}{policy.lm_weights}".encode())
    for goal in sorted(policy.weights):
        content.update(f"{goal}{np.asarray(policy.weights[goal], dtype=np.float32).tolist()}".encode())
    content.update(f"{policy.meaning_weight if policy.meaning is not None else 0}".encode())
    if with_lm and policy.lm is not None:
        rows = policy.lm.model.get_input_embeddings().weight[policy.lm.token_ids[:2000]]
        content.update(rows.detach().float().cpu().numpy().tobytes())
    return content.hexdigest()
