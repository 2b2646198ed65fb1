"""The verb ``concierge understand``: what messages mean, and what stands after each, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.terminal import DataOption, JsonOption, out, print_json, working

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.understanding.parser import Understanding


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the root command."""
    app.command(
        epilog='Examples: concierge understand "a comedy from the 90s" "no, the 80s"\n\n'
        'concierge understand "something like Alien but less scary" --data latest --json'
    )(understand)


def understand(
    messages: Annotated[list[str], typer.Argument(help="What a person says, one message after the other.")],
    data: DataOption = "ml-100k",
    as_json: JsonOption = False,
) -> None:
    """Show what is understood of messages, and the state of the conversation after each; nothing is recommended."""
    with working("Loading the catalogue"):
        from agent.catalogue.catalogue import Catalogue
        from agent.data.dataset import load_dataset
        from agent.dialogue.description import describe
        from agent.dialogue.dialogue_state import absorb
        from agent.records.conversation import Conversation, Message
        from agent.understanding.context import heard

        catalogue = Catalogue(load_dataset(data))
    conversation, turns = Conversation(), []
    for text in messages:
        told = heard(text, conversation, catalogue)
        conversation.messages.append(Message("user", text))
        absorb(conversation, text, told, catalogue)
        turns.append({"message": text, **told_json(told, catalogue), "state": describe(conversation, catalogue)})
    if as_json:
        print_json(turns)
        return
    console = out()
    for turn in turns:
        console.print(f"> {turn['message']}", soft_wrap=True)
        console.print(f"Intent: {turn['intent']}")
        for mention in turn["mentions"]:
            console.print(f"Named: {mention['name']} ({mention['attitude']})", soft_wrap=True)
        for title in turn["ambiguous"]:
            console.print(f"Not clear: {title['text']}: {', '.join(title['options'])}", soft_wrap=True)
        for critique in turn["critiques"]:
            console.print(f"Compared: {critique}")
        if turn["language"] != "en":
            console.print(f"Language: {turn['language']}")
        console.print(turn["state"] + "\n", soft_wrap=True)


def told_json(told: Understanding, catalogue: Catalogue) -> dict[str, Any]:
    """An understanding as plain data, films by title and year."""
    constraints = told.constraints.to_json()
    constraints["excluded"] = [catalogue[item].name for item in constraints["excluded"]]
    return {
        "intent": told.intent,
        "language": told.language,
        "mentions": [
            {"name": catalogue[m.item].name, "text": m.text, "attitude": m.attitude, "rating": m.rating}
            for m in told.mentions
        ],
        "ambiguous": [
            {"text": title.text, "options": [catalogue[item].name for item in title.options]}
            for title in told.ambiguities
        ],
        "critiques": [f"{'more' if critique.more else 'less'} {critique.aspect}" for critique in told.critiques],
        "corrections": [[catalogue[old].name, catalogue[new].name] for old, new in told.corrections],
        "constraints": constraints,
        "replaces": sorted(told.replaces),
        "dropped": sorted(told.dropped),
        "request": told.request,
    }
