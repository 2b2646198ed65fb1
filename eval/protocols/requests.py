"""Requests: find the film that a wish in words describes, for a user with a past.

Each user with a film that they like (rating >= 4) in the last 20 % of their ratings gives one row: the first such
film is the target, the first 80 % are the past, and the request is written from the target's genres and year in
phrasings that training never saw. Candidates are all films outside the past. Three sets:

- ``hard``: plain genre words and years in held-out sentences; a grammar can decide them;
- ``soft``: held-out soft expressions only ("gangsters", "a fiendish puzzle"), whose words training never saw;
- ``mixed``: one plain genre or a time, and the rest in soft expressions.

Users are split by a hash into ``valid``, on which choices are made, and ``test``, which is reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.dialogue.state import state_after
from agent.records.state import POSITIVE, Event, State
from eval.protocols.leave_one_out import tuning
from eval.ranking import methods
from eval.ranking.cache import digest
from eval.ranking.cases import Cases, CaseScorer
from eval.ranking.methods import Fitted
from eval.ranking.run import Method, RankingError, RankingRun, require_categories, require_ratings, require_times
from eval.ranking.table import Table, make_table
from training.requests.phrases import PhraseBank
from training.requests.writer import Request, write_request
from training.splits import leave_one_out, past_and_future

RequestSet = Literal["hard", "soft", "mixed"]
Part = Literal["valid", "test"]
SETS: tuple[RequestSet, ...] = ("hard", "soft", "mixed")
PARTS: tuple[Part, ...] = ("valid", "test")
NAME = "requests"
HEADLINE = ("ndcg@10", "hr@10", "mrr")
BASELINES = ("EASE", "ItemKNN")
_ABOUT = {
    "hard": "plain words, new sentences",
    "soft": "words never trained on",
    "mixed": "plain and never-trained words",
    "all": "the three sets together",
}
_SEEDS: Mapping[RequestSet, int] = {"hard": 11, "soft": 12, "mixed": 13}


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One case: the user's past, oldest first, and a request about ``target`` (a catalogue index)."""

    user: str
    history: tuple[Event, ...]
    request: Request
    target: int

    @property
    def state(self) -> State:
        """What a policy may know of the case, without filters."""
        return State(self.history, self.request.text, goal="request")


def user_part(user: str) -> Part:
    """``valid`` or ``test``, by a hash of the user's id: the same in every data set and on every machine."""
    return PARTS[hashlib.sha256(f"requests:{user}".encode()).digest()[0] % 2]


def load_requests(
    dataset: Dataset, which: RequestSet, part: Part, catalogue: Catalogue | None = None
) -> list[RequestRow]:
    """The rows of one set and part, in the data set's order of users; the same in every call.

    Targets without a genre are left out, since nothing could be asked.

    ``catalogue``: the data set's catalogue, where the caller has one (saves building it).

    Raises:
        ValueError: an unknown set or part.
        RankingError: the domain of the data has no phrasebook with sentences.
    """
    if which not in SETS:
        raise ValueError(f"unknown request set {which!r}: use one of {', '.join(SETS)}")
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}: use one of {', '.join(PARTS)}")
    catalogue = catalogue or Catalogue(dataset)
    bank = PhraseBank.load("heldout", catalogue.domain)
    if bank is None:
        raise RankingError(f"{NAME} does not apply to {dataset.name!r}: its domain has no phrasebook with sentences")
    cut = past_and_future(indexed_ratings(dataset))
    pasts = user_histories(cut.past)
    rows = []
    for user, future in user_histories(cut.future).items():
        if user_part(user) != part:
            continue
        history = pasts.get(user, ())
        seen = {event.item for event in history}
        liked = (e.item for e in future if e.rating is not None and e.rating >= POSITIVE and e.item not in seen)
        target = next(liked, None)
        if target is None or not any(genre in bank.soft for genre in catalogue[target].categories):
            continue
        # Its own generator for every row: a user more or less in the data changes nobody else's request.
        rng = np.random.default_rng([_SEEDS[which], int.from_bytes(hashlib.sha256(user.encode()).digest()[:4], "big")])
        rows.append(RequestRow(user, history, write_request(catalogue[target], rng, bank, which, like=False), target))
    return rows


