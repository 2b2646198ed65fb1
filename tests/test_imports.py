"""The folders import one way only, and modules stay short enough to read in one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "prompts": {"prompts"},
    "agent": {"prompts", "agent"},
    "training": {"prompts", "agent", "training"},
    "eval": {"prompts", "agent", "training", "eval"},
    "ui": {"prompts", "agent", "training", "eval", "ui"},
}
LONGEST_MODULE = 600  # lines
MODULES = sorted(path.relative_to(ROOT) for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def imported_packages(tree: ast.AST, package: str) -> set[str]:
    """Top-level packages that a module of ``package`` imports, also inside functions and by name."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found.update(alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=module, level=level):
                found.add(package if level else (module or "").partition(".")[0])
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.add(name.partition(".")[0])
    return found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_one_way(module: Path) -> None:
    package = module.parts[0]
    ours = imported_packages(ast.parse((ROOT / module).read_text("utf-8")), package) & set(MAY_IMPORT)
    assert ours <= MAY_IMPORT[package], f"{module} imports {sorted(ours - MAY_IMPORT[package])}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_stay_short(module: Path) -> None:
    lines = len((ROOT / module).read_text("utf-8").splitlines())
    assert lines <= LONGEST_MODULE, f"{module} has {lines} lines: split it by noun"


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("import training.sft.trainer", "training"),
        ("import eval.metrics as m", "eval"),
        ("def f():\n    from ui.cli.main import main", "ui"),
        ("import importlib\nimportlib.import_module('eval.report')", "eval"),
        ("if False:\n    from agent import state", "agent"),
    ],
)
def test_the_check_sees_every_form_of_import(source: str, package: str) -> None:
    assert package in imported_packages(ast.parse(source), "prompts")
