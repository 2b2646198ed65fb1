"""The recipe of a tagger: a linear head on the network as it comes, the same on a tuned one, and the better of the two.

Rows are split into training and validation. On the validation rows it is decided whether the tuning is worth having
(its log-loss must be lower), by how much the logits are flattened to make probabilities, and below which probability
the tagger is unsure.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from agent.policy.tagger import (
    WEIGHTS_FILE,
    Array,
    Tagger,
    TaggerCard,
    calibrated,
    decided,
    load_network,
    trained_weights,
)
from training.progress import Progress, silent
from training.tagger.rows import LabelledTexts, split
from training.tagger.trainer import TaggerSettings, tune

C_TRIED = (0.3, 1.0, 3.0, 10.0)
"""Inverse strengths of the linear head's regularisation, of which validation chooses."""

Floats = npt.NDArray[Any]


@dataclass(frozen=True)
class TaggerResult:
    """The folder of a tagger, ready to be used, and what training measured."""

    folder: Path
    tagger: Tagger
    figures: Mapping[str, Any]


def train_tagger(
    rows: LabelledTexts,
    output: Path,
    settings: TaggerSettings = TaggerSettings(),  # noqa: B008 - frozen
    version: str = "tagger",
    tuning: bool = True,
    report: Progress = silent,
    resume: bool = False,
) -> TaggerResult:
    """Train a tagger into ``output/tagger``; checkpoints are beside it.

    ``tuning``: false keeps the network as it comes: seconds instead of minutes; ``resume``: go on from the last
    checkpoint in ``output``.

    Raises:
        TaggerError: the network is not here.
    """
    train_rows, valid_rows = split(rows, settings.valid_share, settings.seed)
    train, valid, names = rows.take(train_rows), rows.take(valid_rows), rows.names
    started = time.perf_counter()
    encoder = load_network(settings.base, settings.layers)
    report("reading", 0, 1)
    vectors, valid_vectors = encoder.encode(train.texts), encoder.encode(valid.texts)
    report("reading", 1, 1)
    truth, valid_truth = train.matrix(names), valid.matrix(names)
    head = fit_head(vectors, truth, valid_vectors, valid_truth, rows.multi)
    card = TaggerCard(version, names, rows.multi, settings.base, settings.layers)
    linear, figures = finished(card, valid_vectors @ head[0].T + head[1], valid_truth, settings.sure)
    tried = {"linear": figures}
    tagger = Tagger(linear, encoder, head[0].astype(np.float32), head[1].astype(np.float32))
    folder = output / "tagger"
    folder.mkdir(parents=True, exist_ok=True)
    if tuning:
        network, trained = tune(
            encoder, (train.texts, truth), head, rows.multi, settings, output / "run", report, resume
        )
        weights, bias = trained.weights.detach().cpu().numpy(), trained.bias.detach().cpu().numpy()
        changed = replace(card, tuning=settings.tuning, rank=settings.rank)
        changed, tried["tuned"] = finished(
            changed, network.encode(valid.texts) @ weights.T + bias, valid_truth, settings.sure
        )
        if tried["tuned"]["log_loss"] < tried["linear"]["log_loss"]:
            kept = {name: own.to(torch.float16) for name, own in trained_weights(network.model).items()}
            save_file(kept, folder / WEIGHTS_FILE)
            tagger = Tagger(changed, network, weights, bias)
        else:
            tagger = replace(tagger, network=load_network(settings.base, settings.layers))
    all_figures = {
        "rows": len(train),
        "rows_validation": len(valid),
        "left_out": dict(rows.left_out),
        "labels": {name: int(count) for name, count in zip(names, rows.matrix(names).sum(axis=0), strict=True)},
        "settings": asdict(settings),
        "chosen": "linear" if tagger.card.tuning == "none" else "tuned",
        "validation": tried,
        "seconds": round(time.perf_counter() - started, 1),
    }
    tagger = replace(tagger, card=replace(tagger.card, figures=all_figures))
    tagger.save(folder)
    shutil.rmtree(output / "run", ignore_errors=True)
    return TaggerResult(folder, tagger, all_figures)


