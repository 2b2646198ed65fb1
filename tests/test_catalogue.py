"""The catalogue over MovieLens-100K: items, aggregates and masks, checked against the tables themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.catalogue.catalogue import Catalogue
from agent.records.conditions import Condition, Conditions

if TYPE_CHECKING:
    from agent.data.dataset import Dataset


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def test_items_are_the_tables_rows(catalogue: Catalogue, dataset: Dataset) -> None:
    assert len(catalogue) == len(catalogue.items) == len(dataset.items) == 1682
    item = catalogue[catalogue.index("127")]
    assert (item.item_id, item.title, item.year, item.name) == ("127", "The Godfather", 1972, "The Godfather (1972)")
    assert item.categories == ("Action", "Crime", "Drama")
    assert [item.index for item in catalogue.items] == list(range(1682))
    assert "127" in catalogue and "0" not in catalogue


def test_an_unknown_id_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(KeyError, match=r"no item '99999' in 'ml-100k': ids look like '1', '2', '3'"):
        catalogue.index("99999")


def test_ratings_are_aggregated(catalogue: Catalogue, dataset: Dataset) -> None:
    own = dataset.ratings.groupby("item")["rating"].agg(["mean", "count"])
    for item_id in ("1", "50", "1682", "300"):
        row = catalogue.index(item_id)
        assert catalogue.rating_count[row] == own.loc[item_id, "count"]
        assert catalogue.mean_rating[row] == pytest.approx(own.loc[item_id, "mean"])
    assert catalogue.rating_count.sum() == len(dataset.ratings)


def test_genres_and_years(catalogue: Catalogue) -> None:
    assert len(catalogue.category_names) == 18 and "unknown" not in catalogue.category_names
    assert catalogue.category_matrix.shape == (1682, 18)
    assert (catalogue.oldest_year, catalogue.newest_year) == (1922, 1998)


def passes(catalogue: Catalogue, row: int, asked: Conditions) -> bool:
    """The meaning of conditions, item by item, in the plainest way."""
    item = catalogue[row]
    values = {"year": item.year, "rating": catalogue.mean_rating[row], "popularity": catalogue.rating_count[row]}

    def met(own: Condition) -> bool:
        if own.names:
            return bool(set(item.categories) & set(own.names)) != own.negative
        low, high = own.span
        value = values[own.facet]
        inside = value is not None and (low is None or value >= low) and (high is None or value <= high)
        return inside != own.negative

    return all(map(met, asked))


@pytest.mark.parametrize(
    "asked",
    [
        (),
        (
            Condition("genre", "is", ("Thriller",)),
            Condition("genre", "is_not", ("Action",)),
            Condition("year", "between", (1990, 1999)),
        ),
        (Condition("genre", "is", ("Comedy", "Romance")), Condition("genre", "is", ("War",))),
        (Condition("year", "at_most", 1979), Condition("genre", "is_not", ("Horror", "Western"))),
        (Condition("rating", "at_least", 4.0), Condition("popularity", "at_most", 100)),
        (Condition("year", "is_not", (1980, 1989)),),
        (Condition("genre", "is", ("Jazz",)),),
        (Condition("genre", "is_not", ("Jazz",)),),
    ],
)
def test_the_mask_means_what_the_conditions_say(catalogue: Catalogue, asked: Conditions) -> None:
    mask = catalogue.mask(asked)
    assert mask.dtype == np.bool_ and mask.shape == (1682,)
    assert mask.tolist() == [passes(catalogue, row, asked) for row in range(1682)]


def test_seen_items_are_masked(catalogue: Catalogue) -> None:
    assert np.flatnonzero(~catalogue.mask((), left_out=[3, 5])).tolist() == [3, 5]
    with pytest.raises(IndexError):
        catalogue.mask((), left_out=[1682])


def test_links_are_found_through_the_catalogue(catalogue: Catalogue) -> None:
    (link,) = catalogue.link("something like Alien")
    assert link.item is not None and catalogue[link.item].name == "Alien (1979)"
    (link,) = catalogue.link("I loved Sabrina", (Condition("year", "at_most", 1960),))
    assert link.item is not None and catalogue[link.item].name == "Sabrina (1954)"


def test_an_unrated_item_has_no_mean(dataset: Dataset) -> None:
    from dataclasses import replace

    fewer: Any = replace(dataset, ratings=dataset.ratings[dataset.ratings["item"] != "1"])
    catalogue = Catalogue(fewer)
    assert catalogue.rating_count[0] == 0 and np.isnan(catalogue.mean_rating[0])
    assert not catalogue.mask((Condition("rating", "at_least", 0.5),))[0]
