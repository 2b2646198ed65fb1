"""Evaluation of reward models: figures against their definitions, files of scores, text classifiers, best of n."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from typer.testing import CliRunner

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import base_model_path
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import EvidenceModel
from agent.records.state import Event
from eval.metrics import cluster_bootstrap
from eval.resampling import UserBootstrap, ratio
from eval.reward.best_of_n import best_of_n, pick_chances
from eval.reward.figures import calibration_statistic, slices, statistics
from eval.reward.pairs import RatedPairs, ScoreError, Scores
from eval.reward.report import evaluate_reward
from eval.reward.score_file import read_scores
from eval.reward.sources import score_model
from training.reward.calibration import auc_by_group, calibration_error
from training.splits import Slate, past_and_future, rated_slates
from ui.cli.main import app


@pytest.fixture(scope="module")
def pairs(dataset: Dataset) -> RatedPairs:
    parts = past_and_future(indexed_ratings(dataset))
    slates = rated_slates(parts)[:120]
    future = parts.future
    keys = zip(future["user"], future["item"].tolist(), strict=True)
    return RatedPairs.of(slates, dict(zip(keys, future["timestamp"].astype(float), strict=True)))


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset.only(past_and_future(indexed_ratings(dataset)).past))


@pytest.fixture(scope="module")
def mean_rating(pairs: RatedPairs, catalogue: Catalogue) -> np.ndarray:
    """The items' mean ratings in the past, rounded so that there are ties."""
    found: np.ndarray = np.nan_to_num(catalogue.mean_rating[pairs.items], nan=3.0).round(1)
    return found


def no_evidence() -> EvidenceModel:
    raise AssertionError("nobody should ask for evidence here")


def test_pairs_know_their_user_item_stars_and_times(pairs: RatedPairs, dataset: Dataset) -> None:
    given = dataset.ratings.set_index(["user", "item"])
    for row in (0, 57, len(pairs) - 1):
        rating = given.loc[(pairs.users[row], dataset.items["item"][pairs.items[row]])]
        assert (pairs.stars[row], pairs.times[row]) == (rating["rating"], rating["timestamp"])
        assert pairs.history_length[row] == len(pairs.slates[pairs.slate[row]].history)
    assert (pairs.history_age >= 0).all()
    assert [len(rows) for rows in pairs.rows_of_slates()] == [len(slate.items) for slate in pairs.slates]


def test_figures_equal_the_libraries(pairs: RatedPairs, mean_rating: np.ndarray) -> None:
    probabilities, stars = mean_rating / 5, np.clip(mean_rating, 1, 5)
    users = UserBootstrap(pairs.users.tolist(), resamples=50)
    found = {
        name: users.value(statistic)
        for name, statistic in statistics(mean_rating, probabilities, stars, pairs, users).items()
    }
    likes = pairs.likes
    assert found["auc"] == pytest.approx(roc_auc_score(likes, mean_rating), abs=1e-12)
    within, _ = auc_by_group(mean_rating, likes, pairs.users.tolist())
    assert found["auc_within_user"] == pytest.approx(within.mean())
    assert found["brier"] == pytest.approx(brier_score_loss(likes, probabilities))
    assert found["log_loss"] == pytest.approx(log_loss(likes, probabilities))
    assert found["ece"] == pytest.approx(calibration_error(probabilities, likes))
    assert found["rating_rmse"] == pytest.approx(np.sqrt(np.mean((stars - pairs.stars) ** 2)))
    right = compared = 0.0
    taus = []
    for rows in pairs.rows_of_slates():
        for one, two in itertools.permutations(rows, 2):
            if pairs.stars[one] > pairs.stars[two]:
                compared += 1
                right += (mean_rating[one] > mean_rating[two]) + 0.5 * (mean_rating[one] == mean_rating[two])
        if np.ptp(pairs.stars[rows]):
            taus.append(kendalltau(mean_rating[rows], pairs.stars[rows]).statistic)
    assert found["pairwise_accuracy"] == pytest.approx(right / compared)
    assert found["rating_agreement"] == pytest.approx(np.mean(taus))


def test_intervals_are_the_cluster_bootstrap(pairs: RatedPairs, mean_rating: np.ndarray) -> None:
    users = UserBootstrap(pairs.users.tolist(), resamples=400, seed=3)
    sums = users.by_user(mean_rating, np.ones(len(pairs)))
    interval = users.interval(ratio(sums[:, 0], sums[:, 1]))
    wanted = cluster_bootstrap(mean_rating, pairs.users.tolist(), resamples=400, seed=3)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((wanted.mean, wanted.low, wanted.high))


