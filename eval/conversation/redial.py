"""Dialogues: which films a recommender named next, foretold from what was said, through the product's own turn.

Every message of a row's context is understood as in a chat and taken into the state; the policy with its ranker of
conversations then ranks the whole catalogue as for a person without a past, but for the films named so far. Rows of an
ablation leave one part out. Recall@k is the share of the films to foretell that are among the first k; a film that the
catalogue does not have is a miss. Intervals draw whole dialogues.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from safetensors.numpy import load_file, save_file

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import cache_dir
from agent.data.atomic import building
from agent.dialogue.state import policy_state
from agent.features.conversation_features import FEATURES, ConversationFeatures, Dialogue
from agent.policy.conversational_policy import NAMES, columns, dialogue_of
from agent.policy.conversational_ranker import ConversationalRanker, LearntCounts
from agent.policy.distribution import Policy
from agent.policy.semantic import SemanticSimilarity
from agent.recommender import Recommender
from agent.records.state import Spoken, State
from eval.conversation.redial_rows import DialogueRow, Titles, targets_of
from eval.metrics import Interval, cluster_bootstrap
from training.progress import Progress

CUTS = (1, 5, 10, 20, 50)

ABLATIONS = {
    "text similarity": frozenset(name for name in FEATURES if name.startswith(("text_", "said"))),
    "people": frozenset(name for name in FEATURES if name.startswith("people_")),
    "conditions": frozenset({"met", "met_people", "asked_category", "unwanted_category"}),
}
"""What is left out at a time: the text similarity goes from the policy's evidence as well."""


class DialogueError(ValueError):
    """Dialogues cannot be evaluated; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class HeardRow:
    """A row as the product heard it; ``barred`` are catalogue indices that are not recommended."""

    row: DialogueRow
    state: State
    dialogue: Dialogue
    barred: frozenset[int]
    targets: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class DialogueResult:
    """One ranker's figures; ``targets`` counts the films to foretell, ``known`` those that the catalogue has."""

    name: str
    recall: Mapping[int, Interval]
    targets: int
    known: int
    dialogues: int

    def to_json(self) -> dict[str, object]:
        """Plain data: the figures as ``recall@k``, their intervals as ``recall@k_ci``."""
        figures: dict[str, object] = {f"recall@{k}": own.mean for k, own in self.recall.items()}
        figures |= {f"recall@{k}_ci": [own.low, own.high] for k, own in self.recall.items()}
        about = {key: value for key, value in asdict(self).items() if key != "recall"}
        return {**about, **figures}


def hear_rows(recommender: Recommender, rows: Sequence[DialogueRow], report: Progress | None = None) -> list[HeardRow]:
    """Understand every row's context with the product's own turn.

    Raises:
        DialogueError: the policy has no text similarity (the sentence encoder was not fetched).
    """
    semantic = recommender.policy.semantic
    if not isinstance(semantic, SemanticSimilarity):
        raise DialogueError("dialogues are read with the sentence encoder: run `concierge data fetch`")
    targets = targets_of(rows, Titles(recommender.catalogue))
    states = []
    taken: list[dict[str, str]] = []
    conversation = recommender.continued(taken)
    for place, row in enumerate(rows):
        # A dialogue's rows follow one another, each with the messages of the one before and some more.
        goes_on = row.messages[: len(taken)] == taken
        conversation = recommender.continued(
            row.messages[len(taken) if goes_on else 0 :], conversation if goes_on else None
        )
        taken = row.messages
        states.append(policy_state(recommender.state(conversation), ()))
        if report is not None and (place % 50 == 49 or place + 1 == len(rows)):
            report("understanding the dialogues", place + 1, len(rows))
    said, last = text_vectors(semantic, [state.spoken or Spoken() for state in states])
    heard = []
    for place, (row, state) in enumerate(zip(rows, states, strict=True)):
        dialogue = dialogue_of(state, said[place], last[place])
        heard.append(HeardRow(row, state, dialogue, state.seen | frozenset(dialogue.named), tuple(targets[place])))
    return heard


def text_vectors(semantic: SemanticSimilarity, spoken: Sequence[Spoken]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of what was said and of the last messages, (states, width); kept in the user's cache."""
    texts = {name: [getattr(own, name) for own in spoken] for name in ("said", "last")}
    name = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:24]
    folder = cache_dir() / "dialogue" / f"said-{name}"
    with building(folder) as temporary:
        if temporary is not None:
            save_file({key: semantic.encode(own) for key, own in texts.items()}, temporary / "vectors.safetensors")
    stored = load_file(folder / "vectors.safetensors")
    return stored["said"], stored["last"]


