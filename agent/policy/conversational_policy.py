"""Talk policy: the ranker of conversations as a part of the policy, where all that is known was said."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.features.conversation_features import FEATURES, Talk, TalkEvidence
from agent.policy.conversational_ranker import LEARNT, POLICY_PARTS, LearntCounts, TalkRanker
from agent.policy.semantic import Meaning
from agent.records.state import State

NAMES = (*FEATURES, *LEARNT, *POLICY_PARTS)
"""All that a ranker may weigh, in the order of :func:`columns`."""


class TalkPolicy:
    """Turns a policy's logits into those of a :class:`agent.policy.conversational_ranker.TalkRanker`."""

    def __init__(self, catalogue: Catalogue, evidence: TalkEvidence, meaning: Meaning, ranker: TalkRanker) -> None:
        self._evidence = evidence
        self._counts = LearntCounts(ranker.past, catalogue)
        self._weights = ranker.vector(NAMES)
        self._lm_weights = self._weights * np.array([name.startswith("lm") for name in NAMES], dtype=np.float32)
        self._encode = lru_cache(maxsize=256)(lambda text: meaning.encode([text])[0])

    def logits(self, state: State, evidence: np.ndarray, lm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Evidence part and LM part, each (n_items,) float32, from those of the policy alone.

        Raises:
            ValueError: the state has nothing that was said.
        """
        if state.spoken is None:
            raise ValueError("a state without what was said: only conversations without a past are ranked so")
        talk = talk_of(state, self._encode(state.spoken.said), self._encode(state.spoken.last))
        matrix = columns(talk, self._evidence.features(talk), self._counts.features(talk), evidence, lm)
        own = self._lm_weights @ matrix
        return self._weights @ matrix - own, own


def talk_of(state: State, said: np.ndarray, last: np.ndarray) -> Talk:
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
    return Talk(tuple(item for item, _ in named), weights, said, last, categories, refused)


def columns(talk: Talk, features: np.ndarray, learnt: np.ndarray, evidence: np.ndarray, lm: np.ndarray) -> np.ndarray:
    """All NAMES of every item, (F, n_items) float32.

    Args:
        talk: the conversation.
        features: FEATURES, (len(FEATURES), n_items).
        learnt: LEARNT, (len(LEARNT), n_items).
        evidence: the policy's evidence with its meaning, (n_items,).
        lm: the LM's part of the policy's logits, (n_items,).
    """
    parts = np.stack([own - own.mean() for own in (evidence.astype(np.float32), lm.astype(np.float32))])
    return np.concatenate([features, learnt, parts, np.zeros_like(parts) if talk.named else parts])
