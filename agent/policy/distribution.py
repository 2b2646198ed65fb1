"""Policy: a distribution over candidates, from the LM's item logits and the evidence."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from agent.policy.state_prompt import StatePrompt
from agent.records.state import Event, State

if TYPE_CHECKING:
    from agent.policy.item_lm import ItemLanguageModel
    from prompts import Template


MEANING_WEIGHT = 0.6
"""Weight of a wish's meaning in the logits, chosen by NDCG@10 on the validation users' soft requests, without an LM.

An LM that reads the request does better on these than both together (.291 against .282), so beside one only those
wishes are read by meaning that no data decides, with the largest weight that costs those requests nothing."""

BESIDE_LM = 0.2
"""The same beside an LM."""


class MeaningSource(Protocol):
    """What the policy needs of :class:`agent.policy.semantic.Meaning`."""

    def scores(self, wishes: Sequence[str]) -> np.ndarray:
        """(n_items,) float32, zeros where nothing is wished."""
        ...


class TalkSource(Protocol):
    """What the policy needs of :class:`agent.policy.conversational_policy.TalkPolicy`."""

    def logits(self, state: State, evidence: np.ndarray, lm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Evidence part and LM part, (n_items,) float32, from those of the policy alone."""
        ...


class EvidenceSource(Protocol):
    """What the policy needs of :class:`agent.features.model.EvidenceModel`."""

    def features(self, histories: Sequence[Sequence[Event]]) -> np.ndarray:
        """(B, n_items, n_features) float32."""
        ...


@dataclass(frozen=True, slots=True)
class Slate:
    """Items in the order shown, with the probability of each at its place given those above it."""

    items: tuple[int, ...]
    propensities: tuple[float, ...]

    @property
    def propensity(self) -> float:
        """Probability of the whole slate in this order (Plackett-Luce)."""
        return float(np.prod(self.propensities))


@dataclass(frozen=True, slots=True)
class Ranking:
    """The policy's distribution over candidates.

    ``candidates`` (C,) catalogue indices; ``lm`` and ``evidence`` (C,) the two parts of the logits; the probabilities
    are ``softmax((lm + evidence) / temperature)``.
    """

    candidates: np.ndarray
    lm: np.ndarray
    evidence: np.ndarray
    temperature: float = 1.0

    @property
    def logits(self) -> np.ndarray:
        """(C,) float64, divided by the temperature."""
        return np.asarray((self.lm.astype(np.float64) + self.evidence) / self.temperature)

    @property
    def log_probabilities(self) -> np.ndarray:
        """(C,) float64."""
        logits = self.logits
        if not len(logits):
            return logits
        top = logits.max()
        result: np.ndarray = logits - top - np.log(np.exp(logits - top).sum())
        return result

    @property
    def probabilities(self) -> np.ndarray:
        """(C,) float64, sums to 1."""
        return np.asarray(np.exp(self.log_probabilities))

    def slate(self, k: int, rng: np.random.Generator | None = None) -> Slate:
        """Choose ``k`` items (fewer where there are fewer candidates).

        With ``rng``, drawn without replacement from the Plackett-Luce model (Gumbel top-k: Kool et al., 2019,
        arXiv:1903.06059); the propensity of each place is then its probability given the items above. Without, the k
        most probable, each with propensity 1, because this policy then always shows them.

        Raises:
            ValueError: ``k`` is not positive.
        """
        if k < 1:
            raise ValueError(f"a slate of {k} items: ask for at least 1")
        logits = self.logits
        if rng is None:
            order = np.argsort(-logits, kind="stable")[:k]
            return Slate(tuple(int(i) for i in self.candidates[order]), (1.0,) * len(order))
        order = np.argsort(-(logits + rng.gumbel(size=len(logits))), kind="stable")[:k]
        return Slate(tuple(int(i) for i in self.candidates[order]), tuple(_drawn(logits, order).tolist()))

    def propensities(self, items: Sequence[int]) -> np.ndarray:
        """With which probability each of ``items`` is drawn for its place given those above it, (len(items),).

        Raises:
            ValueError: one of them is no candidate, or is named twice.
        """
        place = {int(item): row for row, item in enumerate(self.candidates)}
        unknown = [item for item in items if item not in place]
        if unknown or len(set(items)) < len(items):
            raise ValueError(f"items {list(items)}: name candidates, each once ({unknown} are none)")
        return _drawn(self.logits, np.array([place[item] for item in items], dtype=np.int64))