@pytest.mark.parametrize("users", [20, 200])
def test_the_calibration_error_of_true_probabilities_lies_in_its_interval(users: int) -> None:
    rng = np.random.default_rng(users)
    names = [f"u{n}" for n in range(users) for _ in range(10)]
    chances = rng.uniform(size=len(names))
    drawn = UserBootstrap(names, resamples=400)
    error = drawn.centred_interval(calibration_statistic(chances, rng.uniform(size=len(names)) < chances, drawn))
    assert 0 <= error.low <= error.mean <= error.high


def test_differences_are_paired(pairs: RatedPairs, mean_rating: np.ndarray) -> None:
    users = UserBootstrap(pairs.users.tolist(), resamples=400)
    sums = users.by_user(mean_rating, mean_rating + 0.01, np.ones(len(pairs)))
    one, two = ratio(sums[:, 0], sums[:, 2]), ratio(sums[:, 1], sums[:, 2])
    same, shifted = users.difference(one, one), users.difference(two, one)
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    assert shifted.low == pytest.approx(0.01) == shifted.high and shifted.p <= 1 / 401


def test_best_of_n_is_the_mean_over_all_draws() -> None:
    scores, gains = np.array([0.3, 0.9, 0.3, 0.1, 0.5]), np.array([1.0, 0.0, 0.0, 0.0, 1.0])
    for n in range(1, 6):
        picks = []
        for drawn in itertools.combinations(range(5), n):
            own = scores[list(drawn)]
            picks.append(gains[[k for k in drawn if scores[k] == own.max()]].mean())
        chance = pick_chances(scores, n)
        assert chance.sum() == pytest.approx(1) and chance @ gains == pytest.approx(np.mean(picks))
    assert pick_chances(scores, 9).tolist() == [0, 1, 0, 0, 0]
    with pytest.raises(ValueError, match="the best of 0 out of 5"):
        pick_chances(scores, 0)


def test_a_model_that_exploits_shows_a_gap(pairs: RatedPairs, catalogue: Catalogue) -> None:
    # It is sure of whatever few people have rated, and is right about the rest.
    rare = catalogue.rating_count[pairs.items] < 20
    claims = np.where(rare, 0.99, np.where(pairs.likes, 0.7, 0.3))
    honest = np.where(pairs.likes, 0.7, 0.3)
    steps = {name: best_of_n(own, own, pairs) for name, own in (("claims", claims), ("honest", honest))}
    gap = {name: [(s.belief - s.click).mean() for s in own] for name, own in steps.items()}
    assert gap["claims"][-1] > 0.3 > gap["claims"][0] > 0 and max(gap["honest"]) < 0.1
    assert steps["claims"][-1].click.mean() < steps["honest"][-1].click.mean()


def _oracle(pairs: RatedPairs, model: str = "oracle") -> Scores:
    return Scores(model, pairs.stars.copy(), (pairs.stars - 0.5) / 5)


def test_the_report_has_stable_keys_and_bounds(
    pairs: RatedPairs, catalogue: Catalogue, mean_rating: np.ndarray
) -> None:
    flat = Scores("flat", np.zeros(len(pairs)))
    report = evaluate_reward([_oracle(pairs), flat], pairs, catalogue, resamples=100)
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    best, worst = found["rows"]
    figures = {
        "auc", "auc_within_user", "pairwise_accuracy", "ece", "brier", "log_loss", "rating_rmse", "click_agreement",
        "rating_agreement",
    }  # fmt: skip
    assert set(best["ci"]) == figures and figures <= set(best) and set(found) == {
        "pairs", "slates", "users", "missing", "rows", "paired",
    }  # fmt: skip
    assert best["auc"] == best["auc_within_user"] == best["pairwise_accuracy"] == 1
    assert worst["auc"] == worst["auc_within_user"] == worst["pairwise_accuracy"] == 0.5
    assert worst["rating_agreement"] == 0 < best["rating_agreement"] and worst["probabilities"] == "fitted"
    assert best["rating_rmse"] < 0.01 < worst["rating_rmse"]
    clicks = [step["click_rate"] for step in best["best_of_n"]]
    assert clicks == sorted(clicks) and clicks[0] == pytest.approx(worst["best_of_n"][-1]["click_rate"])
    assert found["paired"]["auc"]["mean"] == 0.5 and found["paired"]["auc"]["p"] < 0.05
    assert {own["slice"] for own in best["slices"]} == {
        "past of the user", "ratings of the item", "age of the past", "genre",
    }  # fmt: skip


