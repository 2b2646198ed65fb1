"""``concierge prompts``: list, show, render, check and compare prompt templates from a terminal or in CI."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.syntax import Syntax

import prompts
from prompts import PromptError, Rendered, Template
from ui.cli.terminal import (
    PROMPTS,
    AdapterOption,
    DataOption,
    JsonOption,
    ModelOption,
    print_json,
    say,
    show_table,
    steps,
)
from ui.studio.template_lookup import find_template

if TYPE_CHECKING:
    from eval.policy.template_trial import Trial

Pack = Annotated[str, typer.Option(help=f"Domain pack: {', '.join(prompts.packs())}.")]
Which = Annotated[
    str,
    typer.Argument(
        metavar="TEMPLATE", help="A name (state), a version (state@1, state@active) or a file (my/state.j2)."
    ),
]


def _print_code(text: str, language: str) -> None:
    """Coloured in a terminal, and in the lines that it has."""
    coloured = Syntax("", language, background_color="default").highlight(text.rstrip("\n"))
    coloured.rstrip()
    say(coloured)


@PROMPTS.command("list", epilog="Example: concierge prompts list --pack music")
def list_templates(
    pack: Annotated[str | None, typer.Option(help="Only this domain pack.")] = None, as_json: JsonOption = False
) -> None:
    """List templates, one line a version."""
    chosen = prompts.packs() if pack is None else (pack,)
    rows: list[dict[str, Any]] = [
        {
            "pack": name,
            "name": template.name,
            "version": template.version,
            "role": template.header.role,
            "description": template.header.description,
            "file": template.file,
            "hash": template.hash,
        }
        for name in chosen
        for template in prompts.shelf(name)
    ]
    if as_json:
        return print_json(rows)
    cells = [(row["pack"], f"{row['name']}@{row['version']}", row["role"], row["description"]) for row in rows]
    show_table(("pack", "template", "role", "description"), cells, words=4, lines=False)


@PROMPTS.command(epilog="Example: concierge prompts show state@1 --pack books")
def show(which: Which, pack: Pack = prompts.DEFAULT_PACK, as_json: JsonOption = False) -> None:
    """Show a template's file."""
    template = find_template(which, pack)
    if as_json:
        header = template.header
        print_json(
            {
                "name": template.name,
                "version": template.version,
                "role": header.role,
                "description": header.description,
                "file": template.file,
                "hash": template.hash,
                "system": header.system,
                "inputs": {
                    name: {"type": entry.type, "description": entry.description, "required": entry.required}
                    for name, entry in header.inputs.items()
                },
                "shorten": list(header.shorten),
                "examples": [example.name for example in header.examples],
                "source": template.source,
            }
        )
    else:
        _print_code(template.source, "jinja")


