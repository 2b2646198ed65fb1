"""Sequence retriever: what comes next, from the order of what came before.

A small causal transformer over item ids, trained with cross-entropy at every position: SASRec (Kang and McAuley, 2018)
with the softmax over the whole catalogue, which beats its sampled original (Klenitskiy and Vasilev, 2023, "Turning
Dross Into Gold Loss"). In a large catalogue the sum over all items is estimated from a sample, each item weighed by the
inverse of its chance to be in it (importance sampling: Bengio and Senecal, 2008), so that popular items, which are in
every batch, are not pushed down. The blocks are transformers' own GPT-2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2Model

from agent.data.interactions import check_items

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class RetrieverConfig:
    """How the sequence model is built and trained; the defaults were chosen on MovieLens-100K's validation items.

    ``length`` is the longest history the model reads (its most recent part). ``epochs`` counts passes over all
    positions, ``batch`` windows per step. ``sampled`` is the catalogue size above which training
    scores a random sample of ``negatives`` items, and those of the batch, instead of all of them.
    """

    width: int = 64
    layers: int = 1
    heads: int = 2
    length: int = 50
    dropout: float = 0.3
    epochs: int = 18
    batch: int = 32
    rate: float = 3e-3
    decay: float = 0.1
    sampled: int = 4_000
    negatives: int = 1_000

    @classmethod
    def of_size(cls, events: int, items: int) -> RetrieverConfig:
        """For a data set of so many events and items: the more events, the fewer passes over them."""
        usual = cls()
        epochs = min(usual.epochs, max(4, round(usual.epochs * 200_000 / max(events, 1))))
        if items <= usual.sampled:
            return replace(usual, epochs=epochs)
        return replace(usual, epochs=min(epochs, 12), batch=64)


class SequenceRetriever:
    """Scores every catalogue item as the next one of a history.

    Made by :meth:`fit` or :meth:`load`; inference changes no state, so one instance may serve several threads.
    """

    def __init__(self, config: RetrieverConfig, n_items: int, log_popularity: np.ndarray) -> None:
        """Start untrained; ``log_popularity`` (n_items,) is the answer for an empty history."""
        if config.width % config.heads:
            raise ValueError(f"width {config.width} is not divisible by heads {config.heads}: change one of them")
        self.config = config
        self.n_items = n_items
        self.log_popularity = log_popularity.astype(np.float32)
        self.trained = True
        blocks = GPT2Config(
            vocab_size=n_items,
            n_positions=config.length,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            embd_pdrop=config.dropout,
            resid_pdrop=config.dropout,
            attn_pdrop=0.0,  # with dropout the attention has no fused kernel on a CPU
            use_cache=False,
            bos_token_id=None,
            eos_token_id=None,
        )
        self._model = GPT2Model(blocks)
        self._model.train(False)

    @classmethod
    def fit(
        cls,
        sequences: Sequence[np.ndarray],
        n_items: int,
        seed: int = 0,
        progress: Progress | None = None,
        config: RetrieverConfig | None = None,
    ) -> SequenceRetriever:
        """Train on users' item sequences (catalogue indices, oldest first).

        Where no sequence has two items there is nothing to learn: popularity is then the answer to every history. The
        global random state of PyTorch is left as it was. The same seed and sequences give the same model on the
        same machine and number of threads.

        Raises:
            ValueError: an index is outside 0..n_items-1.
        """
        config = config or RetrieverConfig()
        counts = np.zeros(n_items)
        for sequence in sequences:
            if len(sequence) and not 0 <= int(sequence.min()) <= int(sequence.max()) < n_items:
                bad = int(sequence.min()) if sequence.min() < 0 else int(sequence.max())
                raise ValueError(f"item index {bad} is outside the catalogue of {n_items}: map item ids to row numbers")
            np.add.at(counts, sequence, 1.0)
        usable = [torch.from_numpy(np.asarray(s, dtype=np.int64)) for s in sequences if len(s) > 1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            retriever = cls(config, n_items, np.log((counts + 0.5) / (counts + 0.5).sum()))
            if usable:
                retriever._train(usable, np.random.default_rng(seed), progress)
            else:
                retriever.trained = False
        return retriever

    @property
    def item_embeddings(self) -> np.ndarray:
        """One vector per catalogue item (n_items, width), float32."""
        weight: np.ndarray = self._model.wte.weight.detach().numpy()
        return weight

    def scores(self, histories: Sequence[Sequence[int]], batch: int = 256) -> np.ndarray:
        """Log-probability of each item as the next one, (len(histories), n_items) float32.

        Histories are catalogue indices, oldest first; seen items are not masked. An empty history gets the log of the
        items' share of all interactions.

        Raises:
            IndexError: an index is outside the catalogue.
        """
        check_items(histories, self.n_items)
        out = np.broadcast_to(self.log_popularity, (len(histories), self.n_items)).copy()
        rows = [row for row, history in enumerate(histories) if len(history) and self.trained]
        # Histories of like length share a batch: less padding to compute.
        rows.sort(key=lambda row: min(len(histories[row]), self.config.length))
        for start in range(0, len(rows), batch):
            chunk = rows[start : start + batch]
            recent = [torch.tensor(list(histories[row])[-self.config.length :]) for row in chunk]
            last = torch.tensor([len(items) - 1 for items in recent])
            with torch.inference_mode():
                hidden = self._hidden(nn.utils.rnn.pad_sequence(recent, batch_first=True))[
                    torch.arange(len(chunk)), last
                ]
                out[chunk] = F.log_softmax(hidden @ self._model.wte.weight.T, dim=-1).numpy()
        return out

    def save(self, folder: Path) -> None:
        """Write ``retriever.json`` and ``retriever.safetensors`` into the folder (made if missing)."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {"n_items": self.n_items, "config": asdict(self.config), "trained": self.trained}
        (folder / "retriever.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        state = {name: tensor.contiguous() for name, tensor in self._model.state_dict().items()}
        save_file({**state, "log_popularity": torch.from_numpy(self.log_popularity)}, folder / "retriever.safetensors")

    @classmethod
    def load(cls, folder: Path) -> SequenceRetriever:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: the folder holds no retriever.
        """
        about: dict[str, Any] = json.loads((folder / "retriever.json").read_text(encoding="utf-8"))
        state = load_file(folder / "retriever.safetensors")
        popularity = state.pop("log_popularity").numpy()
        retriever = cls(RetrieverConfig(**about["config"]), about["n_items"], popularity)
        retriever._model.load_state_dict(state)
        retriever.trained = about["trained"]
        return retriever

    def _hidden(self, items: Tensor) -> Tensor:
        # Causal attention keeps padding on the right out of every earlier position: no mask is needed.
        hidden: Tensor = self._model(input_ids=items).last_hidden_state
        return hidden

    def _train(self, sequences: list[Tensor], rng: np.random.Generator, progress: Progress | None) -> None:
        config, model = self.config, self._model
        decayed = [p for p in model.parameters() if p.dim() > 1]
        plain = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": config.decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.98))
        plan = [_windows(sequences, config.length, rng) for _ in range(config.epochs)]
        steps = sum(-(-len(windows) // config.batch) for windows in plan)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            config.rate,
            total_steps=steps + 1,
            pct_start=0.1,
            div_factor=25.0,
            final_div_factor=100.0,
            cycle_momentum=False,
        )
        model.train()
        done = 0
        for windows in plan:
            for batch in _batches(windows, config.batch, rng):
                padded = nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=-1)
                target = padded[:, 1:]
                known = target >= 0
                hidden = self._hidden(padded[:, :-1].clamp_min(0))[known]
                loss = self._loss(hidden, target[known])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                done += 1
                if progress is not None:
                    progress(done, steps)
        model.train(False)

    def _loss(self, hidden: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy over all items, or in a large catalogue its estimate from a sample.

        The sample holds the batch's own targets and a uniform draw. Each of its items but the row's target counts for
        one over its chance to be in it, ``1 - (1 - p)^targets * (1 - 1/n)^negatives`` with the item's share ``p`` of
        all events.
        """
        weight = self._model.wte.weight
        if self.n_items <= self.config.sampled:
            return F.cross_entropy(hidden @ weight.T, target)
        drawn = torch.randint(self.n_items, (self.config.negatives,))
        shown, place = torch.unique(torch.cat([target, drawn]), return_inverse=True)
        place = place[: len(target)]
        share = torch.from_numpy(self.log_popularity)[shown].exp().double()
        missed = len(target) * torch.log1p(-share) + self.config.negatives * np.log1p(-1.0 / self.n_items)
        chance = torch.log(-torch.expm1(missed)).float()
        logits = hidden @ weight[shown].T
        own = logits.gather(1, place[:, None])
        total = (logits - chance).scatter(1, place[:, None], own).logsumexp(dim=1)
        loss: Tensor = (total - own[:, 0]).mean()
        return loss


def _windows(sequences: list[Tensor], length: int, rng: np.random.Generator) -> list[Tensor]:
    """Cut each sequence into windows of ``length`` steps from a random offset; every item but the first is a target."""
    windows = []
    for sequence in sequences:
        if len(sequence) <= length + 1:
            windows.append(sequence)
            continue
        end = len(sequence) - int(rng.integers(0, length))
        if end < len(sequence):
            windows.append(sequence[end - 1 :])
        windows += [sequence[max(0, stop - length - 1) : stop] for stop in range(end, 1, -length)]
    return windows


def _batches(windows: list[Tensor], size: int, rng: np.random.Generator) -> list[list[Tensor]]:
    """Batches of windows of like length, in random order."""
    blurred = np.array([len(window) for window in windows]) + rng.random(len(windows)) * 20
    order = np.argsort(blurred)
    batches = [[windows[i] for i in order[start : start + size]] for start in range(0, len(order), size)]
    return [batches[i] for i in rng.permutation(len(batches))]