def _drawn(logits: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Plackett-Luce: the probability of each place of ``order`` given those above it."""
    chosen = logits[order]
    # What is left at each place is summed from the last one up, in logarithms: nothing cancels or underflows.
    unchosen = np.logaddexp.reduce(np.delete(logits, order), initial=-np.inf)
    left = np.logaddexp.accumulate(np.concatenate([[unchosen], chosen[::-1]]))[1:][::-1]
    propensities: np.ndarray = np.minimum(1.0, np.exp(chosen - left))
    return propensities


class Policy:
    """``logits = v[goal] * LM item logits + w[goal] . evidence(history, item)``, softmax over the candidates.

    ``weights`` maps a goal to w (n_features,), ``lm_weights`` to v (1 where it is not named). For the goal ``request``
    the LM speaks only where there is a wish to read, and so does ``meaning``: ``meaning_weight`` times how well an
    item fits the wish in words is added to the evidence. Without an LM the policy is the classical ranker that it
    starts from. Where all that is known was said in a conversation, ``talk`` weighs both parts with what was said.
    """

    def __init__(
        self,
        evidence: EvidenceSource,
        weights: dict[str, np.ndarray],
        lm: ItemLanguageModel | None = None,
        prompt: StatePrompt | None = None,
        temperature: float = 1.0,
        version: str = "evidence",
        lm_weights: dict[str, float] | None = None,
        meaning: MeaningSource | None = None,
        meaning_weight: float | None = None,
        talk: TalkSource | None = None,
    ) -> None:
        if (lm is None) != (prompt is None):
            raise ValueError("a policy needs the LM and its state prompt together, or neither")
        self.evidence = evidence
        self.weights = weights
        self.lm = lm
        self.prompt = prompt
        self.temperature = temperature
        self.version = version
        self.lm_weights = lm_weights or {}
        self.meaning = meaning
        self._meaning_weight = meaning_weight
        self.talk = talk

    @property
    def meaning_weight(self) -> float:
        """The weight of a wish's meaning: the given one, else MEANING_WEIGHT, or BESIDE_LM where there is an LM."""
        if self._meaning_weight is not None:
            return self._meaning_weight
        return MEANING_WEIGHT if self.lm is None else BESIDE_LM

    @property
    def template(self) -> dict[str, object]:
        """Name, version and hash of the state template; without an LM nothing is rendered."""
        if self.prompt is None:
            return {"name": "none", "version": 0, "hash": "none"}
        return self.prompt.template.reference

    def without_lm(self) -> Policy:
        """The same policy with the LM's part set to zero."""
        other = copy.copy(self)
        other.lm = other.prompt = None
        other.version = f"{self.version}-without-lm"
        return other

    def without_meaning(self) -> Policy:
        """The same policy without the part of the evidence that reads a wish by its meaning."""
        other = copy.copy(self)
        other.meaning = None
        other.version = f"{self.version}-without-meaning"
        return other

    def without_talk(self) -> Policy:
        """The same policy without the ranker of conversations."""
        other = copy.copy(self)
        other.talk = None
        other.version = f"{self.version}-without-talk"
        return other

    def with_template(self, template: Template) -> Policy:
        """The same policy, LM and all, that reads the state through another template; itself where it has no LM."""
        if self.prompt is None:
            return self
        other = copy.copy(self)
        other.prompt = self.prompt.with_template(template)
        return other

    def rank(self, state: State, candidates: Sequence[int] | np.ndarray) -> Ranking:
        """The distribution over ``candidates`` (catalogue indices) in one forward pass."""
        return self.rank_many([state], [candidates])[0]

    def rank_many(self, states: Sequence[State], candidates: Sequence[Sequence[int] | np.ndarray]) -> list[Ranking]:
        """One distribution a state; ``candidates`` holds one list a state.

        Raises:
            ValueError: the lists differ in length.
        """
        if len(states) != len(candidates):
            raise ValueError(f"{len(states)} states but {len(candidates)} lists of candidates: give one list a state")
        evidence, lm = self.scores(states)
        rankings = []
        for row, chosen in enumerate(candidates):
            index = np.asarray(chosen, dtype=np.int64)
            rankings.append(Ranking(index, lm[row, index], evidence[row, index], self.temperature))
        return rankings

    def scores(self, states: Sequence[State]) -> tuple[np.ndarray, np.ndarray]:
        """Evidence part and LM part of the logits over the whole catalogue, each (B, n_items) float32."""
        features = self.evidence.features([evidence_history(state) for state in states])
        weights = np.stack([self.weights[state.goal] for state in states]).astype(np.float32)
        evidence = np.einsum("bnf,bf->bn", features, weights)
        if self.meaning is not None:
            evidence += self.meaning_logits(states, evidence.shape[1])
        lm = self._lm_logits(states, evidence.shape[1])
        for row, state in enumerate(states):
            if self.talk is not None and state.spoken:
                evidence[row], lm[row] = self.talk.logits(state, evidence[row], lm[row])
        return evidence, lm

    def _lm_logits(self, states: Sequence[State], n_items: int) -> np.ndarray:
        lm = np.zeros((len(states), n_items), dtype=np.float32)
        asked = [row for row, state in enumerate(states) if self._lm_weight(state)]
        if asked and self.lm is not None and self.prompt is not None:
            scores = self.lm.scores(self.prompt.encode([states[row] for row in asked]))
            lm[asked] = scores * np.array([[self._lm_weight(states[row])] for row in asked], dtype=np.float32)
        return lm

    def meaning_logits(self, states: Sequence[State], n_items: int) -> np.ndarray:
        """What the meaning of the wishes adds to the evidence, (B, n_items) float32."""
        out = np.zeros((len(states), n_items), dtype=np.float32)
        for row, state in enumerate(states):
            if self.meaning is not None and state.goal == "request":
                out[row] = self.meaning_weight * self.meaning.scores(wishes(state, whole=self.lm is None))
        return out

    def _lm_weight(self, state: State) -> float:
        has_wish = bool(state.request or state.like or state.unlike)
        return self.lm_weights.get(state.goal, 1.0) if has_wish or state.goal != "request" else 0.0


def wishes(state: State, whole: bool) -> tuple[str, ...]:
    """What a state wishes in words: what no data decides, wish by wish, and the ``whole`` request too."""
    texts = (*state.hints, *((state.request,) if whole else ()))
    return tuple(dict.fromkeys(text for text in texts if text))


def evidence_history(state: State) -> tuple[Event, ...]:
    """The history as the evidence sees it: films named as examples count as just watched and liked (or disliked)."""
    examples = tuple(Event(item, 5.0) for item in state.like) + tuple(Event(item, 1.0) for item in state.unlike)
    return state.history + examples
