"""Sources of scores: our reward model, a Hugging Face text classifier, a file of scores, or the evidence alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.rows import SUFFIXES
from agent.features.model import FEATURES, EvidenceModel
from agent.policy.item_embeddings import item_keys
from agent.policy.loading import catalogue_features
from agent.policy.state_prompt import item_inputs
from agent.records.state import State
from agent.retrieval.text_encoder import quiet_transformers
from eval.reward.pairs import RatedPairs, ScoreError, Scores
from eval.reward.score_file import read_scores
from training.progress import Progress, silent
from training.reward.model import REWARD_FILE, RewardCard, RewardModel
from training.reward.rows import candidate_evidence

EVIDENCE = "evidence"
"""The name of the like-probability of the boosted trees, as something to compare with."""

_SLATES_AT_ONCE = 32
_TEXTS_AT_ONCE = 16


def score_model(
    name: str,
    pairs: RatedPairs,
    catalogue: Catalogue,
    evidence: Callable[[], EvidenceModel],
    base: str | None = None,
    template: str = "reward-text",
    max_history: int = 10,
    report: Progress = silent,
) -> Scores:
    """The scores of one model for all pairs.

    ``name``: a folder of `concierge train reward`; a file of scores; ``evidence``; or a Hugging Face sequence
    classification model with one output or two labels (other, like), by name or folder; ``evidence``: gives what was
    fitted on the past alone; asked only where it is needed; ``base``: the base LM of our reward models (None: the
    fetched default one); ``template``: of role ``reward-text``, for text classifiers.

    Raises:
        ScoreError: a file of scores is malformed, or a classifier has other outputs or cannot be loaded.
        AdapterError: the folder of a reward model is incomplete or does not fit.
    """
    path = Path(name)
    if (path / REWARD_FILE).is_file():
        return _ours(path, pairs, catalogue, evidence(), base, report)
    if path.suffix in SUFFIXES or path.is_file():
        return read_scores(path, pairs, {item.item_id: item.index for item in catalogue.items})
    if name == EVIDENCE:
        return _evidence(pairs, evidence())
    return _classifier(name, pairs, catalogue, template, max_history, report)


def _ours(
    folder: Path,
    pairs: RatedPairs,
    catalogue: Catalogue,
    evidence: EvidenceModel,
    base: str | None,
    report: Progress,
) -> Scores:
    card = RewardCard.read(folder)
    known = set(card.items)
    new = not all(key in known for key in item_keys(catalogue.items))
    network = resolve_model(base)
    features = catalogue_features(catalogue, evidence, network, card.layers) if new else None
    model = RewardModel.load(folder, network, catalogue.items, evidence, features)
    logits = np.empty(len(pairs))
    rows = pairs.rows_of_slates()
    for start in range(0, len(rows), _SLATES_AT_ONCE):
        report(f"scoring with {folder.name}", start, len(rows))
        part = rows[start : start + _SLATES_AT_ONCE]
        states = [State(pairs.slates[pairs.slate[own[0]]].history, goal="like") for own in part]
        for own, scores in zip(part, model.logits(states, [pairs.items[own] for own in part]), strict=True):
            logits[own] = scores
    report(f"scoring with {folder.name}", len(rows), len(rows))
    return Scores(str(folder), logits, card.calibration(logits))


def _evidence(pairs: RatedPairs, evidence: EvidenceModel) -> Scores:
    rows = pairs.rows_of_slates()
    states = [State(pairs.slates[pairs.slate[own[0]]].history, goal="like") for own in rows]
    probabilities = np.empty(len(pairs))
    for own, features in zip(
        rows, candidate_evidence(evidence, states, [pairs.items[own] for own in rows]), strict=True
    ):
        probabilities[own] = evidence.like_probability(features)
    note = f"boosted trees over the history ({FEATURES[FEATURES.index('like_probability')]} of the evidence)"
    return Scores(EVIDENCE, probabilities, probabilities, (note,))


def _classifier(
    name: str, pairs: RatedPairs, catalogue: Catalogue, template: str, max_history: int, report: Progress
) -> Scores:
    model, tokenizer = load_classifier(name)
    texts = pair_texts(pairs, catalogue, template, max_history, tokenizer)
    logits = classify(model, tokenizer, texts, lambda done, of: report(f"scoring with {name}", done, of))
    return Scores(name, logits, expit(logits))


def load_classifier(name: str) -> tuple[Any, Any]:
    """A sequence classification model with one output or two labels, and its tokenizer.

    Raises:
        ScoreError: it cannot be loaded, or has other outputs.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModelForSequenceClassification.from_pretrained(name).eval()
    except (OSError, ValueError, KeyError) as error:
        raise ScoreError(
            f"{name!r} is no reward model that can be read: {error}. Give a folder of `concierge train reward`, a file "
            f"of scores ({', '.join(SUFFIXES)}), {EVIDENCE!r}, or a Hugging Face sequence classification model."
        ) from error
    if model.config.num_labels > 2:
        labels = ", ".join(map(str, model.config.id2label.values()))
        raise ScoreError(
            f"{name!r} has {model.config.num_labels} labels ({labels:.200}): a reward model has one output (a "
            "reward) or two labels (the second: liked); write its scores to a file instead"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    tokenizer.truncation_side = "left"  # the judged item stands at the end
    return model, tokenizer


def pair_texts(pairs: RatedPairs, catalogue: Catalogue, template: str, max_history: int, tokenizer: Any) -> list[str]:
    """What a text classifier reads for each pair: history and item by their titles, through a template.

    Raises:
        PromptError: the template is unknown or not of role ``reward-text``.
    """
    loaded = prompts.load(template)
    if loaded.header.role != "reward-text":
        raise prompts.PromptError(f"{template!r} is of role {loaded.header.role}: give one of role reward-text")
    texts = []
    for slate, place in zip(pairs.slate.tolist(), pairs.place.tolist(), strict=True):
        own = pairs.slates[slate]
        history = [item_inputs(catalogue[event.item], event.rating) for event in own.history[-max_history:]]
        rendered = loaded.render(history=history, item=item_inputs(catalogue[own.items[place]]))
        texts.append(rendered.text(tokenizer))
    return texts


@torch.inference_mode()
def classify(
    model: Any, tokenizer: Any, texts: Sequence[str], report: Callable[[int, int], None] = lambda done, of: None
) -> np.ndarray:
    """The logit of "liked" for each text, (n,) float64: the one output, or the second label's less the first's."""
    longest = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None) or 4096)
    plain = tokenizer.chat_template is None
    order = sorted(range(len(texts)), key=lambda k: len(texts[k]))
    out = np.empty(len(texts))
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        part = order[start : start + _TEXTS_AT_ONCE]
        inputs = tokenizer(
            [texts[k] for k in part],
            add_special_tokens=plain,
            truncation=True,
            max_length=longest,
            padding=True,
            return_tensors="pt",
        )
        logits = model(**inputs.to(model.device)).logits.float()
        out[part] = (logits[:, -1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]).cpu().numpy()
        report(start + len(part), len(order))
    return out
