"""The verb ``concierge understand``: what messages mean, and what stands after each, without a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import ROOT, DataOption, JsonOption, print_json, say, working

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.dialogue.state import DialogueState
    from agent.records.conversation import Said


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
