"""`concierge understand`: what messages mean, for people and for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from ui.cli.main import app

if TYPE_CHECKING:
    from agent.data.dataset import Dataset


def test_messages_add_up_to_a_state(dataset: Dataset) -> None:
    said = ["I loved Fargo. A comedy from the 90s", "no, the 80s"]
    people = CliRunner().invoke(app, ["understand", *said])
    assert people.exit_code == 0, people.output
    assert "> no, the 80s" in people.stdout and "Fargo (1996)" in people.stdout
    machines = CliRunner().invoke(app, ["understand", *said, "--json"])
    turns = json.loads(machines.stdout)
    assert [turn["message"] for turn in turns] == said
    assert any(act["act"] == "judge" and act["item"] == "Fargo (1996)" for act in turns[0]["acts"])
    assert turns[1]["state"]["liked"] == ["Fargo (1996)"] and len(turns[1]["state"]["conditions"]) == 2
