"""The verb ``concierge eval wording``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.options import AdapterOption, DataOption, LanguageOption, ModelOption
from ui.cli.terminal import JsonOption, out, print_json, working


def add_to(app: typer.Typer) -> None:
    """Add the verb to the group."""
    app.command(epilog="Example: concierge eval wording --slates 20 --messages tests/unread.yaml")(wording)


def wording(
    slates: Annotated[int, typer.Option(help="Slates whose replies and reasons are worded.", min=1)] = 10,
    messages: Annotated[
        Path | None, typer.Option(help="A YAML list of {message, intent, wishes} to read.", show_default=False)
    ] = None,
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    adapter: AdapterOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the LM's wordings beside the templates', and what its reading of messages adds to the grammar."""
    from agent.data.assets import resolve_model
    from agent.generation.lm_parser import RequestReader
    from agent.generation.local import LANGUAGE, Speech
    from agent.generation.paraphrase import Retelling
    from agent.recommender import Recommender
    from eval.conversation.reading import read_expected, reading_figures
    from eval.conversation.wording import sample_paragraphs, wording_figures

    expected = read_expected(messages) if messages else []
    with working("Wording") as part:
        recommender = Recommender.load(data, model, adapter)
        lm = recommender.policy.lm
        speech = Speech.load(language or LANGUAGE, Path(resolve_model(model)), None if lm is None else lm.model)
        replies, reasons = sample_paragraphs(recommender, slates, lambda done: part(f"slate {done} of {slates}"))
        retelling = Retelling(speech, speech.card.words, held=True)
        rows = []
        for name, paragraphs, at_once in (("replies", replies, 1), ("cards", reasons, 5)):
            part(name)
            rows.append(wording_figures(paragraphs, None, f"{name}, templates"))
            rows.append(wording_figures(paragraphs, retelling, f"{name}, lm", speech.tokenizer, at_once))
        part("messages")
        reader = RequestReader(speech, recommender.catalogue.category_names)
        reading = reading_figures(expected, recommender.catalogue, reader) if expected else None
    if as_json:
        print_json(
            {
                "language": speech.card.version,
                "rows": [row.to_json() for row in rows],
                "reading": None if reading is None else reading.to_json(),
            }
        )
        return
    for row in rows:
        out().print(
            f"{row.wording}: {row.paragraphs} paragraphs, {row.passed:.0%} in the LM's words, {row.distinct:.0%} "
            f"different, {1000 * row.seconds:.0f} ms each, {row.tokens_per_second:.0f} tokens/s"
            + (f"; objections: {row.flaws}" if row.flaws else ""),
            soft_wrap=True,
        )
    if reading is not None:
        out().print(
            f"{reading.messages} messages, {reading.unread:.0%} unread by the grammar: intent right "
            f"{reading.grammar_intent:.0%} by the grammar, {reading.both_intent:.0%} with the LM; wish found "
            f"{reading.grammar_wishes:.0%} and {reading.both_wishes:.0%}",
            soft_wrap=True,
        )
