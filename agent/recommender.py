"""Recommender: one turn from message to answer, behind one small facade."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.lookup import RequestError, attitude_of, find_item, outcome_of, read_events
from agent.dialogue.dialogue_state import absorb, believe, forget, mentioned, rewind, state_of, take_back
from agent.dialogue.handlers import CHANGING, Turn, recommend, respond
from agent.dialogue.transcript import Heard, hear
from agent.generation.realizer import Voice
from agent.policy.distribution import Policy
from agent.policy.serving import FixedPolicy, PolicySource
from agent.records.answer import Answer
from agent.records.conversation import Belief, Conversation, Message
from agent.records.state import Event, State
from agent.store.template_serving import ServedTemplates
from agent.store.template_versions import TemplateStore
from agent.understanding.context import heard
from agent.understanding.parser import Ambiguity, Mention, Understanding

if TYPE_CHECKING:
    from agent.store.feedback import FeedbackLog


class Recommender:
    """Answers messages with films. Keeps no state of any user: a conversation is passed in and changed.

    ``policy`` is a policy, or the source that every turn gets its own from (:mod:`agent.policy.serving`).
    ``histories`` maps the data set's users to their events. ``explore`` draws slates at random (Plackett-Luce, at the
    temperature of :mod:`agent.dialogue.slate`), so that the log can be evaluated off-policy; otherwise the most
    probable items are shown. With a ``log``, the prompt templates that are active in its database serve
    (``templates``).
    """

    def __init__(
        self,
        catalogue: Catalogue,
        policy: Policy | PolicySource,
        histories: Mapping[str, tuple[Event, ...]],
        log: FeedbackLog | None = None,
        explore: bool = False,
        seed: int | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.log = log
        self.explore = explore
        self.templates = ServedTemplates(TemplateStore(log)) if log is not None else None
        self._source = FixedPolicy(policy) if isinstance(policy, Policy) else policy
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
            adapter: an adapter folder (None: the active one of the data set, also when that changes later on).
            log: where impressions and outcomes go (None: nowhere).
            explore: draw slates instead of taking the most probable items.
            progress: show progress bars.

        Raises:
            AssetError, ValueError: something is missing or does not fit; the message names it and the fix.
        """
        from agent.policy.loading import load_policy

        catalogue, source, histories = load_policy(data, model, adapter, progress)
        return cls(catalogue, source, histories, log, explore)

    @property
    def policy(self) -> Policy:
        """The policy in service now."""
        return self._source.current()

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
        start = time.perf_counter()
        if k < 1:
            raise RequestError(f"{k} films asked for: ask for at least 1")
        conversation = Conversation(user=user)
        past = (*self.history(user), *read_events(history or (), self.catalogue))
        for attitude, titles in (("liked", likes), ("disliked", dislikes)):
            for title in titles:
                believe(conversation, Belief(find_item(title, self.catalogue), attitude_of(attitude), source="panel"))
        heard = self._hear(conversation, [*messages, *([{"role": "user", "content": ask}] if ask else [])])
        answer = recommend(self._turn(conversation, past, heard.told, k, start))[0]
        return replace(answer, reply=" ".join([*heard.notes, answer.reply]))

    def state_after(self, messages: Sequence[Mapping[str, str]]) -> State:
        """What the policy ranks for after a conversation that was held elsewhere.

        Raises:
            RequestError: an unknown role.
        """
        conversation = Conversation()
        self._hear(conversation, messages)
        return state_of(conversation, (), self.catalogue)

    def _hear(self, conversation: Conversation, messages: Sequence[Mapping[str, str]]) -> Heard:
        return hear(
            messages,
            conversation,
            self.catalogue,
            lambda text: self._listen(conversation, text),
            lambda ambiguity: self._take(conversation, ambiguity),
        )

    def reply(self, conversation: Conversation, message: str, k: int = 5) -> Answer:
        """Answer a message: changes the conversation and, where there is a log, is on disk before it returns."""
        start = time.perf_counter()
        told = self._understand(conversation, message)
        undone = self._take_last_back(conversation) if told.intent == "undo" else None
        self._take_in(conversation, message, told)
        past = self.history(conversation.user)
        turn = replace(self._turn(conversation, past, told, k, start), asks=True, undone=undone)
        answer, impression = respond(turn)
        if self.log is not None and impression is not None:
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
        outcome = outcome_of(conversation, item_id, kind, value, self.catalogue)
        if kind == "removed":
            take_back(conversation, item_id, self.catalogue)
        elif kind != "clicked":
            believe(conversation, Belief(item_id, attitude_of(kind), value, "card", conversation.turn))
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

    def undo(self, conversation: Conversation) -> str | None:
        """Drop the last exchange and what it told; returns the user's message (None where there was none).

        What was logged stays logged: the impression was shown.
        """
        message = self._rewind(conversation)
        if message is not None and self.log is not None:
            self.log.save_conversation(conversation)
        return message

    def _rewind(self, conversation: Conversation) -> str | None:
        return rewind(conversation, lambda text: self._understand(conversation, text), self.catalogue)

    def _take_last_back(self, conversation: Conversation) -> str | None:
        """Drop the last exchange that changed something, and the mere questions since; returns the user's message."""
        while conversation.messages and (last := conversation.messages[-1].answer) and last.about not in CHANGING:
            del conversation.messages[-2:]
        return self._rewind(conversation)

    def _turn(
        self, conversation: Conversation, past: Sequence[Event], told: Understanding | None, k: int, start: float
    ) -> Turn:
        """All that the answer is made from; the policy is asked for once a turn."""
        own = self._source.current()
        return Turn(
            catalogue=self.catalogue,
            policy=own if self.templates is None else self.templates.policy(own, conversation.id),
            own=own,
            conversation=conversation,
            told=told,
            past=past,
            voice=self._voice_for(conversation),
            k=k,
            rng=np.random.default_rng(self._seeds.spawn(1)[0]) if self.explore else None,
            start=start,
            understood=time.perf_counter(),
        )

    def _voice_for(self, conversation: Conversation) -> Voice:
        """The words of this conversation's next reply."""
        return Voice(self.catalogue, self.templates, conversation.id, max(0, conversation.turn - 1))

    def _listen(self, conversation: Conversation, message: str) -> Understanding:
        """Understand a message in the light of the conversation, and take it in."""
        told = self._understand(conversation, message)
        self._take_in(conversation, message, told)
        return told

    def _take_in(self, conversation: Conversation, message: str, told: Understanding) -> None:
        conversation.messages.append(Message("user", message))
        absorb(conversation, message, told, self.catalogue)

    def _understand(self, conversation: Conversation, message: str) -> Understanding:
        """Read a message in its context; the answer to "which one?" stands for the title that was asked about."""
        return heard(message, conversation, self.catalogue)

    def _take(self, conversation: Conversation, ambiguity: Ambiguity) -> str:
        """Take the best known of several films of one name, where nobody can be asked; says which."""
        mention = Mention(ambiguity.options[0], ambiguity.text, 0, 0, ambiguity.attitude, ambiguity.rating)
        mentioned(conversation, mention, self.catalogue)
        return self._voice_for(conversation).taken(ambiguity.text, self.catalogue[mention.item].name)