@dataclass(frozen=True)
class Variant:
    """One row of the table: a ranker, the policy whose logits it weighs, and whether that compares wishes and texts."""

    name: str
    ranker: ConversationalRanker
    parts: PolicyParts
    semantic: bool = True


def matrix(
    place: int, dialogue: Dialogue, features: np.ndarray, learnt: np.ndarray, parts: PolicyParts, semantic: bool = True
) -> np.ndarray:
    """All NAMES of every item for the row at ``place``, (F, n_items) float32, as the conversational policy has them."""
    policy = parts.evidence[place].astype(np.float32)
    return columns(dialogue, features, learnt, policy + parts.semantic[place] if semantic else policy, parts.lm[place])


def ranks_of(
    variants: Sequence[Variant],
    heard: Sequence[HeardRow],
    which: Sequence[int],
    evidence: ConversationFeatures,
    catalogue: Catalogue,
    report: Progress | None = None,
) -> list[np.ndarray]:
    """For each variant the ranks of all targets of the rows ``which``; what they share is worked out once a row."""
    counts = [LearntCounts(variant.ranker.past, catalogue) for variant in variants]
    weights = [variant.ranker.vector(NAMES) for variant in variants]
    ranks: list[list[np.ndarray]] = [[] for _ in variants]
    for done, place in enumerate(which, 1):
        row = heard[place]
        features = evidence.features(row.dialogue)
        for own, variant in enumerate(variants):
            learnt = counts[own].features(row.dialogue)
            whole = matrix(place, row.dialogue, features, learnt, variant.parts, variant.semantic)
            ranks[own].append(rank_targets((weights[own] @ whole).astype(np.float64), row))
        if report is not None and (done % 50 == 0 or done == len(which)):
            report("ranking the catalogue", done, len(which))
    return [np.concatenate(own) for own in ranks]


def rank_targets(scores: np.ndarray, row: HeardRow) -> np.ndarray:
    """How many items come before each of the row's targets (ties count half); infinite for a miss."""
    own = scores.copy()
    own[list(row.barred)] = -np.inf
    ranks = np.full(len(row.targets), np.inf)
    for place, target in enumerate(row.targets):
        if target is not None and target not in row.barred:
            ranks[place] = (own > own[target]).sum() + ((own == own[target]).sum() - 1) / 2
    return ranks


def named_by_dialogue(heard: Sequence[HeardRow]) -> dict[str, tuple[frozenset[int], frozenset[int]]]:
    """For each dialogue the items that were named in it, and those recommended."""
    named: dict[str, set[int]] = {}
    recommended: dict[str, set[int]] = {}
    for row in heard:
        targets = {target for target in row.targets if target is not None}
        named.setdefault(row.row.dialog_id, set()).update(row.dialogue.named, targets)
        recommended.setdefault(row.row.dialog_id, set()).update(targets)
    return {key: (frozenset(own), frozenset(recommended[key])) for key, own in named.items()}


def result(name: str, ranks: np.ndarray, rows: Sequence[HeardRow], seed: int = 0) -> DialogueResult:
    """Recall with intervals that draw whole dialogues.

    Raises:
        ValueError: the rows have nothing to foretell.
    """
    clusters = [row.row.dialog_id for row in rows for _ in row.targets]
    known = sum(target is not None for row in rows for target in row.targets)
    recall = {k: cluster_bootstrap((ranks < k).astype(np.float64), clusters, seed=seed) for k in CUTS}
    return DialogueResult(name, recall, len(ranks), known, len(set(clusters)))


CHUNK = 32
"""States that are ranked, and kept, together."""

_FORMAT = 1
_NAMES = ("evidence", "semantic", "lm")


@dataclass(frozen=True)
class PolicyParts:
    """A policy's logits, (states, n_items) float16, each row less its mean: evidence, its text similarity, LM."""

    evidence: np.ndarray
    semantic: np.ndarray
    lm: np.ndarray


def policy_parts(
    policy: Policy,
    states: Sequence[State],
    data: str,
    with_lm: bool = True,
    report: Progress | None = None,
    about: str = "ranking with the policy",
) -> PolicyParts:
    """What the policy makes of every state without its ranker of conversations; without the LM that part is zero."""
    policy = (policy if with_lm else policy.instead_of_lm()).without_conversational()
    plain = policy.without_semantic()
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
                semantic = policy.semantic_logits(chunk, evidence.shape[1])
                own = {n: _centred(part) for n, part in zip(_NAMES, (evidence, semantic, lm), strict=True)}
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
    content.update(f"{policy.semantic_weight if policy.semantic is not None else 0}".encode())
    if with_lm and policy.lm is not None:
        rows = policy.lm.model.get_input_embeddings().weight[policy.lm.token_ids[:2000]]
        content.update(rows.detach().float().cpu().numpy().tobytes())
    return content.hexdigest()
