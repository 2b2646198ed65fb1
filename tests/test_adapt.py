"""Adapting to tables of one's own: requests from any facet, a tuned policy in one step, used at once, resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset, load_dataset
from agent.policy.item_lm import PolicyCard
from agent.policy.loading import registry
from agent.policy.weights import WeightsError
from agent.recommender import Recommender
from eval.adaptation import adaptation_tables
from training.adapt import AdaptError, AdaptSettings, adapt, split_requests
from training.requests.facet_writer import FacetWriter, request_writer
from ui.cli.main import app

GRAPES = ("Riesling", "Merlot", "Malbec", "Chardonnay")
COUNTRIES = ("France", "Chile", "Germany")
WINES = 41
SETTINGS = AdaptSettings(minutes=0.25, layers=2, lora_rank=2)


@pytest.fixture(scope="module")
def wines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    """Forty wines that people of two tastes bought, and one that nobody did; no grades, no times."""
    folder, rng = tmp_path_factory.mktemp("wines"), np.random.default_rng(0)
    items = pd.DataFrame(
        {
            "id": [f"w{k}" for k in range(WINES)],
            "title": [f"Chateau {k}" for k in range(WINES)],
            "grape": [GRAPES[k % 4] for k in range(WINES)],
            "country": [COUNTRIES[k % 3] for k in range(WINES)],
            "price": [5 + k for k in range(WINES)],
            "notes": [f"{'crisp and light' if k % 2 else 'dark and heavy'}, number {k}" for k in range(WINES)],
        }
    )
    rows = [
        (f"p{person}", f"w{item}")
        for person in range(40)
        for item in rng.choice(np.arange(person % 2, 40, 2), 8, replace=False)
    ]
    items.to_csv(folder / "wines.csv", index=False)
    pd.DataFrame(rows, columns=["customer", "wine"]).to_csv(folder / "bought.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_HOME", str(folder / "home"))
        command = ["data", "import", str(folder / "wines.csv"), str(folder / "bought.csv"), "--name", "tuned-wines"]
        command += [
            "--column",
            "customer=user",
            "--column",
            "wine=item",
            "--column",
            "grape=grape:category",
            "--replace",
        ]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        yield load_dataset("tuned-wines")


def test_requests_are_true_of_their_items_and_held_out_phrases_are_apart(wines: Dataset) -> None:
    catalogue = Catalogue(wines)
    rng = np.random.default_rng(0)
    texts: dict[str, set[str]] = {}
    for part in ("train", "heldout"):
        writer = request_writer(catalogue, part)
        assert isinstance(writer, FacetWriter)
        for item in range(40):
            for style in ("hard", "soft", "mixed"):
                request = writer.write(item, rng, style)
                assert request is not None and request.conditions
                assert catalogue.mask(request.conditions)[item], request
                assert "Chateau" not in request.text and "{" not in request.text
                texts.setdefault(part, set()).add(request.text)
    asked = " ".join(texts["train"]).lower()
    assert "riesling" in asked and "chile" in asked and ("under" in asked or "up to" in asked)
    assert len(texts["train"] & texts["heldout"]) < 5


def test_one_command_tunes_a_policy_that_is_used_at_once_and_resumes(
    wines: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.release.LARGEST", 1)  # what is only trained may take any size
    said: list[str] = []
    result = adapt(wines, tmp_path, SETTINGS, say=said.append)
    known = registry(wines.name)
    assert known.active() == result.entry.version == "adapt-1"
    assert any("next event" in text for text in said)
    card = PolicyCard.read(result.after)
    assert card.layers == SETTINGS.layers and 0 < len(card.items) < len(wines.items)
    recommender = Recommender.load(wines.name)
    assert recommender.policy.version == "adapt-1" and recommender.policy.reads_requests
    answer = recommender.recommend(ask="a riesling", k=3)
    assert len(answer.items) == 3 and all("Riesling" in item.categories for item in answer.items)

    said.clear()
    again = adapt(wines, tmp_path, SETTINGS, resume=True, say=said.append)
    assert sum("done already" in text for text in said) == 2 and again.entry.version == "adapt-2"

    tables = adaptation_tables(wines, result.before, result.after, users=20)
    names = {row.policy for row in tables[0].rows}
    assert {"popularity", "retriever", "before PPO", "after PPO", "after PPO without the LM"} <= names
    assert tables[1].protocol == "requests in words"
    figures = {row.policy: row.figures["ndcg@10"].mean for row in tables[1].rows}
    assert figures["after PPO"] > figures["popularity"]


def test_what_cannot_be_adapted_to_is_said_first(
    wines: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = wines.only(pd.DataFrame({"user": [], "item": np.zeros(0, np.int64), "rating": [], "timestamp": []}))
    with pytest.raises(AdaptError, match="no events"):
        adapt(nothing, tmp_path, SETTINGS)
    with pytest.raises(AdaptError, match="minutes 0"):
        AdaptSettings(minutes=0)
    monkeypatch.setattr("agent.policy.weights.available", lambda: 10**7)
    with pytest.raises(WeightsError, match=r"training .* takes about"):
        adapt(wines, tmp_path, SETTINGS)


def test_where_nobody_bought_anything_ppo_is_paid_for_answers_that_helped(wines: Dataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    asked = [
        (f"{rng.choice(['a', 'some'])} {grape} for {rng.choice(['tea', 'dinner', 'two'])}, number {k}", f"w{row}")
        for row, grape in enumerate(GRAPES)
        for k in range(30)
    ]
    shop = wines.only(pd.DataFrame({"user": [], "item": np.zeros(0, np.int64), "rating": [], "timestamp": []}))
    shop = replace(shop, name="asked-wines", requests=pd.DataFrame(asked, columns=["text", "item"]))
    said: list[str] = []
    result = adapt(shop, tmp_path, SETTINGS, say=said.append)
    assert any("the answer that helped" in text for text in said)
    card = PolicyCard.read(result.after)
    assert result.after != result.before and card.reads_requests and set(card.lm_weights) >= {"request"}


def test_requests_of_known_answers_are_split_the_same_everywhere(wines: Dataset) -> None:
    assert split_requests(wines).train is None
    requests = pd.DataFrame({"text": [f"question {k}" for k in range(500)], "item": [f"w{k % 40}" for k in range(500)]})
    parts = split_requests(replace(wines, requests=requests))
    assert parts.train is not None and parts.valid is not None and parts.test is not None
    assert len(parts.train) + len(parts.valid) + len(parts.test) == 500
    assert 70 <= len(parts.test) <= 130 and not set(parts.train["text"]) & set(parts.test["text"])
