"""Weights on disk: what is broken is named with its fix, and another base of the same width is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import base_model_path
from agent.data.dataset import Dataset
from agent.policy.item_lm import AdapterError, ItemLanguageModel, load_base
from agent.policy.loading import RELEASED
from agent.policy.registry import AdapterRegistry, RegistryError
from agent.policy.weights import WeightsError, base_digest, check_file, check_memory, needed

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return shutil.copytree(RELEASED, tmp_path / "adapter")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (POINTER, "Git LFS"),
        (b"", "no weights"),
        (b"\xff" * 64, "no weights"),
        (None, "missing"),
        ("half", "cut off"),
    ],
)
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "row_maker.safetensors"])
def test_a_broken_file_is_named_wherever_an_adapter_is_taken(
    adapter: Path, dataset: Dataset, tmp_path: Path, name: str, content: bytes | str | None, why: str
) -> None:
    path = adapter / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content == "half" else content)  # type: ignore[arg-type]
    with pytest.raises(AdapterError, match=f"{name}.*{why}.*train the adapter anew"):
        ItemLanguageModel.from_adapter(adapter, base_model_path(), Catalogue(dataset).items, None)
    with pytest.raises(RegistryError, match=f"{name}.*{why}"):
        AdapterRegistry(tmp_path / "home", [RELEASED], RELEASED).add(adapter, "broken")


def test_a_broken_base_is_named(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for path in base_model_path().iterdir():
        (base / path.name).symlink_to(path)
    (base / "model.safetensors").unlink()
    with pytest.raises(AdapterError, match="no weights"):
        load_base(base)
    (base / "model.safetensors").write_bytes(POINTER)
    with pytest.raises(AdapterError, match="Git LFS"):
        load_base(base)
    (base / "config.json").unlink()
    with pytest.raises(AdapterError, match=r"config\.json cannot be read"):
        load_base(base)


def test_another_base_of_the_same_width_is_refused(adapter: Path, dataset: Dataset) -> None:
    card = json.loads((adapter / "policy.json").read_text("utf-8"))
    assert base_digest(base_model_path()) == card["base_sha256"] == base_digest(base_model_path())
    (adapter / "policy.json").write_text(json.dumps(card | {"base_sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(AdapterError, match=r"holds other weights.*--model SmolLM2-135M-Instruct"):
        ItemLanguageModel.from_adapter(adapter, base_model_path(), Catalogue(dataset).items, None)


def test_shards_have_one_digest_and_an_unknown_name_none(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"model-0000{number}-of-00002.safetensors").write_bytes(bytes([number]))
    both = base_digest(tmp_path)
    assert len(both) == 64
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"other")
    assert base_digest(tmp_path) != both
    assert base_digest("nobody/nothing") == "" and needed("nobody/nothing") is None


def test_what_does_not_fit_in_memory_is_said_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    base = base_model_path()
    whole, some = needed(base), needed(base, layers=15)
    assert whole is not None and some is not None and 5e8 < whole < 7e8 and some == pytest.approx(whole / 2)
    check_memory(base)
    monkeypatch.setattr("agent.policy.weights.available", lambda: 10**8)
    with pytest.raises(WeightsError, match=r"loading .* takes about 0\.5 GiB.*0\.1 GiB are free"):
        check_memory(base)


def test_other_files_than_safetensors_are_only_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(b"anything")
    check_file(path, "bring it again")
