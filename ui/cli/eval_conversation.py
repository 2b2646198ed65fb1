"""The verbs ``concierge eval`` ``dialogue``, ``conversation``, ``reading`` and ``explanations``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ui.cli.terminal import (
    EVAL,
    AdapterOption,
    DataOption,
    JsonOption,
    Llm,
    ModelOption,
    OptionError,
    PartOption,
    print_json,
    say,
    show_table,
    steps,
    with_options,
)


@EVAL.command(
    epilog="Example: concierge eval dialogue --dataset latest --file redial.jsonl --train-half; simulated people: "
    "concierge eval dialogue --simulate 200"
)
def dialogue(
    dataset: Annotated[
        str, typer.Option("--dataset", help="A data set whose items are ranked: ml-100k, or an imported one's name.")
    ] = "ml-100k",
    file: Annotated[
        Path | None,
        typer.Option(help="Dialogues, one JSON object a line: dialog_id, turn_id, context, entity, rec."),
    ] = None,
    simulate: Annotated[
        int, typer.Option(help="Talk with so many simulated people, from held-out users' ratings.", min=0)
    ] = 0,
    train_half: Annotated[
        bool,
        typer.Option("--train-half", help="Also learn from half of the dialogues; all rows are of the other half."),
    ] = False,
    ranker: Annotated[
        Path | None,
        typer.Option(help="A ranker's folder (default: the one made of ratings alone).", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="With --train-half, write the trained ranker into this folder.")
    ] = None,
    lm: Annotated[bool, typer.Option("--lm/--no-lm", help="With the language model's part, or without.")] = True,
    before_ppo: Annotated[
        bool, typer.Option("--before-ppo", help="Also rank with the policy as it stood before PPO: twice the time.")
    ] = False,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    seed: Annotated[int, typer.Option(help="Seed of fits, intervals and people.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Foretell the items of real dialogues (Recall@k over the whole catalogue), or talk with simulated people.

    95 % intervals draw whole dialogues. Every message goes through the understanding and the state of the chat.
    """
    if (file is None) == (simulate == 0):
        raise OptionError("give either --file with dialogues or --simulate with a number of people")
    if simulate:
        _simulate(dataset, simulate, model, adapter, lm, seed, as_json)
        return
    from eval.conversation.redial_rows import dialogue_rows
    from eval.conversation.redial_run import DialogueRun, run_dialogues

    if before_ppo and not lm:
        raise OptionError("--before-ppo is about the language model: leave --no-lm out")
    if output is not None and not train_half:
        raise OptionError("--output takes the ranker that --train-half trains: give both")
    assert file is not None
    rows = dialogue_rows(file)
    with steps() as report:
        results, trained = run_dialogues(
            rows, DialogueRun(dataset, model, adapter, ranker, train_half, lm, before_ppo, seed), report
        )
    if output is not None and trained is not None:
        trained.save(output)
    documents = [own.to_json() for own in results]
    # What the product itself reaches stands at the top: trained on the other half where that was asked for.
    best: dict[str, Any] = next((own for own in documents if "trained" in str(own["name"])), documents[0])
    if as_json:
        return print_json({"data": dataset, "file": str(file), "trained": train_half, **best, "rows": documents})
    first = results[0]
    title = f"{first.targets:,} items to foretell in {first.dialogues:,} dialogues; {first.known:,} are in {dataset!r}"
    columns = ("ranker", *(f"recall@{k}" for k in first.recall))
    show_table(columns, [(own.name, *own.recall.values()) for own in results], title)


