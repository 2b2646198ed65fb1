"""Terminal: what all verbs of the command line share: the ``--json`` option, errors in one line, progress."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer
from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from typer.core import TyperGroup

if TYPE_CHECKING:
    from agent.recommender import Language

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]

_OURS = frozenset({"agent", "prompts", "training", "eval", "ui"})


class Group(TyperGroup):
    """A group of verbs whose own errors end in one line on standard error and exit status 2, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; errors that are not ours pass through, with their traceback."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in _OURS:
                raise
            typer.echo(f"concierge: {error}", err=True)
            raise typer.Exit(2) from error


def _group(name: str, about: str) -> typer.Typer:
    group = typer.Typer(help=about, no_args_is_help=True, pretty_exceptions_enable=False)
    ROOT.add_typer(group, name=name)
    return group


ROOT = typer.Typer(
    name="concierge",
    cls=Group,
    help="Recommendations in conversation, by a language model that picks from a real catalogue and says why.",
    epilog="Start with: concierge data fetch, then: concierge chat",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The command itself; modules add their verbs to it and to its groups."""

DATA = _group("data", "Bring data and the base model, import tables of your own, describe them.")
PROMPTS = _group(
    "prompts", "List, show, check, compare, test and activate the templates that the language model reads."
)
TRAIN = _group("train", "Train the policy and its reward model.")
EVAL = _group("eval", "Measure the policy beside baselines, and reward models.")
ADAPTERS = _group("adapters", "Versions of the policy: list them, put one to use, go back.")
KEYS = _group("keys", "API keys of the service: make, list, rotate and revoke them.")


class OptionError(ValueError):
    """An option is badly given, or two do not go together; the message says how to give it."""


def print_json(value: Any) -> None:
    """One JSON document on standard output; text as it is, not escaped."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def out() -> Console:
    """The console for people on standard output; nothing that is printed is read as markup."""
    return Console(markup=False, highlight=False, emoji=False)


def say(text: object) -> None:
    """A line for people; the terminal breaks it where it is too long."""
    out().print(text, soft_wrap=True)


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str | None = None,
    words: int = 1,
    lines: bool = True,
) -> None:
    """A table for people: the first ``words`` columns are words, the others figures; without ``lines``, no frame."""
    box = HEAVY_HEAD if lines else None
    grid = Table(title=title, title_justify="left", box=box, pad_edge=lines, show_header=any(columns))
    rows = list(rows)
    for place, name in enumerate(columns):
        # Dates, ids and short names stay whole.
        whole = place == 0 and all(len(str(row[0])) <= 24 for row in rows)
        grid.add_column(
            name.replace("_", " "), justify="left" if place < words else "right", no_wrap=whole, overflow="fold"
        )
    for row in rows:
        grid.add_row(*("–" if cell is None else str(cell) for cell in row))
    out().print(grid)


def show_document(kind: str, value: Mapping[str, Any]) -> None:
    """What a verb prints with ``--json``, for people: the texts and tables that the report makes of it."""
    from eval.report.blocks import Source, Text
    from eval.report.blocks import Table as Figures
    from eval.report.sections import parts_of

    for part in parts_of(Source(kind, value, "")):
        for block in part.blocks:
            if isinstance(block, Text):
                say(block.text)
            elif isinstance(block, Figures):
                title = f"{part.title}. {block.caption}" if part.title else block.caption
                figures = [any(row[k].value is not None for row in block.rows) for k in range(len(block.columns))]
                words = (*figures, True).index(True)
                show_table(block.columns, [[cell.text for cell in row] for row in block.rows], title, words)
                for note in block.notes:
                    say(note)


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """A moving line on standard error, with the time, while the block runs (on a terminal only).

    The block may call what it is given to say which part of the work it is at.
    """
    console = Console(file=sys.stderr)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda part: progress.update(task, description=f"{what}: {part}")


