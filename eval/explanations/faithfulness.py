"""Faithfulness: are the facts of the answers true, do they carry the choice, and do promised changes come about?

For users whose last ratings were held out, a chat is held with the real turn: an open question, a wish, "something
like" an item that they liked, and "why not?" about one that they liked later. What is judged are the answers'
structured facts; how they are worded is another matter.

- **facts**: the share of the shown facts that the data set's tables (or the chat itself) bear out.
- **direction**: a cited item, or the words of the request, are said to speak for a recommendation: the share of them
  without which the policy gives it less.
- **deletion** (comprehensiveness; DeYoung et al., 2020, ERASER): what the item's log-probability loses when the items
  cited for it leave the state, less what it loses when as many others leave; by user bootstrap.
- **counterfactuals**: the share of the changes offered for "why not?" after which the item is in the slate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent.catalogue.conditions import noun_phrase
from agent.dialogue.state import fold, policy_state
from agent.explanation.attribution import without_hint
from agent.records.answer import Answer, Evidence, Recommendation
from agent.records.conditions import Condition
from agent.records.conversation import Conversation
from agent.records.state import State
from eval.conversation.held_out import HeldOut
from eval.resampling import UserBootstrap, ratio
from training.progress import Progress, silent

DRAWS = 3
"""How many draws of other items the deletion test averages over."""


@dataclass
class Figures:
    """What was seen; ``facts`` counts (kind, is it true), ``directions`` (kind, does it speak for the item).

    ``users``, ``cited`` and ``other`` have an entry for each item of the deletion test: what its log-probability lost
    when the cited items, or as many others, left.
    """

    chats: int = 0
    facts: Counter[tuple[str, bool]] = field(default_factory=Counter)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    directions: Counter[tuple[str, bool]] = field(default_factory=Counter)
    users: list[str] = field(default_factory=list)
    cited: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    why_not: int = 0
    offered: int = 0
    valid: int = 0

    def to_json(self, seed: int = 0) -> dict[str, Any]:
        """The figures as plain data; shares are None where nothing was counted."""
        return {
            "users": self.chats,
            "facts": _shares(self.facts),
            "not_true": self.wrong[:50],
            "direction": _shares(self.directions),
            "deletion": self._deletion(seed),
            "counterfactual": {
                "asked": self.why_not,
                "offered": self.offered,
                "valid": self.valid / self.offered if self.offered else None,
            },
        }

    def _deletion(self, seed: int) -> dict[str, Any]:
        if not self.users:
            return {"items": 0}
        draws = UserBootstrap(self.users, seed=seed)
        sums = draws.by_user(np.array(self.cited), np.array(self.other), np.ones(len(self.users)))
        cited, other = ratio(sums[:, 0], sums[:, 2]), ratio(sums[:, 1], sums[:, 2])
        difference = draws.difference(cited, other)
        return {
            "items": len(self.users),
            "cited": draws.value(cited),
            "other": draws.value(other),
            "difference": difference.mean,
            "ci": [difference.low, difference.high],
            "p": difference.p,
        }


def _shares(counts: Counter[tuple[str, bool]]) -> dict[str, Any]:
    kinds = {kind: [counts[kind, True], counts[kind, True] + counts[kind, False]] for kind, _ in sorted(counts)}
    right, total = (sum(column) for column in zip(*kinds.values(), strict=True)) if kinds else (0, 0)
    return {"total": total, "share": right / total if total else None, "kinds": kinds}


class Judge:
    """Holds chats and judges the facts of their answers by the tables, and by asking the policy anew."""

    def __init__(self, held_out: HeldOut) -> None:
        self.held_out = held_out
        self.catalogue = held_out.catalogue
        self.policy = held_out.recommender.policy
        table = held_out.known.ratings.groupby("item")["rating"].agg(["mean", "size"])
        self._ratings = {str(item): (float(mean), int(size)) for item, mean, size in table.itertuples()}
        items = held_out.known.items
        self._titles = dict(zip(items["item"].astype(str), items["title"], strict=True))
        self._facets = {
            name: dict(zip(self._titles, self._column(name, facet.numeric), strict=True))
            for name, facet in held_out.known.facets.items()
            if facet.kind != "text"
        }

    def judge(
        self,
        users: Sequence[str],
        strangers: bool = False,
        report: Progress = silent,
    ) -> Figures:
        """Hold a chat with each user; ``strangers`` come without their past and name what they loved instead."""
        found = Figures()
        for done, user in enumerate(users, 1):
            self._chat(user, strangers, found)
            report("chats with strangers" if strangers else "chats", done, len(users))
        return found

    def _wish(self, user: str, rng: np.random.Generator) -> str:
        """A category, and every second time the decade, of something that the user liked later or before."""
        items = self.held_out.liked_later(user) or self.held_out.liked_most(user)
        item = self.catalogue[items[int(rng.integers(len(items)))]]
        conditions = []
        if self.catalogue.primary is not None and item.categories:
            value = item.categories[int(rng.integers(len(item.categories)))]
            conditions.append(Condition(self.catalogue.primary.facet.name, "is", (value,)))
        if item.year is not None and rng.random() < 0.5:
            decade = item.year // 10 * 10
            conditions.append(Condition("year", "between", (decade, decade + 9)))
        return noun_phrase(conditions, self.catalogue, 2)

    def _chat(self, user: str, stranger: bool, found: Figures) -> None:
        found.chats += 1
        rng = np.random.default_rng([self.held_out.seed, len(user), *user.encode()])
        conversation = Conversation(user=None if stranger else user)
        names = [self.catalogue[item].name for item in self.held_out.liked_most(user)]
        loved = f"I loved {', '.join(names[:-1])} and {names[-1]}"
        opening = loved if stranger else f"What should I {self.catalogue.domain.verbs.base}?"
        for message in (opening, self._wish(user, rng), f"Something like {names[0]}"):
            answer = self.held_out.recommender.reply(conversation, message)
            state = self._state(conversation)
            for item in answer.items:
                self._look_up(item, state, found)
            self._leave_out(user, state, answer, found)
        shown = {self.catalogue.index(item.item_id) for item in answer.items}
        wanted = next((item for item in self.held_out.liked_later(user) if item not in shown), None)
        if wanted is None:
            return
        answer = self.held_out.recommender.reply(conversation, f"Why not {self.catalogue[wanted].name}?")
        if answer.about == "why_not":
            found.why_not += 1
            if answer.choices:  # the change is carried out by the real turn
                after = self.held_out.recommender.reply(deepcopy(conversation), answer.choices[0])
                found.offered += 1
                found.valid += self.catalogue[wanted].item_id in [item.item_id for item in after.items]

    def _state(self, conversation: Conversation) -> State:
        past = self.held_out.past[conversation.user] if conversation.user is not None else ()
        return policy_state(fold(conversation, self.catalogue), past)

    def _look_up(self, item: Recommendation, state: State, found: Figures) -> None:
        """Every fact of a recommendation beside the tables and the state."""
        primary = next((name for name, facet in self.catalogue.facets.items() if facet.primary), "")
        shown = [(self.catalogue.year_facet or "", item.year), *((primary, value) for value in item.categories)]
        checks: list[tuple[str, Any, bool]] = [
            ("title", item.title, item.title == self._titles[item.item_id]),
            *((facet, value, self._has(item.item_id, facet, value)) for facet, value in shown if value is not None),
            *((fact.kind, fact.value or fact.item_id, self._true(fact, item, state)) for fact in item.evidence),
        ]
        for kind, value, true in checks:
            found.facts[kind, true] += 1
            if not true:
                found.wrong.append({"item": item.item_id, "kind": kind, "value": value})

    def _true(self, fact: Evidence, item: Recommendation, state: State) -> bool:
        mean, count = self._ratings.get(item.item_id, (0.0, 0))
        match fact.kind:
            case "history":
                events = {self.catalogue[event.item].item_id: event.rating for event in state.history}
                return fact.item_id in events and events[fact.item_id] == fact.value
            case "like":
                return fact.item_id in {self.catalogue[index].item_id for index in state.like}
            case "rating":
                return isinstance(fact.value, int | float) and abs(mean - fact.value) <= 0.05 + 1e-9
            case "raters":
                return fact.value == count
            case "hint":
                return fact.value in state.hints
            case "attribute":
                return self._has(item.item_id, fact.facet or "", fact.value)
        # Any other fact is a facet's value that was asked for.
        facet = fact.facet or ""
        asked = [condition for condition in state.conditions if condition.facet == facet]
        return self._has(item.item_id, facet, fact.value) and any(_met(own, fact.value) for own in asked)

    def _has(self, item_id: str, facet: str, value: Any) -> bool:
        known = self._facets.get(facet, {}).get(item_id)
        return value in known if isinstance(known, list) else bool(value == known)

    def _column(self, facet: str, numeric: bool) -> list[Any]:
        known = self.held_out.known
        return known.numbers(facet).tolist() if numeric else known.names(facet)

    def _leave_out(self, user: str, state: State, answer: Answer, found: Figures) -> None:
        """Rank again without what is cited for each item: each part alone, all of it, and as many other items."""
        rng = np.random.default_rng([self.held_out.seed, *user.encode()])
        candidates = np.flatnonzero(self.catalogue.mask(state.conditions, left_out=state.seen | state.excluded))
        known = [event.item for event in state.history] + list(state.like)
        variants, alone, sets = [state], [], []
        for item in answer.items:
            row = int(np.flatnonzero(candidates == self.catalogue.index(item.item_id))[0])
            cited = {self.catalogue.index(fact.item_id) for fact in item.evidence if fact.item_id is not None}
            for fact in item.evidence:
                if fact.item_id is not None or fact.kind == "hint":
                    out = set() if fact.item_id is None else {self.catalogue.index(fact.item_id)}
                    alone.append((fact.kind, row, len(variants)))
                    variants.append(state.without_items(out) if out else without_hint(state, str(fact.value)))
            rest = sorted(set(known) - cited)
            if cited and len(rest) >= len(cited):
                sets.append((row, len(variants)))
                others = (set(rng.choice(rest, len(cited), replace=False).tolist()) for _ in range(DRAWS))
                variants += [state.without_items(out) for out in (cited, *others)]
        if len(variants) == 1:
            return
        rankings = self.policy.rank_many(variants, [candidates] * len(variants))
        change = [rankings[0].log_probabilities - ranking.log_probabilities for ranking in rankings]
        for kind, row, place in alone:
            found.directions[kind, bool(change[place][row] > 0)] += 1
        for row, place in sets:
            found.users.append(user)
            found.cited.append(float(change[place][row]))
            found.other.append(float(np.mean([own[row] for own in change[place + 1 : place + 1 + DRAWS]])))


def _met(condition: Condition, value: Any) -> bool:
    if condition.names:
        return (value in condition.names) != condition.negative
    low, high = condition.span
    return ((low is None or value >= low) and (high is None or value <= high)) != condition.negative
