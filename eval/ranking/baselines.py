"""Baselines: what a policy has to beat, as scorers; also the pretrained LM as it comes.

The untuned LM and the same network with random weights say whether pretraining is worth anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.features.model import FEATURES, EvidenceModel
from agent.policy.distribution import EvidenceSource, Policy
from agent.policy.item_embeddings import ItemFeatures, RowMaker, add_item_tokens
from agent.policy.item_lm import ItemLanguageModel, load_base
from agent.policy.state_prompt import StatePrompt
from agent.records.state import Event, Goal, State
from eval.metrics import Scorer
from prompts import Template

Histories = Sequence[Sequence[Event]]


def whole_catalogue(score: Callable[[Histories], np.ndarray]) -> Scorer:
    """A scorer from a function that gives scores of all items, (B, n_items)."""

    def scorer(histories: Histories, candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [own[items] for own, items in zip(score(histories), candidates, strict=True)]

    return scorer


def item_scores(scores: np.ndarray) -> Scorer:
    """A scorer that knows only the item: ``scores`` (n_items,)."""
    return lambda histories, candidates: [scores[items] for items in candidates]


def popularity(ratings: pd.DataFrame, n_items: int) -> Scorer:
    """How many people rated the item."""
    return item_scores(np.bincount(ratings["item"], minlength=n_items).astype(np.float64))


def item_mean(ratings: pd.DataFrame, n_items: int, prior: float = 10.0) -> Scorer:
    """The item's mean stars, with ``prior`` ratings at the overall mean added."""
    count = np.bincount(ratings["item"], minlength=n_items)
    total = np.bincount(ratings["item"], weights=ratings["rating"], minlength=n_items)
    mean = float(ratings["rating"].mean())
    return item_scores((total + prior * mean) / (count + prior))


def retriever(model: EvidenceModel) -> Scorer:
    """The sequence retriever alone."""
    return whole_catalogue(lambda histories: model.retriever.scores([[e.item for e in own] for own in histories]))


def evidence(model: EvidenceSource, feature: str) -> Scorer:
    """One number of the evidence alone.

    Raises:
        ValueError: the feature is unknown.
    """
    if feature not in FEATURES:
        raise ValueError(f"unknown feature {feature!r}: use one of {', '.join(FEATURES)}")
    place = FEATURES.index(feature)
    return whole_catalogue(lambda histories: model.features(histories)[:, :, place])


def history_scorer(policy: Policy, goal: Goal) -> Scorer:
    """The policy's logits for a history without a request, judged by ``goal``."""

    def score(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        states = [State(tuple(history), goal=goal) for history in histories]
        return [ranking.logits for ranking in policy.rank_many(states, candidates)]

    return score


class SameHistories:
    """Evidence that is computed once for policies that are asked about the same histories one after the other."""

    def __init__(self, evidence: EvidenceSource) -> None:
        self._evidence = evidence
        self._last: tuple[Sequence[Sequence[Event]], np.ndarray | None, np.ndarray] | None = None

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, n_items, n_features) float32; at candidates (B, C): (B, C, n_features)."""
        last = self._last
        if last is None or last[0] != histories or not _same(last[1], candidates):
            last = histories, candidates, self._evidence.features(histories, candidates)
            self._last = last
        return last[2]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


TEMPLATE = "state"


def untuned_policy(
    catalogue: Catalogue,
    evidence: EvidenceModel,
    model: str | Path | None = None,
    template: Template | None = None,
    random_weights: bool = False,
    seed: int = 0,
) -> Policy:
    """A policy that is the LM's item logits alone: no LoRA, no evidence, item rows made from the items' words.

    ``evidence``: says which items the same people watch (a part of the rows); its weights are zero; ``template``: the
    state template (default: the product's); ``random_weights``: draw all the network's weights anew, embeddings and so
    item rows too, as it was before its pretraining.
    """
    network, tokenizer = load_base(resolve_model(str(model) if model is not None else None))
    if random_weights:
        from transformers import AutoModelForCausalLM

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = AutoModelForCausalLM.from_config(network.config).to(network.dtype).eval()
    features = ItemFeatures.build(
        catalogue.items,
        tokenizer,
        network.get_input_embeddings().weight.detach().float().cpu().numpy(),
        evidence.taste.watched_with.neighbours,
        catalogue.rating_count,
        catalogue.mean_rating,
    )
    with torch.no_grad():
        rows = RowMaker(features)()
    token_ids = add_item_tokens(network, tokenizer, [item.item_id for item in catalogue.items], rows)
    lm = ItemLanguageModel(network, tokenizer, token_ids)
    nothing = {goal: np.zeros(len(FEATURES), dtype=np.float32) for goal in ("next", "like", "request")}
    prompt = StatePrompt(template or prompts.load(TEMPLATE), tokenizer, catalogue.items)
    return Policy(evidence, nothing, lm, prompt, version="untuned-random" if random_weights else "untuned")
