"""Facet writer: requests in words for any catalogue, from the facets of the item that answers them.

Names are asked for by what the domain's phrasebook (``phrasebook/train.yaml`` and ``heldout.yaml`` beside its
``domain.yaml``: ``{value: {plain: [..], soft: [..]}}``) says of them, else by their names; numbers by bounds. What a
request asks for is true of its item, and its title is never used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.columns import NamesColumn, NumberColumn
from agent.domains.domain import POPULARITY, RATING, Domain, Facet
from agent.records.conditions import Condition
from training.requests.phrases import PhraseBank
from training.requests.writer import PhraseWriter, Style, WrittenRequest

Part = Literal["train", "heldout"]

FRAMES: Mapping[Part, tuple[str, ...]] = {
    "train": (
        "{np}", "{np}, please", "I'm looking for {np}", "I want {np}", "can you recommend {np}?", "any {many} {tail}?",
        "show me {np}", "I'd like {np}", "do you have {np}?", "got {np}?", "I could do with {np}", "something {tail}",
        "find me {np}", "what about {np}?", "I am after {np}", "hi, {np} if you have any",
    ),
    "heldout": (
        "I feel like {np}", "is there {np}?", "help me find {np}", "we need {np} for today",
        "what {many} {tail} are there?",
        "give me {np}", "suggest {np} to me", "could you point me to {np}?",
    ),
}  # fmt: skip
"""Sentences around a noun phrase, or around what comes after the noun."""

NEXT, OTHER = 0.4, 0.3
"""Chances that a second name is asked for, and one of another facet."""

NUMBERS = 0.35
"""Chance that a number is asked for beside names."""

REFUSED = 0.1
"""Chance that a value is refused that the item lacks."""

MANY_NAMES = 3
"""A facet whose names belong to fewer items on average is asked for less: few people know them."""


class FacetWriter:
    """Writes requests for one catalogue; ``part`` chooses the phrases, those for training or those kept apart."""

    def __init__(self, catalogue: Catalogue, part: Part = "train") -> None:
        self.catalogue = catalogue
        self.part = part
        self.phrases = phrasebook(catalogue.domain, part)

    @cached_property
    def _names(self) -> list[NamesColumn]:
        """The facets that names can be asked of, the primary one first."""
        columns = [self.catalogue.column(name) for name in self.catalogue.facets]
        found = [own for own in columns if isinstance(own, NamesColumn) and len(own.values) > 1]
        return sorted(found, key=lambda own: not own.facet.primary)

    @cached_property
    def _numbers(self) -> list[NumberColumn]:
        columns = [self.catalogue.column(name) for name in self.catalogue.facets if name not in (POPULARITY, RATING)]
        return [own for own in columns if isinstance(own, NumberColumn)]

    def write(
        self, item: int, rng: np.random.Generator, style: Style = "mixed", example: bool = False
    ) -> WrittenRequest | None:
        """A request that the item answers; None where none of its facets can be asked for.

        ``item``: catalogue index; ``style``: ``hard`` uses names and plain phrases, ``soft`` those that only imply,
        ``mixed`` both; ``example``: the request leans on an item that is named elsewhere ("like that, but ...").
        """
        before: list[str] = []
        after: list[str] = []
        conditions: list[Condition] = []
        columns = [own for own in self._names if self._of(own, item)]
        if columns:
            shares = np.array([3.0 if own.facet.primary else _familiar(own) for own in columns])
            number = 1 + (rng.random() < NEXT)
            for _ in range(number):
                column = columns[int(rng.choice(len(columns), p=shares / shares.sum()))]
                values = [value for value in self._of(column, item) if not _asked(conditions, column.facet, value)]
                if values:
                    value = values[int(rng.integers(len(values)))]
                    soft = style == "soft" or (style == "mixed" and rng.random() < 0.5)
                    words, place = self._words(column.facet, value, soft, rng)
                    (before if place == "before" else after).append(words)
                    conditions.append(Condition(column.facet.name, "is", (value,)))
        known = [own for own in self._numbers if np.isfinite(own.numbers[item])]
        if known and (not conditions or (style != "soft" and rng.random() < NUMBERS)):
            column_of = known[int(rng.integers(len(known)))]
            words, condition = _bound(column_of, item, rng)
            after.append(words)
            conditions.append(condition)
        if not conditions:
            return None
        if style != "soft" and columns and rng.random() < REFUSED:
            column = columns[0]
            lacking = [value for value in column.values if value not in self._of(column, item)]
            if lacking:
                value = lacking[int(rng.integers(len(lacking)))]
                after.append(f"but no {_first(self.phrases.get(value, {}).get('plain'), value)}")
                conditions.append(Condition(column.facet.name, "is_not", (value,)))
        return WrittenRequest(self._sentence(before[:2], [*before[2:], *after], example, rng), tuple(conditions))

    def _of(self, column: NamesColumn, item: int) -> tuple[str, ...]:
        own = self.catalogue[item].attributes.get(column.facet.name, ())
        return own if isinstance(own, tuple) else ()

    def _words(self, facet: Facet, value: str, soft: bool, rng: np.random.Generator) -> tuple[str, str]:
        """What a value is asked for by, and whether it stands before the noun or after it."""
        known = self.phrases.get(value, {})
        if soft and known.get("soft"):
            return _one(known["soft"], rng), "after"
        words = _one(known["plain"], rng) if known.get("plain") else value
        if facet.phrase.strip() == "{value}":
            return words, "before"
        return facet.phrase.format(value=words), "after"

    def _sentence(self, before: Sequence[str], after: Sequence[str], example: bool, rng: np.random.Generator) -> str:
        nouns = self.catalogue.domain.nouns
        noun = str(rng.choice([nouns.one, nouns.one, nouns.many]))
        tail = " ".join(after)
        many = " ".join([*before, nouns.many])
        phrase = " ".join([*before, noun, *after])
        if noun == nouns.one:
            phrase = f"{'an' if phrase[:1].lower() in 'aeiou' else 'a'} {phrase}"
        frames = [own for own in FRAMES[self.part] if tail or "{tail}" not in own]
        if before:
            frames = [own for own in frames if own != "something {tail}"]
        text = _one(frames, rng).format(np=phrase, many=many, tail=tail)
        if example:
            text = f"like that, but {phrase}"
        return text if rng.random() < 0.5 else text.lower()


def phrasebook(domain: Domain, part: Part) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """A domain's phrases by value; empty where it has none.

    Raises:
        ValueError: the file is not of the form ``{value: {plain: [..], soft: [..]}}`` (the message names it).
    """
    path = Path(domain.folder) / (domain.phrasebook or "phrasebook") / f"{part}.yaml"
    if not path.is_file():
        return {}
    data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not all(isinstance(own, dict) for own in data.values()):
        raise ValueError(f"{path} is no phrasebook: give {{value: {{plain: [..], soft: [..]}}}}")
    return {
        str(value): {form: [str(text) for text in texts] for form, texts in own.items()} for value, own in data.items()
    }


def _asked(conditions: Sequence[Condition], facet: Facet, value: str) -> bool:
    return any(own.facet == facet.name and value in own.names for own in conditions)


def _familiar(column: NamesColumn) -> float:
    return min(1.0, float(column.counts.mean()) / MANY_NAMES) * 0.5


def _bound(column: NumberColumn, item: int, rng: np.random.Generator) -> tuple[str, Condition]:
    """A number asked for by a bound that the item meets, and not every other."""
    facet, value = column.facet, float(column.numbers[item])
    if facet.kind == "year":
        decade = int(value) // 10 * 10
        form = int(rng.integers(3))
        if form == 0:
            words = f"from the {decade % 100}s" if 1920 <= decade < 2000 else f"from the {decade}s"
            return words, Condition(facet.name, "between", (decade, decade + 9))
        year = int(value) + int(rng.integers(0, 6)) * (1 if form == 1 else -1)
        if form == 1:
            return f"from {year} or earlier", Condition(facet.name, "at_most", year)
        return f"from {year} or later", Condition(facet.name, "at_least", year)
    known = np.sort(column.numbers[np.isfinite(column.numbers)])
    rank = float(np.searchsorted(known, value)) / max(len(known), 1)
    upper = rng.random() < (0.85 if facet.kind in ("money", "duration") or rank < 0.5 else 0.15)
    limit = _round(value * (1 + 0.3 * rng.random()) if upper else value * (1 - 0.3 * rng.random()), upper)
    limit = max(limit, value) if upper else min(limit, value)
    shown = f"{limit:g}"
    if facet.kind == "money":
        shown = f"{facet.unit or ''}{shown}"
    else:
        shown = f"{shown} {facet.unit or facet.label or facet.name}"
    words = str(rng.choice(["under", "for at most", "up to"] if upper else ["over", "at least", "from"]))
    return f"{words} {shown}", Condition(facet.name, "at_most" if upper else "at_least", limit)


def _round(value: float, up: bool) -> float:
    """Two significant digits, away from the value."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(abs(value))) - 1)
    return float((np.ceil if up else np.floor)(value / unit) * unit)


def _one(texts: Sequence[str], rng: np.random.Generator) -> str:
    return str(texts[int(rng.integers(len(texts)))])


def _first(texts: Sequence[str] | None, other: str) -> str:
    return texts[0] if texts else other


def request_writer(catalogue: Catalogue, part: Part = "train") -> FacetWriter | PhraseWriter:
    """The writer for a catalogue: with the phrase bank of its domain where there is one, else by facets."""
    bank = PhraseBank.load(part, catalogue.domain)
    return FacetWriter(catalogue, part) if bank is None else PhraseWriter(catalogue, bank)
