"""A feedback log as the chat writes it: the real recommender, people of the data set, and clicks from their ratings."""

from __future__ import annotations

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.policy.distribution import Policy
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.records.state import Event
from agent.store.feedback import FeedbackLog
from training.splits import past_and_future

WISHES = ("a comedy", "something exciting from the 90s", "what should I watch?")


def pasts_of(recommender: Recommender) -> dict[str, tuple[Event, ...]]:
    """The pasts that a recommender knows."""
    return {user: recommender.history(user) for user in recommender.users()}


def chat(
    recommender: Recommender,
    dataset: Dataset,
    log: FeedbackLog,
    turns: int,
    explore: bool = True,
    policy: Policy | None = None,
) -> None:
    """``turns`` turns of as many people, each of whom answers as their later ratings say; where there is none, as the
    mean rating of the film says. ``policy`` serves instead of the recommender's own."""
    parts = past_and_future(indexed_ratings(dataset))
    past, future = user_histories(parts.past), user_histories(parts.future)
    writer = Recommender(recommender.catalogue, policy or recommender.policy, past, log, explore=explore, seed=0)
    for turn, user in enumerate(list(past)[:turns]):
        conversation = Conversation(user=user)
        if turn % 4 == 3:
            writer.reply(conversation, "I loved Alien and hated Titanic")
        answer = writer.reply(conversation, WISHES[turn % len(WISHES)])
        known = {event.item: event.rating for event in future.get(user, ())}
        for item in answer.items:
            index = recommender.catalogue.index(item.item_id)
            stars = known.get(index) or float(recommender.catalogue.mean_rating[index])
            if stars >= 4:
                writer.react(conversation, item.item_id, "liked" if index not in known else "rated", known.get(index))
            elif stars < 3:
                writer.react(conversation, item.item_id, "disliked")
