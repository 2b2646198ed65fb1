"""SFT rows: what people did next, liked, and asked for, with evidence that has not seen them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.sparse import csr_matrix

from agent.catalogue.catalogue import Catalogue
from agent.dialogue.state import state_after
from agent.records.conditions import Conditions
from agent.records.state import POSITIVE, Event, State
from training.requests.writer import STYLES, Style

WHOLE = 2_000
"""In a catalogue of so many items or fewer every item is a candidate of every state."""

BEST, DRAWN = 200, 200
"""In a larger one: the retriever's best so many, and so many more drawn at random."""


class Retriever(Protocol):
    """Scores items as the next one of a history."""

    def scores(self, histories: Sequence[Sequence[int]]) -> np.ndarray:
        """(B, n_items) float32."""
        ...


class Features(Protocol):
    """Evidence fitted without the users it is asked about."""

    @property
    def retriever(self) -> Retriever:
        """What the best candidates of a large catalogue are found with."""
        ...

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, n_items, n_features) float32; at candidates (B, C): (B, C, n_features)."""
        ...


class Written(Protocol):
    """A request and the conditions that it was written from."""

    @property
    def text(self) -> str:
        """The wish in words."""
        ...

    @property
    def conditions(self) -> Conditions:
        """What it asks for."""
        ...


class Writer(Protocol):
    """Writes requests that an item answers."""

    def write(self, item: int, rng: np.random.Generator, style: Style, example: bool) -> Written | None:
        """A request for a catalogue index; None where nothing can be asked. ``example``: it names another item."""
        ...


@dataclass(frozen=True, slots=True)
class SftRow:
    """One demonstration by ``user``: in ``state`` the right choice was ``target``.

    ``place`` is the row of the evidence array that belongs to the state. ``slate`` limits the candidates (None: every
    item that the state has not seen). ``wish`` holds the conditions that the state's request was written from (None:
    there is no request); ``filters`` are those that the grammar reads in it, where they are applied as in a chat.
    """

    user: str
    state: State
    target: int
    place: int
    slate: tuple[int, ...] | None = None
    wish: Conditions | None = None
    filters: Conditions = ()


@dataclass(frozen=True)
class SftRows:
    """Rows and what they share.

    ``evidence`` is (n_states, C, n_features) float16. In a large catalogue ``candidates`` (n_states, C) int32 are the
    catalogue indices that it belongs to (sorted, the rows' targets and slates among them) and ``chances`` (n_states, C)
    float16 the logarithms of their chances to be drawn: what was drawn stands for what was not. Both are None where
    every item is a candidate.
    """

    rows: list[SftRow]
    evidence: np.ndarray
    catalogue: Catalogue
    candidates: np.ndarray | None = None
    chances: np.ndarray | None = None

    def items(self, row: SftRow) -> np.ndarray:
        """The row's candidates, (C,) catalogue indices."""
        if self.candidates is None:
            return np.arange(len(self.catalogue))
        return np.asarray(self.candidates[row.place])

    def target(self, row: SftRow) -> int:
        """The place of the right choice among the candidates."""
        return row.target if self.candidates is None else int(np.searchsorted(self.items(row), row.target))

    def correction(self, row: SftRow) -> np.ndarray:
        """What is added to the candidates' logits in the sum over all items, (C,) float32; 0 for the right choice."""
        if self.chances is None or row.slate is not None:
            return np.zeros(len(self.items(row)), dtype=np.float32)
        out = np.asarray(-self.chances[row.place].astype(np.float32))
        out[self.target(row)] = 0.0
        return out

    def allowed(self, row: SftRow) -> np.ndarray:
        """Which candidates may be chosen: those of the row's slate, or the unseen ones that its filters let through."""
        items = self.items(row)
        if row.slate is not None:
            return np.isin(items, row.slate)
        mask = self.catalogue.mask(row.filters, left_out=row.state.seen - {row.target})
        return np.asarray(mask[items])

    def fitting(self, row: SftRow) -> np.ndarray:
        """Which candidates meet what the row's request was written from, (C,) bool; all where there is no request."""
        if row.wish is None:
            return np.ones(len(self.items(row)), bool)
        return np.asarray(self.catalogue.mask(row.wish)[self.items(row)])


@dataclass(frozen=True, slots=True)
class RowPlan:
    """How many rows are made.

    ``anchors`` moments a user; at each one a next-item row, a slate row where at least ``least`` rated items follow,
    and ``requests`` request rows whose target is an item liked within the next ``ahead``.

    Of more than ``users`` people so many are drawn. ``cold`` of the request rows hide the history, and ``alike`` of
    them name an example ("something like ...").
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
    users: int = 4_000
    seed: int = 0


def build_rows(
    histories: dict[str, tuple[Event, ...]],
    fold_evidence: Sequence[tuple[Features, Sequence[str]]],
    catalogue: Catalogue,
    neighbours: csr_matrix,
    writer: Writer,
    plan: RowPlan,
    progress: Callable[[int, int], None] | None = None,
    answered: Sequence[tuple[str, int]] = (),
) -> SftRows:
    """Build the training rows of all users in ``fold_evidence``.

    ``histories``: each user's past, oldest first; nothing later than it is read; ``fold_evidence``: pairs of (evidence
    fitted without these users, the users); ``neighbours``: (n_items, n_items) item-item co-occurrence, to pick an
    example item near the target; ``answered``: requests of known answers (text, catalogue index), asked by people
    without a past.
    """
    rng = np.random.default_rng(plan.seed)
    rows: list[SftRow] = []
    blocks: list[np.ndarray] = []
    chosen: list[tuple[np.ndarray, np.ndarray]] = []
    every = sorted(user for _, users in fold_evidence for user in users)
    kept = set(every)
    if len(every) > plan.users:
        kept = {every[k] for k in rng.choice(len(every), plan.users, replace=False)}
    whole = len(catalogue) <= WHOLE
    # Only a small catalogue's state without a past is shared by all rows: elsewhere each has candidates of its own.
    places = done = 0

    def add(evidence: Features, states: Sequence[tuple[Event, ...]], own: Sequence[Sequence[SftRow]]) -> None:
        nonlocal places
        if whole:
            blocks.append(evidence.features(states).astype(np.float16))
        else:
            found = []
            for state, group in zip(states, own, strict=True):
                needed = {item for row in group for item in (row.target, *(row.slate or ()))}
                found.append(_candidates(evidence, state, needed, len(catalogue), rng))
            chosen.extend(found)
            blocks.append(evidence.features(states, np.stack([items for items, _ in found])).astype(np.float16))
        places += len(states)

    for evidence, users in fold_evidence:
        cold_place = places
        if whole:
            add(evidence, [()], [[]])
        for user in users:
            if user not in kept:
                continue
            made, states = user_rows(user, histories[user], catalogue, neighbours, writer, plan, rng)
            if not whole:
                for number, row in enumerate(made):
                    if row.place < 0:
                        made[number] = replace(row, place=len(states))
                        states.append(())
            rows += [replace(row, place=cold_place if row.place < 0 else places + row.place) for row in made]
            if states:
                add(evidence, states, [[row for row in made if row.place == place] for place in range(len(states))])
            done += 1
            if progress:
                progress(done, len(kept))
    if answered:
        evidence = fold_evidence[0][0]
        asked = [SftRow("", State((), text, goal="request"), item, places) for text, item in answered]
        if whole:
            add(evidence, [()], [asked])
        else:
            asked = [replace(row, place=places + number) for number, row in enumerate(asked)]
            add(evidence, [()] * len(asked), [[row] for row in asked])
        rows += asked
    if not rows:
        raise ValueError("no rows to train on: nobody has five events")
    features = np.concatenate(blocks)
    if whole:
        return SftRows(rows, features, catalogue)
    items, chances = (np.stack(part) for part in zip(*chosen, strict=True))
    return SftRows(rows, features, catalogue, items.astype(np.int32), chances.astype(np.float16))


def _candidates(
    evidence: Features, state: Sequence[Event], needed: set[int], n_items: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The candidates of a state in a large catalogue, sorted, and the logarithms of their chances to be among them.

    Those that are needed and the retriever's best are certain; the others are drawn evenly, up to BEST + DRAWN in all.
    """
    scores = evidence.retriever.scores([[event.item for event in state]])[0]
    best = np.argpartition(-scores, BEST)[:BEST]
    certain = np.union1d(best, np.fromiter(needed, dtype=np.int64))
    rest = np.setdiff1d(np.arange(n_items), certain, assume_unique=True)
    number = BEST + DRAWN + 64 - len(certain)
    drawn = rng.choice(rest, min(number, len(rest)), replace=False)
    items = np.concatenate([certain, drawn])
    chances = np.concatenate([np.zeros(len(certain)), np.full(len(drawn), np.log(len(drawn) / len(rest)))])
    order = np.argsort(items)
    return items[order], chances[order]


