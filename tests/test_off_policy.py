"""Off-policy evaluation: formulae against their definitions, coverage on known truth, refusals where they are due."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from eval.metrics import Interval
from eval.off_policy.diagnostics import weigh
from eval.off_policy.estimators import ESTIMATORS, Problem, Terms
from eval.off_policy.intervals import Resampling
from eval.off_policy.plackett_luce import conditionals, place_probabilities
from eval.off_policy.report import Settings, evaluate_samples
from eval.off_policy.reward_models import ItemMeanReward, RidgeReward, cross_fitted
from eval.off_policy.samples import Samples, TargetProbabilities, Unsupported
from eval.off_policy.self_check import CASES, FAULTS, self_check
from eval.off_policy.synthetic import Bandit


@pytest.fixture(scope="module")
def drawn() -> tuple[Bandit, Samples, np.ndarray]:
    bandit = Bandit(places=3, items=6, cascade=True, seed=1)
    return bandit, *bandit.draw(60, np.random.default_rng(0))


# Plackett-Luce


def test_conditionals_are_shares_of_what_is_left() -> None:
    first = np.array([[0.5, 0.2, 0.2, 0.05]])
    slate = np.array([[1, 0, -1]])
    assert conditionals(first, slate, np.array([0.05]))[0] == pytest.approx([0.2, 0.5 / 0.8, 1.0])


def test_nothing_cancels_where_nearly_all_mass_is_taken() -> None:
    first = np.array([[1.0 - 3e-20, 1e-20, 2e-20]])
    assert conditionals(first, np.array([[0, 1, 2]]), np.zeros(1))[0] == pytest.approx([1.0, 1 / 3, 1.0])


@pytest.mark.parametrize("scale", [0.5, 3.0, 12.0])
def test_places_equal_those_by_enumeration(scale: float) -> None:
    first = np.exp(scale * np.random.default_rng(3).normal(size=(3, 6)))
    first /= first.sum(axis=1, keepdims=True)
    expected = np.zeros((3, 4, 6))
    for slate in itertools.permutations(range(6), 4):
        chance = conditionals(first, np.array([slate] * 3), np.zeros(3)).prod(axis=1)
        for place, item in enumerate(slate):
            expected[:, place, item] += chance
    assert np.abs(place_probabilities(first, 4) - expected).max() < 1e-6


# Estimators, against sums written out by hand


def test_single_action_estimators_equal_their_definitions() -> None:
    samples, _ = Bandit().draw(40, np.random.default_rng(0))
    q = cross_fitted(ItemMeanReward(), samples)
    problem = Problem(samples, q, clip=1.2, threshold=1.2)
    weight = samples.target.slate[:, 0] / samples.logged[:, 0]
    reward = samples.rewards[:, 0]
    target = samples.target.first
    assert target is not None
    rows = range(len(weight))
    direct = np.array([sum(target[n, a] * q[n, 0, a] for a in range(8)) for n in rows])
    residual = np.array([reward[n] - q[n, 0, samples.slate[n, 0]] for n in rows])
    expected = {
        "dm": direct.mean(),
        "ips": (weight * reward).mean(),
        "clipped-ips": (np.minimum(weight, 1.2) * reward).mean(),
        "snips": (weight * reward).sum() / weight.sum(),
        "dr": (direct + weight * residual).mean(),
        "switch-dr": (direct + weight * (weight <= 1.2) * residual).mean(),
        "iips": (weight * reward).mean(),
        "rips": (weight * reward).sum() / weight.sum(),
    }
    for name, value in expected.items():
        terms = ESTIMATORS[name](problem)
        assert isinstance(terms, Terms)
        assert terms.value == pytest.approx(value, abs=1e-12), name
    clipped, switched = ESTIMATORS["clipped-ips"](problem), ESTIMATORS["switch-dr"](problem)
    assert isinstance(clipped, Terms) and clipped.kept == pytest.approx(np.minimum(weight, 1.2).sum() / weight.sum())
    assert isinstance(switched, Terms) and switched.kept == pytest.approx(weight[weight <= 1.2].sum() / weight.sum())


def test_slate_estimators_equal_their_definitions(drawn: tuple[Bandit, Samples, np.ndarray]) -> None:
    _, samples, _ = drawn
    q = cross_fitted(ItemMeanReward(), samples)
    problem = Problem(samples, q)
    n, k = samples.rewards.shape
    prefix = np.ones((n, k))
    for row, place in itertools.product(range(n), range(k)):
        prefix[row, place] = np.prod(samples.target.slate[row, : place + 1] / samples.logged[row, : place + 1])
    assert samples.target.first is not None and samples.logged_first is not None
    target, logged = (place_probabilities(f, k) for f in (samples.target.first, samples.logged_first))
    marginal = np.array(
        [[target[r, p, samples.slate[r, p]] / logged[r, p, samples.slate[r, p]] for p in range(k)] for r in range(n)]
    )
    guess = np.array([[q[r, p, samples.slate[r, p]] for p in range(k)] for r in range(n)])
    total = samples.rewards.sum(axis=1)
    expected = {
        "ips": (prefix[:, -1] * total).mean(),
        "snips": (prefix[:, -1] * total).sum() / prefix[:, -1].sum(),
        "iips": (marginal * samples.rewards).sum(axis=1).mean(),
        "rips": sum((prefix[:, p] * samples.rewards[:, p]).sum() / prefix[:, p].sum() for p in range(k)),
        "dr": ((target * q).sum(axis=(1, 2)) + (prefix * (samples.rewards - guess)).sum(axis=1)).mean(),
    }
    for name, value in expected.items():
        terms = ESTIMATORS[name](problem)
        assert isinstance(terms, Terms)
        assert terms.value == pytest.approx(value, abs=1e-9), name


def test_the_logged_policy_itself_gets_its_mean(drawn: tuple[Bandit, Samples, np.ndarray]) -> None:
    _, samples, _ = drawn
    own = replace(samples, target=replace(samples.target, slate=samples.logged, first=samples.logged_first))
    result = evaluate_samples(own, Settings(), "click")
    for row in result.rows:
        assert isinstance(row.value, Interval), row
        if row.estimator in ("ips", "clipped-ips", "snips", "iips", "rips"):
            assert row.value.mean == pytest.approx(result.logged.mean, abs=1e-6)
            assert row.weights is not None and row.weights.effective == pytest.approx(180, rel=1e-5)


def test_ridge_learns_a_reward_that_is_linear_in_the_features() -> None:
    rng = np.random.default_rng(0)
    samples, _ = Bandit(places=2, items=5).draw(200, rng)
    features = rng.normal(size=(*samples.items.shape, 3))
    truth = 0.4 + features @ np.array([0.2, -0.1, 0.0])
    shown = np.take_along_axis(truth, samples.slate, axis=1) * np.array([1.0, 1.0])
    own = replace(samples, features=features, rewards=shown)
    q = cross_fitted(RidgeReward(penalty=1e-6), own)
    inner = np.abs(features).max(axis=2) < 1.5  # farther out the guess is held to what was seen
    assert np.abs(q[:, 0] - truth)[inner].max() < 0.05


def test_guesses_never_come_from_a_fit_with_the_same_conversation() -> None:
    samples, _ = Bandit().draw(10, np.random.default_rng(0))

    class Spy:
        def fit_predict(self, samples: Samples, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
            assert not set(samples.clusters[known]) & set(samples.clusters[asked])
            assert len(known) + len(asked) == len(samples.clusters)
            return np.zeros((len(asked), samples.rewards.shape[1], samples.items.shape[1]))

    assert not cross_fitted(Spy(), samples).any()


# Intervals


def test_bca_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=60)
    terms = Terms(values[:, None], np.ones((60, 1)))
    own = Resampling.draw(np.arange(60), 20_000).interval(terms)
    result = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    assert (own.low, own.high) == pytest.approx(tuple(result.confidence_interval), abs=0.01)
    percentile = Resampling.draw(np.arange(60), 20_000).interval(terms, method="percentile")
    assert own.low > percentile.low and own.high > percentile.high, "skewed to the right"


def test_rows_of_a_conversation_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=40), 10)
    terms = Terms(values[:, None], np.ones((400, 1)))
    together = Resampling.draw(np.repeat(np.arange(40), 10)).interval(terms)
    apart = Resampling.draw(np.arange(400)).interval(terms)
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_a_difference_of_a_policy_to_itself_is_zero(drawn: tuple[Bandit, Samples, np.ndarray]) -> None:
    _, samples, _ = drawn
    terms = ESTIMATORS["snips"](Problem(samples, Unsupported("")))
    assert isinstance(terms, Terms)
    assert Resampling.draw(samples.clusters).interval(terms, terms) == Interval(0.0, 0.0, 0.0)


# Diagnostics


def test_weights_are_described_by_their_worst_place() -> None:
    weights = np.array([[1.0, 4.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    found = weigh(Terms(weights, np.ones((4, 1)), weights), np.arange(4), np.full((4, 2), 0.25))
    assert found is not None
    assert (found.effective, found.largest, found.share) == (1.0, 4.0, 1.0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("a greedy log", "of its mass on what the log can never show .nothing was drawn: log with exploration"),
        ("propensities of another temperature", "not what the logged propensities say"),
        ("items that the log never shows", "of its mass on what the log can never show"),
        ("a target too far away", "effective sample size .* of 900 rows"),
    ],
)
def test_broken_logs_are_refused_with_the_reason(fault: str, reason: str) -> None:
    samples, _ = FAULTS[fault].draw(300, np.random.default_rng(5))
    result = evaluate_samples(samples, Settings(("ips", "snips", "dr", "rips"), resamples=50), "click")
    assert not result.supported
    for row in result.rows:
        assert isinstance(row.value, Unsupported)
    assert isinstance(result.rows[0].value, Unsupported)
    assert re.search(reason, result.rows[0].value.reason)


def test_rounded_propensities_and_what_chance_did_not_show_are_no_faults() -> None:
    rng = np.random.default_rng(1)
    for share, rows, places in ((np.full(34, 1 / 34), 400, 4), (rng.dirichlet(np.ones(30)), 900, 3)):
        kept = share.round(places)
        shown = rng.choice(len(share), rows, p=share)
        samples = _one_place(shown[kept[shown] > 0], kept, kept)
        result = evaluate_samples(samples, Settings(("ips", "snips"), resamples=50), "click")
        assert result.supported
    peaked = _one_place(np.zeros(60, np.int64), np.array([0.97, 0.03]), np.array([0.9, 0.1]))
    result = evaluate_samples(peaked, Settings(("ips", "snips"), resamples=50), "click")
    assert result.supported, "60 draws of an item of .97 are no wonder"
    never = _one_place(np.zeros(600, np.int64), np.array([0.97, 0.03]), np.array([0.9, 0.1]))
    assert not evaluate_samples(never, Settings(("ips",), resamples=50), "click").supported, "600 are"


def _one_place(shown: np.ndarray, logged: np.ndarray, target: np.ndarray) -> Samples:
    """A row for each shown item, all of one state, in conversations of their own."""
    rows, count = len(shown), len(logged)
    slate = shown[:, None].astype(np.int64)
    probabilities = TargetProbabilities(
        "columns", target[slate], np.tile(target, (rows, 1)), np.zeros(rows), None, np.ones(rows, dtype=bool)
    )
    rewards = np.random.default_rng(0).integers(0, 2, (rows, 1)).astype(float)
    return Samples(
        rewards, np.ones((rows, 1), bool), slate, logged[slate],
        np.tile(logged, (rows, 1)), np.tile(np.arange(count), (rows, 1)), np.arange(rows), None, probabilities,
    )  # fmt: skip


def test_wrong_propensities_show_in_the_mean_weight_alone() -> None:
    """Where the log does not hold the probabilities of all candidates the weights must tell."""
    samples, _ = Bandit().draw(3000, np.random.default_rng(0))
    halved = replace(samples, logged=samples.logged / 2, logged_first=None)
    result = evaluate_samples(halved, Settings(("ips",), resamples=50), "click")
    assert isinstance(result.rows[0].value, Unsupported)
    assert "the mean weight is 2.0" in result.rows[0].value.reason


def test_few_conversations_are_refused() -> None:
    samples, _ = Bandit().draw(19, np.random.default_rng(0))
    result = evaluate_samples(samples, Settings(), "click")
    assert all(isinstance(row.value, Unsupported) and "only 19 clusters" in row.value.reason for row in result.rows)


def test_what_clipping_cuts_away_is_refused() -> None:
    samples, _ = Bandit().draw(300, np.random.default_rng(0))
    result = evaluate_samples(samples, Settings(("clipped-ips", "switch-dr"), clip=1.0, threshold=1.0), "click")
    for row in result.rows:
        assert isinstance(row.value, Unsupported) and "of the weight was cut away" in row.value.reason


def test_places_below_the_first_need_the_whole_distribution(drawn: tuple[Bandit, Samples, np.ndarray]) -> None:
    _, samples, _ = drawn
    blind = evaluate_samples(replace(samples, logged_first=None), Settings(("iips", "rips")), "click")
    assert isinstance(blind.rows[0].value, Unsupported) and "candidate_propensities" in blind.rows[0].value.reason
    assert isinstance(blind.rows[1].value, Interval)
    unknown = replace(samples, target=replace(samples.target, first=None))
    found = evaluate_samples(unknown, Settings(("dm", "dr", "ips")), "click")
    assert [isinstance(row.value, Unsupported) for row in found.rows] == [True, True, False]


def test_slates_that_are_not_drawn_place_by_place_have_no_marginals(drawn: tuple[Bandit, Samples, np.ndarray]) -> None:
    _, samples, _ = drawn
    assert samples.logged_first is not None
    other = replace(samples, logged_first=samples.logged_first[:, ::-1].copy())
    assert isinstance(other.logged_places, Unsupported)
    assert "the logged policy does not draw its slates place by place" in other.logged_places.reason


def test_a_policy_that_draws_nothing_has_one_item_a_place(drawn: tuple[Bandit, Samples, np.ndarray]) -> None:
    _, samples, _ = drawn
    n, k = samples.slate.shape
    order = np.repeat(np.array([[2, 0, 1]]), n, axis=0)
    target = TargetProbabilities(
        "greedy", (samples.slate == order).astype(float), None, np.zeros(n), order, np.ones(n, dtype=bool)
    )
    greedy = replace(samples, target=target)
    places = greedy.target_places
    assert not isinstance(places, Unsupported)
    assert places.shape == (n, k, 6) and (places.sum(axis=2) == 1).all() and (places[:, 0, 2] == 1).all()


# Coverage


def test_intervals_cover_the_truth_and_faults_are_seen() -> None:
    """A quick look; `concierge eval off-policy --self-check` counts 1,000 logs of each bandit."""
    found = self_check(60)
    assert found.passed, found
    assert {row.case for row in found.coverage} == set(CASES)


def test_the_direct_methods_interval_knows_that_its_model_was_fitted() -> None:
    """One state, the right kind of model: rows that are all alike would give no interval at all."""
    rng = np.random.default_rng(0)
    chance, logged, target = (np.array(row) for row in ([0.2, 0.4, 0.8], [0.5, 0.3, 0.2], [0.3, 0.3, 0.4]))
    n, covered, widths = 300, 0, []
    for _ in range(100):
        slate = rng.choice(3, size=(n, 1), p=logged)
        samples = Samples(
            rewards=(rng.random((n, 1)) < chance[slate]).astype(float),
            shown=np.ones((n, 1), dtype=bool),
            slate=slate,
            logged=logged[slate],
            logged_first=np.repeat(logged[None], n, axis=0),
            items=np.repeat(np.arange(3)[None], n, axis=0),
            clusters=np.arange(n),
            features=None,
            target=TargetProbabilities(
                "t", target[slate], np.repeat(target[None], n, axis=0), np.zeros(n), None, np.ones(n, dtype=bool)
            ),
        )
        settings = Settings(("dm",), resamples=50, model=ItemMeanReward(0.01), refits=40)
        value = evaluate_samples(samples, settings, "click").rows[0].value
        assert isinstance(value, Interval)
        covered += value.low <= target @ chance <= value.high
        widths.append(value.high - value.low)
    assert 88 <= covered <= 100
    assert 0.08 < float(np.mean(widths)) < 0.18


@pytest.mark.slow
def test_intervals_cover_the_truth_over_a_thousand_logs() -> None:
    found = self_check(1000)
    assert found.passed, found
