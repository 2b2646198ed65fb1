"""TALLRec: will a user like the next item, given ten rated ones? Windows of MovieLens-100K, area under the ROC curve.

The thousand test windows belong to sixteen users, so intervals are over users and wide. With few training rows the
figure is the mean over several draws of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from agent import cooccurrence, factorization, similar_users, taste
from agent.dataset import Dataset
from agent.taste import ItemInfo
from eval.metrics import Interval
from eval.ranked_lists import COLUMNS
from eval.ranking_cache import digest, digest_files
from eval.ranking_run import Kind, RankingError, RankingRun
from eval.ranking_table import Table, TableRow
from eval.resampling import Statistic, UserBootstrap
from eval.reward.figures import auc_statistic
from training import tallrec_recipe, tallrec_rows
from training.tallrec_recipe import NAMES, Source, TallrecScores, features_of_others, fit_tallrec
from training.tallrec_rows import TallrecSplit, Window, load_tallrec

NAME = "tallrec"
FEW = (16, 64, 256)
DRAWS = 5
TRIVIAL = "history's and item's likes"
_ABOUT = (
    "Published for 16, 64 and 256 training rows: .6724, .6748, .7198. `+ others` also knows all ratings of the users "
    "who have no window in the validation or test part: more than the published rows show, and about other people "
    "only. The released policies are not among the rows: they were trained on ratings of these users."
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One row of the table: what is fitted, on how many training windows (None: all), how often drawn."""

    name: str
    kind: Kind
    source: Source
    rows: int | None = None
    names: tuple[str, ...] = NAMES

    @property
    def draws(self) -> int:
        return 1 if self.rows is None else DRAWS


PLANS = (
    _Plan("likes in the history", "baseline", "rows", None, ("user_like_rate",)),
    _Plan(TRIVIAL, "baseline", "rows", None, ("user_like_rate", "item_like_rate")),
    *(_Plan(f"policy without the LM, {n} rows", "ours", "rows", n) for n in FEW),
    _Plan("policy without the LM, all rows", "ours", "rows"),
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
    info = ItemInfo.of(dataset.items)
    others = functools.cache(lambda: features_of_others(split, info))
    windows = split.valid if run.part == "valid" else split.test
    scores: dict[str, list[np.ndarray]] = {}
    notes = [_ABOUT]
    for number, plan in enumerate(plans):
        run.report(f"fitting {plan.name}", number, len(plans))
        fits = [_fit(plan, draw, split, info, others, dataset.fingerprint, run) for draw in range(plan.draws)]
        scores[plan.name] = [fit.valid if run.part == "valid" else fit.test for fit in fits]
        penalties = ", ".join(f"{fit.penalty:g}" for fit in fits)
        notes.append(f"{plan.name}: penalty chosen on the validation windows: {penalties}.")
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

    Args:
        scores: for each policy one array (windows,) a draw of its training rows.
        windows: what was scored.
        reference: one of the policies.
        kinds: of the policies.
        seed: of the bootstrap.
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
    """One row a window, in the columns of :func:`eval.ranked_lists.dump`: each window is a case with one candidate."""
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
    info: ItemInfo,
    others: Callable[[], tuple[np.ndarray, np.ndarray]],
    content: str,
    run: RankingRun,
) -> TallrecScores:
    """The scores of one draw, from the cache where they are there."""
    seed = run.seed + draw
    key = "tallrec-" + digest(content, _code(), asdict(plan), seed)
    kept = run.cache.note(key)
    if kept is None:
        known = others() if plan.source == "others" else None
        fit = fit_tallrec(split, info, plan.source, known, plan.rows, plan.names, seed)
        kept = {"rows": fit.rows, "penalty": fit.penalty, "valid": fit.valid.tolist(), "test": fit.test.tolist()}
        run.cache.keep_note(key, kept)
    return TallrecScores(plan.source, kept["rows"], kept["penalty"], np.array(kept["valid"]), np.array(kept["test"]))


@functools.cache
def _code() -> str:
    """A hash over the source that the scores are made by."""
    modules = (tallrec_recipe, tallrec_rows, taste, similar_users, factorization, cooccurrence)
    return digest_files([Path(str(module.__file__)) for module in modules])


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    return lambda weights: np.mean([own(weights) for own in statistics], axis=0)


def _interval(value: float, draws: np.ndarray) -> Interval:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Interval(value, float(low), float(high))