def test_slices_part_the_pairs(pairs: RatedPairs, catalogue: Catalogue) -> None:
    found = list(slices(pairs, catalogue))
    for kind in ("past of the user", "ratings of the item", "age of the past"):
        assert sum(own.rows.sum() for own in found if own.kind == kind) == len(pairs)
    rare = next(own for own in found if own.name == "under 5 ratings")
    assert (catalogue.rating_count[pairs.items[rare.rows]] < 5).all()


def test_a_scale_changes_no_order_and_is_fitted(
    pairs: RatedPairs, catalogue: Catalogue, mean_rating: np.ndarray
) -> None:
    one = evaluate_reward([Scores("stars", mean_rating)], pairs, catalogue, resamples=100).rows[0]
    two = evaluate_reward([Scores("more", 100 * mean_rating - 7)], pairs, catalogue, resamples=100).rows[0]
    assert one["probabilities"] == "fitted" and one["ece"] < 0.06
    for name in one["ci"]:
        assert one[name] == pytest.approx(two[name], rel=1e-6)
    with pytest.raises(ScoreError, match=r"bad: 1\.5 is no probability \(pair 1\)"):
        bad = np.full(len(pairs), 1.5)
        evaluate_reward([Scores("bad", bad, bad)], pairs, catalogue)


def _frame(pairs: RatedPairs, dataset: Dataset, scores: np.ndarray) -> pd.DataFrame:
    items = dataset.items["item"].to_numpy()[pairs.items]
    return pd.DataFrame({"user": pairs.users, "item": items, "score": scores})


