"""Two tables of one's own become an answer over HTTP and to an agent, by the commands of agent/service/README.md."""

from __future__ import annotations

import io
import json
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.own_cache import own_cache
from tests.test_service_serve import served
from ui.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "agent" / "service" / "README.md"
THINGS = (
    "Terracotta pot",
    "Watering can",
    "Herb box",
    "Rose secateurs",
    "Rake",
    "Hanging basket",
    "Compost bin",
    "Trowel",
)
PLACES = ("for the balcony", "for borders", "for the greenhouse", "for the lawn")


def write_tables(folder: Path) -> list[str]:
    """Tables of 32 things for the garden and of who took which; returns the titles."""
    rng = np.random.default_rng(5)
    rows = [
        (
            f"G-{number:02}",
            f"{thing} no. {1 + number // 8}",
            ("zinc", "clay", "wood")[number % 3],
            4.5 + 3 * number,
            place,
        )
        for number, (thing, place) in enumerate((thing, place) for place in PLACES for thing in THINGS)
    ]
    items = pd.DataFrame(rows, columns=["sku", "product", "material", "price", "text"])
    items["text"] = "Made of " + items["material"] + ", " + items["text"]
    items.to_csv(folder / "items.csv", index=False)
    taken = [
        (f"s{shopper}", f"G-{item:02}")
        for shopper in range(30)
        for item in rng.choice(np.arange(16) + 16 * (shopper % 2), 6, replace=False)
    ]
    pd.DataFrame(taken, columns=["shopper", "sku"]).to_csv(folder / "events.csv", index=False)
    return items["product"].tolist()


def test_the_page_leads_from_two_tables_to_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = write_tables(tmp_path)
    monkeypatch.setenv("CONCIERGE_CACHE", str(own_cache(tmp_path / "cache")))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(console|python)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line[2:]) for kind, text in blocks if kind == "console" for line in text.splitlines()]
    bring, serve, ask = lines[:3]
    done = CliRunner().invoke(app, bring[1:])
    assert done.exit_code == 0, done.output
    assert serve[:2] == ["concierge", "serve"] and ask[0] == "curl"
    with served(tmp_path, *serve[2:]) as (url, _):
        sent = {key: ask[ask.index(key) + 1] for key in ("-H", "-d")}
        answer = httpx.post(
            ask[2].replace("localhost:7860", url),
            content=sent["-d"],
            headers=dict([sent["-H"].split(": ", 1)]),
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        found = answer.json()["items"]
        assert len(found) == json.loads(sent["-d"])["k"] == len({item["title"] for item in found} & set(titles))
        script = next(text for kind, text in blocks if kind == "python").replace("http://localhost:7860", url)
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(script, str(PAGE), "exec"), {})
        told = [line.split(" - ", 1) for line in printed.getvalue().splitlines()]
        assert len(told) == 3
        assert all(title in titles and reason.strip() for title, reason in told)
