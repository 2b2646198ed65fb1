"""The verb ``concierge talk``: conversations from a file, as plain data, or one at the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import AdapterOption, DataOption, JsonOption, ModelOption, out, working

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.records.answer import Answer

KEYS = {"id", "user", "turns"}


class TalkError(ValueError):
    """A conversation cannot be held as given; the message names the line or turn and the fix."""


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the root command."""
    app.command(
        epilog="Examples: concierge talk    concierge talk --input dialogues.jsonl --json\n\nA line of the file: "
        '{"id": "a", "turns": ["a western", {"react": "like", "position": 1}, {"remove": "year"}, "why?"]}'
    )(talk)


def talk(
    input: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help='Conversations, one JSON object a line: {"id", "user"?, "turns": [text, {"react": like, dislike, seen,'
            ' more, less or rate, "position": 1, "stars"?}, or {"remove": facet}]}; - reads standard input. Prints '
            "one line for each, as soon as it is held.",
        ),
    ] = None,
    data: DataOption = "films",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold a conversation at the terminal, or those of a file."""
    from agent.recommender import Recommender
    from eval.conversation.scripted import hold

    with working("Loading the model"):
        recommender = Recommender.load(data, model, adapter, progress=not as_json)
    if input is None:
        _interactive(recommender)
        return
    failed = 0
    for number, line in _lines(input):
        try:
            held = hold(recommender, _checked(line))
        except ValueError as error:
            failed += 1
            held = {"id": _id_of(line), "error": f"line {number}: {error}"}
        if as_json:
            typer.echo(json.dumps(held, ensure_ascii=False))
        else:
            _show(held)
        sys.stdout.flush()
    if failed:
        raise typer.Exit(1)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of the file that are not blank, with their numbers, as they come."""
    try:
        file = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as error:
        raise TalkError(f"{path} cannot be read: {error}") from None
    with file:
        for number, raw in enumerate(file, 1):
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
            if line:
                yield number, line


def _checked(line: str) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise TalkError(f"not JSON: {error}") from None
    if not isinstance(request, dict):
        raise TalkError(f"a line must hold one JSON object, not {type(request).__name__}")
    unknown = set(request) - KEYS
    if unknown:
        raise TalkError(f"unknown field {min(unknown)!r}: use {', '.join(sorted(KEYS))}")
    if "id" not in request or not isinstance(request.get("turns"), list):
        raise TalkError("give each conversation an 'id' and a list of 'turns'")
    return request


def _id_of(line: str) -> Any:
    try:
        request = json.loads(line)
    except ValueError:
        return None
    return request.get("id") if isinstance(request, dict) else None


def _interactive(recommender: Recommender) -> None:
    from agent.records.conversation import Conversation

    console = out()
    conversation = Conversation()
    starters = recommender.catalogue.domain.starters
    if starters:
        console.print(f"For instance: {starters[0]} (an empty line ends it)", soft_wrap=True)
    while True:
        try:
            message = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not message:
            return
        _print(recommender.reply(conversation, message))


def _print(answer: Answer) -> None:
    console = out()
    console.print(answer.reply, soft_wrap=True)
    for place, item in enumerate(answer.items, 1):
        console.print(f"{place}. {item.name}: {item.reason}", soft_wrap=True)


def _show(held: Mapping[str, Any]) -> None:
    console = out()
    console.print(f"{held['id']}: {held['error']}" if "error" in held else f"{held['id']}:", soft_wrap=True)
    for turn in held.get("turns", ()):
        console.print(turn["reply"], soft_wrap=True)
        for place, item in enumerate(turn["slate"], 1):
            console.print(f"  {place}. {item['title']}: {item['reason']}", soft_wrap=True)
