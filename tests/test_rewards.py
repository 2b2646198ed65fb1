"""Rewards: the named functions, mixtures of them, and tables over rated slates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.features.user_features import ItemInfo
from agent.records.state import Event
from training.ppo.rewards import (
    REWARDS,
    ItemTraits,
    Mixture,
    Outcome,
    RewardError,
    parse_reward,
    reward_table,
)
from training.splits import Slate, past_and_future, past_slates, rated_slates

RATINGS = pd.DataFrame({"user": ["1", "2", "3", "1"], "item": [0, 0, 0, 1], "rating": [4.0] * 4})
CATEGORIES = np.array([[0, 1], [0, 1], [1, 0], [1, 1]])
TRAITS = ItemTraits.of(CATEGORIES, RATINGS)
SLATE = Slate("1", (Event(0, 4.0),), (1, 2, 3), (5.0, 2.0, 4.0))


def test_click_and_rating_stay_between_minus_one_and_one() -> None:
    assert [REWARDS["click"](Outcome(0, None, clicked)) for clicked in (True, False)] == [1.0, -1.0]
    stars = [REWARDS["rating"](Outcome(0, rating, False)) for rating in (0.5, 1, 3, 4, 5, None)]
    assert stars == [-1.0, -1.0, 0.0, 0.5, 1.0, 0.0]


def test_diversity_is_the_distance_from_what_stands_above() -> None:
    below = Outcome(2, None, False, (0, 1, 2), 2, (), TRAITS)  # a comedy below two dramas
    assert REWARDS["diversity"](below) == pytest.approx(1.0)
    same = Outcome(1, None, False, (0, 1), 1, (), TRAITS)
    assert REWARDS["diversity"](same) == pytest.approx(-1.0)
    half = Outcome(3, None, False, (0, 3), 1, (), TRAITS)
    assert REWARDS["diversity"](half) == pytest.approx(2 * (1 - 1 / np.sqrt(2)) - 1)
    first = Outcome(2, None, False, (2,), 0, (Event(0), Event(1)), TRAITS)
    assert REWARDS["diversity"](first) == pytest.approx(1.0)
    assert REWARDS["diversity"](Outcome(2, None, False, (2,), 0, (), TRAITS)) == 0.0


def test_novelty_is_scaled_self_information() -> None:
    values = [REWARDS["novelty"](Outcome(item, None, False, traits=TRAITS)) for item in range(4)]
    assert values == pytest.approx([-1.0, 0.0, 1.0, 1.0])  # of three users: three, one, none, none know it


def test_mixtures_are_read_written_and_weighted() -> None:
    mixed = parse_reward(" click:0.7, diversity:0.3 ")
    assert mixed == Mixture((("click", 0.7), ("diversity", 0.3)))
    assert str(mixed) == "click:0.7,diversity:0.3"
    assert mixed.needs_traits
    assert not parse_reward("rating").needs_traits
    outcome = Outcome(2, 5.0, True, (0, 2), 1, (), TRAITS)
    assert mixed(outcome) == pytest.approx(0.7 + 0.3)
    assert parse_reward("click:2,rating:-1")(outcome) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no reward named"),
        ("click:1,", "no reward named"),
        ("clik:1", "unknown reward 'clik': use one of click, rating"),
        ("click:much", "weight 'much' of reward 'click' is no number"),
        ("click:", "weight '' of reward 'click' is no number"),
        ("click:nan", "finite"),
        ("click:0", "not zero"),
        ("click:1,click:2", "named twice"),
    ],
)
def test_a_bad_mixture_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(RewardError, match=words):
        parse_reward(text)


def test_a_reward_that_lacks_its_traits_says_so() -> None:
    with pytest.raises(RewardError, match=r"'diversity' needs item traits: give traits=ItemTraits\.of"):
        reward_table([SLATE], "click:0.5,diversity:0.5")


def test_table_holds_the_reward_of_each_item_chosen_alone() -> None:
    (clicks,) = reward_table([SLATE], "click")
    assert clicks.tolist() == [1.0, -1.0, 1.0]
    (ratings,) = reward_table([SLATE], "rating")
    assert ratings.tolist() == [1.0, -0.5, 0.5]
    (mixed,) = reward_table([SLATE], "click:0.5,novelty:0.5", TRAITS)
    assert mixed == pytest.approx([0.5, 0.0, 1.0])


def test_tables_of_the_rated_slates_agree_with_the_known_figures(dataset: Dataset) -> None:
    slates = rated_slates(past_and_future(indexed_ratings(dataset)))
    table = reward_table(slates, "click")
    assert len(table) == 982
    assert np.mean([own.mean() for own in table]) == pytest.approx(2 * 0.4821 - 1, abs=1e-3)
    assert np.mean([own.max() for own in table]) == pytest.approx(2 * 0.9633 - 1, abs=1e-3)


def test_every_named_reward_of_real_slates_lies_in_its_range(dataset: Dataset) -> None:
    past = past_and_future(indexed_ratings(dataset)).past
    traits = ItemTraits.of(ItemInfo.of(dataset).categories, past)
    slates = past_slates(past, per_user=1)[:100]
    for name in REWARDS:
        values = np.concatenate(reward_table(slates, name, traits))
        assert np.isfinite(values).all()
        assert values.min() >= -1.0
        assert values.max() <= 1.0
        assert values.std() > 0.05
