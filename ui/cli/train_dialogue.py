"""The verbs ``concierge train dialogue`` and ``concierge train meaning``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.options import DataOption
from ui.cli.terminal import JsonOption, out, print_json, steps, working


class EncoderMissingError(ValueError):
    """The sentence encoder has not been fetched; the message says how."""


def add_to(app: typer.Typer) -> None:
    """Mount the verbs on the group ``train``."""
    app.command(epilog="Example: concierge train dialogue --data latest --output runs/talk")(dialogue)
    app.command(epilog="Example: concierge train meaning --output runs/meaning")(meaning)


def dialogue(
    output: Annotated[Path, typer.Option(help="The folder for the ranker.")] = Path("runs/talk"),
    data: DataOption = "ml-100k",
    seed: Annotated[int, typer.Option(help="Seed of the conversations that are made up.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit a ranker of conversations on ratings alone; `concierge eval dialogue --train-half` fits one on dialogues."""
    from agent.catalogue.catalogue import Catalogue
    from agent.data.dataset import load_dataset
    from agent.data.interactions import indexed_ratings
    from agent.features.conversation_features import Rated
    from agent.policy.semantic import Meaning
    from training.conversational_ranker.recipe import DialogueSettings, fit_on_ratings

    dataset = load_dataset(data)
    catalogue = Catalogue(dataset)
    meaning = Meaning.load(catalogue)
    if meaning is None:
        raise EncoderMissingError("conversations are read with the sentence encoder: run `concierge data fetch`")
    with steps() as report:
        ranker = fit_on_ratings(
            catalogue, Rated.of(indexed_ratings(dataset)), meaning, DialogueSettings(seed=seed), report
        )
    ranker.save(output)
    if as_json:
        print_json({"ranker": str(output), "about": ranker.about, "weights": dict(ranker.weights)})
        return
    out().print(f"{output}: {ranker.about}. Try it: concierge eval dialogue --ranker {output}", soft_wrap=True)


def meaning(
    output: Annotated[Path, typer.Option(help="The folder for the reader of wishes.")] = Path("runs/meaning"),
    requests: Annotated[int, typer.Option(help="Written wishes to learn from.", min=1)] = 4000,
    seed: Annotated[int, typer.Option(help="Seed of the wishes.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit what reads genres out of soft wishes, from the training phrases and the book of moods."""
    from agent.retrieval.text_encoder import TextEncoder, encoder_path
    from training.requests.semantic_reader import MeaningSettings, fit_reader, save_reader

    path = encoder_path()
    if path is None:
        raise EncoderMissingError("wishes are read with the sentence encoder: run `concierge data fetch`")
    with working("Reading wishes"):
        file = save_reader(fit_reader(TextEncoder.load(path), MeaningSettings(requests=requests, seed=seed)), output)
    if as_json:
        print_json({"reader": str(file), "requests": requests})
        return
    out().print(f"{file}: fitted on {requests:,} wishes and the book of moods", soft_wrap=True)
