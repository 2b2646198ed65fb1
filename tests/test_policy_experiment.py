"""Two versions of the policy share the people: who gets which, what is measured, and when it is decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.policy.distribution import Policy
from agent.policy.loading import registry
from agent.policy.registry import AdapterRegistry, Experiment, RegistryError
from agent.policy.serving import ActivePolicy
from eval.live.confidence import confidence_sequence
from eval.live.policies import compare_arms, in_words
from tests.test_log_guards import slate


@pytest.fixture
def known(tmp_path: Path) -> AdapterRegistry:
    return registry("ml-100k", tmp_path)


def test_an_experiment_is_a_step_and_ends_with_the_next(known: AdapterRegistry) -> None:
    control = known.active()
    other = next(entry.version for entry in known.entries() if entry.version != control)
    with pytest.raises(RegistryError, match="no experiment runs"):
        known.stop_experiment()
    with pytest.raises(RegistryError, match=r"weight 1\.5"):
        known.begin_experiment(other, 1.5)
    with pytest.raises(RegistryError, match="is the one in use"):
        known.begin_experiment(control)
    begun = known.begin_experiment(other, 0.3)
    assert known.experiment() == begun == Experiment(control, other, 0.3, begun.at) and known.active() == control
    assert known.stop_experiment() == other and known.experiment() is None and known.active() == control
    known.begin_experiment(other)
    known.promote(other)
    assert known.experiment() is None and known.active() == other
    assert known.roll_back() == control


def test_people_stay_with_their_version_and_shares_are_kept() -> None:
    running = Experiment("a", "b", 0.3, "")
    people = [f"person-{k}" for k in range(5000)]
    serves = [running.serves(who) for who in people]
    assert serves == [running.serves(who) for who in people] and 0.27 < np.mean([v == "b" for v in serves]) < 0.33
    later = Experiment("a", "c", 0.3, "later")
    assert [v == "b" for v in serves] == [later.serves(who) == "c" for who in people]


def test_the_source_serves_both_and_a_broken_challenger_nobody() -> None:
    running: list[Experiment | None] = [Experiment("a", "b", 0.5, "")]
    told: list[str] = []

    def load(version: str) -> Policy:
        if version == "broken":
            raise ValueError("no such file")
        return Policy(None, {}, version=version)  # type: ignore[arg-type]

    source = ActivePolicy(lambda: "a", load, told.append, lambda: running[0])
    people = [f"person-{k}" for k in range(50)]
    begun = running[0]
    assert begun is not None
    assert [source.current(who).version for who in people] == [begun.serves(who) for who in people]
    running[0] = None
    assert {source.current(who).version for who in people} == {"a"}
    running[0] = Experiment("a", "broken", 0.5, "")
    assert {source.current(who).version for who in people} == {"a"} and len(told) == 1


def test_the_interval_holds_at_every_look_and_finds_what_is_there() -> None:
    rng = np.random.default_rng(0)
    wrong, looks = 0, range(100, 2001, 50)
    for _ in range(300):
        came = rng.random(2000) < 0.3
        clicks = rng.beta(1, 3, 2000)
        for n in looks:
            found = confidence_sequence(clicks[:n][came[:n]], clicks[:n][~came[:n]], 0.3)
            if found.low > 0 or found.high < 0:
                wrong += 1
                break
    assert wrong / 300 <= 0.07
    found = confidence_sequence(rng.beta(1, 2, 1000), rng.beta(1, 3, 1000), 0.5)
    assert found.low > 0
    with pytest.raises(ValueError, match="at least two"):
        confidence_sequence(np.ones(1), np.ones(3), 0.5)


def test_people_count_once_and_the_rule_stops() -> None:
    log = []
    for person in range(400):
        version = "new" if person % 2 else "old"
        items = tuple(f"item-{k}" for k in range(4))
        taken = items[: (2 if version == "new" else 1) + person % 3 // 2]
        own = slate(f"person-{person}", 0, items, dict.fromkeys(taken, "liked"))
        object.__setattr__(own.impression, "policy", version)
        log.append(own)
    found = compare_arms(log, {"new"}, {"old"}, 0.5)
    assert [arm.people for arm in found.arms] == [200, 200] and found.verdict == "challenger"
    assert found.difference is not None and found.difference.mean == pytest.approx(0.25, abs=0.01)
    assert compare_arms(log, {"old"}, {"new"}, 0.5).verdict == "control"
    assert compare_arms(log[:60], {"new"}, {"old"}, 0.5).verdict == "open"
    assert compare_arms(log[:1], {"new"}, {"old"}, 0.5).difference is None
    assert any("promote" in line for line in in_words(found))
