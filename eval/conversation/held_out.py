"""Held-out users: the recommender as it stood before what they liked later, for chats with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.policy.loading import Foundation
from agent.recommender import Recommender
from agent.records.state import POSITIVE, Event
from eval.protocols.requests import user_part
from eval.ranking.cases import some_users
from training.splits import past_and_future

NAMED = 6
"""So many items are named by somebody who comes without a past."""


@dataclass(frozen=True)
class HeldOut:
    """The recommender as it stood before the held-out ratings (``known`` are the tables that it knew)."""

    recommender: Recommender
    known: Dataset
    past: dict[str, tuple[Event, ...]]
    future: dict[str, tuple[Event, ...]]
    seed: int

    @classmethod
    def build(cls, dataset: Dataset, model: str | None, adapter: Path | None, seed: int) -> HeldOut:
        """Fit (or fetch from the cache) the evidence on each user's first 80 % and put the LM policy on it."""
        parts = past_and_future(indexed_ratings(dataset))
        known = dataset.only(parts.past)
        foundation = Foundation.of(known)
        past = user_histories(parts.past)
        recommender = Recommender(foundation.catalogue, foundation.policy(adapter, model), past)
        return cls(recommender, known, past, user_histories(parts.future), seed)

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.recommender.catalogue

    def users(self, part: str, most: int) -> list[str]:
        """Users of a part who liked something later that they had not seen, at most so many, drawn by a hash."""
        able = [user for user in self.past if user_part(user) == part and self.liked_later(user)]
        kept = some_users(able, most, self.seed)
        return [user for user in able if user in kept]

    def liked_later(self, user: str) -> list[int]:
        """What a user liked later, as catalogue indices, in time order."""
        seen = {event.item for event in self.past[user]}
        later = (event for event in self.future.get(user, ()) if event.item not in seen)
        return [event.item for event in later if event.rating is not None and event.rating >= POSITIVE]

    def liked_most(self, user: str) -> list[int]:
        """What a user rated highest before, the latest first, as catalogue indices."""
        rated = [event for event in self.past[user] if event.rating is not None]
        return [event.item for event in sorted(reversed(rated), key=lambda event: -(event.rating or 0.0))[:NAMED]]
