"""The whole path of `concierge train reward`: slates, cross-fitted evidence, training, calibration, adapter."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import FEATURES, cross_fit
from agent.policy.item_lm import AdapterError, PolicyCard, best_device
from agent.policy.loading import RELEASED
from agent.policy.state_prompt import StatePrompt
from agent.policy.weights import ROW_MAKER_FILE, base_digest
from training.adapter import write_peft_files
from training.progress import Progress, silent
from training.reward.calibration import Calibration, auc_by_group, calibration_error, choose_calibration, out_of_fold
from training.reward.model import RewardCard, RewardModel, adapted_classifier
from training.reward.rows import RewardRows, build_reward_rows
from training.reward.trainer import RewardSettings, fit_evidence, train_network
from training.sft.recipe import past_only

LM_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far from the evidence alone (0) to the trained model (1) the released one may stand."""


@dataclass(frozen=True)
class RewardResult:
    """What a run leaves: the reward model's folder, its card, and the figures of the run."""

    folder: Path
    card: RewardCard
    figures: dict[str, Any]


def train_reward(
    output: Path,
    data: str = "ml-100k",
    model: str | None = None,
    settings: RewardSettings | None = None,
    start: Path = RELEASED,
    folds: int = 4,
    template: str = "reward",
    version: str = "reward",
    rows: RewardRows | None = None,
    report: Progress = silent,
    resume: bool = False,
) -> RewardResult:
    """Train a reward model from a data set's past and write it to ``output / "adapter"``.

    It starts, as usual, from the supervised policy (Ouyang et al., 2022, arXiv:2203.02155): the LoRA and item rows of
    the adapter ``start``. Nothing of the last fifth of each user's ratings is read. ``rows`` takes the place of those
    that are built from the data.

    Raises:
        AssetError, ValueError: data, model or adapter are missing or do not fit; the message says what to do.
    """
    started = time.perf_counter()
    settings = settings or RewardSettings()
    dataset = load_dataset(data)
    past = past_only(dataset)
    items = Catalogue(past).items
    if rows is None:
        fold_evidence = cross_fit(past, folds=folds, seed=0)
        rows = build_reward_rows(
            indexed_ratings(past), fold_evidence, settings.share, report=lambda done, of: report("rows", done, of)
        )
    if len(rows) and rows.evidence[0].shape[1] != len(FEATURES):
        raise ValueError(f"rows with {rows.evidence[0].shape[1]} evidence features, this version has {len(FEATURES)}")
    if not settings.evidence:
        rows = replace(rows, evidence=tuple(own[:, :0] for own in rows.evidence))
    train, valid = rows.split(settings.valid_share, settings.seed)
    prepared = time.perf_counter()
    base = resolve_model(model)
    policy = PolicyCard.read(start)
    layers = policy.layers if settings.layers is None else settings.layers
    if layers is not None and policy.layers is not None and layers > policy.layers:
        raise AdapterError(f"--layers {layers}: the adapter {start.name!r} has only the first {policy.layers}")
    network, tokenizer, token_ids = adapted_classifier(
        start, policy.items, base, items, None, layers, trainable=True, device=best_device()
    )
    prompt = StatePrompt(prompts.load(template), tokenizer, items, settings.max_history)
    trainer = train_network(
        network,
        tokenizer,
        train,
        valid,
        lambda part: prompt.encode(part.states),
        token_ids,
        settings,
        output / "run",
        report,
        resume,
    )
    trained = time.perf_counter()
    folder = output / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    embedding = network.get_input_embeddings().weight
    write_peft_files(folder, network, embedding[token_ids].float(), token_ids.tolist(), Path(base).name)
    shutil.copyfile(start / ROW_MAKER_FILE, folder / ROW_MAKER_FILE)
    head = network.reward_head
    card = RewardCard(
        version=version,
        base=Path(base).name,
        base_sha256=base_digest(base),
        layers=layers,
        template=prompts.pinned(template),
        features=FEATURES if settings.evidence else (),
        weights=tuple(head.weights.tolist()),
        bias=head.bias.item(),
        lm_weight=1.0,
        calibration=Calibration(),
        items=policy.items,
        max_history=settings.max_history,
    )
    report("validation", 0, 1)
    alone = RewardModel(network, prompt, token_ids, replace(card, features=(), weights=()), None)
    lm = np.concatenate(alone.lm_scores(valid.states, valid.items))
    card, validation = finish_card(card, lm, valid, fit_evidence(train))
    card.write(folder)
    report("validation", 1, 1)
    seen = round(len(train) * (trainer.state.epoch or 0.0))
    figures = {
        "data": data,
        "data_fingerprint": dataset.fingerprint,
        "settings": asdict(settings),
        "start": start.name,
        "slates": len(train),
        "slates_validation": len(valid),
        "pairs": sum(map(len, train.items)),
        "slates_seen": seen,
        "seconds_preparing": round(prepared - started, 1),
        "seconds_training": round(trained - prepared, 1),
        "samples_per_second": round(seen * sum(map(len, train.items)) / len(train) / (trained - prepared), 2),
        "validation": validation,
        "loss": [entry for entry in trainer.state.log_history if "loss" in entry or "eval_loss" in entry],
    }
    (folder / "training.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return RewardResult(folder, card, figures)


def finish_card(
    card: RewardCard, lm: np.ndarray, valid: RewardRows, evidence_alone: tuple[np.ndarray, float]
) -> tuple[RewardCard, dict[str, Any]]:
    """Decide on validation users how much the trained model may add to the evidence alone, and calibrate.

    Between the two the logits are mixed, ``(1 - s) * evidence alone + s * trained``, for each s of :data:`LM_SHARES`;
    the lowest out-of-fold log-loss wins. Without evidence s is 1.

    ``lm``: (R,) the LM's part of the logits of all validation candidates; ``evidence_alone``: weights (F,) and bias
    that were fitted without the LM.

    Returns the finished card; and the figures: ``lm_share``, ``calibration``, ``log_loss_by_share``,
    ``log_loss_by_calibration``, and for ``chosen``, ``trained`` and ``evidence_alone`` the figures of
    :func:`validation_figures`.
    """
    evidence, likes = np.concatenate(valid.evidence), np.concatenate(valid.likes)
    users = [user for user, own in zip(valid.users, valid.items, strict=True) for _ in own]
    weights, bias = evidence_alone
    base = evidence @ weights + bias
    trained = lm + evidence @ np.array(card.weights) + card.bias
    shares = LM_SHARES if card.features else (1.0,)
    logits = {share: (1 - share) * base + share * trained for share in shares}
    by_share = {share: min(choose_calibration(own, likes, users)[1].values()) for share, own in logits.items()}
    share = min(by_share, key=by_share.__getitem__)
    calibration, tried = choose_calibration(logits[share], likes, users)
    mixed = (1 - share) * weights + share * np.array(card.weights)
    card = replace(
        card,
        weights=tuple(mixed.tolist()),
        bias=(1 - share) * bias + share * card.bias,
        lm_weight=share,
        calibration=calibration,
    )
    return card, {
        "lm_share": share,
        "calibration": calibration.kind,
        "log_loss_by_share": by_share,
        "log_loss_by_calibration": tried,
        "chosen": validation_figures(logits[share], likes, users),
        "trained": validation_figures(trained, likes, users),
        "evidence_alone": validation_figures(base, likes, users),
    }


def validation_figures(logits: np.ndarray, likes: np.ndarray, users: Sequence[str]) -> dict[str, float]:
    """AUC, AUC within users, and log-loss and calibration error of probabilities calibrated on other users."""
    _, tried = choose_calibration(logits, likes, users)
    probabilities = out_of_fold(min(tried, key=tried.__getitem__), logits, likes, users)
    return {
        "auc": float(roc_auc_score(likes, logits)),
        "auc_within_user": float(auc_by_group(logits, likes, users)[0].mean()),
        "log_loss": float(log_loss(likes, probabilities)),
        "ece": calibration_error(probabilities, likes),
    }
