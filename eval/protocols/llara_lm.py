"""The LM for the LLaRA protocol: which film follows those that a sequence of item tokens names?

It is the first layers of the base model under LoRA, with one trained row an item, made from its words, from what the
same people watch, and from a retriever's vectors. Trained on the training users' sequences alone, beside the evidence:
its logits, by fits that have not seen the user, join as an offset at every place of a sequence. How much the LM may say
is chosen on the validation rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from agent.catalogue.catalogue import Item
from agent.data.assets import cache_dir
from agent.data.atomic import building
from agent.data.interactions import item_sequences
from agent.features.user_features import ItemInfo
from agent.policy.item_embeddings import ItemFeatures, RowMaker
from agent.policy.item_lm import backbone, load_base
from agent.records.state import Event
from agent.retrieval.item_neighbours import ItemNeighbours
from eval.protocols.llara_features import evidence_key
from eval.protocols.llara_recipe import LlaraPlan, LlaraRanker, fold_evidence
from eval.protocols.llara_rows import LENGTH, ChoiceRow
from training.progress import Progress, silent

HEADER = "Films in order:"
LM_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""The weights of the LM's logits that are tried."""

NEGATIVES = 19
_NOT_ALLOWED = -1e4
_FILE = "sequence_lm.safetensors"

# Raised when the arithmetic changes: what was kept is trained anew.
_FORMAT = 1

PADDING = -1


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """How the LM is trained: the first ``layers`` of the base (None: all), ``steps`` of ``batch`` sequences each."""

    layers: int | None = 6
    lora_rank: int = 16
    steps: int = 200
    batch: int = 16
    lora_rate: float = 8e-4
    rows_rate: float = 1e-3
    change_rate: float = 5e-4
    seed: int = 0


