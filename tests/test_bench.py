"""`concierge bench`: ratios the right way round, and a whole measurement as a slow test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ui.cli.main
from eval.bench.rows import Row, machine
from ui.cli.main import VERBS, app


@pytest.mark.parametrize(
    ("row", "ratio", "target", "met"),
    [
        (Row("a turn", 3.0, 1.0, 2), 3.0, "<= 2", False),
        (Row("a turn", 2.0, 1.0, 2), 2.0, "<= 2", True),
        (Row("memory", 650.0, 1300.0, 0.6, "MB"), 0.5, "<= 0.6", True),
        (Row("a pass", 0.1, 10.0, 50, at_least=True), 100.0, ">= 50", True),
        (Row("a pass", 1.0, 10.0, 50, at_least=True), 10.0, ">= 50", False),
        (Row("turns", 9.0, 10.0, 0.8, "per s", at_least=True), 0.9, ">= 0.8", True),
    ],
)
def test_a_row_says_its_ratio_and_whether_the_target_is_met(row: Row, ratio: float, target: str, met: bool) -> None:
    found = row.to_json()
    assert (found["ratio"], found["target"], found["met"]) == (pytest.approx(ratio), target, met)


def test_the_machine_is_described_in_plain_data() -> None:
    found = json.loads(json.dumps(machine()))
    assert found["cpu"] and found["cores"] >= 1 and found["memory_gb"] > 0


def test_every_module_of_verbs_is_in_the_command() -> None:
    folder = Path(ui.cli.main.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - set(VERBS) == {"__init__", "main", "terminal"}


@pytest.mark.slow
def test_every_row_is_measured() -> None:
    result = CliRunner().invoke(app, ["bench", "--turns", "2", "--repeats", "1", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert len(rows) >= 8 and all(row["ours"] > 0 and row["reference"] > 0 for row in rows)
