"""Methods: the rows of a ranking table, each made only when its lists are not known yet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import Dataset
from agent.features.model import EvidenceModel
from agent.policy.distribution import Policy
from agent.policy.item_lm import PolicyCard
from agent.policy.loading import Foundation
from agent.policy.weights import ADAPTER_FILES
from agent.retrieval.text_encoder import encoder_path
from eval.metrics import Scorer
from eval.ranking import baselines
from eval.ranking import lenskit_baselines as lenskit
from eval.ranking.baselines import TEMPLATE, SameHistories, untuned_policy
from eval.ranking.cache import digest, digest_files
from eval.ranking.cases import Cases, CaseScorer, by_history
from eval.ranking.lenskit_baselines import Chosen, FittedBaseline, LibraryBaseline, Tuning, tune
from eval.ranking.list_metrics import ItemTraits
from eval.ranking.run import Kind, Method, PolicySource, RankingRun

NO_LIBRARY = "Library baselines are left out: install them with `pip install -e .[baselines]`."
WITHOUT_LM = " without the LM"
BY_SIMILARITY = ", with text similarity"


class Fitted:
    """What is fitted on a protocol's past, when somebody first asks for it."""

    def __init__(self, dataset: Dataset, past: pd.DataFrame, run: RankingRun) -> None:
        self.past = past
        self.run = run
        self.n_items = len(dataset.items)
        self.item_ids: np.ndarray = dataset.items["item"].to_numpy()
        self._only = dataset.only(past)

    @cached_property
    def foundation(self) -> Foundation:
        """What policies stand on, from the user's cache where it was fitted before."""
        self.run.report("fitting the evidence", 0, 1)
        foundation = Foundation.of(self._only)
        self.run.report("fitting the evidence", 1, 1)
        return foundation

    @property
    def catalogue(self) -> Catalogue:
        """The items, with the past's statistics."""
        return self.foundation.catalogue

    @property
    def evidence(self) -> EvidenceModel:
        """The evidence of the past."""
        return self.foundation.features

    @cached_property
    def features(self) -> SameHistories:
        """The evidence's features, worked out once for rows that ask about the same histories in turn."""
        return SameHistories(self.evidence)

    @property
    def traits(self) -> ItemTraits:
        """What figures beyond accuracy need of the items."""
        return ItemTraits.of(self.past, self.catalogue.category_matrix)


def simple(name: str, make: Callable[[], Scorer], kind: Kind = "baseline") -> Method:
    """A row whose scorer reads the history alone."""
    return Method(name, kind, digest("simple", name), lambda: by_history(make()))


def popularity(fitted: Fitted) -> Method:
    """How many people rated the item."""
    return simple("popularity", lambda: baselines.popularity(fitted.past, fitted.n_items))


def item_mean(fitted: Fitted) -> Method:
    """The item's mean stars."""
    return simple("item mean", lambda: baselines.item_mean(fitted.past, fitted.n_items))


def retriever(fitted: Fitted) -> Method:
    """Our sequence retriever alone."""
    return simple("retriever", lambda: baselines.retriever(fitted.evidence))


def feature(fitted: Fitted, name: str, column: str) -> Method:
    """One number of our evidence alone."""
    return simple(name, lambda: baselines.evidence(fitted.features, column))


def library(
    fitted: Fitted, tuning: Callable[[], Tuning], stars: bool, names: Sequence[str] | None = None
) -> tuple[list[Method], list[str]]:
    """Rows of the library's recommenders, tuned on validation; with the extra missing, none and a note that says so.

    ``stars``: those that predict ratings, or those that foresee what comes next; ``names``: of them, only these.
    """
    if not fitted.run.library:
        return [], []
    if not lenskit.available():
        return [], [NO_LIBRARY]
    tuning = functools.cache(tuning)
    chosen = [
        baseline
        for baseline in lenskit.BASELINES
        if baseline.stars == stars and (names is None or baseline.name in names)
    ]
    notes = [
        f"{baseline.name} (LensKit) is left out: it is for catalogues of up to {baseline.largest:,} items."
        for baseline in chosen
        if fitted.n_items > baseline.largest
    ]
    return [_library_row(fitted, tuning, baseline) for baseline in chosen if fitted.n_items <= baseline.largest], notes


def _library_row(fitted: Fitted, tuning: Callable[[], Tuning], baseline: LibraryBaseline) -> Method:
    run = fitted.run

    @functools.cache
    def chosen() -> Chosen:
        return tune(baseline, tuning(), run.cache, run.report, run.seed)

    def make() -> CaseScorer:
        return FittedBaseline(baseline, chosen().settings, fitted.past, run.seed).scorer(chosen().recent)

    models = [dict(settings) for settings in baseline.models]
    key = digest("library", baseline.name, models, baseline.recent, lenskit.library_version())
    return Method(f"{baseline.name} (LensKit)", "library", key, make, lambda: chosen().about)


