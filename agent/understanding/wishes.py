"""Wishes: from the words that were found to conditions, hints, counts and facets that are let go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.records.conditions import Condition, Conditions, Scope, Strength
from agent.understanding.amounts import Amount, AmountReader
from agent.understanding.comparing import Comparing
from agent.understanding.counting import counted, shares
from agent.understanding.dates import YearHit, combined, year_hits
from agent.understanding.reading import Compared, Wishes
from agent.understanding.scope import OR_LESS, UP_TO, Hit, grouped, judge, soft_spans, with_negation
from agent.understanding.tastes import tastes
from agent.understanding.topics import ANEW, OPENS, REPLACES, dropped
from agent.understanding.values import Finder
from agent.understanding.vocabulary import Vocabulary, vocabulary_of

HINTS = 8
"""At most so many wishes that cannot be decided are kept of a message."""
_UNIT = re.compile(r"\d\W*[a-z]{2,}|[£$€]|\b(?:stars?|pages?|minutes?|hours?)\b")
_THIS_CENTURY = 2099
_BELOW = re.compile(r"\b(?:under|below|less than|lower than|milder than)(?: an?| rated| the)* $")
_NONE_RATED = re.compile(
    r"\b(?:nothing|not(?: anything)?|no|none|never|isn'?t|without)(?: that(?:'s| is| are))?(?: rated)? $"
)
_NOTHING = re.compile(r"\b(?:nothing|none|not(?: anything)?|no|isn'?t|aren'?t)(?: \w+)? $")
_BEYOND = re.compile(r"(?:that'?s |that is |much |any )*(?:longer|more|over|above|higher|greater|bigger)\b")
_TOO_MUCH = re.compile(
    r"\b(?:falls? asleep|(?:can'?t|cannot|won'?t) (?:sit through|stand|do|take|handle)|no patience|lose interest|"
    r"zone out|get bored|too tired)\b[^.;!?]{0,30}$"
)
"""Before an amount that is too much for somebody."""


class WishReader:
    """Reads wishes over one catalogue; made once for it by :meth:`of`."""

    _known: ClassVar[WeakKeyDictionary[Catalogue, WishReader]] = WeakKeyDictionary()

    def __init__(self, catalogue: Catalogue) -> None:
        """Prepare what only depends on the catalogue."""
        self.catalogue = catalogue
        self.vocabulary: Vocabulary = vocabulary_of(catalogue)
        self.comparing = Comparing(catalogue, self.vocabulary)
        self.amounts = AmountReader.of(catalogue.facets.values())
        lacking = [facet for name, facet in catalogue.domain.facets.items() if name not in catalogue.facets]
        self.undecidable = AmountReader.of(lacking)
        """Amounts on facets that the domain knows and the data lacks."""

    @classmethod
    def of(cls, catalogue: Catalogue) -> WishReader:
        """The reader of a catalogue, made when first asked for."""
        found = cls._known.get(catalogue)
        if found is None:
            found = cls._known[catalogue] = cls(catalogue)
        return found

    def read(self, text: str, folded: str, marked: str, compared: Compared, standing: Conditions) -> Wishes:
        """What a message wishes.

        Args:
            text: it in plain English, mentions and all that is no wish masked.
            folded: its folded form, of the same length.
            marked: that with the words for items marked.
            compared: what comparatives compare with.
            standing: the conditions that hold.
        """
        wishes = Wishes()
        covered = bytearray(len(marked) + 1)
        taken = np.frombuffer(covered, dtype=np.uint8)
        critiques = self.comparing.critiques(folded, covered, compared, standing)
        dates: list[YearHit] = []
        year = self.catalogue.year_facet
        if year is not None:
            free = "".join("~" if taken[place] else character for place, character in enumerate(marked))
            dates = year_hits(free, self.catalogue.newest_year, self.catalogue.oldest_year)
            for hit in dates:
                covered[hit.start : hit.end] = b"\x01" * (hit.end - hit.start)
        amounts = self.amounts.amounts(marked, covered)
        hits = Finder(text, folded, marked, self.vocabulary, covered).values()
        compares = marked
        for _, start, end in critiques:  # "less brutal and in English": the critique's own words negate nothing else
            compares = compares[:start] + "~" * (end - start) + compares[end:]
        judge(compares, hits)
        soft = soft_spans(marked)
        lacking = [
            (own.start, own.end)
            for own in self.undecidable.amounts(marked, bytearray(covered))
            if _UNIT.search(marked[own.start : own.end])
        ]
        if year is None:
            free = "".join("~" if taken[place] else character for place, character in enumerate(marked))
            lacking += [(hit.start, hit.end) for hit in year_hits(free, _THIS_CENTURY, 1900)]
        wishes.lacking += [text[start:end].strip() for start, end in lacking]
        wanted = self._values(text, marked, hits, wishes, soft, standing)
        self._levels(hits, wishes, soft, marked)
        self._sensitivities(hits, wishes, wanted, standing, text)
        for amount in amounts:
            self._amount(amount, wishes, soft, marked)
        self._dates(marked, dates, wishes, soft, compared, standing)
        self.comparing.compare(critiques, wishes, wanted, compared, standing, folded)
        wishes.drops = dropped(marked, wishes, standing, self.catalogue)
        wishes.count = counted(marked, hits)
        self._share(marked, hits, wishes)
        wishes.replaces = REPLACES.search(marked) is not None
        if wishes.hints and ANEW.search(marked):
            wishes.drops.append("hints")
        wishes.spans = sorted(
            [(hit.start, hit.end) for hit in hits]
            + [(hit.start, hit.end) for hit in dates]
            + [(amount.start, amount.end) for amount in amounts]
            + [(start, end) for _, start, end in critiques]
            + lacking
        )
        wishes.conditions = _merged(wishes.conditions)
        wishes.hints = list(dict.fromkeys(hint for hint in wishes.hints if hint))[:HINTS]
        wishes.lacking = list(dict.fromkeys(words for words in wishes.lacking if words))[:HINTS]
        return wishes

    def _values(
        self,
        text: str,
        marked: str,
        hits: Sequence[Hit],
        wishes: Wishes,
        soft: Sequence[tuple[int, int]],
        standing: Conditions,
    ) -> set[tuple[str, str]]:
        """Conditions on facets that hold names; the (facet, value) pairs that are wanted."""
        wanted = [hit for hit in hits if hit.kind == "value" and hit.known and hit.state == "wanted"]
        pairs = {(hit.facet, value) for hit in wanted for value in hit.values}
        for hit in hits:
            if hit.kind in ("level", "sensitivity") or hit.state == "background":
                continue
            words = text[hit.start : hit.end]
            if hit.kind != "value" or not hit.known or hit.state == "less":
                if hit.state != "dropped":
                    if hit.state != "wanted":
                        negated = with_negation(marked, text, hit.start, hit.end)
                        words = negated if negated != words else f"not {words}"
                    wishes.hints.append(words)
            elif hit.state == "dropped":
                self._let_go(hit, wishes, standing)
            elif (reach := self._reaching(hit, marked)) is not None:
                wishes.conditions.append(reach)
                hit.state = "background"
            elif hit.state == "unwanted":
                if {(hit.facet, value) for value in hit.values} & pairs:  # "a horror novel, not too scary"
                    negated = with_negation(marked, text, hit.start, hit.end)
                    wishes.hints.append(negated if negated != words else f"not {words}")
                    continue
                scope: Scope = "standing" if hit.standing else "topic"
                # No romantic comedies: what makes them such is the last value; comedies may stay.
                wishes.conditions.append(Condition(hit.facet, "is_not", hit.values[-1:], "must", scope))
        wanted = [hit for hit in wanted if hit.state == "wanted"]
        plain = marked
        for hit in hits:  # "war novels or historical romances": a mood between two values joins nothing
            if hit.kind == "mood":
                plain = plain[: hit.start] + " " * (hit.end - hit.start) + plain[hit.end :]
        for facet in dict.fromkeys(hit.facet for hit in wanted):
            mine = [hit for hit in wanted if hit.facet == facet]
            firm = [hit for hit in mine if not hit.taste]
            tastes = [hit for hit in mine if hit.taste]
            open_ended = facet in self.vocabulary.open_facets
            for group in grouped(plain, firm):
                strength: Strength = "prefer" if open_ended or _inside(group, firm, soft) else "must"
                wishes.conditions.append(Condition(facet, "is", group, strength))
            if tastes:
                liked = tuple(dict.fromkeys(value for hit in tastes for value in hit.values))
                whole = len({hit.values for hit in tastes}) == 1
                # One word for several values at once ("rom-coms") asks for all of them.
                groups = [(value,) for value in liked] if whole and len(liked) > 1 else [liked]
                wishes.conditions += [Condition(facet, "is", group, "prefer") for group in groups]
        primary = self.vocabulary.primary
        wishes.complete = any(
            hit.facet == primary or self.catalogue.facets[hit.facet].kind == "person"
            for hit in wanted
            if hit.known and OPENS.search(marked[: hit.start])
        )
        return pairs

    def _reaching(self, hit: Hit, marked: str) -> Condition | None:
        """All values up to the one that words name, of a facet whose values have an order: "nothing over PG-13"."""
        order = self.catalogue.domain.facets[hit.facet].order if hit.facet in self.catalogue.domain.facets else ()
        if len(hit.values) != 1 or hit.values[0] not in order:
            return None
        before, behind = marked[: hit.start], marked[hit.end :]
        last = order.index(hit.values[0])
        if _BELOW.search(before) or _NONE_RATED.search(before):
            last -= 1
        elif not (UP_TO.search(before) or OR_LESS.match(behind)):
            return None
        known = tuple(value for value in order[: last + 1] if value in self.catalogue.items_by(hit.facet))
        return Condition(hit.facet, "is", known) if known else None

    def _let_go(self, hit: Hit, wishes: Wishes, standing: Conditions) -> None:
        """Take a value back: the facet is dropped, and what else stands on it is said again."""
        mine = [own for own in standing if own.facet == hit.facet]
        if not any(set(own.names) & set(hit.values) for own in mine):
            return
        wishes.drops.append(hit.facet)
        for own in mine:
            rest = tuple(name for name in own.names if name not in hit.values)
            if rest:
                wishes.conditions.append(replace(own, value=rest))

    def _levels(self, hits: Sequence[Hit], wishes: Wishes, soft: Sequence[tuple[int, int]], marked: str) -> None:
        for hit in hits:
            if hit.kind != "level" or hit.state in ("dropped", "background"):
                continue
            level = self.vocabulary.levels[hit.place]
            condition = self.comparing.bound(level.facet, level.bound, hit.state in ("unwanted", "less"))
            if condition is None or any(
                own.facet == condition.facet and own.op != condition.op for own in wishes.conditions
            ):
                continue  # "classics but I also like new ones" is no empty range
            strength: Strength = "prefer" if hit.taste or _within(hit.start, soft) else "must"
            wishes.conditions.append(replace(condition, strength=strength))

    def _sensitivities(
        self, hits: Sequence[Hit], wishes: Wishes, wanted: set[tuple[str, str]], standing: Conditions, text: str
    ) -> None:
        asked = wanted | {(own.facet, name) for own in standing if own.op == "is" for name in own.names}
        for hit in hits:
            if hit.kind != "sensitivity":
                continue
            _, sensitivity = self.vocabulary.sensitivities[hit.place]
            when = sensitivity.when or ("asked" if sensitivity.want else "refused")
            refused = hit.state in ("unwanted", "less")
            if refused != (when == "refused"):
                continue
            own = text[hit.start : hit.end]
            moods = {text[mood.start : mood.end] for mood in hits if mood.kind == "mood" and mood.state == "wanted"}
            wishes.hints = [hint for hint in wishes.hints if hint in moods or (own not in hint and hint not in own)]
            for facet, values in sensitivity.want.items():
                known = tuple(value for value in values if value in self.catalogue.items_by(facet))
                if known:
                    wishes.conditions.append(Condition(facet, "is", known))
            for facet, values in sensitivity.without.items():
                items = self.catalogue.items_by(facet)
                left = tuple(value for value in values if value in items and (facet, value) not in asked)
                if left:
                    scope: Scope = "standing" if hit.standing and when == "refused" else "topic"
                    wishes.conditions.append(Condition(facet, "is_not", left, "must", scope))

    def _amount(self, amount: Amount, wishes: Wishes, soft: Sequence[tuple[int, int]], marked: str) -> None:
        strength: Strength = "prefer" if _within(amount.start, soft) else "must"
        condition = amount.condition
        before = marked[: amount.start]
        if condition.op == "at_least" and _NOTHING.search(before) and _BEYOND.match(marked, amount.start):
            condition = replace(condition, op="at_most")  # "nothing longer than 110 minutes"
        elif condition.op == "at_least" and _TOO_MUCH.search(before):
            condition = replace(condition, op="at_most", scope="standing")  # "I fall asleep in anything over two hours"
        wishes.conditions.append(replace(condition, strength=strength))

    def _dates(
        self,
        marked: str,
        dates: list[YearHit],
        wishes: Wishes,
        soft: Sequence[tuple[int, int]],
        compared: Compared,
        standing: Conditions,
    ) -> None:
        facet = self.catalogue.year_facet
        if facet is None or not dates:
            return
        first, last, left = combined(marked, dates)
        strength: Strength = "prefer" if any(_within(hit.start, soft) for hit in dates) else "must"
        if first is not None and last is not None:
            wishes.conditions.append(Condition(facet, "between", (first, last), strength))
        elif first is not None or last is not None:
            at_least = first is not None
            value = first if first is not None else last
            assert value is not None
            wishes.conditions.append(Condition(facet, "at_least" if at_least else "at_most", value, strength))
        if first is not None or last is not None:  # what was read from a vague word gives way
            wishes.conditions = [
                own for own in wishes.conditions if own.facet != facet or own is wishes.conditions[-1] or own.negative
            ]
        for hit in left:
            if hit.kind == "gap" and hit.first and hit.last:
                wishes.conditions.append(Condition(facet, "is_not", (hit.first, hit.last), strength))
        relative = next((hit.kind for hit in reversed(left) if hit.kind in ("newer", "older")), None)
        if relative is not None and first is None and last is None:
            self.comparing.relative(facet, relative == "newer", wishes, compared, standing, relative)

    @staticmethod
    def _share(marked: str, hits: Sequence[Hit], wishes: Wishes) -> None:
        """Several kinds, each with its number or for another person: they add up, and either kind will do."""
        wishes.shares = shares(marked, hits)
        wishes.tastes = () if wishes.shares else tastes(marked, hits)
        kinds = [(facet, own) for _, facet, own in (*wishes.shares, *wishes.tastes)]
        if not kinds:
            return
        facet = kinds[0][0]
        names = tuple(dict.fromkeys(name for _, own in kinds for name in own))
        wishes.count = sum(number for number, _, _ in wishes.shares) or wishes.count
        rest = [
            own for own in wishes.conditions if own.facet != facet or own.op != "is" or not set(own.names) <= set(names)
        ]
        wishes.conditions = [*rest, Condition(facet, "is", names)]


def _within(place: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(start <= place < end for start, end in spans)


def _inside(group: Sequence[str], hits: Sequence[Hit], soft: Sequence[tuple[int, int]]) -> bool:
    mine = [hit for hit in hits if set(hit.values) & set(group)]
    return bool(mine) and all(_within(hit.start, soft) for hit in mine)


def _merged(conditions: Iterable[Condition]) -> list[Condition]:
    """Without repetition; what is left out of one facet with one strength and scope as one condition."""
    found: dict[tuple[object, ...], Condition] = {}
    for own in conditions:
        if own.op == "is_not" and own.names:
            key: tuple[object, ...] = (own.facet, own.op, own.strength, own.scope)
            known = found.get(key)
            names = own.names if known is None else tuple(dict.fromkeys((*known.names, *own.names)))
            found[key] = replace(own, value=names)
        else:
            found.setdefault((own.facet, own.op, own.value), own)
    return list(found.values())
