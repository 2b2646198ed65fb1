"""TALLRec: will a user like the next item, given ten liked or not? Windows of MovieLens-100K, area under the ROC curve.

All is trained on the training windows alone, or on so many drawn from them: the evidence's item statistics, the weights
of its features (:mod:`eval.protocols.tallrec_recipe`). The penalty of those weights is chosen on the validation
windows. The thousand test windows belong to sixteen users, so intervals are over users and wide. With few training
rows the figure is the mean over several draws of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from agent.data.dataset import Dataset
from agent.features.user_features import ItemInfo
from agent.retrieval import item_neighbours
from eval.metrics import Interval
from eval.protocols import tallrec_features, tallrec_recipe, tallrec_rows
from eval.protocols.tallrec_features import NAMES, WindowEvidence
from eval.protocols.tallrec_recipe import Source, TallrecScores, fit_tallrec
from eval.protocols.tallrec_rows import TallrecSplit, Window, load_tallrec
from eval.ranking.cache import digest, digest_files
from eval.ranking.lists import COLUMNS
from eval.ranking.run import Kind, RankingError, RankingRun
from eval.ranking.table import Table, TableRow
from eval.resampling import Statistic, UserBootstrap
from eval.reward.figures import auc_statistic

NAME = "tallrec"
FEW = (16, 64, 256)
DRAWS = 5
TRIVIAL = "history's and item's likes"
_ABOUT = (
    "Published for 16, 64 and 256 training rows: .6724, .6748, .7198. `+ others` has its item statistics from the "
    "likes of the users without any window: more than the published rows show, and of other people only. `+ stars` "
    "reads the windows' stars, where the published prompts say likes and dislikes. An LM trained beside the "
    "features got weight 0 on the validation windows: rows with the LM would be those without. The released policies "
    "are not among the rows: they were trained on ratings of these users."
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One row of the table: what is fitted, on how many training windows (None: all), how often drawn."""

    name: str
    kind: Kind
    source: Source
    rows: int | None = None
    names: tuple[str, ...] = NAMES
    stars: bool = False

    @property
    def draws(self) -> int:
        return 1 if self.rows is None else DRAWS


PLANS = (
    _Plan("likes in the history", "baseline", "rows", None, ("user_likes",)),
    _Plan(TRIVIAL, "baseline", "rows", None, ("user_likes", "item_like_rate")),
    *(_Plan(f"policy without the LM, {n} rows", "ours", "rows", n) for n in FEW),
    _Plan("policy without the LM, all rows", "ours", "rows"),
    _Plan("policy without the LM, 256 rows + stars", "ours", "rows", 256, stars=True),
    _Plan("policy without the LM, all rows + stars", "ours", "rows", stars=True),
    *(_Plan(f"policy without the LM, {n} rows + others", "ours", "others", n) for n in FEW),
    _Plan("policy without the LM, all rows + others", "ours", "others"),
)


def tables(dataset: Dataset, run: RankingRun) -> list[Table]:
    """The protocol's table; penalties are chosen on the validation windows.

    Raises:
        RankingError: the data set is another than MovieLens-100K, or a row is asked for that there is not.
    """
    try:
        split = load_tallrec(dataset)
    except ValueError as error:
        raise RankingError(f"{NAME} does not apply: {error}") from error
    missing = [name for name in run.compare or () if name not in {plan.name for plan in PLANS}]
    if missing:
        raise RankingError(f"no row {missing[0]!r} under {NAME}: use one of {', '.join(p.name for p in PLANS)}")
    plans = [plan for plan in PLANS if run.compare is None or plan.name in run.compare]
    info = ItemInfo.of(dataset)
    others = functools.cache(lambda: WindowEvidence.fit(split.background(), info))
    windows = split.valid if run.part == "valid" else split.test
    scores: dict[str, list[np.ndarray]] = {}
    notes = [_ABOUT]
    for number, plan in enumerate(plans):
        run.report(f"fitting {plan.name}", number, len(plans))
        fits = [_fit(plan, draw, split, dataset, info, others, run) for draw in range(plan.draws)]
        scores[plan.name] = [fit.valid if run.part == "valid" else fit.test for fit in fits]
        notes.append(f"{plan.name}: C chosen on validation is {', '.join(f'{fit.penalty:g}' for fit in fits)}.")
    run.report("intervals", len(plans), len(plans))
    reference = run.compare[1] if run.compare is not None else TRIVIAL
    rows = figures(scores, windows, reference, {plan.name: plan.kind for plan in plans}, run.seed)
    for name, draws in scores.items():
        for draw, own in enumerate(draws):
            run.keep(dump(own, windows, name if len(draws) == 1 else f"{name}, draw {draw + 1}", dataset))
    about = "like or not after ten rated items"
    users = len({window.user for window in windows})
    return [Table(NAME, about, len(windows), users, ("auc",), rows, reference, None, tuple(notes))]


