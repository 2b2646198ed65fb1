"""Ranked lists: our figures are the library's, and come out the same from the dumped lists."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.records.state import Event, State
from eval.metrics import cluster_bootstrap
from eval.protocols import leave_one_out, rated_slates
from eval.ranking import methods
from eval.ranking.cache import RankingCache
from eval.ranking.cases import Cases
from eval.ranking.comparison import PROTOCOLS, evaluate
from eval.ranking.list_metrics import CUTOFFS, ItemTraits, accuracy, beyond_accuracy, history_bands, item_band, spread
from eval.ranking.lists import rank, rank_all
from eval.ranking.methods import Fitted
from eval.ranking.run import Method, RankingError, RankingRun
from eval.ranking.table import Table, make_table
from eval.resampling import UserBootstrap
from training import splits
from ui.cli.main import app


def some_cases(count: int = 60, n_items: int = 80, most: int = 5, seed: int = 0) -> Cases:
    """Cases of 30 users, with 12 to 60 candidates, none to ``most`` of them relevant."""
    rng = np.random.default_rng(seed)
    candidates = [rng.permutation(n_items)[: rng.integers(12, 60)] for _ in range(count)]
    return Cases(
        "made up",
        "by chance",
        tuple(f"u{k % 30}" for k in range(count)),
        tuple(State(tuple(Event(int(i)) for i in range(int(rng.integers(0, 300))))) for _ in range(count)),
        tuple(candidates),
        tuple(own[: rng.integers(0, most + 1)] for own in candidates),
    )


def some_scores(cases: Cases, seed: int = 1) -> list[np.ndarray]:
    """Scores with ties."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=len(own)).round(1) for own in cases.candidates]


@pytest.fixture(scope="module")
def held(dataset: Dataset) -> splits.LeaveOneOut:
    return splits.leave_one_out(indexed_ratings(dataset))


def test_figures_equal_the_librarys() -> None:
    pytest.importorskip("lenskit")
    from lenskit.data import ItemList
    from lenskit.metrics import NDCG, Hit, Precision, Recall, RecipRank
    from lenskit.metrics.ranking import AveragePrecision
    from lenskit.metrics.ranking._weighting import LogRankWeight

    cases = some_cases()
    lists = rank(cases, some_scores(cases))
    ours = accuracy(lists, len(cases))
    by_case = {case: lists[lists["case"] == case] for case in range(len(cases))}
    for k in CUTOFFS:
        library: dict[str, Any] = {
            "precision": Precision(n=k),
            "hr": Hit(n=k),
            "ndcg": NDCG(n=k, weight=LogRankWeight(offset=1)),
            "mrr": RecipRank(n=k),
            "map": AveragePrecision(n=k),
            "recall": Recall(n=k),
        }
        for case, own in by_case.items():
            right = ItemList(item_ids=own["item"][own["relevant"]].to_numpy())
            shown = ItemList(item_ids=own["item"][own["rank"] <= 20].to_numpy(), ordered=True)
            for name, metric in library.items():
                if not len(right) and name != "precision":
                    assert math.isnan(ours[f"{name}@{k}"][case])
                    continue
                # The library divides hits by no more than k; we by all that is relevant.
                expected = metric.measure_list(shown, right) * (
                    min(len(right), k) / len(right) if name == "recall" else 1
                )
                assert ours[f"{name}@{k}"][case] == pytest.approx(expected, abs=1e-6), (name, k, case)


def test_concentration_equals_the_librarys() -> None:
    stats = pytest.importorskip("lenskit.stats")
    cases = some_cases()
    lists = rank(cases, some_scores(cases))
    counts = np.bincount(lists["item"][lists["rank"] <= 10], minlength=80)
    assert spread(lists, 80)["gini@10"] == pytest.approx(stats.gini(counts), abs=1e-6)
    assert spread(lists, 80)["coverage@10"] == (counts > 0).mean()


def test_beyond_accuracy_by_hand() -> None:
    cases = Cases("x", "y", ("a",), (State(),), (np.array([0, 1, 2]),), (np.array([0]),))
    genres = np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)
    traits = ItemTraits(np.array([8, 4, 0]), 16, genres)
    found = beyond_accuracy(rank(cases, [np.array([3.0, 2.0, 1.0])]), 1, traits)
    assert found["novelty@10"][0] == pytest.approx((1 + 2 + 4) / 3)
    assert found["popularity@10"][0] == pytest.approx(4)
    assert found["diversity@10"][0] == pytest.approx(1 - (2 * math.sqrt(0.5) + 0) / 3)