class SequenceLm(nn.Module):
    """The base LM under LoRA, with item rows.

    Sequences are token ids in which ``item(i)`` stands for item i; PADDING may follow on the right. Causal attention
    keeps it out of every answer.
    """

    def __init__(self, base: str | Path, features: ItemFeatures, settings: SequenceSettings) -> None:
        """Load the base and start untrained; the global random state of PyTorch is left as it was."""
        from peft import LoraConfig, get_peft_model

        super().__init__()
        network, self.tokenizer = load_base(base, settings.layers)
        self.first_item = len(self.tokenizer)
        own = LoraConfig(r=settings.lora_rank, lora_alpha=2 * settings.lora_rank, target_modules="all-linear")
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # peft reads an old alias of transformers.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            torch.manual_seed(settings.seed)
            self.network = get_peft_model(network, own)
        self.rows = RowMaker(features)

    def words(self, text: str) -> list[int]:
        """The tokens of a text."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def item(self, index: int) -> int:
        """The token that stands for an item."""
        return self.first_item + index

    def hidden(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The last hidden state after every token of ``ids`` (B, T), (B, T, hidden), and the item rows (n, hidden)."""
        rows = self.rows()
        is_item = ids >= self.first_item
        words = self.network.get_input_embeddings()(torch.where(is_item, 0, ids).clamp_min(0))
        items = rows[(ids - self.first_item).clamp_min(0)].to(words.dtype)
        embedded = torch.where(is_item[..., None], items, words)
        states: Tensor = backbone(self.network)(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return states.float(), rows

    def trained(self) -> dict[str, Tensor]:
        """All that is trained, by name."""
        return {name: tensor for name, tensor in self.named_parameters() if tensor.requires_grad}

    def save(self, path: Path) -> None:
        """Write what was trained."""
        save_file({name: tensor.detach().contiguous() for name, tensor in self.trained().items()}, path)

    def restore(self, path: Path) -> SequenceLm:
        """Read what :meth:`save` wrote by the same base, features and settings; returns itself, ready to answer."""
        with torch.no_grad():
            kept = load_file(path)
            for name, tensor in self.trained().items():
                tensor.copy_(kept[name])
        return self.eval()


def train_sequence_lm(
    lm: SequenceLm,
    loss: Callable[[SequenceLm, np.ndarray], Tensor],
    count: int,
    settings: SequenceSettings,
    report: Progress = silent,
) -> SequenceLm:
    """Train by AdamW with a cosine schedule, over ``count`` sequences in an order drawn by the seed.

    ``lm``: as it starts; it is changed.
    """
    own = {id(p) for p in lm.rows.parameters()}
    groups = [
        {"params": [p for p in lm.trained().values() if id(p) not in own], "lr": settings.lora_rate},
        {"params": [lm.rows.own], "lr": settings.rows_rate, "weight_decay": 0.05},
        {"params": [lm.rows.change], "lr": settings.change_rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)
    warm = max(1, settings.steps // 20)

    def rate(step: int) -> float:
        rest = max(0.0, 1 - (step - warm) / max(1, settings.steps - warm))
        return min((step + 1) / warm, 0.5 * (1 - float(np.cos(np.pi * rest))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    lm.train()
    for step, places in enumerate(_batches(count, settings)):
        optimizer.zero_grad(set_to_none=True)
        loss(lm, places).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(lm.trained().values(), 1.0)
        optimizer.step()
        schedule.step()
        report("training the LM", step + 1, settings.steps)
    return lm.eval()


def _batches(count: int, settings: SequenceSettings) -> Iterator[np.ndarray]:
    """Places of each step's sequences: every one is seen as often as every other, give or take one."""
    rng = np.random.default_rng(settings.seed)
    size = min(settings.batch, count)
    left: np.ndarray = np.empty(0, dtype=np.int64)
    for _ in range(settings.steps):
        if len(left) < size:
            left = np.concatenate([left, rng.permutation(count)])
        yield left[:size]
        left = left[size:]


def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Token ids as one (B, T) array with PADDING on the right."""
    longest = max(map(len, sequences))
    return torch.tensor([[*own, *[PADDING] * (longest - len(own))] for own in sequences])


def with_vectors(features: ItemFeatures, vectors: np.ndarray) -> ItemFeatures:
    """Item features with more columns: vectors (n, width) of another model, centred, of a mean norm of one."""
    centred = vectors - vectors.mean(axis=0)
    scaled = centred / max(float(np.linalg.norm(centred, axis=1).mean()), 1e-9)
    return ItemFeatures(np.concatenate([features.values, scaled], axis=1).astype(np.float32), features.text_width)


@dataclass(frozen=True, slots=True)
class LlaraLmPlan:
    """``per_user`` stretches of a user's sequence are read, the last one always.

    A place is learned from if ``least`` items or more come before it in its stretch.
    """

    settings: SequenceSettings = field(default_factory=lambda: SequenceSettings(steps=190, batch=16))
    per_user: int = 4
    least: int = 3


@dataclass(frozen=True)
class LlaraLm:
    """The trained LM and the ``weight`` of its logits."""

    lm: SequenceLm
    weight: float

    def scores(self, histories: Sequence[Sequence[Event]], batch: int = 64) -> np.ndarray:
        """The LM's logits of every item after each history, (len(histories), n_items) float32, not yet weighted."""
        out = []
        for start in range(0, len(histories), batch):
            ids = [encode(self.lm, [event.item for event in own]) for own in histories[start : start + batch]]
            with torch.inference_mode():
                states, rows = self.lm.hidden(padded(ids))
                last = torch.tensor([len(own) - 1 for own in ids])
                out.append((states[torch.arange(len(ids)), last] @ rows.T).numpy())
        return np.concatenate(out)


def fit_llara_lm(
    train: Mapping[str, tuple[Event, ...]],
    valid: Sequence[ChoiceRow],
    info: ItemInfo,
    items: Sequence[Item],
    ranker: LlaraRanker,
    base: str | Path,
    plan: LlaraPlan,
    lm_plan: LlaraLmPlan | None = None,
    report: Progress = silent,
) -> LlaraLm:
    """Train, or read what was kept in the user's cache, and choose the weight on the validation rows.

    ``train``: the training users' sequences; no other user is learned from; ``ranker``: the policy without the LM; its
    weights make the offset; ``plan``: of the ranker, whose fits without a group of users make the evidence of that
    group.
    """
    lm_plan = lm_plan or LlaraLmPlan()
    settings = lm_plan.settings
    lm = SequenceLm(base, item_features(train, items, ranker, base), settings)
    more = [_FORMAT, str(base), asdict(plan), asdict(lm_plan), np.round(ranker.weights, 5).tolist()]
    folder = cache_dir() / "protocols" / f"llara-lm-{evidence_key(train, info, plan.evidence, plan.seed, more)}"
    with building(folder, lambda: (folder / _FILE).is_file()) as temporary:
        if temporary is not None:
            _train(lm, train, info, ranker, plan, lm_plan, report)
            lm.save(temporary / _FILE)
    said = LlaraLm(lm.restore(folder / _FILE), 1.0)
    histories = [row.history for row in valid]
    prior = ranker.evidence.features(histories) @ ranker.weights
    return LlaraLm(lm, best_weight(prior, said.scores(histories), valid))


def best_weight(prior: np.ndarray, lm: np.ndarray, rows: Sequence[ChoiceRow]) -> float:
    """The weight of the LM's logits with the largest share of first places among NEGATIVES drawn blindly.

    The share is worked out over all draws at once: the chance that none of the items that outrank the target is drawn.

    ``prior``: (rows, n_items) logits of the evidence; ``lm``: (rows, n_items) logits of the LM.
    """
    shares = {w: float(np.mean(first_place(prior + w * lm, rows))) for w in LM_WEIGHTS}
    return max(shares, key=shares.__getitem__)


def first_place(scores: np.ndarray, rows: Sequence[ChoiceRow]) -> np.ndarray:
    """Each target's chance of the first place among it and NEGATIVES items outside the history, (rows,)."""
    out = []
    for own, row in zip(scores, rows, strict=True):
        other = np.delete(own, [*{event.item for event in row.history} | {row.target}])
        above = np.count_nonzero(other > own[row.target])
        drawn = np.arange(NEGATIVES)
        out.append(np.prod(np.maximum(len(other) - above - drawn, 0) / (len(other) - drawn)))
    return np.array(out)


def encode(lm: SequenceLm, items: Sequence[int]) -> list[int]:
    """Header and item tokens."""
    return [*lm.words(HEADER), *(lm.item(item) for item in items)]


def item_features(
    train: Mapping[str, tuple[Event, ...]], items: Sequence[Item], ranker: LlaraRanker, base: str | Path
) -> ItemFeatures:
    """What item rows are made from: words, who watched what, how many, and the first retriever's vectors."""
    network, tokenizer = load_base(base, 1)
    embedding = network.get_input_embeddings().weight.detach().float().numpy()
    sequences = item_sequences(train)
    watched = sparse.csr_matrix(
        (np.ones(sum(map(len, sequences))), np.concatenate(sequences), np.cumsum([0, *map(len, sequences)])),
        shape=(len(sequences), len(items)),
    )
    count = np.asarray(watched.sum(axis=0)).ravel()
    neighbours = ItemNeighbours.fit(watched).neighbours
    features = ItemFeatures.build(items, tokenizer, embedding, neighbours, count, np.full(len(items), np.nan))
    return with_vectors(features, ranker.evidence.retrievers[0].item_embeddings)


def stretches(events: Sequence[Event], count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """``count`` stretches of LENGTH items and the one after them, drawn by ``rng``; the last one always."""
    items = tuple(event.item for event in events)
    end = max(0, len(items) - LENGTH - 1)
    starts = {end, *rng.permutation(end)[: count - 1].tolist()}
    return [items[start : start + LENGTH + 1] for start in sorted(starts)]


def _train(
    lm: SequenceLm,
    train: Mapping[str, tuple[Event, ...]],
    info: ItemInfo,
    ranker: LlaraRanker,
    plan: LlaraPlan,
    lm_plan: LlaraLmPlan,
    report: Progress,
) -> None:
    rng = np.random.default_rng(lm_plan.settings.seed)
    sequences: list[tuple[int, ...]] = []
    offsets: list[np.ndarray] = []
    for evidence, unseen in fold_evidence(train, info, plan, report):
        seen = evidence.standardised(ranker.evidence.centre, ranker.evidence.scale)
        for user in unseen:
            for own in stretches(train[user], lm_plan.per_user, rng):
                if len(own) <= lm_plan.least:
                    continue
                begun = [[Event(item) for item in own[:size]] for size in range(lm_plan.least, len(own))]
                prior = seen.features(begun) @ ranker.weights
                for row, history in enumerate(begun):
                    prior[row, [event.item for event in history]] = _NOT_ALLOWED
                sequences.append(own)
                offsets.append(prior.astype(np.float16))

    def loss(lm: SequenceLm, places: np.ndarray) -> Tensor:
        chosen = [sequences[place] for place in places]
        states, rows = lm.hidden(padded([encode(lm, own[:-1]) for own in chosen]))
        header = len(lm.words(HEADER))
        where = [(row, header + size - 1) for row, own in enumerate(chosen) for size in range(lm_plan.least, len(own))]
        row, column = torch.tensor(where).unbind(dim=1)
        prior = torch.from_numpy(np.concatenate([offsets[place] for place in places]).astype(np.float32))
        targets = torch.tensor([item for own in chosen for item in own[lm_plan.least :]])
        return F.cross_entropy(states[row, column] @ rows.T + prior, targets)

    train_sequence_lm(lm, loss, len(sequences), lm_plan.settings, report)
