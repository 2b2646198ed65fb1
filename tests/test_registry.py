"""The registry of adapters: immutable versions, one in use, and the way back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from agent.policy.registry import AdapterRegistry, RegistryError
from agent.policy.weights import ADAPTER_FILES


def make(folder: Path, version: str, content: str = "weights") -> Path:
    """A folder with the files of an adapter."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ADAPTER_FILES:
        if name.endswith(".safetensors"):
            save_file({content: np.zeros(1, np.float32)}, folder / name)
        else:
            (folder / name).write_text("{}", encoding="utf-8")
    (folder / "policy.json").write_text(json.dumps({"version": version, "weights": content}), encoding="utf-8")
    return folder


@pytest.fixture
def known(tmp_path: Path) -> AdapterRegistry:
    shipped = [make(tmp_path / "shipped" / name, name) for name in ("sft", "ppo")]
    (shipped[1] / "training.json").write_text(json.dumps({"rows": 9, "ppo": {"from": "sft"}}), encoding="utf-8")
    return AdapterRegistry(tmp_path / "home", shipped, shipped[0])


def test_shipped_and_trained_adapters_are_listed_with_what_is_known_of_them(
    known: AdapterRegistry, tmp_path: Path
) -> None:
    source = make(tmp_path / "run", "whatever")
    (source / "optimizer.pt").write_text("state of the training", encoding="utf-8")
    entry = known.add(source, "mine", parent="sft", how="by hand", figures={"click_rate": 0.7})
    assert [e.version for e in known.entries()] == ["sft", "ppo", "mine"]
    assert (known.entry("ppo").parent, known.entry("ppo").how) == ("sft", "concierge train ppo")
    assert known.entry("sft").origin == "shipped"
    record = json.dumps({"ppo": {"from": "sft"}, "feedback": {"from": "ppo"}})
    (source / "training.json").write_text(record, encoding="utf-8")
    again = known.add(source, "again")
    assert (again.parent, again.how) == ("ppo", "concierge train ppo --from-feedback")
    assert (entry.parent, entry.how, entry.figures, entry.origin) == ("sft", "by hand", {"click_rate": 0.7}, "trained")
    assert json.loads((entry.folder / "policy.json").read_text("utf-8")) == {"version": "mine", "weights": "weights"}
    assert not (entry.folder / "optimizer.pt").exists()
    assert json.loads(json.dumps(entry.to_json()))["folder"] == str(entry.folder)


def test_a_version_never_changes(known: AdapterRegistry, tmp_path: Path) -> None:
    entry = known.add(make(tmp_path / "run", "mine"))
    with pytest.raises(RegistryError, match="'mine' already"):
        known.add(make(tmp_path / "again", "mine", "other weights"))
    with pytest.raises(RegistryError, match="'sft' already"):
        known.add(make(tmp_path / "third", "sft"))
    assert known.verified("mine").sha256 == entry.sha256
    (entry.folder / "adapter_model.safetensors").write_text("poisoned", encoding="utf-8")
    for refuse in (known.verified, known.promote):
        with pytest.raises(RegistryError, match="was changed since it was added"):
            refuse("mine")
    assert known.active() == "sft"


def test_equal_bytes_have_equal_digests_and_others_do_not(known: AdapterRegistry, tmp_path: Path) -> None:
    digests = {
        known.add(make(tmp_path / name, name, content), name).sha256 for name, content in (("a", "x"), ("b", "y"))
    }
    assert len(digests) == 2


def test_promotions_can_be_taken_back_one_by_one(known: AdapterRegistry, tmp_path: Path) -> None:
    known.add(make(tmp_path / "run", "mine"))
    assert known.active() == "sft"
    with pytest.raises(RegistryError, match="nothing to roll back"):
        known.roll_back()
    known.promote("ppo", note={"rated_slates": 0.01})
    known.promote("mine", forced=True)
    with pytest.raises(RegistryError, match="in use already"):
        known.promote("mine")
    assert known.active() == "mine"
    assert known.roll_back() == "ppo" and known.active() == "ppo"
    known.promote("mine")
    assert [known.roll_back(), known.roll_back()] == ["ppo", "sft"] and known.active() == "sft"
    with pytest.raises(RegistryError, match="nothing to roll back"):
        known.roll_back()
    steps = known.steps()
    assert [step.action for step in steps] == ["promote", "promote", "roll back", "promote", "roll back", "roll back"]
    assert steps[0].note == {"rated_slates": 0.01} and steps[1].forced and not steps[0].forced


def test_bad_names_and_folders_are_refused(known: AdapterRegistry, tmp_path: Path) -> None:
    source = make(tmp_path / "run", "mine")
    for name in ("../evil", ".hidden", "a b", "x" * 65):
        with pytest.raises(RegistryError, match="bad adapter name"):
            known.add(source, name)
    with pytest.raises(RegistryError, match="no adapter 'nope': use one of sft, ppo"):
        known.promote("nope")
    (source / "row_maker.safetensors").unlink()
    with pytest.raises(RegistryError, match=r"row_maker\.safetensors is missing"):
        known.add(source)
    make(source, "mine")
    (source / "policy.json").write_text("[]", encoding="utf-8")
    with pytest.raises(RegistryError, match="not a policy card"):
        known.add(source)
    assert known.free_version("feedback") == "feedback-1"


def test_a_damaged_record_is_named(known: AdapterRegistry, tmp_path: Path) -> None:
    known.promote("ppo")
    (known.home / "active.json").write_text("{", encoding="utf-8")
    with pytest.raises(RegistryError, match=r"active\.json is damaged"):
        known.active()
    entry = known.add(make(tmp_path / "run", "mine"))
    (entry.folder / "entry.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RegistryError, match=r"entry\.json is damaged"):
        known.entries()


def test_processes_that_add_and_promote_at_once_lose_nothing(tmp_path: Path, known: AdapterRegistry) -> None:
    script = (
        "import sys; from pathlib import Path; from agent.policy.registry import AdapterRegistry\n"
        "home, shipped, source = map(Path, sys.argv[1:])\n"
        "known = AdapterRegistry(home, [shipped], shipped)\n"
        "versions = [known.add(source, f'{source.name}-{n}').version for n in (1, 2)]\n"
        "for step in range(10):\n"
        "    known.promote(versions[step % 2])"
    )
    sources = [make(tmp_path / name, name) for name in ("a", "b")]
    arguments = [sys.executable, "-c", script, str(known.home), str(tmp_path / "shipped" / "sft")]
    workers = [subprocess.Popen([*arguments, str(source)]) for source in sources]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    assert {entry.version for entry in known.entries()} == {"sft", "ppo", "a-1", "a-2", "b-1", "b-2"}
    versions = [step.version for step in known.steps()]
    for name in ("a", "b"):
        assert [v for v in versions if v.startswith(name)] == [f"{name}-1", f"{name}-2"] * 5