def _simulate(
    dataset: str, people: int, model: str | None, adapter: Path | None, lm: bool, seed: int, as_json: bool
) -> None:
    from eval.conversation.simulation import SimulationRun, simulate

    with steps() as report:
        results = simulate(SimulationRun(dataset, people, model, adapter, lm, seed), report)
    if as_json:
        return print_json({"data": dataset, "people": people, "seed": seed, "rows": [own.to_json() for own in results]})
    title = f"{people:,} simulated people, up to {results[0].limit} turns each"
    show_table(("recommender", *results[0].figures), [(own.name, *own.figures.values()) for own in results], title)
    for own in results:
        say(
            f"{own.name}: {own.turns:,} turns; items that broke a condition {own.violations}, outside the catalogue "
            f"{own.unknown}, refused or known and shown again {own.repeated}; crashes {own.crashes}"
        )


@EVAL.command(epilog="Example: concierge eval conversation --file dialogues.yaml --data latest --json")
@with_options
def conversation(
    file: Annotated[Path, typer.Option(help="Conversations with checks for every turn (eval/conversation/checks.py).")],
    data: DataOption = "films",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    llm: Llm = Llm(),
    as_json: JsonOption = False,
) -> None:
    """Hold scripted conversations: the share of turns that are fully right, by kind of check."""
    from agent.recommender import Recommender
    from eval.conversation.checks import read_dialogues, run

    dialogues, language = read_dialogues(file), llm.language()
    with steps() as report:
        recommender = Recommender.load(data, model, adapter, progress=not as_json, language=language)
        figures = run(dialogues, recommender, report).to_json(seed)
    document = {"data": data, "file": str(file), "seed": seed, **figures}
    if as_json:
        return print_json(document)
    for name, row in (("turns", figures["turns"]), *figures["kinds"].items()):
        low, high = row["ci"]
        say(f"{name}: {row['right']} of {row['of']} right, {row['share']:.3f} [{low:.3f}, {high:.3f}]")
    for flaw in figures["flaws"]:
        words = f"{flaw['conversation']}, turn {flaw['turn']} ({flaw['said']}): {flaw['kind']}: {flaw['what']}"
        say(words)


