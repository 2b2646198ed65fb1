"""Recommender: one turn from message to answer, behind one small facade."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.lookup import RequestError, find_item, outcome_of, press_of, read_events
from agent.dialogue.handlers import CHANGING, COUNT, Reply, Turn, recommend, respond
from agent.dialogue.state import DialogueState, context_of, fold
from agent.generation.realizer import Wording
from agent.generation.server_wording import ServerWording
from agent.policy.distribution import Policy
from agent.policy.serving import FixedPolicy, PolicySource
from agent.records.acts import Act, Command, WhichItem
from agent.records.answer import Answer
from agent.records.conversation import Brought, Conversation, Dropped, Pressed, Replied, Said, Told, items_of, undone
from agent.records.state import Event
from agent.store.template_serving import ServedTemplates
from agent.store.template_versions import TemplateStore
from agent.understanding.chat_server import ChatServer
from agent.understanding.reader import understand
from agent.understanding.reading import Context, Reading
from agent.understanding.server_reader import ServerReader

if TYPE_CHECKING:
    from agent.catalogue.person_history import PersonHistory
    from agent.policy.registry import Experiment
    from agent.store.feedback import FeedbackLog

MOST_MISSING = 500
"""So many of the titles that were not found are kept."""

Reader = Callable[[str, Context, Catalogue], Reading]
"""What reads a message in its context as dialogue acts."""


@dataclass(frozen=True)
class Language:
    """Who reads the messages, and who words the replies (None: the templates); ``server`` is behind either."""

    reader: Reader = understand
    wording: ServerWording | None = None
    server: ChatServer | None = None

    def examine(self, catalogue: Catalogue) -> None:
        """See whether the server can read messages about this catalogue; where it cannot, the built-in reader reads."""
        if isinstance(self.reader, ServerReader):
            self.reader.examine(catalogue)


BUILT_IN = Language()
"""The reader of :mod:`agent.understanding.reader`, and the templates."""


class StoppedError(Exception):
    """Somebody no longer wants the answer."""


class Recommender:
    """Answers messages with items. Keeps no state of any person: a conversation is passed in and changed.

    ``policy`` is a policy, or the source that every turn gets its policy from (:mod:`agent.policy.serving`).
    ``histories`` maps the data set's users to their events. ``explore`` draws slates at random among near-equals
    (Plackett-Luce, at the temperature of :mod:`agent.dialogue.slate`), so that the log can be evaluated off-policy;
    otherwise the most probable items are shown. With a ``log``, the prompt templates that are active in its database
    serve (``templates``). ``language`` says who reads and words.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        policy: Policy | PolicySource,
        histories: Mapping[str, tuple[Event, ...]],
        log: FeedbackLog | None = None,
        explore: bool = False,
        seed: int | None = None,
        language: Language = BUILT_IN,
    ) -> None:
        self.catalogue = catalogue
        self.log = log
        self.explore = explore
        self.language = language
        self.templates = ServedTemplates(TemplateStore(log)) if log is not None else None
        self._source = FixedPolicy(policy) if isinstance(policy, Policy) else policy
        self._histories = histories
        self._seeds = np.random.SeedSequence(seed)

    @classmethod
    def load(
        cls,
        data: str = "films",
        model: str | None = None,
        adapter: str | Path | None = None,
        log: FeedbackLog | None = None,
        explore: bool = False,
        progress: bool = False,
        language: Language = BUILT_IN,
    ) -> Recommender:
        """Load a data set, its fitted evidence (fitted and cached on first use, about a minute), and the LM policy.

        Args:
            data: name of a fetched or imported data set.
            model: a Hugging Face causal LM by name or folder (None: the fetched default).
            adapter: an adapter folder (None: the active one of the data set, also when that changes later on).
            log: where impressions and outcomes go (None: nowhere).
            explore: draw slates instead of taking the most probable items.
            progress: show progress bars.
            language: who reads messages and words replies.

        Raises:
            AssetError, ValueError: something is missing or does not fit; the message names it and the fix.
        """
        from agent.policy.loading import load_policy

        catalogue, source, histories = load_policy(data, model, adapter, progress)
        language.examine(catalogue)
        return cls(catalogue, source, histories, log, explore, language=language)

    @property
    def policy(self) -> Policy:
        """The policy in service now."""
        return self._source.current()

    @property
    def experiment(self) -> Experiment | None:
        """The two versions of the policy that share the people now; None where one serves all."""
        return self._source.experiment()

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

    def state(self, conversation: Conversation) -> DialogueState:
        """What a conversation comes to."""
        return fold(conversation, self.catalogue)

    def believed(self, conversation: Conversation) -> dict[str, list[str]]:
        """What is believed of the person: names of the items that are liked, disliked and seen."""
        judgements = self.state(conversation).judgements.items()
        return {
            "liked": [self.catalogue[item].name for item, own in judgements if own.liked],
            "disliked": [self.catalogue[item].name for item, own in judgements if own.disliked],
            "seen": [self.catalogue[item].name for item, own in judgements if own.seen],
        }

    def recommend(
        self,
        user: str | None = None,
        likes: Iterable[str] = (),
        dislikes: Iterable[str] = (),
        ask: str = "",
        k: int = COUNT,
        history: Iterable[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, str]] = (),
    ) -> Answer:
        """One answer without a chat; nothing is logged.

        Args:
            user: a user of the data set whose past counts.
            likes: titles (typing errors are fine) or item ids that the person likes.
            dislikes: the same for dislikes.
            ask: the wish in words.
            k: how many items.
            history: more of the person's past, oldest first: ``{"item": id or title, "rating": grade or None}``.
            messages: a conversation so far: ``{"role": "user" or "assistant", "content": text}``.

        Raises:
            RequestError: an unknown user or item, a title that no item has, a rating out of range, an unknown role, or
                ``k`` below 1.
        """
        start = time.perf_counter()
        if k < 1:
            raise RequestError(f"{k} {self.catalogue.domain.nouns.many} asked for: ask for at least 1")
        conversation = Conversation(user=user)
        past = (*self.history(user), *read_events(history or (), self.catalogue))
        for kind, titles in (("liked", likes), ("disliked", dislikes)):
            for title in titles:
                conversation.events.append(Pressed(find_item(title, self.catalogue), press_of(kind)))
        taken = self._take_in(conversation, [*messages, *([{"role": "user", "content": ask}] if ask else [])])
        before = fold(conversation.events[:-1], self.catalogue)
        turn = self._turn(conversation, before, past, k, start, time.perf_counter())
        answer = self._worded(turn, recommend(turn)).answer
        return replace(answer, reply=" ".join([*taken, answer.reply]))

    def continued(self, messages: Sequence[Mapping[str, str]], before: Conversation | None = None) -> Conversation:
        """A conversation that was held elsewhere, to be gone on with here; ``before`` is what of it was read already.

        Raises:
            RequestError: an unknown role.
        """
        conversation = Conversation(events=[] if before is None else list(before.events))
        self._take_in(conversation, messages)
        return conversation

    def reply(
        self,
        conversation: Conversation,
        message: str,
        k: int = COUNT,
        past: Sequence[Event] = (),
        stopped: Callable[[], bool] | None = None,
        saved: Sequence[str] | None = None,
    ) -> Answer:
        """Answer a message: changes the conversation and, where there is a log, is on disk before it returns.

        Args:
            conversation: what went before.
            message: the person's text.
            k: how many items.
            past: more of the person's past than that of the conversation's user, oldest first.
            stopped: asked once, before anything is written; True drops the answer.
            saved: ids on the person's list for later (None: none is kept here); what the message changes of it is the
                caller's to carry out (:class:`agent.records.acts.Later`).

        Raises:
            StoppedError: it was stopped: nothing is logged, and ``conversation`` is not to be used any more.
        """
        start = time.perf_counter()
        before = self.state(conversation)
        return self._answered(conversation, before, self._read(before, message), k, past, start, stopped, saved)

    def act(self, conversation: Conversation, act: Act, k: int = COUNT, past: Sequence[Event] = ()) -> Answer:
        """Answer an act that was not read from a message: what a program wants or asks. Otherwise as :meth:`reply`."""
        start = time.perf_counter()
        ids = {item: self.catalogue[item].item_id for item in items_of(act)}
        return self._answered(conversation, self.state(conversation), Said("", (act,), ids=ids), k, past, start)

    def _answered(
        self,
        conversation: Conversation,
        before: DialogueState,
        said: Said,
        k: int,
        past: Sequence[Event],
        start: float,
        stopped: Callable[[], bool] | None = None,
        saved: Sequence[str] | None = None,
    ) -> Answer:
        undo = any(isinstance(act, Command) and act.kind == "undo" for act in said.acts)
        taken_back = None
        if undo:
            conversation.events, taken_back = undone(conversation.events, CHANGING)
        conversation.events.append(said)
        understood = time.perf_counter()
        past = (*self.history(conversation.user), *past)
        turn = self._turn(conversation, before, past, k, start, understood)
        reply = self._worded(turn, respond(replace(turn, asks=True, undone=taken_back, saved=saved)))
        if stopped is not None and stopped():
            raise StoppedError
        return self._keep(conversation, reply)

    def react(
        self, conversation: Conversation, item_id: str, kind: str, value: float | None = None, k: int = COUNT
    ) -> Answer | None:
        """Take a press on a card: changes the conversation and, where there is a log, writes both to disk.

        ``kind`` is liked, disliked, seen, rated (``value``: a grade from 1 to 5), more, less, clicked or removed.

        Returns:
            The new slate after "more" (like this) and "less"; None for all others, which act from the next slate on.

        Raises:
            RequestError: no such item, or an unknown kind.
            ValueError: a grade out of range.
        """
        start = time.perf_counter()
        outcome = outcome_of(conversation, item_id, kind, value, self.catalogue)
        before = self.state(conversation)
        conversation.events.append(Pressed(item_id, press_of(kind), value, conversation.turn))
        if self.log is not None:
            self.log.record_outcome(outcome, conversation)
        return self._renewed(conversation, before, k, start) if kind in ("more", "less") else None

    def drop(self, conversation: Conversation, key: str, k: int = COUNT) -> Answer | None:
        """Take back a condition, a wish in words or a history, by the key of its chip or the name of its facet.

        Returns:
            The new slate, where one stood before; None where none did.

        Raises:
            KeyError: there is no such condition.
        """
        start = time.perf_counter()
        before = self.state(conversation)
        conversation.events.append(Dropped(key))
        after = self.state(conversation)
        held = ("conditions", "hints", "count", "brought")
        if all(getattr(after, name) == getattr(before, name) for name in held):
            conversation.events.pop()
            facets = ", ".join(dict.fromkeys(own.facet for own in before.conditions)) or "none"
            raise KeyError(f"no condition {key!r} to take back: there are {facets}")
        if before.slate:
            return self._renewed(conversation, before, k, start)
        if self.log is not None:
            self.log.save_conversation(conversation)
        return None

    def forget(self, conversation: Conversation, what: str, k: int = COUNT) -> Answer | None:
        """Take back a belief, by item id, or a condition (see :meth:`drop`).

        Raises:
            KeyError: neither is there.
        """
        state = self.state(conversation)
        held = {*state.judgements, *state.like, *state.unlike, *state.refused}
        if what in self.catalogue and self.catalogue.index(what) in held:
            self.react(conversation, what, "removed")
            return None
        return self.drop(conversation, what, k)

    def bring(self, conversation: Conversation, name: str, history: PersonHistory) -> None:
        """Take what the person had elsewhere as their past, from the next slate on; another file adds to it."""
        items = tuple((self.catalogue[event.item].item_id, event.rating) for event in history.events)
        conversation.events.append(Brought(name, items, history.unmatched[:MOST_MISSING]))
        if self.log is not None:
            self.log.save_conversation(conversation)

    def undo(self, conversation: Conversation) -> str | None:
        """Drop the last exchange and what it changed; returns the person's message (None where there was none).

        What was logged stays logged: the impression was shown.
        """
        conversation.events, message = undone(conversation.events)
        if message is not None and self.log is not None:
            self.log.save_conversation(conversation)
        return message

    def _renewed(self, conversation: Conversation, before: DialogueState, k: int, start: float) -> Answer:
        """Another slate for what a press or a removal changed."""
        turn = self._turn(conversation, before, self.history(conversation.user), k, start, time.perf_counter())
        return self._keep(conversation, self._worded(turn, recommend(turn)))

    def _worded(self, turn: Turn, reply: Reply) -> Reply:
        """The reply in the server's words, where one words; what the templates said in other words stays as it is."""
        if self.language.wording is None:
            return reply
        start = time.perf_counter()
        text = reply.answer.reply
        told = [(plain, facts) for plain, facts in turn.wording.told if plain and plain in text]
        for (plain, _), said in zip(told, self.language.wording.reword(told, self.catalogue), strict=True):
            text = text.replace(plain, said, 1)
        spent = round(1000 * (time.perf_counter() - start), 1)
        answer = replace(
            reply.answer,
            reply=text,
            latency_ms=round(reply.answer.latency_ms + spent, 1),
            timings_ms={**reply.answer.timings_ms, "wording": spent},
        )
        return replace(reply, answer=answer)

    def _keep(self, conversation: Conversation, reply: Reply) -> Answer:
        answer, impression = reply.answer, reply.impression
        if self.log is not None and impression is not None:
            answer = replace(answer, impression_id=impression.id)
        conversation.events.append(Replied(answer))
        if self.log is not None:
            if impression is None:
                self.log.save_conversation(conversation)
            else:
                self.log.record_impression(impression, conversation)
        return answer

    def _turn(
        self,
        conversation: Conversation,
        before: DialogueState,
        past: Sequence[Event],
        k: int,
        start: float,
        understood: float,
    ) -> Turn:
        """All that the answer is made from; the policy is asked for once a turn."""
        plain = self._source.current(conversation.user or conversation.id)
        state = self.state(conversation)
        return Turn(
            catalogue=self.catalogue,
            policy=plain if self.templates is None else self.templates.policy(plain, conversation.id),
            plain=plain,
            conversation=conversation,
            before=before,
            state=state,
            past=past,
            wording=Wording(
                self.catalogue, self.templates, conversation.id, max(0, conversation.turn - 1), state.language
            ),
            k=k,
            rng=np.random.default_rng(self._seeds.spawn(1)[0]) if self.explore else None,
            start=start,
            understood=understood,
        )

    def _read(self, state: DialogueState, message: str) -> Said:
        """A message as an event: its acts, and the ids of the items in it."""
        reading = self.language.reader(message, context_of(state), self.catalogue)
        items = {*reading.spoken, *(item for act in reading.acts for item in items_of(act))}
        items |= {item for item, _ in reading.likely}
        ids = {item: self.catalogue[item].item_id for item in sorted(items)}
        return Said(
            message,
            reading.acts,
            reading.language,
            reading.spoken,
            ids,
            reading.corrects,
            reading.unknown,
            reading.likely,
        )

    def _take_in(self, conversation: Conversation, messages: Sequence[Mapping[str, str]]) -> list[str]:
        """Take in a conversation that was held elsewhere; notes for the reply say which item of a name was taken."""
        notes: list[str] = []
        for message in messages:
            role, text = message["role"], message["content"]
            if role == "user":
                said = self._read(self.state(conversation), text)
                notes = [
                    Wording(self.catalogue, self.templates, conversation.id).tell(
                        kind="taken", title=act.words, options=[self.catalogue[act.options[0]].name]
                    )
                    for act in said.acts
                    if isinstance(act, WhichItem)
                ]
                conversation.events.append(replace(said, acts=tuple(_decided(act) for act in said.acts)))
            elif role == "assistant":
                named = dict.fromkeys(self.catalogue[link.options[0]].item_id for link in self.catalogue.link(text))
                conversation.events.append(Told(text, tuple(named)))
            elif role == "system":
                conversation.events.append(Told(text))
            else:
                raise RequestError(f"unknown role {role!r}: use user, assistant or system")
        return notes


def _decided(act: Act) -> Act:
    """Of several items of one name the first, the best known, where nobody can be asked."""
    return act.said if isinstance(act, WhichItem) and act.said is not None else act
