"""The verbs ``concierge talk`` and ``concierge understand``: conversations, and what is understood of messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from agent.data.rows import JsonLine, checked, json_lines
from ui.cli.terminal import (
    ROOT,
    AdapterOption,
    DataOption,
    JsonOption,
    Llm,
    ModelOption,
    OptionError,
    print_json,
    say,
    with_options,
    working,
)

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.dialogue.state import DialogueState
    from agent.recommender import Recommender
    from agent.records.answer import Answer
    from agent.records.conversation import Said


class _Dialogue(BaseModel):
    """A line of ``--input``."""

    model_config = ConfigDict(extra="forbid")

    id: Any
    user: str | int | None = None
    turns: list[Any]


@ROOT.command(
    epilog="Examples: concierge talk    concierge talk --input dialogues.jsonl --json\n\nA line of the file: "
    '{"id": "a", "turns": ["a western", {"react": "like", "position": 1}, {"remove": "year"}, "why?"]}'
)
@with_options
def talk(
    input: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help='Conversations, one JSON object a line: {"id", "user"?, "turns": \\[text, {"react": like, dislike,'
            ' seen, more, less or rate, "position": 1, "stars"?}, or {"remove": facet}]}; - reads standard input. '
            "Prints one line for each, as soon as it is held.",
        ),
    ] = None,
    data: DataOption = "films",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    llm: Llm = Llm(),
    as_json: JsonOption = False,
) -> None:
    """Hold a conversation at the terminal, or those of a file."""
    from agent.recommender import Recommender
    from eval.conversation.scripted import hold

    language = llm.language()
    with working("Loading the model"):
        recommender = Recommender.load(data, model, adapter, progress=not as_json, language=language)
    if input is None:
        _interactive(recommender)
        return
    failed = 0
    for line in _lines(input):
        try:
            if line.error is not None:
                raise OptionError(line.error)
            held = hold(recommender, checked(_Dialogue, line.value, "").model_dump())
        except ValueError as error:
            failed += 1
            held = {"id": line.value.get("id"), "error": f"line {line.number}: {str(error).removeprefix(': ')}"}
        if as_json:
            typer.echo(json.dumps(held, ensure_ascii=False))
        else:
            _show(held)
        sys.stdout.flush()
    if failed:
        raise typer.Exit(1)


def _lines(path: Path) -> Iterator[JsonLine]:
    """The lines of the file that are not blank, as they come."""
    try:
        file = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error}") from None
    with file:
        yield from json_lines(file)


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


@ROOT.command(
    epilog='Examples: concierge understand "a comedy from the 90s" "no, the 80s"\n\n'
    'concierge understand "something like Alien but less scary" --data latest --json'
)
def understand(
    messages: Annotated[list[str], typer.Argument(help="What a person says, one message after the other.")],
    data: DataOption = "films",
    as_json: JsonOption = False,
) -> None:
    """Show what is understood of messages, and the state of the conversation after each; nothing is recommended."""
    with working("Loading the catalogue"):
        from agent.catalogue.catalogue import Catalogue
        from agent.data.dataset import load_dataset
        from agent.dialogue.state import context_of, fold
        from agent.records.conversation import Event, Said, items_of
        from agent.understanding.reader import understand as read

        catalogue = Catalogue(load_dataset(data))
    events: list[Event] = []
    turns = []
    for text in messages:
        reading = read(text, context_of(fold(events, catalogue)), catalogue)
        items = {*reading.spoken, *(item for act in reading.acts for item in items_of(act))}
        ids = {item: catalogue[item].item_id for item in items}
        said = Said(text, reading.acts, reading.language, reading.spoken, ids, reading.corrects, reading.unknown)
        events.append(said)
        state = fold(events, catalogue)
        turns.append({"message": text, **read_json(said, catalogue), "state": state_json(state, catalogue)})
    if as_json:
        return print_json(turns)
    for turn in turns:
        say(f"> {turn['message']}")
        for act in turn["acts"]:
            told = ", ".join(f"{key} {value}" for key, value in act.items() if key != "act" and value)
            say(f"{act['act']}: {told}")
        for head, lines in turn["state"].items():
            if lines:
                say(f"  {head}: {', '.join(map(str, lines))}")
        say("")


def read_json(said: Said, catalogue: Catalogue) -> dict[str, Any]:
    """What was read, as plain data; items by title and year."""
    from agent.records.acts import act_to_json

    named = {"like", "unlike", "reject", "options", "items", "item"}

    def plain(data: Any, key: str = "") -> Any:
        if isinstance(data, dict):
            return {name: plain(value, name) for name, value in data.items()}
        if isinstance(data, list | tuple):
            return [plain(value, key) for value in data]
        return catalogue[data].name if key in named and isinstance(data, int) else data

    acts = [plain(act_to_json(act)) for act in said.acts]
    return {"acts": acts, "language": said.language, "unknown": list(said.unknown)}


def state_json(state: DialogueState, catalogue: Catalogue) -> dict[str, list[str]]:
    """What a conversation stands at, in words; items by title and year."""
    from agent.catalogue.conditions import chip

    def names(items: Iterable[int]) -> list[str]:
        return [catalogue[item].name for item in items]

    judged = state.judgements.items()
    return {
        "liked": names(item for item, own in judged if own.liked),
        "disliked": names(item for item, own in judged if own.disliked),
        "seen": names(item for item, own in judged if own.seen),
        "refused": names(sorted(state.refused)),
        "like": names(state.like),
        "unlike": names(state.unlike),
        "conditions": [chip(own, catalogue.facets[own.facet]) for own in state.conditions],
        "in words": list(state.hints),
        "count": [] if state.count is None else [str(state.count)],
    }
