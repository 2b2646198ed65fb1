"""Offline trials of state templates, figures of an experiment from the log, and the commands that give them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import prompts
from agent.data.dataset import Dataset
from agent.recommender import Recommender
from agent.records.impression import Impression, Outcome
from agent.store.feedback import FeedbackLog
from agent.store.template_serving import ServedTemplates
from agent.store.template_versions import TemplateStore
from eval.live.experiments import report, running
from eval.metrics import cluster_bootstrap, cluster_difference
from eval.policy.template_trial import METRICS, trial
from eval.protocols.requests import user_part
from prompts import IsolatedTemplate, PromptError
from ui.cli.main import app
from ui.studio.template_lookup import find_template


def edit(old: str, new: str, name: str = "<draft>") -> prompts.Template:
    source = prompts.load("state").source
    assert old in source
    return prompts.parse(source.replace(old, new), name)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["prompts", *arguments])


def test_a_trial_compares_on_the_same_cases(recommender: Recommender, dataset: Dataset) -> None:
    steps: list[tuple[int, int]] = []
    same, other = edit("name: state", "name: copy"), edit("history|rated", "history|tokens")

    def note(what: str, done: int, of: int) -> None:
        steps.append((done, of))

    trials = trial(dataset, recommender.policy, [same, other], prompts.load("state"), 3, note)
    assert [row.metric for row in trials[0].rows] == list(METRICS)
    for found in trials:
        assert found.users == 3
        assert found.against == prompts.load("state").reference
    for row in trials[0].rows:
        assert row.candidate == row.against, "the same prompt gives the same choices"
        assert (row.difference.low, row.difference.high) == (0.0, 0.0)
    requests = next(row for row in trials[1].rows if row.metric == "ndcg@10")
    assert requests.difference.mean == pytest.approx(requests.candidate.mean - requests.against.mean)
    assert requests.cases == 3 * requests.users
    assert steps[-1][0] == steps[-1][1], "the bar gets full"
    json.dumps(trials[1].to_json())


def test_a_template_that_fails_gets_no_score(recommender: Recommender, dataset: Dataset) -> None:
    broken = IsolatedTemplate.of(edit("Wish:", "{{ 1 // 0 }}Wish:"))
    with pytest.raises(PromptError, match="division"):
        trial(dataset, recommender.policy, [broken], prompts.load("state"), 2)
    with pytest.raises(ValueError, match="nothing reads a template"):
        trial(dataset, recommender.policy.without_lm(), [broken], prompts.load("state"), 2)


def test_alternatives_are_in_order_and_differ() -> None:
    files = sorted((Path(prompts.__file__).parent / "alternatives").glob("*.j2"))
    assert len(files) >= 3
    example = prompts.load("state").header.examples[0].inputs
    bodies = set()
    for file in files:
        template = prompts.read(file)
        template.check()
        assert template.header.role == "state"
        bodies.add(json.dumps(template.render(**example).messages))
    assert len(bodies) == len(files)


def test_validation_users_are_half() -> None:
    parts = [user_part(str(user)) for user in range(1, 944)]
    assert 0.4 < parts.count("valid") / len(parts) < 0.6


def test_a_difference_of_two_groups_is_wider_than_a_paired_one() -> None:
    rng = np.random.default_rng(0)
    users = [str(user) for user in range(200)]
    base = rng.normal(size=200)
    treated = base + 0.1
    paired = cluster_bootstrap(treated - base, users)
    apart = cluster_difference(treated, users, base, users)
    assert paired.mean == pytest.approx(apart.mean)
    assert apart.high - apart.low > 5 * (paired.high - paired.low)
    assert apart.low < 0.1 < apart.high


@pytest.fixture
def log(home: Path) -> Iterator[FeedbackLog]:
    """The database that the commands open."""
    for file in home.glob("feedback.db*"):
        file.unlink()
    with FeedbackLog(home / "feedback.db") as log:
        yield log


def fill(log: FeedbackLog, version: int, conversations: int, liked: int) -> None:
    """Conversations with one slate of two films each; in the first ``liked`` one film was liked, in others refused."""
    for place in range(conversations):
        impression = Impression(
            conversation_id=f"v{version}-{place}", turn=1, candidates=("1", "2", "3"), slate=("1", "2"),
            propensities=(0.5, 0.5), scores=(0.5, 0.3), policy="p", template_name="state",
            template_version=str(version), template_hash=f"hash{version}", temperature=1.0, latency_ms=1.0,
        )  # fmt: skip
        log.record_impression(impression)
        kind = "liked" if place < liked else "disliked"
        same = SimpleNamespace(impression_id=impression.id, conversation_id=impression.conversation_id, item_id="1")
        log.record_outcome(Outcome(kind=kind, **vars(same)))  # type: ignore[arg-type]


def test_an_experiments_figures_by_version(log: FeedbackLog) -> None:
    with pytest.raises(ValueError, match="no slate was shown"):
        report(log)
    fill(log, 1, 40, 10)
    fill(log, 2, 20, 15)
    found = report(log)
    assert [(arm.template, arm.slates, arm.conversations) for arm in found.arms] == [
        ("state@1", 40, 40), ("state@2", 20, 20),
    ]  # fmt: skip
    assert found.arms[0].figures["click_through"].mean == 0.25
    assert found.arms[1].figures["click_through"].mean == 0.75
    assert found.arms[1].figures["rejections"].mean == 0.25
    difference = found.differences[0]["click_through"]
    assert difference.mean == 0.5
    assert 0.2 < difference.low < 0.5 < difference.high < 0.8
    assert len(report(log, hashes=["hash2"]).arms) == 1
    shown = run("experiment")
    assert "less state@1" in shown.output
    assert "+0.500" in shown.output
    assert json.loads(run("experiment", "--json").output)["differences"][0]["click_through"]["mean"] == 0.5


def test_an_experiment_is_reported_from_its_beginning_for_any_role(log: FeedbackLog) -> None:
    served = ServedTemplates(TemplateStore(log))
    fill(log, 1, 4, 4)
    assert running(served, "reply") == (None, None)
    source = prompts.load("reply").source
    first = prompts.load("reply").header.version
    names = [f"reply@{first}", f"reply@{first + 1}"]
    edited = served.store.save(f"{source}\nThat is all.", "ann", parent=first).version
    serving = served.experiment(names[0], edited.reference, 0.5, "ann")
    since, hashes = running(served, "reply")
    assert (since, hashes) == (serving.timestamp, (served.store.get(names[0]).hash, edited.hash))
    fill(log, 2, 40, 10)
    found = report(log, since, hashes, served, "reply")
    assert [arm.template for arm in found.arms] == names
    assert sum(arm.slates for arm in found.arms) == 40, "what was shown before is of another time"
    for arm, version in zip(found.arms, (first, first + 1), strict=True):
        own = [serving.share_of(f"v2-{place}") for place in range(40)]
        assert arm.slates == sum(share is not None and share.version == version for share in own)
    served.activate(edited.reference, "ann")
    assert len(report(log, served=served, role="reply").arms) == 2, "who served before is still known"
    log.close()
    assert names[1] in run("experiment", "--role", "reply").output
    with pytest.raises(ValueError, match="only the served templates know"):
        report(log, role="reply")


def test_a_saved_version_is_found_by_name_while_a_command_runs(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TemplateStore(log)
    store.save(edit("history|rated", "history|tokens").source, "ann", parent=1)
    store.save(prompts.load("reward").source.replace("Liked:", "Loved:"), "ann", parent=1)
    attached: list[Any] = []
    monkeypatch.setattr(prompts, "attach", attached.append)
    assert run("list").exit_code == 0
    monkeypatch.undo()
    saved, after = attached
    assert after is None
    prompts.attach(saved)
    try:
        assert "history|tokens" in prompts.load("state@2").source
        assert "Loved:" in prompts.load("reward@2").source
    finally:
        prompts.attach(None)
    assert saved.find("state", 9, "movies") is None
    assert saved.find("state", 2, "films") is None


def test_the_whole_life_of_an_edit_from_a_terminal(log: FeedbackLog, tmp_path: Path) -> None:
    log.close()
    file = tmp_path / "state.j2"
    file.write_text(edit("history|rated", "history|tokens").source, encoding="utf-8")
    saved = json.loads(run("save", str(file), "--author", "ann", "--note", "no stars", "--json").output)
    assert saved["template"] == "state@2"
    assert run("versions", "state").output.count("state@") == 2
    assert "Watched:<item_50><item_172>" in run("render", "state@2").output
    assert "-Watched:<item_50>5" in run("diff", "state@active", "state@2").output
    assert run("activate", "state@2", "--author", "ann").output == "state: state@2 (100%)\n"
    assert isinstance(find_template("state@active"), IsolatedTemplate)
    assert find_template("state").version == 1
    rows = json.loads(run("versions", "--json").output)
    assert {row["template"]: row["status"] for row in rows if row["role"] == "state"} == {
        "state@1": "retired", "state@2": "active",
    }  # fmt: skip
    assert (
        run("experiment", "state@1", "state@2", "--weight", "0.2").output == "state: state@1 (80%) and state@2 (20%)\n"
    )
    assert run("rollback", "state").output == "state: state@2 (100%)\n"
    assert run("rollback", "state").output == "state: the product's own template\n"
    refused = run("rollback", "state")
    assert refused.exit_code == 2
    assert "nothing to roll back" in refused.output
    out = tmp_path / "out"
    assert "2 versions" in run("export", str(out), "state").output
    assert (out / "state@2.j2").read_text(encoding="utf-8").startswith("---\nname: state\nversion: 2\n")
    assert "is state@2" in run("import", str(out)).output


def test_only_state_templates_are_tested(log: FeedbackLog) -> None:
    answer = run("test", "reward")
    assert answer.exit_code == 2
    assert "only state templates" in answer.output
