"""References: which of the films on the table "the second one", "those two" or "the 1974 one" mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.domains.films.lexicon import GENRE_WORDS, genre_patterns
from agent.text import common_words, words
from agent.text import flat as flat_of
from agent.understanding.reference_cues import (
    AGE_ONE,
    ALL,
    ALSO,
    ASKING,
    BARE,
    CORRECTION,
    ERA_ONE,
    GENRE_ONE,
    GIVING,
    IT,
    IT_AFTER,
    IT_CUE,
    NAMED_ONE,
    NO_NAME,
    NUMBERS,
    ORDERED,
    ORDINALS,
    OTHER,
    REST,
    SEVERAL,
    TITLE_CUE,
    YEAR_ONE,
)

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Reference:
    """``text[start:end]`` of the folded message stands for ``items`` (catalogue indices, as shown)."""

    start: int
    end: int
    items: tuple[int, ...]


def references(
    flat: str, taken: Sequence[tuple[int, int]], shown: Sequence[int], spoken: Sequence[int], catalogue: Catalogue
) -> list[Reference]:
    """The references in a message, in order, without overlaps.

    Args:
        flat: the folded message.
        taken: places (start, end) that linked titles hold already.
        shown: what was shown last, in order (catalogue indices).
        spoken: what the messages before spoke of, if they were about single films.
        catalogue: the items, for years, genres, tags and titles.
    """
    return _Table(flat, taken, list(shown), list(spoken), catalogue).found()


def chosen(message: str, options: Sequence[int], catalogue: Catalogue) -> int | None:
    """Which of ``options`` a message picks ("the older one", "the second", "1954"); None where not just one."""
    folded = flat_of(message)
    if (year := re.fullmatch(r"\W*(?:the )?((?:18|19|20)\d\d)(?: (?:one|version|film|movie))?\W*", folded)) is not None:
        fitting = [item for item in options if catalogue[item].year == int(year[1])]
        return fitting[0] if len(fitting) == 1 else None
    found = _Table(folded, [], list(options), [], catalogue).picked()
    return found[0] if len(found) == 1 else None


def same_titles(items: Sequence[int], catalogue: Catalogue) -> list[int]:
    """Other items that share a title with one of ``items``: remakes and versions."""
    return [other for item in items for other in catalogue.titles.sharing(item) if other not in items]


class _Table:
    """One message and the films that lie on the table."""

    def __init__(
        self, flat: str, taken: Sequence[tuple[int, int]], shown: list[int], spoken: list[int], catalogue: Catalogue
    ) -> None:
        self.flat, self.shown, self.spoken, self.catalogue = flat, shown, spoken, catalogue
        self.covered = bytearray(len(flat) + 1)
        for start, end in taken:
            self.covered[start:end] = b"\x01" * (end - start)
        self.links = bool(taken)
        self.references: list[Reference] = []

    def found(self) -> list[Reference]:
        if CORRECTION.search(self.flat) and self.spoken:
            self._among(same_titles(self.spoken, self.catalogue), correcting=True)
        if self.shown:
            self._several()
            self._ordered()
            self._among(self.shown, correcting=False)
            self._all()
        self._it()
        return sorted(self.references, key=lambda reference: reference.start)

    def picked(self) -> list[int]:
        """The films that the references of a message pick, versions by their age as well."""
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

    def _all(self) -> None:
        for match in ALL.finditer(self.flat):
            if match.group().startswith("them") and self.links:
                continue  # "I liked Alien and Heat, but loved them less": the titles just named
            self._take(match.start(), match.end(), self.shown)
        for match in REST.finditer(self.flat):
            named = {item for reference in self.references for item in reference.items}
            if named:
                self._take(match.start(), match.end(), [item for item in self.shown if item not in named])

    def _it(self) -> None:
        focus = self.spoken[-1:] or (self.shown if len(self.shown) == 1 else [])
        if not focus or self.links or self.references:
            return
        for match in IT.finditer(self.flat):
            long = " " in match.group()
            asks = ASKING.match(self.flat[: match.start()]) is not None
            if long or asks or (IT_CUE.search(self.flat[: match.start()]) and IT_AFTER.match(self.flat, match.end())):
                self._take(match.start(), match.end(), focus)
                return

    def _among(self, pool: Sequence[int], correcting: bool) -> None:
        """References by year, age, genre, person or a word of the title, where they fit one film of ``pool``."""
        if not pool:
            return
        years = [self.catalogue[item].year or 0 for item in pool]
        for match in YEAR_ONE.finditer(self.flat):
            digits = match["year"]
            if len(digits) == 2 and not re.search(r"one|film|movie|version|'", match.group()):
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
                match_at = re.search(r"not that one|wrong (?:one|film|movie)", self.flat)
                if match_at is not None:
                    self._one(match_at, list(pool))
            return
        for match in OTHER.finditer(self.flat):
            rest = [item for item in pool if item not in self.spoken]
            if len(pool) == 2:
                self._one(match, rest)
        for match in NAMED_ONE.finditer(self.flat):
            self._one(match, self._by_name(match["name"], pool))
        for match in GENRE_ONE.finditer(self.flat):
            self._one(match, self._by_genre(match["genre"], pool))
        self._titles(pool)

    def _one(self, match: re.Match[str], items: list[int]) -> None:
        if len(items) == 1:
            self._take(match.start(), match.end(), items)

    def _by_name(self, name: str, pool: Sequence[int]) -> list[int]:
        """The films of ``pool`` with a tag or a title that holds all words of ``name``."""
        wanted = {word.key.removesuffix("s") if word.key.endswith("'s") else word.key for word in words(name)}
        if not wanted or wanted <= NO_NAME or any(word in GENRE_WORDS for word in wanted):
            return []
        tagged = {
            item
            for tag, items in self.catalogue.items_by("tag").items()
            if wanted <= set(tag.split())
            for item in items
        }
        titled = {item for item in pool if wanted <= {word.key for word in words(self.catalogue[item].title)}}
        return [item for item in pool if item in tagged or item in titled]

    def _by_genre(self, word: str, pool: Sequence[int]) -> list[int]:
        for pattern, genres, known in genre_patterns(self.catalogue.category_names):
            if known and pattern.fullmatch(word):
                return [item for item in pool if set(genres) <= set(self.catalogue[item].categories)]
        return []

    def _titles(self, pool: Sequence[int]) -> None:
        """Titles that lie on the table need no other sign that they are meant as titles."""
        for item in pool:
            title = self.catalogue[item].title
            for name in (title, re.split(r":| - ", title)[0], re.sub(r"^(?:The|A|An) ", "", title)):
                key = [word.key for word in words(name)]
                if not key or (len(key) == 1 and (len(key[0]) < 4 or key[0] in GENRE_WORDS)):
                    continue
                sure = len(key) > 1 or key[0] not in common_words()
                spelled = r"[\W_]+".join(re.escape(part) for part in key)
                match = re.search(rf"(?<![\w'])(?:the )?{spelled}(?![\w'])", self.flat)
                if match is None or not (sure or TITLE_CUE.search(self.flat[: match.start()])):
                    continue
                if self._take(match.start(), match.end(), [item]):
                    break
