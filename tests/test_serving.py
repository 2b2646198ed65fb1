"""What serves a turn: a promoted adapter comes in with the next turn, a broken one leaves the old in service."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.policy.distribution import Policy
from agent.policy.loading import RELEASED, registry
from agent.policy.registry import AdapterRegistry
from agent.policy.serving import ActivePolicy, FixedPolicy
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.store.feedback import FeedbackLog
from tests.chat_log import pasts_of


def policy(version: str) -> Policy:
    return Policy(None, {}, version=version)  # type: ignore[arg-type]


def trouble(source: ActivePolicy) -> str | None:
    return source.error


class Pointer:
    """A pointer that a test moves, and a loader that counts and may fail."""

    def __init__(self) -> None:
        self.version = "a"
        self.broken: set[str] = set()
        self.loaded: list[str] = []
        self.told: list[str] = []

    def load(self, version: str) -> Policy:
        self.loaded.append(version)
        if version in self.broken:
            raise RuntimeError(f"{version} is broken")
        return policy(version)

    def source(self) -> ActivePolicy:
        return ActivePolicy(lambda: self.version, self.load, self.told.append)


def test_a_fixed_policy_stays() -> None:
    own = policy("mine")
    assert FixedPolicy(own).current() is own


def test_the_policy_follows_the_pointer_and_is_loaded_once() -> None:
    pointer = Pointer()
    source = pointer.source()
    assert [source.current().version for _ in range(3)] == ["a"] * 3 and pointer.loaded == ["a"]
    pointer.version = "b"
    assert [source.current().version for _ in range(3)] == ["b"] * 3 and pointer.loaded == ["a", "b"]


def test_a_broken_adapter_leaves_the_old_one_in_service_and_is_reported_once() -> None:
    pointer = Pointer()
    source = pointer.source()
    pointer.version, pointer.broken = "b", {"b"}
    assert [source.current().version for _ in range(3)] == ["a"] * 3
    assert pointer.loaded == ["a", "b"] and len(pointer.told) == 1
    assert trouble(source) == "the adapter in use stays 'a': b is broken" == pointer.told[0]
    pointer.version = "a"  # rolled back: nothing is loaded again
    assert source.current().version == "a" and trouble(source) is None and pointer.loaded == ["a", "b"]
    pointer.version, pointer.broken = "b", set()
    assert source.current().version == "b" and trouble(source) is None


def test_a_pointer_that_cannot_be_read_leaves_the_old_one_in_service() -> None:
    def damaged() -> str:
        if damaged_now:
            raise OSError("unreadable")
        return "a"

    damaged_now: list[bool] = []
    told: list[str] = []
    source = ActivePolicy(damaged, policy, told.append)
    damaged_now.append(True)
    assert source.current().version == source.current().version == "a" and len(told) == 1


def test_without_an_old_one_a_broken_adapter_is_an_error() -> None:
    pointer = Pointer()
    pointer.broken = {"a"}
    with pytest.raises(RuntimeError, match="a is broken"):
        pointer.source()


def test_other_turns_go_on_with_the_old_policy_while_the_new_one_is_loaded() -> None:
    loading, go_on = threading.Event(), threading.Event()

    def load(version: str) -> Policy:
        if version == "b":
            loading.set()
            assert go_on.wait(30)
        return policy(version)

    pointer = Pointer()
    source = ActivePolicy(lambda: pointer.version, load)
    pointer.version = "b"
    seen: list[str] = []
    first = threading.Thread(target=lambda: seen.append(source.current().version))
    first.start()
    assert loading.wait(30)
    assert source.current().version == "a"
    go_on.set()
    first.join(30)
    assert seen == ["b"] and source.current().version == "b"


def test_a_running_chat_takes_up_an_adapter_that_another_process_promotes(
    recommender: Recommender, home: Path, tmp_path: Path
) -> None:
    """The real thing: another process adds, promotes and rolls back; the same recommender answers before and after."""
    known = registry("ml-100k")
    with FeedbackLog(tmp_path / "feedback.db") as log:
        running = Recommender(recommender.catalogue, recommender._source, pasts_of(recommender), log, seed=0)
        conversation = Conversation(user="7")
        before = running.reply(conversation, "a comedy")
        script = (
            "import sys; from pathlib import Path; from agent.policy.registry import AdapterRegistry\n"
            "source, home, released = map(Path, sys.argv[1:])\n"
            "known = AdapterRegistry(home, [released], released)\n"
            "known.add(source, 'other'); known.promote('other')"
        )
        folders = [str(folder) for folder in (altered(tmp_path / "other"), known.home, RELEASED)]
        subprocess.run([sys.executable, "-c", script, *folders], check=True, timeout=120)
        try:
            during = running.reply(conversation, "a thriller")
        finally:
            known.roll_back()
        after = running.reply(conversation, "a western")
        versions = [impression.policy for impression in log.impressions()]
    assert before.policy == after.policy == known.active() and during.policy == "other"
    assert versions == [before.policy, "other", after.policy]


def test_a_changed_adapter_is_not_loaded(recommender: Recommender, tmp_path: Path) -> None:
    known = registry("ml-100k")
    before = recommender.policy.version
    entry = known.add(altered(tmp_path / "soon-changed"), "soon-changed")
    known.promote("soon-changed")
    (entry.folder / "policy.json").write_text("{}", encoding="utf-8")
    try:
        assert recommender.policy.version == before
        error = recommender._source.error  # type: ignore[attr-defined]
        assert "was changed since it was added" in error and "concierge adapters rollback" in error
    finally:
        known.roll_back()
    assert recommender.policy.version == known.active() and recommender._source.error is None  # type: ignore[attr-defined]


def altered(folder: Path) -> Path:
    """A copy of the released adapter that weighs the evidence otherwise."""
    folder.mkdir()
    for path in RELEASED.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = json.loads((folder / "policy.json").read_text("utf-8"))
    card["weights"]["request"] = [-weight for weight in card["weights"]["request"]]
    (folder / "policy.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def test_where_nothing_was_promoted_the_released_adapter_serves(tmp_path: Path) -> None:
    known = AdapterRegistry(tmp_path, [RELEASED], RELEASED)
    card = json.loads((RELEASED / "policy.json").read_text("utf-8"))
    assert known.active() == card["version"]
