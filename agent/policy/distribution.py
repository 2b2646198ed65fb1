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
    from agent.policy.conversational_ranker import ConversationalRanker
    from agent.policy.item_lm import ItemLanguageModel
    from prompts import Template


SEMANTIC_WEIGHT = 0.6
"""Weight of the text similarity in the logits, chosen by NDCG@10 on the validation users' soft requests, without an LM.

An LM that reads the request does better on these than both together (.291 against .282), so beside one only those
wishes are read by similarity that no data decides, with the largest weight that costs those requests nothing."""

BESIDE_LM = 0.2
"""The same beside an LM."""


class SemanticSource(Protocol):
    """What the policy needs of :class:`agent.policy.semantic.SemanticSimilarity`."""

    items: np.ndarray
    """Unit vectors of the items' texts, (n_items, width)."""

    def scores(self, wishes: Sequence[str]) -> np.ndarray:
        """(n_items,) float32, zeros where nothing is wished."""
        ...

    def likeness(self, wish: str) -> np.ndarray:
        """(n_items,) float32, of one wish and without a bound."""
        ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of any texts, (len(texts), width)."""
        ...

    def answerable(self, request: str) -> bool:
        """Whether a request is of the kind that the items answer."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a state's logits at C candidates are made of before any weight that is trained.

    ``logits = offset + evidence_scale * features @ w + lm_scale * v * LM logits``, divided by the temperature, with the
    goal's ``w`` and ``v``. ``features`` (C, F) and ``offset`` (C,) are float32. ``lm_scale`` is 0 where the LM has
    nothing to read. ``said`` (C, G): what the offset weighs of a conversation, for the weights of its ranker to be
    trained; None where none is ranked.
    """

    features: np.ndarray
    offset: np.ndarray
    evidence_scale: float
    lm_scale: float
    said: np.ndarray | None = None

    def evidence(self, weights: np.ndarray) -> np.ndarray:
        """All but the LM's part, (C,) float32, for the goal's weights (F,)."""
        weighed = np.einsum("cf,f->c", self.features, weights.astype(np.float32))
        return np.asarray(self.offset + np.float32(self.evidence_scale) * weighed, dtype=np.float32)


class ConversationalSource(Protocol):
    """What the policy needs of :class:`agent.policy.conversational_policy.ConversationalPolicy`."""

    ranker: ConversationalRanker

    def blend(self, state: State, parts: Parts, candidates: np.ndarray | None) -> Parts:
        """The parts of a state in which all that is known was said, from those of the policy alone."""
        ...


class EvidenceSource(Protocol):
    """What the policy needs of :class:`agent.features.model.EvidenceModel`."""

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, n_items, n_features) float32; at candidates (B, C): (B, C, n_features)."""
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
    the LM speaks only where there is a wish to read, and so does ``semantic``: ``semantic_weight`` times how well an
    item fits the wish in words is added to the evidence (where ``reads_requests``, the whole request counts as a wish;
    beside an LM only what no facet decides). Without an LM the policy is the classical ranker that it starts from.
    Where all that is known was said in a conversation, ``conversational`` weighs both parts with what was said.
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
        semantic: SemanticSource | None = None,
        semantic_weight: float | None = None,
        conversational: ConversationalSource | None = None,
        reads_requests: bool | None = None,
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
        self.semantic = semantic
        self.semantic_weight = semantic_weight if semantic_weight is not None else _default_weight(lm)
        self.reads_requests = lm is None if reads_requests is None else reads_requests
        self.conversational = conversational

    @property
    def template(self) -> dict[str, object]:
        """Name, version and hash of the state template; without an LM nothing is rendered."""
        if self.prompt is None:
            return {"name": "none", "version": 0, "hash": "none"}
        return self.prompt.template.reference

    def without_lm(self) -> Policy:
        """The same policy with the LM's part set to zero, and nothing else changed."""
        other = copy.copy(self)
        other.lm = other.prompt = None
        other.version = f"{self.version}-without-lm"
        return other

    def instead_of_lm(self) -> Policy:
        """The policy as it is where there is no LM: the text similarity reads the whole request, and weighs more."""
        other = self.without_lm()
        other.semantic_weight, other.reads_requests = SEMANTIC_WEIGHT, True
        other.version = f"{self.version}-instead-of-lm"
        return other

    def without_semantic(self) -> Policy:
        """The same policy without the part of the evidence that reads a wish by similarity of text."""
        other = copy.copy(self)
        other.semantic = None
        other.version = f"{self.version}-without-semantic"
        return other

    def without_conversational(self) -> Policy:
        """The same policy without the ranker of conversations."""
        other = copy.copy(self)
        other.conversational = None
        other.version = f"{self.version}-without-conversational"
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

    def rank_many(
        self,
        states: Sequence[State],
        candidates: Sequence[Sequence[int] | np.ndarray],
        known: Sequence[Parts] | None = None,
    ) -> list[Ranking]:
        """One distribution a state; ``candidates`` holds one list a state, ``known`` its :meth:`parts` if at hand.

        A state's distribution is the same (to float32's rounding) whatever other states are asked about with it.

        Raises:
            ValueError: the lists differ in length.
        """
        if len(states) != len(candidates):
            raise ValueError(f"{len(states)} states but {len(candidates)} lists of candidates: give one list a state")
        chosen = [np.asarray(own, dtype=np.int64) for own in candidates]
        rankings = []
        found = self.parts(states, chosen) if known is None else known
        for state, index, parts, lm in zip(states, chosen, found, self._lm_logits(states), strict=True):
            spoken = np.zeros(len(index), np.float32) if lm is None else self._lm_part(state, parts, lm[index])
            rankings.append(Ranking(index, spoken, parts.evidence(self.weights[state.goal]), self.temperature))
        return rankings

    def scores(self, states: Sequence[State]) -> tuple[np.ndarray, np.ndarray]:
        """Evidence part and LM part of the logits over the whole catalogue, each (B, n_items) float32."""
        evidence, spoken = [], []
        for state, parts, lm in zip(states, self.parts(states), self._lm_logits(states), strict=True):
            evidence.append(parts.evidence(self.weights[state.goal]))
            spoken.append(np.zeros_like(evidence[-1]) if lm is None else self._lm_part(state, parts, lm))
        return np.stack(evidence), np.stack(spoken)

    def parts(self, states: Sequence[State], candidates: Sequence[np.ndarray] | None = None) -> list[Parts]:
        """What each state's logits are made of before any weight that is trained, at its candidates (None: all)."""
        histories = [evidence_history(state) for state in states]
        features = self._features(histories, candidates)
        found = []
        for row, (state, own) in enumerate(zip(states, features, strict=True)):
            index = None if candidates is None else candidates[row]
            offset = np.zeros(len(own), dtype=np.float32)
            if self.semantic is not None and state.goal == "request":
                wish = self.semantic_weight * self.semantic.scores(wishes(state, whole=self.reads_requests))
                offset += wish if index is None else wish[index]
            parts = Parts(own, offset, 1.0, float(self._speaks(state)))
            if self.conversational is not None and state.spoken:
                parts = self.conversational.blend(state, parts, index)
            found.append(parts)
        return found

    def _features(
        self, histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray] | None
    ) -> Sequence[np.ndarray]:
        """(C, F) at each state's candidates; lists of several lengths are filled up with their first item."""
        if candidates is None or not histories:
            return list(self.evidence.features(histories)) if histories else []
        width = max(len(own) for own in candidates)
        padded = np.zeros((len(candidates), width), dtype=np.int64)
        for row, own in enumerate(candidates):
            padded[row, : len(own)] = own
        block = self.evidence.features(histories, padded)
        return [own[: len(index)] for own, index in zip(block, candidates, strict=True)]

    def _lm_logits(self, states: Sequence[State]) -> list[np.ndarray | None]:
        """The LM's logits of every item, (n_items,); None where it has no say."""
        found: list[np.ndarray | None] = [None] * len(states)
        asked = [row for row, state in enumerate(states) if self._speaks(state) and self._lm_weight(state)]
        if asked and self.lm is not None and self.prompt is not None:
            for row, own in zip(asked, self.lm.scores(self.prompt.encode([states[r] for r in asked])), strict=True):
                found[row] = own
        return found

    def _lm_part(self, state: State, parts: Parts, lm: np.ndarray) -> np.ndarray:
        return np.asarray(np.float32(self._lm_weight(state) * parts.lm_scale) * lm)

    def _lm_weight(self, state: State) -> float:
        return self.lm_weights.get(state.goal, 1.0)

    @staticmethod
    def _speaks(state: State) -> bool:
        """Whether there is something for the LM to read: for the goal ``request``, a wish."""
        return state.goal != "request" or bool(state.request or state.like or state.unlike)

    def semantic_logits(self, states: Sequence[State], n_items: int) -> np.ndarray:
        """What the similarity of wishes and texts adds to the evidence, (B, n_items) float32."""
        out = np.zeros((len(states), n_items), dtype=np.float32)
        for row, state in enumerate(states):
            if self.semantic is not None and state.goal == "request":
                out[row] = self.semantic_weight * self.semantic.scores(wishes(state, whole=self.reads_requests))
        return out


def _default_weight(lm: object | None) -> float:
    return SEMANTIC_WEIGHT if lm is None else BESIDE_LM


def wishes(state: State, whole: bool) -> tuple[str, ...]:
    """What a state wishes in words: what no data decides, wish by wish, and the ``whole`` request too."""
    texts = (*state.hints, *((state.request,) if whole else ()))
    return tuple(dict.fromkeys(text for text in texts if text))


def evidence_history(state: State) -> tuple[Event, ...]:
    """The history as the evidence sees it: items named as examples count as just watched and liked (or disliked)."""
    examples = tuple(Event(item, 5.0) for item in state.like) + tuple(Event(item, 1.0) for item in state.unlike)
    return state.history + examples
