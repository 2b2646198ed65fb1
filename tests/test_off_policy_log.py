"""Logs are read whole or refused with the row and the field; policies of our own are asked again at every row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from agent.data.rows import RowError
from agent.policy.distribution import Policy
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.records.impression import Impression, Outcome, Verdict, verdict
from agent.records.state import Event
from agent.store.feedback import FeedbackLog
from eval.metrics import Interval
from eval.off_policy.log import read_log
from eval.off_policy.report import OffPolicyResult, Settings, evaluate_log, paired
from eval.off_policy.samples import Unsupported
from eval.off_policy.target import PolicyTarget, probabilities
from tests.chat_log import pasts_of
from tests.feedback_writer import feedback_event
from ui.cli.main import app

CONVERSATIONS = 30


def _lines(count: int = 400, seed: int = 1) -> list[dict[str, Any]]:
    """A log of three items, one shown at a time; the target likes "c", which is clicked most."""
    rng = np.random.default_rng(seed)
    items, logged, target, chance = ["a", "b", "c"], [0.5, 0.3, 0.2], [0.3, 0.3, 0.4], [0.2, 0.4, 0.8]
    lines = []
    for n in range(count):
        item = int(rng.choice(3, p=logged))
        lines.append(
            {
                "id": f"r{n}",
                "conversation_id": f"c{n // 2}",
                "timestamp": 1000.0 + n,
                "candidates": items,
                "slate": [items[item]],
                "propensities": [logged[item]],
                "candidate_propensities": logged,
                "target_propensities": [target[item]],
                "target_candidate_propensities": target,
                "rewards": [float(rng.random() < chance[item])],
            }
        )
    return lines


def _write(path: Path, lines: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


# Reading


def test_json_lines_and_parquet_give_the_same_estimates(tmp_path: Path) -> None:
    lines = _lines()
    result = evaluate_log(_write(tmp_path / "log.jsonl", lines))
    frame = pd.DataFrame(lines)
    frame.to_parquet(tmp_path / "log.parquet")
    assert evaluate_log(tmp_path / "log.parquet") == result
    by_name = {row.estimator: row.value for row in result.rows}
    truth = 0.3 * 0.2 + 0.3 * 0.4 + 0.4 * 0.8
    assert set(by_name) == {"dm", "ips", "clipped-ips", "snips", "dr", "switch-dr", "iips", "rips"}
    for value in by_name.values():
        assert isinstance(value, Interval)
        assert value.low < truth < value.high
    assert (result.diagnostics.rows, result.diagnostics.clusters) == (400, 200)


def test_features_of_the_file_are_what_the_reward_model_reads(tmp_path: Path) -> None:
    lines = [{**line, "candidate_features": [[0.2], [0.4], [0.8]]} for line in _lines()]
    result = evaluate_log(_write(tmp_path / "log.jsonl", lines), settings=Settings(("dm", "dr")))
    assert all(isinstance(row.value, Interval) and abs(row.value.mean - 0.5) < 0.1 for row in result.rows)
    del lines[3]["candidate_features"]
    with pytest.raises(RowError, match="line 4: field 'candidate_features': give 1 numbers a candidate"):
        evaluate_log(_write(tmp_path / "log.jsonl", lines))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"propensities": [0.0]}, "field 'propensities': 0 for item"),
        ({"propensities": [1.5]}, "field 'propensities[0]': input should be less than or equal to 1.0001, not 1.5"),
        ({"propensities": None}, "field 'propensities' is missing"),
        ({"propensities": [0.5, 0.5]}, "field 'propensities': 2 values where 1 belong"),
        (
            {"target_propensities": ["high"]},
            "field 'target_propensities[0]': input should be a valid number",
        ),
        ({"target_propensities": None}, "field 'target_propensities' is missing"),
        ({"candidate_propensities": [0.5, 0.5, 0.5]}, "field 'candidate_propensities' sums to 1.5"),
        ({"rewards": [float("inf")]}, "field 'rewards[0]': input should be a finite number, not inf"),
        ({"rewards": [True]}, "field 'rewards[0]': input should be a valid number, not True"),
        ({"rewards": None}, "give one of the fields 'rewards' and 'outcomes'"),
        ({"outcomes": []}, "give one of the fields 'rewards' and 'outcomes'"),
        ({"slate": "a"}, "field 'slate': input should be a valid list, not 'a'"),
        ({"slate": ["z"]}, "field 'slate': item 'z' is not among the candidates"),
        ({"candidates": ["a", "b", "c", "a"]}, "field 'candidates': item 'a' is there twice"),
        ({"timestamp": "today"}, "field 'timestamp': input should be a valid number, not 'today'"),
        ({"format": 2}, "field 'format' is 2: this version reads 1"),
        ({"propensity": 0.5}, "unknown field 'propensity'"),
        ({"id": "r0"}, "field 'id': 'r0' stands at log.jsonl, line 1 already"),
    ],
)
def test_malformed_rows_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    lines = _lines(4)
    lines[2] |= changes
    with pytest.raises(RowError, match=r"^log\.jsonl, line 3: ") as error:
        evaluate_log(_write(tmp_path / "log.jsonl", lines))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({"item_id": "z", "kind": "liked"}, "item 'z' is not on the slate"),
        ({"item_id": "a", "kind": "loved"}, "unknown kind of outcome 'loved'"),
        ({"item_id": "a", "kind": "rated", "value": 9}, "rating 9 of item 'a'"),
        ({"item_id": "a", "kind": "liked", "mood": 1}, "mood"),
        ("liked", "an object is needed, not str"),
    ],
)
def test_malformed_outcomes_are_named(tmp_path: Path, outcome: Any, message: str) -> None:
    line = {"slate": ["a"], "propensities": [0.5], "outcomes": [{"item_id": "a", "kind": "seen"}, outcome]}
    with pytest.raises(RowError, match="line 1: field 'outcomes', entry 2: ") as error:
        read_log(_write(tmp_path / "log.jsonl", [line]))
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_lines_that_are_no_objects_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(_lines(1)[0]) + f"\n{text}\n")
    with pytest.raises(RowError, match=r"^log\.jsonl, line 2: "):
        read_log(path)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="is no file"):
        read_log(tmp_path / "nowhere.db")
    (tmp_path / "log.csv").write_text("a")
    with pytest.raises(RowError, match=r"unknown kind of file '.csv'"):
        read_log(tmp_path / "log.csv")
    (tmp_path / "log.parquet").write_text("a")
    with pytest.raises(RowError, match="cannot be read as Parquet"):
        read_log(tmp_path / "log.parquet")
    with pytest.raises(RowError, match="unknown reward 'joy'"):
        read_log(_write(tmp_path / "log.jsonl", _lines(2)), "joy")
    with pytest.raises(RowError, match="none with a slate"):
        evaluate_log(_write(tmp_path / "log.jsonl", [{"slate": [], "propensities": [], "rewards": []}]))
    with pytest.raises(RowError, match="unknown estimator 'oracle'"):
        Settings(("oracle",))


def test_empty_slates_are_counted_and_left_out(tmp_path: Path) -> None:
    lines = [*_lines(), {"slate": [], "propensities": [], "rewards": []}]
    result = evaluate_log(_write(tmp_path / "log.jsonl", lines))
    assert (result.diagnostics.rows, result.diagnostics.empty) == (400, 1)


def test_rows_since_a_time(tmp_path: Path) -> None:
    path = _write(tmp_path / "log.jsonl", _lines(10))
    assert [row.id for row in read_log(path, since=1008.0)] == ["r8", "r9"]
    lines = _lines(2)
    del lines[1]["timestamp"]
    with pytest.raises(RowError, match="line 2: field 'timestamp' is missing"):
        read_log(_write(path, lines), since=5.0)


# Rewards


def _outcome(kind: str, value: float | None = None) -> Outcome:
    return Outcome(conversation_id="c", item_id="1", kind=kind, value=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reactions", "expected"),
    [
        ([], Verdict()),
        ([_outcome("clicked")], Verdict(True)),
        ([_outcome("seen")], Verdict()),
        ([_outcome("liked")], Verdict(True, 5.0)),
        ([_outcome("more")], Verdict(True, 5.0)),
        ([_outcome("less")], Verdict(False, 1.0)),
        ([_outcome("rated", 4)], Verdict(True, 4.0)),
        ([_outcome("rated", 3)], Verdict(False, 3.0)),
        ([_outcome("liked"), _outcome("removed")], Verdict()),
        ([_outcome("clicked"), _outcome("disliked")], Verdict(False, 1.0)),
        ([_outcome("disliked"), _outcome("removed"), _outcome("liked"), _outcome("seen")], Verdict(True, 5.0)),
    ],
)
def test_the_last_opinion_stands(reactions: list[Outcome], expected: Verdict) -> None:
    assert verdict(reactions) == expected


@pytest.mark.parametrize(
    ("reward", "expected"),
    [("click", (1.0, 0.0, 0.0)), ("signed-click", (1.0, -1.0, -1.0)), ("rating", (0.5, -1.0, 0.0))],
)
def test_rewards_are_made_from_outcomes(tmp_path: Path, reward: str, expected: tuple[float, ...]) -> None:
    impression = feedback_event("someone", 0)
    assert isinstance(impression, Impression)
    with FeedbackLog(tmp_path / "concierge.db") as log:
        log.record_impression(impression)
        for item, kind, value in (("50", "rated", 4.0), ("181", "disliked", None)):
            outcome = replace(_outcome(kind, value), conversation_id=impression.conversation_id)
            log.record_outcome(replace(outcome, impression_id=impression.id, item_id=item))
        log.export(tmp_path / "log.jsonl")
        rows = read_log(log, reward)
    assert rows[0].rewards == expected
    for path in ("log.jsonl", "concierge.db"):
        again = read_log(tmp_path / path, reward)[0]
        assert (again.rewards, again.impression) == (expected, impression)


# Policies of our own


@pytest.fixture(scope="module")
def chats(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Policy, FeedbackLog]]:
    """Conversations of two turns with the classical ranker, of people who like comedies."""
    policy = recommender.policy.without_lm()
    users = recommender.users()
    with FeedbackLog(tmp_path_factory.mktemp("chats") / "feedback.db") as log:
        chat = Recommender(recommender.catalogue, policy, pasts_of(recommender), log, explore=True, seed=1)
        for n in range(CONVERSATIONS):
            conversation = Conversation(user=users[n])
            for message in ("something from the 90s", "more"):
                for item in chat.reply(conversation, message, k=3).items:
                    if "Comedy" in item.categories:
                        chat.react(conversation, item.item_id, "liked")
        yield policy, log


def _target(recommender: Recommender, policy: Policy, **options: Any) -> PolicyTarget:
    histories: dict[str, tuple[Event, ...]] = {user: recommender.history(user) for user in recommender.users()}
    return PolicyTarget(policy, recommender.catalogue, histories, **options)


def test_the_policy_that_wrote_the_log_gets_what_it_got(
    recommender: Recommender, chats: tuple[Policy, FeedbackLog]
) -> None:
    policy, log = chats
    result = evaluate_log(log, _target(recommender, policy))
    assert result.diagnostics.approximate == 0
    assert result.diagnostics.unsupported < 1e-6
    assert result.diagnostics.calibration is not None and result.diagnostics.calibration > 0.001
    for row in result.rows:
        assert isinstance(row.value, Interval), row
        if row.weights is not None and row.estimator not in ("dr", "switch-dr"):
            assert row.value.mean == pytest.approx(result.logged.mean, abs=1e-4)
            assert row.weights.mean == pytest.approx(1.0, abs=1e-4)
            assert row.weights.effective == pytest.approx(2 * CONVERSATIONS, rel=1e-4)


def test_the_lm_asked_again_gives_the_logged_propensities(recommender: Recommender, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        chat = Recommender(recommender.catalogue, recommender.policy, pasts_of(recommender), log, explore=True, seed=2)
        for wish in ("something like Alien but funny", "gunslingers and dusty saloons", "a thriller from the 90s"):
            chat.reply(Conversation(user=recommender.users()[0]), wish)
        rows = read_log(log)
    again = probabilities(_target(recommender, recommender.policy), rows)
    assert again.slate == pytest.approx(np.array([row.propensities for row in rows]), rel=1e-6)


def test_the_export_and_the_database_say_the_same(
    recommender: Recommender, chats: tuple[Policy, FeedbackLog], tmp_path: Path
) -> None:
    policy, log = chats
    target = _target(recommender, policy, temperature=0.052 * policy.temperature)
    settings = Settings(("ips", "dr"), resamples=100)
    log.export(tmp_path / "log.jsonl")
    assert evaluate_log(tmp_path / "log.jsonl", target, settings=settings) == evaluate_log(
        log, target, settings=settings
    )


def test_two_policies_are_compared_on_the_same_rows(
    recommender: Recommender, chats: tuple[Policy, FeedbackLog]
) -> None:
    policy, log = chats
    near = _target(recommender, policy, temperature=0.055 * policy.temperature)
    result = paired(log, near, _target(recommender, policy), settings=Settings(("snips", "dr")))
    assert (result.new, result.old) == (f"{policy.version} (new)", f"{policy.version} (old)")
    for row in result.rows:
        assert isinstance(row.new, Interval) and isinstance(row.old, Interval), row
        assert isinstance(row.difference, Interval)
        assert row.difference.mean == pytest.approx(row.new.mean - row.old.mean, abs=1e-12)
        assert row.difference.high - row.difference.low < row.new.high - row.new.low


def test_a_policy_that_is_too_far_away_or_draws_nothing_is_refused(
    recommender: Recommender, chats: tuple[Policy, FeedbackLog]
) -> None:
    policy, log = chats
    for options in ({"temperature": 0.0005}, {"draws": False}):
        result = evaluate_log(log, _target(recommender, policy, **options), settings=Settings(("ips", "snips", "rips")))
        assert all(isinstance(row.value, Unsupported) for row in result.rows), options


def test_rows_without_their_state_are_counted_and_refused(
    recommender: Recommender, chats: tuple[Policy, FeedbackLog], tmp_path: Path
) -> None:
    policy, log = chats
    with FeedbackLog(tmp_path / "old.db") as old:
        for impression in log.impressions():
            old.record_impression(replace(impression, state=None))
        result = evaluate_log(old, _target(recommender, policy), settings=Settings(("ips",), resamples=50))
    assert result.diagnostics.approximate == 2 * CONVERSATIONS
    assert isinstance(result.rows[0].value, Unsupported)
    assert "do not hold the state" in result.rows[0].value.reason


def test_a_log_of_another_catalogue_is_refused(recommender: Recommender, tmp_path: Path) -> None:
    target = _target(recommender, recommender.policy.without_lm())
    with pytest.raises(RowError, match="line 1: no policy can be asked: the row lacks the fields of an impression"):
        evaluate_log(_write(tmp_path / "log.jsonl", _lines(3)), target)
    impression = feedback_event("someone", 0)
    assert isinstance(impression, Impression)
    with FeedbackLog(tmp_path / "other.db") as log:
        log.record_impression(replace(impression, candidates=("50", "181", "1", "x9")))
        with pytest.raises(RowError, match="field 'candidates': no item 'x9'"):
            evaluate_log(log, target)


# Command line


def test_the_verb_prints_estimates_or_the_reason(tmp_path: Path) -> None:
    path = _write(tmp_path / "log.jsonl", _lines())
    done = CliRunner().invoke(app, ["eval", "off-policy", str(path), "--target", "columns", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    expected = evaluate_log(path)
    assert isinstance(expected, OffPolicyResult)
    assert told["supported"] is True
    assert {row["estimator"]: row["value"]["mean"] for row in told["rows"]} == {
        row.estimator: row.value.mean for row in expected.rows if isinstance(row.value, Interval)
    }
    few = _write(tmp_path / "few.jsonl", _lines(6))
    for options in ([], ["--json"]):
        refused = CliRunner().invoke(app, ["eval", "off-policy", str(few), "--target", "columns", *options])
        assert refused.exit_code == 3
        assert "only 3 clusters of rows" in " ".join(refused.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "oracle"], "oracle"),
        (["--target", "columns", "--greedy"], "leave the policy's options out"),
        (["--target", "columns", "--cluster", "house"], "house"),
        (["--target", "columns", "--estimator", "guess"], "unknown estimator 'guess'"),
        (["--target", "columns", "--since", "soon"], "write the day as YYYY-MM-DD"),
        (["--target", "columns", "--reward", "joy"], "unknown reward 'joy'"),
    ],
)
def test_the_verb_names_bad_options(tmp_path: Path, options: list[str], message: str) -> None:
    path = _write(tmp_path / "log.jsonl", _lines(4))
    done = CliRunner().invoke(app, ["eval", "off-policy", str(path), *options])
    assert done.exit_code == 2
    assert message in done.output
