"""The LM for the TALLRec protocol: after ten films with a yes or no each, is the next one a yes?

Trained on the drawn training windows alone, beside the evidence, whose log-odds join as an offset. Every rating after
the fifth that a sequence shows is learned from, so overlapping windows need not all be read. How much the LM may say is
chosen on the validation windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from agent.catalogue.catalogue import Item
from agent.data.interactions import rating_matrix
from agent.policy.item_embeddings import ItemFeatures
from agent.policy.item_lm import load_base
from agent.retrieval.item_neighbours import ItemNeighbours
from eval.protocols.sequence_lm import SequenceLm, SequenceSettings, padded, train_sequence_lm
from eval.protocols.tallrec_recipe import SHORTEST, TallrecFit, TallrecScores
from eval.protocols.tallrec_rows import ABOVE, TallrecSplit, Window

HEADER = "Films, liked or not:"
LM_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""The weights of the LM's log-odds that are tried."""

Report = Callable[[str, int, int], None]


def _gentle() -> SequenceSettings:
    """Rows hardly move: a thousand items' rows would learn a few thousand likes by heart, which validation showed."""
    return SequenceSettings(layers=4, steps=100, batch=8, lora_rate=4e-4, rows_rate=1e-5, change_rate=5e-5)


@dataclass(frozen=True, slots=True)
class TallrecLmPlan:
    """``passes`` over the sequences, at most ``settings.steps`` steps; of windows one in ``stride`` a user is read."""

    settings: SequenceSettings = field(default_factory=_gentle)
    passes: float = 2.0
    stride: int = 5


def add_lm(
    split: TallrecSplit,
    fit: TallrecFit,
    items: Sequence[Item],
    base: str | Path,
    plan: TallrecLmPlan | None = None,
    report: Report = lambda what, done, of: None,
) -> TallrecScores:
    """The scores of a fit with the LM's part added, at the weight that is best on the validation windows."""
    plan = plan or TallrecLmPlan()
    lm = fit_lm(fit, split.shown(fit.windows), items, base, plan, report)
    valid = lm_log_odds(lm, split.valid, report)
    wanted = [window.liked for window in split.valid]
    areas = {weight: roc_auc_score(wanted, fit.scores.valid + weight * valid) for weight in LM_WEIGHTS}
    best, scores = max(areas, key=areas.__getitem__), fit.scores
    if not best:
        return scores
    test = lm_log_odds(lm, split.test, report)
    return replace(scores, valid=scores.valid + best * valid, test=scores.test + best * test, lm_weight=best)


def fit_lm(
    fit: TallrecFit,
    ratings: pd.DataFrame,
    items: Sequence[Item],
    base: str | Path,
    plan: TallrecLmPlan,
    report: Report = lambda what, done, of: None,
) -> SequenceLm:
    """Train on a fit's windows; ``ratings`` are those that they show."""
    sequences = sparse_windows(fit.windows, plan.stride)
    offsets = {(own.user, own.place): value for own, value in zip(fit.examples, fit.log_odds, strict=True)}
    steps = min(plan.settings.steps, max(1, round(plan.passes * len(sequences) / plan.settings.batch)))
    settings = replace(plan.settings, steps=steps)
    lm = SequenceLm(base, _features(ratings, items, base, settings), settings)

    def loss(lm: SequenceLm, places: np.ndarray) -> Tensor:
        chosen = [sequences[place] for place in places]
        logits = _answers(lm, chosen, SHORTEST)
        wanted, prior = [], []
        for window in chosen:
            events = (*window.history, window.target)
            for size in range(SHORTEST, len(events)):
                wanted.append(float((events[size].rating or 0.0) > ABOVE))
                prior.append(offsets[window.user, window.place - len(window.history) + size])
        return F.binary_cross_entropy_with_logits(logits + torch.tensor(prior).float(), torch.tensor(wanted))

    return train_sequence_lm(lm, loss, len(sequences), settings, report)


def lm_log_odds(
    lm: SequenceLm, windows: Sequence[Window], report: Report = lambda what, done, of: None, batch: int = 64
) -> np.ndarray:
    """What the LM says of each window's target, (len(windows),) log-odds; the target's rating is not read."""
    out = []
    for start in range(0, len(windows), batch):
        report("asking the LM", start, len(windows))
        with torch.inference_mode():
            part = windows[start : start + batch]
            out.append(_answers(lm, part, len(part[0].history)).numpy())
    return np.concatenate(out).astype(np.float64)


def sparse_windows(windows: Sequence[Window], stride: int) -> list[Window]:
    """Of each user's windows those that are ``stride`` places or more from the one taken before."""
    taken: list[Window] = []
    for window in sorted(windows, key=lambda own: (own.user, own.place)):
        if not taken or taken[-1].user != window.user or window.place - taken[-1].place >= stride:
            taken.append(window)
    return taken


def encode(lm: SequenceLm, window: Window) -> list[int]:
    """A window as token ids: header, each film of the history and its yes or no, the target."""
    ids = lm.words(HEADER)
    for event in window.history:
        ids += [lm.item(event.item), lm.word(" yes" if (event.rating or 0.0) > ABOVE else " no")]
    return [*ids, lm.item(window.target.item)]


def _answers(lm: SequenceLm, windows: Sequence[Window], first: int) -> Tensor:
    """Log-odds after each film from number ``first`` on, window by window."""
    ids = [encode(lm, window) for window in windows]
    states, _ = lm.hidden(padded(ids))
    header = len(lm.words(HEADER))
    where = [(row, header + 2 * size) for row, own in enumerate(windows) for size in range(first, len(own.history) + 1)]
    row, column = torch.tensor(where).unbind(dim=1)
    return lm.likes(states[row, column])


def _features(
    ratings: pd.DataFrame, items: Sequence[Item], base: str | Path, settings: SequenceSettings
) -> ItemFeatures:
    """What item rows are made from: words, who watched what, how many. Not who liked it: that is what is asked."""
    matrix = rating_matrix(ratings, len(items))
    matrix.data = np.ones_like(matrix.data)
    network, tokenizer = load_base(base, 1)
    embedding = network.get_input_embeddings().weight.detach().float().numpy()
    count = np.bincount(ratings["item"], minlength=len(items))
    neighbours = ItemNeighbours.fit(matrix).neighbours
    return ItemFeatures.build(items, tokenizer, embedding, neighbours, count, np.full(len(items), np.nan))
