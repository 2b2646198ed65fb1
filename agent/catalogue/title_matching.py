"""Title matching: is a run of words meant as a title, or are they just words?

"Heat", "Speed" or "Big" are titles and everyday words. A run of words that could be a title is taken as one where a
logistic regression over signs says so: how rare its words are, capitals, a year or quotation marks, what stands before
("I loved") and behind it ("was boring"), a list that it stands in. The weights were fitted on real conversations
(:mod:`training.language.titles`); the signs hold for titles of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from agent.catalogue.title_cues import (
    ALL,
    ASKED,
    BEFORE,
    COUNTED,
    END,
    ERA,
    JUDGED,
    LIST,
    NO_CUE,
    PLACE,
    PRONOUNS,
    QUOTED,
    SMALL,
    STYLE,
    WATCHED,
    YEAR,
    YEAR_BEFORE,
)
from agent.catalogue.title_weights import BIAS, WEIGHTS
from agent.text import Word, common_words, flat

FEATURES = tuple(WEIGHTS)
_JOINS = re.compile(r"\s*(?:[,;/&]|(?:and|or|nor|vs\.?|versus)\b)")
"""Behind a title that others follow in a list."""


@dataclass(slots=True)
class Candidate:
    """Words ``first`` to ``stop`` (exclusive) of a message that could be the title with ``key``.

    ``edits``: mended typing errors; ``mended_real``: one of them turned an existing word into another; ``whole``: the
    key is a whole title and not part of one. ``start`` and ``end`` are the place in the text, set by :func:`accepted`.
    """

    first: int
    stop: int
    key: tuple[str, ...]
    edits: int
    mended_real: bool
    whole: bool
    start: int = field(default=0, init=False)
    end: int = field(default=0, init=False)

    @property
    def weight(self) -> float:
        """Longer matches win over shorter ones, exact ones over mended ones."""
        return sum(map(len, self.key)) + len(self.key) - 2.5 * self.edits


def quoted_spans(text: str) -> Iterator[tuple[int, int]]:
    """The insides of at most four quotations, as (start, end)."""
    for count, match in enumerate(QUOTED.finditer(text)):
        if count == 4:
            return
        group = next(g for g in (1, 2, 3) if match[g] is not None)
        yield match.span(group)


_GOES_ON = re.compile(r":\s+(?!\d|i\b|it\b|not\b|loved?\b|great\b|good\b|seen\b|no\b)[^\W\d_]")
"""Behind the first part of a longer title: "Spider-Man: Homecoming" is not "Spider-Man"."""


_WITH = ("with a ", "with an ", "about a ", "about an ", "without a ", "where a ")
"""Before words that tell of a plot and name nothing."""
_IN_BRACKETS = re.compile(r"[.!?\u2026'\u2019]{0,4}\s*,?\s*\((?:18|19|20)\d\d\)")


def never(c: Candidate) -> bool:
    """Whether the key is made of words that hardly ever name anything: "It", "They", "I Do"."""
    return all(part in PRONOUNS or part in SMALL for part in c.key)


def accepted(
    text: str,
    found: Sequence[Word],
    candidates: Sequence[Candidate],
    known: Sequence[float],
    ordinary: frozenset[str],
    sure: Sequence[tuple[int, int]] = (),
    series: Set[tuple[str, ...]] = frozenset(),
) -> list[Candidate]:
    """The candidates that are meant as titles, without overlaps, best first.

    Args:
        text: the message.
        found: its words.
        candidates: what could be titles.
        known: of each, how well the best known item of that name is known, from 0 to 1.
        ordinary: words of wishes ("horror", "scary"), which are hardly ever titles by themselves.
        sure: places (start, end) where a title is written with its signs.
        series: names that several titles begin with, which are meant wherever they stand.
    """
    if not candidates:
        return []
    for candidate in candidates:
        candidate.start, candidate.end = found[candidate.first].start, found[candidate.stop - 1].end
    judge = Judge(text, found, ordinary, series)
    judge.quoted += sure
    ordered = sorted(zip(candidates, known, strict=True), key=lambda own: (-own[0].weight, own[0].first, own[0].edits))
    taken: list[Candidate] = []
    covered = bytearray(len(text) + 1)

    def take(candidate: Candidate) -> None:
        covered[candidate.start : candidate.end] = b"\x01" * (candidate.end - candidate.start)
        taken.append(candidate)

    waiting = []
    for candidate, share in ordered:
        if any(covered[candidate.start : candidate.end]) or judge.told_of(candidate):
            continue
        if judge.meant(candidate, share, listed=False):
            take(candidate)
        elif not never(candidate):
            waiting.append((candidate, share))
    # What stands beside a title in a list is more likely one: repeated, since each may open the way for the next.
    progress = bool(taken)
    while progress:
        progress = False
        for candidate, share in waiting:
            if any(covered[candidate.start : candidate.end]) or not judge.beside(candidate, taken):
                continue
            if judge.meant(candidate, share, listed=True):
                take(candidate)
                progress = True
    if not taken and _only_titles(judge, [candidate for candidate, _ in waiting]):
        for candidate, _ in waiting:
            if not any(covered[candidate.start : candidate.end]) and not judge.plain(candidate):
                take(candidate)
    return taken


def _only_titles(judge: Judge, candidates: Sequence[Candidate]) -> bool:
    """Whether nothing is left of the message when the candidates are taken out."""
    rest = list(judge.folded)
    for candidate in candidates:
        if not judge.plain(candidate):
            rest[candidate.start : candidate.end] = " " * (candidate.end - candidate.start)
    return bool(candidates) and ALL.fullmatch("".join(rest)[:400]) is not None


class Judge:
    """Looks at one message; see the module's first lines."""

    def __init__(
        self, text: str, found: Sequence[Word], ordinary: frozenset[str], series: Set[tuple[str, ...]] = frozenset()
    ) -> None:
        """Take what the signs of all candidates share."""
        self.text, self.found, self.ordinary, self.series = text, found, ordinary, series
        self.folded = flat(text)
        letters = [word for word in found if word.key not in SMALL and not word.key.isdigit()]
        capitals = sum(word.capital for word in letters)
        self.shouting = text.isupper() or (len(letters) >= 5 and capitals == len(letters))
        self.quoted = list(quoted_spans(text))
        self.common = common_words()

    def plain(self, c: Candidate) -> bool:
        """Whether the candidate is mended, or but words of wishes."""
        return c.mended_real or all(part in self.ordinary or part in SMALL for part in c.key)

    def told_of(self, c: Candidate) -> bool:
        """Whether the words tell of a plot and name nothing: "with a femme fatale"."""
        capital = any(word.capital for word in self.found[c.first : c.stop])
        before = self.folded[: c.start] + ("a " if self.found[c.first].key in ("a", "an") else "")
        return not capital and before.endswith(_WITH) and not self._is_quoted(c)

    def meant(self, c: Candidate, share: float, listed: bool) -> bool:
        """Whether the signs tell that the candidate is meant as a title."""
        if never(c):
            after = self.folded[c.end : c.end + 40]
            return self._is_quoted(c) or re.match(r"\s*\((?:18|19|20)\d\d\)", after) is not None
        if self._is_quoted(c):
            return c.edits == 0 or not c.mended_real
        if c.whole and not c.edits and _IN_BRACKETS.match(self.folded, c.end):
            return True
        if not self.possible(c):
            return False
        if c.key in self.series and not c.edits:
            return True
        before = self.folded[max(0, c.start - 60) : c.start]
        if (
            c.edits
            and not c.mended_real
            and len("".join(c.key)) >= 8
            and (listed or WATCHED.search(before) or BEFORE.search(before))
        ):
            return True
        if c.whole and not c.edits and ASKED.search(before) and self._written_as_name(c):
            return True
        if c.mended_real and c.whole and not re.search(r"\w", self.folded[: c.start] + self.folded[c.end :]):
            return True  # "Forest Gump" is all that is said
        signs = self.features(c, share, listed)
        return BIAS + sum(weight * sign for weight, sign in zip(WEIGHTS.values(), signs, strict=True)) > 0

    def possible(self, c: Candidate) -> bool:
        """Whether its typing errors are few enough, and it is no place: "set in Brazil"."""
        if c.edits and len(c.key) == 1 and (c.mended_real or len(c.key[0]) < 6):
            return False
        if c.mended_real:
            exact = {self.found[place].key for place in range(c.first, c.stop)}
            if not any(part in exact and part not in self.common and part not in SMALL for part in c.key):
                return False
        before, after = self.folded[max(0, c.start - 60) : c.start], self.folded[c.end : c.end + 40]
        if all(part in self.ordinary or part in PRONOUNS or part in SMALL for part in c.key):
            capital = all(word.capital for word in self.found[c.first : c.stop] if word.key not in SMALL)
            if not capital and YEAR.match(after) is None:
                return False
        run = self.found[c.first : c.stop]
        if (
            any(word.key in ("a", "an") for word in run)
            and not any(word.capital for word in run)
            and all(part in self.common or part in SMALL for part in c.key)
            and not (WATCHED.search(before) or BEFORE.search(before))
            and re.search(r"\w", before + after)
        ):
            return False  # "stuck in a time loop"
        if len(c.key) == 1 and c.key[0].isdigit() and COUNTED.search(before):
            return False  # "from 5 to 7"
        if len(c.key) > 1:  # "Star Trek Beyond" is not "Star Trek"
            following = self.found[c.stop] if c.stop < len(self.found) else None
            ends = following is not None and re.match(r"\s*(?:$|[.,!?;])", self.folded[following.end :]) is not None
            return not (ends and self._inside_a_name(c))
        if c.key[0] in self.common and self._opens(c) and not before.endswith("("):
            return JUDGED.match(after) is not None or END.match(after) is not None or _JOINS.match(after) is not None
        named = self.found[c.first].key in ("the", "a", "an") and self.found[c.first].capital and c.first > 0
        cued = WATCHED.search(before) or BEFORE.search(before) or ASKED.search(before)
        return named or PLACE.search(before) is None or cued is not None

    def _written_as_name(self, c: Candidate) -> bool:
        """Whether all words that count have a capital, and go on for the whole of a name."""
        inside = [word for word in self.found[c.first : c.stop] if word.key not in SMALL]
        return bool(inside) and all(word.capital for word in inside) and not self._inside_a_name(c)

    def _opens(self, c: Candidate) -> bool:
        """Whether the candidate opens a sentence, where any word has its capital."""
        before = self.text[: c.start]
        return not before.strip() or before.rstrip(" \"'“‘(*-").endswith((".", "!", "?", "\n", ":"))

    def beside(self, c: Candidate, taken: Sequence[Candidate]) -> bool:
        """Whether the candidate stands in a list with one that is taken."""
        return any(
            (other.end <= c.start and LIST.fullmatch(self.folded[other.end : c.start]) is not None)
            or (c.end <= other.start and LIST.fullmatch(self.folded[c.end : other.start]) is not None)
            for other in taken
        )

    def features(self, c: Candidate, share: float, listed: bool) -> tuple[float, ...]:
        """The signs of a candidate, (len(FEATURES),), in the order of ``FEATURES``."""
        before, after = self.folded[max(0, c.start - 60) : c.start], self.folded[c.end : c.end + 40]
        content = [part for part in c.key if part not in SMALL]
        rare = [part for part in content if part not in self.common and not part.isdigit()]
        wishes = sum(part in self.ordinary for part in content)
        inside = [word for word in self.found[c.first : c.stop] if word.key not in SMALL and not word.key.isdigit()]
        capital = bool(inside) and all(word.capital for word in inside) and not self.shouting
        opens = self._opens(c)
        size, length = len(content), sum(map(len, content))
        watched = WATCHED.search(before) is not None and not NO_CUE.search(before)
        behind = BEFORE.search(before)
        article = behind is not None and behind["article"].startswith("a")
        judged = JUDGED.match(after) is not None
        year = YEAR.match(after) is not None or (YEAR_BEFORE.search(before) is not None and not c.key[0].isdigit())
        name = self._inside_a_name(c)
        cue = (watched or behind is not None) and not article
        one, many = len(c.key) == 1, size >= 2
        whole_words = not rare
        return (
            float(one),
            float(size >= 3),
            min(length, 20) / 10,
            float(bool(rare)) * float(one),
            float(bool(rare)) * float(many),
            float(len(rare) >= 2),
            float(bool(wishes) and wishes == size),
            float(bool(wishes) and wishes < size),
            float(c.whole),
            float(c.edits > 0),
            float(self._is_quoted(c)),
            float(year),
            float(capital and not opens) * float(one),
            float(capital and not opens) * float(many),
            float(capital and opens) * float(one),
            float(capital and opens) * float(many),
            float(not capital and whole_words and one),
            float(not capital and whole_words and many),
            float(name) * float(one),
            float(name) * float(many),
            float(watched and not article),
            float(behind is not None and not article),
            float(cue and whole_words and not capital),
            float(cue and one),
            float(article),
            float(NO_CUE.search(before) is not None),
            float(judged),
            float(judged and whole_words and not capital),
            float(END.match(after) is not None),
            float(cue and END.match(after) is not None),
            float(STYLE.match(after) is not None),
            float(ERA.match(after) is not None),
            float(PLACE.search(before) is not None) * float(one),
            float(listed),
            float(listed and whole_words and not capital),
            share,
            float(whole_words) * share,
            float(not before.strip() and not after.strip(" .!?")),
            float(c.key[0].isdigit() and one),
            float(_GOES_ON.match(after) is not None),
            float(name and c.whole) * float(many),
            float(content == [] or (not capital and before.endswith(("a ", "an ", "my ", "this ", "any ", "some ")))),
        )

    def _is_quoted(self, c: Candidate) -> bool:
        return any(
            start <= c.start
            and c.end <= end
            and not re.search(r"\w", self.text[start : c.start] + self.text[c.end : end])
            for start, end in self.quoted
        )

    def _inside_a_name(self, c: Candidate) -> bool:
        """Whether the capitals go on beside the candidate: "Jack" is not meant in "Jack Nicholson"."""
        if self.shouting or not self.found[c.stop - 1].capital:
            return False
        if c.stop < len(self.found):
            following = self.found[c.stop]
            gap = self.text[c.end : following.start]
            if following.capital and gap in (" ", "-") and following.key not in PRONOUNS:
                return True
        if c.first and self.found[c.first].capital:
            previous = self.found[c.first - 1]
            gap = self.text[previous.end : c.start]
            return previous.capital and gap == " " and previous.key not in self.common
        return False
