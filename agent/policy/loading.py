"""Loading: from names of data, model and adapter to a catalogue and the policy that ranks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import data_dir, resolve_model
from agent.data.dataset import Dataset, load_dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.data.wheels import sha256
from agent.domains.domain import FOLDER as DOMAINS
from agent.features.conversation_features import ConversationFeatures, Rated
from agent.features.model import FEATURES, EvidenceModel
from agent.policy.conversational_policy import ConversationalPolicy
from agent.policy.conversational_ranker import RANKER_FILE, ConversationalRanker, ranker_for
from agent.policy.distribution import BESIDE_LM, SEMANTIC_WEIGHT, Policy
from agent.policy.item_embeddings import ItemFeatures, item_keys
from agent.policy.item_lm import AdapterError, ItemLanguageModel, PolicyCard, load_base
from agent.policy.registry import AdapterRegistry
from agent.policy.semantic import SemanticSimilarity
from agent.policy.serving import ActivePolicy, FixedPolicy, PolicySource
from agent.policy.state_prompt import StatePrompt
from agent.policy.weights import ADAPTER_FILE, POLICY_FILE, ROW_MAKER_FILE
from agent.records.state import Event

ADAPTERS = Path(__file__).parent / "adapters"
"""The adapters that this version ships."""

BEFORE_PPO = ADAPTERS / "ml-100k-sft"
"""The fine-tuned policy that PPO starts from."""

RELEASED = ADAPTERS / "ml-100k-ppo"
"""The one that is in use where nothing was promoted and the domain ships none of its own."""

RELEASED_REWARD = ADAPTERS / "ml-100k-reward"
"""The reward model."""

OF_DOMAIN = "fitted/adapters"
"""Where a domain keeps the adapters that were trained on its own catalogue: the last by name is in use."""


NEUTRAL = 3.0
"""The grade that stands for none where conversations are ranked."""


@dataclass(frozen=True)
class Foundation:
    """What every policy over a data set stands on, fitted once: whoever serves, replays, trains or compares has it all.

    ``semantic`` and ``conversational`` are None where the sentence encoder has not been fetched.
    """

    catalogue: Catalogue
    features: EvidenceModel
    semantic: SemanticSimilarity | None
    conversational: ConversationalPolicy | None
    _models: WeakValueDictionary[str, ItemLanguageModel] = field(
        default_factory=WeakValueDictionary, repr=False, compare=False
    )

    @classmethod
    def of(cls, dataset: Dataset, features: EvidenceModel | None = None, progress: bool = False) -> Foundation:
        """Fit (or read from the cache) what the data set's events say.

        ``dataset``: its events alone count; cut it with :meth:`agent.data.dataset.Dataset.only` beforehand;
        ``features``: a model that was fitted already (None: the cached one of all events).
        """
        catalogue = Catalogue(dataset)
        features = features or EvidenceModel.cached(dataset, progress=progress)
        semantic = SemanticSimilarity.load(catalogue, features.taste.watched_with.neighbours)
        if semantic is not None and dataset.requests is not None and len(dataset.requests):
            semantic = semantic.with_answers(dataset.requests, [item.item_id for item in catalogue.items])
        conversational = None
        if semantic is not None:
            # Who had an item and gave no grade speaks neither for it nor against it.
            rated = indexed_ratings(dataset).fillna({"rating": NEUTRAL})
            dialogue = ConversationFeatures(catalogue, Rated.of(rated), semantic.items)
            conversational = ConversationalPolicy(catalogue, dialogue, semantic, ranker_for(catalogue))
        return cls(catalogue, features, semantic, conversational)

    def policy(
        self, adapter: str | Path | None = None, model: str | Path | None = None, with_lm: bool = True
    ) -> Policy:
        """The policy of an adapter (None: the one released for the data set) and a base LM (None: the fetched one).

        Without the LM it is the rest of the same policy (:meth:`agent.policy.distribution.Policy.without_lm`), under
        the adapter's own name.

        Raises:
            AdapterError: the adapter is missing or broken, or was trained on other features or another base.
        """
        folder = Path(adapter) if adapter is not None else released(self.catalogue.name)
        card = PolicyCard.read(folder)
        if card.features != FEATURES:
            raise AdapterError(
                f"the adapter {folder.name!r} weighs the features {', '.join(card.features)}; this version has "
                f"{', '.join(FEATURES)}: train it again with `concierge train sft`"
            )
        lm = self._lm(folder, card, model) if with_lm else None
        prompt = None
        if lm is not None:
            prompt = StatePrompt(prompts.load(card.template), lm.tokenizer, self.catalogue.items, card.max_history)
        # An adapter of another catalogue has not learned these items' words: the text similarity reads them.
        keys = item_keys(self.catalogue.items)
        foreign = len(set(keys) & set(card.items)) * 2 < len(keys)
        weight = card.semantic_weight
        if weight is None and self.semantic is not None and self.semantic.knows_answers:
            weight = 1.0
        elif weight is None and foreign:
            weight = SEMANTIC_WEIGHT
        elif weight is None:
            weight = BESIDE_LM
        return Policy(
            self.features,
            {goal: np.asarray(values, dtype=np.float32) for goal, values in card.weights.items()},
            lm,
            prompt,
            card.temperature,
            card.version,
            card.lm_weights,
            self.semantic,
            weight,
            self._conversational(folder),
            card.reads_requests or foreign,
        )

    def _lm(self, folder: Path, card: PolicyCard, model: str | Path | None) -> ItemLanguageModel:
        base = resolve_model(str(model) if model is not None else None)
        # Versions that differ only in what is weighed share one model in memory.
        key = f"{base} {card.layers} {[sha256(folder / name) for name in (ADAPTER_FILE, ROW_MAKER_FILE)]}"
        lm = self._models.get(key)
        if lm is None:
            rows = new_item_features(card, self.catalogue, self.features, base)
            # float32: a choice's probability must be the same on every machine and in every batch.
            lm = ItemLanguageModel.from_adapter(folder, base, self.catalogue.items, rows, dtype=torch.float32)
            self._models[key] = lm
        return lm

    def _conversational(self, folder: Path) -> ConversationalPolicy | None:
        """With the adapter's own ranker of conversations, where it was trained on a chat's log; else the usual one."""
        if self.conversational is None or not (folder / RANKER_FILE).is_file():
            return self.conversational
        return self.conversational.with_ranker(ConversationalRanker.load(folder))


def load_policy(
    data: str, model: str | Path | None, adapter: str | Path | None, progress: bool = False
) -> tuple[Catalogue, PolicySource, Mapping[str, tuple[Event, ...]]]:
    """The catalogue, the source of the LM policy over it, and the users' histories of a data set.

    See :meth:`agent.recommender.Recommender.load` for the arguments and errors.
    """
    dataset = load_dataset(data)
    foundation = Foundation.of(dataset, progress=progress)
    source: PolicySource
    if adapter is not None:
        source = FixedPolicy(foundation.policy(adapter, model))
    else:
        known = registry(data)

        def load(version: str) -> Policy:
            try:
                return foundation.policy(known.verified(version).folder, model)
            except ValueError as error:
                back = "; `concierge adapters rollback` returns to the one before it" if known.steps() else ""
                raise AdapterError(f"the adapter {version!r} cannot be used: {error}{back}") from error

        source = ActivePolicy(known.active, load, experiment=known.experiment)
    return foundation.catalogue, source, user_histories(indexed_ratings(dataset))


def registry(data: str, home: Path | None = None) -> AdapterRegistry:
    """The adapters for a data set: those in ``home`` (None: the user's own folder), and the shipped ones."""
    shipped = [*_folders(ADAPTERS), *_folders(DOMAINS / data / OF_DOMAIN)]
    return AdapterRegistry(home or data_dir() / "adapters" / data, shipped, released(data))


def released(data: str) -> Path:
    """The shipped adapter that is in use for a data set where nothing was promoted: that of its domain, if it has one.

    A domain that ships a catalogue has its name.
    """
    return next(reversed(_folders(DOMAINS / data / OF_DOMAIN)), RELEASED)


def _folders(home: Path) -> list[Path]:
    return sorted(path.parent for path in home.glob(f"*/{POLICY_FILE}"))


class Card(Protocol):
    """What a card says of the items and the network that an adapter was trained on."""

    @property
    def items(self) -> Sequence[str]:
        """The keys of the items."""
        ...

    @property
    def layers(self) -> int | None:
        """How many layers of the base LM (None: all)."""
        ...


def new_item_features(
    card: Card, catalogue: Catalogue, evidence: EvidenceModel, base: str | Path
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
    return ItemFeatures.of(catalogue, tokenizer, embedding, evidence.taste.watched_with.neighbours)
