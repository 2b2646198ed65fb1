"""Grounds: why a film that is shown was chosen, at more length than on its card."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from agent.dialogue.about import opinion
from agent.generation.phrases import a_kind, ordinal, percent
from agent.generation.realizer import Facts
from agent.records.state import POSITIVE

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.records.answer import Answer, Evidence

LEAST_EFFECT = 0.1
"""A change of the log-probability from which on a fact is worth a sentence (a tenth)."""


def why(place: int, slate: Answer, catalogue: Catalogue) -> list[Facts]:
    """What to say of the film at ``place`` (from 0) of a slate: its rank, what carried it, how it meets the wish.

    Raises:
        IndexError: the slate has no such place.
    """
    item = slate.items[place]
    index = catalogue.index(item.item_id)
    sentences: list[Facts] = [
        {"kind": "place", "title": item.title, "ordinal": ordinal(place), "share": percent(item.score)}
    ]
    weighty = [fact for fact in item.evidence if abs(fact.weight) >= LEAST_EFFECT]
    sentences += [_weight(fact, catalogue) for fact in sorted(weighty, key=lambda fact: -abs(fact.weight))[:3]]
    asked = [a_kind(str(fact.value)) for fact in item.evidence if fact.kind == "genre"]
    years = [fact.value for fact in item.evidence if fact.kind == "year" and isinstance(fact.value, int)]
    if asked or years:
        sentences.append({"kind": "asked_for", "kinds": asked, "year": years[0] if years else 0})
    if len(sentences) == 1 or not weighty:
        sentences.append(opinion(index, catalogue))
    return sentences


def factor(weight: float) -> str:
    """A change of log-probability as "so many times likelier": ``1.3``, from 10 on in whole numbers."""
    times = math.exp(min(abs(weight), 6.9))
    return f"{times:.0f}" if times >= 10 else f"{times:.1f}" if times >= 1.1 else f"{times:.2f}"


def _weight(fact: Evidence, catalogue: Catalogue) -> Facts:
    title = catalogue[catalogue.index(fact.item_id)].title if fact.item_id else ""
    liked = isinstance(fact.value, int | float) and fact.value >= POSITIVE
    attitude = {"like": "named", "match": "words"}.get(fact.kind, "liked" if liked else "watched")
    return {
        "kind": "weight",
        "attitude": attitude,
        "because": [title] if title else [],
        "factor": factor(fact.weight),
        "less": fact.weight < 0,
    }
