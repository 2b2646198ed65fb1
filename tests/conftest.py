"""What all tests share: no network, no trace in the user's own folders, the data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from agent.data.dataset import Dataset
    from agent.recommender import Recommender

ROOT = Path(__file__).resolve().parent.parent

# Read by the libraries when they are first imported, hence here. More threads than two slow these small models down;
# where several processes share the tests, one each is best.
_THREADS = 1 if "PYTEST_XDIST_WORKER" in os.environ else min(2, os.cpu_count() or 1)
os.environ.setdefault("OMP_NUM_THREADS", str(_THREADS))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's own state goes to a throw-away folder, for child processes too."""
    path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_HOME", str(path))
        yield path


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """MovieLens-100K from the user's cache, fetched where it is not there."""
    from agent.data.assets import fetch
    from agent.data.dataset import load_dataset

    fetch(["ml-100k"], progress=False)
    return load_dataset("ml-100k")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets that lies beside the checkout on the maintainers' machines."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"needs the data sets of the maintainers in {path}")
    return path


@pytest.fixture(scope="session")
def recommender(dataset: Dataset) -> Recommender:
    """What `concierge recommend` uses: the released adapter over evidence that is fitted once and cached."""
    from agent.data.assets import base_model_path, fetch
    from agent.recommender import Recommender

    fetch(progress=False)
    base_model_path(progress=False)
    return Recommender.load(dataset.name)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """One browser for all tests of a file; each visitor has a profile of its own."""
    from tests.browser import chromium

    with chromium() as browser:
        yield browser
