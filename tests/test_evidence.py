"""The evidence depends on the history alone, standardises, stores without pickle and knows nothing it must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from agent.data.interactions import indexed_ratings, user_folds, user_histories
from agent.features import model as evidence
from agent.features.factorization import FactorizationConfig, RatingFactors
from agent.features.like_classifier import fit_like_trees
from agent.features.model import FEATURES, EvidenceConfig, EvidenceModel, cross_fit
from agent.features.trees import BoostedTrees
from agent.features.user_features import ItemInfo, Taste
from agent.records.state import Event
from agent.retrieval.sequence_model import RetrieverConfig

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

QUICK = EvidenceConfig(
    retriever=RetrieverConfig(width=16, layers=1, heads=1, length=20, epochs=1), folds=2, cuts=(5, 0.8), trees=30
)


@pytest.fixture(scope="module")
def ratings(dataset: Dataset) -> pd.DataFrame:
    """All ratings of the first 200 users."""
    every = indexed_ratings(dataset)
    return every[every["user"].isin(every["user"].unique()[:200])].reset_index(drop=True)


@pytest.fixture(scope="module")
def info(dataset: Dataset) -> ItemInfo:
    return ItemInfo.of(dataset)


@pytest.fixture(scope="module")
def model(ratings: pd.DataFrame, info: ItemInfo) -> EvidenceModel:
    return EvidenceModel.fit(ratings, info, seed=0, config=QUICK)


@pytest.fixture(scope="module")
def histories(ratings: pd.DataFrame) -> list[tuple[Event, ...]]:
    return list(user_histories(ratings).values())


def column(features: np.ndarray, name: str) -> np.ndarray:
    result: np.ndarray = features[..., FEATURES.index(name)]
    return result


def test_features_are_standardised_over_the_catalogue(
    model: EvidenceModel, histories: Sequence[tuple[Event, ...]]
) -> None:
    features = model.features(histories)
    assert features.shape == (200, 1682, len(FEATURES))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features.mean(axis=(0, 1)), 0.0, atol=0.25)
    np.testing.assert_allclose(features.std(axis=(0, 1)), 1.0, atol=0.25)


def test_candidates_are_a_choice_of_columns(model: EvidenceModel, histories: Sequence[tuple[Event, ...]]) -> None:
    whole = model.features(histories[:2])
    shared = model.features(histories[:2], np.array([5, 2]))
    np.testing.assert_allclose(shared, whole[:, [5, 2]], atol=1e-5)
    own = model.features(histories[:2], np.array([[5, 2, 9], [1, 0, 3]]))
    np.testing.assert_allclose(own[1], whole[1, [1, 0, 3]], atol=1e-5)


def test_a_batch_gives_what_single_calls_give(
    model: EvidenceModel, histories: Sequence[tuple[Event, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = model.features(histories[:7])
    np.testing.assert_allclose(together[3], model.features(histories[3:4])[0], atol=1e-4)
    monkeypatch.setattr(evidence, "NUMBERS_AT_ONCE", 1682 * 3)
    np.testing.assert_allclose(model.features(histories[:7]), together, atol=1e-4)


def test_an_empty_history_is_served_by_what_everybody_likes(model: EvidenceModel) -> None:
    features = model.features([()])[0]
    assert np.isfinite(features).all()
    order = np.corrcoef(column(features, "next_item"), column(features, "popularity"))[0, 1]
    assert order > 0.9
    assert np.corrcoef(column(features, "like_probability"), column(features, "like_rate"))[0, 1] > 0.5


def test_an_unrated_event_counts_as_the_users_mean(
    model: EvidenceModel, histories: Sequence[tuple[Event, ...]]
) -> None:
    history = histories[0][:20]
    stars = [event.rating for event in history[1:] if event.rating is not None]
    unrated = (replace(history[0], rating=None), *history[1:])
    usual = (replace(history[0], rating=float(np.mean(stars))), *history[1:])
    np.testing.assert_allclose(model.features([unrated]), model.features([usual]), atol=1e-6)
    assert not np.allclose(model.features([unrated]), model.features([history[1:]]), atol=1e-3)
    assert np.isfinite(model.features([tuple(replace(event, rating=None) for event in history)])).all()


def test_liking_a_film_lifts_its_neighbours(dataset: Dataset, model: EvidenceModel) -> None:
    title = dataset.items["title"].tolist()
    star_wars, jedi = title.index("Star Wars"), title.index("Return of the Jedi")
    liked, disliked = (model.features([(Event(star_wars, stars),)])[0] for stars in (5.0, 1.0))
    others = np.delete(column(liked, "neighbours"), star_wars)
    assert (others > column(liked, "neighbours")[jedi]).sum() < 3
    assert column(liked, "like_probability")[jedi] > column(disliked, "like_probability")[jedi]
    assert column(liked, "predicted_rating")[jedi] > column(disliked, "predicted_rating")[jedi]


def test_values_in_their_own_units(model: EvidenceModel, histories: Sequence[tuple[Event, ...]]) -> None:
    features = model.features(histories[:3])
    likely = model.like_probability(features)
    assert likely.shape == (3, 1682)
    assert 0 < likely.min() < 0.4 < 0.6 < likely.max() < 1


def test_save_and_load(model: EvidenceModel, histories: Sequence[tuple[Event, ...]], tmp_path: Path) -> None:
    model.save(tmp_path)
    np.testing.assert_array_equal(EvidenceModel.load(tmp_path).features(histories[:3]), model.features(histories[:3]))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    with pytest.raises(FileNotFoundError, match="no evidence model in"):
        EvidenceModel.load(tmp_path / "elsewhere")


def test_cached_fits_once_for_the_same_content(
    dataset: Dataset, ratings: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))
    few = ratings[ratings["user"].isin(ratings["user"].unique()[:40])]
    first = EvidenceModel.cached(dataset, few, progress=False, config=QUICK)
    monkeypatch.setattr(EvidenceModel, "fit", None)
    second = EvidenceModel.cached(dataset, few.copy(), progress=False, config=QUICK)
    history = [(Event(3, 5.0),)]
    np.testing.assert_array_equal(first.features(history), second.features(history))
    with pytest.raises(TypeError, match="not callable"):
        EvidenceModel.cached(dataset, few.iloc[1:], progress=False, config=QUICK)


def test_cross_fit_leaves_each_user_out_once(
    dataset: Dataset, ratings: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))
    few = ratings[ratings["user"].isin(ratings["user"].unique()[:40])]
    models = cross_fit(dataset, few, folds=2, progress=False, config=QUICK)
    assert sorted(user for _, users in models for user in users) == sorted(few["user"].unique())
    for model, unseen in models:
        seen = few[~few["user"].isin(unseen)]
        np.testing.assert_array_equal(model.taste.count, np.bincount(seen["item"], minlength=1682))


def test_folds_are_even_and_whole() -> None:
    users = [str(k) for k in range(10)]
    groups = user_folds(users, 3, seed=0)
    assert sorted(len(group) for group in groups) == [3, 3, 4]
    assert sorted(user for group in groups for user in group) == sorted(users)
    assert groups == user_folds(users, 3, seed=0)
    with pytest.raises(ValueError, match="11 folds of 10 users"):
        user_folds(users, 11, seed=0)


def test_a_folded_in_user_solves_their_own_ridge_regression(ratings: pd.DataFrame, info: ItemInfo) -> None:
    users = ratings["user"].factorize()[0]
    matrix = sparse.csr_matrix((ratings["rating"], (users, ratings["item"])), shape=(200, 1682))
    factors = RatingFactors.fit(matrix, config=FactorizationConfig(rank=3, rounds=3, scaling=0.0))
    history = (Event(0, 5.0), Event(10, 2.0), Event(3, 4.0))
    design = np.array([[1.0, *factors.factors[event.item]] for event in history])
    target = np.array([(event.rating or 0) - factors.mean - factors.bias[event.item] for event in history])
    penalty = np.diag([factors.config.bias_penalty] + [factors.config.penalty] * 3)
    expected = np.linalg.solve(design.T @ design + penalty, design.T @ target)
    np.testing.assert_allclose(factors.fold_in([history, ()]), [expected, np.zeros(4)], atol=1e-9)


def test_factorisation_predicts_better_than_means(dataset: Dataset) -> None:
    from training.splits import past_and_future

    parts = past_and_future(indexed_ratings(dataset))
    users, names = parts.past["user"].factorize()
    matrix = sparse.csr_matrix((parts.past["rating"], (users, parts.past["item"])), shape=(943, len(dataset.items)))
    past = user_histories(parts.past)
    rows = pd.Index(names).get_indexer(pd.Index(parts.future["user"]))
    stars = parts.future["rating"].to_numpy()

    def error(config: FactorizationConfig) -> float:
        predicted = RatingFactors.fit(matrix, config=config).predict([past[user] for user in names])
        return float(np.sqrt(((predicted[rows, parts.future["item"]] - stars) ** 2).mean()))

    assert error(FactorizationConfig()) < error(FactorizationConfig(rank=0)) < float(stars.std())


def test_trees_learn_and_give_the_same_whenever_they_are_asked() -> None:
    rng = np.random.default_rng(0)
    features = np.round(rng.normal(size=(4000, 5)), 1).astype(np.float32)
    yes = features[:, 0] * features[:, 1] + rng.normal(size=4000) > 0.2
    trees = BoostedTrees.fit(features, yes, trees=40, least=20)
    fresh = np.concatenate([features[:500], rng.normal(size=(500, 5)).astype(np.float32) * 3])
    truth = fresh[:, 0] * fresh[:, 1]
    assert np.corrcoef(trees.logits(fresh)[np.abs(truth) < 2], truth[np.abs(truth) < 2])[0, 1] > 0.7
    alone = np.concatenate([trees.logits(fresh[k : k + 1]) for k in range(50)])
    np.testing.assert_array_equal(alone, trees.logits(fresh)[:50])
    stored = BoostedTrees.of(trees.arrays())
    np.testing.assert_array_equal(stored.logits(fresh), trees.logits(fresh))
    with pytest.raises(ValueError, match="give \\(rows, 5\\)"):
        trees.logits(fresh[:, :4])


def test_tree_features_come_from_a_fit_without_the_user(
    ratings: pd.DataFrame, info: ItemInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a user's own later ratings are, the features of their rows stay the same."""
    few = ratings[ratings["user"].isin(ratings["user"].unique()[:30])].reset_index(drop=True)
    seen: list[np.ndarray] = []

    def keep(features: np.ndarray, yes: np.ndarray, **_: object) -> None:
        seen.append(features)

    monkeypatch.setattr(BoostedTrees, "fit", keep)
    last = few.groupby("user").cumcount(ascending=False) < 3
    for frame in (few, few.assign(rating=few["rating"].where(~last | (few["user"] != few["user"][0]), 1.0))):
        fit_like_trees(frame, user_histories(frame), info, 0, 2, (0.5,), 40, 10, lambda done: None)
    changed = (~np.isclose(seen[0], seen[1])).any(axis=1)
    users = [few["user"][0] in group for group in user_folds(few["user"].unique().tolist(), 2, 0)]
    half = sum(
        min(40, len(own) - len(own) // 2)
        for user, own in user_histories(few).items()
        if user in user_folds(few["user"].unique().tolist(), 2, 0)[0]
    )
    own_fold = changed[:half] if users[0] else changed[half:]
    assert changed.any()
    assert not own_fold.any()


def test_an_item_outside_the_catalogue_is_named(model: EvidenceModel, ratings: pd.DataFrame, info: ItemInfo) -> None:
    with pytest.raises(IndexError, match="item index 1682 is outside the catalogue of 1682"):
        model.features([(Event(1682, 4.0),)])
    with pytest.raises(IndexError, match="item index 9999 is outside"):
        Taste.fit(ratings.assign(item=9999), info)


def test_taste_without_years_or_genres_works() -> None:
    frame = pd.DataFrame({"user": ["a", "a", "b", "b"], "item": [0, 1, 0, 2], "rating": [5.0, 2.0, 4.0, 3.0]})
    taste = Taste.fit(frame, ItemInfo(np.zeros((3, 0), dtype=np.float32), np.full(3, np.nan)))
    assert np.isfinite(taste.features([(), (Event(0, 5.0),)])).all()
