"""SFT rows: what people did next, liked, and asked for, with evidence that has not seen them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.sparse import csr_matrix

from agent.catalogue.catalogue import Catalogue
from agent.dialogue.state import state_after
from agent.records.conditions import Condition, Conditions
from agent.records.state import POSITIVE, Event, State
from training.requests.phrases import PhraseBank
from training.requests.writer import STYLES, Request, write_request


class Features(Protocol):
    """Evidence fitted without the users it is asked about."""

    def features(self, histories: Sequence[Sequence[Event]]) -> np.ndarray:
        """(B, n_items, n_features) float32."""
        ...


@dataclass(frozen=True, slots=True)
class SftRow:
    """One demonstration by ``user``: in ``state`` the right choice was ``target``.

    ``place`` is the row of the evidence array that belongs to the state. ``slate`` limits the candidates (None: every
    item that the state has not seen). ``request`` is what the state's wish was written from; ``filters`` are the
    conditions that the grammar reads in it, where they are applied as in a chat.
    """

    user: str
    state: State
    target: int
    place: int
    slate: tuple[int, ...] | None = None
    request: Request | None = None
    filters: Conditions = ()


@dataclass(frozen=True)
class SftRows:
    """Rows and what they share.

    ``evidence`` is (n_states, n_items, n_features) float16.
    """

    rows: list[SftRow]
    evidence: np.ndarray
    catalogue: Catalogue

    def allowed(self, row: SftRow) -> np.ndarray:
        """Which items may be chosen in a row: its slate, or everything unseen that its filters let through."""
        if row.slate is not None:
            mask = np.zeros(len(self.catalogue), bool)
            mask[list(row.slate)] = True
            return mask
        mask = self.catalogue.mask(row.filters, left_out=row.state.seen - {row.target})
        return np.asarray(mask)

    def fitting(self, row: SftRow) -> np.ndarray:
        """Which items meet what the row's request was written from, (n_items,) bool; all where there is no request."""
        if row.request is None:
            return np.ones(len(self.catalogue), bool)
        return np.asarray(self.catalogue.mask(request_conditions(row.request, self.catalogue)))


@dataclass(frozen=True, slots=True)
class RowPlan:
    """How many rows are made.

    ``anchors`` moments a user; at each one a next-film row, a slate row where at least ``least`` rated films follow,
    and ``requests`` request rows whose target is a film liked within the next ``ahead``.

    ``cold`` of the request rows hide the history, and ``alike`` of them name an example film ("something like ...").
    ``styles`` are the shares of plain, soft and mixed requests: the grammar decides plain ones as well, soft ones it
    cannot. On ``filtered`` of the request rows the candidates are filtered by what the grammar reads, as in a chat, so
    that the LM learns what to add where the filters have done their part.
    """

    anchors: int = 6
    requests: int = 3
    ahead: int = 20
    least: int = 10
    cold: float = 0.15
    alike: float = 0.08
    styles: tuple[float, float, float] = (0.25, 0.5, 0.25)
    filtered: float = 0.5
    seed: int = 0


def build_rows(
    histories: dict[str, tuple[Event, ...]],
    fold_evidence: Sequence[tuple[Features, Sequence[str]]],
    catalogue: Catalogue,
    neighbours: csr_matrix,
    bank: PhraseBank,
    plan: RowPlan,
    progress: Callable[[int, int], None] | None = None,
) -> SftRows:
    """Build the training rows of all users in ``fold_evidence``.

    Args:
        histories: each user's past, oldest first; nothing later than it is read.
        fold_evidence: pairs of (evidence fitted without these users, the users).
        catalogue: the items.
        neighbours: (n_items, n_items) item-item co-occurrence, to pick an example film near the target.
        bank: the training phrases.
        plan: how many rows, and the seed.
        progress: called with (users done, users in all).
    """
    rng = np.random.default_rng(plan.seed)
    rows: list[SftRow] = []
    blocks: list[np.ndarray] = []
    places = 0
    total = sum(len(users) for _, users in fold_evidence)
    done = 0
    for evidence, users in fold_evidence:
        cold_place = places
        blocks.append(evidence.features([()]).astype(np.float16))
        places += 1
        for user in users:
            past = histories[user]
            made, states = user_rows(user, past, catalogue, neighbours, bank, plan, rng)
            if states:
                blocks.append(evidence.features(states).astype(np.float16))
            rows += [replace(row, place=cold_place if row.place < 0 else places + row.place) for row in made]
            places += len(states)
            done += 1
            if progress:
                progress(done, total)
    return SftRows(rows, np.concatenate(blocks), catalogue)


