"""Conditions over a catalogue: how they are worded, merged, given up and taken back, for facets of every kind."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.conditions import (
    chip,
    chip_key,
    merged,
    noun_phrase,
    relax,
    within_span,
    without_key,
)
from agent.data.dataset import Dataset
from agent.records.conditions import Condition, bounds, unwanted, wanted

COMEDY, HORROR, WESTERN = (Condition("genre", "is", (name,)) for name in ("Comedy", "Horror", "Western"))


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ((), "films"),
        ((COMEDY, Condition("year", "between", (1980, 1989))), "comedies from the 1980s"),
        ((COMEDY, HORROR), "horror comedies"),
        ((Condition("year", "at_least", 1990), Condition("genre", "is_not", ("Horror", "War"))), None),
        ((Condition("popularity", "at_most", 60), Condition("rating", "at_least", 4.0)), None),
    ],
)
def test_a_wish_in_words_names_every_condition(
    catalogue: Catalogue, conditions: tuple[Condition, ...], words: str | None
) -> None:
    said = noun_phrase(conditions, catalogue)
    assert words is None or said == words
    for own in conditions:
        assert all(name.lower().removesuffix("y") in said for name in own.names)
        assert own.facet == "popularity" or all(f"{int(end)}"[:3] in said for end in own.span if end is not None)
        assert chip(own, catalogue.facets[own.facet])


def test_the_latest_word_counts_where_two_cannot_hold_together(catalogue: Catalogue) -> None:
    def years(*spans: tuple[str, Any]) -> tuple[float | None, float | None]:
        held = merged((), [Condition("year", cast(Any, op), value) for op, value in spans], catalogue)
        return bounds(held, "year")

    assert years(("at_least", 1980), ("at_most", 1990)) == (1980, 1990)
    assert years(("at_least", 1980), ("at_most", 1970)) == (None, 1970)
    assert years(("between", (1980, 1989)), ("between", (1990, 1999))) == (1990, 1999)
    assert years(("between", (1980, 1989)), ("at_least", 1985)) == (1985, 1989)
    held = merged((COMEDY,), [Condition("genre", "is_not", ("Comedy",))], catalogue)
    assert wanted(held, "genre") == () and unwanted(held, "genre") == {"Comedy"}
    assert unwanted(merged(held, [COMEDY], catalogue), "genre") == frozenset()
    assert wanted(merged((COMEDY,), [HORROR], catalogue), "genre") == (("Comedy",), ("Horror",))
    nothing = Condition("genre", "is", ("Documentary",))
    held = merged((WESTERN,), [nothing], catalogue)
    assert wanted(held, "genre") == (("Documentary",),), "no item is both: the new wish replaces the old"
    both = merged((), [WESTERN, nothing], catalogue)
    assert len(both) == 2, "what one message asks for holds together, and is given up openly"


def test_what_lies_outside_of_the_catalogue_is_told_apart(catalogue: Catalogue) -> None:
    later = Condition("year", "between", (2020, 2023))
    kept, beyond = within_span((COMEDY, later, Condition("year", "at_least", 1990)), catalogue)
    assert kept == (COMEDY, Condition("year", "at_least", 1990))
    assert [(own.condition, own.least, own.most) for own in beyond] == [(later, 1922, 1998)]


def test_a_chips_key_takes_back_its_condition_alone(catalogue: Catalogue) -> None:
    held = (COMEDY, Condition("genre", "is_not", ("Horror",)), Condition("year", "at_most", 1979))
    for own in held:
        assert without_key(held, chip_key(own)) == tuple(other for other in held if other != own)
    assert without_key(held, "genre") == (held[2],)


def test_little_is_given_up_and_openly(catalogue: Catalogue) -> None:
    wish = (COMEDY, Condition("year", "at_most", 1921))
    relaxed, given = relax(wish, catalogue, enough=5)
    assert [own.was.facet for own in given] == ["year"] and given[0].now in relaxed
    assert np.count_nonzero(catalogue.mask(relaxed)) >= 5
    soft = (WESTERN, Condition("year", "at_least", 1998, "prefer"))
    relaxed, given = relax(soft, catalogue, enough=3)
    assert [own.was for own in given] == [soft[1]], "a preference goes first"
    assert relax((COMEDY,), catalogue) == ((COMEDY,), ())


def test_what_was_named_or_said_last_is_given_up_last(catalogue: Catalogue) -> None:
    series = Condition("genre", "is", ("Film-Noir",))
    year = Condition("year", "at_most", 1925)
    _, given = relax((series, year), catalogue, enough=3, latest=(year,))
    assert [own.was for own in given] == [series], "the older wish goes before the newer one"
    _, given = relax((series, year), catalogue, enough=3)
    assert [own.was for own in given] == [year]


def test_a_bound_is_not_widened_past_the_one_that_it_replaced(catalogue: Catalogue) -> None:
    before = Condition("year", "at_most", 1940)
    relaxed, given = relax((WESTERN, Condition("year", "at_most", 1903)), catalogue, enough=5, before=(WESTERN, before))
    (own,) = (condition for condition in relaxed if condition.facet == "year")
    assert given and own.span[1] is not None and own.span[1] <= 1940


_CONDITIONS = st.lists(
    st.one_of(
        st.builds(
            Condition,
            st.just("genre"),
            st.sampled_from(["is", "is_not"]),
            st.tuples(st.sampled_from(["Comedy", "War", "Musical", "Film-Noir", "Western"])),
            st.sampled_from(["must", "prefer"]),
        ),
        st.builds(Condition, st.just("year"), st.sampled_from(["at_least", "at_most"]), st.integers(1900, 2010)),
        st.builds(Condition, st.just("rating"), st.just("at_least"), st.floats(1, 5).map(lambda own: round(own, 1))),
    ),
    max_size=5,
    unique=True,
).map(tuple)


@settings(max_examples=40, deadline=None)
@given(_CONDITIONS)
def test_relaxing_never_leaves_less_and_names_all_that_it_gives_up(
    catalogue: Catalogue, wish: tuple[Condition, ...]
) -> None:
    relaxed, given_up = relax(wish, catalogue, enough=5)
    assert np.count_nonzero(catalogue.mask(relaxed)) >= np.count_nonzero(catalogue.mask(wish))
    gone = {own.was for own in given_up}
    assert set(wish) - gone <= set(relaxed) and set(relaxed) - set(wish) <= {own.now for own in given_up if own.now}


def test_a_catalogue_without_categories_is_worded_too(catalogue: Catalogue) -> None:
    year = catalogue.facets["year"]
    assert MappingProxyType({"year": year})["year"].kind == "year"
    assert noun_phrase((Condition("year", "between", (1984, 1984)),), catalogue, 1) == "film from 1984"
