"""Tagging: how well values are read out of texts, method by method, on held-out folds of labelled rows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold

from agent.data.assets import resolve_model
from agent.policy.item_lm import best_device, load_base
from agent.policy.tagger import Array, TaggerError, calibrated, load_network
from eval.metrics import Interval
from training.progress import Progress, silent
from training.tagger.recipe import log_loss, train_tagger
from training.tagger.rows import LabelledTexts
from training.tagger.trainer import TaggerSettings, language_model

SEVERAL = ("similarity", "linear", "tuned")
"""Where a text may have several labels: the nearness of a label's name to the text, and the encoder, as it comes and
tuned."""

METHODS = ("words", "ngrams", "linear", "tuned", "lm-untuned", "lm-LAYERS")
"""A list of emotional words (VADER); n-grams beside the encoder; the encoder with a linear head, as it comes and tuned;
the language model asked as it comes, and its first so many layers (``lm-12``) tuned by LoRA."""


@dataclass(frozen=True, slots=True)
class TagRow:
    """One method's figures over all rows that were held out.

    ``figures``: accuracy and macro F1, with intervals from drawing rows with replacement; where there may be several
    labels, the means over them of average precision and of the area under the ROC curve, from drawing labels.
    ``texts_per_second`` is measured where it ran; ``texts`` is how many were held out.
    """

    method: str
    texts: int
    figures: Mapping[str, Interval]
    log_loss: float
    texts_per_second: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def tagging_table(
    rows: LabelledTexts,
    methods: Sequence[str],
    output: Path,
    folds: Sequence[int] = range(5),
    of: int = 5,
    seed: int = 0,
    report: Progress = silent,
) -> list[TagRow]:
    """The figures of methods on the same stratified folds; what is in ``output`` already is not made again.

    ``methods``: of :data:`METHODS`; ``folds``: the folds that are held out and read (all of ``of``, unless time is
    short).

    Raises:
        TaggerError: a method is unknown, does not fit the labels, or lacks what it needs.
    """
    possible = SEVERAL if rows.multi else METHODS
    unknown = [method for method in methods if method not in possible and (rows.multi or not _LAYERS.fullmatch(method))]
    if unknown:
        raise TaggerError(f"unknown method {unknown[0]!r}: use {', '.join(possible)}")
    truth = rows.matrix()
    split = KFold(of, shuffle=True, random_state=seed) if rows.multi else None
    split = split or StratifiedKFold(of, shuffle=True, random_state=seed)
    parts = list(split.split(truth, truth.argmax(axis=1)))
    found = []
    for method in methods:
        held, probabilities, seconds = [], [], 0.0
        for fold in folds:
            path = output / f"{method}-{fold}.npz"
            train, test = parts[fold]
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                texts = [rows.texts[row] for row in test]
                reader = _fitted(method, rows.take(train), output / f"{method}-{fold}", report)
                started = time.perf_counter()
                own = reader(texts)
                np.savez(path, probabilities=own, seconds=time.perf_counter() - started)
            kept = np.load(path)
            held.append(test)
            probabilities.append(kept["probabilities"])
            seconds += float(kept["seconds"])
            report(method, len(held), len(folds))
        found.append(figures(method, np.concatenate(probabilities), truth[np.concatenate(held)], rows.multi, seconds))
    return found


def figures(
    method: str, probabilities: Array, truth: npt.NDArray[Any], several: bool, seconds: float, draws: int = 1000
) -> TagRow:
    """The figures of probabilities (N, labels) against 1 for each label that holds, (N, labels)."""
    generator = np.random.default_rng(0)
    found = {}
    if several:
        having = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
        drawn = generator.integers(len(having), size=(draws, len(having)))
        for name, score in (("average precision", average_precision_score), ("area under the curve", roc_auc_score)):
            own = np.array([score(truth[:, label], probabilities[:, label]) for label in having])
            low, high = np.percentile(own[drawn].mean(axis=1), [2.5, 97.5])
            found[name] = Interval(float(own.mean()), float(low), float(high))
    else:
        right, guess = truth.argmax(axis=1), probabilities.argmax(axis=1)
        pairs = [(right[own], guess[own]) for own in generator.integers(len(truth), size=(draws, len(truth)))]
        for name, score in (("accuracy", accuracy_score), ("macro F1", partial(f1_score, average="macro"))):
            low, high = np.percentile([score(*pair) for pair in pairs], [2.5, 97.5])
            found[name] = Interval(float(score(right, guess)), float(low), float(high))
    loss = log_loss(probabilities, truth, several)
    return TagRow(method, len(truth), found, loss, len(truth) / max(seconds, 1e-9))


Reader = Callable[[Sequence[str]], Array]
_LAYERS = re.compile(r"lm-\d+")


def _fitted(method: str, rows: LabelledTexts, output: Path, report: Progress) -> Reader:
    if method == "words":
        return _words(rows.names)
    if method == "ngrams":
        return _ngrams(rows)
    if method == "lm-untuned":
        return _asked(rows)
    if method == "similarity":
        network = load_network()
        named = network.encode(rows.names)
        return lambda texts: np.clip(network.encode(texts) @ named.T, 0.0, 1.0).astype(np.float64)
    settings = TaggerSettings()
    if method.startswith("lm-"):
        layers = int(method.removeprefix("lm-"))
        settings = language_model(layers)
    settings = replace(settings, valid_share=0.1)
    tagger = train_tagger(rows, output, settings, tuning=method != "linear", report=report, resume=True).tagger
    return tagger.probabilities


def _words(names: tuple[str, ...]) -> Reader:
    if set(names) != {"negative", "neutral", "positive"}:
        raise TaggerError(f"a list of emotional words knows negative, neutral and positive, not {', '.join(names)}")
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise TaggerError("VADER is not installed: pip install 'concierge-recommender[peers]'") from error
    analyser = SentimentIntensityAnalyzer()

    def read(texts: Sequence[str]) -> Array:
        compound = np.array([analyser.polarity_scores(text)["compound"] for text in texts])
        # Its authors' thresholds (Hutto and Gilbert, 2014); the shares are those of its three scales.
        best = np.where(compound <= -0.05, "negative", np.where(compound >= 0.05, "positive", "neutral"))
        return np.array([[0.9 if name == own else 0.05 for name in names] for own in best])

    return read


def _ngrams(rows: LabelledTexts) -> Reader:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True)
    network = load_network()
    words.fit(rows.texts)
    characters.fit(rows.texts)

    def seen(texts: Sequence[str]) -> sparse.csr_matrix:
        parts = [words.transform(texts), characters.transform(texts), sparse.csr_matrix(2 * network.encode(texts))]
        return sparse.hstack(parts).tocsr()

    model = LogisticRegression(C=10.0, max_iter=1000).fit(seen(rows.texts), rows.matrix().argmax(axis=1))

    def read(texts: Sequence[str]) -> Array:
        probabilities: Array = model.predict_proba(seen(texts))
        return probabilities

    return read


def _asked(rows: LabelledTexts, shots: int = 2) -> Reader:
    """The language model as it comes: examples of each label, then the text; how probable is each label's name?

    What it says of a text without content is divided out (Zhao et al., 2021, arXiv:2102.09690).
    """
    model, tokenizer = load_base(resolve_model(None), None, None, best_device())
    examples: Mapping[str, list[str]] = {name: [] for name in rows.names}
    for text, own in zip(rows.texts, rows.labels, strict=True):
        if len(examples[own[0]]) < shots and len(text) < 120:
            examples[own[0]].append(text)
    head = "".join(
        f"Sentence: {text}\nLabel: {name}\n\n"
        for place in range(shots)
        for name in rows.names
        for text in examples[name][place : place + 1]
    )
    answers = [tokenizer(f" {name}")["input_ids"] for name in rows.names]
    shared = tokenizer(head)["input_ids"]
    with torch.inference_mode():
        cache = model(torch.tensor([shared], device=model.device), use_cache=True).past_key_values

    @torch.inference_mode()
    def logs(text: str) -> npt.NDArray[Any]:
        ids = tokenizer(f"Sentence: {text}\nLabel:")["input_ids"]
        found = []
        for answer in answers:
            inputs = torch.tensor([ids + answer], device=model.device)
            scores = model(inputs, past_key_values=cache).logits[0, len(ids) - 1 : -1].float().log_softmax(dim=-1)
            cache.crop(-len(ids + answer))  # the examples are read once for all texts
            found.append(float(scores[range(len(answer)), answer].sum()))
        return np.array(found)

    empty = np.mean([logs(text) for text in ("", "N/A", "...")], axis=0)

    def read(texts: Sequence[str]) -> Array:
        return calibrated(np.stack([logs(text) - empty for text in texts]), 1.0, multi=False)

    return read
