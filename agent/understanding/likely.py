"""Likely: whether a person most likely had the items that a message, or the words that it answers, spoke of.

Where the grammar reads a verdict, that is a fact. Where it reads none, a logistic regression on the words around each
item tells what is only likely; it ships with a domain (``likely.json``) and was fitted on real conversations
(:mod:`training.likely`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from agent.data.atomic import write_whole
from agent.domains.domain import Domain, DomainError
from agent.records.acts import Act, Judge, Want
from agent.text import clean, flat
from agent.understanding.reading import Context, Mention

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

LIKELY_FILE = "likely.json"
MOST_ITEMS = 8
"""Of so many items, the latest ones, a message is taken to tell something."""

EVEN = 0.5
"""A chance above it says that the person had the item."""

_ITEM, _OTHER = "ITEM", "OTHER"
_WORD = re.compile(rf"{_ITEM}|{_OTHER}|[^\W_]+(?:'[^\W_]+)*|[?!.]")
_BEFORE, _AFTER, _ANSWER, _END = 6, 8, 25, 5
"""Words that count: before and behind the item's name, of an answer that does not name it, at the end of what the other
side said."""

Place = tuple[int, int, tuple[int, ...]]


@dataclass(frozen=True)
class LikelyHad:
    """A logistic regression on clues: its bias, the weight of each clue, and what it was fitted on."""

    bias: float
    weights: Mapping[str, float]
    about: str = ""

    def chance(self, clues: Iterable[str]) -> float:
        """How likely the person had the item, from 0 to 1."""
        return 1.0 / (1.0 + math.exp(-self.bias - sum(self.weights.get(clue, 0.0) for clue in clues)))

    def save(self, folder: Path) -> Path:
        """Write it; in a domain's folder ``fitted``, :func:`likely_had` finds it."""
        path = folder / LIKELY_FILE
        weights = {clue: round(weight, 3) for clue, weight in sorted(self.weights.items())}
        document = {"about": self.about, "bias": round(self.bias, 3), "weights": weights}
        write_whole(path, json.dumps(document, ensure_ascii=False, indent=0) + "\n")
        return path


def surest(old: float | None, new: float) -> float:
    """Of two chances the one that is further from even."""
    return new if old is None or abs(new - EVEN) >= abs(old - EVEN) else old


def likely_had(domain: Domain) -> LikelyHad | None:
    """The regression that ships with a domain; None where it has none.

    Raises:
        DomainError: its file is broken.
    """
    return _loaded(domain.folder / "fitted" / LIKELY_FILE)


@lru_cache(maxsize=8)
def _loaded(path: Path) -> LikelyHad | None:
    if not path.is_file():
        return None
    try:
        return LikelyHad(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DomainError(f"{path} cannot be used: {error}; fit it again with `concierge train likely`") from error


def clues_of(
    message: str, context: Context, mentions: Sequence[Mention], acts: Iterable[Act], catalogue: Catalogue
) -> dict[int, frozenset[str]]:
    """What a message tells of each item that it, or what it answers, spoke of.

    Args:
        message: the person's words.
        context: what they were read against; ``said`` and ``offered`` are the other side's words and items.
        mentions: the items that the message speaks of.
        acts: what the message was read as: the verdict on an item is a clue, too.
        catalogue: finds the names in the other side's words.
    """
    verdicts: dict[int, str] = {}
    for act in acts:
        if isinstance(act, Want):
            verdicts |= dict.fromkeys(act.like, "like")
        elif isinstance(act, Judge):
            verdicts[act.item] = act.verdict
    here: list[Place] = [(own.start, own.end, own.items or own.options) for own in mentions if not own.reference]
    pointed = {item for own in mentions if own.reference for item in own.items}
    named = [items[0] for _, _, items in here if items]
    about = list(dict.fromkeys([*context.spoken, *context.offered, *named]))[-MOST_ITEMS:]
    there: list[Place] = [(link.start, link.end, link.options) for link in catalogue.link(context.said)]
    own_text, other_text = clean(message), clean(context.said)
    found = {}
    for item in about:
        told = _words(own_text, here, item)
        clues = [f"verdict:{verdicts.get(item, '')}"]
        flags = (item in named, item in context.offered, item in context.spoken, item in pointed)
        clues.append("spoken:" + "".join(str(int(flag)) for flag in flags))
        clues.append(f"offered:{min(3, len(context.offered))}")
        clues.append(f"named:{min(2, len(named))}")
        if item in named and _ITEM in told:
            place = told.index(_ITEM)
            clues += _pairs("before", told[max(0, place - _BEFORE) : place + 1])
            clues += _pairs("behind", told[place : place + _AFTER])
        else:
            clues += _pairs("answer", ["^", *told[:_ANSWER]])
        if item in context.offered:
            said = _words(other_text, there, item)
            place = said.index(_ITEM) if _ITEM in said else 0
            clues += _pairs("offer", said[max(0, place - _BEFORE) : place + _AFTER])
            if item not in named:
                clues += _pairs("end", said[-_END:])
        found[item] = frozenset(clues)
    return found


def _words(text: str, places: Sequence[Place], item: int) -> list[str]:
    """The words of a text, with the item's names and those of other items masked."""
    parts, start = [], 0
    for begin, end, items in sorted(places):
        if begin >= start:
            parts += [flat(text[start:begin]), f" {_ITEM if item in items else _OTHER} "]
            start = end
    return _WORD.findall("".join([*parts, flat(text[start:])]))


def _pairs(kind: str, words: Sequence[str]) -> list[str]:
    """Single words and pairs of neighbours, marked with where they stand."""
    return [f"{kind}:{own}" for own in (*words, *(f"{a} {b}" for a, b in pairwise(words)))]
