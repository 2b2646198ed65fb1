"""The verb ``concierge recommend``: one answer, or one a line of a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track

from ui.cli.terminal import AdapterOption, DataOption, JsonOption, ModelOption, out, print_json, working

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.records.answer import Answer

KEYS = {"id", "user", "history", "messages", "k"}


class InputError(ValueError):
    """A line of the input file cannot be used; the message names the file, the line and the field."""


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the root command."""
    app.command(
        epilog='Examples: concierge recommend --likes Alien --likes "Blade Runner" --ask "something funny" -k 5\n\n'
        "concierge recommend --user 42 --json    concierge recommend --input requests.jsonl"
    )(recommend)


def recommend(
    user: Annotated[str | None, typer.Option(help="A user of the data set whose past counts.")] = None,
    likes: Annotated[list[str] | None, typer.Option(help="A film you like; may be repeated.")] = None,
    dislikes: Annotated[list[str] | None, typer.Option(help="A film you dislike; may be repeated.")] = None,
    ask: Annotated[str, typer.Option(help="What you are in the mood for, in your own words.")] = "",
    k: Annotated[int, typer.Option("-k", help="How many films.", min=1)] = 5,
    input: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help='Requests, one JSON object a line: {"id", "user"?, "history"?: [{"item", "rating"?}], '
            '"messages": [{"role", "content"}], "k"}. Prints one answer a line, in the same order.',
        ),
    ] = None,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recommend films for a user, for films you like, or for a wish in words."""
    from agent.catalogue.lookup import RequestError
    from agent.recommender import Recommender

    if input is not None and (user or likes or dislikes or ask):
        raise InputError("--input stands alone: put the user, the history and the messages into its lines")
    requests = list(_requests(input)) if input is not None else []
    with working("Loading the model"):
        recommender = Recommender.load(data, model, adapter, progress=not as_json)
    if input is None:
        answer = recommender.recommend(user=user, likes=likes or (), dislikes=dislikes or (), ask=ask, k=k)
        if as_json:
            print_json(answer.to_json())
        else:
            _show(answer)
        return
    bar = track(requests, "Answering", console=None, disable=not sys.stderr.isatty())
    for number, request in bar:
        try:
            answer = _answer(recommender, request)
        except RequestError as error:
            raise InputError(f"{input}:{number}: {error}") from None
        typer.echo(json.dumps({"id": request["id"], **answer.to_json()}, ensure_ascii=False))


def _requests(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The lines of a request file with their numbers, checked before any is answered."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _checked(line, f"{path}:{number}")


def _checked(line: str, where: str) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(request, dict):
        raise InputError(f"{where}: a line must hold one JSON object, not {type(request).__name__}")
    unknown = set(request) - KEYS
    if unknown:
        raise InputError(f"{where}: unknown field {min(unknown)!r}: use {', '.join(sorted(KEYS))}")
    if "id" not in request:
        raise InputError(f"{where}: the field 'id' is missing: give each request one, to find its answer again")
    for field, known, need in (("history", {"item", "rating"}, "item"), ("messages", {"role", "content"}, "content")):
        entries = request.get(field) or []
        if not isinstance(entries, list):
            raise InputError(f"{where}: {field!r} must be a list, not {type(entries).__name__}")
        for entry in entries:
            if not isinstance(entry, dict) or need not in entry or not set(entry) <= known:
                raise InputError(f"{where}: {field!r} holds {entry!r}: give an object with {', '.join(sorted(known))}")
    for entry in request.get("messages") or []:
        if not isinstance(entry["content"], str) or "role" not in entry:
            raise InputError(f"{where}: 'messages' holds {entry!r}: give a role, and the content as text")
    for entry in request.get("history") or []:
        if not isinstance(entry.get("rating"), int | float | None):
            raise InputError(f"{where}: rating {entry['rating']!r} is not a number of stars")
    k = request.get("k", 5)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError(f"{where}: k {k!r} is not a whole number from 1 on")
    return request


def _answer(recommender: Recommender, request: Mapping[str, Any]) -> Answer:
    user = request.get("user")
    return recommender.recommend(
        user=None if user is None else str(user),
        history=request.get("history") or (),
        messages=request.get("messages") or (),
        k=request.get("k", 5),
    )


def _show(answer: Answer) -> None:
    console = out()
    console.print(answer.reply, soft_wrap=True)
    for place, item in enumerate(answer.items, 1):
        year = f" ({item.year})" if item.year else ""
        console.print(f"\n{place}. {item.title}{year}  {', '.join(item.categories)}", soft_wrap=True)
        console.print(f"   {item.reason}", soft_wrap=True)
