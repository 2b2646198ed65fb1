"""Counterfactual: why a film is not among those shown, and the smallest change that would bring it there.

A change is a message that the user could send. It is tried out: understood and taken into a copy of the conversation
as the real turn does, and ranked again. Only a change that puts the film into the slate is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from agent.dialogue.dialogue_state import absorb, fresh_only, state_of
from agent.generation.phrases import GENRE_NOUNS, a_kind, listed, number_words, ordinal, percent, wish_in_words
from agent.generation.realizer import Facts
from agent.records.constraints import Constraints
from agent.records.conversation import Message
from agent.records.state import Event, State
from agent.understanding.parser import understand

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.policy.distribution import Policy
    from agent.records.conversation import Conversation

NEAR_FILMS = 5
"""So many of the films most like the wanted one are tried as a like."""

MOST_WISHES = 8
"""So many ways to ask for it are tried, from the shortest on."""

MORE = "Show me more"
"""What a person says who wants other films of the same kind."""


@dataclass(frozen=True, slots=True)
class Change:
    """A verified change: ``kind`` is more, drop, like or ask; ``message`` puts the film at ``place`` (from 0)."""

    kind: str
    message: str
    said: str
    place: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a conversation stands for the policy: the state, and what a plain "more" would leave out."""

    conversation: Conversation
    past: Sequence[Event]
    policy: Policy
    catalogue: Catalogue
    k: int

    @property
    def state(self) -> State:
        """What the policy ranks for."""
        return state_of(self.conversation, self.past, self.catalogue)

    @property
    def shown(self) -> list[int]:
        """The slate that stands, as catalogue indices."""
        slate = self.conversation.slate
        return [self.catalogue.index(item.item_id) for item in slate.items] if slate else []

    def after(self, message: str, shown: Sequence[int] | None = None) -> tuple[State, frozenset[int]]:
        """The state after ``message``, and the catalogue indices that its turn would leave out.

        ``shown`` is what stood on the page (None: the slate of the conversation).
        """
        other = deepcopy(self.conversation)
        shown = self.shown if shown is None else shown
        told = understand(message, self.catalogue, other.constraints, shown)
        other.messages.append(Message("user", message))
        absorb(other, message, told, self.catalogue)
        state = state_of(other, self.past, self.catalogue)
        return state, state.seen | fresh_only(other, told, self.catalogue)

    def places(self, item: int, variants: Sequence[tuple[State, frozenset[int]]]) -> list[int | None]:
        """The item's place (from 0) in each variant's ranking; None where the variant leaves it out."""
        allowed = [np.flatnonzero(self.catalogue.mask(state.constraints, left_out=out)) for state, out in variants]
        tried = [place for place, items in enumerate(allowed) if item in items]
        found: list[int | None] = [None] * len(variants)
        if tried:
            rankings = self.policy.rank_many([variants[t][0] for t in tried], [allowed[t] for t in tried])
            for place, ranking in zip(tried, rankings, strict=True):
                logits = ranking.logits
                own = logits[int(np.flatnonzero(ranking.candidates == item)[0])]
                found[place] = int(np.count_nonzero(logits > own))
        return found


def why_not(item: int, standing: Standing) -> tuple[list[Facts], Change | None]:
    """What keeps ``item`` from the slate, and the smallest change that would put it there (None: none was found)."""
    catalogue, state = standing.catalogue, standing.state
    title = catalogue[item].title
    slate = standing.conversation.slate
    shown = [own.item_id for own in slate.items] if slate else []
    if catalogue[item].item_id in shown:
        place = shown.index(catalogue[item].item_id)
        return [{"kind": "is_shown", "title": title, "ordinal": ordinal(place)}], None
    known = _known(item, standing)
    if known is not None:
        return [{**known, "title": title}], None
    sentences = obstacles(item, state.constraints, catalogue)
    if not sentences:
        allowed = np.flatnonzero(catalogue.mask(state.constraints, left_out=state.seen))
        ranking = standing.policy.rank(state, allowed)
        own = int(np.flatnonzero(ranking.candidates == item)[0])
        rank = int(np.count_nonzero(ranking.logits > ranking.logits[own])) + 1
        if rank <= standing.k and catalogue[item].item_id in standing.conversation.shown:
            sentences.append({"kind": "just_shown", "title": title})
        else:
            share, total = percent(float(ranking.probabilities[own])), f"{len(allowed):,}"
            sentences.append({"kind": "rank", "title": title, "rank": rank, "total": total, "share": share})
    change = smallest_change(item, standing)
    if change is None:
        return [*sentences, {"kind": "no_change"}], None
    told = {"kind": "change", "change": change.kind, "said": change.said, "ordinal": ordinal(change.place)}
    return [*sentences, told], change


def smallest_change(item: int, standing: Standing) -> Change | None:
    """The first change, from the smallest kind to the largest, after which ``item`` is in the slate."""
    for stage in (_ask_more, _drop_one, _like_one, _ask_for_it):
        tried = list(stage(item, standing))
        places = standing.places(item, [standing.after(message) for _, message, _ in tried])
        good = [(place, order) for order, place in enumerate(places) if place is not None and place < standing.k]
        if good:
            # Of one kind, the first that was proposed is the most natural one.
            place, order = min(good, key=lambda pair: pair[1])
            kind, message, said = tried[order]
            return Change(kind, message, said, place)
    return None


def _ask_more(item: int, standing: Standing) -> Iterator[tuple[str, str, str]]:
    yield "more", MORE, MORE


