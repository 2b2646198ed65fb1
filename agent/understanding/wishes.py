"""Wishes: from the words that were found to conditions, hints, counts and facets that are let go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from statistics import median_high, median_low
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.columns import NumberColumn
from agent.domains.domain import ANY_LABEL, POPULARITY, RATING, Bound, Critique
from agent.records.acts import Shares
from agent.records.conditions import Condition, Conditions, Scope, Strength, bounds
from agent.understanding.amounts import Amount, AmountReader
from agent.understanding.dates import YearHit, combined, year_hits
from agent.understanding.scope import SEPARATOR, Hit, N, judge, several_people, soft_spans, with_negation
from agent.understanding.values import Finder
from agent.understanding.vocabulary import NOUN, Vocabulary, vocabulary_of

HINTS = 8
"""At most so many wishes that cannot be decided are kept of a message."""
_PART, _KNOWN, _OLD = 1 / 3, 0.05, 0.2
"""The share of the catalogue that "cheaper", "better known" and "older" stand for where nothing was shown to compare
with."""
_UNIT = re.compile(r"\d\W*[a-z]{2,}|[£$€]|\b(?:stars?|pages?|minutes?|hours?)\b")
_AND_SO_ON = re.compile(r",? (?:etc\b|and so on|and the like|or so\b|and co\b|that kind|that sort)")
_THIS_CENTURY = 2099
_GRADED = 5
"""The mean grade of an item counts from so many grades on where a share of the best is asked for."""
_NUMBERS = {
    word: n
    for n, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
} | {"a single": 1, "a couple of": 2, "a couple": 2, "a dozen": 12}
_COUNT = re.compile(
    r"(?:(?P<cue>\b(?:just|only|no more than|not more than|at most|max(?:imum)?|up to|give(?: me| us)?|show(?: "
    "me| us)?|want|need|like|recommend|suggest|"
    r"name|find(?: me)?|list|pick|top|maybe)\s+(?:me\s+|us\s+|just\s+|only\s+|your\s+|the\s+|"
    r"for\s+)*)|"
    r"(?P<start>(?:^|(?<!\d)[.;,!?\n:]|\band\b|"
    rf"\bthen\b)\s*))(?P<n>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}|\d{{1,2}})"
    r"(?P<of>\s+of (?:them|these|those|¤+)|\s+(?:more|others?|another)\b)?(?=\s|$|"
    r"[.,!?])(?!\s?(?:stars?|hours?|minutes?|mins?|years?|"
    rf"%|/|out of|people|players|of us|day|night|thing\b|week|time|times|pounds|kids|children|year))"
)
_COUNTED = re.compile(
    rf"\s+(?:(?!and\b|or\b|but\b|that\b|i\b)[\w'-]+\s+){{0,3}}?(?:{NOUN}+s?|recommendations?|"
    r"suggestions?|titles?|ideas|options)\b|\s*$|\s+please|\s*[.,!?]|"
    r"\s+(?:only|actually|then|now|though|tops|max|in total)"
)
_UP_TO = re.compile(
    r"\b(?:(?:nothing|not|none|no|never|isn'?t|without)(?: \w+){0,2} (?:over|above|higher than|beyond|past|"
    r"stronger than|worse than|more than)|at most|max(?:imum)?|up to|"
    r"no (?:more|higher|worse) than)(?: an?| rated| the)* $"
)
_BELOW = re.compile(r"\b(?:under|below|less than|lower than|milder than)(?: an?| rated| the)* $")
_NONE_RATED = re.compile(
    r"\b(?:nothing|not(?: anything)?|no|none|never|isn'?t|without)(?: that(?:'s| is| are))?(?: rated)? $"
)
_OR_LESS = re.compile(r"\W?(?: or|,| and) (?:lower|below|under|less|milder|younger|softer|gentler)\b")
"""How words say that all values up to one are meant."""
_NOTHING = re.compile(r"\b(?:nothing|none|not(?: anything)?|no|isn'?t|aren'?t)(?: \w+)? $")
_BEYOND = re.compile(r"(?:that'?s |that is |much |any )*(?:longer|more|over|above|higher|greater|bigger)\b")
_TOO_MUCH = re.compile(
    r"\b(?:falls? asleep|(?:can'?t|cannot|won'?t) (?:sit through|stand|do|take|handle)|no patience|lose interest|"
    r"zone out|get bored|too tired)\b[^.;!?]{0,30}$"
)
"""Before an amount that is too much for somebody."""
_NEAR = 24
_SHARE = re.compile(
    rf"(?<![\w-])(?P<n>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}|an?|\d{{1,2}})\s+"
    r"(?:(?:good|great|nice|really|recent|new|old|short|long|fun|light|more)\s+)*$"
)
"""A number right before the words of a kind."""
_JUST_ONE = re.compile(
    r"^\W*one only\W*$|\b(?:surprise|impress) (?:me|us) with one\b|"
    r"\b(?:just|only) (?:the )?(?:one|1)\b(?! of\b)|\ba single (?:one|ƒ+|recommendation|suggestion)|"
    r"\bone (?:is|will be) (?:enough|fine|plenty)"
)
_ANY = (
    r"(?:any|whatever|whichever|all|every|different|forget(?: about)? the|drop the|ignore the|never ?mind the|"
    r"regardless of (?:the )?|no matter (?:the|what|which)|(?:don'?t|do not) (?:care|mind) (?:about |"
    r"what |which )?(?:the )?)"
)
_FORGET_YEARS = re.compile(
    rf"\b{_ANY} ?(?:release )?(?:years?|decades?|era|eras|time periods?|period|dates?|age)\b"
    r"|\b(?:year|decade|era|age|release date) (?:does not|doesn'?t|is not|isn'?t) (?:matter|important)|"
    r"doesn'?t matter (?:when|how old)|(?:old or new|new or old)\b"
)
_FORGET_PRIMARY = re.compile(
    rf"\b{_ANY} ?(?:kind|type|sort|{ANY_LABEL})\b|\b(?:{ANY_LABEL}) (?:does not|doesn'?t|isn'?t) "
    r"(?:matter|important)|"
    r"\b(?:anything|everything) goes\b|open to (?:anything|any)"
)
_FORGET_RATING = re.compile(rf"\b{_ANY} ?(?:ratings?|stars|grades?|reviews?)\b")
_ANYTHING = re.compile(r"\bok(?:ay)?,? any\b|\bany \w+ (?:then|will do)\b")
_REPLACES = re.compile(
    r"\b(?:actually|instead(?! of)|rather(?! than)|on second thoughts?|changed? my mind|make (?:it|that)|scratch that|"
    r"no wait|wait,? no|(?:what|how) about|i meant?(?= (?:an? |the |some )?\w)|instead of that|let'?s (?:do|go "
    r"with|try))\b"
)
_ANEW = re.compile(r"\b(?:instead(?! of)|on second thoughts?|changed? my mind|scratch that|forget (?:that|it))\b")
"""Says that what was wished in words before is no longer meant."""
_REFINES = re.compile(
    r"^\W*(?:(?:ok|okay|yes|yeah|well|hm+|um+|great|cool|nice|sure|please|maybe|"
    r"perhaps)\b[\s,.!]*)*(?:and|but|also|plus|only|just|with|without|or|nothing|no|not|"
    r"from|in|by|on|for|under|over|others?|preferably|ideally|make (?:it|them|that)|more|less|newer|older|"
    r"anything but|except|too|some of them|ones|"
    r"the same|same|one (?:with|from|by|that|where)|something (?:newer|older|more|less|\w+er)|"
    r"(?:should|could|can) (?:it|they)|it should|they should|"
    r"a bit|a little|even|still|how about from|actually make|that(?:'s| is|\s?isn'?t)|which|isn'?t|if possible|"
    r"instead)\b"
)
_OPENS = re.compile(
    r"\b(?:an?|some|any|two|three|four|five|six|ten|\d+) (?:[\w'’-]+ ){0,4}$|\b(?:give|show|find|"
    r"recommend|suggest|want|need|looking for|"
    r"mood for|feel like|fancy|how about|what about|let'?s (?:do|watch|try)|prefer|love|like|got any|"
    r"have any|into|watch)\b[^.;!?]{0,40}$|^\W*(?:[\w'’-]+ ){0,3}$|[.!;:]\s*(?:[\w'’-]+ ){0,3}$"
)
_OWN_WISH = re.compile(
    r"\W*(?:(?:ok|okay|well|so|hm+|now|then|please|maybe)\b[\s,.!]*)*(?:an?|some|something|anything|any|the|give|show|find|"
    r"recommend|suggest|i|we|do|have|how about|what about|looking|need)\b"
)
_FRAGMENT = 3
"""So many words that nobody listed only refine what was asked for."""
_ONLY = re.compile(r"\b(?:only|as well|too|though|ones)\W*$")
_OF_THEM = re.compile(r"\b(?:of (?:them|these|those|¤+)|from (?:these|those)|among (?:these|those))\b")
_ASKED = re.compile(
    r"\b(?:something|anything|one|ones|want|need|give me|show me|bit|little|much|even)(?: that's| that is)? $"
)
"""Before a comparative on what the data does not hold: it is a wish all the same."""
_MORE_OF = re.compile(r"\bmore (?:like|of)\b")


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparatives compare with: ``named`` items, else those ``shown``."""

    named: Sequence[int] = ()
    shown: Sequence[int] = ()


