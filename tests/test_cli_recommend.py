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
        ('{"id": 1, "message": []}', "unknown field 'message'"),
        ('{"id": 1, "k": 0}', "field 'k': "),
        ('{"id": 1, "messages": [{"role": "user"}]}', "field 'messages[0].content' is missing"),
        ('{"id": 1, "history": [{"item": 50, "rating": "good"}]}', "field 'history[0].rating'"),
        ('{"id": 1, "history": [{"item": 50, "rating": 9}]}', "rating 9"),
        ('{"id": 1, "history": [{"item": "Zzyzx Qwop"}]}', "Zzyzx Qwop"),
        ('{"id": 1, "user": "nobody"}', "no user 'nobody'"),
    ],
)
def test_a_bad_line_gets_an_error_at_its_place_and_the_others_are_answered(
    tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('{"id": 0, "k": 1}\n' + line + '\n\n{"id": 2, "k": 1}\n')
    result = CliRunner().invoke(app, ["recommend", "--input", str(path)])
    answers = [json.loads(own) for own in result.stdout.split("\n") if own]
    assert result.exit_code == 1
    assert ["error" in own for own in answers] == [False, True, False]
    assert message in answers[1]["error"] and "requests.jsonl:2" in answers[1]["error"]


def test_lines_as_other_programs_write_them(tmp_path: Path) -> None:
    """A byte order mark, U+2028 in a string, no id, a system message, titles and numbers as ids."""
    path = tmp_path / "requests.jsonl"
    said = {"role": "user", "content": "something funny\u2028from the 80s"}
    requests = [
        {"messages": [{"role": "system", "content": "You are a recommender"}, said], "model": "any", "k": 2},
        {"id": 1, "history": [{"item": "Alien (1979)", "rating": 4.5}, {"item": 172, "rating": 5}], "k": 2},
        {"id": 2, "messages": [{"role": "user", "content": [{"type": "text", "text": "a comedy"}]}], "k": 1},
    ]
    lines = "\r\n".join(json.dumps(own, ensure_ascii=False) for own in requests)
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode("utf-8"))
    result = CliRunner().invoke(app, ["recommend", "--input", str(path)])
    assert result.exit_code == 0, result.output
    answers = [json.loads(own) for own in result.stdout.split("\n") if own]
    assert [(own["id"], len(own["items"])) for own in answers] == [(1, 2), (1, 2), (2, 1)]
    assert "Comedy" in answers[2]["items"][0]["categories"]
    assert not {"183", "172"} & {item["item_id"] for item in answers[1]["items"]}


def test_a_persons_own_history_counts_and_what_is_not_there_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Alien (1979), 5\nAliens\nBlade Runner: 4.5\nNo Such Thing At All (2021)\n")
    machines = CliRunner().invoke(app, ["recommend", "--history", str(path), "-k", "3", "--json"])
    assert machines.exit_code == 0, machines.output
    answer = json.loads(machines.stdout)
    assert answer["history"] == {"matched": 3, "unmatched": ["No Such Thing At All (2021)"]}
    assert not {"Alien", "Aliens", "Blade Runner"} & {item["title"] for item in answer["items"]}
    people = CliRunner().invoke(app, ["recommend", "--history", str(path), "-k", "3"])
    assert "No Such Thing At All (2021)" in people.stdout


def test_an_unknown_title_is_an_error_with_the_fix() -> None:
    result = CliRunner().invoke(app, ["recommend", "--likes", "Zzyzx Qwop"])
    assert result.exit_code == 2 and "check the spelling" in result.stderr
