"""`concierge recommend`: one answer for people and for machines, and a file of requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.recommender import Recommender
from ui.cli.main import app


@pytest.fixture(autouse=True)
def loaded(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recommender of the session, not loaded again for each command."""
    monkeypatch.setattr(Recommender, "load", classmethod(lambda cls, *args, **kwargs: recommender))


def test_one_answer_for_people_and_for_machines() -> None:
    people = CliRunner().invoke(app, ["recommend", "--likes", "Alien", "--ask", "a comedy", "-k", "3"])
    assert people.exit_code == 0 and people.stdout.count("\n\n") == 3 and "Comedy" in people.stdout
    machines = CliRunner().invoke(app, ["recommend", "--likes", "Alien", "--ask", "a comedy", "-k", "3", "--json"])
    assert [item["title"] in people.stdout for item in json.loads(machines.stdout)["items"]] == [True] * 3


def test_a_file_of_requests_is_answered_in_its_order(tmp_path: Path) -> None:
    requests = [
        {"id": "b", "user": 7, "messages": [{"role": "user", "content": "a war film"}], "k": 4},
        {"id": "a", "history": [{"item": 50, "rating": 5}, {"item": "172"}], "messages": [], "k": 2},
        {
            "id": 3,
            "messages": [
                {"role": "user", "content": "I loved Alien"},
                {"role": "assistant", "content": "Good to know."},
                {"role": "user", "content": "something funny"},
            ],
        },
    ]
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(json.dumps(request) for request in requests))
    result = CliRunner().invoke(app, ["recommend", "--input", str(path)])
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(answer["id"], len(answer["items"])) for answer in answers] == [("b", 4), ("a", 2), (3, 5)]
    assert all("War" in item["categories"] for item in answers[0]["items"])
    assert not {"50", "172"} & {item["item_id"] for item in answers[1]["items"]}
    assert all("Comedy" in item["categories"] for item in answers[2]["items"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "requests.jsonl:2: not JSON"),
        ("[]", "requests.jsonl:2: a line must hold one JSON object"),
        ('{"messages": []}', "the field 'id' is missing"),
        ('{"id": 1, "message": []}', "unknown field 'message'"),
        ('{"id": 1, "k": 0}', "k 0 is not a whole number"),
        ('{"id": 1, "messages": [{"role": "user"}]}', "'messages' holds"),
        ('{"id": 1, "history": [{"item": 50, "rating": "good"}]}', "rating 'good'"),
        ('{"id": 1, "history": [{"item": 99999}]}', "no item '99999'"),
        ('{"id": 1, "user": "nobody"}', "no user 'nobody'"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('{"id": 0}\n' + line + "\n")
    result = CliRunner().invoke(app, ["recommend", "--input", str(path)])
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.stderr


def test_an_unknown_title_is_an_error_with_the_fix() -> None:
    result = CliRunner().invoke(app, ["recommend", "--likes", "Zzyzx Qwop"])
    assert result.exit_code == 2 and "check the spelling" in result.stderr
