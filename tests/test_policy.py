"""The policy's distribution, slates and propensities, on numbers that can be checked by hand."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from agent.policy.distribution import Policy, Ranking
from agent.records.state import Event, State

LOGITS = np.log(np.array([0.5, 0.3, 0.2]))


def _ranking(temperature: float = 1.0) -> Ranking:
    return Ranking(np.array([10, 20, 30]), LOGITS, np.zeros(3), temperature)


def test_probabilities_are_the_softmax_of_both_parts() -> None:
    np.testing.assert_allclose(_ranking().probabilities, [0.5, 0.3, 0.2])
    both = Ranking(np.array([1, 2]), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(both.probabilities, [0.5, 0.5])
    np.testing.assert_allclose(_ranking(0.5).probabilities, np.array([0.25, 0.09, 0.04]) / 0.38)


def test_a_greedy_slate_is_certain() -> None:
    slate = _ranking().slate(2)
    assert slate.items == (10, 20) and slate.propensities == (1.0, 1.0) and slate.propensity == 1.0
    assert _ranking().slate(9).items == (10, 20, 30)
    with pytest.raises(ValueError, match="slate of 0"):
        _ranking().slate(0)


def test_drawn_slates_follow_plackett_luce_and_know_their_propensity() -> None:
    rng = np.random.default_rng(0)
    share = {10: 0.5, 20: 0.3, 30: 0.2}
    drawn: Counter[tuple[int, ...]] = Counter()
    for _ in range(20_000):
        slate = _ranking().slate(2, rng)
        drawn[slate.items] += 1
        first, second = slate.items
        expected = share[first], share[second] / (1 - share[first])
        np.testing.assert_allclose(slate.propensities, expected)
    for pair in permutations(share, 2):
        chance = share[pair[0]] * share[pair[1]] / (1 - share[pair[0]])
        assert abs(drawn[pair] / 20_000 - chance) < 0.015


def test_all_slates_together_have_probability_one() -> None:
    ranking = _ranking()
    seen: dict[tuple[int, ...], float] = {}
    rng = np.random.default_rng(1)
    while len(seen) < 6:
        slate = ranking.slate(3, rng)
        seen[slate.items] = slate.propensity
    assert abs(sum(seen.values()) - 1) < 1e-9


def test_far_apart_logits_keep_a_propensity() -> None:
    steep = Ranking(np.arange(4), np.array([0.0, -900.0, -1800.0, -2700.0]), np.zeros(4))
    slate = steep.slate(4, np.random.default_rng(0))
    assert slate.items == (0, 1, 2, 3) and slate.propensities == (1.0, 1.0, 1.0, 1.0)


def test_no_candidates_give_an_empty_slate() -> None:
    nothing = Ranking(np.array([], dtype=np.int64), np.array([]), np.array([]))
    assert nothing.slate(5).items == () and nothing.slate(5, np.random.default_rng(0)).items == ()
    assert nothing.probabilities.shape == (0,)


class _Evidence:
    """Feature 0: how often the item is in the history; feature 1: its index."""

    def features(self, histories: object, candidates: np.ndarray | None = None) -> np.ndarray:
        out = np.zeros((len(histories), 4, 2), np.float32)  # type: ignore[arg-type]
        for row, history in enumerate(histories):  # type: ignore[arg-type, var-annotated]
            for event in history:
                out[row, event.item, 0] += 1
            out[row, :, 1] = np.arange(4)
        return out if candidates is None else np.take_along_axis(out, candidates[:, :, None], axis=1)


def test_the_evidence_is_weighed_by_the_goal_and_sees_the_examples() -> None:
    policy = Policy(_Evidence(), {"next": np.array([1.0, 0.0]), "like": np.array([0.0, 1.0]), "request": np.ones(2)})
    history = (Event(2, 5.0),)
    np.testing.assert_allclose(policy.rank(State(history, goal="next"), [0, 2]).evidence, [0, 1])
    np.testing.assert_allclose(policy.rank(State(history, goal="like"), [3, 1]).evidence, [3, 1])
    state = State(history, "x", like=(1,), goal="request")
    np.testing.assert_allclose(policy.rank(state, [0, 1, 2, 3]).evidence, [0, 2, 3, 3])
    with pytest.raises(ValueError, match="1 states but 2"):
        policy.rank_many([state], [[0], [1]])