def figures(
    scores: Mapping[str, Sequence[np.ndarray]],
    windows: Sequence[Window],
    reference: str,
    kinds: Mapping[str, Kind],
    seed: int = 0,
) -> list[TableRow]:
    """Rows with the mean AUC over draws and the paired difference to ``reference``; intervals are over users.

    ``scores``: for each policy one array (windows,) a draw of its training rows.
    """
    users = UserBootstrap([window.user for window in windows], seed=seed)
    liked = np.array([window.liked for window in windows])
    areas = {name: _mean([auc_statistic(own, liked, users) for own in draws]) for name, draws in scores.items()}
    # Asked for once: the statistic is the slow part.
    drawn = {name: area(users.weights) for name, area in areas.items()}
    whole = {name: users.value(area) for name, area in areas.items()}
    rows = []
    for name in scores:
        difference = {"auc": _interval(whole[name] - whole[reference], drawn[name] - drawn[reference])}
        own = {"auc": _interval(whole[name], drawn[name])}
        rows.append(TableRow(name, kinds[name], own, {} if name == reference else difference))
    return rows


def dump(scores: np.ndarray, windows: Sequence[Window], policy: str, dataset: Dataset) -> pd.DataFrame:
    """One row a window, in the columns of :func:`eval.ranking.lists.dump`: each window is a case with one candidate."""
    ids = dataset.items["item"].to_numpy()
    values = (
        range(len(windows)),
        1,
        [ids[window.target.item] for window in windows],
        scores,
        [window.liked for window in windows],
        [window.target.rating for window in windows],
    )
    named = {"protocol": NAME, "set": "like or not after ten rated items", "policy": policy}
    frame = pd.DataFrame({**named, **dict(zip(COLUMNS, values, strict=True))})
    frame.insert(4, "user", [window.user for window in windows])
    return frame


def _fit(
    plan: _Plan,
    draw: int,
    split: TallrecSplit,
    dataset: Dataset,
    info: ItemInfo,
    others: Callable[[], WindowEvidence],
    run: RankingRun,
) -> TallrecScores:
    """The scores of one draw, from the cache where they are there."""
    seed = run.seed + draw
    key = "tallrec-" + digest(dataset.fingerprint, _code(), asdict(plan), seed)
    kept = run.cache.note(key)
    if kept is None:
        known = others() if plan.source == "others" else None
        scores = fit_tallrec(split, info, plan.source, known, plan.rows, plan.names, plan.stars, seed)
        kept = asdict(scores) | {"valid": scores.valid.tolist(), "test": scores.test.tolist()}
        run.cache.keep_note(key, kept)
    return TallrecScores(**{**kept, "valid": np.array(kept["valid"]), "test": np.array(kept["test"])})


@functools.cache
def _code() -> str:
    """A hash over the source that the scores are made by."""
    modules = (tallrec_recipe, tallrec_rows, tallrec_features, item_neighbours)
    return digest_files([Path(str(module.__file__)) for module in modules])


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    return lambda weights: np.mean([own(weights) for own in statistics], axis=0)


def _interval(value: float, draws: np.ndarray) -> Interval:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Interval(value, float(low), float(high))