@dataclass(slots=True)
class Wishes:
    """What one message wishes; see :class:`agent.records.acts.Want`.

    ``spans`` are the places of all that was understood; ``complete`` says that it holds what a new wish is made of: a
    value of the primary facet, or a person, asked for. ``compares`` says that it compares with what was shown.
    """

    conditions: list[Condition] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    count: int | None = None
    shares: Shares = ()
    spans: list[tuple[int, int]] = field(default_factory=list)
    complete: bool = False
    compares: bool = False
    replaces: bool = False

    def __bool__(self) -> bool:
        return bool(self.conditions or self.hints or self.lacking or self.drops or self.count)


class WishReader:
    """Reads wishes over one catalogue; made once for it by :meth:`of`."""

    _known: ClassVar[WeakKeyDictionary[Catalogue, WishReader]] = WeakKeyDictionary()

    def __init__(self, catalogue: Catalogue) -> None:
        """Prepare what only depends on the catalogue."""
        self.catalogue = catalogue
        self.vocabulary: Vocabulary = vocabulary_of(catalogue)
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
        critiques = self._critiques(folded, covered, compared, standing)
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
        self._compare(critiques, wishes, wanted, compared, standing, folded)
        self._drops(marked, wishes, standing)
        wishes.count = self._count(marked, hits)
        self._share(marked, hits, wishes)
        wishes.replaces = _REPLACES.search(marked) is not None
        if wishes.hints and _ANEW.search(marked):
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

    # --- values ------------------------------------------------------------------------------------------------------

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
        plain = marked
        for hit in hits:  # "war novels or historical romances": a mood between two values joins nothing
            if hit.kind == "mood":
                plain = plain[: hit.start] + " " * (hit.end - hit.start) + plain[hit.end :]
        for facet in dict.fromkeys(hit.facet for hit in wanted):
            mine = [hit for hit in wanted if hit.facet == facet]
            firm = [hit for hit in mine if not hit.taste]
            tastes = [hit for hit in mine if hit.taste]
            open_ended = facet in self.vocabulary.open_facets
            for group in _grouped(plain, firm):
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
            if hit.known and _OPENS.search(marked[: hit.start])
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
        elif not (_UP_TO.search(before) or _OR_LESS.match(behind)):
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
            condition = self.bound(level.facet, level.bound, hit.state in ("unwanted", "less"))
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

    # --- numbers -----------------------------------------------------------------------------------------------------

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
            self._relative(facet, relative == "newer", wishes, compared, standing, relative)

    def _relative(
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

    def _critiques(
        self, folded: str, covered: bytearray, compared: Compared, standing: Conditions
    ) -> list[tuple[Critique, int, int]]:
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
                if re.match(r" than (?:\d|the \d|'\d|me\b|my\b)", folded[match.end() :]):
                    continue
                if any(covered[match.start() : match.end()]):
                    continue
                covered[match.start() : match.end()] = b"\x01" * len(match.group())
                found.append((critique, *match.span()))
        return found

    def _compare(
        self,
        critiques: Sequence[tuple[Critique, int, int]],
        wishes: Wishes,
        wanted: set[tuple[str, str]],
        compared: Compared,
        standing: Conditions,
        folded: str,
    ) -> None:
        asked = wanted | {(own.facet, name) for own in standing if own.op == "is" for name in own.names}
        for critique, start, end in critiques:
            words = folded[start:end]
            if critique.facet not in self.catalogue.facets:
                wishes.lacking.append(words)
                wishes.compares = True
                continue
            if critique.direction is not None:
                if any(own.facet == critique.facet and not own.names for own in wishes.conditions):
                    continue  # "more recent, nothing before 2001": the number says how much
                self._relative(critique.facet, critique.direction == "up", wishes, compared, standing, words)
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

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _drops(self, marked: str, wishes: Wishes, standing: Conditions) -> None:
        year, primary = self.catalogue.year_facet, self.vocabulary.primary
        said = {own.facet for own in wishes.conditions}
        if year is not None and _FORGET_YEARS.search(marked):
            wishes.drops.append(year)
        if primary is not None and _FORGET_PRIMARY.search(marked):
            wishes.drops.append(primary)
        if _FORGET_RATING.search(marked):
            wishes.drops.append(RATING)
        if year is not None and year not in said and _ANYTHING.search(marked):
            wishes.drops.append(year)
        for facet in said:
            column = self.catalogue.column(facet) if facet in self.catalogue.facets else None
            if isinstance(column, NumberColumn):
                wishes.drops.append(facet)  # a new bound stands for the old ones
            elif _REPLACES.search(marked) and any(own.facet == facet and own.op == "is" for own in wishes.conditions):
                wishes.drops.append(facet)
        held = {own.facet for own in standing}
        wishes.drops = [facet for facet in dict.fromkeys(wishes.drops) if facet in held]

    def _count(self, marked: str, hits: Sequence[Hit]) -> int | None:
        if _JUST_ONE.search(marked):
            return 1
        for match in _COUNT.finditer(marked):
            number = _NUMBERS.get(match["n"]) or (int(match["n"]) if match["n"].isdigit() else 0)
            rest = marked[match.end() :]
            beside = any(hit.kind == "value" and 0 <= hit.start - match.end() <= 24 for hit in hits)
            counted = match["of"] is not None or _COUNTED.match(rest) is not None
            if match["start"] is not None and not (beside or counted):
                continue
            if match["n"] == "one" and match["cue"] is None:
                continue
            if not (beside or counted) or not 1 <= number <= 50:
                continue
            if number == 1 and not rest.strip(" .!?") and not re.search(r"just|only", match["cue"] or ""):
                continue
            return number
        return None

    def _share(self, marked: str, hits: Sequence[Hit], wishes: Wishes) -> None:
        """Several kinds, each with its number ("two westerns and a comedy"): they add up, and either kind will do."""
        found: list[tuple[int, str, tuple[str, ...]]] = []
        numbered = False
        for hit in hits:
            if hit.kind != "value" or not hit.known or hit.state != "wanted":
                continue
            match = _SHARE.search(marked[max(0, hit.start - _NEAR) : hit.start])
            if match is not None and hit.values:
                number = _NUMBERS.get(match["n"]) or (int(match["n"]) if match["n"].isdigit() else 1)
                numbered = numbered or match["n"] not in ("a", "an")
                found.append((number, hit.facet, hit.values))
        facets = {facet for _, facet, _ in found}
        if len(found) < 2 or len(facets) > 1 or not numbered or len({names for _, _, names in found}) < len(found):
            return
        names = tuple(dict.fromkeys(name for _, _, own in found for name in own))
        (facet,) = facets
        wishes.shares = tuple(found)
        wishes.count = sum(number for number, _, _ in found)
        rest = [
            own for own in wishes.conditions if own.facet != facet or own.op != "is" or not set(own.names) <= set(names)
        ]
        wishes.conditions = [*rest, Condition(facet, "is", names)]


def opens_anew(marked: str) -> bool:
    """Whether words that nobody listed are a wish of their own ("a heist with ..."), no fragment ("from Rome")."""
    return _REFINES.match(marked) is None and (_OWN_WISH.match(marked) is not None or len(marked.split()) > _FRAGMENT)


def opens_topic(marked: str, wishes: Wishes, named: bool, begun: bool) -> bool:
    """Whether a message is a complete new wish, which replaces the topic's conditions.

    Args:
        marked: the marked message.
        wishes: what it wishes.
        named: whether it names an item as an example of what is wanted.
        begun: whether there was a message before.
    """
    if not begun:
        return True
    if not (wishes.complete or named) or wishes.replaces or (wishes.compares and not named):
        return False
    refines = _REFINES.match(marked) or _OF_THEM.search(marked) or _MORE_OF.search(marked) or _ONLY.search(marked)
    return refines is None


def _grouped(marked: str, hits: Sequence[Hit]) -> list[tuple[str, ...]]:
    """Conjunction of disjunctions: "or" and plurals joined by "and" or commas are alternatives, all else adds up."""
    if not hits:
        return []
    signs: list[str | None] = []
    for left, right in pairwise(hits):
        separator = SEPARATOR.fullmatch(marked, left.end, right.start)
        signs.append(None if separator is None else separator["sign"].strip(" ,") or separator["sign"].strip())
    loose = _AND_SO_ON.match(marked, hits[-1].end)
    clauses: list[list[frozenset[str]]] = [[frozenset({value}) for value in hits[0].values]]
    for place, (sign, left, right) in enumerate(zip(signs, hits, hits[1:], strict=False)):
        mine = [frozenset({value}) for value in right.values]
        chain = []
        for later in signs[place:]:
            if later is None or later == "":
                break
            chain.append(later)
        plural = _is_plural(marked, left) and _is_plural(marked, right)
        either = (
            sign in ("or", "and/or")
            or (sign == "," and loose is not None)
            or (sign == "," and any(s in ("or", "and/or") for s in chain))
        )
        if either or (plural and sign in (",", "and", "&", "/")):
            clauses[-1] = [old | new for old in clauses[-1] for new in mine]
        else:
            clauses.append(mine)
    groups = list(dict.fromkeys(group for clause in clauses for group in clause))
    if several_people(marked):  # "a comedy for me and a horror for my brother": either will do
        groups = [frozenset().union(*groups)]
    order = {value: place for place, value in enumerate(value for hit in hits for value in hit.values)}
    return [
        tuple(sorted(group, key=lambda value: order[value]))
        for group in groups
        if not any(other < group for other in groups)
    ]


def _is_plural(marked: str, hit: Hit) -> bool:
    following = re.match(rf" ({N})\b", marked[hit.end : hit.end + 12])
    phrase = following[1] if following else marked[hit.start : hit.end]
    return phrase.endswith("s") and not phrase.endswith(("'s", "ss"))


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
