"""``concierge prompts versions``, ``save``, ``activate`` and their like: saved edits of templates and what serves."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import prompts
from ui.cli.terminal import PROMPTS, JsonOption, print_json, say, show_document, show_table
from ui.studio.template_lookup import person, served_templates

if TYPE_CHECKING:
    from agent.store.template_serving import Serving

Pack = Annotated[str, typer.Option(help=f"Domain pack: {', '.join(prompts.packs())}.")]
Author = Annotated[str | None, typer.Option(help="Who answers for it (default: the system's user).")]
Note = Annotated[str, typer.Option(help="Why, in a line.")]
Version = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A saved version, such as state@2.")]


@PROMPTS.command(epilog="Example: concierge prompts versions state")
def versions(
    name: Annotated[str | None, typer.Argument(help="Only versions of this template.")] = None,
    pack: Pack = prompts.DEFAULT_PACK,
    as_json: JsonOption = False,
) -> None:
    """List saved versions: which serve, who saved them, when, why and from which other one."""
    with served_templates(pack) as served:
        statuses = served.statuses()
        found = [version for version in served.store.versions() if name in (None, version.name)]
        weights = {
            share.reference: share.weight
            for role in {version.role for version in found}
            for share in served.current(role).shares
        }
    rows: list[dict[str, Any]] = [
        {
            "template": version.reference,
            "role": version.role,
            "status": statuses[version.reference],
            "weight": weights.get(version.reference, 1.0 if statuses[version.reference] == "active" else 0.0),
            "parent": version.parent,
            "author": version.author,
            "note": version.note,
            "timestamp": version.timestamp,
            "hash": version.hash,
            "shipped": version.origin is not None,
        }
        for version in found
    ]
    if as_json:
        return print_json(rows)
    cells = []
    for row in rows:
        status = row["status"] if row["weight"] in (0.0, 1.0) else f"{row['status']} ({row['weight']:.0%})"
        saved = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["timestamp"]))
        parent = "" if row["parent"] is None else f"@{row['parent']}"
        cells.append((row["template"], status, parent, row["author"], saved, row["note"]))
    show_table(("template", "status", "from", "author", "saved", "note"), cells, words=6, lines=False)


@PROMPTS.command(epilog="Example: concierge prompts save my/state.j2 --parent 1 --note 'no stars'")
def save(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A template file; its name does not matter.")
    ],
    parent: Annotated[
        int | None, typer.Option(help="The version that the edit started from (default: the one that it says itself).")
    ] = None,
    author: Author = None,
    note: Note = "",
    pack: Pack = prompts.DEFAULT_PACK,
    as_json: JsonOption = False,
) -> None:
    """Keep a file as a new version (a draft until it is activated)."""
    source = file.read_text(encoding="utf-8")
    draft = prompts.parse(source, str(file))
    with served_templates(pack) as served:
        if parent is None and served.store.find(draft.name, draft.version, pack) is not None:
            parent = draft.version
        version, siblings = served.store.save(source, author or person(), note, parent)
    if as_json:
        return print_json(
            {"template": version.reference, "hash": version.hash, "forks": [s.reference for s in siblings]}
        )
    say(f"{version.reference} is saved; `concierge prompts activate {version.reference}` lets it serve")
    for sibling in siblings:
        say(f"Note: {sibling.author} made {sibling.reference} from the same version: compare the two")


@PROMPTS.command(epilog="Example: concierge prompts activate state@2 --note 'better on requests'")
def activate(
    version: Version,
    author: Author = None,
    note: Note = "",
    pack: Pack = prompts.DEFAULT_PACK,
    as_json: JsonOption = False,
) -> None:
    """Let one version serve its role; running chats use it from the next turn on."""
    with served_templates(pack) as served:
        serving = served.activate(version, author or person(), note)
    _say(serving, as_json)


@PROMPTS.command(epilog="Example: concierge prompts rollback state")
def rollback(
    role: Annotated[str, typer.Argument(help="state, reply, explanation, reward, ...")] = "state",
    author: Author = None,
    note: Note = "",
    pack: Pack = prompts.DEFAULT_PACK,
    as_json: JsonOption = False,
) -> None:
    """Return to what served a role before; again: one step further back."""
    with served_templates(pack) as served:
        serving = served.roll_back(role, author or person(), note)
    _say(serving, as_json)


@PROMPTS.command(epilog="Example: concierge prompts experiment state@1 state@2 --weight 0.2")
def experiment(
    first: Annotated[str | None, typer.Argument(metavar="[NAME@VERSION", help="A saved version.")] = None,
    second: Annotated[str | None, typer.Argument(metavar="NAME@VERSION]", help="The one to compare it with.")] = None,
    weight: Annotated[float, typer.Option(help="The second one's part of all conversations, between 0 and 1.")] = 0.5,
    role: Annotated[str, typer.Option(help="Report: the role whose versions are compared.")] = "state",
    days: Annotated[float | None, typer.Option(help="Report: only the last so many days.", min=0)] = None,
    author: Author = None,
    note: Note = "",
    pack: Pack = prompts.DEFAULT_PACK,
    as_json: JsonOption = False,
) -> None:
    """Let two versions share the conversations; without versions, report what people did with each one's items.

    The report is of the experiment that runs, from its beginning; where none runs, of every version that ever served.
    """
    from agent.store.template_versions import TemplateError
    from eval.live.experiments import report, running

    if (first is None) != (second is None):
        raise TemplateError("an experiment compares two versions: name both, or none for the report")
    with served_templates(pack) as served:
        if first is not None and second is not None:
            _say(served.experiment(first, second, weight, author or person(), note), as_json)
            return
        since, hashes = running(served, role) if days is None else (time.time() - 86_400 * days, None)
        found = report(served.store.log, since, hashes, served, role)
        waiting = [share.reference for share in served.current(role).shares]
    if as_json:
        return print_json(found.to_json())
    show_document("experiments", {"role": role, **found.to_json()})
    shown = {arm.template for arm in found.arms}
    for reference in waiting:
        if reference not in shown:
            say(f"Nothing of {reference} was shown yet")


@PROMPTS.command("export", epilog="Example: concierge prompts export backup state")
def export(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where the files go; made where it is not there.")],
    names: Annotated[list[str] | None, typer.Argument(help="Templates or versions (default: all).")] = None,
    pack: Pack = prompts.DEFAULT_PACK,
    as_json: JsonOption = False,
) -> None:
    """Write saved versions as template files, with a versions.json that says who saved them."""
    from agent.store.template_files import export_versions

    with served_templates(pack) as served:
        store = served.store
        chosen = store.versions()
        if names:
            for name in names:
                store.get(name)
            chosen = [version for version in chosen if {version.name, version.reference} & set(names)]
    paths = export_versions(chosen, folder)
    if as_json:
        print_json([str(path) for path in paths])
    else:
        say(f"{len(paths)} versions are in {folder}")


@PROMPTS.command("import", epilog="Example: concierge prompts import backup")
def import_(
    path: Annotated[Path, typer.Argument(exists=True, help="A template file, or a folder of them.")],
    author: Author = None,
    pack: Pack = prompts.DEFAULT_PACK,
    as_json: JsonOption = False,
) -> None:
    """Take template files in as versions; one whose number is taken gets the next."""
    from agent.store.template_files import import_versions

    with served_templates(pack) as served:
        adopted = import_versions(served.store, path, author or person())
    if as_json:
        return print_json([{"file": str(file), "template": version.reference} for file, version in adopted])
    for file, version in adopted:
        say(f"{file} is {version.reference}")


def _say(serving: Serving, as_json: bool) -> None:
    if as_json:
        return print_json(asdict(serving))
    shares = [f"{share.reference} ({share.weight:.0%})" for share in serving.shares]
    what = " and ".join(shares) if shares else "the product's own template"
    say(f"{serving.role}: {what}")
