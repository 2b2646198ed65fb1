"""Environments under the Gymnasium API: rated slates, and sessions with simulated users."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_checker import data_equivalence as alike

from agent.dataset import Dataset
from agent.interactions import indexed_ratings
from agent.state import Event
from training.environments.orders import Orders
from training.environments.rated_slate import INVALID, Mode, RatedSlateEnv
from training.item_traits import ItemTraits
from training.rewards import RewardError, parse_reward, reward_table
from training.splits import Slate, past_and_future, rated_slates

TOY = [
    Slate("1", (Event(0, 4.0), Event(7, None)), (1, 2, 3), (5.0, 2.0, 4.0)),
    Slate("2", (), (4, 5), (1.0, 4.0)),
]


@pytest.fixture(scope="module")
def slates(dataset: Dataset) -> list[Slate]:
    return rated_slates(past_and_future(indexed_ratings(dataset)))


@pytest.mark.parametrize("mode", ["pick", "slate", "steps"])
def test_rated_slates_pass_gymnasiums_own_check(dataset: Dataset, slates: list[Slate], mode: Mode) -> None:
    traits = ItemTraits.of(dataset.items, past_and_future(indexed_ratings(dataset)).past)
    env = RatedSlateEnv(slates, "click:0.8,diversity:0.2", n_items=len(dataset.items), mode=mode, traits=traits)
    check_env(env, skip_render_check=True)


def test_a_pick_earns_what_the_user_thought_of_it() -> None:
    env = RatedSlateEnv(TOY, "rating", n_items=8, max_history=3)
    seen, info = env.reset(options={"row": 0})
    assert seen["history"].tolist() == [-1, 0, 7]
    assert seen["history_ratings"].tolist() == [0.0, 4.0, 0.0]
    assert seen["slate"].tolist() == [1, 2, 3]
    assert info["state"].history == TOY[0].history
    assert info["action_mask"].tolist() == [1, 1, 1]
    _, reward, terminated, truncated, info = env.step(1)
    assert (reward, terminated, truncated, info["valid"]) == (-0.5, True, False, True)
    assert (info["items"].tolist(), info["stars"].tolist(), info["clicks"].tolist()) == ([2], [2.0], [False])
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(0)


def test_every_pick_agrees_with_the_reward_table(dataset: Dataset, slates: list[Slate]) -> None:
    env = RatedSlateEnv(slates, "click", n_items=len(dataset.items))
    for row, rewards in enumerate(reward_table(slates[:20], "click")):
        for position, expected in enumerate(rewards):
            _, info = env.reset(options={"row": row})
            assert info["action_mask"].sum() == len(rewards)
            assert env.step(position)[1] == expected


def test_an_action_outside_the_mask_is_told_and_costs() -> None:
    env = RatedSlateEnv(TOY, "click", n_items=8)
    _, info = env.reset(options={"row": 1})
    assert info["action_mask"].tolist() == [1, 1, 0]
    _, reward, terminated, _, info = env.step(2)
    assert (reward, terminated, info["valid"]) == (INVALID, True, False)
    whole = RatedSlateEnv(TOY, "click", n_items=8, mode="slate", places=2)
    whole.reset(options={"row": 1})
    assert not whole.step([1, 1])[4]["valid"]


def test_one_place_a_step_adds_up_to_the_whole_slate(dataset: Dataset, slates: list[Slate]) -> None:
    traits = ItemTraits.of(dataset.items, past_and_future(indexed_ratings(dataset)).past)
    mixed = parse_reward("click:0.6,diversity:0.4")
    n_items = len(dataset.items)
    whole = RatedSlateEnv(slates, mixed, n_items=n_items, mode="slate", traits=traits)
    steps = RatedSlateEnv(slates, mixed, n_items=n_items, mode="steps", traits=traits)
    for row in range(10):
        _, info = whole.reset(options={"row": row})
        order = whole.action_space.sample(mask=info["action_mask"])
        _, total, terminated, _, shown = whole.step(order)
        assert terminated
        assert len(shown["rewards"]) == 5
        steps.reset(options={"row": row})
        parts = []
        for position in order:
            observed, reward, terminated, _, info = steps.step(position)
            parts.append(reward)
            assert info["action_mask"][position] == 0
            assert observed["slate"][position] == -1
        assert terminated
        assert sum(parts) == pytest.approx(total)


def test_the_same_seed_gives_the_same_episodes(dataset: Dataset, slates: list[Slate]) -> None:
    def rows(seed: int) -> list[int]:
        env = RatedSlateEnv(slates, n_items=len(dataset.items))
        return [env.reset(seed=seed)[1]["row"], *(env.reset()[1]["row"] for _ in range(9))]

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)
    env = RatedSlateEnv(slates, n_items=len(dataset.items))
    assert alike(env.reset(seed=3)[0], env.reset(seed=3)[0], exact=True)


def test_random_picks_earn_the_known_click_rate(dataset: Dataset, slates: list[Slate]) -> None:
    env = RatedSlateEnv(slates, "click", n_items=len(dataset.items))
    rng = np.random.default_rng(0)
    rewards = []
    for row in range(len(slates)):
        _, info = env.reset(options={"row": row})
        rewards.append(env.step(rng.choice(np.flatnonzero(info["action_mask"])))[1])
    assert (np.mean(rewards) + 1) / 2 == pytest.approx(0.482, abs=0.05)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="no slates"):
        RatedSlateEnv([], n_items=8)
    with pytest.raises(ValueError, match="unknown mode 'all': use one of pick, slate, steps"):
        RatedSlateEnv(TOY, n_items=8, mode="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the shortest slate has 2 films"):
        RatedSlateEnv(TOY, n_items=8, mode="slate", places=3)
    with pytest.raises(RewardError, match="needs item traits"):
        RatedSlateEnv(TOY, "novelty", n_items=8)
    with pytest.raises(IndexError, match="row 2: there are 2 slates"):
        RatedSlateEnv(TOY, n_items=8).reset(options={"row": 2})


def test_orders_are_choices_without_repeats() -> None:
    space = Orders(6, 3, seed=0)
    for _ in range(20):
        order = space.sample(mask=np.array([1, 0, 1, 1, 0, 1]))
        assert space.contains(order)
        assert not {1, 4} & set(order.tolist())
    assert not space.contains(np.array([1, 1, 2]))
    assert not space.contains(np.array([0, 1, 6]))
    assert space.from_jsonable(space.to_jsonable([order]))[0].tolist() == order.tolist()
    with pytest.raises(ValueError, match="an order needs 3"):
        space.sample(mask=np.array([1, 1, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="orders of 4 out of 3"):
        Orders(3, 4)