def test_ties_are_broken_alike_everywhere() -> None:
    cases = some_cases(40)
    flat = {"flat": lambda part: [np.zeros(len(own)) for own in part.candidates]}
    whole, parts = rank_all(cases, flat)["flat"], rank_all(cases, flat, batch=7)["flat"]
    pd.testing.assert_frame_equal(whole, parts)
    backwards = dataclasses.replace(cases, candidates=tuple(own[::-1] for own in cases.candidates))
    assert rank_all(backwards, flat)["flat"]["item"].tolist() == whole["item"].tolist()
    first = whole[whole["rank"] == 1]["item"].to_numpy()
    assert len(set(first)) > 10 and 20 < first.mean() < 60  # neither by number nor the same for all


def test_a_scorer_that_answers_wrongly_is_named() -> None:
    with pytest.raises(ValueError, match=r"broken: case 0: \(2,\) scores for \(\d+,\) candidates"):
        rank_all(some_cases(3), {"broken": lambda part: [np.zeros(2) for _ in part.candidates]})
    with pytest.raises(ValueError, match=r"broken: 1 lists of scores for 3 cases"):
        rank_all(some_cases(3), {"broken": lambda part: [np.zeros(2)]})


def test_sampled_users_are_the_same_everywhere() -> None:
    cases = some_cases()
    some = cases.of_some_users(10)
    assert len(set(some.users)) == 10 and some.population == 30
    again = cases.take(range(len(cases) - 1, -1, -1)).of_some_users(10)
    assert set(some.users) == set(again.users) != set(cases.of_some_users(10, seed=1).users)
    with pytest.raises(ValueError, match="0 users"):
        cases.of_some_users(0)


def test_bands_split_people_and_items() -> None:
    cases = some_cases()
    inside = np.stack([own for _, own in history_bands(cases)])
    assert (inside.sum(axis=0) == 1).all()
    count = np.array([0, 50, 25, 10, 10, 5])
    traits = ItemTraits(count, 60, np.zeros((6, 1), dtype=bool))
    assert item_band(traits).tolist() == [2, 0, 1, 1, 2, 2]


def one_table(dataset: Dataset, held: splits.LeaveOneOut, keep: list[pd.DataFrame]) -> Table:
    """Popularity and item mean, leave-one-out."""
    run = RankingRun(keep=keep.append, users=200)
    fitted = Fitted(dataset, held.train, run)
    rows = [methods.popularity(fitted), methods.item_mean(fitted)]
    cases = leave_one_out.cases(held, fitted.n_items)
    return make_table(cases, rows, fitted.traits, fitted.item_ids, dataset.fingerprint, leave_one_out.HEADLINE, run)


