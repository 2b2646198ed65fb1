"""Wishes: the grammar that reads genres, years, ratings and wishes that no data can decide from a message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from agent.domains.films.lexicon import FILM_NOUNS, GENRE_WORDS, MOOD_PHRASES, MOODS, PLACES, any_of, genre_patterns
from agent.understanding.entities import named
from agent.understanding.negation import DROP, SEPARATOR, Hit, judge, several_people, soft_spans, with_negation
from agent.understanding.ratings import rating_hits
from agent.understanding.years import YearHit, combined, year_hits

MASK = "¤"
"""Stands in a message for each character of a linked title, so that titles are not read as wishes."""

UNCHECKED_LIMIT = 12
"""At most so many wishes that cannot be decided are kept."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one message wishes; fields as in :class:`agent.records.constraints.Constraints`.

    ``dropped`` are genres that are taken back, neither wanted nor unwanted any more. ``replaces`` names the fields
    that stand no longer. ``relative`` is ``newer`` or ``older`` where a year must still be found to compare with.
    ``spans`` are the places of all that was understood; ``names`` are those of ``unchecked`` that name people and
    subjects. ``soft`` are the fields and genres that are only preferred.
    """

    genres: tuple[frozenset[str], ...]
    without_genres: frozenset[str]
    year_min: int | None
    year_max: int | None
    rating_min: float | None
    unchecked: tuple[str, ...]
    dropped: frozenset[str]
    replaces: frozenset[str]
    relative: str | None
    spans: tuple[tuple[int, int], ...]
    without_years: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()
    soft: frozenset[str] = frozenset()


_MOOD = re.compile(
    rf"(?<![\w'])(?:{'|'.join(MOOD_PHRASES)}|{any_of(MOODS)}|{any_of(PLACES)}|"
    rf"(?:not |too )*(?:short|long)(?:er|ish)?(?= {FILM_NOUNS}\b|[ ,.;!?]*$|,|\.| and | but )|"
    rf"subtitles?|subtitled|dubbed)(?![\w])"
)
_LENGTH = re.compile(
    r"(?<![\w'])(?:(?:under|below|less than|shorter than|at most|max(?:imum)?|no longer than|"
    r"no more than|not longer than|over|"
    r"longer than|more than|around|about|up to|within|at least)\s+)?(?:an?|\d{1,3}(?:[.,]\d)?|one|"
    r"two|three|four|half an?|ninety|sixty)"
    r"(?:[ -]and[ -]a[ -]half)?[ -]?(?:hours?|hrs?|minutes?|"
    r"mins?)(?:[ -]and[ -]a[ -]half)?(?: \d+ min(?:ute)?s?)?(?: long| or (?:less|so))?(?!\w)"
)
_REPLACE = re.compile(
    r"\b(?:actually|instead(?! of)|rather(?! than)|on second thoughts?|changed my mind|make (?:it|"
    r"that)|scratch that|no wait|wait,? no|i meant?(?= (?:an? |the |some )?\w)|instead of that|let'?s (?:do|"
    r"go with|try))\b"
)
_FORGET_YEARS = re.compile(
    r"\b(?:any|whatever|whichever|all|every|different|forget(?: about)? the|drop the|ignore the|"
    r"never ?mind the|regardless of (?:the )?|no matter (?:the|what|which)|"
    r"(?:don'?t|do not) (?:care|mind) (?:about |what |which )?(?:the )?) ?(?:release )?(?:years?|"
    r"decades?|era|eras|time periods?|period|dates?|age)\b"
    r"|\b(?:year|decade|era|age|release date) (?:does not|doesn'?t|is not|isn'?t) (?:matter|"
    r"important)|doesn'?t matter (?:when|how old)|(?:old or new|new or old)\b"
)
_DROP_YEARS = re.compile(rf"{DROP.pattern}[^.;!?]{{0,20}}?\b(?:year|decade|era)\b")
_FORGET_GENRES = re.compile(
    r"\b(?:any|whatever|whichever|all|forget(?: about)? the|drop the|ignore the|never ?mind the|"
    r"regardless of (?:the )?|no matter (?:the|what|which)|"
    r"(?:don'?t|do not) (?:care|mind) (?:about |what |which )?(?:the )?) ?(?:genres?|kind|type|"
    r"category|categories)\b|\bgenre (?:does not|doesn'?t|isn'?t) (?:matter|important)"
)
_FORGET_RATING = re.compile(
    r"\b(?:any|whatever|forget(?: about)? the|drop the|ignore the|"
    r"don'?t care about (?:the )?) ?(?:ratings?|stars)\b"
)
_FORGETS = (_FORGET_YEARS, _DROP_YEARS, _FORGET_GENRES, _FORGET_RATING)


def read_wishes(
    text: str, flat: str, category_names: tuple[str, ...], newest: int | None, oldest: int | None
) -> Wishes:
    """Read the wishes of a message.

    Args:
        text: the cleaned message with ``MASK`` in place of linked titles.
        flat: ``agent.text.flat(text)``.
        category_names: the genres that the catalogue has; words for others are unchecked.
        newest: the newest year of the catalogue, from which "recent" counts (None: unknown).
        oldest: the oldest year of the catalogue (None: unknown).
    """
    years = year_hits(flat, newest, oldest)
    year_min, year_max, vague = combined(flat, years)
    ratings = rating_hits(flat)
    covered = bytearray(len(flat) + 1)
    for start, end in [(h.start, h.end) for h in years] + [(start, end) for start, end, _ in ratings]:
        covered[start:end] = b"\x01" * (end - start)
    unchecked: list[tuple[int, str]] = [
        (hit.start, with_negation(flat, text, hit.start, hit.end)) for hit in vague if hit.kind == "other"
    ]
    for match in _LENGTH.finditer(flat):
        if not any(covered[match.start() : match.end()]):
            covered[match.start() : match.end()] = b"\x01" * len(match.group())
            unchecked.append((match.start(), with_negation(flat, text, *match.span())))
    hits = _genre_hits(flat, category_names, covered) + _mood_hits(flat, covered)
    hits.sort(key=lambda hit: hit.start)
    judge(flat, hits)
    genres, without, dropped = _genres(flat, hits, unchecked, text)
    taken = [*((h.start, h.end) for h in years), *((h.start, h.end) for h in hits), *((a, b) for a, b, _ in ratings)]
    forgets = [match for pattern in _FORGETS for match in pattern.finditer(flat)]
    taken += [match.span() for match in forgets]
    names = named(text, flat, taken)
    unchecked += names
    relative = next((hit.kind for hit in reversed(vague) if hit.kind in ("newer", "older")), None)

    replaces: set[str] = set()
    if year_min is not None or year_max is not None:
        replaces |= _replaced_years(years, year_min, year_max)
    if _FORGET_YEARS.search(flat) or _DROP_YEARS.search(flat):
        replaces |= {"year_min", "year_max"}
    if _FORGET_GENRES.search(flat) or (genres and _REPLACE.search(flat)):
        replaces.add("genres")
    if ratings or _FORGET_RATING.search(flat):
        replaces.add("rating_min")
    unique = tuple(dict.fromkeys(words for _, words in sorted(unchecked) if words))
    return Wishes(
        genres,
        without,
        year_min,
        year_max,
        max((stars for _, _, stars in ratings), default=None),
        unique[:UNCHECKED_LIMIT],
        dropped,
        frozenset(replaces),
        relative,
        tuple(sorted(taken)),
        tuple((hit.first, hit.last) for hit in vague if hit.kind == "gap" and hit.first and hit.last),
        tuple(words for _, words in sorted(names)),
        _soft(flat, hits, years, ratings),
    )


def _soft(flat: str, hits: list[Hit], years: list[YearHit], ratings: list[tuple[int, int, float]]) -> frozenset[str]:
    """The genres and fields that stand in what is only preferred."""
    spans = soft_spans(flat)
    soft: set[str] = set()
    for start, end in spans:
        soft |= {genre for hit in hits if start <= hit.start < end and hit.known for genre in hit.genres}
        for year in (year for year in years if start <= year.start < end):
            soft |= {"without_years"} if year.kind == "gap" else set()
            soft |= {"year_min"} if year.first is not None else set()
            soft |= {"year_max"} if year.last is not None else set()
        soft |= {"rating_min" for begin, _, _ in ratings if start <= begin < end}
    return frozenset(soft)


def _replaced_years(hits: list[YearHit], first: int | None, last: int | None) -> set[str]:
    """A decade replaces both ends of what stood before; an open end only its own."""
    if any(hit.kind in ("range", "vague") for hit in hits) or (first is not None and last is not None):
        return {"year_min", "year_max"}
    return {"year_min"} if first is not None else {"year_max"}


def _genre_hits(flat: str, category_names: tuple[str, ...], covered: bytearray) -> list[Hit]:
    hits = []
    for pattern, genres, known in genre_patterns(category_names):
        for match in pattern.finditer(flat):
            start, end = match.span()
            if any(covered[start:end]) or flat[max(0, start - 5) : start] in ("live ", "live-"):
                continue
            covered[start:end] = b"\x01" * (end - start)
            hits.append(Hit("genre", start, end, genres, known))
    return hits


def _mood_hits(flat: str, covered: bytearray) -> list[Hit]:
    hits = []
    for match in _MOOD.finditer(flat):
        if not any(covered[match.start() : match.end()]):
            covered[match.start() : match.end()] = b"\x01" * len(match.group())
            hits.append(Hit("mood", *match.span()))
    return hits


def _genres(
    flat: str, hits: list[Hit], unchecked: list[tuple[int, str]], text: str
) -> tuple[tuple[frozenset[str], ...], frozenset[str], frozenset[str]]:
    """Genres wanted (as and-ed or-groups), unwanted and dropped; the rest goes to ``unchecked``."""
    wanted: list[Hit] = []
    without: set[str] = set()
    dropped: set[str] = set()
    positive = {
        genre for hit in hits if hit.kind == "genre" and hit.known and hit.state == "wanted" for genre in hit.genres
    }
    for hit in hits:
        words = text[hit.start : hit.end]
        if hit.state == "background":
            continue
        if hit.kind == "mood" or not hit.known or hit.state == "less":
            if hit.state != "dropped":
                if hit.state != "wanted":
                    negated = with_negation(flat, text, hit.start, hit.end)
                    words = negated if negated != words else f"not {words}"
                unchecked.append((hit.start, words))
        elif hit.state == "dropped":
            dropped.update(hit.genres)
        elif hit.state == "unwanted":
            if set(hit.genres) & positive:  # "a horror film, not too scary" is a horror film
                unchecked.append((hit.start, with_negation(flat, text, hit.start, hit.end)))
            elif len(hit.genres) == 1:
                without.update(hit.genres)
            else:
                # No romantic comedies: what makes them such is the last-named genre; comedies may stay.
                without.add(hit.genres[-1])
        else:
            wanted.append(hit)
    return _grouped(flat, wanted), frozenset(without), frozenset(dropped)


def _grouped(flat: str, hits: list[Hit]) -> tuple[frozenset[str], ...]:
    """Conjunction of disjunctions: "or" and plurals joined by "and" or commas are alternatives, all else adds up."""
    if not hits:
        return ()
    signs: list[str | None] = []
    for left, right in pairwise(hits):
        separator = SEPARATOR.fullmatch(flat, left.end, right.start)
        signs.append(None if separator is None else separator["sign"].strip(" ,") or separator["sign"].strip())
    clauses: list[list[frozenset[str]]] = [[frozenset({genre}) for genre in hits[0].genres]]
    for place, (sign, left, right) in enumerate(zip(signs, hits, hits[1:], strict=False)):
        mine = [frozenset({genre}) for genre in right.genres]
        chain = []
        for later in signs[place:]:
            if later is None or later == "":
                break
            chain.append(later)
        plural = _is_plural(flat, left) and _is_plural(flat, right)
        either = sign in ("or", "and/or") or (sign == "," and any(s in ("or", "and/or") for s in chain))
        if either or (plural and sign in (",", "and", "&", "/")):
            clauses[-1] = [old | new for old in clauses[-1] for new in mine]
        else:
            clauses.append(mine)
    groups = dict.fromkeys(group for clause in clauses for group in clause)
    if several_people(flat):  # "a comedy for me and a horror film for my brother": either will do
        return (frozenset().union(*groups),)
    return tuple(group for group in groups if not any(other < group for other in groups))


def _is_plural(flat: str, hit: Hit) -> bool:
    following = re.match(rf" ({FILM_NOUNS})\b", flat[hit.end : hit.end + 12])
    phrase = following[1] if following else flat[hit.start : hit.end]
    return (
        phrase.endswith("s") and not phrase.endswith(("'s", "ss")) and (phrase not in GENRE_WORDS or phrase != "kids")
    )
