"""Title evidence: is a run of words meant as a title, or are they just words?

"Heat", "Speed" or "Big" are films and everyday words; a run of words that could be a title is taken as one only for
a reason: it is rare enough by itself, quoted, capitalised, named with its year, follows "I loved", stands in a list
behind such a title, is judged ("... was boring"), or is all that the message says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agent.catalogue.title_cues import (
    ALL,
    CUE,
    DELIMITED,
    END,
    ERA,
    JUDGED,
    LIST,
    NEVER_BY_CUE,
    NO_CUE,
    PLACE,
    PRONOUNS,
    QUOTED,
    SMALL,
    STYLE,
    YEAR,
    YEAR_BEFORE,
)
from agent.domains.films.lexicon import GENRE_WORDS
from agent.text import Word, common_words, flat

_EITHER = re.compile(r"\s*,?\s+(?:or|vs\.?|versus)\s+")
"""What stands between two titles to choose from, the first of which opens the message."""


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


def accepted(text: str, found: Sequence[Word], candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that are meant as titles, without overlaps, best first."""
    if not candidates:
        return []
    for candidate in candidates:
        candidate.start, candidate.end = found[candidate.first].start, found[candidate.stop - 1].end
    judge = _Judge(text, found)
    ordered = sorted(candidates, key=lambda c: (-c.weight, c.first, c.edits))
    taken: list[Candidate] = []
    covered = bytearray(len(text) + 1)

    def take(candidate: Candidate) -> None:
        covered[candidate.start : candidate.end] = b"\x01" * (candidate.end - candidate.start)
        taken.append(candidate)

    for candidate in ordered:
        if not any(covered[candidate.start : candidate.end]) and judge.meant(candidate):
            take(candidate)
    for candidate in [c for c in ordered if judge.listable(c) and not judge.folded[: c.start].strip()]:
        if any(_EITHER.fullmatch(judge.folded[candidate.end : other.start]) for other in taken):
            take(candidate)  # "Alien or Aliens?"
            break
    # What follows a title in a list is one as well: repeated, since each may open the way for the next.
    waiting = [c for c in ordered if judge.listable(c)]
    ends = {c.end for c in taken}
    progress = bool(taken)
    while progress:
        progress = False
        for candidate in waiting:
            if any(covered[candidate.start : candidate.end]):
                continue
            gap_start = max((end for end in ends if end <= candidate.start), default=-1)
            if gap_start >= 0 and LIST.fullmatch(judge.folded[gap_start : candidate.start]):
                take(candidate)
                ends.add(candidate.end)
                progress = True
    if not taken and _only_titles(judge, waiting):
        for candidate in waiting:
            if not any(covered[candidate.start : candidate.end]):
                take(candidate)
    return taken


def _only_titles(judge: _Judge, candidates: Sequence[Candidate]) -> bool:
    """Whether nothing is left of the message when the candidates are taken out."""
    rest = list(judge.folded)
    for candidate in candidates:
        rest[candidate.start : candidate.end] = " " * (candidate.end - candidate.start)
    return bool(candidates) and ALL.fullmatch("".join(rest)[:400]) is not None