@EVAL.command(epilog="Example: concierge eval reading --file dialogues.jsonl --natural --data latest --json")
def reading(
    file: Annotated[
        Path, typer.Option(help="Real conversations, one JSON object a line (eval/conversation/redial_reading.py).")
    ],
    part: Annotated[
        Literal["development", "kept", "all"], typer.Option(help="kept: 299 conversations for the end.")
    ] = "all",
    natural: Annotated[
        bool, typer.Option("--natural", help="Titles as people write them: no years, every second in lower case.")
    ] = False,
    data: DataOption = "films",
    seed: Annotated[int, typer.Option(help="Seed of the parts and of how titles are written.")] = 0,
    mistakes: Annotated[bool, typer.Option("--mistakes", help="List every mistake.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the messages of real people: what is believed at the end, against what they said of it afterwards."""
    from agent.catalogue.catalogue import Catalogue
    from agent.data.dataset import load_dataset
    from eval.conversation.redial_reading import natural as as_written
    from eval.conversation.redial_reading import part_of, read_conversations, reading_shares

    told = part_of(read_conversations(file), part, seed)
    with steps() as report:
        catalogue = Catalogue(load_dataset(data))
        shares, found = reading_shares([as_written(own, seed) for own in told] if natural else told, catalogue, report)
    document: dict[str, Any] = {
        "data": data,
        "file": str(file),
        "part": part,
        "natural": natural,
        "seed": seed,
        "conversations": len(told),
        **{name: share.to_json() for name, share in shares.items()},
    }
    if mistakes:
        document["mistakes"] = [[own.name, own.measure, own.what, own.kind] for own in found]
    if as_json:
        return print_json(document)
    for name, share in shares.items():
        say(f"{name}: precision {share.precision}, recall {share.recall}, F1 {share.f1} ({share.wanted} to find)")
    for own in found if mistakes else ():
        say(f"{own.name}: {own.measure} {own.kind}: {own.what}")


@EVAL.command(epilog="Example: concierge eval explanations --users 20")
def explanations(
    users: Annotated[int, typer.Option(help="Held-out users to chat with, drawn by a hash.", min=1)] = 40,
    part: PartOption = "test",
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    seed: Annotated[int, typer.Option(help="Seed of draws and intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Judge the facts of the chat's answers: looked up in the tables, left out, and offered changes carried out.

    Each user chats twice: with their past, and as a stranger who says what they loved.
    """
    from agent.data.dataset import load_dataset
    from eval.conversation.held_out import HeldOut
    from eval.explanations.faithfulness import Judge

    with steps() as report:
        held_out = HeldOut.build(load_dataset(data), model, adapter, seed)
        judge, names = Judge(held_out), held_out.users(part, users)
        figures = judge.judge(names, report=report).to_json(seed)
        strangers = judge.judge(names, strangers=True, report=report).to_json(seed)
        document: dict[str, Any] = {"data": data, "part": part, "seed": seed, **figures, "strangers": strangers}
    if as_json:
        return print_json(document)
    _show_explanations(document, "users with their past")
    _show_explanations(strangers, "the same as strangers who name what they loved")


def _show_explanations(figures: dict[str, Any], who: str) -> None:
    facts, direction, deletion, offered = (
        figures[name] for name in ("facts", "direction", "deletion", "counterfactual")
    )
    say(f"{figures['users']} {who}: {facts['total']:,} facts, {facts['share']:.2%} of them true")
    for one in figures["not_true"]:
        say(f"  not true of {one['item']}: {one['kind']} {one['value']}")
    if direction["total"]:
        kinds = ", ".join(f"{kind} {right} of {total}" for kind, (right, total) in direction["kinds"].items())
        say(f"direction: {direction['share']:.1%} of what is cited speaks for it ({kinds})")
    if deletion["items"]:
        low, high = deletion["ci"]
        say(
            f"deletion, {deletion['items']} items: the cited items carry {deletion['cited']:.3f} of the "
            f"log-probability, as many others {deletion['other']:.3f}; difference {deletion['difference']:.3f} "
            f"[{low:.3f}, {high:.3f}]"
        )
    if offered["offered"]:
        say(
            f"why not: a change offered for {offered['offered']} of {offered['asked']} items; {offered['valid']:.0%} "
            "of the changes bring the item into the slate"
        )


@EVAL.command(
    epilog="Example: concierge eval wording --file eval/conversation/messages.yaml --llm http://localhost:8000/v1"
)
@with_options
def wording(
    file: Annotated[Path, typer.Option(help="Conversations as those of `concierge eval conversation`.")],
    limit: Annotated[int | None, typer.Option(help="So many conversations at most.", min=1, show_default=False)] = None,
    data: DataOption = "films",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    llm: Llm = Llm(),
    as_json: JsonOption = False,
) -> None:
    """Show how messages are read and answered: built in, without the language model, and through a chat server."""
    from agent.recommender import Recommender
    from eval.conversation.checks import read_dialogues
    from eval.conversation.wording import compare, figures, recommenders

    dialogues = read_dialogues(file)[:limit]
    language = None if llm.llm is None else llm.language()
    with steps() as report:
        recommender = Recommender.load(data, model, adapter, progress=not as_json)
        rows = compare(dialogues, recommenders(recommender, language), report)
    document = {
        "data": data,
        "file": str(file),
        "rows": rows,
        **figures(rows, None if language is None else language.server),
    }
    if as_json:
        return print_json(document)
    for row in rows:
        say(f"> {row['said']}")
        for own in row["answers"]:
            say(f"  {own['by']} ({own['seconds']:.1f} s): {' + '.join(own['acts'])}")
            say(f"    {own['reply']}{' ' if own['items'] else ''}{'; '.join(own['items'])}")
    for name, own in document["seconds"].items():
        say(f"{name}: {own['median']:.2f} s a turn (90th percentile {own['p90']:.2f})")
    for what, outcomes in document.get("server", {}).items():
        say(f"{what} by the server: {', '.join(f'{number} {outcome}' for outcome, number in outcomes.items())}")
