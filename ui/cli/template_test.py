"""``concierge prompts test``: the offline evaluation of edits to the state template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ui.cli.options import AdapterOption, DataOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, steps
from ui.studio.template_lookup import find_template

if TYPE_CHECKING:
    from eval.policy.template_trial import Trial
    from prompts import Template


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


def add_to(app: typer.Typer) -> None:
    """Add the verb to ``concierge prompts``."""
    app.command(epilog="Example: concierge prompts test my/state.j2 --against active --users 50")(test)


def test(
    candidates: Annotated[
        list[str], typer.Argument(metavar="TEMPLATE...", help="State templates: names, versions (state@2) or files.")
    ],
    against: Annotated[str, typer.Option(help="The one to compare with; active is what serves.")] = "active",
    users: Annotated[int | None, typer.Option(help="So many validation users (default: all).", min=2)] = None,
    pack: Annotated[str, typer.Option(help="Domain pack: movies, books, games, music, support, base.")] = "movies",
    data: DataOption = "ml-100k",
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
        print_json([found.to_json() for found in trials])
        return
    for name, found in zip(candidates, trials, strict=True):
        _show(name, against, found)


def _show(name: str, against: str, found: Trial) -> None:
    title = f"{name} against {against}: {found.users} validation users"
    table = Table("metric", "cases", "this", "other", "difference", title=title, title_justify="left", box=None)
    for row in found.rows:
        means = f"{row.candidate.mean:.4f}", f"{row.against.mean:.4f}"
        table.add_row(row.metric, f"{row.cases:,}", *means, str(row.difference))
    out().print(table)
