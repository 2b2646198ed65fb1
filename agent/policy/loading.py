"""Loading: from names of data, model and adapter to a catalogue and the policy that ranks it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import data_dir, resolve_model
from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.features.conversation_features import Rated, TalkEvidence
from agent.features.model import FEATURES, EvidenceModel
from agent.policy.conversational_policy import TalkPolicy
from agent.policy.conversational_ranker import SHIPPED, TalkRanker
from agent.policy.distribution import Policy
from agent.policy.item_embeddings import ItemFeatures, item_keys
from agent.policy.item_lm import POLICY_FILE, AdapterError, ItemLanguageModel, PolicyCard, load_base
from agent.policy.registry import AdapterRegistry
from agent.policy.semantic import Meaning
from agent.policy.serving import ActivePolicy, FixedPolicy, PolicySource
from agent.policy.state_prompt import StatePrompt
from agent.records.state import Event

ADAPTERS = Path(__file__).parent / "adapters"
"""The adapters that this version ships."""

BEFORE_PPO = ADAPTERS / "ml-100k-sft"
"""The fine-tuned policy that PPO starts from."""

RELEASED = ADAPTERS / "ml-100k-ppo"
"""The one that is in use where nothing was promoted."""


def load_policy(
    data: str, model: str | Path | None, adapter: str | Path | None, progress: bool = False
) -> tuple[Catalogue, PolicySource, Mapping[str, tuple[Event, ...]]]:
    """The catalogue, the source of the LM policy over it, and the users' histories of a data set.

    See :meth:`agent.recommender.Recommender.load` for the arguments and errors.
    """
    dataset = load_dataset(data)
    catalogue = Catalogue(dataset)
    evidence = EvidenceModel.cached(dataset, progress=progress)
    meaning = Meaning.load(catalogue, evidence.taste.watched_with.neighbours)
    ratings = indexed_ratings(dataset)
    talk = talk_policy(catalogue, ratings, meaning)
    source: PolicySource
    if adapter is not None:
        source = FixedPolicy(assemble(catalogue, evidence, model, adapter, meaning, talk))
    else:
        known = registry(data)

        def load(version: str) -> Policy:
            try:
                return assemble(catalogue, evidence, model, known.verified(version).folder, meaning, talk)
            except ValueError as error:
                back = "; `concierge adapters rollback` returns to the one before it" if known.steps() else ""
                raise AdapterError(f"the adapter {version!r} cannot be used: {error}{back}") from error

        source = ActivePolicy(known.active, load)
    return catalogue, source, user_histories(ratings)


def registry(data: str) -> AdapterRegistry:
    """The adapters for a data set: those in the user's own folder, and the shipped ones."""
    shipped = sorted(path.parent for path in ADAPTERS.glob(f"*/{POLICY_FILE}"))
    return AdapterRegistry(data_dir() / "adapters" / data, shipped, RELEASED)


def assemble(
    catalogue: Catalogue,
    evidence: EvidenceModel,
    model: str | Path | None = None,
    adapter: str | Path | None = None,
    meaning: Meaning | None = None,
    talk: TalkPolicy | None = None,
) -> Policy:
    """The LM policy over a catalogue, on top of fitted evidence; ``meaning`` reads wishes that no data decides.

    ``talk`` ranks for conversations with people who have no past.

    Raises:
        AdapterError: the adapter is missing or was trained on other evidence features.
    """
    folder = Path(adapter) if adapter is not None else RELEASED
    card = PolicyCard.read(folder)
    if card.features != FEATURES:
        raise AdapterError(
            f"the adapter {folder.name!r} weighs the evidence {', '.join(card.features)}; this version has "
            f"{', '.join(FEATURES)}: train it again with `concierge train sft`"
        )
    base = resolve_model(str(model) if model is not None else None)
    features = new_item_features(card, catalogue, evidence, base)
    lm = ItemLanguageModel.from_adapter(folder, base, catalogue.items, features)
    prompt = StatePrompt(prompts.load(card.template), lm.tokenizer, catalogue.items, card.max_history)
    weights = {goal: np.asarray(values, dtype=np.float32) for goal, values in card.weights.items()}
    return Policy(evidence, weights, lm, prompt, card.temperature, card.version, card.lm_weights, meaning, talk=talk)


def talk_policy(catalogue: Catalogue, ratings: pd.DataFrame, meaning: Meaning | None) -> TalkPolicy | None:
    """The shipped ranker of conversations; None without a meaning, which reads what was said.

    ``ratings`` have catalogue indices (:func:`agent.data.interactions.indexed_ratings`).
    """
    if meaning is None:
        return None
    evidence = TalkEvidence(catalogue, Rated.of(ratings), meaning.items)
    return TalkPolicy(catalogue, evidence, meaning, TalkRanker.load(SHIPPED))


def new_item_features(
    card: PolicyCard, catalogue: Catalogue, evidence: EvidenceModel, base: str | Path
) -> ItemFeatures | None:
    """What the rows of items are made from that an adapter was not trained on; None where it knows them all."""
    if set(item_keys(catalogue.items)) <= set(card.items):
        return None
    return catalogue_features(catalogue, evidence, base, card.layers)


def catalogue_features(
    catalogue: Catalogue, evidence: EvidenceModel, base: str | Path, layers: int | None = None
) -> ItemFeatures:
    """What item rows are made from, for this catalogue and base LM."""
    model, tokenizer = load_base(base, layers)
    embedding = model.get_input_embeddings().weight.detach().float().cpu().numpy()
    return ItemFeatures.build(
        catalogue.items,
        tokenizer,
        embedding,
        evidence.taste.watched_with.neighbours,
        catalogue.rating_count,
        catalogue.mean_rating,
    )
