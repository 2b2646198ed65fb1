"""Similar users: who rated alike counts, whatever was watched counts, and no history gives the item's own mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from agent.features.user_neighbours import BIAS_PRIOR, RIDGE, SimilarUsers
from agent.records.state import Event

STARS = np.array(
    [
        [5, 1, 5, 0, 4],
        [5, 1, 4, 1, 0],
        [1, 5, 0, 5, 4],
        [1, 5, 1, 5, 0],
        [5, 1, 5, 1, 4],
    ],
    dtype=np.float64,
)


@pytest.fixture(scope="module")
def model() -> SimilarUsers:
    return SimilarUsers.fit(sparse.csr_matrix(STARS))


def test_people_who_rate_alike_decide(model: SimilarUsers) -> None:
    like_first, like_third = model.features([[Event(0, 5.0), Event(1, 1.0)], [Event(0, 1.0), Event(1, 5.0)]])[..., 0]
    assert like_first[2] > like_third[2]
    assert like_first[3] < like_third[3]


def test_an_empty_history_gets_the_items_own_bias(model: SimilarUsers) -> None:
    empty = model.features([[]])[0]
    rated = STARS > 0
    mean = STARS[rated].mean()
    bias = np.where(rated, STARS - mean, 0).sum(axis=0) / (rated.sum(axis=0) + BIAS_PRIOR)
    np.testing.assert_allclose(empty[:, 0], bias)
    np.testing.assert_array_equal(empty[:, 1], 0)


def test_watching_is_regressed_by_ridge(model: SimilarUsers) -> None:
    """The dual form gives what the normal equations over items give."""
    watched = (STARS > 0).astype(np.float64)
    residual = model.residual.toarray()
    weights = np.linalg.solve(watched.T @ watched + RIDGE * np.eye(5), watched.T @ residual)
    effect = model.features([[Event(0, 3.0), Event(4, 3.0)]])[0, :, 1]
    np.testing.assert_allclose(effect, weights[0] + weights[4], rtol=1e-4, atol=1e-9)


def test_stars_do_not_change_the_effect_of_watching(model: SimilarUsers) -> None:
    high, low = model.features([[Event(0, 5.0)], [Event(0, 1.0)]])[..., 1]
    np.testing.assert_array_equal(high, low)


def test_it_is_stored_as_arrays(model: SimilarUsers) -> None:
    again = SimilarUsers.of(model.arrays())
    history = [[Event(0, 5.0), Event(3, 2.0)]]
    np.testing.assert_array_equal(again.features(history), model.features(history))
