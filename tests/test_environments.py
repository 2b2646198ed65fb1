"""Environments under the Gymnasium API: rated slates, and sessions with simulated users."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.records.state import Event
from training.environments.session import CONVERTED, NOTHING, SessionEnv, SessionPolicy, SessionReport, run_sessions
from training.environments.user_model import StarScale, UserModel, UserSettings
from training.splits import held_out_users, past_and_future


@pytest.fixture(scope="module")
def held_out(dataset: Dataset) -> frozenset[str]:
    return held_out_users(dataset.ratings["user"].unique().tolist())


@pytest.fixture(scope="module")
def users(dataset: Dataset, held_out: frozenset[str]) -> UserModel:
    return UserModel.of(dataset, held_out)


def same_model(first: UserModel, second: UserModel) -> bool:
    pairs = [
        (first.factors.bias, second.factors.bias),
        (first.factors.factors, second.factors.factors),
        (first.scale.cuts, second.scale.cuts),
        (first.attraction.weights, second.attraction.weights),
        (first.attraction.near.data, second.attraction.near.data),
        (first.traits.novelty, second.traits.novelty),
    ]
    return (
        all(np.array_equal(a, b) for a, b in pairs)
        and first.histories == second.histories
        and (first.line, first.usual, first.scale.noise) == (second.line, second.usual, second.scale.noise)
    )


def test_the_user_model_reads_no_held_out_user_and_no_future_row(dataset: Dataset) -> None:
    names = dataset.ratings["user"].unique()[:150]
    dataset = dataclasses.replace(dataset, ratings=dataset.ratings[dataset.ratings["user"].isin(names)])
    held_out = held_out_users(names.tolist())
    users = UserModel.of(dataset, held_out)
    assert not held_out & set(users.histories)
    assert len(users.histories) == 150 - len(held_out)
    past = past_and_future(indexed_ratings(dataset)).past
    assert sum(len(own) for own in users.histories.values()) == (~past["user"].isin(held_out)).sum()
    # Other stars in every row that must not be read leave the model as it is, bit by bit.
    rows = dataset.ratings
    known = set(zip(past["user"], dataset.items["item"].to_numpy()[past["item"]], strict=True))
    forbidden = np.array(
        [user in held_out or (user, item) not in known for user, item in zip(rows["user"], rows["item"], strict=True)]
    )
    assert 0.2 < forbidden.mean() < 0.4
    changed = rows.assign(rating=np.where(forbidden, 6.0 - rows["rating"], rows["rating"]))
    assert same_model(users, UserModel.of(dataclasses.replace(dataset, ratings=changed), held_out))
    # The check can fail: one row that may be read makes another model.
    stars = changed["rating"].to_numpy().copy()
    row = int(np.flatnonzero(~forbidden)[0])
    stars[row] = 6.0 - stars[row] if stars[row] != 3.0 else 1.0
    one = changed.assign(rating=stars)
    assert not same_model(users, UserModel.of(dataclasses.replace(dataset, ratings=one), held_out))


def test_simulated_stars_are_given_as_often_as_real_ones(dataset: Dataset, users: UserModel) -> None:
    past = past_and_future(indexed_ratings(dataset)).past
    later = past_and_future(past[past["user"].isin(users.histories)]).future
    rng = np.random.default_rng(0)
    stars, real = [], []
    for user, rows in later.groupby("user", sort=False):
        stars.append(users.person(str(user), rng).stars[rows["item"].to_numpy()])
        real.append(rows["rating"].to_numpy())
    given, true = np.concatenate(stars), np.concatenate(real)
    assert set(np.unique(given)) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert given.mean() == pytest.approx(true.mean(), abs=0.1)
    assert (given >= 4).mean() == pytest.approx((true >= 4).mean(), abs=0.05)
    assert np.corrcoef(given, true)[0, 1] > 0.2


def test_the_star_scale_is_calibrated_on_what_it_was_fitted_on() -> None:
    rng = np.random.default_rng(0)
    expected = rng.normal(3.5, 0.6, 20_000)
    stars = np.clip(np.round(expected + rng.normal(0, 0.9, 20_000)), 1, 5)
    scale = StarScale.fit(expected, stars)
    again = scale.stars(expected + rng.normal(0, scale.noise, 20_000))
    for level in range(1, 6):
        assert (again == level).mean() == pytest.approx((stars == level).mean(), abs=0.01)
    chance = scale.like_probability(expected)
    for low, high in ((2.0, 3.0), (3.0, 4.0), (4.0, 5.0)):
        part = (expected > low) & (expected < high)
        assert chance[part].mean() == pytest.approx((stars[part] >= 4).mean(), abs=0.04)


def test_sessions_pass_gymnasiums_own_check(users: UserModel) -> None:
    check_env(SessionEnv(users, "click:0.8,novelty:0.2"), skip_render_check=True)


def certain(users: UserModel, **settings: float) -> UserModel:
    return dataclasses.replace(users, settings=dataclasses.replace(users.settings, **settings))


def clicks_by_place(users: UserModel, slates: int = 400) -> np.ndarray:
    env = SessionEnv(users)
    rng = np.random.default_rng(0)
    clicks = np.zeros(5)
    _, info = env.reset(seed=0)
    popular = np.argsort(-users.attraction.log_count)[:300]
    for _ in range(slates):
        _, info = env.reset()
        free = popular[info["action_mask"][popular] == 1]
        clicks += env.step(rng.choice(free, 5, replace=False))[4]["clicks"]
    return clicks


def test_clicks_fall_with_the_place_only_where_there_is_position_bias(users: UserModel) -> None:
    biased = clicks_by_place(certain(users, position=1.0, boredom=0.0))
    assert biased[0] > 1.4 * biased[1] > 1.4 * biased[3]
    flat = clicks_by_place(certain(users, position=0.0, boredom=0.0))
    assert flat.min() > 0.7 * flat.max()


def test_boredom_lowers_the_interest_in_more_of_the_same(users: UserModel) -> None:
    drama = int(np.argmax(users.traits.categories.max(axis=1)))
    same = [int(item) for item in np.flatnonzero(users.traits.distance(drama, np.arange(users.n_items)) < 1e-6)]
    other = [int(item) for item in np.flatnonzero(users.traits.distance(drama, np.arange(users.n_items)) > 0.999)]
    assert users.interest(drama, []) == 1.0
    row = [users.interest(drama, same[:shown]) for shown in (1, 3, 6)]
    assert row[0] > row[1] > row[2]
    assert users.interest(drama, other[:6]) == 1.0
    assert certain(users, boredom=0.0).interest(drama, same[:6]) == 1.0


def test_unsatisfied_users_leave_sooner(users: UserModel) -> None:
    assert [users.leaving(n) for n in (0, 1, 2)] == pytest.approx([0.03, 0.18, 0.33])
    assert users.leaving(100) == 1.0
    patient = certain(users, appetite=0.0, leave=0.0, rise=0.0)
    report = run_sessions(popular(patient), SessionEnv(patient, max_turns=7), 5)
    assert report.turns.tolist() == [7] * 5
    assert not report.left.any()
    assert report.satisfaction.tolist() == [NOTHING] * 5
    hasty = certain(users, appetite=0.0, leave=0.0, rise=1.0)
    report = run_sessions(popular(hasty), SessionEnv(hasty, max_turns=7), 5)
    assert report.turns.tolist() == [1] * 5
    assert report.left.all()


def popular(users: UserModel) -> SessionPolicy:
    return lambda histories, candidates: [users.attraction.log_count[items] for items in candidates]


def knowing(users: UserModel) -> SessionPolicy:
    """Knows what the simulated user expects and is drawn to, as well as it can be known."""

    def score(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [
            (users.attraction.probabilities(own) * users.scale.like_probability(users.expected(own)))[items]
            for own, items in zip(histories, candidates, strict=True)
        ]

    return score


def blind(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(histories[0]))
    return [rng.random(len(items)) for items in candidates]


def test_better_recommendations_make_longer_and_better_sessions(users: UserModel) -> None:
    env = SessionEnv(users)
    reports = {name: run_sessions(p, env, 80) for name, p in {"blind": blind, "knows": knowing(users)}.items()}
    assert reports["blind"].users == reports["knows"].users
    for name, values in reports["knows"].measures().items():
        assert values.mean() > reports["blind"].measures()[name].mean(), name


def test_reports_count_what_happened(users: UserModel) -> None:
    env = SessionEnv(users, max_turns=6)
    _, info = env.reset(seed=3, options={"user": "1"})
    before = len(info["state"].history)
    score, clicks, loved, turns = knowing(users), 0, 0, 0
    over = False
    while not over:
        items = np.flatnonzero(info["action_mask"])
        best = items[np.argsort(-score([info["state"].history], [items])[0], kind="stable")[:5]]
        _, reward, terminated, truncated, info = env.step(best)
        over = terminated or truncated
        stars = info["stars"][info["clicks"]]
        turns, clicks, loved = turns + 1, clicks + len(stars), loved + int((stars >= CONVERTED).sum())
        assert info["rewards"].tolist() == np.where(info["clicks"], 1.0, -1.0).tolist()
        assert -1.0 <= reward <= 1.0
        assert not info["action_mask"][best].any()
    assert len(info["state"].history) == before + clicks
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(best)
    report = run_sessions(score, env, 10)
    assert (report.clicks <= report.shown).all()
    assert (report.conversions <= report.clicks).all()
    assert (report.shown == 5 * report.turns).all()
    assert report.turns.max() <= 6


def test_watched_and_repeated_films_get_no_click(users: UserModel) -> None:
    eager = certain(users, position=0.0, appetite=1.0, boredom=0.0, leave=0.0, rise=0.0)
    env = SessionEnv(eager, max_turns=50)
    _, info = env.reset(seed=0)
    watched = [event.item for event in info["state"].history[:5]]
    assert not env.step(np.array(watched))[4]["clicks"].any()
    free = np.flatnonzero(info["action_mask"])
    film = int(free[np.argmax(env._person.appeal[free] * eager.attraction.log_count[free])])  # type: ignore[union-attr]
    clicks = [env.step(np.full(5, film))[4]["clicks"] for _ in range(20)]
    assert sum(int(own.sum()) for own in clicks) == 1


def test_sessions_are_the_same_under_one_seed_whatever_the_batch(users: UserModel) -> None:
    env = SessionEnv(users)

    def columns(report: SessionReport) -> list[list[float]]:
        return [list(report.users), *(values.tolist() for values in report.measures().values())]

    first = columns(run_sessions(popular(users), env, 12, seed=5, batch=12))
    assert first == columns(run_sessions(popular(users), env, 12, seed=5, batch=5))
    assert first != columns(run_sessions(popular(users), env, 12, seed=6))


def test_bad_settings_and_policies_are_refused(dataset: Dataset, users: UserModel) -> None:
    with pytest.raises(ValueError, match=r"appetite 1\.5 is out of range"):
        UserSettings(appetite=1.5)
    with pytest.raises(ValueError, match=r"boredom -1\.0 is out of range"):
        UserSettings(boredom=-1.0)
    with pytest.raises(ValueError, match="held-out user 'nobody'"):
        UserModel.of(dataset, ["nobody"])
    with pytest.raises(KeyError, match="user 'nobody' is none of"):
        SessionEnv(users).reset(options={"user": "nobody"})
    with pytest.raises(ValueError, match="is no slate: give 5"):
        env = SessionEnv(users)
        env.reset(seed=0)
        env.step(np.array([1, 2]))
    with pytest.raises(ValueError, match="fix the policy"):
        run_sessions(lambda histories, candidates: [np.zeros(3) for _ in candidates], SessionEnv(users), 1)
