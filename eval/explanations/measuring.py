"""Measuring: chats with held-out users, and the figures that come of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.dialogue.dialogue_state import state_of
from agent.features.model import EvidenceModel
from agent.policy.loading import assemble, talk_policy
from agent.policy.semantic import Meaning
from agent.recommender import Recommender
from agent.records.answer import Answer, Recommendation
from agent.records.conversation import Conversation
from agent.records.state import POSITIVE, Event, State
from eval.explanations.forms import Checked, check
from eval.explanations.judges import Said
from eval.explanations.truth import Truth, quoted
from eval.protocols.requests import user_part
from eval.ranking.cases import some_users
from eval.resampling import UserBootstrap, ratio
from training.splits import past_and_future

WISHES = ("a comedy", "a thriller from the 90s", "a drama, no romance", "something older than 1980", "an action film")
TOLD = 6
"""So many films are named by somebody who comes without a past."""

OTHERS = 3
"""How many draws of other films the deletion test averages over."""

Report = Callable[[str, int, int], None]


@dataclass
class Explanations:
    """What was seen, one entry a sentence, an item or a change; ``users`` runs parallel to ``cited`` and ``other``.

    ``paragraphs`` are the replies and reasons as they were shown.

    ``cited`` and ``other`` are what the log-probability lost when the cited films, or as many others, left.
    """

    sentences: list[Checked] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    cited: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    asked_why_not: int = 0
    offered: int = 0
    valid: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    chats: int = 0
    paragraphs: list[str] = field(default_factory=list)

    def to_json(self, seed: int = 0) -> dict[str, Any]:
        """The figures."""
        forms = Counter(one.form or "unread" for one in self.sentences)
        wrong = [one for one in self.sentences if not one.true]
        return {
            "users": self.chats,
            "sentences": len(self.sentences),
            "verified": 1 - len(wrong) / max(1, len(self.sentences)),
            "not_verified": [{"form": one.form, "text": one.text} for one in wrong[:50]],
            "forms": dict(forms.most_common()),
            "deletion": self._deletion(seed),
            "counterfactual": {
                "asked": self.asked_why_not,
                "offered": self.offered,
                "valid": self.valid / self.offered if self.offered else None,
                "kinds": dict(self.changes),
            },
            "variety": variety([one.text for one in self.sentences]),
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
            "cited_larger": float(np.mean(np.array(self.cited) > np.array(self.other))),
        }


def hold_chats(
    bench: Bench,
    users: Sequence[str],
    report: Report = lambda what, done, total: None,
    strangers: bool = False,
) -> Explanations:
    """Hold a chat with each user and judge what was said.

    ``strangers`` come without their past, and say what they loved instead.
    """
    found = Explanations()
    for done, user in enumerate(users, 1):
        bench.talk(user, found, strangers)
        report("chats with strangers" if strangers else "chats", done, len(users))
    return found


@dataclass
class Bench:
    """The recommender as it stood before the held-out ratings, and the tables to judge it by."""

    recommender: Recommender
    truth: Truth
    past: dict[str, tuple[Event, ...]]
    future: dict[str, tuple[Event, ...]]
    seed: int

    @classmethod
    def build(cls, dataset: Dataset, model: str | None, adapter: Path | None, seed: int) -> Bench:
        """Fit (or fetch from the cache) the evidence on each user's first 80 % and put the LM policy on it."""
        parts = past_and_future(indexed_ratings(dataset))
        known = dataset.only(parts.past)
        catalogue = Catalogue(known)
        evidence = EvidenceModel.cached(dataset, parts.past, progress=False)
        meaning = Meaning.load(catalogue, evidence.taste.watched_with.neighbours)
        talk = talk_policy(catalogue, indexed_ratings(known), meaning)
        policy = assemble(catalogue, evidence, model, adapter, meaning, talk)
        past = user_histories(parts.past)
        return cls(
            Recommender(catalogue, policy, past),
            Truth(known.items, known.ratings),
            past,
            user_histories(parts.future),
            seed,
        )

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.recommender.catalogue

    def users(self, part: str, most: int) -> list[str]:
        """Users of a part who liked something later that they had not seen, at most so many, drawn by a hash."""
        able = [user for user in self.past if user_part(user) == part and self.later(user)]
        kept = some_users(able, most, self.seed)
        return [user for user in able if user in kept]

    def later(self, user: str) -> list[int]:
        """What a user liked later, as catalogue indices, in time order."""
        seen = {event.item for event in self.past[user]}
        return [
            event.item
            for event in self.future.get(user, ())
            if event.item not in seen and event.rating is not None and event.rating >= POSITIVE
        ]

    def loved(self, user: str) -> list[int]:
        """What a user rated highest before, the latest first, as catalogue indices."""
        rated = [event for event in self.past[user] if event.rating is not None]
        return [event.item for event in sorted(reversed(rated), key=lambda event: -(event.rating or 0.0))[:TOLD]]

    def talk(self, user: str, found: Explanations, stranger: bool = False) -> None:
        """One user's chat; every sentence is judged and the tests are made."""
        found.chats += 1
        place = int(np.random.default_rng([self.seed, len(user), *user.encode()]).integers(len(WISHES)))
        conversation = Conversation(user=None if stranger else user)
        names = [self.catalogue[item].name for item in self.loved(user)]
        opening = f"I loved {', '.join(names[:-1])} and {names[-1]}" if stranger else "What should I watch?"
        for message in (opening, WISHES[place]):
            answer = self._say(conversation, message, found)
            self._delete(user, conversation, answer, found)
        shown = [self.catalogue.index(item.item_id) for item in answer.items]
        wanted = next((item for item in self.later(user) if item not in shown), None)
        self._say(conversation, "Why the first one?", found)
        self._say(conversation, "What do you think I like?", found)
        if wanted is None:
            return
        name = self.catalogue[wanted].name
        self._say(conversation, f"Tell me about {name}", found)
        if shown:
            self._say(conversation, f"Compare {name} and {self.catalogue[shown[0]].name}", found)
        answer = self._say(conversation, f"Why not {name}?", found)
        if answer.about == "why_not" and wanted not in shown:
            found.asked_why_not += 1
            if answer.choices:
                found.offered += 1
                message, item_id = answer.choices[0], self.catalogue[wanted].item_id
                found.valid += self._applied(conversation, message, item_id) is not None
                found.changes[_kind(answer.reply)] += 1

    def _say(self, conversation: Conversation, message: str, found: Explanations) -> Answer:
        before, shown = conversation.slate, frozenset(conversation.shown)
        answer = self.recommender.reply(conversation, message)
        state = self._state(conversation)
        stars: dict[str, float | None] = {self.catalogue[e.item].item_id: e.rating for e in state.history}
        stars |= self.truth.past(conversation.user)
        said = Said(
            truth=self.truth, catalogue=self.catalogue, policy=self.recommender.policy, state=state, history=stars,
            answer=answer, slate=before, shown=shown,
            applied=lambda text, item: self._applied(conversation, text, item),
        )  # fmt: skip
        found.paragraphs += [answer.reply, *(item.reason for item in answer.items)]
        found.sentences += check(answer.reply, said)
        for item in answer.items:
            found.sentences += check(item.reason, replace(said, item=item.item_id))
        return answer

    def _state(self, conversation: Conversation) -> State:
        past = self.past[conversation.user] if conversation.user is not None else ()
        return state_of(conversation, past, self.catalogue)

    def _applied(self, conversation: Conversation, message: str, item_id: str) -> int | None:
        """The film's place in the slate of a real turn after ``message``; None: it is not there."""
        answer = self.recommender.reply(deepcopy(conversation), message)
        ids = [item.item_id for item in answer.items]
        return ids.index(item_id) if item_id in ids else None

    def _delete(self, user: str, conversation: Conversation, answer: Answer, found: Explanations) -> None:
        """The deletion test of every item of a slate whose reason cites films of the history."""
        state = self._state(conversation)
        rng = np.random.default_rng([self.seed, *user.encode()])
        candidates = np.flatnonzero(self.catalogue.mask(state.constraints, left_out=state.seen))
        variants, rows = [state], []
        for item in answer.items:
            cited = self._cited(item, [event.item for event in state.history])
            rest = [event.item for event in state.history if event.item not in cited]
            if not cited or len(rest) < len(cited):
                continue
            out = [cited, *(set(rng.choice(rest, len(cited), replace=False).tolist()) for _ in range(OTHERS))]
            rows.append((self.catalogue.index(item.item_id), len(variants)))
            variants += [state.without_items(left) for left in out]
        if not rows:
            return
        rankings = self.recommender.policy.rank_many(variants, [candidates] * len(variants))
        for index, first in rows:
            row = int(np.flatnonzero(candidates == index)[0])
            value = [ranking.log_probabilities[row] for ranking in (rankings[0], *rankings[first : first + 1 + OTHERS])]
            found.users.append(user)
            found.cited.append(float(value[0] - value[1]))
            found.other.append(float(value[0] - np.mean(value[2:])))

    def _cited(self, item: Recommendation, history: Sequence[int]) -> set[int]:
        titles = set(quoted(item.reason))
        return {index for index in history if self.catalogue[index].title in titles}


def variety(texts: Sequence[str]) -> dict[str, float]:
    """How much sentences differ once titles and numbers are taken out.

    ``distinct`` is the share of different sentences as they are, ``templates`` the number of different ones without
    titles and numbers, ``distinct_2`` and ``distinct_3`` the shares of different n-grams (Li et al., 2016).
    """
    bare = [re.sub(r"\d+(?:[.,]\d+)*%?", "0", re.sub(r"“[^”]*”", "“”", text)) for text in texts]

    def grams(size: int) -> Iterator[tuple[str, ...]]:
        for text in bare:
            words = text.split()
            yield from zip(*(words[start:] for start in range(size)), strict=False)

    shares = {f"distinct_{size}": list(grams(size)) for size in (2, 3)}
    return {
        "sentences": len(texts),
        "distinct": len(set(texts)) / max(1, len(texts)),
        "templates": len(set(bare)),
        **{name: len(set(found)) / max(1, len(found)) for name, found in shares.items()},
    }


def _kind(reply: str) -> str:
    for start, kind in (("Ask for more", "more"), ("Say “", "drop"), ("If you liked", "like"), ("Ask for “", "ask")):
        if start in reply:
            return kind
    return "other"