def user_rows(
    user: str,
    past: tuple[Event, ...],
    catalogue: Catalogue,
    neighbours: csr_matrix,
    writer: Writer,
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
        liked = [event.item for event in ahead if event.rating is None or event.rating >= POSITIVE]
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
            request = writer.write(target, rng, style, example is not None)
            if request is None:
                continue
            filters = _filters(request.text, target, catalogue) if rng.random() < plan.filtered else ()
            if example is not None:
                state = State(history, request.text, like=(example,), goal="request")
                rows.append(SftRow(user, state, target, len(states), None, request.conditions, filters))
                states.append((*history, Event(example, 5.0)))
            elif fate < plan.alike + plan.cold:
                rows.append(
                    SftRow(user, State((), request.text, goal="request"), target, -1, None, request.conditions, filters)
                )
            else:
                state = State(history, request.text, goal="request")
                rows.append(SftRow(user, state, target, place, None, request.conditions, filters))
    return rows, states


def _filters(text: str, target: int, catalogue: Catalogue) -> Conditions:
    """The conditions that are read in a request; none where they were misread, so that the target is gone."""
    conditions = state_after(text, catalogue).conditions
    return conditions if catalogue.mask(conditions)[target] else ()


def _example(target: int, history: tuple[Event, ...], neighbours: csr_matrix) -> int | None:
    """The unseen item that goes most often with the target: what one would name as an example."""
    row = neighbours[target]
    seen = {event.item for event in history} | {target}
    ranked = row.indices[np.argsort(-row.data)]
    return next((int(item) for item in ranked if int(item) not in seen), None)
