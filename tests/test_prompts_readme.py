"""The examples in prompts/README.md do what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ui.cli.main import app

README = Path(__file__).resolve().parent.parent / "prompts" / "README.md"
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    kinds = []
    for kind, title, text in BLOCK.findall(README.read_text("utf-8")):
        kinds.append(kind)
        if kind == "jinja":
            Path(title).parent.mkdir(exist_ok=True)
            Path(title).write_text(text, encoding="utf-8")
        elif kind == "python":
            exec(compile(text, str(README), "exec"), names)
        else:
            assert kind == "console", f"an unknown kind of example: {kind}"
            assert run_all(text) == text
    assert {"jinja", "python", "console"} <= set(kinds)


def run_all(transcript: str) -> str:
    """The transcript as it really goes: each command with what it prints."""
    real = ""
    for command in re.findall(r"^\$ concierge (.*)$", transcript, re.MULTILINE):
        result = CliRunner().invoke(app, shlex.split(command))
        real += f"$ concierge {command}\n{result.output}"
    return real
