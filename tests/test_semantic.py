"""Semantic similarity: soft wishes rank items by what they mean, on MovieLens-100K's titles and genres alone."""

from __future__ import annotations

import numpy as np
import pytest

from agent.data.dataset import load_dataset
from agent.policy.loading import Foundation
from agent.policy.semantic import SemanticSimilarity
from agent.recommender import Recommender
from agent.records.state import Event, State
from agent.retrieval.text_encoder import TextEncoder, encoder_path


@pytest.fixture(scope="module")
def semantic(recommender: Recommender) -> SemanticSimilarity:
    found = recommender.policy.semantic
    assert isinstance(found, SemanticSimilarity)
    return found


def _best(semantic: SemanticSimilarity, recommender: Recommender, wish: str, k: int = 20) -> list[tuple[str, ...]]:
    known = np.flatnonzero(recommender.catalogue.rating_count >= 100)
    scores = semantic.scores([wish])[known]
    return [recommender.catalogue[int(known[place])].categories for place in np.argsort(-scores)[:k]]


@pytest.mark.parametrize(
    ("wish", "genres", "never"),
    [
        ("feel-good", {"Comedy", "Romance", "Children", "Musical"}, "Horror"),
        ("for a rainy Sunday with kids", {"Children", "Animation"}, "Crime"),
        ("something mind-bending", {"Sci-Fi", "Mystery"}, "Children"),
        ("gangsters and the mob", {"Crime"}, "Children"),
    ],
)
def test_a_soft_wish_finds_films_of_its_kind(
    semantic: SemanticSimilarity, recommender: Recommender, wish: str, genres: set[str], never: str
) -> None:
    best = _best(semantic, recommender, wish)
    assert sum(bool(genres & set(own)) for own in best) >= 17
    assert not any(never in own for own in best)


def test_scores_are_standard_and_silent_without_a_wish(semantic: SemanticSimilarity, recommender: Recommender) -> None:
    scores = semantic.scores(["an eerie old house"])
    assert scores.shape == (len(recommender.catalogue),) and scores.dtype == np.float32
    assert abs(float(scores.mean())) < 1e-3 and abs(float(scores.std()) - 1) < 1e-3
    assert not semantic.scores([]).any() and not semantic.scores(["  "]).any()


def test_a_refusal_counts_against(semantic: SemanticSimilarity) -> None:
    wish, refusal = semantic.scores(["too scary"]), semantic.scores(["not too scary"])
    np.testing.assert_allclose(refusal, -0.7 * wish, rtol=1e-5)


def test_the_reader_tells_every_genre(semantic: SemanticSimilarity) -> None:
    told = semantic.categories("cowboys on the wild frontier")
    assert len(told) == 18 and max(told, key=lambda genre: told[genre]) == "Western"


def test_the_policy_weighs_meaning_with_taste(recommender: Recommender) -> None:
    policy = recommender.policy.instead_of_lm()
    history = tuple(Event(item, 5.0) for item in (0, 49, 180))
    wish, silent = State(history, "something mind-bending", goal="request"), State(history, goal="request")
    assert not policy.semantic_logits([silent], len(recommender.catalogue)).any()
    assert not policy.semantic_logits([State(history, "mind-bending", goal="like")], len(recommender.catalogue)).any()
    with_it, without = policy.scores([wish])[0], policy.without_semantic().scores([wish])[0]
    expected = policy.semantic_logits([wish], len(recommender.catalogue))
    np.testing.assert_allclose(with_it - without, expected, atol=1e-4)
    assert policy.without_semantic().version.endswith("without-semantic")


def test_vectors_are_unit_and_do_not_depend_on_the_batch() -> None:
    path = encoder_path()
    assert path is not None
    encoder = TextEncoder.load(path)
    texts = ["a heist", "", "two people fall in love in Paris " * 40]
    together = encoder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(together[:1], encoder.encode(texts[:1]), atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.width)


def test_moods_and_subjects_of_strangers_are_not_answered_by_what_is_best_known() -> None:
    foundation = Foundation.of(load_dataset("films"))
    recommender = Recommender(foundation.catalogue, foundation.policy(), {})
    assert foundation.semantic is not None
    best_known = set(np.argsort(-foundation.catalogue.rating_count)[:20].tolist())
    slates = []
    for wish in ("a good courtroom drama", "a sad film, I need a good cry", "a scary film about a haunted house"):
        answer = recommender.recommend(ask=wish, k=5)
        shown = [foundation.catalogue.index(item.item_id) for item in answer.items]
        fit = foundation.semantic.scores([wish])
        assert sum(fit[item] > np.quantile(fit, 0.95) for item in shown) >= 3, (wish, [i.title for i in answer.items])
        slates.append(set(shown))
    assert not set.intersection(*slates) and len(set.union(*slates) & best_known) <= 3
