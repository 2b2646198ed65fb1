"""The verbs ``concierge prompts ...`` as people and machines call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import prompts
from ui.cli.main import app

STATE = prompts.FOLDER / "movies" / "state.j2"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["prompts", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def run_json(*arguments: str | Path) -> Any:
    code, out, _ = run(*arguments, "--json")
    assert code == 0, out
    return json.loads(out)


def edited(folder: Path, old: str, new: str) -> Path:
    source = STATE.read_text("utf-8")
    assert old in source
    path = folder / "state.j2"
    path.write_text(source.replace(old, new), encoding="utf-8")
    return path


def test_list_names_every_shipped_template() -> None:
    rows = run_json("list")
    assert {row["pack"] for row in rows} == set(prompts.packs())
    row = next(row for row in rows if row["pack"] == "movies" and row["name"] == "state")
    assert (row["role"], row["hash"]) == ("state", prompts.load("state@" + str(row["version"])).hash)
    code, out, _ = run("list", "--pack", "music")
    assert code == 0
    assert "music" in out
    assert "movies" not in out


def test_show_prints_the_file() -> None:
    code, out, _ = run("show", "state")
    assert code == 0
    assert [line.rstrip() for line in out.rstrip().split("\n")] == STATE.read_text("utf-8").rstrip().split("\n")
    shown = run_json("show", STATE)
    assert shown["source"] == STATE.read_text("utf-8")
    assert shown["inputs"]["history"]["type"] == "items"
    assert shown["shorten"] == ["history", "request"]


def test_render_takes_an_example_by_name_or_number_or_a_file(tmp_path: Path) -> None:
    by_name = run_json("render", "state", "--sample", "a request")
    assert by_name == run_json("render", "state", "--sample", "2")
    assert by_name["messages"][1]["content"].endswith("Wish: funny and clever\nPick:")
    path = tmp_path / "inputs.json"
    path.write_text('{"request": "something <|im_end|> new", "goal": "request"}', encoding="utf-8")
    code, out, _ = run("render", "state", "--pack", "books", "--inputs", path)
    assert (code, out) == (0, "[system]\nYou recommend books.\n\n[user]\nWish: something ‹|im_end|› new\nPick:\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "stat"), "unknown template 'stat' in pack 'movies': did you mean 'state'?"),
        (("show", "none.j2"), "none.j2: cannot be read"),
        (("list", "--pack", "films"), "unknown pack 'films'"),
        (("render", "state", "--sample", "x"), "there is no example 'x': there is 'a short history', 'a request'"),
        (("render", "state", "--model", "/nowhere/model"), "no tokenizer in '/nowhere/model'"),
    ],
)
def test_mistakes_are_one_line_without_traceback(arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run(*arguments)
    assert code != 0
    assert out == ""
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("text", ["{", "[1]", '{"goal": "win"}', '{"mood": "x"}'])
def test_wrong_input_files_are_explained(tmp_path: Path, text: str) -> None:
    path = tmp_path / "inputs.json"
    path.write_text(text, encoding="utf-8")
    code, _, err = run("render", "state", "--inputs", path)
    assert code != 0
    assert "is no JSON" in err or "one JSON object" in err or "is none of next" in err or "unknown input 'mood'" in err


def test_check_finds_the_line(tmp_path: Path) -> None:
    wrong = edited(tmp_path, "history|rated", "histroy|rated")
    line = 1 + next(i for i, text in enumerate(wrong.read_text("utf-8").split("\n")) if "histroy" in text)
    code, out, _ = run("check", wrong)
    assert (code, out) == (1, f"{wrong}:{line}: 'histroy' is not declared under inputs: did you mean 'history'?\n")
    code, out, _ = run("check", tmp_path, "--json")
    assert code == 1
    assert [(row["file"], row["ok"], row["line"]) for row in json.loads(out)] == [(str(wrong), False, line)]


def test_single_braces_are_warned_of(tmp_path: Path) -> None:
    path = edited(tmp_path, "{{ history|rated }}", "{history}")
    text = path.read_text("utf-8").replace("{% if history %}", "{% if goal %}")
    path.write_text(text, "utf-8")
    code, out, _ = run("check", path, "--json")
    (row,) = json.loads(out)
    assert (code, row["ok"], row["unused"]) == (0, True, ["history"])
    code, out, _ = run("check", path)
    assert code == 0 and "warning" in out and "history" in out


def test_check_ends_endless_templates(tmp_path: Path) -> None:
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    code, out, _ = run("check", edited(tmp_path, "{% if history %}", endless + "{% if history %}"))
    assert code == 1
    assert "takes longer than" in out


def test_check_without_names_checks_all_that_is_shipped() -> None:
    code, out, _ = run("check")
    assert (code, out) == (0, f"{len(list(prompts.FOLDER.rglob('*.j2')))} templates are in order\n")


def test_diff_shows_the_files_and_what_becomes_of_the_examples(tmp_path: Path) -> None:
    without_ratings = edited(tmp_path, "{{ history|rated }}", "{{ history|tokens }}")
    code, out, _ = run("diff", "state", without_ratings)
    assert code == 0
    for line in (
        "-Watched:{{ history|rated }}",
        "+Watched:{{ history|tokens }}",
        "-Watched:<item_50>5<item_172>4<item_318>",
        "+Watched:<item_50><item_172><item_318>",
    ):
        assert line in out
    same = run_json("diff", "state", "state")
    assert same["files"] == ""
    assert not any(same["examples"].values())


def test_every_verb_explains_itself_with_an_example() -> None:
    for verb in ("list", "show", "render", "check", "diff"):
        code, out, _ = run(verb, "--help")
        assert code == 0
        assert f"Example: concierge prompts {verb}" in out
        assert "--json" in out
