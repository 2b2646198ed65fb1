"""Untuned: the pretrained LM as it comes, and the same network with random weights: is pretraining worth anything?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.features.model import FEATURES, EvidenceModel
from agent.policy.distribution import Policy
from agent.policy.item_embeddings import ItemFeatures, RowMaker, add_item_tokens
from agent.policy.item_lm import ItemLanguageModel, load_base
from agent.policy.state_prompt import StatePrompt
from prompts import Template

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

    Args:
        catalogue: the items, with the ratings' statistics.
        evidence: says which items the same people watch (a part of the rows); its weights are zero.
        model: the base LM (default: the fetched one), whole.
        template: the state template (default: the product's).
        random_weights: draw all the network's weights anew, embeddings and so item rows too, as it was before its
            pretraining.
        seed: of that draw.
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