def untuned(fitted: Fitted) -> list[Method]:
    """The pretrained LM as it comes, and the same network with random weights."""
    run = fitted.run
    if not run.library:
        return []
    rows = []
    for name, drawn in (("untuned LM", False), ("untuned LM with random weights", True)):

        def make(drawn: bool = drawn) -> CaseScorer:
            policy = untuned_policy(fitted.catalogue, fitted.evidence, run.model, run.template, drawn, run.seed)
            policy.evidence = fitted.features
            return PolicyScores(lambda: policy).whole

        template = (run.template or prompts.load(TEMPLATE)).reference["hash"]
        rows.append(Method(name, "baseline", digest("untuned", drawn, base_digest(run.model), template), make))
    return rows


def policies(fitted: Fitted) -> list[Method]:
    """Two rows for each of our policies: without its LM, and whole."""
    rows = []
    for source in fitted.run.policies:
        scores, key = scores_of(fitted, source), policy_digest(source, fitted.run.model)
        rows.append(
            Method(
                source.name + WITHOUT_LM,
                "ours",
                digest("evidence", key),
                functools.partial(_given, scores.evidence_only),
            )
        )
        rows.append(Method(source.name, "ours", digest("whole", key), functools.partial(_given, scores.whole)))
    return rows


def by_similarity(fitted: Fitted) -> tuple[list[Method], list[str]]:
    """Each of our policies with text similarity in the place of its LM, as the chat ranks without one; and notes."""
    if encoder_path() is None:
        return [], ["Rows with text similarity are left out: fetch the sentence encoder with `concierge data fetch`."]
    rows = []
    for source in fitted.run.policies:
        scores, key = scores_of(fitted, source), policy_digest(source, fitted.run.model)
        name = f"{source.name}{WITHOUT_LM}{BY_SIMILARITY}"
        rows.append(Method(name, "ours", digest("semantic", key), functools.partial(_given, scores.by_similarity)))
    return rows, []


def _given(scorer: CaseScorer) -> CaseScorer:
    return scorer


def scores_of(fitted: Fitted, source: PolicySource) -> PolicyScores:
    """A policy's scores over a protocol's past; it is loaded when it is first asked."""

    def make() -> Policy:
        policy = fitted.foundation.policy(source.adapter, fitted.run.model)
        policy.evidence = fitted.features
        return policy if source.template is None else policy.with_template(source.template)

    return PolicyScores(make)


class PolicyScores:
    """What a policy's evidence and its LM say, worked out once for all rows that ask about the same cases in turn."""

    def __init__(self, make: Callable[[], Policy]) -> None:
        self._make = make
        self._last: tuple[Cases, np.ndarray, np.ndarray] | None = None

    @cached_property
    def policy(self) -> Policy:
        """The policy."""
        return self._make()

    def whole(self, cases: Cases) -> list[np.ndarray]:
        """The policy's logits of the candidates."""
        evidence, lm = self._both(cases)
        return self._of_candidates(cases, (lm.astype(np.float64) + evidence) / self.policy.temperature)

    def evidence_only(self, cases: Cases) -> list[np.ndarray]:
        """The same with the LM's part set to zero."""
        evidence, _ = self._both(cases)
        return self._of_candidates(cases, evidence.astype(np.float64) / self.policy.temperature)

    def by_similarity(self, cases: Cases) -> list[np.ndarray]:
        """The same with what the request means, as :class:`agent.policy.distribution.Policy` has it without an LM."""
        plain = self.policy.instead_of_lm()
        logits = plain.scores(cases.states)[0]
        return self._of_candidates(cases, logits.astype(np.float64) / plain.temperature)

    def _both(self, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
        if self._last is None or self._last[0] is not cases:
            self._last = (cases, *self.policy.scores(cases.states))
        return self._last[1], self._last[2]

    @staticmethod
    def _of_candidates(cases: Cases, logits: np.ndarray) -> list[np.ndarray]:
        return [own[items] for own, items in zip(logits, cases.candidates, strict=True)]


def policy_digest(source: PolicySource, model: str | None) -> str:
    """A hash over all that a policy's scores are made from, besides the data.

    Raises:
        AdapterError: the folder holds no adapter.
    """
    card = PolicyCard.read(source.adapter)
    template = source.template or prompts.load(card.template)
    files = [source.adapter / name for name in ADAPTER_FILES]
    own = digest_files([path for path in files if path.is_file()])
    return digest(own, base_digest(model), template.reference["hash"])


@functools.cache
def base_digest(model: str | None) -> str:
    """A hash over the base LM's files; of one that is not a folder here, its name."""
    base = Path(resolve_model(model))
    if not base.is_dir():
        return str(base)
    return digest_files(sorted(path for path in base.iterdir() if path.suffix in (".json", ".safetensors", ".bin")))
