"""Dialogue policy: the ranker of conversations as a part of the policy, where all that is known was said."""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.features.conversation_features import FEATURES, ConversationFeatures, Dialogue
from agent.policy.conversational_ranker import LEARNT, POLICY_PARTS, ConversationalRanker, LearntCounts
from agent.policy.distribution import Parts
from agent.policy.semantic import SemanticSimilarity
from agent.policy.taken import TAKEN
from agent.records.state import State

SAID = (*FEATURES, *LEARNT, *TAKEN)
"""What a conversation tells of each item, in the order of :attr:`agent.policy.distribution.Parts.said`."""

WORDS = 2.5
"""The least factor on what the words of a wish mean: in the dialogues that a ranker is fitted on hardly anybody wishes
for more than kinds and people, so that its weights would let the well known stand for any mood or subject."""

NAMES = (*FEATURES, *LEARNT, *POLICY_PARTS)
"""All that a ranker may weigh, in the order of :func:`columns`."""


class ConversationalPolicy:
    """Blends a policy's parts as a :class:`agent.policy.conversational_ranker.ConversationalRanker` weighs them."""

    def __init__(
        self,
        catalogue: Catalogue,
        evidence: ConversationFeatures,
        semantic: SemanticSimilarity,
        ranker: ConversationalRanker,
    ) -> None:
        self._catalogue = catalogue
        self._evidence = evidence
        self._encode = lru_cache(maxsize=256)(lambda text: semantic.encode([text])[0])
        self._weigh(ranker)

    def _weigh(self, ranker: ConversationalRanker) -> None:
        self.ranker = ranker
        self._counts = LearntCounts(ranker.past, self._catalogue)
        self._taken = ranker.chat.columns(self._catalogue)
        self._weights = ranker.vector(SAID)
        self._parts = dict(zip(POLICY_PARTS, ranker.vector(POLICY_PARTS).tolist(), strict=True))

    def with_ranker(self, ranker: ConversationalRanker) -> ConversationalPolicy:
        """The same features, weighed by another ranker."""
        other = copy.copy(self)
        other._weigh(ranker)
        return other

    def blend(self, state: State, parts: Parts, candidates: np.ndarray | None) -> Parts:
        """The parts of a conversation without a past: what was said joins as an offset, the policy is weighed.

        Raises:
            ValueError: the state has nothing that was said.
        """
        if state.spoken is None:
            raise ValueError("a state without what was said: only conversations without a past are ranked so")
        dialogue = dialogue_of(state, self._encode(state.spoken.said), self._encode(state.spoken.last))
        matrix = np.concatenate([self._evidence.features(dialogue), self._counts.features(dialogue), self._taken])
        matrix = matrix if candidates is None else matrix[:, candidates]
        said = self._weights @ matrix
        alone = 0.0 if dialogue.named else 1.0
        weights = self._parts
        scale = weights["evidence"] + alone * weights["evidence_alone"]
        lm_scale = weights["lm"] + alone * weights["lm_alone"]
        offset = said + np.float32(max(scale, WORDS)) * parts.offset
        return Parts(parts.features, offset.astype(np.float32), scale, parts.lm_scale * lm_scale, matrix.T)


def dialogue_of(state: State, said: np.ndarray, last: np.ndarray) -> Dialogue:
    """What a state's conversation tells; ``said`` and ``last`` are the vectors of its texts.

    Raises:
        ValueError: the state has nothing that was said.
    """
    if state.spoken is None:
        raise ValueError("a state without what was said")
    named = state.spoken.named
    categories = tuple(sorted({name for own in state.conditions if own.op == "is" for name in own.names}))
    refused = tuple(sorted({name for own in state.conditions if own.negative for name in own.names}))
    weights = tuple(weight for _, weight in named)
    return Dialogue(tuple(item for item, _ in named), weights, said, last, categories, refused, state.conditions)


def columns(
    dialogue: Dialogue, features: np.ndarray, learnt: np.ndarray, evidence: np.ndarray, lm: np.ndarray
) -> np.ndarray:
    """All NAMES of every item, (F, n_items) float32.

    ``features``: FEATURES, (len(FEATURES), n_items); ``learnt``: LEARNT, (len(LEARNT), n_items); ``evidence``: the
    policy's evidence with the text similarity, (n_items,); ``lm``: the LM's part of the policy's logits, (n_items,).
    """
    parts = np.stack([own - own.mean() for own in (evidence.astype(np.float32), lm.astype(np.float32))])
    return np.concatenate([features, learnt, parts, np.zeros_like(parts) if dialogue.named else parts])