def allowed_items(state: State, catalogue: Catalogue) -> npt.NDArray[np.bool_]:
    """(n_items,) True where the conditions that are read in the request allow an unseen item.

    Where they leave nothing, every unseen item is allowed.
    """
    unseen = [event.item for event in state.history]
    allowed = catalogue.mask(state_after(state.request, catalogue).conditions, unseen)
    if not allowed.any():
        allowed[:] = True
        allowed[unseen] = False
    return allowed


class Filter:
    """Gives a scorer -inf for all items that :func:`allowed_items` does not allow; each request is read once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[tuple[str, str], npt.NDArray[np.bool_]] = {}

    def __call__(self, scorer: CaseScorer) -> CaseScorer:
        """The scorer under the filters."""

        def filtered(cases: Cases) -> list[np.ndarray]:
            found = []
            for row, own in enumerate(scorer(cases)):
                key = (cases.users[row], cases.states[row].request)
                if key not in self._known:
                    self._known[key] = allowed_items(cases.states[row], self._catalogue)
                found.append(np.where(self._known[key][cases.candidates[row]], own, -np.inf))
            return found

        return filtered


def cases(rows: Sequence[RequestRow], n_items: int, about: str) -> Cases:
    """One case a row: all items outside the past are ranked, the target is relevant.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("no rows: load_requests gives them")
    candidates = [np.setdiff1d(np.arange(n_items), [event.item for event in row.history]) for row in rows]
    return Cases(
        NAME,
        about,
        tuple(row.user for row in rows),
        tuple(row.state for row in rows),
        tuple(candidates),
        tuple(np.array([row.target]) for row in rows),
    )


def tables(dataset: Dataset, run: RankingRun) -> list[Table]:
    """A table of each set, and one of the three together.

    Rows "with filters" rank among the items that the grammar's reading of the request allows. Library baselines, which
    read no request, are given the filters; they are tuned by NDCG@10 on the last item of each user's past.

    Raises:
        RankingError: the data set has no times, stars or genres, or nothing can be asked of anybody.
    """
    require_times(dataset, NAME)
    require_ratings(dataset, NAME)
    require_categories(dataset, NAME)
    fitted = Fitted(dataset, past_and_future(indexed_ratings(dataset)).past, run)
    sets: dict[str, list[RequestRow]] = {
        which: load_requests(dataset, which, run.part, fitted.catalogue) for which in SETS
    }
    if not all(sets.values()):
        raise RankingError(
            f"{NAME} does not apply to {dataset.name!r}: nobody liked a film later that can be asked for"
        )
    rows, notes = _methods(fitted)
    tables = []
    every: dict[str, list[RequestRow]] = {**sets, "all": [row for part in sets.values() for row in part]}
    for name, own in every.items():
        asked = cases(own, fitted.n_items, f"{name}: {_ABOUT[name]}")
        tables.append(
            make_table(asked, rows, fitted.traits, fitted.item_ids, dataset.fingerprint, HEADLINE, run, notes)
        )
    return tables


def _methods(fitted: Fitted) -> tuple[list[Method], list[str]]:
    read = Filter(fitted.catalogue)

    def filtered(own: Method) -> Method:
        return replace(
            own, name=f"{own.name} with filters", key=digest("filters", own.key), make=lambda: read(own.make())
        )

    library, notes = methods.library(
        fitted,
        lambda: tuning(leave_one_out(fitted.past), fitted.n_items, fitted.run.seed),
        stars=False,
        names=BASELINES,
    )
    others = [methods.popularity(fitted), methods.retriever(fitted), *library]
    similar, missing = methods.by_similarity(fitted)
    ours = [row for own in (*methods.policies(fitted), *similar) for row in (own, filtered(own))]
    return [*(filtered(own) for own in others), *methods.untuned(fitted), *ours], notes + missing
