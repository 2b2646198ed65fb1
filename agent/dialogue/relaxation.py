"""Relaxation: what to give up of a wish that too few items meet.

``relax(constraints, catalogue, seen, enough) -> (relaxed constraints, what was given up)``: the least costly condition
goes first. What is only preferred (``Constraints.soft``) costs least, then how well known a film is, its rating, tags,
years, wanted genres (the last named first), and unwanted genres. Years and ratings are widened to the closest films
there are, the rest is dropped. ``excluded`` is never given up. Nothing is given up where nothing can be gained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from agent.records.constraints import Constraints

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

GivenUpValue = int | float | str | tuple[str, ...] | tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """One condition that was given up.

    ``field`` is that of :class:`agent.records.constraints.Constraints`; ``was`` what was asked for: a year, stars, a
    number of viewers, a tag, (first, last) of unwanted years, the genres of a wanted group, or an unwanted genre.
    ``now`` is the bound that stands instead (None: none). "None from before 1960; the closest are from 1962":
    ``GivenUp("year_max", 1959, 1962)``.
    """

    field: str
    was: GivenUpValue
    now: GivenUpValue = None


_Apply = Callable[[Constraints, "Catalogue", list[int], int], tuple[Constraints, GivenUp] | None]


@dataclass(frozen=True, slots=True)
class _Step:
    cost: float
    apply: _Apply


def relax(
    constraints: Constraints, catalogue: Catalogue, seen: Iterable[int] = (), enough: int = 1
) -> tuple[Constraints, tuple[GivenUp, ...]]:
    """The conditions that at least ``enough`` items meet, with as little given up as possible.

    Args:
        constraints: what is asked for; returned as it is where enough items meet it.
        catalogue: the items.
        seen: catalogue indices that are left out besides ``constraints.excluded``.
        enough: how many items must remain.

    Returns:
        The relaxed constraints and what was given up, the least costly first. If not even dropping everything leaves
        ``enough`` items, the step that leaves most is taken.
    """
    left_out = list(seen)

    def left(wanted: Constraints) -> int:
        return int(np.count_nonzero(catalogue.mask(wanted, left_out)))

    found = left(constraints)
    if found >= enough:
        return constraints, ()
    steps = sorted(_steps(constraints), key=lambda step: step.cost)
    best: tuple[int, Constraints, tuple[GivenUp, ...]] = (found, constraints, ())
    # One condition, then two, then three: within each the cheapest first. More conditions than that go one by one.
    for size in (1, 2, 3):
        chosen = sorted(combinations(steps[:9], size), key=lambda group: sum(step.cost for step in group))
        for group in chosen:
            relaxed, given = _without(group, constraints, catalogue, left_out, enough)
            count = left(relaxed) if given else 0
            if count >= enough:
                return relaxed, given
            if count > best[0]:
                best = (count, relaxed, given)
    for size in range(4, len(steps) + 1):
        relaxed, given = _without(steps[:size], constraints, catalogue, left_out, enough)
        count = left(relaxed)
        if count > best[0]:
            best = (count, relaxed, given)
        if count >= enough:
            break
    return best[1], best[2]


def _without(
    group: Iterable[_Step], constraints: Constraints, catalogue: Catalogue, seen: list[int], enough: int
) -> tuple[Constraints, tuple[GivenUp, ...]]:
    given: list[GivenUp] = []
    # Bounds are widened last: how far they must go depends on what else was dropped.
    for step in sorted(group, key=lambda step: step.apply in (_year_min, _year_max, _rating)):
        done = step.apply(constraints, catalogue, seen, enough)
        if done is not None and done[1].was != done[1].now:
            constraints = done[0]
            given.append(done[1])
    return constraints, tuple(given)


def _steps(constraints: Constraints) -> Iterator[_Step]:
    soft = constraints.soft

    def cost(base: float, *names: str) -> float:
        return base / 100 if any(name in soft for name in names) else base

    if constraints.viewers_min is not None:
        yield _Step(cost(1.0, "viewers_min"), _viewers_min)
    if constraints.viewers_max is not None:
        yield _Step(cost(1.0, "viewers_max"), _viewers_max)
    if constraints.rating_min is not None:
        yield _Step(cost(1.5, "rating_min"), _rating)
    for tag in constraints.tags:
        yield _Step(cost(2.0, tag, "tags"), _tag(tag))
    for span in constraints.without_years:
        yield _Step(cost(2.5, "without_years"), _unwanted_years(span))
    if constraints.year_min is not None:
        yield _Step(cost(3.0, "year_min"), _year_min)
    if constraints.year_max is not None:
        yield _Step(cost(3.0, "year_max"), _year_max)
    for place, group in enumerate(reversed(constraints.genres)):
        yield _Step(cost(4.0 + place, *group, "genres"), _genres(group))
    for genre in sorted(constraints.without_genres):
        yield _Step(cost(8.0, genre, "without_genres"), _unwanted_genre(genre))
    for tag in sorted(constraints.without_tags):
        yield _Step(cost(8.0, tag, "without_tags"), _unwanted_tag(tag))


def _viewers_min(
    wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int
) -> tuple[Constraints, GivenUp]:
    return replace(wanted, viewers_min=None), GivenUp("viewers_min", wanted.viewers_min)


def _viewers_max(
    wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int
) -> tuple[Constraints, GivenUp]:
    return replace(wanted, viewers_max=None), GivenUp("viewers_max", wanted.viewers_max)


def _tag(tag: str) -> _Apply:
    def apply(wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int) -> tuple[Constraints, GivenUp]:
        return replace(wanted, tags=tuple(own for own in wanted.tags if own != tag)), GivenUp("tags", tag)

    return apply


def _unwanted_years(span: tuple[int, int]) -> _Apply:
    def apply(wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int) -> tuple[Constraints, GivenUp]:
        kept = tuple(own for own in wanted.without_years if own != span)
        return replace(wanted, without_years=kept), GivenUp("without_years", span)

    return apply


def _genres(group: frozenset[str]) -> _Apply:
    def apply(wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int) -> tuple[Constraints, GivenUp]:
        kept = tuple(own for own in wanted.genres if own != group)
        return replace(wanted, genres=kept), GivenUp("genres", tuple(sorted(group)))

    return apply


def _unwanted_genre(genre: str) -> _Apply:
    def apply(wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int) -> tuple[Constraints, GivenUp]:
        return replace(wanted, without_genres=wanted.without_genres - {genre}), GivenUp("without_genres", genre)

    return apply


def _unwanted_tag(tag: str) -> _Apply:
    def apply(wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int) -> tuple[Constraints, GivenUp]:
        return replace(wanted, without_tags=wanted.without_tags - {tag}), GivenUp("without_tags", tag)

    return apply


def _year_min(
    wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int
) -> tuple[Constraints, GivenUp] | None:
    free = replace(wanted, year_min=None)
    years = np.sort(catalogue.years[catalogue.mask(free, seen) & (catalogue.years > 0)])[::-1]
    if not years.size or wanted.year_min is None:
        return None
    year = int(years[min(enough, years.size) - 1])
    return replace(wanted, year_min=year), GivenUp("year_min", wanted.year_min, year)


def _year_max(
    wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int
) -> tuple[Constraints, GivenUp] | None:
    free = replace(wanted, year_max=None)
    years = np.sort(catalogue.years[catalogue.mask(free, seen) & (catalogue.years > 0)])
    if not years.size or wanted.year_max is None:
        return None
    year = int(years[min(enough, years.size) - 1])
    return replace(wanted, year_max=year), GivenUp("year_max", wanted.year_max, year)


def _rating(
    wanted: Constraints, catalogue: Catalogue, seen: list[int], enough: int
) -> tuple[Constraints, GivenUp] | None:
    free = replace(wanted, rating_min=None)
    means = catalogue.mean_rating[catalogue.mask(free, seen)]
    means = np.sort(means[np.isfinite(means)])[::-1]
    if not means.size or wanted.rating_min is None:
        return None
    # Rounded down, so that the item at the bound stays in.
    floor = float(np.floor(means[min(enough, means.size) - 1] * 10) / 10)
    return replace(wanted, rating_min=floor), GivenUp("rating_min", wanted.rating_min, floor)
