"""LLaRA: find what a user watched next among it and nineteen items drawn blindly; the authors' rows and split.

All is trained on the 754 training users' items of three stars or more: the evidence, its weights, and the LM beside it
(:mod:`eval.protocols.llara_features`, :mod:`eval.protocols.llara_recipe`, :mod:`eval.protocols.llara_lm`). The weight
of the LM and the baselines' settings are chosen on the validation rows. Of a row its history is read and nothing
else of its user. Item numbers are never features: MovieLens numbers items as users rated them, test users included.

The published figure is the share of first places on one draw. Here every row is drawn sixty times, so that the figure
does not hang on a lucky draw; its standard error is over users, of whom there are under a hundred.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from agent.data.assets import resolve_model
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.features.user_features import ItemInfo
from agent.records.state import Event, State
from eval.protocols.llara_lm import LlaraLm, LlaraLmPlan, fit_llara_lm
from eval.protocols.llara_recipe import LlaraPlan, LlaraRanker, fit_llara
from eval.protocols.llara_rows import LEAST, ChoiceRow, LlaraSplit, RowsError, load_llara
from eval.ranking import methods
from eval.ranking.baselines import history_scorer
from eval.ranking.cache import digest
from eval.ranking.cases import Cases, CaseScorer, by_history
from eval.ranking.lenskit_baselines import Tuning
from eval.ranking.methods import Fitted, base_digest
from eval.ranking.run import Method, RankingError, RankingRun
from eval.ranking.table import Table, make_table

NAME = "llara"
HEADLINE = ("hr@1", "ndcg@5", "mrr")
NEGATIVES = 19
REDRAWS = 60
_ABOUT = (
    "Published, on one draw: LLaRA (7B) .4526 (its repository), S-DPO (7B) .5263 (its paper). The released policies "
    "are not among the rows: they were trained on ratings of these users."
)


def cases(rows: tuple[ChoiceRow, ...], n_items: int, redraws: int = REDRAWS, seed: int = 0) -> Cases:
    """``redraws`` cases a row, one after the other: the target and NEGATIVES others outside the history.

    The draws of a row depend on its user and the seed alone, so other rows may come and go.
    """
    users, states, candidates, relevant = [], [], [], []
    for row in rows:
        rng = np.random.default_rng([seed, int(row.user)])
        others = np.setdiff1d(np.arange(n_items), [*(event.item for event in row.history), row.target])
        for _ in range(redraws):
            drawn = rng.choice(others, NEGATIVES, replace=False)
            users.append(row.user)
            states.append(State(row.history, goal="next"))
            candidates.append(np.sort(np.append(drawn, row.target)))
            relevant.append(np.array([row.target]))
    about = f"the next item among it and {NEGATIVES} drawn blindly, {redraws} draws a user"
    return Cases(NAME, about, tuple(users), tuple(states), tuple(candidates), tuple(relevant))


def tables(dataset: Dataset, run: RankingRun) -> list[Table]:
    """The protocol's table. All rows are fitted on the training users; LensKit's are tuned on the validation rows.

    Raises:
        RankingError: the authors' rows are missing, malformed or of another data set.
    """
    try:
        split = load_llara(dataset, run.rows)
    except RowsError as error:
        raise RankingError(f"{NAME} cannot be run on {dataset.name!r}: {error}") from error
    fitted = Fitted(dataset, past(split, indexed_ratings(dataset)), run)
    library, notes = methods.library(fitted, lambda: _tuning(fitted.past, split, fitted.n_items), stars=False)
    rows = [
        methods.popularity(fitted),
        methods.retriever(fitted),
        *library,
        *methods.untuned(fitted),
        *_ours(split, dataset, fitted),
    ]
    shown: list[pd.DataFrame] = []

    def keep(lists: pd.DataFrame) -> None:
        shown.append(lists)
        run.keep(lists)

    table = make_table(
        cases(split.rows(run.part), fitted.n_items, seed=run.seed),
        [replace(own, make=_asked_once(own.make)) for own in rows],
        fitted.traits,
        fitted.item_ids,
        digest(dataset.fingerprint, split.valid, split.test),
        HEADLINE,
        replace(run, keep=keep),
        [_ABOUT, *notes],
    )
    errors = {str(lists["policy"].iloc[0]): standard_error(lists) for lists in shown}
    said = [replace(row, totals={**row.totals, "hr@1_se": errors[row.policy]}) for row in table.rows]
    return [replace(table, rows=said)]


def past(split: LlaraSplit, ratings: pd.DataFrame) -> pd.DataFrame:
    """The training users' ratings of three stars or more: all that anything may be fitted on."""
    kept = ratings["user"].isin(list(split.train)) & (ratings["rating"] >= LEAST)
    return ratings[kept].reset_index(drop=True)


def standard_error(lists: pd.DataFrame) -> float:
    """The standard error over users of the share of first places, from dumped lists."""
    first = lists[lists["relevant"]].assign(hit=lambda own: own["rank"] == 1)
    of_users = first.groupby("user")["hit"].mean()
    return float(of_users.std(ddof=1) / np.sqrt(len(of_users)))


def _tuning(known: pd.DataFrame, split: LlaraSplit, n_items: int) -> Tuning:
    return Tuning(known, cases(split.valid, n_items, redraws=20), "hr@1")


def _ours(split: LlaraSplit, dataset: Dataset, fitted: Fitted) -> list[Method]:
    """The policy without its LM, and whole."""
    run, plan, lm_plan = fitted.run, LlaraPlan(seed=fitted.run.seed), LlaraLmPlan()
    info = ItemInfo.of(dataset)

    @functools.cache
    def ranker() -> LlaraRanker:
        return fit_llara(split.train, info, plan, run.report)

    @functools.cache
    def lm() -> LlaraLm:
        items, base = fitted.catalogue.items, resolve_model(run.model)
        return fit_llara_lm(split.train, split.valid, info, items, ranker(), base, plan, lm_plan, run.report)

    def whole(histories: Sequence[Sequence[Event]], candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
        prior = ranker().evidence.features(histories) @ ranker().weights
        scores = prior + lm().weight * lm().scores(histories)
        return [own[items] for own, items in zip(scores, candidates, strict=True)]

    alone = digest(NAME, asdict(plan))
    both = digest(alone, asdict(lm_plan), base_digest(run.model))
    return [
        Method("policy without the LM", "ours", alone, lambda: by_history(history_scorer(ranker().policy, "next"))),
        Method("policy", "ours", both, lambda: by_history(whole), lambda: _about(lm())),
    ]


def _about(lm: LlaraLm) -> str:
    return f"policy: the weight of the LM's logits, chosen on the validation rows, is {lm.weight:g}."


def _asked_once(make: Callable[[], CaseScorer]) -> Callable[[], CaseScorer]:
    """A scorer that is asked once for all the draws of a row that stand together."""

    def made() -> CaseScorer:
        scorer = make()

        def score(asked: Cases) -> list[np.ndarray]:
            firsts = [k for k, state in enumerate(asked.states) if not k or state != asked.states[k - 1]]
            of = np.searchsorted(firsts, np.arange(len(asked)), side="right") - 1
            wanted = [
                np.unique(np.concatenate([asked.candidates[k] for k in np.flatnonzero(of == g)]))
                for g in range(len(firsts))
            ]
            known = scorer(replace(asked.take(firsts), candidates=tuple(wanted)))
            return [known[g][np.searchsorted(wanted[g], items)] for g, items in zip(of, asked.candidates, strict=True)]

        return score

    return made
