"""`concierge understand`: what messages mean, for people and for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from ui.cli.main import app

if TYPE_CHECKING:
    from agent.data.dataset import Dataset


def test_messages_add_up_to_a_state(dataset: Dataset) -> None:
    said = ["I loved Fargo. A comedy from the 90s", "no, the 80s", "something like Sabrina but newer"]
    people = CliRunner().invoke(app, ["understand", *said])
    assert people.exit_code == 0, people.output
    assert "> no, the 80s\nIntent: refine" in people.stdout and "Liked: Fargo (1996)" in people.stdout
    assert "Not clear: Sabrina: Sabrina (1995), Sabrina (1954)" in people.stdout
    machines = CliRunner().invoke(app, ["understand", *said, "--json"])
    turns = json.loads(machines.stdout)
    assert [turn["intent"] for turn in turns] == ["recommend", "refine", "refine"]
    assert turns[1]["constraints"]["year_min"] == 1980 and turns[2]["critiques"] == ["more year"]
    assert "Year: 1980 or later" in turns[1]["state"] and "Genre: Comedy" in turns[1]["state"]