class _Judge:
    """Looks at one message; see the module's first lines."""

    def __init__(self, text: str, found: Sequence[Word]) -> None:
        self.text, self.found = text, found
        self.folded = flat(text)
        letters = [word for word in found if word.key not in SMALL and not word.key.isdigit()]
        capitals = sum(word.capital for word in letters)
        self.shouting = text.isupper() or (len(letters) >= 4 and capitals == len(letters))
        self.quoted = list(quoted_spans(text))

    def meant(self, c: Candidate) -> bool:
        """Whether there is a reason to take the candidate as a title."""
        if all(part in PRONOUNS or part in SMALL for part in c.key):
            # "It", "They" and "I Do" are hardly ever meant as titles.
            after = self.folded[c.end : c.end + 40]
            return self._is_quoted(c) or re.match(r"\s*\((?:18|19|20)\d\d", after) is not None
        common = common_words()
        content = [part for part in c.key if part not in SMALL]
        rare = [part for part in content if part not in common and part not in GENRE_WORDS and not part.isdigit()]
        if self._is_quoted(c):
            return c.edits == 0 or not c.mended_real or bool(rare)
        if len(c.key) == 1:
            single = c.key[0]
            if c.edits and (c.mended_real or len(single) < 6 or single in GENRE_WORDS):
                return False
        elif c.edits:
            mended = {self.found[i].key for i in range(c.first, c.stop)}
            exact_rare = [part for part in rare if part in mended]
            if c.mended_real and not exact_rare:
                return False
            return self._by_itself(c, content, rare) or self._by_context(c)
        return self._by_itself(c, content, rare) or self._by_context(c)

    def _by_itself(self, c: Candidate, content: list[str], rare: list[str]) -> bool:
        if len(c.key) == 1 or self._inside_a_name(c):
            return False
        if rare and sum(map(len, rare)) >= 3:
            return True
        return c.whole and len(c.key) >= 4 and len(content) >= 2

    def _by_context(self, c: Candidate) -> bool:
        before, after = self.folded[max(0, c.start - 60) : c.start], self.folded[c.end : c.end + 40]
        if self._capitalised(c, before):
            return True
        if YEAR.match(after) or (YEAR_BEFORE.search(before) and not c.key[0].isdigit()):
            return not all(part in NEVER_BY_CUE for part in c.key) or "(" in after[:2]
        match = CUE.search(before)
        if match and self._all_capital(c) and not self._inside_a_name(c):
            return True
        if self._all_capital(c) and ERA.match(after) and any(part not in common_words() for part in c.key):
            return True
        if self._inside_a_name(c) or all(part in NEVER_BY_CUE or part in SMALL for part in c.key):
            return False
        if self.text[c.start : c.end].isdigit() and c.end - c.start < 3:
            return False
        if match and not NO_CUE.search(before) and not match["article"].startswith("a"):
            ends = END.match(after) is not None
            # A rare word or several words behind "like" are a title whatever follows.
            if ends or (
                len(c.key) == 1 and c.key[0] not in common_words() and not after.startswith((" film", " movie", "-"))
            ):
                return True
            if len(c.key) >= 2 and c.whole and END.match(after.lstrip()):
                return True
        if STYLE.match(after) and c.key[0] not in common_words():
            return True
        return bool(DELIMITED.search(before) and JUDGED.match(after))

    def listable(self, c: Candidate) -> bool:
        """Whether the candidate fills its place in a list and may be a title at all."""
        if c.mended_real or (c.edits and len(c.key) == 1 and len(c.key[0]) < 6):
            return False
        if all(part in PRONOUNS or part in SMALL for part in c.key):
            return False
        if all(part in NEVER_BY_CUE or part in SMALL for part in c.key):
            return False
        after = self.folded[c.end : c.end + 40]
        return bool(END.match(after) or re.match(r"\s*(?:and|or|&)\s", after)) and not self._inside_a_name(c)

    def _is_quoted(self, c: Candidate) -> bool:
        return any(
            start <= c.start
            and c.end <= end
            and not re.search(r"\w", self.text[start : c.start] + self.text[c.end : end])
            for start, end in self.quoted
        )

    def _capitalised(self, c: Candidate, before: str) -> bool:
        if not self._all_capital(c):
            return False
        opens = not self.text[: c.start].strip() or self.text[: c.start].rstrip(" \"'“‘(*-").endswith(
            (".", "!", "?", "\n", ":")
        )
        if len([word for word in self.found[c.first : c.stop] if word.capital]) >= 2:
            return not self._inside_a_name(c)
        if len(c.key) > 1:
            return not opens and not self._inside_a_name(c)
        # The first word of a sentence has its capital anyway; a word that is no everyday word is a title even so.
        if opens and (c.key[0] in common_words() or c.edits):
            return False
        return not PLACE.search(before) and not self._inside_a_name(c) and c.key[0] not in GENRE_WORDS

    def _all_capital(self, c: Candidate) -> bool:
        if self.shouting:
            return False
        inside = [word for word in self.found[c.first : c.stop] if word.key not in SMALL]
        inside = inside or list(self.found[c.first : c.stop])
        return all(word.capital or word.key.isdigit() for word in inside) and any(word.capital for word in inside)

    def _inside_a_name(self, c: Candidate) -> bool:
        """Whether the capitals go on beside the candidate: "Jack" is not meant in "Jack Nicholson"."""
        if self.shouting or not self.found[c.stop - 1].capital:
            return False
        if c.stop < len(self.found):
            following = self.found[c.stop]
            gap = self.text[c.end : following.start]
            if following.capital and gap in (" ", "-") and following.key not in {"i", "im", "ive", "id"}:
                return True
        if c.first and len(c.key) == 1:
            previous = self.found[c.first - 1]
            gap = self.text[previous.end : c.start]
            opens = c.first == 1 or self.text[: previous.start].rstrip().endswith((".", "!", "?", ":"))
            cue = CUE.search(self.folded[max(0, c.start - 60) : c.start]) is not None
            if (
                previous.capital
                and gap == " "
                and not opens
                and not cue
                and not self.text[: previous.end].endswith(("'s", "’s"))
            ):
                return previous.key not in {"i", "the", "a"}
        return False
