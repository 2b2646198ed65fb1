"""Comparison: two or more items side by side, which of them the policy would pick for this user, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from agent.dialogue.about import description, opinion
from agent.explanation.attribution import attribute, gather
from agent.generation.phrases import percent
from agent.generation.realizer import Facts
from agent.records.state import POSITIVE

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.policy.distribution import Policy
    from agent.records.state import State

MOST_COMPARED = 4
"""At most so many items are compared in one answer."""

EVEN = 0.1
"""Two probabilities that are nearer than this come out even."""


def compare(items: Sequence[int], state: State, policy: Policy, catalogue: Catalogue) -> list[Facts]:
    """What to say of two or more items: each by itself, then which fits this user better and why.

    The probabilities are the policy's over these items alone: what it would pick if nothing else could be shown.

    Args:
        items: catalogue indices; the first ``MOST_COMPARED`` different ones count.
        state: what is known of the user.
        policy: who judges.
        catalogue: the items.

    Raises:
        ValueError: fewer than two different items.
    """
    chosen = list(dict.fromkeys(items))[:MOST_COMPARED]
    if len(chosen) < 2:
        raise ValueError(f"{len(chosen)} items to compare: give at least 2")
    sentences = [facts for index in chosen for facts in (description(index, catalogue), opinion(index, catalogue))]
    ranking = policy.rank(state, np.array(sorted(chosen)))
    order = np.argsort(-ranking.logits, kind="stable")
    best, second = (int(ranking.candidates[row]) for row in order[:2])
    chances = ranking.probabilities[order[:2]]
    verdict: Facts = {
        "kind": "better" if chances[0] - chances[1] >= EVEN else "equal",
        "title": catalogue[best].title,
        "other": catalogue[second].title,
        "share": percent(float(chances[0])),
        "rest": percent(float(chances[1])),
    }
    sentences.append(verdict)
    if verdict["kind"] == "better":
        facts = gather(state, catalogue[best], catalogue, attribute(policy, state, ranking, [best]))
        loved = [
            catalogue[catalogue.index(fact.item_id)].title
            for fact in facts
            if fact.kind == "history"
            and fact.item_id
            and isinstance(fact.value, int | float)
            and fact.value >= POSITIVE
            if catalogue.index(fact.item_id) not in chosen
        ]
        if loved:
            sentences.append({"kind": "carries", "title": catalogue[best].title, "because": loved[:2]})
    return sentences
