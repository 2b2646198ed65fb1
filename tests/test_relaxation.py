"""Relaxation: as little as possible is given up, and it is told what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.dialogue.relaxation import GivenUp, relax
from agent.records.constraints import Constraints

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue


@pytest.fixture(scope="module")
def catalogue(dataset: Any) -> Catalogue:
    from agent.catalogue.catalogue import Catalogue

    return Catalogue(dataset)


def wants(*genres: str, **fields: Any) -> Constraints:
    return Constraints(genres=tuple(frozenset({genre}) for genre in genres), **fields)


def test_what_can_be_met_stays_as_it_is(catalogue: Catalogue) -> None:
    wish = wants("Comedy", year_max=1979)
    assert relax(wish, catalogue) == (wish, ())


def test_years_are_widened_to_the_closest_films(catalogue: Catalogue) -> None:
    wish = wants("Documentary", year_max=1950)
    assert not catalogue.mask(wish).any()
    relaxed, given = relax(wish, catalogue)
    assert [up.field for up in given] == ["year_max"] and given[0].was == 1950
    years = catalogue.years[catalogue.mask(relaxed)]
    assert given[0].now == relaxed.year_max == years.min() == years.max()
    assert relaxed.genres == wish.genres


def test_what_is_only_preferred_goes_first(catalogue: Catalogue) -> None:
    wish = wants("Western", "Sci-Fi", year_min=1990, soft=frozenset({"Western"}))
    assert not catalogue.mask(wish).any()
    relaxed, given = relax(wish, catalogue)
    assert given == (GivenUp("genres", ("Western",)),) and relaxed.genres == (frozenset({"Sci-Fi"}),)
    relaxed, given = relax(wants("Western", "Sci-Fi", year_min=1990, soft=frozenset({"Sci-Fi"})), catalogue)
    assert given == (GivenUp("genres", ("Sci-Fi",)),) and relaxed.genres == (frozenset({"Western"}),)


def test_a_floor_on_the_rating_sinks_before_a_genre_goes(catalogue: Catalogue) -> None:
    relaxed, given = relax(wants("Horror", "Sci-Fi", rating_min=4.9), catalogue, enough=3)
    assert [up.field for up in given] == ["rating_min"] and given[0].was == 4.9
    assert relaxed.rating_min is not None and np.count_nonzero(catalogue.mask(relaxed)) >= 3


def test_seen_and_excluded_films_do_not_count(catalogue: Catalogue) -> None:
    noir = wants("Film-Noir", year_max=1949)
    films = np.flatnonzero(catalogue.mask(noir)).tolist()
    relaxed, given = relax(noir, catalogue, seen=films)
    assert given and not set(films) & set(np.flatnonzero(catalogue.mask(relaxed, films)).tolist())
    relaxed, given = relax(noir.excluding(set(films)), catalogue)
    assert given and relaxed.excluded == set(films)


def test_nothing_is_given_up_in_vain(catalogue: Catalogue) -> None:
    everything = frozenset(range(len(catalogue)))
    wish = wants("Comedy", excluded=everything)
    assert relax(wish, catalogue) == (wish, ())


def test_many_conditions_at_once(catalogue: Catalogue) -> None:
    wish = Constraints(
        genres=(frozenset({"Western"}), frozenset({"Sci-Fi"}), frozenset({"Musical"}), frozenset({"War"})),
        without_genres=frozenset({"Drama", "Comedy"}),
        year_min=1930,
        year_max=1935,
        rating_min=4.8,
        viewers_max=2,
        without_years=((1931, 1934),),
    )
    relaxed, given = relax(wish, catalogue, enough=5)
    assert np.count_nonzero(catalogue.mask(relaxed)) >= 5 and len(given) >= 2
