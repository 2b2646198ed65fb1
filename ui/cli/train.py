"""The verbs ``concierge train ...`` and ``concierge adapt``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import prompts
from ui.cli.terminal import (
    ROOT,
    TRAIN,
    DataOption,
    JsonOption,
    ModelOption,
    OptionError,
    print_json,
    say,
    show_table,
    steps,
    working,
)
from ui.cli.train_ppo import say_resume

if TYPE_CHECKING:
    from eval.ranking.table import Table


@TRAIN.command(epilog="Example: concierge train sft --data ml-100k --output runs/sft")
def sft(
    output: Annotated[Path, typer.Option(help="The folder for checkpoints and the adapter.")] = Path("runs/sft"),
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    layers: Annotated[int, typer.Option(help="Use the first so many layers of the model (0: all).", min=0)] = 18,
    lora_rank: Annotated[int, typer.Option(help="Rank of the LoRA matrices.", min=1)] = 16,
    epochs: Annotated[float, typer.Option(help="Passes over the rows.")] = 1.0,
    max_steps: Annotated[int, typer.Option(help="Stop after so many steps (-1: by --epochs).")] = -1,
    batch: Annotated[int, typer.Option(help="Groups of rows per step, about five rows each.", min=1)] = 5,
    requests: Annotated[int, typer.Option(help="Request rows per moment of a user's past.", min=0)] = 3,
    template: Annotated[
        str, typer.Option(help="The prompt template of role state: NAME, NAME@VERSION or PACK/NAME.")
    ] = "state",
    version: Annotated[str, typer.Option(help="The name that the policy has in logs.")] = "sft",
    seed: Annotated[int, typer.Option(help="Seed of rows and training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune the LM policy on what people watched next, liked, and asked for; writes an adapter folder."""
    from training.sft.recipe import train_sft
    from training.sft.rows import RowPlan
    from training.sft.trainer import SftSettings

    say_resume(output, resume)
    with steps() as report:
        result = train_sft(
            output,
            data,
            model,
            SftSettings(layers or None, lora_rank, batch, epochs, max_steps, seed=seed),
            RowPlan(requests=requests, seed=seed),
            template=prompts.pinned(template),
            version=version,
            report=report,
            resume=resume,
        )
    if as_json:
        return print_json({"adapter": str(result.folder), **result.figures})
    figures = result.figures
    say(
        f"{result.folder}: {figures['samples_seen']:,} samples in {figures['seconds_training']:,.0f} s "
        f"({figures['samples_per_second']:.1f} a second). Try it: concierge chat --adapter {result.folder}"
    )