def again(dump: pd.DataFrame, catalogue: Catalogue, users: int) -> dict[str, float]:
    """Every figure from the dumped rows of one policy, written down as the definitions say."""
    totals: dict[str, list[float]] = {}
    shown: dict[str, int] = {}
    for _, own in dump.groupby("case"):
        ranks = sorted(own["rank"][own["relevant"]])
        length = int((own["rank"] <= 20).sum())
        figures: dict[str, float] = {}
        if ranks:
            figures["mrr"] = 1 / ranks[0]
        for k in (1, 5, 10, 20):
            hits = [r for r in ranks if r <= k]
            figures[f"precision@{k}"] = len(hits) / min(k, length)
            if not ranks:
                continue
            p, r = figures[f"precision@{k}"], len(hits) / len(ranks)
            figures[f"recall@{k}"] = r
            figures[f"f1@{k}"] = 2 * p * r / (p + r) if hits else 0.0
            figures[f"hr@{k}"] = 1.0 if hits else 0.0
            figures[f"mrr@{k}"] = 1 / hits[0] if hits else 0.0
            best = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(ranks)) + 1))
            figures[f"ndcg@{k}"] = sum(1 / math.log2(place + 1) for place in hits) / best
            figures[f"map@{k}"] = sum((n + 1) / r for n, r in enumerate(hits)) / min(len(ranks), k, length)
        top = [catalogue[catalogue.index(item)] for item in own["item"][own["rank"] <= 10]]
        count = [int(catalogue.rating_count[item.index]) for item in top]
        figures["novelty@10"] = sum(-math.log2(max(c, 1) / users) for c in count) / len(top)
        figures["popularity@10"] = sum(count) / len(top)
        far = []
        for a in range(len(top)):
            for b in range(a):
                one, other = set(top[a].categories), set(top[b].categories)
                far.append(1 - len(one & other) / math.sqrt(max(1, len(one)) * max(1, len(other))))
        figures["diversity@10"] = sum(far) / len(far)
        if own["rating"].notna().all():
            first = own[own["score"] == own["score"].max()]
            figures["click_rate"], figures["stars"] = float(first["relevant"].mean()), float(first["rating"].mean())
        for item in top:
            shown[item.item_id] = shown.get(item.item_id, 0) + 1
        for name, value in figures.items():
            totals.setdefault(name, []).append(value)
    means = {name: sum(values) / len(values) for name, values in totals.items()}
    times = sorted([0] * (len(catalogue) - len(shown)) + list(shown.values()))
    n = len(times)
    means["coverage@10"] = len(shown) / n
    means["gini@10"] = sum((2 * (k + 1) - n - 1) * x for k, x in enumerate(times)) / (n * sum(times))
    return means


@pytest.mark.parametrize("protocol", ["leave-one-out", "rated-slate"])
def test_all_figures_come_out_of_the_dump(
    dataset: Dataset, held: splits.LeaveOneOut, protocol: str, tmp_path: Path
) -> None:
    kept: list[pd.DataFrame] = []
    if protocol == "leave-one-out":
        past = held.train
        table = one_table(dataset, held, kept)
    else:
        parts = splits.past_and_future(indexed_ratings(dataset))
        past = parts.past
        run = RankingRun(keep=kept.append, users=150)
        fitted = Fitted(dataset, past, run)
        rows = [*rated_slates.bounds(), methods.popularity(fitted), methods.item_mean(fitted)]
        cases = rated_slates.cases(splits.rated_slates(parts))
        table = make_table(cases, rows, fitted.traits, fitted.item_ids, "x", rated_slates.HEADLINE, run)
    file = tmp_path / "out.parquet"
    pd.concat(kept).to_parquet(file, index=False)
    dumped = pd.read_parquet(file)
    assert dumped["rank"].min() == 1
    catalogue = Catalogue(dataset.only(past))
    for row in table.to_json():
        figures = again(dumped[dumped["policy"] == row["policy"]], catalogue, past["user"].nunique())
        assert set(figures) == set(row["ci"]) | {"coverage@10", "gini@10"}
        for name, value in figures.items():
            assert row[name] == pytest.approx(value, abs=1e-9), (row["policy"], name)


def test_intervals_are_those_of_the_cluster_bootstrap(dataset: Dataset, held: splits.LeaveOneOut) -> None:
    kept: list[pd.DataFrame] = []
    table = one_table(dataset, held, kept)
    hits = (kept[0].assign(hit=kept[0]["relevant"] & (kept[0]["rank"] <= 10)).groupby("case")["hit"].max()).to_numpy()
    users = kept[0].groupby("case")["user"].first().tolist()
    expected = cluster_bootstrap(hits.astype(np.float64), users)
    found = table.rows[0].figures["hr@10"]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert table.reference == "popularity" and table.notes[0].startswith("200 of 943 users")
    weakest = table.rows[1].differences["ndcg@10"]
    assert weakest.mean == pytest.approx(table.rows[1].figures["ndcg@10"].mean - table.rows[0].figures["ndcg@10"].mean)
    groups = table.to_json()[0]["slices"]
    assert {group["slice"] for group in groups} == {"history", "item popularity"}
    for kind in ("history", "item popularity"):
        own = [group for group in groups if group["slice"] == kind]
        assert sum(group["cases"] for group in own) == 200
        mean = sum(group["cases"] * group["ndcg@10"] for group in own) / 200
        assert mean == pytest.approx(table.to_json()[0]["ndcg@10"])


