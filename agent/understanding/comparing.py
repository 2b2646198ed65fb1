"""Comparing: words that stand for bounds, and what is to have more or less of something: "newer", "less scary"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from statistics import median_high, median_low

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.columns import NumberColumn
from agent.domains.domain import POPULARITY, RATING, Bound, Critique
from agent.records.conditions import Condition, Conditions, Strength, bounds
from agent.understanding.reading import Compared, Wishes
from agent.understanding.vocabulary import Vocabulary

_PART, _KNOWN, _OLD = 1 / 3, 0.05, 0.2
"""The share of the catalogue that "cheaper", "better known" and "older" stand for where nothing was shown to compare
with."""
_GRADED = 5
"""The mean grade of an item counts from so many grades on where a share of the best is asked for."""
_ASKED = re.compile(
    r"\b(?:something|anything|one|ones|want|need|give me|show me|bit|little|much|even)(?: that's| that is)? $"
)
"""Before a comparative on what the data does not hold: it is a wish all the same."""

_THAN_NUMBER = re.compile(
    r" than (?:\d|the \d|'\d|me\b|my\b|"
    r"(?:an?|half an?|one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|forty|fifty|sixty|ninety)"
    r"(?: and a half| and a quarter| hundred)? "
    r"(?:hours?|minutes?|years?|decades?|stars?|pages?|pounds?|dollars?|euros?)\b)"
)
"""Behind a comparative that a number bounds: "longer than two hours" compares with nothing that was shown."""

_FINE_TOO = re.compile(
    r" (?:is|are|would be|'s) (?:also |just |totally )*(?:fine|ok|okay|all ?right|no problem|good)\b"
)


class Comparing:
    """Reads bounds and comparatives over one catalogue."""

    def __init__(self, catalogue: Catalogue, vocabulary: Vocabulary) -> None:
        """Keep what they compare within."""
        self.catalogue, self.vocabulary = catalogue, vocabulary

    @cached_property
    def _graded(self) -> np.ndarray:
        return self.catalogue.rating_count >= _GRADED

    def bound(self, facet: str, bound: Bound, negated: bool) -> Condition | None:
        """The condition that a word for a number stands for, or its opposite."""
        column = self.catalogue.column(facet)
        if not isinstance(column, NumberColumn) or column.most is None:
            return None
        op, number = bound
        if op == "last":
            value, up = column.most - number + 1, True
        elif op in ("top", "bottom"):
            known = column.known & self._graded if facet == RATING and self._graded.any() else column.known
            share = 1 - number if op == "top" else number
            value, up = float(np.quantile(column.numbers[known], share)), op == "top"
            value = round(value, 1) if facet == RATING else float(int(value))
        else:
            value, up = number, op == "at_least"
        whole = float(value).is_integer()
        if negated:
            step = 1.0 if whole else 0.0
            value, up = (value - step if up else value + step), not up
        if column.least is None or (not up and value < column.least) or (up and value > column.most):
            return None
        return Condition(facet, "at_least" if up else "at_most", int(value) if whole else value)

    def relative(
        self, facet: str, up: bool, wishes: Wishes, compared: Compared, standing: Conditions, words: str
    ) -> None:
        """More or less of a number: than the items named, else than what holds, else than the middle of those shown."""
        column = self.catalogue.column(facet)
        if not isinstance(column, NumberColumn):
            return
        numbers = column.numbers
        named = [float(numbers[item]) for item in compared.named if column.known[item]]
        shown = [float(numbers[item]) for item in compared.shown if column.known[item]]
        reference: float | None = None
        if named:
            reference = max(named) if up else min(named)
        elif shown:
            low, high = bounds(standing, facet)
            held = high if up else low
            middle = median_low if up else median_high  # of two, so that the other one stays
            # Older than what was asked for, not only older within it.
            reference = held if facet == self.catalogue.year_facet and held is not None else middle(shown)
        if reference is None:
            # Nothing to compare with: the least or the greatest part of the catalogue.
            share = _KNOWN if facet == POPULARITY else _OLD if column.facet.kind == "year" else _PART
            bound: Bound = ("top", share) if up else ("bottom", 1 - share if facet == POPULARITY else share)
            condition = self.bound(facet, bound, negated=False)
            if condition is None:
                wishes.lacking.append(words)
            else:
                wishes.conditions.append(condition)
            return
        step = (
            0.05
            if facet == RATING
            else 1.0
            if column.facet.kind in ("year", "duration") or facet == POPULARITY
            else 0.01
        )
        value = round(reference + step if up else max(reference - step, 0.0), 2 if step < 1 else 0)
        if facet == RATING:
            value = round(value, 1)
        if float(value).is_integer():
            value = int(value)
        wishes.compares = True
        wishes.drops.append(facet)
        wishes.conditions.append(Condition(facet, "at_least" if up else "at_most", value))

    def critiques(
        self, folded: str, covered: bytearray, compared: Compared, standing: Conditions
    ) -> list[tuple[Critique, int, int]]:
        """The comparatives of a message with their places, which become ``covered``."""
        found: list[tuple[Critique, int, int]] = []
        base = bool(compared.named or compared.shown)
        for _, critique, pattern in self.vocabulary.critiques:
            lacking = critique.facet not in self.catalogue.facets
            for match in pattern.finditer(folded):
                before = folded[: match.start()]
                alone = not folded.replace(match.group(), "", 1).strip(" .,!?")
                if lacking and not (base or alone or _ASKED.search(before)):
                    continue
                if match.group().startswith("too ") and re.search(
                    r"(?:\b(?:not|nothing|never|without|nor|isn't)|n't)(?: be| get| \w+ing)? $", before
                ):
                    continue  # "not too scary" is a wish of its own and compares with nothing
                if not base and match.group().startswith("too "):
                    continue
                if _THAN_NUMBER.match(folded, match.end()):
                    continue
                if any(covered[match.start() : match.end()]):
                    continue
                covered[match.start() : match.end()] = b"\x01" * len(match.group())
                found.append((critique, *match.span()))
        return found

    def compare(
        self,
        critiques: Sequence[tuple[Critique, int, int]],
        wishes: Wishes,
        wanted: set[tuple[str, str]],
        compared: Compared,
        standing: Conditions,
        folded: str,
    ) -> None:
        """Turn the comparatives into conditions and wishes in words; ``wanted``: the values that are asked for."""
        asked = wanted | {(own.facet, name) for own in standing if own.op == "is" for name in own.names}
        for critique, start, end in critiques:
            words = folded[start:end]
            if _FINE_TOO.match(folded, end):  # "longer is fine too" asks for nothing: what bounded it goes
                wishes.drops.append(critique.facet)
                continue
            if critique.facet not in self.catalogue.facets:
                wishes.lacking.append(words)
                wishes.compares = True
                continue
            if critique.direction is not None:
                if any(own.facet == critique.facet and not own.names for own in wishes.conditions):
                    continue  # "more recent, nothing before 2001": the number says how much
                self.relative(critique.facet, critique.direction == "up", wishes, compared, standing, words)
                continue
            wishes.compares = wishes.compares or bool(compared.shown)
            items = self.catalogue.items_by(critique.facet)
            if critique.value is not None and critique.value in items:
                if (critique.facet, critique.value) not in asked:
                    # Of what users fill freely few items have all: what compares gives way first.
                    strength: Strength = "prefer" if self.vocabulary.filled else "must"
                    wishes.conditions.append(Condition(critique.facet, "is", (critique.value,), strength))
                else:
                    wishes.hints.append(words)
            left = tuple(own for own in critique.without if own in items and (critique.facet, own) not in asked)
            if critique.without:
                if left:
                    wishes.conditions.append(Condition(critique.facet, "is_not", left, "prefer"))
                wishes.hints.append(words)