def fit_head(
    vectors: Floats, truth: Floats, valid_vectors: Floats, valid_truth: Floats, multi: bool
) -> tuple[Floats, Floats]:
    """Weights (labels, width) and bias (labels,) of logistic regression; validation chooses its regularisation."""
    tried = []
    for c in C_TRIED:
        weights, bias = _logistic(vectors, truth, multi, c)
        loss = log_loss(calibrated(valid_vectors @ weights.T + bias, 1.0, multi), valid_truth, multi)
        tried.append((loss, c, weights, bias))
    _, _, weights, bias = min(tried, key=lambda own: own[:2])
    return weights, bias


def _logistic(vectors: Floats, truth: Floats, multi: bool, c: float) -> tuple[Floats, Floats]:
    if not multi:
        model = LogisticRegression(C=c, max_iter=1000).fit(vectors, truth.argmax(axis=1))
        weights, bias = model.coef_, model.intercept_
        if truth.shape[1] == 2:  # one logit there: that of the second label over the first
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return weights, bias
    parts = [LogisticRegression(C=c, max_iter=1000).fit(vectors, column) for column in truth.T]
    return np.concatenate([own.coef_ for own in parts]), np.concatenate([own.intercept_ for own in parts])


def finished(card: TaggerCard, logits: Floats, truth: Floats, sure: float) -> tuple[TaggerCard, dict[str, Any]]:
    """A card with the temperature and the thresholds that validation rows ask for, and the figures on these rows.

    The temperature has the lowest log-loss (Guo et al., 2017, arXiv:1706.04599).
    """
    outcome = minimize_scalar(
        lambda log: log_loss(calibrated(logits, float(np.exp(log)), card.multi), truth, card.multi),
        bounds=(-3.0, 3.0),
        method="bounded",
    )
    temperature = round(float(np.exp(outcome.x)), 4)
    probabilities = calibrated(logits, temperature, card.multi)
    card = replace(card, temperature=temperature, thresholds=thresholds(probabilities, truth, card.multi, sure))
    return card, {
        "log_loss": round(log_loss(probabilities, truth, card.multi), 4),
        "temperature": temperature,
        **tag_figures(probabilities, truth, card),
    }


def tag_figures(probabilities: Array, truth: Floats, card: TaggerCard) -> dict[str, float]:
    """Accuracy (all labels right), macro F1, the share of texts that are ``unsure``, and accuracy of the others."""
    place = {name: column for column, name in enumerate(card.labels)}
    tags = np.zeros(truth.shape)
    for row, own in enumerate(decided(probabilities, card)):
        tags[row, [place[name] for name in own]] = 1
    sure = tags.any(axis=1)
    guess = tags if card.multi else np.eye(truth.shape[1])[probabilities.argmax(axis=1)]
    right = (guess == truth).all(axis=1)
    return {
        "accuracy": round(float(right.mean()), 4),
        "macro_f1": round(float(f1_score(truth, guess, average="macro", zero_division=0)), 4),
        "unsure": round(float(1 - sure.mean()), 4),
        "decided": round(float(right[sure].mean()), 4) if sure.any() else 0.0,
    }


def thresholds(probabilities: Array, truth: Floats, multi: bool, sure: float) -> tuple[float, ...]:
    """The least probability of each label for it to be given.

    Where there may be several labels, that with the best F1. Where there is one, the least at which a share ``sure`` of
    the texts that get the label are right; at least as likely as not to be, where no threshold keeps that.
    """
    found = []
    best = probabilities.argmax(axis=1)
    for column in range(probabilities.shape[1]):
        right = truth[:, column] > 0
        if multi:
            own = probabilities[:, column]
            f1 = [(f1_score(right, own >= t, zero_division=0), -abs(t - 0.5), t) for t in np.linspace(0.1, 0.9, 33)]
            found.append(float(max(f1)[2]))
            continue
        mine = best == column
        order = np.sort(probabilities[mine, column])
        kept = [t for t in order if right[mine & (probabilities[:, column] >= t)].mean() >= sure]
        found.append(float(kept[0]) if kept else 0.5)
    return tuple(round(t, 4) for t in found)


def log_loss(probabilities: Array, truth: Floats, multi: bool) -> float:
    """Mean negative logarithm of the probability of what is so; over texts, and over labels where several may be."""
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    if multi:
        return float(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)).mean())
    return float(-(truth * np.log(p)).sum(axis=1).mean())


def texts_per_second(tagger: Tagger, texts: Sequence[str]) -> float:
    """How many texts the tagger reads in a second, here and now."""
    started = time.perf_counter()
    tagger.probabilities(texts)
    return len(texts) / (time.perf_counter() - started)
