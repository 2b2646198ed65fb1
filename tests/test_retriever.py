"""The sequence retriever learns order, serves any history and survives a round trip to disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import sparse

from agent.data.interactions import indexed_ratings, item_sequences, user_histories
from agent.retrieval.item_neighbours import ItemNeighbours
from agent.retrieval.sequence_model import RetrieverConfig, SequenceRetriever
from training import splits

if TYPE_CHECKING:
    from agent.data.dataset import Dataset

SMALL = RetrieverConfig(width=16, layers=1, heads=1, length=20, epochs=12, batch=16, rate=1e-2, dropout=0.1)


def chains(count: int, n_items: int = 12) -> list[np.ndarray]:
    """Walks on a circle: after item i comes item i + 1."""
    rng = np.random.default_rng(0)
    return [(rng.integers(n_items) + np.arange(rng.integers(5, 40))) % n_items for _ in range(count)]


@pytest.fixture(scope="module")
def walker() -> SequenceRetriever:
    return SequenceRetriever.fit(chains(120), 12, seed=1, config=SMALL)


def test_learns_what_follows_what(walker: SequenceRetriever) -> None:
    scores = walker.scores([[3, 4, 5], [10, 11], [7]])
    assert scores.argmax(axis=1).tolist() == [6, 0, 8]


def test_scores_are_log_probabilities(walker: SequenceRetriever) -> None:
    scores = walker.scores([[1, 2], [], list(range(12)) * 5])
    assert scores.shape == (3, 12)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1.0, rtol=1e-4)


def test_a_batch_gives_what_single_calls_give(walker: SequenceRetriever) -> None:
    histories = [[1], [4, 5, 6, 7, 8], [], list(range(12)) * 4, [2, 3]]
    together = walker.scores(histories, batch=2)
    for row, history in enumerate(histories):
        np.testing.assert_allclose(together[row], walker.scores([history])[0], atol=1e-5)


def test_only_the_recent_part_of_a_long_history_is_read(walker: SequenceRetriever) -> None:
    recent = (np.arange(20) % 12).tolist()
    np.testing.assert_allclose(walker.scores([[5] * 50 + recent]), walker.scores([recent]), atol=1e-6)


def test_an_empty_history_gets_popularity() -> None:
    sequences = [np.array([0, 1]), np.array([1, 2]), np.array([1, 0])]
    retriever = SequenceRetriever.fit(sequences, 4, config=SMALL)
    assert np.argsort(-retriever.scores([[]])[0]).tolist()[:2] == [1, 0]
    assert np.isfinite(retriever.scores([[]])).all()


def test_the_same_seed_gives_the_same_model_and_leaves_the_global_state_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (SequenceRetriever.fit(chains(20), 12, seed=3, config=SMALL).scores([[1, 2, 3]]) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, SequenceRetriever.fit(chains(20), 12, seed=4, config=SMALL).scores([[1, 2, 3]]))


def test_save_and_load(walker: SequenceRetriever, tmp_path: Path) -> None:
    walker.save(tmp_path / "made")
    loaded = SequenceRetriever.load(tmp_path / "made")
    histories = [[1, 2, 3], []]
    np.testing.assert_array_equal(walker.scores(histories), loaded.scores(histories))
    assert loaded.config == walker.config
    assert loaded.item_embeddings.shape == (12, 16)


def test_progress_reaches_its_end() -> None:
    calls: list[tuple[int, int]] = []
    SequenceRetriever.fit(chains(20), 12, config=SMALL, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1]
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_a_large_catalogue_is_trained_on_samples() -> None:
    config = RetrieverConfig(
        width=16, layers=1, heads=1, length=20, epochs=12, batch=16, rate=1e-2, dropout=0.1, sampled=1_000, negatives=64
    )
    retriever = SequenceRetriever.fit(chains(120), 40_000, seed=1, config=config)
    scores = retriever.scores([[3, 4, 5], [10, 11]])
    assert scores.shape == (2, 40_000)
    assert scores.argmax(axis=1).tolist() == [6, 0]


def test_errors_name_the_value() -> None:
    with pytest.raises(ValueError, match="item index 12 is outside the catalogue of 12"):
        SequenceRetriever.fit([np.array([3, 12])], 12, config=SMALL)
    with pytest.raises(ValueError, match="width 10 is not divisible by heads 4"):
        SequenceRetriever.fit(chains(2), 12, config=RetrieverConfig(width=10, heads=4))


def test_neighbours_are_the_nearest_by_cosine() -> None:
    watched = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]], dtype=np.float64)
    model = ItemNeighbours.fit(sparse.csr_matrix(watched), k=2)
    unit = watched / np.linalg.norm(watched, axis=0)
    cosine = unit.T @ unit - np.eye(4)
    row = model.similarity[0].toarray()[0]
    nearest = np.argsort(-cosine[0])[:2]
    assert set(np.flatnonzero(row)) == set(nearest.tolist())
    assert row[nearest] == pytest.approx(cosine[0][nearest])
    np.testing.assert_allclose(np.asarray(model.neighbours.sum(axis=1)).ravel(), 1.0, rtol=1e-6)


def test_shrinkage_discounts_neighbours_with_few_common_users() -> None:
    # Items 0 and 1 cancel out exactly; 0 and 2 share one user, 0 and 3 share two.
    centred = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 0.0, 1.0]])
    row = ItemNeighbours.fit(sparse.csr_matrix(centred), shrinkage=2.0).similarity[0].toarray()[0]
    assert row == pytest.approx([0, 0, 1 / np.sqrt(2) / (1 + 2), 2 / (2 + 2)])


def test_star_wars_is_near_its_sequels(dataset: Dataset) -> None:
    ratings = indexed_ratings(dataset)
    users = ratings["user"].factorize()[0]
    matrix = sparse.csr_matrix((np.ones(len(users)), (users, ratings["item"])), shape=(943, len(dataset.items)))
    title = dataset.items["title"].tolist()
    row = ItemNeighbours.fit(matrix).similarity[title.index("Star Wars")].toarray()[0]
    assert "Return of the Jedi" in {title[item] for item in np.argsort(-row)[:3]}


@pytest.mark.slow
def test_reaches_the_leave_one_out_figures(dataset: Dataset) -> None:
    """All items ranked, seen ones removed; the figures of the design with a margin for other machines' arithmetic."""
    from eval.protocols import leave_one_out
    from eval.ranking.baselines import whole_catalogue
    from eval.ranking.cases import by_history
    from eval.ranking.run import Part
    from eval.ranking.table import compare_scorers

    # Ties in time in the order of item numbers, as where the figures come from; other orders are easier.
    ratings = indexed_ratings(dataset).sort_values("item", kind="stable")
    parts = splits.leave_one_out(ratings)
    n_items = len(dataset.items)
    model = SequenceRetriever.fit(item_sequences(user_histories(parts.train)), n_items)
    scorer = whole_catalogue(lambda histories: model.scores([[e.item for e in own] for own in histories]))
    known: list[tuple[Part, float, float]] = [("valid", 0.205, 0.103), ("test", 0.162, 0.087)]
    for part, hit, gain in known:
        cases = leave_one_out.cases(parts, n_items, part)
        figures = compare_scorers(cases, {"retriever": by_history(scorer)})["retriever"].figures
        assert figures["hr@10"].mean > hit
        assert figures["ndcg@10"].mean > gain
