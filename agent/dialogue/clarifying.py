"""Asking back: which question, if any, is worth a person's answer.

An answer tells which of the candidates are meant, since every answer that is offered is a condition. What a question
is worth is the expected rise of the slate's hit probability under the policy's distribution p:

    gain = sum over answers a of top_k(p(i) * P(a | i)) - top_k(p)

where ``top_k`` sums the k largest and P(a | i) is the chance that somebody who wants item i gives the answer a. This
is the expected value of sample information for the decision "which k items to show" (Raiffa and Schlaifer, 1961).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from agent.catalogue.conditions import value_name
from agent.records.conditions import Condition

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.dialogue.state import DialogueState
    from agent.policy.distribution import Ranking

LEAST_GAIN = 0.1
"""A question is asked from this expected rise of the slate's hit probability on.

Measured on 160 validation users of MovieLens-100K: questions expected to bring a tenth or more (.150 in the mean)
raised the hit rate from .121 to .224 (+.103, 95 % interval .060 to .150; a plain "show me more" reached .092). Those
expected to bring less left it at .134 and .128, and people without a past at .013 and .022.
"""

LARGEST_VALUES = 6
"""Questions are made of the values with the most probability."""

LEAST_SHARE = 0.1
"""An answer that is less likely than this is not worth a button."""

SURPRISE = "Surprise me"
"""The quick reply of somebody who does not mind."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that could be asked.

    ``facet`` is what it is about, ``values`` the values that are offered and ``conditions`` what each stands for;
    ``likelihood`` (answers, C) is P(answer | item), and whoever wants an item that no answer fits gives none.
    """

    facet: str
    values: tuple[str, ...]
    conditions: tuple[Condition, ...]
    likelihood: np.ndarray


@dataclass(frozen=True, slots=True)
class Worth:
    """A question with its value: ``gain`` of hit probability and ``information`` in bits."""

    question: Candidate
    gain: float
    information: float


def best_question(
    state: DialogueState, ranking: Ranking, catalogue: Catalogue, k: int, asked: Set[str], least: float = LEAST_GAIN
) -> Worth | None:
    """The question with the largest gain, if it is worth ``least`` and may be asked now.

    One question a conversation, and only of somebody who did not ask for anything particular.
    """
    if asked or state.wished:
        return None
    found = [worth(own, ranking.probabilities, k) for own in questions(ranking, catalogue)]
    best = max(found, key=lambda own: (own.gain, own.information), default=None)
    return best if best is not None and best.gain >= least else None


def worth(question: Candidate, probabilities: np.ndarray, k: int) -> Worth:
    """What a question is worth; ``probabilities`` (C,) is the policy's distribution over the candidates."""
    joint = question.likelihood * probabilities
    silent = np.clip(probabilities - joint.sum(axis=0), 0.0, None)
    rows = np.vstack([joint, silent])
    gain = sum(_largest(row, k) for row in rows) - _largest(probabilities, k)
    chances = rows.sum(axis=1)
    before = _entropy(probabilities)
    after = sum(chance * _entropy(row / chance) for row, chance in zip(rows, chances, strict=True) if chance > 0)
    return Worth(question, float(gain), float(before - after))


def questions(ranking: Ranking, catalogue: Catalogue) -> Iterator[Candidate]:
    """Every question over the values of the primary category that are likely enough."""
    primary = catalogue.primary
    if primary is None:
        return
    candidates, chances = ranking.candidates, ranking.probabilities
    mass = chances @ catalogue.category_matrix[candidates]
    order = [int(column) for column in np.argsort(-mass, kind="stable") if mass[column] >= LEAST_SHARE]
    names = [catalogue.category_names[column] for column in order][:LARGEST_VALUES]
    for size in (2, 3):
        for group in combinations(names, size):
            conditions = tuple(Condition(primary.facet.name, "is", (name,)) for name in group)
            meets = np.stack([catalogue.meets(own)[candidates] for own in conditions]).astype(np.float64)
            share = meets @ chances
            if share.min() < LEAST_SHARE or share.max() > 1.0 - LEAST_SHARE:
                continue
            # Somebody whose item fits two answers gives either.
            yield Candidate(primary.facet.name, group, conditions, meets / np.maximum(meets.sum(axis=0), 1.0))


def offered(candidate: Candidate, catalogue: Catalogue) -> list[str]:
    """The answers as a sentence names them."""
    return [value_name(value, catalogue.facets[candidate.facet]) for value in candidate.values]


def _largest(values: np.ndarray, k: int) -> float:
    return float(np.partition(values, -k)[-k:].sum()) if len(values) > k else float(values.sum())


def _entropy(probabilities: np.ndarray) -> float:
    known = probabilities[probabilities > 0]
    return float(-(known * np.log2(known)).sum())