def _ids(catalogue: Catalogue) -> dict[str, int]:
    return {item.item_id: item.index for item in catalogue.items}


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_files_of_scores_are_read_alike(
    pairs: RatedPairs, dataset: Dataset, catalogue: Catalogue, mean_rating: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    frame = _frame(pairs, dataset, mean_rating / 5).sample(frac=1.0, random_state=0)
    path = tmp_path / f"scores{suffix}"
    writers: dict[str, Callable[[], Any]] = {
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True, double_precision=15),
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path, index=False),
    }
    writers[suffix]()
    scores = score_model(str(path), pairs, catalogue, no_evidence)
    np.testing.assert_allclose(scores.values, mean_rating / 5)
    assert scores.probabilities is not None and scores.notes == () and scores.model == path.name


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"user": "1", "item": "50"}', "line 2: field 'score' is missing"),
        ('{"user": "1", "item": "50", "score": "high"}', "line 2: field 'score': "),
        ('{"user": "1", "item": "50", "score": NaN}', "line 2: field 'score': "),
        ('{"user": "1", "item": "50", "score": true}', "line 2: field 'score': must be a finite number"),
        ('{"user": "1", "item": ["50"], "score": 1}', "line 2: field 'item': must be an id"),
        ('{"user": "1", "item": "x9", "score": 1}', "line 2: item 'x9' is not in the catalogue: ids look like 1, 2, 3"),
        ('{"user": "1", "item": "50", "score": 1, "rank": 2}', "line 2: unknown field 'rank'"),
        (
            '{"user": "7", "item": "1", "score": 0.5}',
            "line 2: user '7', item '1' stood in scores.jsonl, line 1",
        ),
        ("{user: 1}", "line 2: not JSON"),
        ("[1, 2]", "line 2: a line must hold one JSON object"),
    ],
)
def test_malformed_rows_are_named(
    pairs: RatedPairs, catalogue: Catalogue, tmp_path: Path, line: str, complaint: str
) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text('{"user": 7, "item": 1, "score": 0.5}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(ScoreError) as caught:
        read_scores(path, pairs, _ids(catalogue))
    assert complaint in str(caught.value) and str(path) in str(caught.value)


def test_malformed_tables_are_named(pairs: RatedPairs, catalogue: Catalogue, tmp_path: Path) -> None:
    cases = {
        "a.csv": ("user,item\n1,50\n", "row 2: field 'score' is missing"),
        "b.csv": ("user,item,score\n1,50,0.5,9\n", "row 2: has more fields than the header"),
        "c.csv": ("user,item,score\n1,50,\n", "row 2: field 'score' is missing"),
        "d.parquet": ("no parquet", "cannot be read as Parquet"),
        "e.json": (
            '[{"user": "1", "item": "50", "score": 0.8}]',
            r"unknown kind of file '\.json': give one of",
        ),
        "f.jsonl": ('[{"user": "1", "item": "50", "score": 0.8}]', "write one object a line"),
    }
    for name, (text, complaint) in cases.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(ScoreError, match=complaint):
            read_scores(tmp_path / name, pairs, _ids(catalogue))
    pd.DataFrame({"user": ["1"], "film": ["50"], "score": [1.0]}).to_parquet(tmp_path / "e.parquet")
    with pytest.raises(ScoreError, match="row 1: field 'item' is missing"):
        read_scores(tmp_path / "e.parquet", pairs, _ids(catalogue))


def test_missing_pairs_are_refused_or_counted(
    pairs: RatedPairs, catalogue: Catalogue, dataset: Dataset, mean_rating: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "most.csv"
    _frame(pairs, dataset, mean_rating)[3:].to_csv(path, index=False)
    most = score_model(str(path), pairs, catalogue, no_evidence)
    first = catalogue[int(pairs.items[0])].item_id
    with pytest.raises(ScoreError, match=rf"most\.csv: 3 of .* the first is user '1', item '{first}'"):
        evaluate_reward([most], pairs, catalogue)
    report = evaluate_reward([most, _oracle(pairs)], pairs, catalogue, allow_missing=True, resamples=100)
    assert report.missing == {"most.csv": 3, "oracle": 0} and report.pairs == len(pairs) - 3


@pytest.mark.parametrize("labels", [1, 2])
def test_any_text_classifier_can_be_judged(
    pairs: RatedPairs, catalogue: Catalogue, tmp_path: Path, labels: int
) -> None:
    few = RatedPairs.of(pairs.slates[:2])
    scores = score_model(_classifier(tmp_path, labels), few, catalogue, no_evidence, max_history=3)
    assert np.isfinite(scores.values).all() and len(set(scores.values.round(6))) > 5
    assert scores.probabilities is not None and ((scores.probabilities > 0) & (scores.probabilities < 1)).all()


def _classifier(folder: Path, labels: int) -> str:
    tokenizer = AutoTokenizer.from_pretrained(base_model_path())
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(
        "qwen2", vocab_size=len(tokenizer), num_key_value_heads=2, num_labels=labels, pad_token_id=0, **sizes
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_other_models_are_refused_by_name(pairs: RatedPairs, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"has 5 labels \(LABEL_0, .* one output"):
        score_model(_classifier(tmp_path, 5), pairs, catalogue, no_evidence)
    with pytest.raises(ScoreError, match=r"'no/such' is no reward model that can be read"):
        score_model("no/such", pairs, catalogue, no_evidence)
    with pytest.raises(prompts.PromptError, match="of role state: give one of role reward-text"):
        folder = tmp_path / "two"
        score_model(_classifier(folder, 2), pairs, catalogue, no_evidence, template="state")


def test_what_a_text_classifier_reads(catalogue: Catalogue) -> None:
    star_wars = catalogue.index("50")
    slate = Slate("9", (Event(star_wars, 5.0),), (catalogue.index("318"),), (4.0,))
    from eval.reward.sources import pair_texts

    class Plain:
        chat_template = None

    (text,) = pair_texts(RatedPairs.of([slate]), catalogue, "reward-text", 10, Plain())
    assert text == (
        "Films rated by the user, in stars of 5:\n- Star Wars (1977), action, adventure, romance, sci-fi, war: 5\n"
        "Will the user like Schindler's List (1993), drama, war?\n"
    )


def test_the_verb_judges_a_file_on_all_slates(dataset: Dataset, catalogue: Catalogue, tmp_path: Path) -> None:
    every = RatedPairs.of(rated_slates(past_and_future(indexed_ratings(dataset))))
    mean = np.nan_to_num(catalogue.mean_rating[every.items], nan=3.0)
    wanted = CliRunner().invoke(app, ["eval", "reward-pairs", str(tmp_path / "mean.csv"), "--json"])
    assert json.loads(wanted.stdout)["pairs"] == len(every)
    asked = pd.read_csv(tmp_path / "mean.csv", dtype=str)
    assert asked["score"].isna().all()
    asked.assign(score=mean).to_csv(tmp_path / "mean.csv", index=False)
    found = CliRunner().invoke(
        app, ["eval", "reward", "--model", str(tmp_path / "mean.csv"), "--resamples", "100", "--json"]
    )
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert (report["slates"], report["users"], report["data"]) == (982, 599, "ml-100k")
    (row,) = report["rows"]
    picks = [every.likes[rows][mean[rows] == mean[rows].max()].mean() for rows in every.rows_of_slates()]
    assert row["best_of_n"][-1]["click_rate"] == pytest.approx(np.mean(picks)) and 0.6 < row["auc_within_user"] < 0.75
    again = CliRunner().invoke(app, ["eval", "reward", "--model", "x.csv", "--against", "x.csv"])
    assert again.exit_code == 2 and "'x.csv' is given twice" in again.output