@PROMPTS.command(epilog="Example: concierge prompts render state --sample 'a request'")
def render(
    which: Which,
    pack: Pack = prompts.DEFAULT_PACK,
    sample: Annotated[
        str | None, typer.Option(help="An example of the front matter, by name or number from 1.")
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A JSON file with the inputs, in place of an example."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model's name or folder: print its own text and the number of tokens.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Render a template with one of its examples (the first, if none is named) or with inputs from a file."""
    template = find_template(which, pack)
    values = _read_inputs(inputs) if inputs is not None else _sample(template, sample)
    rendered = prompts.render_isolated(template.source, values, template.file)
    text, count = _tokenized(rendered, model) if model is not None else (None, None)
    if as_json:
        print_json(
            {
                "name": rendered.name,
                "version": rendered.version,
                "hash": rendered.hash,
                "messages": rendered.messages,
                "text": text,
                "tokens": count,
            }
        )
    elif text is not None:
        typer.echo(f"{text}\n[{count} tokens]")
    else:
        typer.echo("\n\n".join(f"[{m['role']}]\n{m['content']}" for m in rendered.messages))


def _read_inputs(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PromptError(f"is no JSON: {error}", str(path)) from None
    if not isinstance(values, dict):
        raise PromptError("must hold one JSON object: input name -> value", str(path))
    return values


def _sample(template: Template, sample: str | None) -> dict[str, Any]:
    examples = template.header.examples
    for place, example in enumerate(examples, 1):
        if sample in (None, example.name, str(place)):
            return example.inputs
    if sample is None:
        return {}
    known = ", ".join(repr(example.name) for example in examples) or "none"
    raise PromptError(f"there is no example {sample!r}: there is {known}", template.file)


def _tokenized(rendered: Rendered, model: str) -> tuple[str, int]:
    from transformers import AutoTokenizer  # takes seconds to import, and only this option needs it

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        typer.echo(f"no tokenizer in {model!r}: give a Hugging Face name or a model folder ({error})", err=True)
        raise typer.Exit(1) from None
    return rendered.text(tokenizer), len(rendered.ids(tokenizer))


@PROMPTS.command(epilog="Example: concierge prompts check my-pack/state.j2")
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Template files or pack folders; none: all shipped.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check templates and render their examples; exit status 1 and file:line: message for each that is wrong.

    An input that is declared and never used gets a warning.
    """
    results = [_checked(path) for path in _expand(files or [prompts.FOLDER])]
    wrong = [result for result in results if not result["ok"]]
    if as_json:
        print_json(results)
    else:
        for result in wrong:
            line = "" if result["line"] is None else f"{result['line']}:"
            typer.echo(f"{result['file']}:{line} {result['message']}")
        for result in results:
            if result["unused"]:
                names = ", ".join(result["unused"])
                typer.echo(f"{result['file']}: warning: never uses {names}: write {{{{ {result['unused'][0]} }}}}")
        if not wrong:
            typer.echo(f"{len(results)} templates are in order")
    raise typer.Exit(1 if wrong or not results else 0)


def _expand(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.j2"))
        else:
            yield path


def _checked(path: Path) -> dict[str, Any]:
    try:
        template = prompts.read(path)
        prompts.check_isolated(template.source, template.file)
    except PromptError as error:
        where = {"file": error.file or str(path), "line": error.line}
        return {**where, "ok": False, "message": error.message, "unused": []}
    message = f"{template.name}@{template.version}"
    return {"file": template.file, "line": None, "ok": True, "message": message, "unused": list(template.unused)}


@PROMPTS.command(epilog="Example: concierge prompts diff state my/state.j2")
def diff(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="A name, a version of it, or a file.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="The one to compare it with.")],
    pack: Pack = prompts.DEFAULT_PACK,
    second_pack: Annotated[str | None, typer.Option(help="Pack of the second, if another.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two templates: their files, and what each makes of the first one's examples."""
    old, new = find_template(first, pack), find_template(second, second_pack or pack)
    texts = _unified(old.source, new.source, old.file, new.file)
    examples = {
        example.name: _unified(_body(old, example.inputs), _body(new, example.inputs), old.file, new.file)
        for example in old.header.examples
        if example.inputs.keys() <= new.header.inputs.keys()
    }
    if as_json:
        pair = [{"file": each.file, "version": each.version, "hash": each.hash} for each in (old, new)]
        print_json({"first": pair[0], "second": pair[1], "files": texts, "examples": examples})
        return
    parts = [texts or "the files are equal\n"]
    parts += [f"example: {name}\n{change}" for name, change in examples.items() if change]
    _print_code("\n".join(parts), "diff")


def _body(template: Template, inputs: dict[str, Any]) -> str:
    messages = prompts.render_isolated(template.source, inputs, template.file).messages
    return "\n".join(f"[{m['role']}]\n{m['content']}" for m in messages) + "\n"


def _unified(old: str, new: str, old_name: str, new_name: str) -> str:
    return "".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), old_name, new_name))


class RoleError(ValueError):
    """A template of another role than the one that is tested; the message says how that role is measured."""

    def __init__(self, template: Template) -> None:
        role = template.header.role
        instead = (
            "train a reward model with it (`concierge train reward --template`), then `concierge eval reward`"
            if role in ("reward", "reward-text")
            else "let people judge two saved versions (`concierge prompts experiment`)"
        )
        super().__init__(f"{template.file} is of role {role!r}: only state templates can be tested offline; {instead}")


@PROMPTS.command(epilog="Example: concierge prompts test my/state.j2 --against active --users 50")
def test(
    candidates: Annotated[
        list[str], typer.Argument(metavar="TEMPLATE...", help="State templates: names, versions (state@2) or files.")
    ],
    against: Annotated[str, typer.Option(help="The one to compare with; active is what serves.")] = "active",
    users: Annotated[int | None, typer.Option(help="So many validation users (default: all).", min=2)] = None,
    pack: Pack = prompts.DEFAULT_PACK,
    data: DataOption = "films",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare state templates offline on validation users: paired differences with 95 % intervals over users."""
    templates = [find_template(which, pack) for which in candidates]
    other = find_template("state@active" if against == "active" else against, pack)
    for template in (*templates, other):
        if template.header.role != "state":
            raise RoleError(template)
    from agent.data.dataset import load_dataset
    from agent.policy.loading import load_policy
    from eval.policy.template_trial import trial

    dataset = load_dataset(data)
    with steps() as report:
        report("loading", 0, 1)
        policy = load_policy(data, model, adapter)[1].current()
        trials = trial(dataset, policy, templates, other, users, report)
    if as_json:
        return print_json([found.to_json() for found in trials])
    for name, found in zip(candidates, trials, strict=True):
        _show_trial(name, against, found)


def _show_trial(name: str, against: str, found: Trial) -> None:
    title = f"{name} against {against}: {found.users} validation users"
    rows = [
        (row.metric, f"{row.cases:,}", f"{row.candidate.mean:.4f}", f"{row.against.mean:.4f}", row.difference)
        for row in found.rows
    ]
    show_table(("metric", "cases", "this", "other", "difference"), rows, title, words=5, lines=False)
