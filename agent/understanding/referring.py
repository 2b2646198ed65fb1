"""Referring: which of the items on the table "the second one", "it", "those two" or "the 1974 one" mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.domains.domain import ANY_NOUN
from agent.text import common_words, word_set, words
from agent.text import flat as flat_of
from agent.understanding.vocabulary import vocabulary_of

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

ORDINALS = {
    **dict.fromkeys(("first", "1st", "top", "frist", "fisrt"), 0),
    **dict.fromkeys(("second", "2nd", "secnd", "secod"), 1),
    **dict.fromkeys(("third", "3rd", "3th", "thrid"), 2),
    **dict.fromkeys(("fourth", "4th", "forth"), 3),
    **dict.fromkeys(("fifth", "5th"), 4),
    **dict.fromkeys(("sixth", "6th"), 5),
    **dict.fromkeys(("last", "final", "bottom"), -1),
    **dict.fromkeys(("second to last", "second last", "penultimate", "next to last", "last but one"), -2),
}
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "couple": 2, "couple of": 2}
_ORDINAL = rf"(?:{'|'.join(sorted(ORDINALS, key=len, reverse=True))})"
_NOUN = r"(?:ones?|ƒ+s?|recommendations?|suggestions?|picks?|titles?|options?|choices?|results?|answers?)"
_CLOSE = (
    r"(?=\s*(?:$|[.,;:!?)]|(?:and|or|but|is|was|looks?|sounds?|seems?|please|instead|again|already|too|vs|versus|"
    r"with|than|because|about|for|has|have|rated|directed|made|called|better|worse|newer|older|longer|shorter|\d)\b))"
)
_LEAD = r"(?:(?:the|your|that|this|ur)\s+)"
ORDERED = re.compile(
    rf"(?<![\w'])(?:{_LEAD}(?P<a>{_ORDINAL})(?:\s+{_NOUN}\b(?! (?:from|in) the\b)|{_CLOSE})|"
    rf"(?P<b>{_ORDINAL})\s+(?:one|pick|suggestion|recommendation|option|choice)\b|"
    rf"(?:(?:numbers?|no\.?|nr\.?|option|ƒ+|choice)\s?#?|#)(?P<n>[1-9]|one|two|three|four|five)(?![\w.])"
    rf"(?!\s?(?:stars?|out of|/|%|hours?|minutes?|years?)))"
)
# "the second and the third", "1 and 3": what follows an ordinal in a list is one as well.
ALSO = re.compile(
    rf"\s*(?:,|/|&|\bor\b|\band\b|\bvs\.?|\bversus\b|\bwith\b|\bto\b|\bthan\b)+\s*(?:and\s+)?(?:the\s+|number\s+|#\s?)?"
    rf"(?:(?P<a>{_ORDINAL})(?![\w'])|(?P<n>[1-9])(?![\w.]))(?:\s+{_NOUN}\b)?(?!\s?(?:stars?|out of|/))"
)
BARE = re.compile(
    r"(?<![\w'])(?P<verb>seen|watched|saw|liked?|loved?|hated?|not|about|compare|why|between|no to|except|skip|prefer|"
    r"(?<!more )(?<!less )(?<!fewer )than|dislike|take|pick|choose)\s+(?:numbers?\s+)?(?P<n>[1-9])(?=\s*(?:,|&|"
    r"and|or|vs|$|[.!?]|is\b|was\b|better\b))"
    r"(?!\s*[.,]\d)"
)
SEVERAL = re.compile(
    r"(?<![\w'])(?:the\s+|your\s+|those\s+|these\s+)?(?P<side>first|last|top|other|final)\s+"
    rf"(?P<n>[2-9]|two|three|four|five|couple(?: of)?)(?:\s+{_NOUN})?(?![\w'])"
    r"(?! (?:years?|decades?|days|weeks|months))"
)
ALL = re.compile(
    r"(?<![\w'])(?:(?:all|any|both|either|neither|each|every one|some|most)(?: of)? (?:the )?"
    r"(?:these|those|them|(?:above|ones?|ƒ+s?)(?: (?:above|here|there|you (?:listed|showed|suggested|named)"
    r"(?: me)?))?)|"
    r"(?:these|those)(?: (?:all|two|three|four|five|ƒ+s?|ones|suggestions|recommendations|picks|both))*|"
    r"them(?: (?:all|both))?|(?:your|the) (?:suggestions|recommendations|picks)|"
    r"both(?= ?(?:$|[.,!?]|already|were|are|and)))(?![\w'])"
)
REST = re.compile(rf"(?<![\w'])(?:the (?:rest|others?(?! (?:one|ƒ+)\b)|other ones)|all (?:the )?others?){_CLOSE}")
_OPENS = re.compile(
    r"(?:^|[.!?,;]\s*|\b(?:yes|yeah|yep|no|and|but|oh|ok|think|heard|thought|lol|haha|wow|well|agree|i guess))\W*$"
)
IT_OPENS = re.compile(
    r"(?:'?s| is| was| looks| sounds| looked| sounded| seems| has| had| did)\b(?! (?:a (?:good|great) "
    r"(?:idea|point|question)|ok\b|okay|all\b|"
    r"fine|it\b|right|true|enough|what i|why i|how i|hard|too bad))"
)
"""Behind "it" at the beginning of a sentence: "It was great", "that's one of my favourites"."""
IT = re.compile(
    r"(?<![\w'])(?:(?:that|this) (?:one|ƒ+|title|suggestion|recommendation|answer)|it|this|thats|"
    r"(?<!not )(?<!all )that|that(?=\s*(?:$|[.,!?;])| again\b| please\b)|"
    r"its(?= (?:a|one|my|such|so|really|great|good|awesome)\b))(?![\w])"
)
IT_CUE = re.compile(
    r"(?:\b(?:seen|watched|saw|see|watch|read|played|heard|own|liked?|loved?|hated?|enjoyed|about|is|was|does|did|of|to|not|like|than|why|"
    r"recommend|suggest(?:ed)?|recommended|finish|finished|rate|give|gave|for|in|on|know|adored|disliked?|skip|take|"
    r"though|think of|into|stars?|and|but|picked?|choose|prefer|out|love|like|enjoy|watching|hate|"
    r"haven'?t|will|add|try|by)|^|[.!?,] ?)\s*$"
)
IT_AFTER = re.compile(
    r"\s*(?:one\b|ƒ+\b|was\b|is\b|looks\b|sounds\b|again\b|already\b|[.,!?:;)]|$|instead\b|yet\b|"
    r"before\b|either\b|too\b|but\b|and\b|because\b|so\b|as well\b|when\b|a lot\b|very\b|though\b|"
    r"out\b|tonight\b|thanks?\b|thank\b|with my\b|i\b|on\b|in the\b|was\b|last\b|twice\b|many\b|for\b|"
    r"to my\b)"
)
REFUSED = re.compile(r"\b(?:no|not|without)(?: more| any)? $")
PRAISE = re.compile(
    r"(?:'?s| is| was)? (?:just )?(?:perfect|great|good|nice|awesome|lovely|wonderful|fine|cool|better)\W*$"
)
LIKE_THAT = re.compile(r"\b(?:more|something|anything|others?|ones?|ƒ+s?) (?:just )?like (?P<it>that|this|it)\b")
OTHER = re.compile(r"(?<![\w'])(?:the )?other (?:one|ƒ+|version|guy)(?![\w'])|(?<![\w'])the other(?=\W*$)")
YEAR_ONE = re.compile(
    r"(?<![\w'])(?:the|that|your)\s+(?:ƒ+\s+|one\s+)?(?:from\s+)?'?(?P<year>(?:18|19|20)\d\d|\d\d(?!\d|s))"
    r"(?:\s+(?:one|ƒ+|version|release|original|remake))?(?![\w'])"
)
ERA_ONE = re.compile(
    r"(?<![\w'])(?:the|that)\s+(?:one|ƒ+)\s+(?:from |of |in )?(?:the )?'?(?P<decade>(?:19|20)?\d0)'?s"
    r"(?:\s+(?:one|ƒ+|version))?(?![\w'])"
)
AGE_ONE = re.compile(
    r"(?<![\w'])(?:the|(?<!not )(?<!all )that)\s+"
    r"(?P<age>original|remake|old(?:er|est)?|first|new(?:er|est)?|recent|latest)(?:\s+(?:one|ƒ+|version))?(?![\w'])"
)
NAMED_ONE = re.compile(
    r"(?<![\w'])(?:the|that|your)\s+(?P<name>[^\W\d_][\w'&-]*(?:\s[^\W\d_][\w'&-]*){0,2}?)\s+"
    r"(?:one|ƒ+|thing|pick|suggestion|recommendation)(?![\w'])"
)
VALUE_ONE = re.compile(
    r"(?<!drop )(?<!lose )(?<!forget )(?<!without )(?<!skip )(?<![\w'])"
    r"(?:the|(?<!not )(?<!all )that)\s+(?P<name>[^\W\d_][\w-]+)"
    r"(?:\s+(?:one|ƒ+))?(?![\w'-])"
)
CORRECTION = re.compile(
    r"^\W*(?:(?:no|nope|nah|sorry|oops|wait|actually|ah|oh|hm+|um+|erm|hey)\b[\s,.!-]*)*(?:i (?:actually |really )?"
    r"(?:meant|mean)\b|i was (?:talking|thinking) (?:about|of)|not that one\b|wrong (?:one|ƒ+)|"
    r"not the (?:\w+ )?(?:one|version|ƒ+)\b.{0,24}\b(?:the|but)\b|the other one\b|"
    r"(?:no[\s,.!-]+)+(?:the|that) (?:\d{4}|original|older|newer|first|other|remake)\b|that'?s (?:not "
    r"the one|the wrong)|you'?ve got the wrong|not the (?:remake|original|sequel)\b|i meant\b)|"
    r"\b(?:i meant|i mean) (?:the|that)\b"
)
"""A message that mends what an earlier one named: "no, I meant the 1974 one"."""


NO_NAME = word_set(
    """
    the a an that this other same whole right wrong good best better bad worst next new old first last only one very
    most more less kind sort type of in funny serious main big small long short real perfect great
    """
)
TITLE_CUE = re.compile(
    r"\b(?:seen|watched|saw|liked|loved|hated|enjoyed|about|like|not|is|why|with|than|compare|and|or|but|to) $"
)
"""Before an everyday word that is also the title of an item on the table."""
GIVING = re.compile(r"\b(?:g[ai]ve|rated?|score)\b.*\bstars?\b|\bstars?\b.*\b(?:for|to)\b")
"""A message that gives stars: a number behind "the first" is no count of items."""
ASKING = re.compile(
    r"\W*(?:(?:and|so|but|ok|well|hm+)\W+)?(?:is|was|does|did|has|would|will|can|should|how (?:long|scary|"
    r"old|good|violent|sad|funny|popular) is|what is|what's|who(?: is|'s)? in|when was) $"
)
"""Before "it" in a question about an item."""


@dataclass(frozen=True, slots=True)
class Reference:
    """``text[start:end]`` of the folded message stands for ``items`` (catalogue indices, as shown)."""

    start: int
    end: int
    items: tuple[int, ...]


def references(
    flat: str,
    taken: Sequence[tuple[int, int]],
    shown: Sequence[int],
    spoken: Sequence[int],
    catalogue: Catalogue,
    correcting: bool = False,
) -> list[Reference]:
    """The references in a message, in order, without overlaps.

    ``taken``: places (start, end) that linked titles hold already; ``shown``: what was shown last, in order (catalogue
    indices); ``correcting``: whether the message mends what an earlier one named: items of the same title count.
    """
    return _Table(flat, taken, list(shown), list(spoken), catalogue).found(correcting)


def chosen(message: str, options: Sequence[int], catalogue: Catalogue) -> int | None:
    """Which of ``options`` a message picks ("the older one", "the second", "1954"); None where not just one."""
    folded = vocabulary_of(catalogue).marked(flat_of(message))
    if (year := re.fullmatch(r"\W*(?:the )?((?:18|19|20)\d\d)(?: (?:one|version|ƒ+))?\W*", folded)) is not None:
        fitting = [item for item in options if catalogue[item].year == int(year[1])]
        return fitting[0] if len(fitting) == 1 else None
    found = _Table(folded, [], list(options), [], catalogue).picked()
    return found[0] if len(found) == 1 else None


def same_titles(items: Sequence[int], catalogue: Catalogue) -> list[int]:
    """Other items that share a title with one of ``items``: remakes and versions."""
    return [other for item in items for other in catalogue.titles.sharing(item) if other not in items]


class _Table:
    """One message and the items that lie on the table."""

    def __init__(
        self, flat: str, taken: Sequence[tuple[int, int]], shown: list[int], spoken: list[int], catalogue: Catalogue
    ) -> None:
        self.flat, self.shown, self.spoken, self.catalogue = flat, shown, spoken, catalogue
        self.covered = bytearray(len(flat) + 1)
        for start, end in taken:
            self.covered[start:end] = b"\x01" * (end - start)
        self.links = bool(taken)
        self.first_link = min((start for start, _ in taken), default=len(flat))
        self.references: list[Reference] = []

    def found(self, correcting: bool) -> list[Reference]:
        if correcting and self.spoken:
            self._among(same_titles(self.spoken, self.catalogue), correcting=True)
        if self.shown:
            self._several()
            self._ordered()
            self._among(self.shown, correcting=False)
            self._all(self.shown)
        elif self.spoken:
            if len(self.spoken) > 1:
                self._several_spoken()
            self._among(self.spoken, correcting=False)
            self._all(self.spoken)
        self._it()
        return sorted(self.references, key=lambda reference: reference.start)

    def _several_spoken(self) -> None:
        """References by place to several items that the other side named: "the first one"."""
        shown, self.shown = self.shown, self.spoken
        self._several()
        self._ordered()
        self.shown = shown

    def picked(self) -> list[int]:
        """The items that the references of a message pick, versions by their age as well."""
        self._among(self.shown, correcting=True)
        self._ordered()
        return list(dict.fromkeys(item for reference in self.references for item in reference.items))

    def _take(self, start: int, end: int, items: Sequence[int]) -> bool:
        if not items or any(self.covered[start:end]):
            return False
        self.covered[start:end] = b"\x01" * (end - start)
        self.references.append(Reference(start, end, tuple(dict.fromkeys(items))))
        return True

    def _at(self, place: int) -> list[int]:
        return [self.shown[place]] if -len(self.shown) <= place < len(self.shown) else []

    def _ordered(self) -> None:
        for pattern in (ORDERED, BARE):
            for match in pattern.finditer(self.flat):
                start = match.start("n") if pattern is BARE else match.start()
                place = self._place(match)
                if pattern is BARE and len(self.shown) < 2:
                    continue
                if not self._take(start, match.end(), self._at(place)):
                    continue
                at = match.end()
                while (more := ALSO.match(self.flat, at)) is not None:
                    begin = more.start("a") if more["a"] else more.start("n")
                    if not self._take(begin, more.end(), self._at(self._place(more))):
                        break
                    at = more.end()

    @staticmethod
    def _place(match: re.Match[str]) -> int:
        groups = match.groupdict()
        word = groups.get("a") or groups.get("b")
        if word:
            return ORDINALS[word]
        number = groups["n"] or "1"
        return (int(number) if number.isdigit() else NUMBERS[number]) - 1

    def _several(self) -> None:
        for match in SEVERAL.finditer(self.flat):
            count = int(match["n"]) if match["n"].isdigit() else NUMBERS[match["n"]]
            if count > len(self.shown) or (match["n"].isdigit() and GIVING.search(self.flat)):
                continue  # "the third 4 stars and the first 2" gives stars
            if match["side"] == "other":
                named = {item for reference in self.references for item in reference.items}
                rest = [item for item in self.shown if item not in named]
                items = rest if len(rest) == count else []
            else:
                items = self.shown[:count] if match["side"] in ("first", "top") else self.shown[-count:]
            self._take(match.start(), match.end(), items)

    def _all(self, pool: Sequence[int]) -> None:
        for match in ALL.finditer(self.flat):
            if match.group().startswith(("them", "both", "those")) and self.links and match.start() > self.first_link:
                continue  # "I liked Alien and Heat, but loved them less": the titles just named
            self._take(match.start(), match.end(), pool)
        for match in REST.finditer(self.flat):
            named = {item for reference in self.references for item in reference.items}
            if named:
                self._take(match.start(), match.end(), [item for item in pool if item not in named])

    def _it(self) -> None:
        focus = self.spoken[-1:] or (self.shown if len(self.shown) == 1 else [])
        if self.references:  # "the third looks good, more like that"
            last = max(self.references, key=lambda reference: reference.end)
            like = LIKE_THAT.search(self.flat, last.end)
            if like is not None and len(last.items) == 1:
                self._take(like.start("it"), like.end("it"), last.items)
            return
        if not focus:
            return
        for match in IT.finditer(self.flat):
            if match.start() > self.first_link:
                return
            before = self.flat[: match.start()]
            if len(self.shown) > 1 and match.group().startswith("that") and PRAISE.match(self.flat, match.end()):
                continue  # "that's perfect" is said of all of it
            long = " " in match.group()
            opens = _OPENS.search(before) is not None
            if (
                long
                or ASKING.search(before) is not None
                or (opens and IT_OPENS.match(self.flat, match.end()) is not None)
                or (IT_CUE.search(before) and IT_AFTER.match(self.flat, match.end()))
            ):
                self._take(match.start(), match.end(), focus)

    def _among(self, pool: Sequence[int], correcting: bool) -> None:
        """References by year, age, category, person or a word of the title, where they fit one item of ``pool``."""
        if not pool:
            return
        years = [self.catalogue[item].year or 0 for item in pool]
        for match in YEAR_ONE.finditer(self.flat):
            digits = match["year"]
            if len(digits) == 2 and not re.search(r"one|ƒ|version|'", match.group()):
                continue
            near = [i for i, y in zip(pool, years, strict=True) if y == int(digits) or str(y)[2:] == digits]
            self._one(match, near)
        for match in ERA_ONE.finditer(self.flat):
            decade = int(match["decade"]) % 100
            self._one(match, [i for i, y in zip(pool, years, strict=True) if y % 100 // 10 * 10 == decade and y])
        for match in AGE_ONE.finditer(self.flat):
            if len(pool) > 1 and not correcting and match.group() == f"the {match['age']}":
                continue
            word = match["age"]
            if word == "first" and not correcting:
                continue
            ordered = sorted(pool, key=lambda item: self.catalogue[item].year or 0)
            old = word.startswith(("old", "original", "first"))
            self._one(match, [ordered[0] if old else ordered[-1]])
        if correcting:
            for match in OTHER.finditer(self.flat):
                self._one(match, list(pool[:1]))
            if not self.references and len(pool) == 1 and re.match(r"\W*(?:no\W+)?(?:not that one|wrong)", self.flat):
                match_at = re.search(rf"not that one|wrong (?:one|{ANY_NOUN})", self.flat)
                if match_at is not None:
                    self._one(match_at, list(pool))
            return
        for match in OTHER.finditer(self.flat):
            rest = [item for item in pool if item not in self.spoken]
            if len(pool) == 2:
                self._one(match, rest)
        for match in NAMED_ONE.finditer(self.flat):
            self._one(match, self._by_name(match["name"], pool))
        for match in VALUE_ONE.finditer(self.flat) if len(pool) > 1 else ():
            self._one(match, self._by_value(match["name"], pool))
        self._titles(pool)

    def _one(self, match: re.Match[str], items: list[int]) -> None:
        if len(items) == 1:
            self._take(match.start(), match.end(), items)

    def _by_name(self, name: str, pool: Sequence[int]) -> list[int]:
        """The items of ``pool`` with a value or a title that holds all words of ``name``."""
        wanted = {word.key.removesuffix("s") if word.key.endswith("'s") else word.key for word in words(name)}
        if not wanted or wanted <= NO_NAME:
            return []
        found = []
        for item in pool:
            values = self.catalogue[item].attributes.values()
            names = [name for own in values if isinstance(own, tuple) for name in own]
            if any(wanted <= {word.key for word in words(name)} for name in (self.catalogue[item].title, *names)):
                found.append(item)
        return found

    def _by_value(self, word: str, pool: Sequence[int]) -> list[int]:
        """The items of ``pool`` that have the value of the primary facet that ``word`` names."""
        for expression in vocabulary_of(self.catalogue).expressions:
            if (
                expression.known
                and expression.facet == vocabulary_of(self.catalogue).primary
                and expression.pattern.fullmatch(word)
            ):
                return [item for item in pool if set(expression.values) <= set(self.catalogue[item].categories)]
        return []

    def _category(self, key: tuple[str, ...]) -> bool:
        entries = vocabulary_of(self.catalogue).names.get(key, ())
        return any(self.catalogue.facets[own.facet].kind == "category" for own in entries)

    def _titles(self, pool: Sequence[int]) -> None:
        """Titles that lie on the table need no other sign that they are meant as titles."""
        for item in pool:
            title = self.catalogue[item].title
            for name in (title, re.split(r":| - ", title)[0], re.sub(r"^(?:The|A|An) ", "", title)):
                key = [word.key for word in words(name)]
                if not key or (len(key) == 1 and len(key[0]) < 4):
                    continue
                sure = len(key) > 1 or key[0] not in common_words()
                spelled = r"[\W_]+".join(re.escape(part) for part in key)
                match = re.search(rf"(?<![\w'])(?:the )?{spelled}(?![\w'])", self.flat)
                if match is not None and REFUSED.search(self.flat[: match.start()]) and self._category(tuple(key)):
                    continue  # "not Call of Duty": all of that series
                if match is None or not (sure or TITLE_CUE.search(self.flat[: match.start()])):
                    continue
                if self._take(match.start(), match.end(), [item]):
                    break
