"""The verbs ``concierge eval ranking`` and ``concierge eval policy``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import (
    EVAL,
    AdapterOption,
    DataOption,
    JsonOption,
    ModelOption,
    OptionError,
    PartOption,
    print_json,
    show_document,
    steps,
)
from ui.studio.template_lookup import find_template

if TYPE_CHECKING:
    import pandas as pd

    from eval.ranking.run import PolicySource
    from eval.ranking.table import Table
    from prompts import Template

TemplateOption = Annotated[
    str | None,
    typer.Option(help="A state template for all policies: NAME@VERSION or a file (default: each adapter's own)."),
]
LibraryOption = Annotated[bool, typer.Option(help="LensKit's recommenders and the untuned LM, beside ours.")]


@EVAL.command(
    epilog="Example: concierge eval ranking --protocol leave-one-out --predictions out.parquet; two templates: "
    "concierge eval ranking --protocol requests --compare state@1 my/state.j2"
)
def ranking(
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="leave-one-out, rated-slate, requests, llara or tallrec; may be repeated (default: the first three, "
            "as far as they apply to the data)."
        ),
    ] = None,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="One more policy, NAME=FOLDER of an adapter; may be repeated."),
    ] = None,
    part: PartOption = "test",
    template: TemplateOption = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Only two rows and their paired difference: names of rows, adapter folders or templates."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write every list to this .parquet file, so that all can be worked out again.")
    ] = None,
    library: LibraryOption = True,
    users: Annotated[int, typer.Option(help="Rank the cases of at most so many users, drawn by a hash.", min=2)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of sampling, fits and intervals.")] = 0,
    published: Annotated[
        Path | None, typer.Option("--rows", help="Folder of the rows of the protocol llara, which do not come with us.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Rank all anew, whatever the cache holds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Rank with our policies, baselines and library recommenders on the same cases; 95 % intervals over users.

    The released policies before and after PPO are among the rows, unless --adapter names another one.
    """
    from agent.data.dataset import load_dataset
    from eval.ranking.cache import RankingCache
    from eval.ranking.comparison import DEFAULT, PROTOCOLS, as_document, evaluate_all, released_policies
    from eval.ranking.run import PolicySource, RankingRun

    unknown = sorted(set(protocol or ()) - set(PROTOCOLS))
    if unknown:
        raise OptionError(f"unknown protocol {unknown[0]!r}: use one of {', '.join(PROTOCOLS)}")
    if predictions is not None and predictions.suffix != ".parquet":
        raise OptionError(f"--predictions {str(predictions)!r}: give a file that ends in .parquet")
    own = None if template is None else state_template(template)
    sources = [PolicySource("policy", adapter, own)] if adapter is not None else released_policies()
    sources = [PolicySource(source.name, source.adapter, own) for source in sources]
    sources += [named_policy(text, own) for text in policy or ()]
    if compare is not None:
        sources, compare = _compared(compare, sources, adapter)
    rows: list[pd.DataFrame] = []
    dataset = load_dataset(data)
    with steps() as report:
        run = RankingRun(
            policies=sources,
            model=model,
            template=own,
            part=part,
            users=users,
            seed=seed,
            library=library,
            compare=compare,
            cache=RankingCache(fresh),
            report=report,
            rows=published,
            keep=rows.append if predictions is not None else lambda own: None,
        )
        skip = protocol is None and compare is None
        tables, left_out = evaluate_all(dataset, protocol or DEFAULT, run, skip)
    if predictions is not None:
        _write(predictions, rows)
    document = as_document(data, run, tables, left_out)
    if compare is not None:
        document |= {"compare": list(compare), "differences": [_difference(table, compare) for table in tables]}
    if as_json:
        return print_json(document)
    show_document("ranking", document)


def state_template(which: str) -> Template:
    """The state template that goes by a name, or a file.

    Raises:
        OptionError: it is of another role.
    """
    template = find_template(which)
    if template.header.role != "state":
        raise OptionError(f"{which!r} is of role {template.header.role!r}: give a template of role 'state'")
    return template


def named_policy(text: str, template: Template | None = None) -> PolicySource:
    """A policy from ``NAME=FOLDER``.

    Raises:
        OptionError: it is written otherwise.
    """
    from eval.ranking.run import PolicySource

    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise OptionError(f"--policy {text!r}: write it as NAME=FOLDER")
    return PolicySource(name, Path(folder), template)


def _compared(
    pair: tuple[str, str], sources: Sequence[PolicySource], adapter: Path | None
) -> tuple[list[PolicySource], tuple[str, str]]:
    """The policies among which both of a pair are, and the names of their two rows."""
    from agent.policy.loading import RELEASED
    from eval.ranking.run import PolicySource

    found, names = list(sources), []
    for text in pair:
        name = text
        if "=" in text:
            found.append(named_policy(text))
            name = found[-1].name
        elif text.endswith(".j2") or "@" in text:
            found.append(PolicySource(text, adapter or RELEASED, state_template(text)))
        elif text not in {source.name for source in sources} and Path(text).is_dir():
            found.append(PolicySource(text, Path(text)))
        names.append(name)
    first, second = names
    if first == second:
        raise OptionError(f"--compare {pair[0]} {pair[1]}: both are the row {first!r}; name two")
    return found, (first, second)


def _write(path: Path, rows: Sequence[pd.DataFrame]) -> None:
    import pandas as pd

    path.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(rows, ignore_index=True).to_parquet(path, index=False)


def _difference(table: Table, pair: tuple[str, str]) -> dict[str, Any]:
    first = next(row for row in table.rows if row.policy == pair[0])
    return {"protocol": table.protocol, "set": table.about} | {
        metric: {"mean": own.mean, "ci": [own.low, own.high]} for metric, own in first.differences.items()
    }


@EVAL.command(epilog="Example: concierge eval policy --policy exact=runs/exact/adapter")
def policy(
    more: Annotated[
        list[str] | None,
        typer.Option("--policy", help="One more row, NAME=FOLDER of an adapter; may be repeated."),
    ] = None,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    part: PartOption = "test",
    template: TemplateOption = None,
    library: LibraryOption = True,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Click rate and stars of what each policy picks from slates of known ratings, beside baselines.

    This is `concierge eval ranking --protocol rated-slate`.
    """
    ranking(["rated-slate"], data, model, None, more, part, template, library=library, seed=seed, as_json=as_json)
