"""The tutorials in agent/domains and agent/monitor: commands, files and messages are run as the pages print them."""

from __future__ import annotations

import csv
import datetime
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.browser import answers, free_port
from tests.own_cache import own_cache
from ui.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PAGE, MONITOR_PAGE = (ROOT / "agent" / own / "README.md" for own in ("domains", "monitor"))
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Ran:
    """A command of the page with the messages typed into it, and what it printed."""

    command: str
    typed: tuple[str, ...]
    output: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ran]]:
    """All commands of the page, in order, where the page says; the chat is opened, asked for its page and closed."""
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copytree(ROOT / "tests" / "data" / "wines", folder / "tests" / "data" / "wines")
    with _away(folder):
        yield _followed(PAGE)


@contextmanager
def _away(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """Within ``folder``, with a cache and a home of one's own there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(own_cache(folder / "cache")))
        patch.setenv("CONCIERGE_HOME", str(folder / "home"))
        patch.chdir(folder)
        yield patch


def _followed(page: Path) -> list[Ran]:
    """Write the files of a page and run its commands, in order."""
    found: list[Ran] = []
    for kind, title, text in BLOCK.findall(page.read_text("utf-8")):
        if title:
            Path(title).parent.mkdir(exist_ok=True)
            Path(title).write_text(text, encoding="utf-8")
        elif kind == "console":
            for command, typed in re.findall(r"^\$ (.*)\n((?:> .*\n)*)", text, re.MULTILINE):
                if command.startswith("cd "):
                    os.chdir(command.removeprefix("cd "))
                else:
                    found.append(_run(command, [line[2:] for line in typed.splitlines()]))
    return found


def _visited(arguments: list[str]) -> str:
    """Open the chat by its command, in a process of its own, ask for its page, and stop it."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "ui.cli.main", *arguments, "--no-open", "--port", str(port)]
    with Path("chat.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        while not answers(url):
            assert process.poll() is None, Path("chat.log").read_text()
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    return url


def _run(command: str, typed: list[str]) -> Ran:
    program, *arguments = shlex.split(command)
    assert program == "concierge"
    if arguments[0] == "chat":
        return Ran(command, (), _visited(arguments))
    if arguments[0] in ("recommend", "talk") and not typed:
        arguments.append("--json")
    result = CliRunner().invoke(app, arguments, input="".join(f"{line}\n" for line in typed) or None)
    assert result.exit_code == 0, f"{command}:\n{result.output}\n{result.exception!r}"
    return Ran(command, tuple(typed), result.stdout)


def _wines(titles: Any) -> list[dict[str, str]]:
    """The rows of the page's table of wines for these titles."""
    with (ROOT / "tests" / "data" / "wines" / "wines.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    return [rows[title] for title in titles]


def _slates(told: Ran) -> list[list[dict[str, str]]]:
    """The slates of a conversation at the terminal, one for each message."""
    answers = re.split(r"(?m)^> ", told.output)[1:]
    assert len(answers) > len(told.typed)
    return [_wines(re.findall(r"(?m)^\d+\. (.+?): ", answer)) for answer in answers[: len(told.typed)]]


def test_the_import_says_what_it_took_each_column_for(ran: list[Ran]) -> None:
    first = next(own for own in ran if " import " in own.command)
    for column, taken in (("name", "title"), ("grape", "category"), ("price", "money"), ("customer", "user")):
        assert re.search(rf"(?m)^{column}\s.*{taken}", first.output)
    assert any(own.command.startswith("concierge chat") for own in ran), "the page opens the chat"


def test_a_limit_and_a_grape_hold_for_every_wine(ran: list[Ran]) -> None:
    told = next(own for own in ran if own.typed)
    oysters, riesling, german, cheaper = _slates(told)
    assert riesling and german and cheaper and oysters
    assert all(wine["grape"] == "Riesling" and float(wine["price"]) <= 20 for wine in (*riesling, *german, *cheaper))
    assert {wine["country"] for wine in german} == {"Germany"}
    assert max(float(wine["price"]) for wine in cheaper) < max(float(wine["price"]) for wine in german)
    assert "oysters" in told.output.split("> ")[1], "what no column decides is said"
    asked = next(own for own in ran if "pinot noir" in own.command)
    wines = [item["attributes"] for item in json.loads(asked.output)["items"]]
    assert wines
    assert all("Pinot Noir" in wine["grape"] and 15 <= wine["price"] <= 30 for wine in wines)


def test_a_click_changes_the_next_answer(ran: list[Ran]) -> None:
    told = next(own for own in ran if "clicks" in own.command)
    without, click = ([turn["slate"] for turn in json.loads(line)["turns"]] for line in told.output.splitlines())
    assert without[0] == click[0]
    assert without[-1] and click[-1]
    assert [item["item_id"] for item in without[-1]] != [item["item_id"] for item in click[-1]]


def test_a_word_of_the_users_own_works(ran: list[Ran]) -> None:
    before, after = (json.loads(own.output) for own in ran if "claret" in own.command)
    assert "claret" in " ".join(before["unmet"])
    assert all(item["attributes"]["price"] <= 30 for item in before["items"])
    assert after["unmet"] == []
    wines = [item["attributes"] for item in after["items"]]
    assert wines
    assert all(wine["grape"] == ["Cabernet Sauvignon"] and wine["price"] <= 30 for wine in wines)
    assert "wine" in after["reply"]


SAID = {
    "complaint": "broke after|leaks since|stopped working within|smells awful after|was faulty from",
    "praise": "works perfectly after|is wonderful since|still delights me within|looks great after|was a bargain from",
}


def _review(generator: np.random.Generator, product: str, verdict: str) -> str:
    def one(words: str) -> str:
        return str(generator.choice(words.split("|")))

    whose, when = one("My|Our|The|This|Her|His"), one("the first week|one month|two days|a summer|the first use|a year")
    end = one(
        "and I told my sister|as my neighbour said|and the box was blue|which came by post|says my husband|in Leeds"
    )
    return f"{whose} {one('new|old|small|large|red|second')} {product} {one(SAID[verdict])} {when}, {end}"


def test_a_monitor_is_set_up_on_a_table_of_ones_own(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows: list[tuple[str, datetime.date, str, str]] = []
    for day in range(150):
        for number in range(6):
            product = ("kettle", "toaster")[number % 2]
            risen = product == "kettle" and day >= 125
            verdict = "complaint" if generator.random() < (0.7 if risen else 0.2) else "praise"
            date = datetime.date(2024, 1, 1) + datetime.timedelta(days=day)
            rows.append((f"r{len(rows)}", date, product, _review(generator, product, verdict)))
    frame = pd.DataFrame(rows, columns=["id", "date", "product", "text"])
    frame.loc[[5, 6], "date"] = [None, datetime.date(2199, 1, 1)]
    labels = [verdict for _ in range(100) for verdict in SAID]
    texts = [_review(generator, "lamp", verdict) for verdict in labels]
    with _away(tmp_path):
        frame.to_csv("reviews.csv", index=False)
        pd.DataFrame({"text": texts, "verdict": labels}).to_csv("labelled.csv", index=False)
        ran = {
            own.command.split()[1]: own.output for own in _followed(MONITOR_PAGE) if own.command.split()[1] != "data"
        }
        alerts = [json.loads(line) for line in Path("alerts.jsonl").read_text("utf-8").splitlines()]
        assert "kettle: " in ran["monitor"] and "1 undated" in ran["monitor"] and "1 future-dated" in ran["monitor"]
        kettle = next(own for own in alerts if own["series"] == "kettle")
        assert 0 <= (datetime.date.fromisoformat(kettle["opened"]) - datetime.date(2024, 5, 5)).days <= 10
        assert not [own for own in alerts if own["series"] == "toaster"]
        assert ran["chat"].startswith("http")
