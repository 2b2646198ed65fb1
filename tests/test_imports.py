"""The folders import one way only, inside ``agent/`` too, and what is particular to films stays in its domain."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("prompts", "agent", "training", "eval", "ui")
"""Each may import itself and those before it."""

AGENT_LAYERS = (
    "records",
    "domains",
    "data",
    "catalogue",
    "understanding",
    "retrieval",
    "features",
    "policy",
    "explanation",
    "store",
    "monitor",
    "generation",
    "dialogue",
    "recommender",
    "service",
)
"""The same for the packages of ``agent/``; ``agent.text`` is for all."""

MODULES = sorted(path.relative_to(ROOT) for package in LAYERS for path in (ROOT / package).rglob("*.py"))
FILM_WORDS = re.compile(r"film|movie|genre", re.IGNORECASE)
"""Words of one domain, also inside of names in the code."""

NAMES = re.compile(r"\"films\"|movielens", re.IGNORECASE)
"""Names of data sets, which the code may say: the one that ships, and the benchmark."""

FILMS_LIVE_IN = re.compile(r"^agent/domains/films/|movielens|^eval/protocols/|llara|tallrec|redial")


def imported_modules(tree: ast.AST, package: str) -> set[str]:
    """Modules that a module of ``package`` imports, also inside functions and by name."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found.update(alias.name for alias in names)
            case ast.ImportFrom(module=module, level=level, names=names):
                base = package if level else (module or "")
                found.update(f"{base}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.add(name)
    return found


def part(module: str, depth: int) -> str:
    """The ``depth``-th part of a dotted name, "" where it is shorter."""
    parts = module.split(".")
    return parts[depth] if len(parts) > depth else ""


def above(module: Path, imported: str) -> bool:
    """Whether a module may not import another one, because that is in a layer above its own."""
    top = part(imported, 0)
    if top not in LAYERS:
        return False
    own = module.parts[0]
    if top != own:
        return LAYERS.index(top) > LAYERS.index(own)
    if own != "agent":
        return False
    mine, theirs = (name.removesuffix(".py") for name in (module.parts[1], part(imported, 1)))
    if mine not in AGENT_LAYERS or theirs not in AGENT_LAYERS:
        return False
    return AGENT_LAYERS.index(theirs) > AGENT_LAYERS.index(mine)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_one_way(module: Path) -> None:
    imported = imported_modules(ast.parse((ROOT / module).read_text("utf-8")), module.parts[0])
    assert not (wrong := sorted(own for own in imported if above(module, own))), f"{module} imports {wrong}"


def test_every_package_of_the_agent_has_its_layer() -> None:
    packages = {path.parent.name for path in (ROOT / "agent").glob("*/__init__.py")}
    assert packages <= set(AGENT_LAYERS)


def test_the_core_knows_no_films() -> None:
    found = [
        f"{module}:{number}: {line.strip()}"
        for module in MODULES
        if not FILMS_LIVE_IN.search(module.as_posix())
        for number, line in enumerate((ROOT / module).read_text("utf-8").splitlines(), 1)
        if FILM_WORDS.search(NAMES.sub("", line))
    ]
    assert not found, f"{len(found)} lines speak of films outside their domain: {found[:20]}"


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import training.sft", "training.sft"),
        ("import eval.metrics as m", "eval.metrics"),
        ("def f():\n    from ui.cli import main", "ui.cli.main"),
        ("import importlib\nimportlib.import_module('eval.report')", "eval.report"),
        ("if False:\n    from agent import dialogue", "agent.dialogue"),
    ],
)
def test_the_check_sees_every_form_of_import(source: str, imported: str) -> None:
    assert imported in imported_modules(ast.parse(source), "prompts")


@pytest.mark.parametrize(
    ("module", "imported", "wrong"),
    [
        ("agent/records/state.py", "agent.policy.distribution", True),
        ("agent/policy/loading.py", "agent.records.state", False),
        ("agent/recommender.py", "agent.dialogue.fold", False),
        ("agent/dialogue/fold.py", "agent.recommender", True),
        ("agent/policy/loading.py", "training.sft.rows", True),
        ("eval/metrics.py", "agent.text", False),
    ],
)
def test_layers_are_told_apart(module: str, imported: str, wrong: bool) -> None:
    assert above(Path(module), imported) is wrong