def test_lists_are_kept_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))
    cases = some_cases()
    traits = ItemTraits(np.arange(80), 100, np.zeros((80, 0), dtype=bool))
    made: list[str] = []

    def method(key: str) -> Method:
        def make() -> Any:
            made.append(key)
            return lambda part: some_scores(part)

        return Method("chance", "baseline", key, make)

    def table(key: str, content: str = "data", fresh: bool = False) -> Table:
        cache = RankingCache(fresh)
        cache.folder = tmp_path / "ranking"
        run = RankingRun(cache=cache)
        return make_table(cases, [method(key)], traits, np.arange(80), content, ("ndcg@10",), run)

    first = table("a").to_json()
    assert table("a").to_json() == first and made == ["a"]
    table("b")
    table("a", content="other data")
    assert made == ["a", "b", "a"]
    assert table("a", fresh=True).to_json() == first and made == ["a", "b", "a", "a"]
    for path in (tmp_path / "ranking").glob("*.parquet"):
        path.write_bytes(b"broken")
    assert table("a").to_json() == first and made == ["a", "b", "a", "a", "a"]


def test_a_group_with_nothing_relevant_has_no_figure() -> None:
    from eval.ranking.table import intervals

    bootstrap = UserBootstrap(["a", "b", "c"])
    found = intervals({"x": np.array([1.0, np.nan, 3.0]), "y": np.full(3, np.nan)}, bootstrap)
    assert list(found) == ["x"] and found["x"].mean == 2.0 and found["x"].low == 1.0


def changed(dataset: Dataset, **columns: Any) -> Dataset:
    return dataclasses.replace(dataset, name="other", ratings=dataset.ratings.assign(**columns))


def test_protocols_say_why_they_do_not_apply(dataset: Dataset) -> None:
    timeless, starless = changed(dataset, timestamp=0), changed(dataset, rating=5.0)
    items = dataset.items.assign(genre=dataset.items["genre"].map(lambda genres: []))
    for name in PROTOCOLS.keys() & {"leave-one-out", "rated-slate", "requests"}:
        with pytest.raises(RankingError, match=f"{name} does not apply to 'other': its ratings have no times"):
            evaluate(timeless, name, RankingRun())
    for name in ("rated-slate", "requests"):
        with pytest.raises(RankingError, match="it has no grades"):
            evaluate(starless, name, RankingRun())
    with pytest.raises(RankingError, match="no categories that a request could ask for"):
        evaluate(dataclasses.replace(dataset, items=items), "requests", RankingRun())
    with pytest.raises(RankingError, match="unknown protocol 'best': use one of leave-one-out"):
        evaluate(dataset, "best", RankingRun())


@pytest.fixture
def runner(recommender: object) -> Iterator[CliRunner]:
    yield CliRunner()


def test_two_rows_are_compared_from_the_command_line(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "lists" / "out.parquet"
    line = ["eval", "ranking", "--protocol", "leave-one-out", "--no-library", "--users", "50", "--json"]
    line += ["--predictions", str(file), "--compare", "popularity", "item mean"]
    found = json.loads(runner.invoke(app, line, catch_exceptions=False).stdout)
    assert [row["policy"] for row in found["rows"]] == ["popularity", "item mean"]
    difference = found["differences"][0]["ndcg@10"]
    assert difference["mean"] == pytest.approx(found["rows"][0]["ndcg@10"] - found["rows"][1]["ndcg@10"])
    assert difference["ci"][0] <= difference["mean"] <= difference["ci"][1]
    dumped = pd.read_parquet(file)
    assert set(dumped.columns) >= {"policy", "case", "user", "rank", "item", "score", "relevant"}
    assert dumped["user"].nunique() == 50
    wrong = runner.invoke(app, [*line[:7], "--compare", "popularity", "fame"])
    assert wrong.exit_code == 2 and "no row 'fame'" in wrong.stderr
    same = runner.invoke(app, [*line[:7], "--compare", "sft", "sft"])
    assert same.exit_code == 2 and "name two" in same.stderr
    refused = runner.invoke(app, ["eval", "policy", "--template", "reward-text"])
    assert refused.exit_code == 2 and "give a template of role 'state'" in refused.stderr
