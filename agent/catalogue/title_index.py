"""Title index: which items a free text mentions, typing errors included."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from agent.catalogue.title_keys import ARTICLES, FULL, MAIN, PART, PART_WORDS, deletions, title_keys
from agent.catalogue.title_matching import Candidate, accepted, quoted_spans
from agent.domains.domain import ANY_NOUN
from agent.text import Word, clean, common_words, fold, words

# Before a year in brackets stands what the title ends with: "Oklahoma! (1955)".
_YEAR_AFTER = re.compile(
    r"[.!?\u2026'\u2019]{0,4}\s*,?\s*(?:\((?P<sure>(?:18|19|20)\d\d)\)|\[(?P<box>(?:18|19|20)\d\d)\])|"
    r"\s*,?\s*(?P<bare>(?:18|19|20)\d\d)\b"
)
_YEAR_BEFORE = re.compile(
    rf"\b(?P<bare>(?:18|19|20)\d\d)(?:'s)?\s+(?:(?:{ANY_NOUN}|version of)\s+)?(?:the\s+|an?\s+)?$"
)
_FIRST = re.compile(r"\b(?:original|first|old|older|classic)\s+(?:the\s+)?$")
_LAST = re.compile(r"\b(?:new|newer|newest|latest|recent|remade|remake of|remake)\s+(?:the\s+)?$")
_OF_STARS = re.compile(r"\s?/\s?\d|(?:\.\d)?(?:[ -]stars?\b|\s?out of)", re.IGNORECASE)
_SEQUEL = re.compile(
    r"\s*(?:\d{1,2}|ii{1,2}|iv|vi{1,3}|ix)\b(?!\s*(?:/|stars?|out of|times|\.\d|:\d|%|x\b|hours|"
    r"minutes|years))"
)

WELL_KNOWN = 0.8
"""How known an item is taken to be where nobody rated any: better than so many of the others."""
_FUZZY_RATIO = 90.0
_NICKNAME = 5
"""So many letters at least has a word that stands for a whole title."""
_MUCH_MORE_RATED = 10.0
_SERIES_MORE_RATED = 5.0


@dataclass(frozen=True, slots=True)
class Link:
    """One mention of a title: ``text[start:end]`` of the message names one of ``options``.

    ``options`` are catalogue indices, the most rated first; more than one where neither the text nor the number of
    ratings decides. ``edits`` counts the typing errors that were mended.
    """

    text: str
    start: int
    end: int
    options: tuple[int, ...]
    edits: int = 0

    @property
    def item(self) -> int | None:
        """The catalogue index, if it is certain."""
        return self.options[0] if len(self.options) == 1 else None


SERIES = 3
"""So many items whose titles begin with a name of several words are a series."""


class _Node:
    """A place in the tree of keys."""

    __slots__ = ("children", "ends")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.ends = False


class TitleIndex:
    """Finds titles in text.

    Titles and messages are compared as words without case, accents, punctuation and English articles, with Roman and
    spelled-out numbers as digits. A title is also known by its aliases, by what stands before or behind its colon,
    without "Part", and without a leading "William Shakespeare's". Words of at least five letters may hold one typing
    error (Damerau-Levenshtein, optimal string alignment), from nine letters on two.
    """

    def __init__(
        self,
        titles: Sequence[str],
        years: Sequence[int | None],
        counts: Sequence[int],
        aliases: Sequence[Iterable[str]],
        ordinary: frozenset[str] = frozenset(),
        names: frozenset[str] = frozenset(),
    ) -> None:
        """Build the index; position = catalogue index.

        ``counts`` are numbers of ratings, to order options by; ``ordinary`` are words of wishes, hardly ever titles;
        ``names`` the words of names of people and places.
        """
        self.ordinary = ordinary
        self._titles, self._years, self._counts = titles, years, counts
        ordered = sorted(counts)
        self.known = [bisect_left(ordered, count) / len(ordered) if ordered[-1] else WELL_KNOWN for count in counts]
        """Of each item, the share of the others that fewer people rated."""
        entries: dict[tuple[str, ...], dict[int, int]] = {}
        for item, title in enumerate(titles):
            for text, is_title in ((title, True), *((alias, False) for alias in aliases[item])):
                for key, kind in title_keys(text, is_title):
                    kinds = entries.setdefault(key, {})
                    kinds[item] = min(kind, kinds.get(item, PART))
        for key, kinds in _short_names(entries, self.known).items():
            entries.setdefault(key, kinds)
        nicknames = _nicknames(titles, self.known, names)
        self._nicknames = frozenset(nicknames) - set(entries)
        entries.update({key: nicknames[key] for key in self._nicknames})
        self._entries = entries
        self._series = frozenset(
            key
            for key, kinds in entries.items()
            if len(key) > 1 and sum(own == MAIN for own in kinds.values()) >= SERIES
        )
        self._root = _Node()
        self._joined: dict[str, tuple[str, ...]] = {}
        vocabulary: set[str] = set()
        for key in entries:
            node = self._root
            for part in key:
                node = node.children.setdefault(part, _Node())
            node.ends = True
            vocabulary.update(key)
            if len(joined := "".join(key)) >= 7:
                self._joined.setdefault(joined, key)
        self._vocabulary = frozenset(vocabulary)
        self.deletions: dict[str, list[str]] = {}
        for word in vocabulary:
            if len(word) >= 5 and word.isalpha():
                for deletion in deletions(word):
                    self.deletions.setdefault(deletion, []).append(word)
        signed = [re.escape(title) for title in titles if len(title) <= 8 and re.search(r"^\W|[^\w!?]$", title)]
        self._signed = re.compile(rf"(?<!\w)(?:{'|'.join(signed)})(?!\w)") if signed else None
        """Short titles that begin or end with a sign, written exactly so: "W.", "[REC]"."""
        self._strings = {" ".join(key): key for key in entries if len(key) >= 2}

    def link(self, text: str, years: tuple[int | None, int | None] = (None, None)) -> tuple[Link, ...]:
        """The titles mentioned in ``text``, in order, spans not overlapping; the longest match wins.

        ``years`` (first, last; None: open) choose among items of one name where the text does not. Spans count in
        ``agent.text.clean(text)``, which is the text itself for ordinary messages.
        """
        text = clean(text)
        found = words(text)
        links: list[Link] = []
        candidates = self._candidates(text, found)
        known = [max(self.known[item] for item in self._entries[own.key]) for own in candidates]
        sure = [match.span() for match in self._signed.finditer(text)] if self._signed is not None else []
        for candidate in accepted(text, found, candidates, known, self.ordinary, sure, self._series):
            link = self._resolve(text, candidate, years)
            if link is not None:
                links.append(link)
        for start, end in quoted_spans(text):
            if not any(link.start < end and start < link.end for link in links):
                near = self._nearest(text, start, end, years)
                links += [near] if near else []
        return tuple(sorted(links, key=lambda link: link.start))

    def narrowed(self, link: Link, years: tuple[int | None, int | None]) -> Link:
        """``link`` with only the options from ``years`` (first, last; None: open), if there are any such."""
        first, last = years
        inside = tuple(
            item
            for item in link.options
            if (year := self._years[item]) is not None and (first or 0) <= year <= (last or 9999)
        )
        return replace(link, options=inside) if inside and (first or last) else link

    def sharing(self, item: int) -> tuple[int, ...]:
        """The items that share a whole title or an alias with ``item``, without it, the most rated first."""
        keys = [key for key, kind in title_keys(self._titles[item], True) if kind != PART]
        others = {other for key in keys for other, kind in self._entries[key].items() if kind != PART and other != item}
        return tuple(self._ordered(others))

    # --- finding -----------------------------------------------------------------------------------------------------

    def _candidates(self, text: str, found: list[Word]) -> list[Candidate]:
        choices = [self._alternatives(word.key) for word in found]
        candidates = []
        for start in range(len(found)):
            for stop, key, edits, mended_real in self._walk(found, choices, start):
                first = start
                if first and found[first - 1].key in ARTICLES and _adjacent(text, found[first - 1], found[first]):
                    first -= 1
                if key[-1].isdigit() and _OF_STARS.match(text, found[stop - 1].end):
                    continue  # "Speed 2/5" is not "Speed 2"
                if _SEQUEL.match(fold(text[found[stop - 1].end :][:12])[0]):
                    continue  # "Terminator 3" is not "Terminator"
                if key in self._nicknames and not (found[start].capital and (start or len(found) == 1) and not edits):
                    continue  # "wizard" is a word first
                whole = any(kind == FULL for kind in self._entries[key].values())
                candidates.append(Candidate(first, stop, key, edits, mended_real, whole))
        return candidates

    def _walk(
        self, found: list[Word], choices: list[dict[str, int]], start: int
    ) -> Iterator[tuple[int, tuple[str, ...], int, bool]]:
        """Keys that match from word ``start`` on: (index behind the last word, key, edits, another word mended)."""
        for size in (1, 2, 3):
            run = found[start : start + size]
            joined = self._joined.get("".join(word.key for word in run))
            exact = tuple(word.key for word in run) in self._entries
            if joined is not None and not exact and len(run) == size and not any(w.key in ARTICLES for w in run[1:]):
                yield start + size, joined, 0, False
        stack: list[tuple[int, _Node, tuple[str, ...], int, bool]] = [(start, self._root, (), 0, False)]
        while stack:
            at, node, key, edits, mended_real = stack.pop()
            size = sum(map(len, key))
            if node.ends and edits <= (0 if size < 6 else 1 + size // 9):
                yield at, key, edits, mended_real
            if at == len(found):
                continue
            word = found[at].key
            if key and word in ARTICLES and at + 1 < len(found):
                stack.append((at + 1, node, key, edits, mended_real))
            if key and word in PART_WORDS and at + 1 < len(found) and found[at + 1].key.isdigit():
                stack.append((at + 1, node, key, edits, mended_real))  # "Guardians of the Galaxy Vol. 2"
                if at + 2 < len(found):
                    stack.append((at + 2, node, key, edits, mended_real))  # "Star Wars: Episode VIII - The Last Jedi"
            for choice, cost in choices[at].items():
                if choice in node.children and edits + cost <= 3:
                    real = mended_real or (cost > 0 and (word in common_words() or word in self._vocabulary))
                    stack.append((at + 1, node.children[choice], (*key, choice), edits + cost, real))

    def _alternatives(self, word: str) -> dict[str, int]:
        """Words of titles that ``word`` may be meant for -> number of edits; the word itself has none."""
        choices = {word: 0}
        if len(word) < 4 or not word.isalpha() or len(word) > 30:
            return choices
        for deletion in deletions(word):
            for other in self.deletions.get(deletion, ()):
                if other in choices or abs(len(other) - len(word)) > 2:
                    continue
                limit = 2 if min(len(other), len(word)) >= 9 else 1
                if other[0] != word[0] and len(word) < 7:
                    continue
                if other in (word + "s", word.removesuffix("s")):
                    continue  # a plural is another word, not an error
                edits = OSA.distance(word, other, score_cutoff=limit)
                if edits <= limit:
                    choices[other] = edits
        return choices

    def _nearest(self, text: str, start: int, end: int, years: tuple[int | None, int | None]) -> Link | None:
        """The title most like the quoted ``text[start:end]``, if it is like enough."""
        key = " ".join(word.key for word in words(text[start:end]) if word.key not in ARTICLES)
        if len(key) < 6:
            return None
        best = process.extractOne(key, self._strings.keys(), scorer=fuzz.token_sort_ratio, score_cutoff=_FUZZY_RATIO)
        if best is None:
            return None
        options = self._options(self._entries[self._strings[best[0]]])
        return Link(text[start:end], start, end, self._decided(options, years), edits=1) if options else None

    # --- deciding which item -----------------------------------------------------------------------------------------

    def _resolve(self, text: str, candidate: Candidate, years: tuple[int | None, int | None]) -> Link | None:
        start, end = candidate.start, candidate.end
        options = self._options(self._entries[candidate.key])
        before = fold(text[max(0, start - 40) : start])[0]
        if match := _YEAR_AFTER.match(text, end):
            year = int(match["sure"] or match["box"] or match["bare"])
            near = self._from_year(options or list(self._entries[candidate.key]), year)
            near = near or self._from_year(list(self._entries[candidate.key]), year)
            if near:
                options, end = near, match.end()
            else:
                return None  # an item of that name from another year is another item
        elif match := _YEAR_BEFORE.search(before):
            near = self._from_year(list(self._entries[candidate.key]), int(match["bare"]))
            options, start = (near, start - len(before) + match.start()) if near else (options, start)
        elif len(options) > 1 and (_FIRST.search(before) or _LAST.search(before)):
            oldest_first = sorted(options, key=lambda item: self._years[item] or 9999)
            options = oldest_first[:1] if _FIRST.search(before) else oldest_first[-1:]
        return Link(text[start:end], start, end, self._decided(options, years), candidate.edits)

    def _from_year(self, options: Iterable[int], year: int) -> list[int]:
        """The options from ``year``, or from a year beside it (release dates differ by country)."""
        for slack in (0, 1):
            near = [i for i in options if (own := self._years[i]) is not None and abs(own - year) <= slack]
            if near:
                return self._ordered(near)
        return []

    def _options(self, kinds: dict[int, int]) -> list[int]:
        """What a key may stand for, most rated first: whole titles before parts, the first of a series for its name."""
        levels = [self._ordered(item for item, kind in kinds.items() if kind == level) for level in (FULL, MAIN, PART)]
        full, main, part = levels
        if full:
            # "Lord of the Rings" hardly ever means the item of exactly that name from 1978.
            much_more = [i for i in main if self._counts[i] >= max(50, _SERIES_MORE_RATED * self._counts[full[0]])]
            return self._ordered([*full, *much_more])
        for level in (main, part):
            if level:
                oldest = min(level, key=lambda item: self._years[item] or 9999)
                return [oldest] if oldest == level[0] else level
        return []

    def _ordered(self, items: Iterable[int]) -> list[int]:
        """Most rated first; of several entries for one item (same title, same year) only the most rated."""
        unique: dict[tuple[str, int | None], int] = {}
        for item in sorted(items, key=lambda item: (-self._counts[item], item)):
            unique.setdefault((" ".join(w.key for w in words(self._titles[item])), self._years[item]), item)
        return list(unique.values())

    def _decided(self, options: list[int], years: tuple[int | None, int | None]) -> tuple[int, ...]:
        """All options, or the one of the given years, or the one that is rated far more often than the others."""
        if len(options) > 1 and (years[0] or years[1]):
            options = list(self.narrowed(Link("", 0, 0, tuple(options)), years).options)
        if len(options) > 1 and self._counts[options[0]] >= _MUCH_MORE_RATED * max(1, self._counts[options[1]]):
            options = options[:1]
        return tuple(options)


def _short_names(
    entries: Mapping[tuple[str, ...], Mapping[int, int]], known: Sequence[float]
) -> dict[tuple[str, ...], dict[int, int]]:
    """The first two words of a long title that no other title begins with, of known items: "Eternal Sunshine"."""
    begun: dict[tuple[str, ...], set[int]] = {}
    for key, kinds in entries.items():
        if len(key) >= 2:
            begun.setdefault(key[:2], set()).update(kinds)
    found = {}
    for key, kinds in entries.items():
        alone = len(key) >= 4 and len(begun[key[:2]]) == 1 and all(len(part) >= 5 for part in key[:2])
        if alone and known[next(iter(kinds))] >= WELL_KNOWN:
            found[key[:2]] = dict.fromkeys(kinds, PART)
    return found


def _nicknames(
    titles: Sequence[str], known: Sequence[float], names: frozenset[str]
) -> dict[tuple[str, ...], dict[int, int]]:
    """A rare word of a known item's title that no other known item has, and nobody is called by: "Totoro"."""
    everyday = names | common_words()
    having: dict[str, set[int]] = {}
    for item, title in enumerate(titles):
        for word in words(title):
            said = title[word.start : word.end]
            if len(said) >= _NICKNAME and said.isalpha() and word.key not in everyday:
                having.setdefault(word.key, set()).add(item)
    found: dict[tuple[str, ...], dict[int, int]] = {}
    for part, items in having.items():
        best = max(items, key=lambda item: known[item])
        if known[best] >= WELL_KNOWN and not any(known[item] >= WELL_KNOWN / 2 for item in items - {best}):
            found[(part,)] = {best: PART}
    return found


def _adjacent(text: str, left: Word, right: Word) -> bool:
    return text[left.end : right.start].isspace()
