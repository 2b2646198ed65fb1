"""Recommender: one turn from message to answer, behind one small facade."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from agent.answer import Answer, Recommendation
from agent.catalogue import Catalogue
from agent.choice import choose
from agent.constraints import Constraints
from agent.conversation import Attitude, Belief, Conversation, Message
from agent.impression import Impression, Outcome
from agent.state import Event
from agent.turn import absorb, believe, forget, fresh_only, state_of
from agent.understanding import Understanding, understand
from agent.wording import RESET_REPLY, THANKS_REPLY, found_reply, greeting_reply, which_question

if TYPE_CHECKING:
    from agent.feedback import FeedbackLog
    from agent.policy import Policy


class RequestError(ValueError):
    """A request names something that is not there or out of range; the message names the value and the fix."""


class Recommender:
    """Answers messages with films. Keeps no state of any user: a conversation is passed in and changed.

    ``histories`` maps the data set's users to their events. ``explore`` draws slates at random (Plackett-Luce, at the
    temperature of :mod:`agent.choice`), so that the log can be evaluated off-policy; otherwise the most probable items are shown.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        policy: Policy,
        histories: Mapping[str, tuple[Event, ...]],
        log: FeedbackLog | None = None,
        explore: bool = False,
        seed: int | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.policy = policy
        self.log = log
        self.explore = explore
        self._histories = histories
        self._seeds = np.random.SeedSequence(seed)

    @classmethod
    def load(
        cls,
        data: str = "ml-100k",
        model: str | None = None,
        adapter: str | Path | None = None,
        log: FeedbackLog | None = None,
        explore: bool = False,
        progress: bool = False,
    ) -> Recommender:
        """Load a data set, its fitted evidence (fitted and cached on first use, about a minute), and the LM policy.

        Args:
            data: name of a fetched or imported data set.
            model: a Hugging Face causal LM by name or folder (None: the fetched default).
            adapter: an adapter folder (None: the released one).
            log: where impressions and outcomes go (None: nowhere).
            explore: draw slates instead of taking the most probable items.
            progress: show progress bars.

        Raises:
            AssetError, ValueError: something is missing or does not fit; the message names it and the fix.
        """
        from agent.loading import load_policy

        catalogue, policy, histories = load_policy(data, model, adapter, progress)
        return cls(catalogue, policy, histories, log, explore)

    def users(self) -> list[str]:
        """The data set's users, whose past can be looked at."""
        return list(self._histories)

    def history(self, user: str | None) -> tuple[Event, ...]:
        """A user's past, oldest first; empty for None.

        Raises:
            RequestError: no such user (the message shows how ids look).
        """
        if user is None:
            return ()
        try:
            return self._histories[str(user)]
        except KeyError:
            sample = ", ".join(repr(u) for u in list(self._histories)[:3])
            raise RequestError(f"no user {user!r} in {self.catalogue.name!r}: ids look like {sample}") from None

    def recommend(
        self,
        user: str | None = None,
        likes: Iterable[str] = (),
        dislikes: Iterable[str] = (),
        ask: str = "",
        k: int = 5,
        history: Iterable[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, str]] = (),
    ) -> Answer:
        """One answer without a chat; nothing is logged.

        Args:
            user: a user of the data set whose past counts.
            likes: titles (typing errors are fine) or item ids that the user likes.
            dislikes: the same for dislikes.
            ask: the wish in words.
            k: how many films.
            history: more of the user's past, oldest first: ``{"item": id, "rating": stars or None}``.
            messages: a conversation so far: ``{"role": "user" or "assistant", "content": text}``.

        Raises:
            RequestError: an unknown user or item, a title that no film has, a rating out of range, an unknown role, or
                ``k`` below 1.
        """
        if k < 1:
            raise RequestError(f"{k} films asked for: ask for at least 1")
        conversation = Conversation(user=user)
        past = (*self.history(user), *self._events(history or ()))
        for attitude, titles in (("liked", likes), ("disliked", dislikes)):
            for title in titles:
                believe(conversation, Belief(self.find(title), _attitude(attitude), source="panel"))
        told: Understanding | None = None
        for message in [*messages, *([{"role": "user", "content": ask}] if ask else [])]:
            if message["role"] not in ("user", "assistant", "system"):
                raise RequestError(f"unknown role {message['role']!r}: use user, assistant or system")
            if message["role"] == "user":
                told = self._listen(conversation, message["content"])
        return self._choose(conversation, past, told, k, time.perf_counter())[0]

    def reply(self, conversation: Conversation, message: str, k: int = 5) -> Answer:
        """Answer a message: updates the conversation and, where there is a log, writes both to disk before returning."""
        start = time.perf_counter()
        told = self._listen(conversation, message)
        impression = None
        if told.ambiguities:
            first = told.ambiguities[0]
            options = [self.catalogue[i].name for i in first.options[:4]]
            answer = self._answer(conversation, which_question(first.text, options), start, choices=tuple(options))
        elif told.intent == "greeting":
            answer = self._answer(conversation, greeting_reply(self.catalogue), start)
        elif told.intent == "thanks":
            answer = self._answer(conversation, THANKS_REPLY, start)
        elif told.intent == "reset":
            answer = self._answer(conversation, RESET_REPLY, start)
        else:
            past = self.history(conversation.user)
            answer, impression = self._choose(conversation, past, told, k, start)
            if self.log is not None:
                answer = replace(answer, impression_id=impression.id)
            conversation.shown += [item.item_id for item in answer.items]
        conversation.messages.append(Message("assistant", answer.reply, answer))
        if self.log is not None:
            if impression is None:
                self.log.save_conversation(conversation)
            else:
                self.log.record_impression(impression, conversation)
        return answer

    def react(self, conversation: Conversation, item_id: str, kind: str, value: float | None = None) -> None:
        """Take a click on a card: changes what is believed and, where there is a log, writes both to disk.

        ``kind`` is liked, disliked, seen, rated (``value``: 1 to 5 stars), more, less, clicked or removed.

        Raises:
            RequestError: no such item, or an unknown kind.
            ValueError: stars out of range.
        """
        self._index(item_id)
        shown = next(
            (
                m.answer
                for m in reversed(conversation.messages)
                if m.answer and item_id in [i.item_id for i in m.answer.items]
            ),
            None,
        )
        impression = shown.impression_id if shown else None
        position = [i.item_id for i in shown.items].index(item_id) if shown and impression else None
        outcome = Outcome(
            conversation_id=conversation.id,
            impression_id=impression,
            item_id=item_id,
            kind=kind,
            value=value,
            position=position,  # type: ignore[arg-type]
        )
        if kind == "removed":
            conversation.beliefs = [b for b in conversation.beliefs if b.item_id != item_id]
        elif kind != "clicked":
            believe(conversation, Belief(item_id, _attitude(kind), value, "card", conversation.turn))
        if self.log is not None:
            self.log.record_outcome(outcome, conversation)

    def forget(self, conversation: Conversation, what: str) -> None:
        """Take back a belief (by item id) or a standing constraint (by its field's name).

        Raises:
            KeyError: neither is there.
        """
        if what in self.catalogue and any(b.item_id == what for b in conversation.beliefs):
            self.react(conversation, what, "removed")
            return
        forget(conversation, what)
        if self.log is not None:
            self.log.save_conversation(conversation)

    def find(self, title: str) -> str:
        """The item id of a title (or of an id given as it is).

        Raises:
            RequestError: no film, or several films, go by this title (the message lists them).
        """
        if title in self.catalogue:
            return title
        links = self.catalogue.link(f"“{title}”")
        if not links:
            raise RequestError(
                f"no film called {title!r} in {self.catalogue.name!r}: check the spelling, or add the year"
            )
        if len(links[0].options) > 1:
            names = ", ".join(self.catalogue[i].name for i in links[0].options)
            raise RequestError(f"{title!r} could be {names}: add the year")
        return self.catalogue[links[0].options[0]].item_id

    def undo(self, conversation: Conversation) -> str | None:
        """Drop the last exchange and what it told; returns the user's message (None where there was none).

        What was logged stays logged: the impression was shown.
        """
        users = [place for place, message in enumerate(conversation.messages) if message.role == "user"]
        if not users:
            return None
        kept, dropped = conversation.messages[: users[-1]], conversation.messages[users[-1] :]
        cards = [belief for belief in conversation.beliefs if belief.source != "message"]
        conversation.messages = []
        conversation.beliefs, conversation.constraints, conversation.request, conversation.shown = (
            [],
            Constraints(),
            "",
            [],
        )
        for message in kept:
            conversation.messages.append(message)
            if message.role == "user":
                absorb(conversation, self._understand(conversation, message.content), self.catalogue)
            elif message.answer:
                conversation.shown += [item.item_id for item in message.answer.items]
        for belief in cards:
            believe(conversation, belief)
        if self.log is not None:
            self.log.save_conversation(conversation)
        return dropped[0].content

    def _listen(self, conversation: Conversation, message: str) -> Understanding:
        """Understand a message in the light of the conversation, and take it in."""
        told = self._understand(conversation, message)
        conversation.messages.append(Message("user", message))
        absorb(conversation, told, self.catalogue)
        return told

    def _index(self, item_id: str) -> int:
        try:
            return self.catalogue.index(item_id)
        except KeyError as error:
            raise RequestError(error.args[0]) from None

    def _understand(self, conversation: Conversation, message: str) -> Understanding:
        return understand(message, self.catalogue, previous=conversation.constraints)

    def _events(self, history: Iterable[Mapping[str, Any]]) -> list[Event]:
        """A history given from outside as events; see :meth:`recommend`."""
        events = []
        for entry in history:
            rating = entry.get("rating")
            if rating is not None and not 0.5 <= float(rating) <= 5:
                raise RequestError(f"rating {rating} of item {entry['item']!r}: give 0.5 to 5 stars, or leave it out")
            events.append(Event(self._index(str(entry["item"])), None if rating is None else float(rating)))
        return events

    def _choose(
        self, conversation: Conversation, past: Sequence[Event], told: Understanding | None, k: int, start: float
    ) -> tuple[Answer, Impression]:
        """Choose films and word the reply; ``start`` is when the turn began (``time.perf_counter``)."""
        understood = time.perf_counter()
        state = state_of(conversation, past, self.catalogue)
        left_out = state.seen | fresh_only(conversation, told, self.catalogue)
        rng = np.random.default_rng(self._seeds.spawn(1)[0]) if self.explore else None
        choice = choose(self.policy, self.catalogue, state, left_out, k, rng)
        examples = [self.catalogue[index].title for index in state.like]
        reply = found_reply(k, len(choice.items), state.constraints, examples, bool(state.history))
        timings = {"understanding": understood - start, **choice.seconds}
        answer = self._answer(conversation, reply, start, choice.items, timings=timings)
        impression = Impression(
            conversation_id=conversation.id,
            turn=conversation.turn,
            user=conversation.user,
            request=state.request,
            candidates=tuple(self.catalogue[int(index)].item_id for index in choice.ranking.candidates),
            slate=tuple(item.item_id for item in answer.items),
            propensities=tuple(item.propensity for item in answer.items),
            scores=tuple(item.score for item in answer.items),
            policy=answer.policy,
            template_name=str(answer.template["name"]),
            template_version=str(answer.template["version"]),
            template_hash=str(answer.template["hash"]),
            constraints=answer.constraints,
            temperature=choice.ranking.temperature,
            latency_ms=answer.latency_ms,
        )
        return answer, impression

    def _answer(
        self,
        conversation: Conversation,
        reply: str,
        start: float,
        items: tuple[Recommendation, ...] = (),
        choices: tuple[str, ...] = (),
        timings: Mapping[str, float] | None = None,
    ) -> Answer:
        constraints = conversation.constraints.to_json()
        constraints["excluded"] = [self.catalogue[index].item_id for index in constraints["excluded"]]
        return Answer(
            reply=reply,
            items=items,
            constraints=constraints,
            policy=self.policy.version,
            template=self.policy.template,
            latency_ms=round(1000 * (time.perf_counter() - start), 1),
            timings_ms={part: round(1000 * seconds, 1) for part, seconds in (timings or {}).items()},
            choices=choices,
        )


def _attitude(kind: str) -> Attitude:
    if kind not in get_args(Attitude):
        raise RequestError(f"unknown attitude {kind!r}: use one of {', '.join(get_args(Attitude))}")
    return cast(Attitude, kind)
