"""Answers: a turn, and the pass of the language model within it, beside the usual ways of doing the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import prompts
from agent.data.assets import resolve_model
from agent.policy.distribution import Policy
from agent.policy.item_lm import ItemLanguageModel, load_base
from agent.policy.state_prompt import item_inputs
from agent.recommender import Recommender
from agent.records.state import Event, State
from eval.bench.rows import Row, median_seconds
from eval.speed import measure_turns

CANDIDATES = 100
"""So many items are ranked."""

ASKED = 10
"""So many of them are asked for one by one; their time counts for all."""

_HISTORY = 15
_SIDE = 1024


class BenchError(ValueError):
    """The recommender lacks what is to be measured."""


def bench_answers(recommender: Recommender, turns: int, repeats: int) -> Iterator[Row]:
    """The rows of one process.

    Raises:
        BenchError: the policy has no language model.
    """
    policy = recommender.policy
    if policy.lm is None or policy.prompt is None:
        raise BenchError("this policy has no language model: choose one with --adapter")
    new, known = measure_turns(recommender, turns)
    yield Row("a turn of a person with a past, against one of a new person", known.median / 1e3, new.median / 1e3, 2)
    yield from _passes(recommender, policy, policy.lm, repeats)


def _passes(recommender: Recommender, policy: Policy, lm: ItemLanguageModel, repeats: int) -> Iterator[Row]:
    state = _state(recommender)
    assert policy.prompt is not None
    (ids,) = policy.prompt.encode([state])
    ranking = median_seconds(lambda: lm.scores([ids]), 3 * repeats)
    one_by_one = _yes_or_no(recommender, state, repeats)
    yield Row(f"ranking {CANDIDATES} items, against a yes or no for each", ranking, one_by_one, 50, at_least=True)
    weights = sum(own.numel() for name, own in lm.model.named_parameters() if "embed" not in name)
    least = 2 * weights * len(ids) / _peak(repeats, next(lm.model.parameters()).dtype)
    yield Row("ranking, against 2 x parameters x tokens / peak of a matrix product", ranking, least, 2)


def _state(recommender: Recommender) -> State:
    """A person who liked the best known items, and a wish."""
    popular = np.argsort(-recommender.catalogue.rating_count, kind="stable")[:_HISTORY].tolist()
    starters = recommender.catalogue.domain.starters
    return State(tuple(Event(item, 4.0) for item in popular), request=starters[0] if starters else "something new")


@torch.inference_mode()
def _yes_or_no(recommender: Recommender, state: State, repeats: int) -> float:
    """Seconds for all candidates when the base LM is asked a yes or no for each (TALLRec, arXiv:2305.00447)."""
    model, tokenizer = load_base(resolve_model(None))
    template, catalogue = prompts.load("reward-text"), recommender.catalogue
    history = [item_inputs(catalogue[event.item], event.rating) for event in state.history]
    items = np.argsort(-catalogue.rating_count, kind="stable")[_HISTORY : _HISTORY + ASKED].tolist()
    texts = [template.render(history=history, item=item_inputs(catalogue[item])).text(tokenizer) for item in items]
    encoded = [tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"] for text in texts]
    return median_seconds(lambda: [model(ids).logits[0, -1] for ids in encoded], repeats) * CANDIDATES / ASKED


def _peak(repeats: int, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large product of matrices."""
    one, other = torch.randn(_SIDE, _SIDE, dtype=dtype), torch.randn(_SIDE, _SIDE, dtype=dtype)
    return 2 * _SIDE**3 / median_seconds(lambda: one @ other, 10 * repeats)
