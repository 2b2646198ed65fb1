"""Dialogue run: the rows of ``concierge eval dialogue``, from a file of dialogues and a data set."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent.data.dataset import Dataset, load_dataset
from agent.data.interactions import indexed_ratings
from agent.features.conversation_features import ConversationFeatures, Rated
from agent.policy.conversational_policy import NAMES
from agent.policy.conversational_ranker import SHIPPED, ConversationalRanker, LearntCounts
from agent.policy.loading import BEFORE_PPO, Foundation
from agent.policy.semantic import SemanticSimilarity
from agent.recommender import Recommender
from eval.conversation.redial import (
    ABLATIONS,
    DialogueResult,
    HeardRow,
    PolicyParts,
    Variant,
    hear_rows,
    matrix,
    named_by_dialogue,
    policy_parts,
    rank_targets,
    ranks_of,
    result,
)
from eval.conversation.redial_rows import DialogueRow, Half
from training.conversational_ranker.recipe import DialogueSettings, fit_on_dialogues, past_of
from training.progress import Progress

WHOLE = "concierge"
TRAINED = "concierge, trained on the other half"
TURNED = "concierge, trained on this half, tested on the other"
BOTH = "concierge, each half by the ranker trained on the other"
SILENT = "the policy without the conversational ranker"


@dataclass(frozen=True, slots=True)
class DialogueRun:
    """What is asked: the data set, model and adapter; ``ranker`` is a folder (None: the shipped one).

    With ``train_half`` a ranker is also fitted on one half of the dialogues, and the rows of the table are of the other
    half, but for two: that ranker with the halves exchanged, and each half by the ranker of the other. ``lm`` takes the
    language model's part; ``before_ppo`` adds rows "no PPO", for which another adapter ranks everything once more.
    """

    data: str
    model: str | None = None
    adapter: Path | None = None
    ranker: Path | None = None
    train_half: bool = False
    lm: bool = True
    before_ppo: bool = False
    seed: int = 0


def run_dialogues(
    rows: Sequence[DialogueRow], run: DialogueRun, report: Progress
) -> tuple[list[DialogueResult], ConversationalRanker | None]:
    """All rows of the table, and the ranker that was trained, if one was asked for.

    Raises:
        AssetError, ValueError: something is missing or does not fit; the message names it and the fix.
    """
    dataset = load_dataset(run.data)
    report("loading", 0, 1)
    recommender = Recommender.load(run.data, run.model, run.adapter)
    catalogue, semantic = recommender.catalogue, recommender.policy.semantic
    report("loading", 1, 1)
    rankers = {WHOLE: ConversationalRanker.load(run.ranker or SHIPPED)}
    heard = hear_rows(recommender, rows, report)
    assert isinstance(semantic, SemanticSimilarity)
    evidence = ConversationFeatures(catalogue, Rated.of(indexed_ratings(dataset)), semantic.items)
    tested = [place for place, row in enumerate(heard) if not run.train_half or row.row.half == "test"]
    states = [row.state for row in heard]
    parts = policy_parts(recommender.policy, states, dataset.fingerprint, run.lm, report)
    before = _before_ppo(parts, heard, tested, dataset, run, report) if run.before_ppo else None
    if run.train_half:
        rankers[TRAINED] = train(heard, ("train",), evidence, parts, recommender, run.seed, report)
    variants = [own for name, ranker in rankers.items() for own in _ablations(name, ranker, parts, before, run.lm)]
    variants.append(Variant(SILENT, ConversationalRanker({"evidence": 1.0, "lm": 1.0}), parts))
    ranks = ranks_of(variants, heard, tested, evidence, catalogue, report)
    by_name = {variant.name: own for variant, own in zip(variants, ranks, strict=True)}
    rows_tested = [heard[place] for place in tested]
    popularity = catalogue.rating_count.astype(np.float64)
    by_name["popularity"] = np.concatenate([rank_targets(popularity, row) for row in rows_tested])
    results = [result(name, own, rows_tested, run.seed) for name, own in by_name.items()]
    if run.train_half:
        other = [place for place, row in enumerate(heard) if row.row.half == "train"]
        turned = Variant(TURNED, train(heard, ("test",), evidence, parts, recommender, run.seed, report), parts)
        own = ranks_of([turned], heard, other, evidence, catalogue, report)[0]
        rows_other = [heard[place] for place in other]
        both = np.concatenate([by_name[TRAINED], own])
        results += [result(TURNED, own, rows_other, run.seed), result(BOTH, both, rows_tested + rows_other, run.seed)]
    return results, rankers.get(TRAINED)


def fit_on_file(rows: Sequence[DialogueRow], run: DialogueRun, report: Progress) -> ConversationalRanker:
    """A ranker fitted on all dialogues: the one that ships.

    Raises:
        AssetError, ValueError: something is missing or does not fit; the message names it and the fix.
    """
    dataset = load_dataset(run.data)
    recommender = Recommender.load(run.data, run.model, run.adapter)
    heard = hear_rows(recommender, rows, report)
    semantic = recommender.policy.semantic
    assert isinstance(semantic, SemanticSimilarity)
    evidence = ConversationFeatures(recommender.catalogue, Rated.of(indexed_ratings(dataset)), semantic.items)
    parts = policy_parts(recommender.policy, [row.state for row in heard], dataset.fingerprint, run.lm, report)
    ranker = train(heard, ("train", "test"), evidence, parts, recommender, run.seed, report)
    return replace(
        ranker, about=f"{ranker.about} of {len({row.dialog_id for row in rows})} dialogues; weights and counts only"
    )


def train(
    heard: Sequence[HeardRow],
    halves: Sequence[Half],
    evidence: ConversationFeatures,
    parts: PolicyParts,
    recommender: Recommender,
    seed: int,
    report: Progress,
) -> ConversationalRanker:
    """A ranker fitted on the dialogues of ``halves``; nothing of another half is read."""
    places = [place for place, row in enumerate(heard) if row.row.half in halves]
    dialogues = named_by_dialogue([heard[place] for place in places])
    past = past_of(list(dialogues.values()), recommender.catalogue)
    counts = LearntCounts(past, recommender.catalogue)

    def features(number: int) -> np.ndarray:
        place = places[number]
        row = heard[place]
        learnt = counts.features(row.dialogue, *dialogues[row.row.dialog_id])
        return matrix(place, row.dialogue, evidence.features(row.dialogue), learnt, parts)

    known = np.argsort(-(counts.mentioned + evidence.recent / 100.0), kind="stable")
    return fit_on_dialogues(
        NAMES,
        [heard[place].targets for place in places],
        [heard[place].dialogue.named for place in places],
        features,
        past,
        known[: DialogueSettings().sure],
        replace(DialogueSettings(), seed=seed),
        report,
    )


def _ablations(
    name: str, ranker: ConversationalRanker, parts: PolicyParts, before: PolicyParts | None, lm: bool
) -> list[Variant]:
    """A ranker whole, and with one part left out at a time; ``before`` is the policy as it stood before PPO."""
    variants = [Variant(name, ranker, parts)]
    if lm:
        variants.append(Variant(f"{name}, no LM", _less(ranker, {"lm", "lm_alone"}), parts))
    if before is not None:
        variants.append(Variant(f"{name}, no PPO", ranker, before))
    for about, names in ABLATIONS.items():
        variants.append(Variant(f"{name}, no {about}", _less(ranker, names), parts, about != "text similarity"))
    return variants


def _less(ranker: ConversationalRanker, names: Set[str]) -> ConversationalRanker:
    """The ranker with some weights at zero."""
    return replace(ranker, weights={name: own for name, own in ranker.weights.items() if name not in names})


def _before_ppo(
    parts: PolicyParts,
    heard: Sequence[HeardRow],
    tested: Sequence[int],
    dataset: Dataset,
    run: DialogueRun,
    report: Progress,
) -> PolicyParts:
    """The tested rows' logits of the policy as it stood before PPO; the other rows are empty."""
    policy = Foundation.of(dataset).policy(BEFORE_PPO, run.model)
    states = [heard[place].state for place in tested]
    own = policy_parts(policy, states, dataset.fingerprint, True, report, "ranking with the policy before PPO")
    whole = PolicyParts(*(np.zeros(parts.lm.shape, dtype=np.float16) for _ in range(3)))
    for target, part in ((whole.evidence, own.evidence), (whole.semantic, own.semantic), (whole.lm, own.lm)):
        target[list(tested)] = part
    return whole