@contextmanager
def steps() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for each of several long parts of one verb; off a terminal, lines now and then.

    Gives a function to be called with (what is being done, steps done, steps in all).
    """
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield line_reporter()
        return
    with step_bars(console) as progress:
        yield reporter(progress)


def line_reporter(every: float = 10.0) -> Callable[[str, int, int], None]:
    """A function to be called with (what is being done, steps done, steps in all), which writes to standard error.

    A part gets a line when it begins and ends, and in between at most one in ``every`` seconds.
    """
    last: dict[str, float] = {}

    def report(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what not in last or done >= total or now - last[what] >= every:
            if done < total or last.get(what, 0.0) >= 0.0:
                print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)
            last[what] = -1.0 if done >= total else now

    return report


def step_bars(console: Console) -> Progress:
    """Bars that count steps, with the time taken and left; nothing where the console is no terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=console, disable=not console.is_terminal)


def reporter(progress: Progress) -> Callable[[str, int, int], None]:
    """A function to be called with (what is being done, steps done, steps in all), which moves a bar for each part."""
    tasks: dict[str, TaskID] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what.capitalize(), total=total)
        progress.update(tasks[what], completed=done, total=total)

    return report


DataOption = Annotated[
    str, typer.Option(help="A data set that ships, ml-100k, or the name that `concierge data import` gave it.")
]
CataloguesOption = Annotated[
    list[str] | None,
    typer.Option("--data", help="A data set; may be repeated: the first is the default (default: ml-100k)."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="A Hugging Face causal LM by name or folder (default: the fetched SmolLM2-135M-Instruct)."),
]
PartOption = Annotated[Literal["valid", "test"], typer.Option(help="test for reports, valid for choices.")]
AdapterOption = Annotated[
    Path | None,
    typer.Option(help="An adapter folder (default: the one in use; to train or evaluate, the released one)."),
]


@dataclass(frozen=True)
class Llm:
    """The options that name a chat server; see :func:`with_options`."""

    llm: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A server that speaks OpenAI's chat protocol (http://localhost:8000/v1) reads messages and words "
            "replies; what it gets wrong or is too slow for, the built-in reader and templates do. Its key: "
            "$CONCIERGE_LLM_KEY.",
            show_default=False,
        ),
    ] = None
    llm_model: Annotated[str, typer.Option(help="The model's name on that server.")] = "default"
    llm_part: Annotated[Literal["both", "reading", "wording"], typer.Option(help="What that server does.")] = "both"
    llm_seconds: Annotated[float, typer.Option(help="So long it may take for each of them.", min=0.1, max=600)] = 4.0

    def language(self) -> Language:
        """Who reads and words.

        Raises:
            ServerAddressError: the URL is no address.
        """
        from agent.recommender import BUILT_IN, Language

        if self.llm is None:
            return BUILT_IN
        from agent.generation.server_wording import ServerWording
        from agent.understanding.chat_server import KEY_VARIABLE, ChatServer
        from agent.understanding.server_reader import ServerReader

        server = ChatServer(self.llm, self.llm_model, os.environ.get(KEY_VARIABLE) or None, self.llm_seconds)
        return Language(
            BUILT_IN.reader if self.llm_part == "wording" else ServerReader(server),
            None if self.llm_part == "reading" else ServerWording(server),
            server,
        )


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option a field of every parameter that is a dataclass: options that verbs have in common."""
    groups: dict[str, Any] = {}
    parameters: list[Parameter] = []
    for own in signature(command, eval_str=True).parameters.values():
        if is_dataclass(own.annotation):
            groups[own.name] = own.annotation
            hints = get_type_hints(own.annotation, include_extras=True)
            parameters += [
                Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
                for field in fields(own.annotation)
            ]
        else:
            parameters.append(own)

    def run(**values: Any) -> None:
        made = {name: group(**{f.name: values.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        command(**values, **made)

    return reshaped(command, run, parameters)


def reshaped(
    command: Callable[..., None], run: Callable[..., None], parameters: Sequence[Parameter]
) -> Callable[..., None]:
    """``run`` in the place of a command, with other parameters."""
    named = [own.replace(kind=Parameter.KEYWORD_ONLY) for own in parameters]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = Signature(named)  # type: ignore[attr-defined]
    run.__annotations__ = {own.name: own.annotation for own in named}
    return run
