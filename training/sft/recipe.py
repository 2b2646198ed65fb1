"""The whole path of `concierge train sft`: data, cross-fitted evidence, rows, fine-tuning, adapter."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import Dataset, load_dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.features.model import FEATURES, EvidenceModel, cross_fit
from agent.policy.item_embeddings import ItemFeatures, RowMaker, item_token
from agent.policy.item_lm import ItemLanguageModel, PolicyCard, best_device, load_base
from agent.policy.state_prompt import StatePrompt
from agent.records.state import Goal
from training.adapter import write_adapter
from training.progress import Progress, silent
from training.requests.facet_writer import request_writer
from training.sft.calibration import calibrate
from training.sft.packing import GOALS
from training.sft.rows import RowPlan, SftRows, build_rows
from training.sft.trainer import SftSettings, fit_evidence_weights, train_policy
from training.splits import past_and_future


@dataclass(frozen=True)
class SftResult:
    """What a run leaves: the adapter folder, its card, and the figures of the run for the model card."""

    folder: Path
    card: PolicyCard
    figures: dict[str, Any]


def past_only(dataset: Dataset) -> Dataset:
    """The data set as it stood before the held-out last fifth of each user's ratings."""
    return dataset.only(past_and_future(indexed_ratings(dataset)).past)


def make_rows(dataset: Dataset, plan: RowPlan, folds: int, report: Progress) -> SftRows:
    """Training rows of a data set's past, with evidence cross-fitted over ``folds`` groups of users."""
    past = past_only(dataset)
    catalogue = Catalogue(past)
    fold_evidence = cross_fit(past, folds=folds, seed=plan.seed)
    neighbours = EvidenceModel.cached(past).taste.watched_with.neighbours
    return build_rows(
        user_histories(indexed_ratings(past)),
        fold_evidence,
        catalogue,
        neighbours,
        request_writer(catalogue),
        plan,
        lambda done, of: report("rows", done, of),
    )


def train_sft(
    output: Path,
    data: str = "ml-100k",
    model: str | None = None,
    settings: SftSettings | None = None,
    plan: RowPlan | None = None,
    folds: int = 4,
    template: str = "state",
    version: str = "sft",
    rows: SftRows | None = None,
    report: Progress = silent,
    resume: bool = False,
) -> SftResult:
    """Train the policy's first adapter from a data set's past and write it to ``output / "adapter"``.

    Nothing of the last fifth of each user's ratings is read: the rated slates and leave-one-out items stay unseen.

    Raises:
        AssetError, ValueError: the data set or the model is missing or does not fit; the message says what to do.
    """
    started = time.perf_counter()
    settings, plan = settings or SftSettings(), plan or RowPlan()
    dataset = load_dataset(data)
    past = past_only(dataset)
    catalogue = Catalogue(past)
    rows = rows or make_rows(dataset, plan, folds, report)
    prepared = time.perf_counter()
    base = resolve_model(model)
    network, tokenizer = load_base(base, settings.layers, device=best_device())
    embedding = network.get_input_embeddings().weight.detach().float().cpu().numpy()
    neighbours = EvidenceModel.cached(past).taste.watched_with.neighbours
    features = ItemFeatures.of(catalogue, tokenizer, embedding, neighbours)
    first_item = len(tokenizer)
    tokenizer.add_tokens([item_token(item.item_id) for item in catalogue.items])
    prompt = StatePrompt(prompts.load(template), tokenizer, catalogue.items, settings.max_history)
    trainer = train_policy(
        network, tokenizer, RowMaker(features), rows, prompt, first_item, settings, output / "run", report, resume
    )
    trained = time.perf_counter()
    write_adapter(
        output / "adapter",
        trainer.model,
        trainer.model.policy_head,
        catalogue.items,
        first_item,
        base=Path(base).name if Path(base).exists() else str(base),
        base_weights=base,
        layers=settings.layers,
        features=FEATURES,
        template=prompts.pinned(template),
        version=version,
        temperature=1.0,
        max_history=settings.max_history,
    )
    card, tried = calibrate_adapter(output / "adapter", dataset, base, rows, report)
    seen = round(len(rows.rows) * (trainer.state.epoch or 0.0))
    figures = {
        "data": data,
        "data_fingerprint": dataset.fingerprint,
        "settings": asdict(settings),
        "plan": asdict(plan),
        "rows": len(rows.rows),
        "samples_seen": seen,
        "seconds_preparing": round(prepared - started, 1),
        "seconds_training": round(trained - prepared, 1),
        "samples_per_second": round(seen / (trained - prepared), 2),
        "calibration": tried,
        "loss": [entry for entry in trainer.state.log_history if "loss" in entry],
    }
    (output / "adapter" / "training.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return SftResult(output / "adapter", card, figures)


def calibrate_adapter(
    folder: Path, dataset: Dataset, base: str | Path, rows: SftRows, report: Progress
) -> tuple[PolicyCard, dict[str, dict[float, float]]]:
    """Decide what a tuned LM may say where there are no words, and write it into the adapter's card.

    For the goals without words the evidence weights are those fitted without any LM; see
    :mod:`training.sft.calibration`.
    Returns the card and the log-likelihoods tried.
    """
    card = PolicyCard.read(folder)
    alone = dict(zip(GOALS, fit_evidence_weights(rows).tolist(), strict=True))
    weights = {**card.weights, **{goal: tuple(round(w, 6) for w in alone[goal]) for goal in ("next", "like")}}
    items = Catalogue(dataset).items
    lm = ItemLanguageModel.from_adapter(folder, base, items, None, best_device())
    prompt = StatePrompt(prompts.load(card.template), lm.tokenizer, items, card.max_history)
    vectors: dict[Goal, np.ndarray] = {"next": np.array(weights["next"]), "like": np.array(weights["like"])}
    lm_weights, tried = calibrate(dataset, lm, prompt, vectors, report)
    card = replace(card, weights=weights, lm_weights=lm_weights)
    card.write(folder)
    return card, tried
