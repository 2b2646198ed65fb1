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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from agent.catalogue import Catalogue
from agent.interactions import indexed_ratings, user_histories
from agent.state import Event, State
from agent.understanding import understand
from eval.metrics import Row, hit, ndcg, reciprocal_rank, rows_of, target_ranks
from training.phrases import PhraseBank
from training.requests import Request, write_request
from training.splits import past_and_future

if TYPE_CHECKING:
    from agent.dataset import Dataset

RequestSet = Literal["hard", "soft", "mixed"]
Part = Literal["valid", "test"]
SETS: tuple[RequestSet, ...] = ("hard", "soft", "mixed")
PARTS: tuple[Part, ...] = ("valid", "test")
LIKED = 4.0
"""Stars from which a film counts as liked."""

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


Ranker = Callable[[Sequence[RequestRow]], npt.NDArray[np.floating]]
"""Maps B rows to scores (B, n_items), higher first, -inf for items that are not allowed."""


def user_part(user: str) -> Part:
    """``valid`` or ``test``, by a hash of the user's id: the same in every data set and on every machine."""
    return PARTS[hashlib.sha256(f"requests:{user}".encode()).digest()[0] % 2]


def load_requests(
    dataset: Dataset, which: RequestSet, part: Part, catalogue: Catalogue | None = None
) -> list[RequestRow]:
    """The rows of one set and part, in the data set's order of users; the same in every call.

    Targets without a genre are left out, since nothing could be asked.

    Args:
        dataset: ratings with times.
        which: the set.
        part: the half of the users.
        catalogue: the data set's catalogue, where the caller has one (saves building it).

    Raises:
        ValueError: an unknown set or part.
    """
    if which not in SETS:
        raise ValueError(f"unknown request set {which!r}: use one of {', '.join(SETS)}")
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}: use one of {', '.join(PARTS)}")
    catalogue = catalogue or Catalogue(dataset)
    bank = PhraseBank.load("heldout")
    cut = past_and_future(indexed_ratings(dataset))
    pasts = user_histories(cut.past)
    rows = []
    for user, future in user_histories(cut.future).items():
        if user_part(user) != part:
            continue
        history = pasts.get(user, ())
        seen = {event.item for event in history}
        liked = (e.item for e in future if e.rating is not None and e.rating >= LIKED and e.item not in seen)
        target = next(liked, None)
        if target is None or not any(genre in bank.soft for genre in catalogue[target].genres):
            continue
        # Its own generator for every row: a user more or less in the data changes nobody else's request.
        rng = np.random.default_rng([_SEEDS[which], int.from_bytes(hashlib.sha256(user.encode()).digest()[:4], "big")])
        rows.append(RequestRow(user, history, write_request(catalogue[target], rng, bank, which, like=False), target))
    return rows


def filters(row: RequestRow, catalogue: Catalogue) -> npt.NDArray[np.bool_]:
    """(n_items,) True where the constraints that the grammar reads in the request allow an unseen item.

    Where they leave nothing, every unseen item is allowed.
    """
    unseen = [event.item for event in row.history]
    allowed = catalogue.mask(understand(row.request.text, catalogue).constraints, unseen)
    if not allowed.any():
        allowed[:] = True
        allowed[unseen] = False
    return allowed


def with_filters(ranker: Ranker, catalogue: Catalogue) -> Ranker:
    """The ranker with -inf for all items that :func:`filters` does not allow."""

    def filtered(rows: Sequence[RequestRow]) -> npt.NDArray[np.floating]:
        allowed = np.stack([filters(row, catalogue) for row in rows])
        return np.where(allowed, ranker(rows), -np.inf)

    return filtered


def evaluate(
    rankers: Mapping[str, Ranker],
    rows: Sequence[RequestRow],
    reference: str | None = None,
    k: int = 10,
    batch: int = 64,
    seed: int = 0,
) -> list[Row]:
    """NDCG@k, HR@k and MRR of each ranker with 95 % bootstrap intervals over users.

    Items of the past never count, whatever their score. ``reference`` names the ranker (the prior) to which paired
    differences are given.

    Raises:
        ValueError: there are no rows, or a ranker's scores have another shape or hold NaN.
    """
    if not rows:
        raise ValueError("no rows: load_requests gives them")
    cases = {}
    for name, ranker in rankers.items():
        ranks = np.concatenate([_ranks(name, ranker, rows[at : at + batch]) for at in range(0, len(rows), batch)])
        cases[name] = {f"ndcg@{k}": ndcg(ranks, k), f"hr@{k}": hit(ranks, k), "mrr": reciprocal_rank(ranks)}
    return rows_of(cases, [row.user for row in rows], reference, seed)


def _ranks(name: str, ranker: Ranker, rows: Sequence[RequestRow]) -> np.ndarray:
    scores = np.array(ranker(rows), dtype=np.float64)
    if scores.ndim != 2 or len(scores) != len(rows) or np.isnan(scores).any():
        raise ValueError(f"{name}: scores of shape {scores.shape} for {len(rows)} rows, or NaN: give (B, n_items)")
    for own, row in zip(scores, rows, strict=True):
        own[[event.item for event in row.history]] = -np.inf
    return target_ranks(list(scores), [row.target for row in rows])
