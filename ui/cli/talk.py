"""The verb ``concierge talk``: conversations from a file, as plain data, or one at the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import (
    ROOT,
    AdapterOption,
    DataOption,
    JsonOption,
    LlmModelOption,
    LlmOption,
    LlmPartOption,
    LlmSecondsOption,
    ModelOption,
    OptionError,
    language_of,
    say,
    working,
)

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.records.answer import Answer

FIELDS = {"id", "user", "turns"}


@ROOT.command(
    epilog="Examples: concierge talk    concierge talk --input dialogues.jsonl --json\n\nA line of the file: "
    '{"id": "a", "turns": ["a western", {"react": "like", "position": 1}, {"remove": "year"}, "why?"]}'
)
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
    llm: LlmOption = None,
    llm_model: LlmModelOption = "default",
    llm_part: LlmPartOption = "both",
    llm_seconds: LlmSecondsOption = 4.0,
    as_json: JsonOption = False,
) -> None:
    """Hold a conversation at the terminal, or those of a file."""
    from agent.recommender import Recommender
    from eval.conversation.scripted import hold

    language = language_of(llm, llm_model, llm_part, llm_seconds)
    with working("Loading the model"):
        recommender = Recommender.load(data, model, adapter, progress=not as_json, language=language)
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
        raise OptionError(f"{path} cannot be read: {error}") from None
    with file:
        for number, raw in enumerate(file, 1):
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
            if line:
                yield number, line


def _checked(line: str) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise OptionError(f"not JSON: {error}") from None
    if not isinstance(request, dict):
        raise OptionError(f"a line must hold one JSON object, not {type(request).__name__}")
    unknown = set(request) - FIELDS
    if unknown:
        raise OptionError(f"unknown field {min(unknown)!r}: use {', '.join(sorted(FIELDS))}")
    if "id" not in request or not isinstance(request.get("turns"), list):
        raise OptionError("give each conversation an 'id' and a list of 'turns'")
    return request


def _id_of(line: str) -> Any:
    try:
        request = json.loads(line)
    except ValueError:
        return None
    return request.get("id") if isinstance(request, dict) else None


def _interactive(recommender: Recommender) -> None:
    from agent.records.conversation import Conversation

    conversation = Conversation()
    starters = recommender.catalogue.domain.starters
    if starters:
        say(f"For instance: {starters[0]} (an empty line ends it)")
    while True:
        try:
            message = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not message:
            return
        _print(recommender.reply(conversation, message))


def _print(answer: Answer) -> None:
    say(answer.reply)
    for place, item in enumerate(answer.items, 1):
        say(f"{place}. {item.name}: {item.reason}")


def _show(held: Mapping[str, Any]) -> None:
    say(f"{held['id']}: {held['error']}" if "error" in held else f"{held['id']}:")
    for turn in held.get("turns", ()):
        say(turn["reply"])
        for place, item in enumerate(turn["slate"], 1):
            say(f"  {place}. {item['title']}: {item['reason']}")