def user_rows(
    user: str,
    past: tuple[Event, ...],
    catalogue: Catalogue,
    neighbours: csr_matrix,
    bank: PhraseBank,
    plan: RowPlan,
    rng: np.random.Generator,
    start: int = 3,
) -> tuple[list[SftRow], list[tuple[Event, ...]]]:
    """One user's rows; ``place`` counts the returned histories, -1 stands for the empty one.

    What is chosen stands at ``start`` of ``past`` or later, and never before its fourth event.
    """
    start = max(3, start)
    if len(past) < 5 or start >= len(past):
        return [], []
    moments = rng.choice(np.arange(start, len(past)), size=min(plan.anchors, len(past) - start), replace=False)
    rows: list[SftRow] = []
    states: list[tuple[Event, ...]] = []
    for moment in sorted(int(m) for m in moments):
        history = past[:moment]
        place = len(states)
        states.append(history)
        rows.append(SftRow(user, State(history, goal="next"), past[moment].item, place))
        ahead = past[moment : moment + plan.ahead]
        liked = [event.item for event in ahead if (event.rating or 0) >= POSITIVE]
        if not liked:
            continue
        if len(ahead) >= plan.least and len(liked) < len(ahead):
            target = int(rng.choice(liked))
            rows.append(SftRow(user, State(history, goal="like"), target, place, tuple(event.item for event in ahead)))
        for _ in range(plan.requests):
            target = int(rng.choice(liked))
            fate = rng.random()
            example = _example(target, history, neighbours) if fate < plan.alike else None
            style = STYLES[int(rng.choice(len(STYLES), p=plan.styles))]
            request = write_request(catalogue[target], rng, bank, style, like=example is not None)
            filters = _filters(request.text, target, catalogue) if rng.random() < plan.filtered else ()
            if example is not None:
                state = State(history, request.text, like=(example,), goal="request")
                rows.append(SftRow(user, state, target, len(states), None, request, filters))
                states.append((*history, Event(example, 5.0)))
            elif fate < plan.alike + plan.cold:
                rows.append(SftRow(user, State((), request.text, goal="request"), target, -1, None, request, filters))
            else:
                state = State(history, request.text, goal="request")
                rows.append(SftRow(user, state, target, place, None, request, filters))
    return rows, states


def request_conditions(request: Request, catalogue: Catalogue) -> Conditions:
    """What a made request was written from, as conditions."""
    primary, year = catalogue.primary, catalogue.year_facet
    found: list[Condition] = []
    if primary is not None:
        found += [Condition(primary.facet.name, "is", (name,)) for name in request.genres]
        if request.without:
            found.append(Condition(primary.facet.name, "is_not", tuple(sorted(request.without))))
    if year is not None and request.year_min is not None:
        found.append(Condition(year, "at_least", request.year_min))
    if year is not None and request.year_max is not None:
        found.append(Condition(year, "at_most", request.year_max))
    return tuple(found)


def _filters(text: str, target: int, catalogue: Catalogue) -> Conditions:
    """The conditions that are read in a request; none where they were misread, so that the target is gone."""
    conditions = state_after(text, catalogue).conditions
    return conditions if catalogue.mask(conditions)[target] else ()


def _example(target: int, history: tuple[Event, ...], neighbours: csr_matrix) -> int | None:
    """The unseen film that goes most often with the target: what one would name as an example."""
    row = neighbours[target]
    seen = {event.item for event in history} | {target}
    ranked = row.indices[np.argsort(-row.data)]
    return next((int(item) for item in ranked if int(item) not in seen), None)
