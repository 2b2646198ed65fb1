"""Counterfactual: why an item is not among those shown, and the smallest change that would bring it there.

A change is tried out on the state that the real turn ranked, and told only where it puts the item into the slate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.conditions import item_value, noun_phrase, phrase, seeming
from agent.records.conditions import Condition
from agent.records.state import Event, State

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.policy.distribution import Policy

NEAR_ITEMS = 5
"""So many of the items most like the wanted one are tried as a like."""

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A verified change: ``kind`` is more, drop, like or ask; with ``said`` the item comes to ``place`` (from 0).

    ``message`` is what the person could send for it.
    """

    kind: str
    said: str
    place: int
    message: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What the real turn ranked: the state, what it left out, what it showed, and of how many items a slate is."""

    state: State
    left_out: frozenset[int]
    shown: tuple[int, ...]
    policy: Policy
    catalogue: Catalogue
    k: int

    def places(self, item: int, variants: Sequence[tuple[State, frozenset[int]]]) -> list[int | None]:
        """The item's place (from 0) in each variant's ranking; None where the variant leaves it out."""
        allowed = [
            np.flatnonzero(self.catalogue.mask(state.conditions, left_out={*out, *state.excluded}))
            for state, out in variants
        ]
        tried = [place for place, items in enumerate(allowed) if item in items]
        found: list[int | None] = [None] * len(variants)
        if tried:
            rankings = self.policy.rank_many([variants[t][0] for t in tried], [allowed[t] for t in tried])
            for place, ranking in zip(tried, rankings, strict=True):
                logits = ranking.logits
                own = logits[int(np.flatnonzero(ranking.candidates == item)[0])]
                found[place] = int(np.count_nonzero(logits > own))
        return found


def why_not(item: int, turn: Turn) -> tuple[list[Facts], Change | None]:
    """What keeps ``item`` from the slate, and the smallest change that would put it there (None: none was found).

    What the person said of the item itself is not looked at here.
    """
    catalogue, state = turn.catalogue, turn.state
    title = catalogue[item].title
    if item in turn.shown:
        return [{"kind": "is_shown", "title": title, "ordinal": ORDINALS[turn.shown.index(item)]}], None
    sentences = obstacles(item, state.conditions, catalogue)
    if not sentences:
        (place,) = turn.places(item, [(state, turn.left_out - {item})])
        total = int(np.count_nonzero(catalogue.mask(state.conditions, left_out=turn.left_out - {item})))
        if item in turn.left_out:
            sentences.append({"kind": "just_shown", "title": title})
        elif place is not None:
            sentences.append({"kind": "rank", "title": title, "rank": place + 1, "total": f"{total:,}"})
    change = smallest_change(item, turn)
    if change is None:
        return [*sentences, {"kind": "no_change"}], None
    told = {"kind": "change", "change": change.kind, "said": change.said, "ordinal": ORDINALS[change.place]}
    return [*sentences, told], change


def smallest_change(item: int, turn: Turn) -> Change | None:
    """The first change, from the smallest kind to the largest, after which ``item`` is in the slate."""
    for stage in (_more, _drop, _like, _ask):
        tried = list(stage(item, turn))
        places = turn.places(item, [(state, out) for _, _, state, out, _ in tried])
        for (kind, said, _, _, message), place in zip(tried, places, strict=True):
            # Of one kind, the first that was proposed is the most natural one.
            if place is not None and place < min(turn.k, len(ORDINALS)):
                return Change(kind, said, place, message)
    return None


Tried = tuple[str, str, State, frozenset[int], str]


def _more(item: int, turn: Turn) -> Iterator[Tried]:
    yield "more", "", turn.state, turn.left_out | set(turn.shown), "Show me more"


def _drop(item: int, turn: Turn) -> Iterator[Tried]:
    catalogue, state = turn.catalogue, turn.state
    unmet = [own for own in state.conditions if not catalogue.meets(own)[item]]
    for condition in unmet:
        kept = tuple(own for own in state.conditions if own != condition)
        words = phrase(condition, catalogue.facets[condition.facet])
        label = catalogue.facets[condition.facet].label
        yield "drop", f"“{words}”", replace(state, conditions=kept), turn.left_out, f"Any {label}"
    if len(unmet) > 1:
        kept = tuple(own for own in state.conditions if own not in unmet)
        words = " and ".join(f"“{phrase(own, catalogue.facets[own.facet])}”" for own in unmet)
        labels = " and ".join(dict.fromkeys(f"any {catalogue.facets[own.facet].label}" for own in unmet))
        yield "drop", words, replace(state, conditions=kept), turn.left_out, labels.capitalize()


def _like(item: int, turn: Turn) -> Iterator[Tried]:
    catalogue, state = turn.catalogue, turn.state
    if not catalogue.mask(state.conditions)[item]:
        return
    alone = State((Event(item, 5.0),), goal="like")
    others = np.setdiff1d(np.arange(len(catalogue)), list(turn.left_out | state.seen | {item}))
    ranking = turn.policy.rank(alone, others)
    order = np.argsort(-ranking.evidence, kind="stable")
    own = set(catalogue[item].categories)
    near = [int(index) for index in ranking.candidates[order] if own & set(catalogue[int(index)].categories) or not own]
    for index in near[:NEAR_ITEMS]:
        liked = replace(state, history=(*state.history, Event(index, 5.0)))
        if liked.spoken is not None:
            liked = replace(liked, spoken=replace(liked.spoken, named=(*liked.spoken.named, (index, 1.0))))
        yield "like", catalogue[index].title, liked, turn.left_out | {index}, f"I liked {catalogue[index].name}"


def _ask(item: int, turn: Turn) -> Iterator[Tried]:
    catalogue, state = turn.catalogue, turn.state
    wishes: list[tuple[Condition, ...]] = []
    primary, year = catalogue.primary, catalogue.year_facet
    names = catalogue[item].categories
    kinds: list[tuple[Condition, ...]] = []
    if primary is not None:
        rarest = sorted(names, key=lambda name: int(primary.counts[primary.place[name]]))
        kinds = [(Condition(primary.facet.name, "is", (name,)),) for name in rarest]
    wishes += kinds
    if year is not None and catalogue[item].year is not None:
        decade = int(catalogue[item].year or 0) // 10 * 10
        time = Condition(year, "between", (decade, decade + 9))
        wishes += [(*kind, time) for kind in kinds] or [(time,)]
    for name, facet in catalogue.facets.items():
        value = catalogue[item].attributes.get(name)
        if facet.kind == "person" and isinstance(value, tuple):
            wishes.append((Condition(name, "is", value[:1]),))
    for wish in wishes:
        asked = replace(state, conditions=wish, hints=(), like=(), unlike=())
        words = noun_phrase(wish, catalogue)
        yield "ask", words, asked, turn.left_out, words[0].upper() + words[1:]


def obstacles(item: int, conditions: Sequence[Condition], catalogue: Catalogue) -> list[Facts]:
    """The conditions that ``item`` does not meet, one sentence each, with what it is instead."""
    found: list[Facts] = []
    for condition in conditions:
        if catalogue.meets(condition)[item]:
            continue
        facet = catalogue.facets[condition.facet]
        value = item_value(item, facet, catalogue)
        words = phrase(condition, facet)
        fact = (
            seeming(value, facet)
            if value and facet.predicted
            else f"is {value}"
            if value and (facet.primary or facet.name in ("rating", "popularity"))
            else (f"has the {facet.label} {value}" if value else f"has no {facet.label} that I know")
        )
        found.append({"kind": "excluded", "title": catalogue[item].title, "value": fact, "condition": words})
    return found