@TRAIN.command(epilog="Example: concierge train reward --data ml-100k --output runs/reward")
def reward(
    output: Annotated[Path, typer.Option(help="The folder for checkpoints and the reward model.")] = Path(
        "runs/reward"
    ),
    data: DataOption = "ml-100k",
    model: ModelOption = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="The policy adapter to start from (default: the released one).")
    ] = None,
    layers: Annotated[int, typer.Option(help="Use the first so many layers (0: as the policy adapter).", min=0)] = 8,
    batch: Annotated[int, typer.Option(help="Slates per step, of up to 20 rated items each.", min=1)] = 8,
    epochs: Annotated[float, typer.Option(help="Passes over the slates.")] = 1.0,
    max_steps: Annotated[int, typer.Option(help="Stop after so many steps (-1: by --epochs).")] = -1,
    pair_weight: Annotated[
        float, typer.Option(help="Weight of the loss of pairs beside the log-loss of likes.", min=0.0)
    ] = 0.5,
    evidence: Annotated[
        bool, typer.Option("--evidence/--no-evidence", help="Begin at the evidence, or let the LM stand alone.")
    ] = True,
    template: Annotated[
        str, typer.Option(help="The prompt template of role reward: NAME, NAME@VERSION or PACK/NAME.")
    ] = "reward",
    version: Annotated[str, typer.Option(help="The name that the reward model has in logs.")] = "reward",
    seed: Annotated[int, typer.Option(help="Seed of the split of users and of the training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train P(like | state, item) on what people rated, calibrate it on held-out users, and write its folder."""
    from agent.policy.loading import RELEASED
    from training.reward.recipe import train_reward
    from training.reward.trainer import RewardSettings

    settings = RewardSettings(
        layers or None, batch, epochs, max_steps, pair_weight=pair_weight, evidence=evidence, seed=seed
    )
    say_resume(output, resume)
    with steps() as report:
        result = train_reward(
            output, data, model, settings, start or RELEASED, 4, template, version, report=report, resume=resume
        )
    if as_json:
        return print_json({"reward_model": str(result.folder), **result.figures})
    figures, valid = result.figures, result.figures["validation"]
    say(
        f"{result.folder}: {figures['slates_seen']:,} slates in {figures['seconds_training']:,.0f} s "
        f"({figures['samples_per_second']:.0f} rated items a second); calibration: {valid['calibration']}, "
        f"share of the LM: {valid['lm_share']:g}"
    )
    for name in ("chosen", "trained", "evidence_alone"):
        own = ", ".join(f"{metric} {value:.4f}" for metric, value in valid[name].items())
        say(f"validation users, {name.replace('_', ' ')}: {own}")
    say(f"Measure it: concierge eval reward --model {result.folder}")


@TRAIN.command(epilog="Example: concierge train dialogue --data latest --output runs/dialogue")
def dialogue(
    output: Annotated[Path, typer.Option(help="The folder for the ranker.")] = Path("runs/dialogue"),
    data: DataOption = "ml-100k",
    file: Annotated[
        Path | None, typer.Option(help="Real dialogues to fit on instead, as `concierge eval dialogue` reads them.")
    ] = None,
    lm: Annotated[bool, typer.Option("--lm/--no-lm", help="With --file: with the LM's part, or without.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the conversations that are made up.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit a ranker of conversations: on ratings alone, or on real dialogues."""
    from agent.catalogue.catalogue import Catalogue
    from agent.data.dataset import load_dataset
    from agent.data.interactions import indexed_ratings
    from agent.features.conversation_features import Rated
    from agent.policy.semantic import SemanticSimilarity
    from eval.conversation.redial_rows import dialogue_rows
    from eval.conversation.redial_run import DialogueRun, fit_on_file
    from training.conversational_ranker.recipe import DialogueSettings, fit_on_ratings

    if file is not None:
        with steps() as report:
            ranker = fit_on_file(dialogue_rows(file), DialogueRun(data, lm=lm, seed=seed), report)
    else:
        dataset = load_dataset(data)
        catalogue = Catalogue(dataset)
        semantic = SemanticSimilarity.load(catalogue)
        if semantic is None:
            raise OptionError("conversations are read with the sentence encoder: run `concierge data fetch`")
        with steps() as report:
            ranker = fit_on_ratings(
                catalogue, Rated.of(indexed_ratings(dataset)), semantic, DialogueSettings(seed=seed), report
            )
    ranker.save(output)
    if as_json:
        return print_json({"ranker": str(output), "about": ranker.about, "weights": dict(ranker.weights)})
    say(f"{output}: {ranker.about}. Try it: concierge eval dialogue --ranker {output}")


@TRAIN.command(epilog="Example: concierge train likely --file dialogues.jsonl --output ./wine/fitted")
def likely(
    file: Annotated[Path, typer.Option(help="Real conversations, as `concierge eval reading` reads them.")],
    output: Annotated[Path, typer.Option(help="The folder; in a domain's folder `fitted` it is used.")] = Path(
        "runs/likely"
    ),
    data: DataOption = "films",
    part: Annotated[str, typer.Option(help="development, kept or all: which conversations are read.")] = "development",
    as_json: JsonOption = False,
) -> None:
    """Fit what tells from a message which items a person has most likely had, on real conversations."""
    from agent.catalogue.catalogue import Catalogue
    from agent.data.dataset import load_dataset
    from eval.conversation.redial_reading import natural, part_of, read_conversations, told_of_items
    from training.likely import fit_likely

    told = part_of(read_conversations(file), part)
    with working("Reading conversations"):
        # Each as it stands, and with titles as people write them.
        rows = told_of_items([*told, *(natural(own, 1) for own in told)], Catalogue(load_dataset(data)))
        fitted = fit_likely(
            rows, f"{len(told):,} conversations of {file.name}, {part}; {len(rows):,} messages on an item"
        )
    path = fitted.save(output)
    if as_json:
        return print_json({"file": str(path), "about": fitted.about, "clues": len(fitted.weights)})
    say(f"{path}: fitted on {fitted.about}")


@TRAIN.command(epilog="Example: concierge train meaning ./wine --output ./wine")
def meaning(
    domain: Annotated[str, typer.Argument(help="A domain whose phrasebook has sentences and moods, or its folder.")],
    output: Annotated[Path, typer.Option(help="The folder for the reader of wishes.")] = Path("runs/meaning"),
    requests: Annotated[int, typer.Option(help="Written wishes to learn from.", min=1)] = 4000,
    seed: Annotated[int, typer.Option(help="Seed of the wishes.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit what reads categories out of soft wishes, from the training phrases and the book of moods."""
    from agent.domains.domain import load_domain
    from agent.retrieval.text_encoder import TextEncoder, encoder_path
    from training.requests.semantic_reader import SemanticSettings, fit_reader

    path = encoder_path()
    if path is None:
        raise OptionError("wishes are read with the sentence encoder: run `concierge data fetch`")
    with working("Reading wishes"):
        settings = SemanticSettings(requests=requests, seed=seed)
        file = fit_reader(TextEncoder.load(path), load_domain(domain), settings).save(output)
    if as_json:
        return print_json({"reader": str(file), "requests": requests})
    say(f"{file}: fitted on {requests:,} wishes and the book of moods")


@TRAIN.command(epilog="Example: concierge train curves runs/ppo")
def curves(
    run: Annotated[Path, typer.Argument(help="The --output folder of a `concierge train ppo`; it may still go on.")],
    as_json: JsonOption = False,
) -> None:
    """Write the curves of a PPO run, and its real reward against its training reward, as JSON and as a page."""
    from eval.report.building import build, write
    from eval.report.sources import ReportRun
    from training.curves import write_curves

    made = build(ReportRun(curves=run), ("ppo",), command=f"concierge train curves {run}")
    written = [write_curves(run), *write(made, run / "report.html")]
    if as_json:
        return print_json({"files": [str(path) for path in written]})
    for path in written:
        say(str(path))


@ROOT.command(epilog="Example: concierge adapt wines --minutes 20")
def adapt(
    data: Annotated[str, typer.Argument(help="A data set, by the name that `concierge data import` gave it.")],
    minutes: Annotated[float, typer.Option(help="Time for training, calibration and the table.", min=0.1)] = 30.0,
    model: ModelOption = None,
    layers: Annotated[int, typer.Option(help="Use the first so many layers of the model (0: all).", min=0)] = 18,
    lora_rank: Annotated[int, typer.Option(help="Rank of the LoRA matrices.", min=1)] = 16,
    output: Annotated[
        Path | None, typer.Option(help="The folder for checkpoints (default: runs/adapt/NAME in this user's data).")
    ] = None,
    users: Annotated[int, typer.Option(help="The table ranks for so many users.", min=10)] = 300,
    table: Annotated[bool, typer.Option(help="Compare with baselines before and after.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what the last run left.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of rows and training.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit features, fine-tune, train on the data's own feedback, calibrate, and put the result to use.

    `concierge chat --data NAME` uses it at once; `concierge adapters rollback --data NAME` takes it back.
    """
    from agent.data.assets import data_dir
    from agent.data.dataset import load_dataset
    from eval.adaptation import adaptation_tables
    from training.adapt import AdaptSettings
    from training.adapt import adapt as run

    dataset = load_dataset(data)
    folder = output or data_dir() / "runs" / "adapt" / data
    settings = AdaptSettings(minutes, layers or None, lora_rank, seed=seed)
    with steps() as report:
        result = run(dataset, folder, settings, model, resume, report, lambda text: print(text, file=sys.stderr))
        tables = adaptation_tables(dataset, result.before, result.after, model, users, seed, report) if table else []
    if as_json:
        rows = [row for each in tables for row in each.to_json()]
        print_json({"data": data, "version": result.entry.version, **result.figures, "rows": rows})
        return
    for each in tables:
        _show(each)
    say(
        f"{result.entry.version} is in use for {data}: concierge chat --data {data} "
        f"(back: concierge adapters rollback --data {data})"
    )


def _show(table: Table) -> None:
    rows = [(row.policy, *(row.figures.get(metric, "") for metric in table.headline)) for row in table.rows]
    show_table(("policy", *table.headline), rows, f"{table.protocol}: {table.about}, {table.cases:,} cases")
    for note in table.notes:
        say(note)