def _drop_one(item: int, standing: Standing) -> Iterator[tuple[str, str, str]]:
    wanted, catalogue = standing.state.constraints, standing.catalogue
    genres = set(catalogue[item].categories)
    for genre in sorted(wanted.without_genres & genres):
        word = GENRE_NOUNS[genre][1] if genre in GENRE_NOUNS else genre
        message = f"{word[0].upper()}{word[1:]} are fine"
        yield "drop", message, message
    messages = []
    if any(not group & genres for group in wanted.genres):
        messages.append("Any genre")
    if wanted.year_min is not None or wanted.year_max is not None or wanted.without_years:
        messages.append("Any year")
    if wanted.rating_min is not None:
        messages.append("Any rating")
    if wanted.viewers_min is not None or wanted.viewers_max is not None:
        messages.append("Well known or not, no matter")
    for message in messages:
        yield "drop", message, message


def _like_one(item: int, standing: Standing) -> Iterator[tuple[str, str, str]]:
    catalogue = standing.catalogue
    alone = State((Event(item, 5.0),), goal="like")
    ranking = standing.policy.rank(alone, np.setdiff1d(np.arange(len(catalogue)), list(standing.state.seen | {item})))
    order = np.argsort(-ranking.evidence, kind="stable")
    own = set(catalogue[item].categories)
    near = [int(index) for index in ranking.candidates[order] if own & set(catalogue[int(index)].categories)]
    for index in near[:NEAR_FILMS]:
        film = catalogue[index]
        yield "like", f"I liked {film.name}", film.title


def _ask_for_it(item: int, standing: Standing) -> Iterator[tuple[str, str, str]]:
    film, catalogue = standing.catalogue[item], standing.catalogue
    rarity = {
        genre: int(catalogue.category_matrix[:, column].sum()) for column, genre in enumerate(catalogue.category_names)
    }
    genres = sorted(film.categories, key=lambda genre: rarity[genre])
    decade = None if film.year is None else film.year // 10 * 10
    time = "" if decade is None else f" from the {decade % 100}s" if 1930 <= decade < 2000 else f" from the {decade}s"
    exact = "" if film.year is None else f" from {film.year}"
    kinds = [a_kind(genre) for genre in genres]
    wishes = [*kinds, *(f"{kind}{time}" for kind in kinds)]
    wishes += [f"{one} that is also {other}{time}" for one, other in pairwise(kinds)]
    wishes += [f"{kind}{exact}" for kind in kinds]
    if not kinds and time:
        wishes = [f"a film{time}", f"a film{exact}"]
    for wish in list(dict.fromkeys(wishes))[:MOST_WISHES]:
        message = wish[0].upper() + wish[1:]
        yield "ask", f"{message} instead" if standing.state.constraints else message, wish


def obstacles(item: int, wanted: Constraints, catalogue: Catalogue) -> list[Facts]:
    """The standing conditions that ``item`` does not meet, one sentence each, with what it is instead."""
    film = catalogue[item]
    kinds = listed([a_kind(genre) for genre in film.categories]) or "of no known genre"
    year = f"from {film.year}" if film.year is not None else "of no known year"
    viewers = int(catalogue.rating_count[item])
    stars = f"rated {number_words(round(float(catalogue.mean_rating[item]), 1))} stars" if viewers else "not rated"
    seen_by = f"rated by {viewers:,} viewers"
    own_tags = [tag for tag, items in catalogue.items_by("tag").items() if item in items]
    parts: list[tuple[Constraints, str, str]] = []
    for group in wanted.genres:
        parts.append((Constraints(genres=(group,)), kinds, ""))
    for genre in sorted(wanted.without_genres):
        parts.append((Constraints(without_genres=frozenset({genre})), a_kind(genre), f"no {_plural(genre)}"))
    if wanted.year_min is not None or wanted.year_max is not None:
        parts.append((Constraints(year_min=wanted.year_min, year_max=wanted.year_max), year, ""))
    for span in wanted.without_years:
        parts.append((Constraints(without_years=(span,)), year, ""))
    if wanted.rating_min is not None:
        parts.append((Constraints(rating_min=wanted.rating_min), stars, ""))
    if wanted.viewers_min is not None or wanted.viewers_max is not None:
        parts.append((Constraints(viewers_min=wanted.viewers_min, viewers_max=wanted.viewers_max), seen_by, ""))
    for tag in wanted.tags:
        parts.append((Constraints(tags=(tag,)), f"not tagged “{tag}”", ""))
    for tag in sorted(wanted.without_tags & set(own_tags)):
        parts.append((Constraints(without_tags=frozenset({tag})), f"tagged “{tag}”", ""))
    return [
        {"kind": "excluded", "title": film.title, "fact": fact, "condition": condition or wish_in_words(one, 2)}
        for one, fact, condition in parts
        if not catalogue.mask(one)[item]
    ]


def _known(item: int, standing: Standing) -> Facts | None:
    """What the user already said or did about ``item``."""
    item_id = standing.catalogue[item].item_id
    belief = next((own for own in standing.conversation.beliefs if own.item_id == item_id), None)
    if belief is not None:
        if belief.attitude in ("more", "less"):
            return {"kind": "named"}
        attitude = belief.attitude
        return {"kind": "seen", "attitude": attitude if attitude in ("liked", "disliked") else "seen"}
    if any(event.item == item for event in standing.past):
        return {"kind": "seen", "attitude": "seen"}
    if item in standing.conversation.constraints.excluded:
        return {"kind": "seen", "attitude": "refused"}
    return None


def _plural(genre: str) -> str:
    return wish_in_words(Constraints(genres=(frozenset({genre}),)), 2)
